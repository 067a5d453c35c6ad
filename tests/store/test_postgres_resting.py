"""Whoever removes what is known of somebody and whoever writes what came of judging it exclude each other, over two connections of a PostgreSQL database.

The order of things is given here: one of the two is held open when all of it is written, then the other is called. Databases in which one
does not wait for the other, or looks too early, are found out.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Any
from unittest.mock import patch

import asyncpg
import pytest

from knownas.store.audiences import AudienceCommit
from knownas.store.conformance.examples import PAGE, START_MS, wanted
from knownas.store.conformance.resting import CONNECTION, erase, held
from knownas.store.conformance.user_data_examples import ANN, keep, section, version_of
from knownas.store.port import Commit, Store
from knownas.store.postgres.statements import wording
from knownas.store.postgres.store import PostgresStore
from knownas.store.postgres.trouble import LostRace
from knownas.store.user_data import Rearrangement, SectionRemoval, UserDataCommit
from tests.postgres import ask, fresh_database, key_by_key_database

MOMENT_SECONDS = 0.15
"""Long enough for a call that waits for nobody."""

DATABASES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "whole": fresh_database,
    "key by key": key_by_key_database,
}

HELD_OPEN = {"audience_commit", "erase", "forget_older", "rearrange"}


async def _forget(store: Store) -> object:
    return await store.user_data.forget_older(events_ms=0, requests_ms=0, sections_ms=START_MS + 1, limit=PAGE)


async def _correct(store: Store) -> object:
    change = Rearrangement(removed=[SectionRemoval(ANN, await version_of(store))])
    return await store.commit(await store.load([wanted(mpids=[1])]), Commit(rearranged=change))


REMOVALS: dict[str, Callable[[Store], Awaitable[object]]] = {"erase": erase, "forget": _forget, "correct": _correct}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a database."""
    with DATABASES[request.param]() as given:
        yield given


@asynccontextmanager
async def under_way(url: str, call: Callable[[Store], Awaitable[object]]) -> AsyncIterator[None]:
    """Do what a call of a store does as another process would whose transaction takes long: it ends with the block, and is kept."""
    store = PostgresStore(url)
    database = store._database
    told: list[tuple[str, Sequence[object]]] = []
    fetch: Any = database._fetch

    async def listen(name: str, *arguments: object, **how: object) -> object:
        if name not in HELD_OPEN:
            return await fetch(name, *arguments, **how)
        told.append((name, arguments))
        raise LostRace(name)

    try:
        await store.ping()
        with patch.object(database, "_fetch", listen), suppress(LostRace):
            await call(store)
        ((name, arguments),) = told
        query = wording(name, is_distributed=database._is_distributed)
    finally:
        await store.close()
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.fetch(query, *arguments)
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def with_ann(url: str) -> AsyncIterator[tuple[PostgresStore, AudienceCommit]]:
    """Give a store that knows Ann, and what came of judging her."""
    store = PostgresStore(url)
    try:
        await keep(store, UserDataCommit(sections=[section()]))
        yield store, AudienceCommit(held=[held(ANN)], rests_on={ANN: await version_of(store)})
    finally:
        await store.close()


async def is_held(store: Store) -> bool:
    """Whether an output has something of Ann."""
    return bool(await store.audiences.held_of([CONNECTION], [ANN.mpid]))


async def judging_waits(url: str, remove: Callable[[Store], Awaitable[object]]) -> None:
    """What came of judging is not written while somebody removes what it was made from, nor after that."""
    async with with_ann(url) as (store, judged):
        async with under_way(url, remove):
            writing = asyncio.ensure_future(store.audiences.commit(judged))
            await asyncio.sleep(MOMENT_SECONDS)
        assert not await writing, "what came of judging somebody was kept after they were erased"
        assert not await is_held(store)


async def removing_waits(url: str, remove: Callable[[Store], Awaitable[object]]) -> None:
    """Whoever removes it while that is written finds it afterwards."""
    async with with_ann(url) as (store, judged):
        async with under_way(url, lambda other: other.audiences.commit(judged)):
            removing = asyncio.ensure_future(remove(store))
            await asyncio.sleep(MOMENT_SECONDS)
            was_ahead = removing.done() and not await is_held(store)
        await removing
        assert not was_ahead, "whoever erases somebody was done before what came of judging them was there to be found"
        assert await is_held(store)


async def both_wait(url: str, remove: Callable[[Store], Awaitable[object]]) -> None:
    """Both orders, one after the other."""
    await judging_waits(url, remove)
    await removing_waits(url, remove)


@pytest.mark.parametrize("remove", REMOVALS)
async def test_judging_waits_for_who_removes(remove: str, url: str) -> None:
    """And is refused then."""
    await judging_waits(url, REMOVALS[remove])


@pytest.mark.parametrize("remove", REMOVALS)
async def test_who_removes_waits_for_judging(remove: str, url: str) -> None:
    """And finds then what it has written."""
    await removing_waits(url, REMOVALS[remove])


async def test_judging_waits_for_nobody_who_only_writes(url: str) -> None:
    """Two who judge different people go on side by side, and so does who keeps batches."""
    async with with_ann(url) as (store, judged):
        bob = ANN._replace(mpid=8)
        await keep(store, UserDataCommit(sections=[section(bob)]))
        other = AudienceCommit(held=[held(bob)], rests_on={bob: await version_of(store, bob)})
        async with under_way(url, lambda other: other.audiences.commit(judged)), asyncio.timeout(1):
            assert await store.audiences.commit(other)
            await keep(store, UserDataCommit(sections=[section(ANN, b"changed", await version_of(store))]))


SABOTEURS: dict[str, tuple[str, str, str]] = {
    "judging takes no lock": ("audience_rest_1", r"PERFORM pg_advisory_xact_lock_shared\(\d+\);", ""),
    "removing takes no lock": ("audience_removing_1", r"PERFORM pg_advisory_xact_lock\(\d+\);", ""),
    "judging does not look": ("audience_rest_1", r"IF EXISTS \(", "IF false AND EXISTS ("),
    "judging looks before it has the lock": (
        "audience_rest_1",
        r"PERFORM (pg_advisory_xact_lock_shared\(\d+\));(.*)(-- Version 0)",
        r"\2 PERFORM \1;\n\3",
    ),
}


@pytest.mark.parametrize("broken", SABOTEURS)
@pytest.mark.parametrize("remove", REMOVALS)
async def test_a_database_that_lets_one_go_ahead_is_found_out(broken: str, remove: str, url: str) -> None:
    """Each of these lets something of an erased person stay, and one of the orders shows it."""
    function, pattern, instead = SABOTEURS[broken]
    ((was,),) = await ask(url, f"SELECT pg_get_functiondef('knownas.{function}'::regproc)")
    sabotaged = re.sub(pattern, instead, was, flags=re.DOTALL)
    assert sabotaged != was
    try:
        await ask(url, sabotaged)
        with pytest.raises(AssertionError, match="erase"):
            await both_wait(url, REMOVALS[remove])
    finally:
        await ask(url, was)
