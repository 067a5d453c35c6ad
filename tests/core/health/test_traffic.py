"""How the requests of a scope fared is told from tallies, of that scope and environment alone."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.health.tally import Came, Source, Tally, merged
from knownas.core.health.traffic import refused_unplaced, traffic_of
from knownas.core.identity.kinds import IdentityType
from tests.core.health.examples import (
    BAD_KEY,
    CRM,
    MADE,
    MADE_KNOWN,
    RETURNED,
    SUPPRESSED,
    TIED,
    TURNED_AWAY,
    WEB,
    tallies,
)

TALLY = {
    (WEB, RETURNED): 6,
    (WEB, TIED): 2,
    (WEB, MADE): 1,
    (CRM, MADE_KNOWN): 1,
    (CRM, TURNED_AWAY): 1,
    (CRM, SUPPRESSED): 1,
    (Source("shop", "", "web-key"), BAD_KEY): 3,
    (Source(), BAD_KEY): 5,
    (Source("shop", "development", "web-key"), RETURNED): 100,
    (Source("club", "production", "club-key"), BAD_KEY): 100,
}


def test_it_is_told_what_came_of_requests() -> None:
    """Decisions, which type decided them, new profiles by input, and refusals: also those whose environment nobody knew."""
    traffic = traffic_of([TALLY], "shop", "production")
    assert traffic.came == {
        Came.KNOWN: 6,
        Came.ANONYMOUS: 2,
        Came.CREATED: 1,
        Came.CREATED_KNOWN: 1,
        Came.REFUSED: 1,
    }
    assert traffic.matches == {IdentityType.EMAIL: 6, IdentityType.DEVICE_APPLICATION_STAMP: 2}
    assert traffic.made == {"web-key": 1, "crm-key": 1}
    assert traffic.refusals == {("crm-key", SUPPRESSED): 1, ("web-key", BAD_KEY): 3}
    assert (traffic.decisions, traffic.answered, traffic.new_profiles, traffic.refused) == (11, 10, 2, 4)
    assert traffic.requests == 14
    assert (traffic.known_share, traffic.new_share, traffic.tie_share) == (7 / 10, 2 / 10, 2 / 8)
    assert traffic.refused_share == 4 / 14


def test_of_nothing_no_share_is_known() -> None:
    """That is not 0."""
    traffic = traffic_of([], "shop", "production")
    assert traffic.requests == 0
    shares = (traffic.known_share, traffic.new_share, traffic.tie_share, traffic.refused_share)
    assert shares == (None, None, None, None)


def test_what_was_refused_before_a_scope_was_known_is_told_apart() -> None:
    """It is nobody's in particular."""
    assert refused_unplaced([TALLY, TALLY]) == {BAD_KEY: 10}


@given(st.lists(tallies, max_size=4))
def test_several_tallies_say_what_all_together_say(several: Sequence[Tally]) -> None:
    """It makes no difference who has counted what, and shares are shares."""
    traffic = traffic_of(several, "shop", "production")
    assert traffic == traffic_of([merged(several)], "shop", "production")
    for share in (traffic.known_share, traffic.new_share, traffic.tie_share, traffic.refused_share):
        assert share is None or 0 <= share <= 1
