"""Which statement about a purpose counts."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.limits import CONSENT_CHANGES_MAX, CONSENT_PURPOSES_MAX
from knownas.core.profile.consent import (
    CCPA_PURPOSE,
    Consent,
    ConsentChange,
    Consents,
    Purpose,
    Regulation,
    history,
    with_changes,
    with_consents,
)

MARKETING = Purpose(Regulation.GDPR, "marketing")
SALE = Purpose(Regulation.CCPA, CCPA_PURPOSE)


def yes(at_ms: int) -> Consent:
    return Consent(consented=True, at_ms=at_ms)


def no(at_ms: int, document: str | None = None) -> Consent:
    return Consent(consented=False, at_ms=at_ms, document=document)


@given(st.data())
def test_the_last_statement_counts_whatever_the_order_of_arrival(data: st.DataObject) -> None:
    """However statements arrive, and in whatever groups, each purpose has the one made last."""
    times = data.draw(st.lists(st.integers(0, 99), unique=True, max_size=8))
    said = [
        (data.draw(st.sampled_from([MARKETING, SALE])), Consent(data.draw(st.booleans()), at_ms)) for at_ms in times
    ]
    newest = dict(sorted(said, key=lambda one: one[1].at_ms))
    order = data.draw(st.permutations(said))
    cut = data.draw(st.integers(0, len(order)))
    held: Consents = with_consents(with_consents({}, order[:cut])[0], order[cut:])[0]
    assert held == newest


def test_of_two_at_the_same_time_the_later_arrival_counts() -> None:
    """Statements of one moment are settled by which arrived later."""
    held, _ = with_consents({}, [(SALE, yes(1)), (SALE, no(1, "v2"))])
    assert held == {SALE: no(1, "v2")}


def test_purposes_of_two_regulations_are_apart() -> None:
    """A name is a purpose of its regulation only."""
    other = Purpose(Regulation.GDPR, CCPA_PURPOSE)
    held, _ = with_consents({}, [(SALE, yes(1)), (other, no(2))])
    assert held == {SALE: yes(1), other: no(2)}


def test_a_purpose_beyond_the_limit_is_left_out() -> None:
    """A profile with as many purposes as it can have still takes newer statements about these, and says what is new."""
    full = {Purpose(Regulation.GDPR, str(number)): yes(1) for number in range(CONSENT_PURPOSES_MAX)}
    first = Purpose(Regulation.GDPR, "0")
    held, left_out = with_consents(full, [(MARKETING, yes(2)), (first, no(2)), (MARKETING, no(3))])
    assert (len(held), MARKETING in held, held[first]) == (CONSENT_PURPOSES_MAX, False, no(2))
    assert left_out == (MARKETING,)


def after(said: list[tuple[Purpose, Consent]]) -> tuple[Consents, tuple[ConsentChange, ...]]:
    """Let statements come one after the other, each at its own time; returns what counts, and what is remembered."""
    held: Consents = {}
    changes: tuple[ConsentChange, ...] = ()
    for received_ms, one in enumerate(said):
        merged, _ = with_consents(held, [one])
        changes = with_changes(changes, held, merged, [ConsentChange(*one, received_ms, "web")])
        held = merged
    return held, changes


@given(
    st.lists(
        st.tuples(
            st.sampled_from([MARKETING, SALE]),
            st.builds(Consent, st.booleans(), st.integers(0, 9), st.sampled_from([None, "v1"])),
        ),
        max_size=12,
    )
)
def test_what_counts_is_always_in_the_history(said: list[tuple[Purpose, Consent]]) -> None:
    """Whatever came in whatever order, what counts now stands in the history, which holds nothing that was not said."""
    held, changes = after(said)
    told = history(changes, held)
    for purpose, consent in held.items():
        assert any(one.purpose == purpose and one.consent.says_as(consent) for one in told)
    assert {(one.purpose, one.consent) for one in told} <= set(said)
    assert [one.consent.at_ms for one in told] == sorted(one.consent.at_ms for one in told)


def test_only_changes_are_remembered() -> None:
    """A statement that is repeated, or made again in the same words, is none; what came late is one, once."""
    said = [yes(1), yes(1), yes(5), no(7), no(7), yes(3), yes(3), no(8, "v2"), yes(9)]
    _, changes = after([(MARKETING, one) for one in said])
    assert [(one.consent, one.received_ms) for one in changes] == [
        (yes(1), 0),
        (no(7), 3),
        (yes(3), 5),
        (no(8, "v2"), 7),
        (yes(9), 8),
    ]


def test_what_came_before_changes_were_remembered_is_told_without_its_input() -> None:
    """A consent that counts and was not remembered as a change stands in the history all the same."""
    assert history((), {SALE: yes(4)}) == (ConsentChange(SALE, yes(4), None, None),)


def test_the_oldest_changes_go_first() -> None:
    """Beyond the limit the newest changes are remembered."""
    _, changes = after([(SALE, Consent(at_ms % 2 == 0, at_ms)) for at_ms in range(CONSENT_CHANGES_MAX + 5)])
    assert [one.consent.at_ms for one in changes] == list(range(5, CONSENT_CHANGES_MAX + 5))
