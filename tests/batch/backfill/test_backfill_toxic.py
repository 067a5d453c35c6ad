"""A backfill sets the same values aside that a server sets aside of requests, links nobody by them, and lists them."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from knownas.batch.backfill.screening import Screening
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.policy import Strategy, policy
from knownas.core.identity.toxic import unlike_a_person
from knownas.core.identity.toxic_limits import ToxicMode, ToxicReason, ToxicSettings
from knownas.service.identity.question import screened_rules
from knownas.service.security.directory import Directory
from knownas.service.toxic.beside import toxic_beside
from knownas.service.toxic.list import Past, ToxicState, ToxicValue, read_list
from knownas.store.port import Pool, Store
from tests.batch.backfill.histories import SCOPE, START_MS, Observation, backfill_into, differences, job_of, write_rows
from tests.batch.backfill.junk import EMAIL, STAMP, draw_with_junk, junk_of
from tests.properties.trials import seed_of_this_run
from tests.store.places import PLACES
from tests.store.world import records_in

STEPS = 30
QUARANTINE: Final = ToxicSettings(ToxicMode.QUARANTINE)


def differing(chance: random.Random, folder: Path, kind: str, histories: int) -> list[str]:
    """Draw histories with junk and a policy, and say where a backfill of them differs from one after the other."""
    rules, rows, listed = draw_with_junk(chance, histories=histories, steps=STEPS)
    with PLACES[kind](folder) as place:
        return [f"{rules}: {one}" for one in differences(place, rules, rows, folder, listed=listed)]


@pytest.mark.parametrize("kind", PLACES)
def test_backfill_with_junk_equals_one_by_one(kind: str, tmp_path: Path) -> None:
    """With junk, and under any mode, policy and list, a backfill comes to what one request after the other comes to."""
    seed = seed_of_this_run()
    chance = random.Random(seed)
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = differing(chance, folder, kind, histories=4)
        assert not found, (seed, number, found[:5])


@pytest.mark.soak
def test_a_thousand_histories_with_junk_backfill_to_what_they_fold_to(tmp_path: Path) -> None:
    """A thousand random histories with junk, four at a time under a policy of their own, show no difference."""
    seed = seed_of_this_run()
    chance = random.Random(seed)
    for number in range(250):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = differing(chance, folder, "sqlite", histories=4)
        assert not found, (seed, number, found[:5])


def test_the_comparison_sees_a_backfill_that_sets_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: where the backfill's screen is left out, junk makes a difference that is told."""
    monkeypatch.setattr(Screening, "screened", lambda _: None)
    rows = [
        Observation(START_MS + place, (Identity(STAMP, f"device {place}"), Identity(EMAIL, "null")))
        for place in range(3)
    ]
    rules = replace(
        policy(Strategy.BEST_MATCH), settings=replace(policy(Strategy.BEST_MATCH).settings, toxic=QUARANTINE)
    )
    with PLACES["sqlite"](tmp_path) as place:
        assert differences(place, rules, rows, tmp_path)


def _shop(people: int) -> list[Observation]:
    """Return people with a device and an address each, who also come with junk beside it, or with nothing but junk."""
    rows: list[Observation] = []
    for number in range(people):
        device, own = Identity(STAMP, f"device {number}"), Identity(EMAIL, f"user{number}@example.com")
        told = ((device, own), (device, Identity(EMAIL, "guest@example.com")), (Identity(EMAIL, "guest@example.com"),))
        rows += [Observation(START_MS + 10 * number + place, one) for place, one in enumerate(told)]
    return rows


def test_quarantined_junk_joins_nobody_and_makes_no_giant(tmp_path: Path) -> None:
    """Under quarantine the largest component of a history is a person's, and rows with nothing but junk name nobody."""
    people = 200
    rules = policy(Strategy.BEST_MATCH)
    rules = replace(rules, settings=replace(rules.settings, toxic=QUARANTINE))
    with PLACES["sqlite"](tmp_path) as place:
        path = write_rows(tmp_path / "history.jsonl", _shop(people))
        report: Any = backfill_into(place, job_of(rules, [path], largest=50), tmp_path / "work")
        assert place.contradictions() == []
        profiles, listed = asyncio.run(_seen(place.open()))
    assert profiles == people
    assert report["largest_components"][0]["rows"] == 2
    assert report["set_aside"] == []
    assert report["reasons"] == {"no_identities": people}
    wanted = {"type": "email", "value": "guest@example.com", "environment": "production", "rows": 2 * people}
    assert report["quarantined"] == [wanted]
    assert [(one.value, one.state, one.reason) for one in listed] == [
        ("guest@example.com", ToxicState.QUARANTINED, ToxicReason.PATTERN)
    ]


def test_what_is_toxic_by_whom_it_meets_is_found_afterwards(tmp_path: Path) -> None:
    """A front desk's address joins the people of a history until a server has read its log, and nobody after that."""
    people, desk = 30, Identity(EMAIL, "frontdesk@hotel.example")
    rules = policy(Strategy.BEST_MATCH)
    rules = replace(rules, settings=replace(rules.settings, toxic=QUARANTINE))
    own = [Identity(STAMP, f"device {number}") for number in range(people)]
    rows = [Observation(START_MS + place, (one, desk)) for place, one in enumerate(own)]
    with PLACES["sqlite"](tmp_path) as place:
        backfill_into(place, job_of(rules, [write_rows(tmp_path / "history.jsonl", rows)]), tmp_path / "work")

        async def watched() -> int:
            store = place.open()
            joined = len(await store.holders(Pool(SCOPE, "production"), desk, people))
            _, watch = toxic_beside(store, Directory([screened_rules(SCOPE, rules)], []))
            await watch.catch_up()
            await store.close()
            return joined

        assert asyncio.run(watched()) == 1
        profiles, listed = asyncio.run(_seen(place.open()))
    assert profiles == people
    assert [(one.value, one.past) for one in listed] == [(desk.value, Past.CORRECTED)]


async def _seen(store: Store) -> tuple[int, Sequence[ToxicValue]]:
    """Return how many profiles there are, and what is listed."""
    records = await records_in(store, Pool(SCOPE, "production"))
    listed = await read_list(store)
    await store.close()
    return sum(bool(one.size) for one in records.values()), list(listed.values.values())


def test_the_junk_of_these_tests_is_junk() -> None:
    """Each value that the tests call junk is known by its looks."""
    for kind in IdentityType:
        assert all(unlike_a_person(Identity(kind, value)) for value in junk_of(kind)), kind
