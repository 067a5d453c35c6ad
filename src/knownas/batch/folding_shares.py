"""A share of a log: whole components of its lines, folded by one process to the records that they come to."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec
import numpy as np

from knownas.batch.folding_limits import PARTED_MAX
from knownas.batch.folding_staging import Piece, Written, lines_from
from knownas.core.history.fold import FoldDiverged, Logged, fold_line
from knownas.core.history.plain import PlainRules
from knownas.core.identity.observation import Correction, IdentityRequest, Observation
from knownas.core.identity.records import Records
from knownas.service.identity.log_form import Damaged, answered_in, observation_from, requests_from
from knownas.store.whole import Line

_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])
_MANY_MPIDS: Final = msgspec.json.Decoder(list[tuple[int, ...]])
_OBSERVATION: Final = itemgetter(5)
_NONE: Final = np.empty(0, np.int64)


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


class Batch(NamedTuple):
    """Lines of whole components, one after the other, each in the log's order; and where each component ends."""

    lines: Sequence[Line]
    ends: Sequence[int]

    def roots(self) -> list[int]:
        """Return for each line the place of the first line of its component."""
        return [begin for begin, end in pairwise((0, *self.ends)) for _ in range(begin, end)]


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

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield whole components, so many that they have at least `size` lines."""
        begin = first = 0
        while begin < len(self._written):
            # What is read at once and folded at once is at hand when it is needed.
            last = int(np.searchsorted(self._ends, min(begin + size, len(self._written))))
            ends = self._ends[first : last + 1]
            end = int(ends[-1])
            written = list(map(self._written.__getitem__, self._order[begin:end].tolist()))
            yield Batch(lines_from(written), (ends - begin).tolist())
            begin, first = end, last + 1

    def corrections(self) -> Sequence[tuple[int, Correction]]:
        """Return all corrections of the log with their seqs, also those of other shares, without what came of them."""
        return self._corrections()


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
