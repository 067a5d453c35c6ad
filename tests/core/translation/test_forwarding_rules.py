"""Which events of which users are forwarded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.profile.attributes import Attribute, AttributeValue
from knownas.core.profile.consent import Consent
from knownas.core.profile.event import Attribution, Event
from knownas.core.translation.forwarding_rules import (
    AttributeRule,
    AttributionRule,
    ConsentRule,
    Effect,
    ForwardedUser,
    ForwardingRule,
    HeldBackBy,
    InvalidSampling,
    KnownUsersOnly,
    Sampling,
    Where,
    event_held_back,
    user_held_back,
)
from knownas.core.translation.view import ProfileView
from tests.core.translation.profiles import MARKETING, SALE, user

ONLY, NOT = Effect.ONLY_FORWARD, Effect.DO_NOT_FORWARD


def of(attributes: dict[str, AttributeValue | None] | None = None, **members: Any) -> ForwardedUser:
    kept = {name: Attribute(value, 1) for name, value in (attributes or {}).items()}
    return ForwardedUser(ProfileView(1, **{"known": True, **members}), kept, (Attribution("Acme", "spring", 1),))


def event(**attributes: Any) -> Event:
    return Event("custom_event", 1, None, {"event_name": "Play", "custom_attributes": attributes})


PLANS: list[tuple[Any, bool]] = [
    ("gold", True),
    ("Gold", False),
    (" gold", False),
    (None, False),
    (["silver", "gold"], True),
    (["silver"], False),
    ([], False),
    ({"gold": 1}, False),
]


@pytest.mark.parametrize(("value", "matches"), PLANS, ids=[repr(value) for value, _ in PLANS])
def test_an_attribute_matches_exactly(value: Any, matches: bool) -> None:  # noqa: FBT001 - a case
    """Attributes of events and of users match exactly and by case; what is missing matches nothing."""
    said = event() if value is None else event(plan=value)
    kept: AttributeValue | None = tuple(value) if isinstance(value, list) else value
    for effect, passes in ((ONLY, matches), (NOT, not matches)):
        here, there = (AttributeRule(where, "plan", "gold", effect) for where in Where)
        assert (event_held_back(said, [here]) is None) is passes
        if not isinstance(value, dict):
            assert (user_held_back(of({} if value is None else {"plan": kept}), [there]) is None) is passes
        assert user_held_back(of(), [here]) is None
        assert event_held_back(said, [there]) is None


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (3, "3"), (2.5, "2.5")])
def test_numbers_and_booleans_match_as_text(value: Any, text: str) -> None:
    """A rule is written as text, and compares what is no text as the surfaces show it."""
    assert event_held_back(event(n=value), [AttributeRule(Where.EVENT, "n", text, ONLY)]) is None


def test_a_deleted_attribute_matches_nothing() -> None:
    """An attribute that was deleted is as one that there never was."""
    rule = AttributeRule(Where.USER, "plan", "gold", ONLY)
    assert user_held_back(of({"plan": None}), [rule]) is HeldBackBy.ATTRIBUTE


def test_an_event_without_attributes_matches_nothing() -> None:
    """An event that has no attributes at all is forwarded by a rule that holds matching ones back only."""
    bare = Event("session_start", 1, None, {"custom_attributes": "none"})
    assert event_held_back(bare, [AttributeRule(Where.EVENT, "a", "b", ONLY)]) is HeldBackBy.ATTRIBUTE
    assert event_held_back(bare, [AttributeRule(Where.EVENT, "a", "b", NOT)]) is None


YES, NO = Consent(consented=True, at_ms=1), Consent(consented=False, at_ms=1)


@pytest.mark.parametrize(
    ("who", "rule", "held_back_by"),
    [
        (of(), AttributionRule("Acme", ONLY), None),
        (of(), AttributionRule("acme", ONLY), HeldBackBy.ATTRIBUTION),
        (of(), AttributionRule("Acme", NOT), HeldBackBy.ATTRIBUTION),
        (of(), AttributionRule("Other", NOT), None),
        (of(consents={MARKETING: YES}), ConsentRule(MARKETING, consented=True, effect=ONLY), None),
        (of(consents={MARKETING: NO}), ConsentRule(MARKETING, consented=True, effect=ONLY), HeldBackBy.CONSENT),
        (of(), ConsentRule(MARKETING, consented=True, effect=ONLY), HeldBackBy.CONSENT),
        (of(), ConsentRule(MARKETING, consented=False, effect=NOT), None),
        (of(consents={SALE: YES}), ConsentRule(SALE, consented=True, effect=NOT), HeldBackBy.CONSENT),
        (of(), ConsentRule(SALE, consented=True, effect=NOT), None),
        (of(known=False), KnownUsersOnly(), HeldBackBy.KNOWN_USERS),
        (of(), KnownUsersOnly(), None),
        (of(), Sampling(0), HeldBackBy.SAMPLING),
        (of(), Sampling(100), None),
    ],
)
def test_a_user_is_forwarded_as_the_rule_says(
    who: ForwardedUser, rule: ForwardingRule, held_back_by: HeldBackBy | None
) -> None:
    """Attribution, consent, login and sampling forward a user or hold everything of them back, and which is told."""
    assert user_held_back(who, [rule]) is held_back_by


def test_all_rules_have_to_let_pass() -> None:
    """The first rule that holds back is told, and one that would let pass does not help."""
    rules = [AttributionRule("Acme", ONLY), KnownUsersOnly(), Sampling(0)]
    assert user_held_back(of(known=False), rules) is HeldBackBy.KNOWN_USERS
    assert user_held_back(of(), rules) is HeldBackBy.SAMPLING


@pytest.mark.parametrize("percent", [1, 10, 33.3, 50, 99])
def test_a_sample_is_about_as_large_as_it_should_be(percent: float) -> None:
    """Of 20,000 users, whose MPIDs are no random numbers, the share is within one percent of all."""
    has = Sampling(percent).has
    assert abs(sum(map(has, range(1, 20_001))) / 200 - percent) < 1


@given(st.integers(-(2**63), 2**63 - 1), st.floats(0, 100), st.floats(0, 100), st.text("ab", max_size=8))
def test_a_larger_sample_has_those_of_a_smaller_one(mpid: int, one: float, other: float, key: str) -> None:
    """A user who is in a sample stays in it when the share grows, however often it is asked."""
    smaller, larger = sorted([one, other])
    if Sampling(smaller, key).has(mpid):
        assert Sampling(larger, key).has(mpid)


def test_samples_of_two_keys_have_nothing_to_do_with_each_other() -> None:
    """With keys of their own, two halves of the users overlap in a quarter."""
    both = sum(Sampling(50, "a").has(mpid) and Sampling(50, "b").has(mpid) for mpid in range(1, 10_001))
    assert abs(both - 2_500) < 200


SAMPLED = [5, 6, 10, 15, 21, 24, 25, 26, 28, 29, 31, 35, 36, 40]


def test_the_same_users_are_sampled_in_every_process_and_version() -> None:
    """Who is in a sample is written down here, since a destination that counts on it would notice any change."""
    assert [mpid for mpid in range(1, 41) if Sampling(25, "key").has(mpid)] == SAMPLED


@pytest.mark.parametrize(("percent", "key"), [(-1, ""), (100.5, ""), (float("nan"), ""), (1, "k" * 65)])
def test_a_share_is_a_share(percent: float, key: str) -> None:
    """Less than nothing, more than everybody, no number, and a key that would be cut are refused."""
    with pytest.raises(InvalidSampling):
        Sampling(percent, key)


def test_a_user_needs_no_section() -> None:
    """Somebody whom the workspace knows nothing of has no attributes and no attribution."""
    assert user_held_back(ForwardedUser(user()), [AttributionRule("Acme", NOT)]) is None
