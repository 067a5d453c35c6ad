"""Which statement about a purpose counts."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.limits import CONSENT_PURPOSES_MAX
from knownas.core.profile.consent import CCPA_PURPOSE, Consent, Consents, Purpose, Regulation, with_consents

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
