"""Folds the whole log of a pool again, in components on several processes, and hands what they come to to a judge.

The log is read once, up to where it is settled, while servers go on writing. Its lines are put together into components
(`core.history.components`) and these into shares; each share is judged by one process, its components one after the other.

Memory is bounded. Each process holds the identities of one part (`NAMES_A_PART`) or the lines of one share
(`SHARE_LINES`), which a component that is larger makes larger. The first process holds 24 bytes for each profile that
belongs to others, and the MPIDs that a judge names. All else lies in temporary files, about as large as the log's observations.
"""

from asyncio import to_thread
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import sched_getaffinity
from pathlib import Path
from time import perf_counter
from typing import Final, Generic, NamedTuple, TypeVar, cast

from knownas.batch.folding_groups import groups_of
from knownas.batch.folding_limits import (
    ALONE_LINES,
    NAMES_A_LINE,
    NAMES_A_PART,
    PARTS_MAX,
    PROCESSES_MAX,
    RANGE_LINES,
    SHARE_LINES,
    SHARES_A_PROCESS,
    SHARES_MAX,
    SMALL_SHARE_LINES,
)
from knownas.batch.folding_processes import Crew, Over
from knownas.batch.folding_staging import FoldStaging
from knownas.batch.folding_working import (
    CHANGES,
    ArrangeRange,
    CheckRows,
    FindJoins,
    Judge,
    Judged,
    JudgeShare,
    LinesWanted,
    Plan,
    RangeRead,
    ReadRange,
    RowKind,
    RowsChecked,
)
from knownas.batch.staging_folder import staging_folder
from knownas.store.port import Pool, StoredPolicy

_Verdict = TypeVar("_Verdict")

THIS_PROCESS: Final = 0
"""The number of other processes that says: none, this one folds."""


class FoldStep(NamedTuple):
    """How far a fold is: what it does, and how many lines of how many are through."""

    doing: str
    lines: int
    of: int


Watch = Callable[[FoldStep], None]


@dataclass(frozen=True, slots=True)
class Wanted(Generic[_Verdict]):
    """What is to be folded, and who judges it.

    `until_seq` is where the log is settled; lines after it are not considered. `policies` are all versions of the scope's
    policy; `also` are policies that the judge folds lines under besides, whose types join lines too. `checks_rows` lets the
    database compare its rows afterwards.
    """

    database: str
    pool: Pool
    until_seq: int
    policies: Sequence[StoredPolicy]
    judge: Judge[_Verdict]
    also: Sequence[StoredPolicy] = ()
    lines: LinesWanted = CHANGES
    checks_rows: bool = False


@dataclass(frozen=True, slots=True)
class FoldedLog(Generic[_Verdict]):
    """What became of a log: its lines, how many of them changed something, their components, the verdicts on the shares.

    `rows` is what the database says of its rows. `seconds` is the time that folding and judging took, `rows_seconds` that of
    comparing rows.
    """

    lines: int
    changing: int
    components: int
    verdicts: Sequence[_Verdict]
    rows: Sequence[RowsChecked]
    seconds: float
    rows_seconds: float


def processors() -> int:
    """Return how many processors this process may use."""
    return min(PROCESSES_MAX, len(sched_getaffinity(0)))


async def fold_log(
    wanted: Wanted[_Verdict],
    *,
    processes: int | None = None,
    niceness: int = 0,
    folder: Path | None = None,
    watch: Watch = lambda _: None,
    over: Over | None = None,
) -> FoldedLog[_Verdict]:
    """Fold a pool's log and judge it, share by share.

    `processes` None takes as many as there are processors, or none for a log that is short; 0 (`THIS_PROCESS`) takes this one.
    `over` are a store and a reader that are open already: then this process folds, whatever `wanted.database` is.
    `folder` is where temporary files are made, the system's own place if None.

    Raises:
        StoreError: the database does not answer.
        OSError: there is no room for the temporary files.
    """
    if over is not None:
        processes = THIS_PROCESS
    elif processes is None:
        processes = processors() if wanted.until_seq > ALONE_LINES else THIS_PROCESS
    with staging_folder(folder) as staged:
        parts = -(-wanted.until_seq * NAMES_A_LINE // NAMES_A_PART)
        plan = Plan(
            wanted.database,
            wanted.pool,
            staged,
            wanted.until_seq,
            tuple(wanted.policies),
            min(PARTS_MAX, max(1, parts)),
            cast("Judge[object]", wanted.judge),
            tuple(wanted.also),
            wanted.lines,
        )
        async with Crew(plan, processes, niceness, over) as crew:
            return await _Fold[_Verdict](plan, crew, max(1, processes), watch).run(checks_rows=wanted.checks_rows)


class _Fold(Generic[_Verdict]):
    """One fold under way."""

    def __init__(self, plan: Plan, crew: Crew, processes: int, watch: Watch) -> None:
        self._plan = plan
        self._crew = crew
        self._processes = processes
        self._watch = watch
        self._staging = FoldStaging(plan.folder)

    async def run(self, *, checks_rows: bool) -> FoldedLog[_Verdict]:
        began = perf_counter()
        read = await self._read()
        if len({one.salt for one in read}) > 1:
            raise RuntimeError("the processes of a fold hash differently; run Python without -E and -I")
        changing = sum(one.changing for one in read)
        ranges = tuple(number for number, one in enumerate(read) if one.changing)
        sizes = [read[number].changing for number in ranges]
        if ranges:
            await self._crew.do([FindJoins(part, ranges) for part in range(self._plan.parts)])
            await to_thread(self._put_together)
        shares = self._shares(changing)
        await self._round("arranging", changing, [ArrangeRange(number, shares) for number in ranges], sizes)
        work = [JudgeShare(share, ranges) for share in range(shares)]
        judged = cast(
            "list[Judged]", await self._round("folding", changing, work, [changing // max(1, shares)] * shares)
        )
        folded = perf_counter()
        rows = await self._check_rows() if checks_rows else []
        return FoldedLog(
            sum(one.lines for one in read),
            changing,
            sum(one.components for one in judged),
            [cast("_Verdict", one.verdict) for one in judged],
            rows,
            folded - began,
            perf_counter() - folded,
        )

    async def _check_rows(self) -> list[RowsChecked]:
        kinds: tuple[RowKind, ...] = ("values", "profiles", "log")
        self._watch(FoldStep("comparing rows", 0, 0))
        return cast("list[RowsChecked]", await self._crew.do([CheckRows(kind) for kind in kinds]))

    async def _read(self) -> list[RangeRead]:
        until = self._plan.until_seq
        work = [
            ReadRange(number, after, min(after + RANGE_LINES, until))
            for number, after in enumerate(range(0, until, RANGE_LINES))
        ]
        sizes = [one.until_seq - one.after_seq for one in work]
        return cast("list[RangeRead]", await self._round("reading", until, work, sizes))

    async def _round(
        self,
        doing: str,
        of: int,
        work: Sequence[ReadRange] | Sequence[ArrangeRange] | Sequence[JudgeShare],
        sizes: Sequence[int],
    ) -> list[object]:
        through = 0
        typical = sum(sizes) // max(1, len(sizes))

        def done(_: object) -> None:
            nonlocal through
            through = min(of, through + typical)
            self._watch(FoldStep(doing, through, of))

        self._watch(FoldStep(doing, 0, of))
        return await self._crew.do(work, done)

    def _put_together(self) -> None:
        self._staging.put_groups(groups_of(self._staging.pairs()))

    def _shares(self, lines: int) -> int:
        """Return how many shares there are: none of them large, and several for each process if there is enough to do."""
        each = max(SMALL_SHARE_LINES, min(SHARE_LINES, -(-lines // (self._processes * SHARES_A_PROCESS))))
        return min(SHARES_MAX, -(-lines // each))
