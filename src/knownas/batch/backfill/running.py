"""Runs a backfill: reads, links, folds and loads a history, from wherever an earlier run was stopped, and reports.

Between the steps everything lies in a folder of files. A file there says which steps are through, with what the next ones
need to know of them, and holds the secret from which names are drawn. A step that was stopped is taken again: folding goes on
with the buckets that are left, loading with the rows; reading and linking begin anew.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from knownas.batch.backfill.cutting import Met, told
from knownas.batch.backfill.duck import Duck, quoted
from knownas.batch.backfill.jobs import BackfillJob, Engine, Read, Stage, Watch, place_of
from knownas.batch.backfill.kinds import Kind
from knownas.batch.backfill.limits import (
    CUT_SHOWN_MAX,
    FILE_ROWS_MAX,
    REASONS_COUNTED_MAX,
    STATE_BYTES_MAX,
)
from knownas.batch.backfill.linking import Linked
from knownas.batch.backfill.loading import Loading, NotLoadable, file_list, pools_of, refuse_taken
from knownas.batch.backfill.names import SECRET_BYTES
from knownas.batch.backfill.screening import Quarantined, list_quarantined, listed_now, told_aside
from knownas.batch.backfill.statements import filled
from knownas.batch.import_durable import replace_durably
from knownas.service.identity.question import Rules
from knownas.service.toxic.list import ToxicValue
from knownas.store.bulk import BulkEnd
from knownas.store.port import Store

_STATE: Final = "state.json"
_SPILLED: Final = "sorted"


class State(msgspec.Struct, frozen=True):
    """How far a backfill is. `about` is a digest of all that decides what it makes.

    `listed` are the toxic values of the scope when it began; those that are listed later are not set aside of it.
    """

    about: str
    secret: str
    listed: tuple[ToxicValue, ...] | None = None
    read: Read | None = None
    cut: tuple[Met, ...] | None = None
    quarantined: tuple[Quarantined, ...] = ()
    largest: tuple[tuple[int, int], ...] = ()
    is_folded: bool = False


_DECODER: Final = msgspec.json.Decoder(State)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the history goes: the database, as a store and as what takes new pools, and the rules of the scope.

    `clock` tells the time in Unix milliseconds.
    """

    store: Store
    database: BulkEnd
    rules: Rules
    clock: Callable[[], int]


class WorkFolder:
    """The folder of a backfill's files, which is its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, about: str) -> State:
        """Return how far an earlier run of the same backfill came, or begin one.

        Raises:
            NotLoadable: the folder is another backfill's, or holds something else.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        file = self.path / _STATE
        if not file.exists():
            if any(self.path.iterdir()):
                raise NotLoadable(f"{self.path} holds something else; give another --work")
            state = State(about, os.urandom(SECRET_BYTES).hex())
            self.save(state)
            return state
        try:
            with file.open("rb") as opened:
                state = _DECODER.decode(opened.read(STATE_BYTES_MAX))
        except msgspec.DecodeError as error:
            raise NotLoadable(f"{file} can't be read ({error}); give another --work") from error
        if state.about != about:
            raise NotLoadable(
                f"{self.path} belongs to a backfill of other files, or with another input, mapping or policy; "
                "give another --work, or delete it to begin anew"
            )
        return state

    async def knowing_list(self, state: State, store: Store, rules: Rules) -> State:
        """Return the state with the toxic values of a scope as they were listed when the backfill began.

        Raises:
            StoreError: the store does not answer.
        """
        if state.listed is None:
            state = msgspec.structs.replace(state, listed=await listed_now(store, rules))
            self.save(state)
        return state

    def save(self, state: State) -> None:
        """Keep how far it is; durable when it returns."""
        replace_durably(self.path / _STATE, msgspec.json.encode(state))

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.path, ignore_errors=True)


Report = Mapping[str, object]


async def backfill(
    job: BackfillJob, engine: Engine, folder: WorkFolder, state: State, target: Target, refused: Path, watch: Watch
) -> Report:
    """Bring a backfill to its end and return the report. Refused rows are written to a CSV file.

    Raises:
        NotLoadable: the scope has been used.
        UnreadableFile: a file can't be read.
        StoreError: the database could not go on. The same backfill, run again, continues.
    """
    # Another run from the beginning draws another secret, and is another load.
    name = hashlib.sha256(f"load {state.secret}".encode()).hexdigest()
    loading = Loading(name, target.store, target.database, engine)
    if not await loading.is_finished():
        pools = target.rules.pool(job.history.reading.environment)
        if not state.is_folded:
            await refuse_taken(target.database, [pools])
    watch = _Timed(watch)
    state = _made(engine, folder, state, watch)
    read = state.read or Read(0, 0, (), ())
    with Duck(folder.path / _SPILLED, job.megabytes) as duck:
        named = pools_of(target.rules, read.environments)
        await loading.load(
            named, read.rows, job.policy, duck, lambda part, rows: watch(Stage(f"loading {part}", rows=rows))
        )
        report = _report(job, engine, state, duck, refused)
    await list_quarantined(target.store, target.rules, state.quarantined, target.clock())
    return {**report, "seconds": watch.seconds()}


class _Timed:
    """Passes on what a backfill is doing, and measures how long each kind of it took in this run."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._began: dict[str, float] = {}

    def __call__(self, stage: Stage) -> None:
        """Note what is being done now."""
        self._began.setdefault(stage.step, monotonic())
        self._watch(stage)

    def seconds(self) -> Mapping[str, float]:
        """Return the seconds of each step."""
        times = [*self._began.values(), monotonic()]
        return {name: round(after - at, 2) for name, at, after in zip(self._began, times, times[1:], strict=False)}


def _made(engine: Engine, folder: WorkFolder, state: State, watch: Watch) -> State:
    """Take the steps that are left before the loading."""
    if state.read is None:
        state = msgspec.structs.replace(state, read=engine.read(watch))
        folder.save(state)
    if state.cut is None and state.read is not None and state.read.rows:
        linked: Linked = engine.link(state.read, watch)
        state = msgspec.structs.replace(state, cut=tuple(linked.cut), largest=tuple(linked.largest))
        state = msgspec.structs.replace(state, quarantined=tuple(linked.quarantined))
        folder.save(state)
    if not state.is_folded and state.cut is not None:
        engine.fold(watch)
        state = msgspec.structs.replace(state, is_folded=True)
        folder.save(state)
    engine.close()
    return state


def _report(job: BackfillJob, engine: Engine, state: State, duck: Duck, refused: Path) -> Report:
    names = [file.path.name for file in job.files]
    read = state.read or Read(0, 0, (), ())
    files = engine.files(Kind.REFUSED)
    reasons: Sequence[tuple[object, ...]] = ()
    if files:
        marks = {"files": file_list(files), "limit": str(REASONS_COUNTED_MAX)}
        reasons = duck.ask(filled("refused_reasons", marks))
        duck.ask(filled("write_refused", {**marks, **_naming(names), "file": quoted(refused)}))
    outcomes = dict(_counted(engine, duck))
    outcomes["refused"] = sum(int(str(count)) for _, count in reasons)
    shown = told(state.cut or ())
    return {
        "rows": read.rows + read.refused,
        "outcomes": outcomes,
        "reasons": {str(reason): count for reason, count in reasons},
        **{kind.value: _count(engine, kind, duck) for kind in (Kind.PROFILES, Kind.VALUES, Kind.LOG)},
        "largest_components": [_component(names, *one) for one in state.largest],
        "set_aside": shown[:CUT_SHOWN_MAX],
        "set_aside_not_shown": max(0, len(shown) - CUT_SHOWN_MAX),
        "quarantined": told_aside(state.quarantined[:CUT_SHOWN_MAX]),
        "quarantined_not_shown": max(0, len(state.quarantined) - CUT_SHOWN_MAX),
        "refused_rows": str(refused) if outcomes["refused"] else None,
    }


def _naming(names: Sequence[str]) -> Mapping[str, str]:
    quoted_names = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return {"names": quoted_names, "bits": str(FILE_ROWS_MAX.bit_length() - 1)}


def _counted(engine: Engine, duck: Duck) -> Sequence[tuple[str, int]]:
    files = engine.files(Kind.COUNTED)
    found = duck.ask(filled("counted", {"files": file_list(files)})) if files else ()
    return [(str(outcome), int(str(count))) for outcome, count in found]


def _count(engine: Engine, kind: Kind, duck: Duck) -> object:
    files = engine.files(kind)
    return duck.ask(filled("count_rows", {"files": file_list(files)}))[0][0] if files else 0


def _component(names: Sequence[str], rows: int, first_row: int) -> Report:
    file, row = place_of(first_row)
    return {"rows": rows, "first": {"file": names[file], "row": row}}
