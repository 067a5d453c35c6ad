"""A share of a log: whole components of its lines, folded by one process to the records that they come to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec
import numpy as np

from knownas.batch.folding_staging import Piece
from knownas.core.history.fold import FoldDiverged, Logged, advance
from knownas.core.history.plain import PlainRules
from knownas.core.history.plain_component import PlainComponent
from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.observation import Correction, IdentityRequest, Observation
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.service.log_form import Damaged, answered_in, observation_from, requests_from
from knownas.store.whole import Line

_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])
_MANY_MPIDS: Final = msgspec.json.Decoder(list[tuple[int, ...]])
_OBSERVATION: Final = itemgetter(5)
_NO_ROOTS: Final = np.empty(0, np.int64)


class Parted(NamedTuple):
    """A line whose fold is not what was logged: it can't be folded, or changed other profiles than the log says."""

    seq: int
    touched: tuple[int, ...]
    why: str


class ReadLine(NamedTuple):
    """A line of a share, ready to be folded."""

    seq: int
    logged: Logged
    touched: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """What lines come to.

    `parted` are the lines that are not what was logged, of which no more than `PARTED_MAX` are named; those that can't be
    folded are passed over.
    """

    records: Mapping[int, Record]
    lines: int
    parted: Sequence[Parted] = ()


PARTED_MAX: Final = 10_000
"""Lines of one share that are remembered as not being what was logged."""


class Share:
    """Whole components of a log's lines. Can be gone through any number of times."""

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
        lines = list(chain.from_iterable(some for _, some in several))
        roots = np.concatenate([_NO_ROOTS, *(some for some, _ in several)])
        order = np.argsort(roots, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(roots[order])) + 1, len(roots)) if lines else _NO_ROOTS
        ordered = list(map(lines.__getitem__, order.tolist()))
        self.components: Final[Sequence[Sequence[Line]]] = [
            ordered[begin:end] for begin, end in pairwise([0, *ends.tolist()])
        ]
        """The lines of each component, in the log's order."""
        self.rules: Final = rules
        self._lines = lines
        self._order = order
        self._corrections = corrections

    def raw(self) -> Iterator[Line]:
        """Yield the lines as they were read, in the log's order."""
        return iter(self._lines)

    def lines(self) -> Iterator[ReadLine]:
        """Yield the lines in the log's order.

        Raises:
            Damaged: one of them can't be read.
        """
        for seq, _, version, created, touched, observation, _, _ in self._lines:
            yield ReadLine(seq, Logged(observation_from(observation), version, created), touched_of(touched))

    def corrections(self) -> Sequence[tuple[int, Correction]]:
        """Return all corrections of the log with their seqs, also those of other shares, without what came of them."""
        return self._corrections()

    def roots(self) -> Sequence[int]:
        """Return for each line, in the log's order, the place of the first line of its component."""
        roots = [0] * len(self._lines)
        places = iter(self._order.tolist())
        for component in self.components:
            mine = [next(places) for _ in component]
            for place in mine:
                roots[place] = mine[0]
        return roots

    def fold(self, until_seq: int | None = None) -> Folded:
        """Fold all lines, or those up to a seq, each under its own policy."""
        lines = [line for line in self.raw() if until_seq is None or line[0] <= until_seq]
        return _fold(lines, requests_from(list(map(_OBSERVATION, lines))), self.rules)

    def fold_component(self, number: int) -> Folded:
        """Fold the lines of a component, each under its own policy."""
        lines = self.components[number]
        requests = requests_from(list(map(_OBSERVATION, lines)))
        records = _fold_plainly(lines, requests, self.rules)
        return _fold(lines, requests, self.rules) if records is None else Folded(records, len(lines))


def _fold_plainly(
    lines: Sequence[Line], requests: Sequence[IdentityRequest | None], rules: Mapping[int, PlainRules]
) -> Mapping[int, Record] | None:
    """Fold a component by the short cut; None if one of its lines is not plain, or is not what was logged."""
    component = PlainComponent()
    take = component.take
    try:
        for (_, at_ms, version, made, touched, _, _, _), request in zip(lines, requests, strict=True):
            # What touched several profiles is not plain, and is no number.
            if request is None or request[1] != at_ms or not take(request, rules[version], made, int(touched[1:-1])):
                return None
    except (KeyError, ValueError):
        return None
    return component.records()


def _fold(lines: Sequence[Line], requests: Sequence[IdentityRequest | None], rules: Mapping[int, PlainRules]) -> Folded:
    """Fold lines one by one."""
    records = Records()
    parted: list[Parted] = []
    for line, request in zip(lines, requests, strict=True):
        why, _ = fold_raw(line, rules, records) if request is None else _fold_request(line, request, rules, records)
        if why is not None and len(parted) < PARTED_MAX:
            parted.append(Parted(line[0], touched_of(line[4]), why))
    return Folded({record.mpid: record for record in records}, len(lines), parted)


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


def fold_raw(line: Line, rules: Mapping[int, PlainRules], records: Records) -> tuple[str | None, Sequence[RecordWrite]]:
    """Fold one line; say why its fold is not what was logged, if so. One that can't be folded changes nothing."""
    try:
        observation = observation_from(line[5])
    except Damaged as error:
        return f"it can't be read: {error}", ()
    if isinstance(observation, IdentityRequest):
        return _fold_request(line, observation, rules, records)
    return _fold_any(line, observation, rules, records)


def _fold_request(
    line: Line, request: IdentityRequest, rules: Mapping[int, PlainRules], records: Records
) -> tuple[str | None, Sequence[RecordWrite]]:
    """Fold a request, by the short cut if it is plain."""
    created = line[3]
    mine = rules.get(line[2])
    if mine is not None:
        observed_ms = request.at_ms
        write = mine.write(
            request.endpoint, observed_ms, request.identities, records, created, may_find=created is None
        )
        if write is not None:
            if line[4] == b"[%d]" % write.after.mpid and observed_ms == line[1]:
                return None, (write,)
            return _parted(line, observed_ms, (write,)), (write,)
    return _fold_any(line, request, rules, records)


def _fold_any(
    line: Line, observation: Observation, rules: Mapping[int, PlainRules], records: Records
) -> tuple[str | None, Sequence[RecordWrite]]:
    version = line[2]
    try:
        writes = advance(Logged(observation, version, line[3]), rules[version], records)
    except KeyError:
        return f"there is no version {version} of the policy", ()
    except FoldDiverged as error:
        return str(error), ()
    return _parted(line, observation.at_ms, writes), writes


def _parted(line: Line, observed_ms: int, writes: Sequence[RecordWrite]) -> str | None:
    if {one.after.mpid for one in writes} != set(touched_of(line[4])):
        return "it changes other profiles than the log says"
    return None if observed_ms == line[1] else "its time is not the time of its observation"
