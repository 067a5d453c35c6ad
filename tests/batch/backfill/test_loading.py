"""A backfill that is stopped goes on where it was; nobody sees any of it before all is there, and a used scope is refused."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from knownas.batch.backfill import loading
from knownas.batch.backfill.jobs import BackfillJob, Engine
from knownas.batch.backfill.loading import NotLoadable
from knownas.batch.backfill.local import LocalEngine
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy, policy
from knownas.store.audiences import EVERYBODY, EVERYWHERE
from knownas.store.conformance.marks import taken, watch
from knownas.store.opening import open_bulk_end
from knownas.store.port import Pool, Store, Wanted
from tests.batch.backfill import histories
from tests.batch.backfill.histories import (
    SCOPE,
    Observation,
    backfill_into,
    draw_history,
    job_of,
    write_rows,
)
from tests.store.places import PLACES, Place
from tests.store.test_lockstep import lines_in
from tests.store.world import records_in

RULES = policy(Strategy.PROFILE_CONVERSION)
POOLS = [Pool(SCOPE, one) for one in Environment]


class Stopped(BaseException):
    """Stands for the end of the process."""


class Stops:
    """Ends a run at one of the calls of some functions, before or after it has done its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
        self.calls = 0
        self._last = last
        self._monkeypatch = monkeypatch

    def at(self, owner: Any, name: str, *, is_async: bool) -> None:
        """Count the calls of a function."""
        function = getattr(owner, name)

        async def awaited(*arguments: Any, **named: Any) -> Any:
            self._count()
            result = await function(*arguments, **named)
            self._count()
            return result

        def called(*arguments: Any, **named: Any) -> Any:
            self._count()
            result = function(*arguments, **named)
            self._count()
            return result

        self._monkeypatch.setattr(owner, name, awaited if is_async else called)

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._last:
            raise Stopped


def _history() -> list[Observation]:
    return draw_history(random.Random(11), histories=6, steps=30)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few rows take several transactions and buckets."""
    monkeypatch.setattr(loading, "LOAD_ROWS", 40)
    monkeypatch.setattr("knownas.batch.backfill.local.BUCKET_ROWS", 50)


@pytest.mark.parametrize("kind", PLACES)
def test_a_backfill_goes_on_wherever_it_was_stopped(kind: str, tmp_path: Path) -> None:
    """Stopped before and after every step in turn, it comes to the same as without, and shows nothing before its end."""
    rows = _history()
    folder = tmp_path / "whole"
    folder.mkdir()
    path = write_rows(tmp_path / "history.jsonl", rows)
    with PLACES[kind](folder) as place:
        backfill_into(place, job_of(RULES, [path]), folder / "work")
        whole = _seen(place)
    with PLACES[kind](tmp_path) as place:
        stops = 0
        for last in range(1, 400, 3):
            with pytest.MonkeyPatch.context() as patched:
                if not _is_stopped(place, job_of(RULES, [path]), tmp_path / "work", patched, last):
                    break
            stops += 1
            shown = [outcome for outcome in _seen(place) if any(outcome)]
            assert not shown or _seen(place) == whole
        assert stops > 5
        assert _seen(place) == whole
        assert place.contradictions() == []


def _is_stopped(place: Place, job: BackfillJob, work: Path, monkeypatch: pytest.MonkeyPatch, last: int) -> bool:
    stops = Stops(monkeypatch, last)
    database = type(open_bulk_end(place.url))
    for name in ("reserve", "put", "publish"):
        stops.at(database, name, is_async=True)
    for name in ("read", "link"):
        stops.at(LocalEngine, name, is_async=False)
    stops.at(histories.WorkFolder, "save", is_async=False)
    stops.at(type(LocalEngine(work, job, 1)._buckets), "fold", is_async=False)
    try:
        backfill_into(place, job, work)
    except Stopped:
        return True
    return False


def _seen(place: Place) -> list[Any]:
    """Return the records and the log of the scope. Nobody is looked for, since that would be a use of it."""

    async def look(store: Store) -> list[Any]:
        return [(await records_in(store, pool), await lines_in(store, pool)) for pool in POOLS]

    return _with_store(place, look)


def _with_store(place: Place, work: Callable[[Store], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        store = place.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.mark.parametrize("kind", PLACES)
def test_a_scope_that_has_been_used_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody was asked for before, a history comes too late: it says so, and changes nothing."""
    path = write_rows(tmp_path / "history.jsonl", _history())
    with PLACES[kind](tmp_path) as place:
        backfill_into(place, job_of(RULES, [path]), tmp_path / "work")
        before = _seen(place)
        monkeypatch.setattr(histories, "SECRET", bytes(32))
        with pytest.raises(NotLoadable, match="has been used"):
            backfill_into(place, job_of(RULES, [path]), tmp_path / "again")
        assert _seen(place) == before


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("watched", [True, False])
def test_everybody_is_judged_where_anybody_watches(kind: str, tmp_path: Path, *, watched: bool) -> None:
    """One mark of everybody, from the moment on at which the history shows; none where there are no audiences."""
    path = write_rows(tmp_path / "history.jsonl", _history())
    with PLACES[kind](tmp_path) as place:
        if watched:
            _with_store(place, watch)
        backfill_into(place, job_of(RULES, [path]), tmp_path / "work")
        assert any(map(any, _seen(place)))
        assert _with_store(place, taken) == ([(EVERYWHERE, "", EVERYBODY, b"")] if watched else [])


@pytest.mark.parametrize("kind", PLACES)
def test_a_scope_that_is_used_meanwhile_is_not_overwritten(kind: str, tmp_path: Path) -> None:
    """Somebody who is asked for while a history is loaded is not lost: the history is refused, and nothing of it shows."""
    path = write_rows(tmp_path / "history.jsonl", _history())
    with PLACES[kind](tmp_path) as place:
        _with_store(place, watch)

        def engine(folder: Path, job: BackfillJob) -> Engine:
            made = LocalEngine(folder, job, processes=1)
            fold: Callable[..., None] = made.fold

            def fold_and_use(watch: Any) -> None:
                fold(watch)
                _use(place)

            made.fold = fold_and_use  # type: ignore[method-assign]
            return made

        with pytest.raises(NotLoadable, match="has been used"):
            backfill_into(place, job_of(RULES, [path]), tmp_path / "work", engine)
        assert not any(map(any, _seen(place)))
        assert _with_store(place, taken) == []


def _use(place: Place) -> None:
    """Ask for somebody in the scope, as a server does, in a thread of its own."""

    async def ask() -> None:
        store = place.open()
        await store.load([Wanted(POOLS[0], [])])
        await store.close()

    thread = Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    thread.join()


def test_a_folder_belongs_to_one_backfill(tmp_path: Path) -> None:
    """A folder of another backfill, or with something else in it, is left alone."""
    work = histories.WorkFolder(tmp_path / "work")
    work.open("one")
    with pytest.raises(NotLoadable, match="give another --work"):
        work.open("other")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(NotLoadable, match="something else"):
        histories.WorkFolder(tmp_path / "mine").open("one")
