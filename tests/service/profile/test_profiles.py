"""Profiles are shown as they are, with their history, and come over from another system whole or not at all."""

import asyncio
from pathlib import Path

import pytest

from knownas.core.identity.decision import Created, Refusal, Refused, Seeded
from knownas.core.identity.observation import Endpoint, Environment
from knownas.core.identity.policy import EnvironmentPools
from knownas.service.identity.question import Answer, Rules
from knownas.service.identity.receipts import rfc3339
from knownas.service.profile.profiles import Profiles
from knownas.service.security.directory import Directory
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite.store import SqliteStore
from tests.core.pool import rules as policy_of
from tests.service.stage import DEVELOPMENT, PRODUCTION, Stage, held, mpid_of
from tests.store.world import EVERYTHING

LOGIN = Endpoint.LOGIN


def refusal_of(answer: Answer | None) -> Refusal:
    """Return why a seed was refused."""
    assert answer is not None
    assert isinstance(answer.decision.outcome, Refused), answer.decision.outcome
    return answer.decision.outcome.reason


async def test_a_profile_is_shown_whole() -> None:
    """A profile is shown with everything that is known of it: MPID and source as text, times in UTC."""
    stage = Stage()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c", email="e", push_token="p")))

    assert await stage.profiles.show(mpid) == {
        "mpid": str(mpid),
        "scope": "shop",
        "environment": "production",
        "known": True,
        "orphan": False,
        "created_at": rfc3339(stage.now_ms),
        "last_active_at": rfc3339(stage.now_ms),
        "source_mpid": None,
        "leads_to": None,
        "identities": {"customerid": ["c"], "email": ["e"]},
        "carried_identities": {"push_token": ["p"]},
    }


async def test_an_unknown_profile_is_not_shown() -> None:
    """There is nothing to show of an MPID that was never given out."""
    assert await Stage().profiles.show(404) is None


async def test_a_shared_pool_is_called_shared() -> None:
    """Where environments share their profiles, the environment of a profile is called shared."""
    stage = Stage(policy=policy_of(environment_pools=EnvironmentPools.SHARED))
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, Environment.DEVELOPMENT, customerid="c")))

    shown = await stage.profiles.show(mpid)

    assert shown is not None
    assert shown["environment"] == "shared"


async def test_known_follows_the_policy_in_force() -> None:
    """Whether a profile is known is told by today's policy, and by its last one where its scope is gone."""
    stage = Stage()
    mpid = mpid_of(await stage.answer(stage.ask(email="e")))
    stricter = Rules(stage.rules.scope, policy_of(login="customerid email", unique="customerid email"))

    known = []
    for rules in ([stage.rules], [stricter], []):
        profiles = Profiles(stage.store, Directory(rules, []), stage.resolver, stage.activity)
        shown = await profiles.show(mpid)
        assert shown is not None
        known.append(shown["known"])

    assert known == [False, True, False]


async def test_a_history_tells_every_change() -> None:
    """A history names each value added, removed and moved, oldest first, with its decision and both profiles."""
    stage = Stage()
    one = await stage.answer(stage.ask(LOGIN, customerid="a"))
    other = await stage.answer(stage.ask(LOGIN, customerid="b"))
    mpid, donor = mpid_of(one), mpid_of(other)
    moved = await stage.answer(stage.modify(mpid, ("customerid", "a", "b")))

    taker = await stage.profiles.history(mpid, 0, 100)
    giver = await stage.profiles.history(donor, 0, 100)

    def told(items: list[dict[str, object]]) -> list[tuple[object, ...]]:
        members = ("decision_id", "change", "value", "from_mpid", "to_mpid")
        return [tuple(item[member] for member in members) for item in items]

    move = (moved.decision_id, "moved", "b", str(donor), str(mpid))
    assert told(taker.items) == [
        (one.decision_id, "added", "a", None, None),
        (moved.decision_id, "removed", "a", None, None),
        move,
    ]
    assert told(giver.items) == [(other.decision_id, "added", "b", None, None), move]
    assert taker.items[0]["at"] == rfc3339(one.question.observation.at_ms)
    assert taker.next_seq is giver.next_seq is None


@pytest.mark.parametrize("kind", [MemoryStore, SqliteStore])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_a_history_is_paged(limit: int, kind: type[Store], tmp_path: Path) -> None:
    """However large its pages, a history has each change once, in order, and ends with no further page."""
    store = MemoryStore() if kind is MemoryStore else SqliteStore(tmp_path / "a.db")
    stage = Stage(store)
    try:
        mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
        for number in range(4):
            await stage.answer(stage.ask(LOGIN, customerid=f"another-{number}"))
            await stage.answer(stage.ask(LOGIN, customerid="c", email=f"e-{number}"))

        values: list[object] = []
        pages, after = 0, 0
        while True:
            page = await stage.profiles.history(mpid, after, limit)
            assert len(page.items) <= limit
            values += [item["value"] for item in page.items]
            pages += 1
            if page.next_seq is None:
                break
            after = page.next_seq

        assert values == ["c", "e-0", "e-1", "e-2", "e-3"]
        assert pages == -(-5 // limit)
    finally:
        await stage.resolver.close()
        await store.close()


async def test_an_unknown_profile_has_no_history() -> None:
    """The history of an MPID that was never given out is empty."""
    page = await Stage().profiles.history(404, 0, 10)

    assert (page.items, page.next_seq) == ([], None)


async def test_a_profile_comes_over_with_its_mpid() -> None:
    """A profile of another system keeps its MPID and all its values, and is found by them at once."""
    stage = Stage()
    brought = await stage.profiles.seed(
        "shop", stage.seed(("customerid", "c"), ("email", "e"), ("email", "f"), mpid=-7)
    )

    assert brought is not None
    assert brought.decision.outcome == Seeded(-7, known=True)
    (record,) = await stage.store.records(PRODUCTION, None, EVERYTHING)
    assert held(record.identities) == {"customerid": ["c"], "email": ["e", "f"]}
    assert mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c"))) == -7
    assert [item["value"] for item in (await stage.profiles.history(-7, 0, 9)).items] == ["c", "e", "f"]


async def test_a_profile_without_an_mpid_gets_one() -> None:
    """A profile that comes over without an MPID gets a fresh one."""
    stage = Stage()

    first = await stage.profiles.seed("shop", stage.seed(("email", "e")))
    second = await stage.profiles.seed("shop", stage.seed(("email", "e")))

    assert first is not None
    assert second is not None
    assert mpid_of(first) != mpid_of(second)


async def test_nothing_comes_over_into_an_unknown_scope() -> None:
    """A profile for a scope that is not configured is answered with nothing, and nothing is kept."""
    stage = Stage()

    assert await stage.profiles.seed("nowhere", stage.seed(("email", "e"))) is None
    assert (stage.store.loads, stage.store.commits) == (0, 0)


@pytest.mark.parametrize("environment", Environment)
async def test_a_taken_mpid_is_refused(environment: Environment) -> None:
    """An MPID that names a profile already is refused, whatever the environment of that profile."""
    stage = Stage()
    await stage.profiles.seed("shop", stage.seed(("email", "e"), mpid=7))

    refused = await stage.profiles.seed("shop", stage.seed(("email", "f"), mpid=7, environment=environment))

    assert refusal_of(refused) is Refusal.MPID_TAKEN
    assert len(await stage.store.records(PRODUCTION, None, EVERYTHING)) == 1
    assert await stage.store.records(DEVELOPMENT, None, EVERYTHING) == []


async def test_a_taken_mpid_of_another_scope_is_refused() -> None:
    """An MPID that names a profile of another scope is refused, and that profile stays as it is."""
    stage = Stage()
    elsewhere = Rules("other", stage.rules.policy)
    directory = Directory([stage.rules, elsewhere], [])
    profiles = Profiles(stage.store, directory, stage.resolver, stage.activity)
    await profiles.seed("other", stage.seed(("email", "e"), mpid=7))
    before = await profiles.show(7)

    refused = await profiles.seed("shop", stage.seed(("email", "f"), mpid=7))

    assert refusal_of(refused) is Refusal.MPID_TAKEN
    assert await profiles.show(7) == before


async def test_a_taken_unique_value_is_refused() -> None:
    """A profile that names a unique value of another one is refused as a whole; in another environment it may."""
    stage = Stage()
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    asked = stage.seed(("email", "e"), ("customerid", "c"), mpid=7)

    assert refusal_of(await stage.profiles.seed("shop", asked)) is Refusal.UNIQUE_TAKEN
    assert await stage.profiles.show(7) is None
    there = stage.seed(("customerid", "c"), mpid=7, environment=Environment.DEVELOPMENT)
    brought = await stage.profiles.seed("shop", there)
    assert brought is not None
    assert isinstance(brought.decision.outcome, Seeded)


async def test_two_that_come_over_together_do_not_share_an_mpid() -> None:
    """Of two profiles of one environment that come over at once under one MPID, one is refused."""
    stage = Stage()

    answers = await asyncio.gather(
        *(stage.profiles.seed("shop", stage.seed(("email", email), mpid=7)) for email in ("e", "f"))
    )

    assert refusal_of(answers[1]) is Refusal.MPID_TAKEN
    assert len(await stage.store.records(PRODUCTION, None, EVERYTHING)) == 1


@pytest.mark.parametrize("kind", [MemoryStore, SqliteStore])
async def test_two_environments_never_share_an_mpid(kind: type[Store], tmp_path: Path) -> None:
    """Of two environments into which one MPID comes over at once, one is refused, and others in flight get through."""
    store = MemoryStore() if kind is MemoryStore else SqliteStore(tmp_path / "a.db")
    stage = Stage(store)
    try:
        *seeds, bystander = await asyncio.gather(
            stage.profiles.seed("shop", stage.seed(("email", "e"), mpid=7)),
            stage.profiles.seed("shop", stage.seed(("email", "f"), mpid=7, environment=Environment.DEVELOPMENT)),
            stage.resolver.answer(stage.ask(LOGIN, customerid="bystander")),
            return_exceptions=True,
        )

        there = [await store.records(pool, None, EVERYTHING) for pool in (PRODUCTION, DEVELOPMENT)]
        assert sum(record.mpid == 7 for records in there for record in records) == 1
        assert isinstance(bystander, Answer), repr(bystander)
        assert isinstance(bystander.decision.outcome, Created)
        assert {type(one.decision.outcome) for one in seeds if isinstance(one, Answer)} == {Seeded, Refused}
    finally:
        await stage.resolver.close()
        await store.close()
