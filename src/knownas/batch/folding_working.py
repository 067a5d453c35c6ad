"""Does one part of a fold of a whole log after the other, in whichever process it is told to.

The parts come in four rounds, each over all ranges, parts or shares before the next begins:

1. a range of the log is read, its lines are written down, and the identities that they name are noted as numbers;
2. equal numbers are looked for, a part of all numbers at a time: the profiles that they join are written down;
3. (the first process knows by now which profiles belong together) a range's lines are arranged by their shares;
4. a share is read in the log's order and handed to the judge.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Final, Generic, Literal, NamedTuple, Protocol, TypeVar, assert_never

from knownas.batch.folding_groups import Groups, Noted, joined_by
from knownas.batch.folding_limits import DIFFERENCES_MAX, READ_LINES, ROWS_COMPARED
from knownas.batch.folding_shares import Share, answered_alone, touched_by
from knownas.batch.folding_staging import FoldStaging
from knownas.core.history.components import types_looked_up
from knownas.core.history.plain import PlainRules
from knownas.core.identity.observation import Correction
from knownas.core.identity.policy import Policy
from knownas.service.identity.log_form import Damaged, is_correction, observation_bytes, observation_from
from knownas.service.identity.policies import decode_policy
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
    """Find the pairs of profiles that the identities of one part join, whichever of the ranges name them."""

    part: int
    ranges: tuple[int, ...]


class ArrangeRange(NamedTuple):
    """Arrange a range's lines by their shares, of which there are so many."""

    number: int
    shares: int


class JudgeShare(NamedTuple):
    """Hand a share to the judge."""

    share: int
    ranges: tuple[int, ...]


class Judged(NamedTuple):
    """How many components a share has, and what the judge said of it."""

    components: int
    verdict: object


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
        self._groups: Groups | None = None
        self._said: Sequence[tuple[int, Correction]] | None = None
        """The corrections, once they were asked for: the same for all shares."""
        self._place = Place(store, whole, plan.pool, policies, plan.until_seq)

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
                self._groups = self._groups or self._staging.groups()
                return self._staging.arrange(work.number, self._groups, work.shares)
            case JudgeShare():
                lines = self._staging.share(work.share, work.ranges)
                share = Share(lines, self._rules, lambda: self._corrections(work.ranges))
                return Judged(share.components, await self._plan.judge.judge(share, self._place))
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
        noted = Noted(self._types)
        wanted = self._plan.lines
        is_filtered = wanted.from_ms is not None or wanted.to_ms is not None
        while lines := await self._whole.lines(self._plan.pool, seq, work.until_seq, READ_LINES):
            seq = lines[-1][0]
            if is_filtered:
                lines = [line for line in lines if wanted.takes(line)]
            count += len(lines)
            touched = touched_by(lines)
            if wanted.all:
                # What nobody was answered to stands for itself; should its number be a profile's, both are folded together.
                touched = [
                    some or answered_alone(line) or (-line[0],) for some, line in zip(touched, lines, strict=True)
                ]
            elif not all(touched):
                lines = list(compress(lines, touched))
                touched = list(filter(None, touched))
            noted.add(lines, touched)
            kept += lines
        if kept:
            self._staging.put_corrections(work.number, _corrections_among(kept))
            self._staging.put_lines(work.number, kept, noted.owners())
            self._staging.put_names(work.number, noted.named(self._plan.parts))
            self._staging.put_pairs(f"range-{work.number}", noted.pairs())
        return RangeRead(count, len(kept), SALT)

    def _corrections(self, ranges: Sequence[int]) -> Sequence[tuple[int, Correction]]:
        """Return the corrections among the lines of some ranges, without what came of them."""
        if self._said is None:
            written = (one for number in ranges for one in self._staging.corrections(number))
            said = ((seq, observation_from(kept)) for seq, kept in written)
            self._said = [(seq, one) for seq, one in said if isinstance(one, Correction)]
        return self._said

    def _find_joins(self, work: FindJoins) -> None:
        named = (self._staging.names(number, work.part, self._plan.parts) for number in work.ranges)
        self._staging.put_pairs(f"part-{work.part}", joined_by(named))


SALT: Final = hash("knownas")
"""Tells whether two processes hash alike."""


def _corrections_among(lines: Sequence[Line]) -> list[tuple[int, bytes]]:
    """Return the corrections among some lines with their seqs, without what came of them."""
    found: list[tuple[int, bytes]] = []
    for line in lines:
        if is_correction(line[5]):
            with suppress(Damaged):
                observation = observation_from(line[5])
                if isinstance(observation, Correction):
                    found.append((line[0], observation_bytes(slim(observation))))
    return found


def slim(correction: Correction) -> Correction:
    """Return what a correction says of what counts, without what came of it."""
    return replace(correction, records=(), gone=())
