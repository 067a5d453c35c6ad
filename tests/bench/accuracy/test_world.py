"""A generated world is the same for the same seed, and its people do what their business says."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bench.accuracy.business import BUSINESSES, MARKETPLACE, Business
from bench.accuracy.world import JUNK_ADDRESSES, Standing, World, world
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.demo.town import ZEROED_ID
from tests.bench.accuracy.worlds import CLEAR, CROWDED, STEADY, TROUBLED

SMALL = tuple(replace(one, people=30, days=30) for one in BUSINESSES)


WORLDS: dict[str, World] = {}


def lived_in(business: Business) -> World:
    """Return the world of one of the businesses above, made once."""
    if business.name not in WORLDS or WORLDS[business.name].business != business:
        WORLDS[business.name] = world(business, 1)
    return WORLDS[business.name]


def named_by(lived: World) -> Mapping[Identity, set[int]]:
    """Return who caused each identity to be named."""
    found: defaultdict[Identity, set[int]] = defaultdict(set)
    for step in lived.steps:
        for one in step.identities:
            found[one].add(step.person)
    return found


def used_by(lived: World) -> Mapping[str, set[int]]:
    """Return who used each install."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for step in lived.steps:
        if step.stamp is not None:
            found[step.stamp].add(step.person)
    return found


def test_same_seed_same_world() -> None:
    """A seed gives the same steps each time, and another seed others."""
    business = replace(TROUBLED, days=20)
    assert world(business, 1) == world(business, 1)
    assert world(business, 1).steps != world(business, 2).steps


@pytest.mark.parametrize("business", [*SMALL, CLEAR, STEADY, CROWDED, TROUBLED], ids=lambda one: one.name)
def test_calls_are_those_of_an_sdk(business: Business) -> None:
    """An install begins with an identify, never has two calls at once, and names identities in all but a modify."""
    lived = lived_in(business)
    last: dict[int, int] = {}
    for step in lived.steps:
        assert bool(step.identities) == (step.endpoint is not Endpoint.MODIFY)
        assert bool(step.changes) == (step.endpoint is Endpoint.MODIFY)
        if step.install is None:
            assert (step.stamp, step.standing, step.events) == (None, Standing.FEED, 1)
            continue
        assert step.install in last or step.endpoint is Endpoint.IDENTIFY
        assert step.at_ms > last.get(step.install, 0)
        last[step.install] = step.at_ms
    assert [step.at_ms for step in lived.steps] == sorted(step.at_ms for step in lived.steps)
    assert sum(step.events for step in lived.steps) > len(lived.households)


@pytest.mark.parametrize("business", [*SMALL, TROUBLED], ids=lambda one: one.name)
def test_standing_follows_logins_and_logouts(business: Business) -> None:
    """After a login a person is in their own account, after a logout nobody is; nothing follows a visit's logout."""
    for step in lived_in(business).steps:
        if step.endpoint is Endpoint.LOGIN:
            assert step.standing is Standing.OWN
        if step.endpoint is Endpoint.LOGOUT:
            assert step.standing is Standing.ANONYMOUS
            assert step.events == 0


def test_in_the_clear_every_identity_is_one_persons() -> None:
    """Without anything shared, mistaken or made up, no identity is ever named by two people."""
    assert {len(people) for people in named_by(world(CLEAR, 3)).values()} == {1}


def test_households_share_among_themselves_and_kiosks_with_all() -> None:
    """What several people use is one household's, but for the kiosk, which many use."""
    lived = world(CROWDED, 1)
    kiosks = {step.stamp for step in lived.steps if step.at_kiosk}
    shared = 0
    for stamp, people in used_by(lived).items():
        if stamp in kiosks:
            assert len(people) > len(lived.households) / 2
        else:
            assert len({lived.households[person] for person in people}) == 1
            shared += len(people) > 1
    assert len(kiosks) == 1
    assert shared


def test_a_kiosk_that_forgets_is_one_persons_at_a_time() -> None:
    """A kiosk that is as new after each visit is never met by two people under one stamp."""
    lived = world(CROWDED.with_forgetful_kiosks(), 1)
    used = used_by(lived)
    visits = {step.stamp for step in lived.steps if step.at_kiosk and step.stamp is not None}
    assert len(visits) > len(lived.households)
    assert {len(used[stamp]) for stamp in visits} == {1}


def test_trouble_comes_as_asked() -> None:
    """Couples share addresses, numbers pass on, typing errors hit others, and junk is named by many."""
    lived = world(TROUBLED, 1)
    named = named_by(lived)

    def by_several(kind: IdentityType) -> list[str]:
        return [one.value for one, people in named.items() if one.type is kind and len(people) > 1]

    assert ZEROED_ID in {*by_several(IdentityType.ANDROID_AAID), *by_several(IdentityType.IOS_IDFA)}
    assert by_several(IdentityType.MOBILE_NUMBER)
    emails = by_several(IdentityType.EMAIL)
    assert set(emails) & set(JUNK_ADDRESSES)
    assert set(emails) - set(JUNK_ADDRESSES)
    assert by_several(IdentityType.CUSTOMER_ID), "a household's account"


@pytest.mark.parametrize("business", SMALL, ids=lambda one: one.name)
def test_a_world_without_junk_has_none(business: Business) -> None:
    """The twin of a business that a quarantine is held against names no identity that is nobody's."""
    values = {one.value for one in named_by(world(business.without_junk(), 1))}
    assert not values & {*JUNK_ADDRESSES, ZEROED_ID}


@pytest.mark.parametrize("change", [{"junk": 0.0}, {"zeroed_ads": 0.0}, {"email_change": 0.0}], ids=str)
def test_people_are_the_same_but_for_one_habit(change: Mapping[str, Any]) -> None:
    """Two businesses that differ in one habit have most visits in common, so that their scores can be compared."""
    business = replace(MARKETPLACE, people=40, days=30)
    some, other = (
        {(step.at_ms, step.person, step.standing) for step in world(one, 1).steps}
        for one in (business, replace(business, **change))
    )
    assert len(some & other) > 0.85 * len(some | other)


@pytest.mark.parametrize(
    ("never", "endpoint"),
    [
        ({"log_out": 0.0, "kiosks": 0, "take_over": 0.0}, Endpoint.LOGOUT),
        ({"sign_up": 0.0, "has_account": 0.0}, Endpoint.LOGIN),
        ({"email_change": 0.0, "junk": 0.0, "typing_error": 0.0}, Endpoint.MODIFY),
    ],
)
def test_a_share_of_nothing_is_never(never: Mapping[str, Any], endpoint: Endpoint) -> None:
    """Where nobody does something, no call tells of it; where some do, calls do."""
    business = replace(TROUBLED, days=20)
    assert any(step.endpoint is endpoint for step in world(business, 1).steps)
    assert all(step.endpoint is not endpoint for step in world(replace(business, **never), 1).steps)


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": 0},
        {"days": 1_000},
        {"kiosks": -1},
        {"junk": 1.5},
        {"log_out": -0.1},
        {"visits_a_month": 0.0},
        {"events_a_visit": 0.5},
        {"feed_rows_a_month": -1.0},
        {"own_device_counts": {}},
        {"household_sizes": {0: 1.0}},
    ],
    ids=str,
)
def test_impossible_businesses_are_refused(wrong: Mapping[str, Any]) -> None:
    """A number out of its bounds makes no business."""
    with pytest.raises(ValueError, match=r"\b[01]\b|numbers"):
        replace(CLEAR, **wrong)
