"""A value that joins thousands is told and set aside, and what it would have joined comes out as it is without it."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from knownas.batch.backfill import limits
from knownas.batch.backfill.cutting import Met, meetings_limit, values_to_cut
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy, policy
from knownas.store.port import Pool, Store
from tests.batch.backfill.histories import SCOPE, START_MS, Observation, backfill_into, job_of, write_rows
from tests.store.places import PLACES
from tests.store.world import records_in

EMAIL, DEVICE = IdentityType.EMAIL, IdentityType.DEVICE_APPLICATION_STAMP
BEST, CONVERSION = policy(Strategy.BEST_MATCH), policy(Strategy.PROFILE_CONVERSION)
GUEST = Identity(EMAIL, "guest@example.com")
PEOPLE = 300


def met(value: str, meetings: int, kind: IdentityType = EMAIL, component: int = 1) -> Met:
    """Return a value that is met so often."""
    return Met(component, 0, kind, value, meetings)


def test_values_beyond_their_limit_are_cut_and_no_others() -> None:
    """Of a component that is too large, what meets more than its type may is set aside; the rest stays."""
    most = meetings_limit(EMAIL, BEST)
    toxic = [met("guest", most + 1), met("null", most * 9)]
    assert values_to_cut([*toxic, met("ann", most), met("bob", 3)], BEST) == toxic


def test_a_value_that_names_a_user_may_meet_less() -> None:
    """The limit of a login or unique type is the lower one."""
    assert meetings_limit(IdentityType.CUSTOMER_ID, CONVERSION) < meetings_limit(DEVICE, CONVERSION)


def test_without_one_beyond_its_limit_the_most_met_are_cut() -> None:
    """Where no value stands out, those met at least half as often as the most met one are set aside."""
    values = [met("a", 40), met("b", 20), met("c", 19), met("d", 1)]
    assert values_to_cut(values, BEST) == values[:2]


def test_each_component_is_judged_by_itself() -> None:
    """What is cut of one component does not depend on another; one whose values meet nobody keeps all of them."""
    one, other, alone = met("a", 10), met("b", 4, component=2), met("c", 1, component=3)
    assert values_to_cut([one, other, alone], BEST) == [one, other]


def test_rounds_end_whatever_the_data() -> None:
    """Each round at least halves the meetings of the most met value that is left, so a logarithm of rounds is enough."""
    chance = random.Random(7)
    left = [met(str(number), chance.randrange(2, 1_000_000)) for number in range(5_000)]
    rounds = 0
    while left:
        before = max(one.meetings for one in left)
        cut = set(values_to_cut(left, BEST))
        left = [one for one in left if one not in cut]
        assert max((one.meetings for one in left), default=0) <= before // 2 or before > limits.MEETINGS_MAX
        rounds += 1
    assert rounds <= limits.CUT_ROUNDS_MAX


def _people(*, with_guest: bool) -> list[Observation]:
    """Return people with two devices each, some of whom have entered what everybody enters."""
    rows: list[Observation] = []
    for number in range(PEOPLE):
        own = Identity(EMAIL, f"user{number}@example.com")
        for device in range(2):
            identities = (Identity(DEVICE, f"device {number}.{device}"), own)
            rows.append(Observation(START_MS + 10 * number + device, identities))
        junk = (GUEST,) if with_guest else ()
        rows.append(Observation(START_MS + 10 * number + 5, (Identity(DEVICE, f"device {number}.0"), *junk)))
    return rows


def test_a_giant_component_is_cut_and_its_people_come_out_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a guest's e-mail on every person, the profiles are those without it; it is told, and nothing fails."""
    monkeypatch.setattr("knownas.batch.backfill.cutting.MEETINGS_MAX", 100)
    found: dict[bool, Any] = {}
    for with_guest in (True, False):
        folder = tmp_path / str(with_guest)
        folder.mkdir()
        with PLACES["sqlite"](folder) as place:
            rows = _people(with_guest=with_guest)
            if with_guest:
                rows.append(Observation(START_MS, (GUEST,)))
            path = write_rows(folder / "history.jsonl", rows)
            report: Any = backfill_into(place, job_of(BEST, [path], largest=50), folder / "work")
            assert place.contradictions() == []
            found[with_guest] = (report, asyncio.run(_profiles(place.open())))
    report, profiles = found[True]
    assert report["set_aside"] == [{"type": "email", "value": GUEST.value, "observations": PEOPLE + 1}]
    assert report["reasons"] == {"set_aside": 1}
    assert profiles == found[False][1]
    assert len(profiles) == PEOPLE


async def _profiles(store: Store) -> list[Any]:
    """Return what profiles hold, without their names."""
    records = await records_in(store, Pool(SCOPE, Environment.PRODUCTION))
    await store.close()
    return sorted(sorted(one.identities.items()) for one in records.values())
