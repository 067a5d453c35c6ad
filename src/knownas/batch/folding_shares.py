"""A share of a log: whole components of its lines, folded by one process to the records that they come to."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec
import numpy as np

from knownas.batch.folding_limits import BATCH_LINES, PARTED_MAX
from knownas.batch.folding_staging import Piece, Written, lines_from
from knownas.core.history.fold import FoldDiverged, Logged, fold_line
from knownas.core.history.plain import PlainRules
from knownas.core.identity.observation import Correction, IdentityRequest, Observation
from knownas.core.identity.records import Records
from knownas.service.log_form import Damaged, answered_in, observation_from, requests_from
from knownas.store.whole import Line

_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])
_MANY_MPIDS: Final = msgspec.json.Decoder(list[tuple[int, ...]])
_OBSERVATION: Final = itemgetter(5)
_NONE: Final = np.empty(0, np.int64)
_FIRST: Final = np.zeros(1, np.int64)


class Parted(NamedTuple):
    """A line whose fold is not what was logged: it can't be folded, or changed other profiles than the log says.

    `touched` are the profiles that it changed when it was logged, `changed` those that it changed now.
    """

    touched: tuple[int, ...]
    changed: Collection[int]
    why: str


class Folded(NamedTuple):
    """What lines come to.

    `parted` are the lines that are not what was logged, of which no more than `PARTED_MAX` are named; those that can't be
    folded are passed over.
    """

    records: Records
    parted: Sequence[Parted]


class Share:
    """Whole components of a log's lines. Can be gone through any number of times; a line is read when its turn comes."""

    def __init__(
        self,
        pieces: Iterable[Piece],
        rules: Mapping[int, PlainRules],
        corrections: Callable[[], Sequence[tuple[int, Correction]]] = tuple,
    ) -> None:
        """`pieces` are lines, all in the log's order, each with a number that those of its component share.

        `corrections` are those of the whole log.
        """
        several = list(pieces)
        roots = np.concatenate([_NONE, *(some for some, _ in several)])
        self.rules: Final = rules
        self._written: Written = list(chain.from_iterable(written for _, written in several))
        self._order = np.argsort(roots, kind="stable")
        self._ends = np.append(np.flatnonzero(np.diff(roots[self._order])) + 1, len(roots)) if len(roots) else _NONE
        self.components: Final = len(self._ends)
        """How many components there are."""
        self._corrections = corrections

    def raw(self) -> Iterator[Line]:
        """Yield the lines as they were read, in the log's order."""
        for begin in range(0, len(self._written), BATCH_LINES):
            yield from lines_from(self._written[begin : begin + BATCH_LINES])

    def batches(self) -> Iterator[Sequence[Line]]:
        """Yield whole components put together until there are some lines (`BATCH_LINES`), the lines of each in the log's order."""
        begin = 0
        while begin < len(self._written):
            # What is read at once and folded at once is at hand when it is needed.
            end = int(self._ends[np.searchsorted(self._ends, min(begin + BATCH_LINES, len(self._written)))])
            yield lines_from(list(map(self._written.__getitem__, self._order[begin:end].tolist())))
            begin = end

    def corrections(self) -> Sequence[tuple[int, Correction]]:
        """Return all corrections of the log with their seqs, also those of other shares, without what came of them."""
        return self._corrections()

    def roots(self) -> Sequence[int]:
        """Return for each line, in the log's order, the place of the first line of its component."""
        begins = np.concatenate([_FIRST, self._ends])[:-1]
        roots = np.empty(len(self._written), np.int64)
        roots[self._order] = np.repeat(self._order[begins], np.diff(self._ends, prepend=0))
        return roots.tolist()


def fold_lines(lines: Sequence[Line], rules: Mapping[int, PlainRules]) -> Folded:
    """Fold whole components, each line under its own policy."""
    records = Records()
    parted: list[Parted] = []
    for line, request in zip(lines, requests_from(list(map(_OBSERVATION, lines))), strict=True):
        otherwise = fold_raw(line, rules, records) if request is None else _fold(line, request, rules, records)
        if otherwise is not None and len(parted) < PARTED_MAX:
            parted.append(otherwise)
    return Folded(records, parted)


def touched_of(written: bytes) -> tuple[int, ...]:
    """Read the MPIDs that a line touched; none if they can't be read."""
    try:
        return _MPIDS.decode(written)
    except msgspec.MsgspecError:
        return ()


def answered_alone(line: Line) -> tuple[int, ...]:
    """Return the profile that a line which changed nothing was answered with, if there is one."""
    written = line[7]
    if written is None:
        return ()
    try:
        answered = answered_in(written)
    except Damaged:
        return ()
    return () if answered is None else (answered,)


def touched_by(lines: Sequence[Line]) -> Sequence[tuple[int, ...]]:
    """Read the MPIDs that each of some lines touched, in a third of the time; see `touched_of`."""
    try:
        read = _MANY_MPIDS.decode(b"[" + b",".join([line[4] for line in lines]) + b"]")
    except msgspec.MsgspecError:
        read = []
    return read if len(read) == len(lines) else [touched_of(line[4]) for line in lines]


def fold_raw(line: Line, rules: Mapping[int, PlainRules], records: Records) -> Parted | None:
    """Fold one line; say how its fold is not what was logged, if so. One that can't be folded changes nothing."""
    try:
        observation = observation_from(line[5])
    except Damaged as error:
        return Parted(touched_of(line[4]), (), f"it can't be read: {error}")
    return _fold(line, observation, rules, records)


def _fold(line: Line, observation: Observation, rules: Mapping[int, PlainRules], records: Records) -> Parted | None:
    """Fold an observation, by the short cut if it is plain."""
    _, at_ms, version, made, touched, _, _, _ = line
    mine = rules.get(version)
    if mine is None:
        return Parted(touched_of(touched), (), f"there is no version {version} of the policy")
    is_then = observation.at_ms == at_ms
    taken = isinstance(observation, IdentityRequest) and mine.take(observation, records, made, may_find=made is None)
    if taken:
        if touched == b"[%d]" % taken.mpid and is_then:
            return None
        changed = {taken.mpid}
    else:
        try:
            changed = {*fold_line(Logged(observation, version, made), mine.policy, records).touched}
        except FoldDiverged as error:
            return Parted(touched_of(touched), (), str(error))
    logged = touched_of(touched)
    if changed != {*logged}:
        return Parted(logged, changed, "it changes other profiles than the log says")
    return None if is_then else Parted(logged, changed, "its time is not the time of its observation")
