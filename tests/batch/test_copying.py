"""A copy is the database over again, whatever keeps it: it goes on as the original would, or says what is wrong with it."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from itertools import product
from pathlib import Path

import pytest

from knownas.batch import copying
from knownas.batch.copying import Copied, End, NotCopied, copy
from knownas.service.copy_mark import COPY_MARK
from knownas.service.identity import resolver
from knownas.service.server import open_service
from knownas.store.conformance.privacy_examples import audited, entry, everything
from knownas.store.conformance.privacy_examples import keep as keep_for_subjects
from knownas.store.conformance.user_data_examples import ANN, BOB, keep, whole
from knownas.store.copying import CopyEnd, Counters, Key, Page, Part, Row
from knownas.store.errors import StoreDamaged, StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.opening import open_copy_end
from knownas.store.port import Store
from knownas.store.privacy import PrivacyCommit
from knownas.store.user_data import UserDataCommit
from tests.batch.copied_audiences import fill_audiences, seen, use_up, write_more
from tests.batch.files import configured
from tests.store.histories import Restart, draw_history
from tests.store.places import PLACES, Place
from tests.store.test_lockstep import POOLS, lines_in
from tests.store.world import World, fold_differs, records_in

STEPS, SEEDS = 60, (1, 2, 3)
PAIRS = [pair for pair in product(PLACES, PLACES) if pair != ("citus", "citus")]
"""From where to where; there is one database at most that is distributed."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few rows take several pages, and write what is put off when the history says so."""
    monkeypatch.setattr(copying, "COPY_PAGE_ROWS", 7)
    monkeypatch.setattr(resolver, "FLUSH_AFTER_SECONDS", 3_600)


@pytest.fixture(params=PAIRS, ids="-to-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    """Two empty places, of each two kinds."""
    with ExitStack() as made:
        folders = [tmp_path / "there", tmp_path / "here"]
        for folder in folders:
            folder.mkdir()
        there, here = (
            made.enter_context(PLACES[kind](folder)) for kind, folder in zip(request.param, folders, strict=True)
        )
        yield there, here


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    """Two empty SQLite files."""
    with ExitStack() as made:
        for name in ("there", "here"):
            (tmp_path / name).mkdir()
        yield (
            made.enter_context(PLACES["sqlite"](tmp_path / "there")),
            made.enter_context(PLACES["sqlite"](tmp_path / "here")),
        )


class Failing(CopyEnd):
    """An end of a copy that breaks at its n-th page, after that was kept or before, or keeps rows differently."""

    def __init__(self, end: CopyEnd, last: int = 0, *, keeps: bool = True, spoils: Part | None = None) -> None:
        self._end = end
        self._left = last
        self._keeps = keeps
        self._spoils = spoils

    async def page(self, part: Part, after: Key | None, limit: int) -> Page:
        return await self._end.page(part, after, limit)

    async def put(self, part: Part, rows: Sequence[Row]) -> None:
        self._left -= 1
        if part is self._spoils and rows:
            rows = [*rows[:-1], (*rows[-1][:-1], _other(rows[-1][-1]))]
        if self._left != 0 or self._keeps:
            await self._end.put(part, rows)
        if self._left == 0:
            raise StoreUnavailable("gone")

    async def counters(self) -> Counters:
        return await self._end.counters()

    async def advance(self, counters: Counters) -> None:
        await self._end.advance(counters)

    async def close(self) -> None:
        await self._end.close()


def _other(member: int | str | bytes | None) -> int | str | bytes | None:
    match member:
        case 0 | 1:
            return 1 - member
        case int():
            return member + 1
        case str():
            return member + "x"
        case bytes():
            return member + b" "
        case None:
            return 5


async def copied(
    there: Place, here: Place, failing: tuple[int, bool] | None = None, spoils: Part | None = None
) -> Copied:
    """Copy one place into another; a failing copy breaks at a page."""
    async with AsyncExitStack() as opened:
        ends: list[End] = []
        for place in (there, here):
            tables = open_copy_end(place.url, makes=True)
            opened.push_async_callback(tables.close)
            store = place.open()
            opened.push_async_callback(store.close)
            ends.append(End(tables, store))
        source, target = ends
        if failing is not None or spoils is not None:
            last, keeps = failing or (0, True)
            target = target._replace(tables=Failing(target.tables, last, keeps=keeps, spoils=spoils))
        return await copy(source, target)


async def play(store: Store, seed: int, twin: Store | None = None) -> tuple[World, World | None]:
    """Lead a server over a store through the first half of a history, and another one over a memory store beside it."""
    policies, history = draw_history(seed, STEPS)
    worlds = [World(one, seed) for one in (store, *([] if twin is None else [twin]))]
    for world in worlds:
        await world.start(policies)
        await world.play(history[: len(history) // 2])
    return worlds[0], worlds[1] if len(worlds) > 1 else None


async def fill(store: Store) -> None:
    """Keep something of every kind of what workspaces know of users, and of what is kept for data subjects."""
    for number, key in enumerate((ANN, BOB)):
        await keep(store, whole(number, key))
    # An id that a later batch has taken over, and a setting that the server keeps.
    again = whole(0, ANN).receipts[0]
    refused = [again._replace(receipt_id=f"refused {one}", request_id="twice", kept=False) for one in range(2)]
    for one in refused:
        await keep(store, UserDataCommit(receipts=[one]))
    await store.keep("setting", b'{"a":1}')
    await keep_for_subjects(store, everything())
    await store.privacy.audit([audited(), audited(8)])
    await fill_audiences(store)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_goes_on_as_the_original_would(pair: tuple[Place, Place], seed: int) -> None:
    """The same answers to the rest of a history, the same log and records, and no contradiction in any table."""
    there, here = pair

    async def lead() -> None:
        source, memory = there.open(), MemoryStore()
        world, twin = await play(source, seed, memory)
        assert twin is not None
        await fill(source)
        await source.close()
        done = await copied(there, here)
        assert done.rows[Part.SECTIONS] == done.rows[Part.EVENTS] == done.rows[Part.ALIASES] == 2
        world.store = here.open()
        policies, history = draw_history(seed, STEPS)
        last = next(
            (one.policies for one in reversed(history[: len(history) // 2]) if isinstance(one, Restart)), policies
        )
        for one in (world, twin):
            await one.start(last)
            await one.play(history[len(history) // 2 :])
        assert world.answers == twin.answers
        for pool in POOLS:
            assert await lines_in(world.store, pool) == await lines_in(memory, pool)
            assert await records_in(world.store, pool) == await records_in(memory, pool)
            assert await fold_differs(world.store, pool) == []
        await keep(world.store, whole(7, ANN._replace(mpid=ANN.mpid + 5)))
        await keep_for_subjects(world.store, PrivacyCommit(entries=[entry(3)]))
        await world.store.privacy.audit([audited(9)])
        assert [one.mpid for one in await world.store.privacy.audited(None, 0, 10)] == [ANN.mpid, 8, 9]
        await world.store.close()

    asyncio.run(lead())
    assert here.contradictions() + here.unexplained() == []


def test_audiences_and_deliveries_go_on_as_the_original_would(pair: tuple[Place, Place]) -> None:
    """Who is in which, until when and why, what outputs have and what waits for them is shown as before; no number comes again."""
    there, here = pair

    async def lead() -> None:
        source = there.open()
        await fill_audiences(source)
        given = await use_up(source)
        before = await seen(source)
        await source.close()
        await copied(there, here)
        target = here.open()
        assert await seen(target) == before
        after = await write_more(target)
        assert all(new > old for new, old in zip(after, given, strict=True)), (given, after)
        await target.close()

    asyncio.run(lead())
    assert here.contradictions() == []


def test_a_copy_of_a_copy_in_another_database_is_the_same(pair: tuple[Place, Place], tmp_path: Path) -> None:
    """There and back again: every row of every part."""
    there, here = pair

    async def lead() -> None:
        source = there.open()
        await play(source, 5)
        await fill(source)
        await source.close()
        first = await copied(there, here)
        (tmp_path / "back").mkdir()
        with PLACES["sqlite"](tmp_path / "back") as back:
            second = await copied(here, back)
            assert second.rows == first.rows

    asyncio.run(lead())


@pytest.mark.parametrize("keeps", [True, False])
def test_a_copy_that_was_stopped_goes_on(files: tuple[Place, Place], *, keeps: bool) -> None:
    """Broken at its first page, at the second of what is left, and so on, before or after the page was kept."""
    there, here = files

    async def lead() -> int:
        source = there.open()
        await play(source, 1)
        await fill(source)
        await source.close()
        for stopped in range(1, 100):
            try:
                await copied(there, here, failing=(stopped, keeps))
            except StoreUnavailable:
                with pytest.raises(StoreDamaged, match="not finished"):
                    await open_service(configured(), here.open())
            else:
                return stopped
        raise AssertionError("it never comes to its end")

    assert asyncio.run(lead()) > 5
    assert here.contradictions() + here.unexplained() == []


def test_a_copy_of_an_older_release_goes_on_and_is_served(files: tuple[Place, Place]) -> None:
    """One that knew fewer counters has noted fewer: the copy comes to its end, and a server opens what it finished."""
    there, here = files

    async def aged() -> None:
        store = here.open()
        kept = await store.kept(COPY_MARK)
        assert kept is not None
        mark = json.loads(kept)
        assert any(mark["counters"][:4])
        assert not any(mark["counters"][4:])
        assert await store.replace_kept(
            COPY_MARK, kept, json.dumps({**mark, "counters": mark["counters"][:4]}).encode()
        )
        await store.close()

    async def lead() -> None:
        source = there.open()
        await play(source, 1)
        await keep(source, whole())
        await source.close()
        with pytest.raises(StoreUnavailable):
            await copied(there, here, failing=(3, True))
        await aged()
        await copied(there, here)
        await aged()
        await (await open_service(configured(), here.open())).close()

    asyncio.run(lead())


@pytest.mark.parametrize("part", [one for one in Part if one is not Part.POOLS])
def test_a_row_that_differs_is_noticed(files: tuple[Place, Place], part: Part) -> None:
    """In every part: one member of one row, the last of a page, or the row is missing where no database would have it."""
    there, here = files

    async def lead() -> None:
        source = there.open()
        await play(source, 3)
        await fill(source)
        await source.close()
        with pytest.raises(NotCopied, match=f"{part.value}: (some of|the source has)"):
            await copied(there, here, spoils=part)

    asyncio.run(lead())


def test_only_an_empty_database_is_copied_into(files: tuple[Place, Place]) -> None:
    """And one that a copy was finished into is not empty."""
    there, here = files

    async def lead() -> None:
        source = there.open()
        await play(source, 1)
        await source.close()
        await copied(there, here)
        with pytest.raises(NotCopied, match="the target is not empty"):
            await copied(there, here)

    asyncio.run(lead())


def test_a_source_that_changes_meanwhile_is_noticed(files: tuple[Place, Place]) -> None:
    """Between two runs of a copy."""
    there, here = files

    async def lead() -> None:
        source = there.open()
        world, _ = await play(source, 1)
        with pytest.raises(StoreUnavailable):
            await copied(there, here, failing=(3, True))
        policies, history = draw_history(1, STEPS)
        await world.start(policies)
        await world.play(history[len(history) // 2 :])
        await source.close()
        with pytest.raises(NotCopied, match="the source has changed"):
            await copied(there, here)

    asyncio.run(lead())
