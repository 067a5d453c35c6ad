"""Does one part of a fold of a whole log after the other, in whichever process it is told to.

The parts come in four rounds, each over all ranges, parts or shares before the next begins:

1. a range of the log is read, its lines are written down, and what they share with others is noted as numbers;
2. equal numbers are looked for, a part of all numbers at a time: what they join is written down;
3. (the first process knows by now which lines belong together) a range's lines are arranged by their shares;
4. a share is read in the log's order and handed to the judge.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Generic, Literal, NamedTuple, Protocol, TypeVar, assert_never

from knownas.batch.folding_limits import DIFFERENCES_MAX, READ_LINES, ROWS_COMPARED
from knownas.batch.folding_shares import Share, answered_alone, touched_of
from knownas.batch.folding_staging import FoldStaging
from knownas.core.history.components import Name, names, types_looked_up
from knownas.core.history.plain import PlainRules
from knownas.core.identity.observation import Correction
from knownas.core.identity.policy import Policy
from knownas.service.log_form import Damaged, is_correction, observation_bytes, observation_from
from knownas.service.policies import decode_policy
from knownas.store.port import Pool, Store, StoredPolicy
from knownas.store.whole import Contradiction, Line, WholeReader

_Verdict_co = TypeVar("_Verdict_co", covariant=True)


RowKind = Literal["profiles", "values", "log"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a share is judged: the database, and what of it is folded."""

    store: Store
    whole: WholeReader
    pool: Pool
    policies: dict[int, Policy]
    until_seq: int


class Judge(Protocol, Generic[_Verdict_co]):
    """Looks at one share after the other, in any of several processes. It goes to them pickled, as its verdicts come back."""

    async def judge(self, share: Share, place: Place) -> _Verdict_co:
        """Return what is to be known of a share."""
        ...


@dataclass(frozen=True, slots=True)
class LinesWanted:
    """Which lines of a log are folded: those that changed something, or `all` of them; those observed in some time.

    From `from_ms` to `to_ms`, both included, in Unix milliseconds. Corrections are there whenever they were made, since they
    say what counts of the others.
    """

    all: bool = False
    from_ms: int | None = None
    to_ms: int | None = None

    def takes(self, line: Line) -> bool:
        """Whether a line is wanted, if it is one that changed something."""
        at_ms = line[1]
        in_time = (self.from_ms is None or at_ms >= self.from_ms) and (self.to_ms is None or at_ms <= self.to_ms)
        return in_time or is_correction(line[5])


CHANGES: Final = LinesWanted()
"""What a fold of the records needs: captured without a change, a line changes nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all processes of a fold have to know. `also` are policies that lines are going to be folded under besides."""

    database: str
    pool: Pool
    folder: Path
    until_seq: int
    policies: tuple[StoredPolicy, ...]
    parts: int
    judge: Judge[object]
    also: tuple[StoredPolicy, ...] = ()
    lines: LinesWanted = CHANGES


class ReadRange(NamedTuple):
    """Read the lines after a seq and up to another one."""

    number: int
    after_seq: int
    until_seq: int


class RangeRead(NamedTuple):
    """How many lines a range has, how many of them changed something, and what tells that their names are hashed alike."""

    lines: int
    changing: int
    salt: int


class FindJoins(NamedTuple):
    """Find what the names of one part join; `bases` are the ranges, each with the place of its first line."""

    part: int
    bases: tuple[tuple[int, int], ...]


class ArrangeRange(NamedTuple):
    """Arrange a range's lines, the first of which has a place."""

    number: int
    base: int
    lines: int


class JudgeShare(NamedTuple):
    """Hand a share to the judge."""

    share: int
    ranges: tuple[int, ...]


class CheckRows(NamedTuple):
    """Let the database compare the rows of one kind with others, page by page."""

    kind: RowKind


class RowsChecked(NamedTuple):
    """How many rows were compared, and what is wrong: at most `DIFFERENCES_MAX` are named, `further` is the number of others."""

    rows: int
    wrong: tuple[Contradiction, ...]
    further: int


Work = ReadRange | FindJoins | ArrangeRange | JudgeShare | CheckRows


class FoldWorker:
    """Does the work of one process, over connections of its own."""

    def __init__(self, plan: Plan, store: Store, whole: WholeReader) -> None:
        self._plan = plan
        self._whole = whole
        self._staging = FoldStaging(plan.folder)
        policies = {one.version: decode_policy(one) for one in plan.policies}
        self._types = types_looked_up([*policies.values(), *map(decode_policy, plan.also)])
        self._rules = {version: PlainRules(policy) for version, policy in policies.items()}
        self._place = Place(store, whole, plan.pool, policies, plan.until_seq)
        self._said: Sequence[tuple[int, Correction]] | None = None
        """The corrections, once they were asked for: the same for all shares."""

    async def do(self, work: Work) -> object:
        """Do one piece of work and return what it came to.

        Raises:
            StoreError: the database does not answer.
            OSError: the temporary files can't be written or read.
        """
        match work:
            case ReadRange():
                return await self._read(work)
            case FindJoins():
                return self._find_joins(work)
            case ArrangeRange():
                self._staging.arrange(work.number, self._staging.shares(work.base, work.lines))
                return work.lines
            case JudgeShare():
                share = Share(
                    lambda: self._staging.share(work.share, work.ranges),
                    self._rules,
                    lambda: self._corrections(work.ranges),
                    self._types,
                )
                return await self._plan.judge.judge(share, self._place)
            case CheckRows():
                return await self._check(work.kind)
            case _:
                assert_never(work)

    async def _check(self, kind: RowKind) -> RowsChecked:
        checks = {
            "profiles": self._whole.check_profiles,
            "values": self._whole.check_values,
            "log": self._whole.check_log,
        }
        rows, further, after = 0, 0, None
        wrong: list[Contradiction] = []
        while True:
            checked = await checks[kind](self._plan.pool, after, ROWS_COMPARED)
            rows += checked.rows
            left = DIFFERENCES_MAX - len(wrong)
            wrong += checked.wrong[:left]
            further += len(checked.wrong[left:])
            after = checked.after
            if after is None:
                return RowsChecked(rows, tuple(wrong), further)

    async def _read(self, work: ReadRange) -> RangeRead:
        kept: list[Line] = []
        count, seq = 0, work.after_seq
        noted = Noted(self._plan.parts)
        wanted = self._plan.lines
        is_filtered = wanted.from_ms is not None or wanted.to_ms is not None
        corrections: list[tuple[int, bytes]] = []
        while lines := await self._whole.lines(self._plan.pool, seq, work.until_seq, READ_LINES):
            seq = lines[-1][0]
            if is_filtered:
                lines = [line for line in lines if wanted.takes(line)]
            count += len(lines)
            for line in lines:
                touched = touched_of(line[4])
                if touched or wanted.all:
                    try:
                        observation = observation_from(line[5])
                    except Damaged:
                        observation = None
                    if isinstance(observation, Correction):
                        corrections.append((line[0], observation_bytes(slim(observation))))
                    noted.add(names(observation, line[3], touched or answered_alone(line), self._types))
                    kept.append(line)
        if kept:
            self._staging.put_corrections(work.number, corrections)
            self._staging.put_lines(work.number, kept)
            self._staging.put_names(work.number, noted.parts)
        return RangeRead(count, len(kept), SALT)

    def _corrections(self, ranges: Sequence[int]) -> Sequence[tuple[int, Correction]]:
        """Return the corrections among the lines of some ranges, without what came of them."""
        if self._said is None:
            written = (one for number in ranges for one in self._staging.corrections(number))
            said = ((seq, observation_from(kept)) for seq, kept in written)
            self._said = [(seq, one) for seq, one in said if isinstance(one, Correction)]
        return self._said

    def _find_joins(self, work: FindJoins) -> int:
        first: dict[int, int] = {}
        joins = array("q")
        for number, base in work.bases:
            found, places = self._staging.names(number, work.part, self._plan.parts)
            for name, at in zip(found, places, strict=True):
                place = base + at
                other = first.setdefault(name, place)
                if other != place:
                    joins.append(other)
                    joins.append(place)
        self._staging.put_joins(work.part, joins)
        return len(joins) // 2


def slim(correction: Correction) -> Correction:
    """Return what a correction says of what counts, without what came of it."""
    return replace(correction, records=(), gone=())


class Noted:
    """The names of a range's lines as numbers of 64 bits, put into parts.

    Two names with the same number make one component of two, which is only slower. So the numbers are Python's own hashes,
    which are the fastest; all processes of a fold have the same seed of them (`folding_processes`).
    """

    def __init__(self, parts: int) -> None:
        self.parts: Final = [(array("q"), array("q")) for _ in range(parts)]
        self._place = 0

    def add(self, shared: list[Name]) -> None:
        """Note the names of the next line."""
        parts, place = self.parts, self._place
        self._place = place + 1
        count = len(parts)
        for number in map(hash, shared):
            numbers, places = parts[number % count]
            numbers.append(number)
            places.append(place)


SALT: Final = hash("knownas")
"""Tells whether two processes hash alike."""
