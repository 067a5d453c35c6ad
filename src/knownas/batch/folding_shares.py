"""A share of a log: whole components of its lines, folded by one process to the records that they come to."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from knownas.core.history.components import Name, flatten, join, names
from knownas.core.history.fold import FoldDiverged, Logged, advance
from knownas.core.history.plain import PlainRules
from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Correction, IdentityRequest
from knownas.core.identity.records import Records
from knownas.service.log_form import Damaged, answered_in, observation_from
from knownas.store.whole import Line

_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])


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


@dataclass(slots=True)
class Folded:
    """What the lines of a share come to.

    `parted` are the lines that are not what was logged, of which no more than `PARTED_MAX` are named; those that can't be
    folded are passed over.
    """

    records: Records
    lines: int = 0
    parted: list[Parted] = field(default_factory=list[Parted])


PARTED_MAX: Final = 10_000
"""Lines of one share that are remembered as not being what was logged."""


class Share:
    """Whole components of a log's lines, in the log's order. Can be gone through any number of times."""

    def __init__(
        self,
        lines: Callable[[], Iterator[Line]],
        rules: Mapping[int, PlainRules],
        corrections: Callable[[], Sequence[tuple[int, Correction]]] = tuple,
        types: frozenset[IdentityType] = frozenset(),
    ) -> None:
        """`corrections` are those of the whole log, `types` those that anybody is looked up by under any of its policies."""
        self._lines = lines
        self._corrections = corrections
        self._types = types
        self.rules: Final = rules

    def raw(self) -> Iterator[Line]:
        """Yield the lines as they were read."""
        return self._lines()

    def lines(self) -> Iterator[ReadLine]:
        """Yield the lines.

        Raises:
            Damaged: one of them can't be read.
        """
        for seq, _, version, created, touched, observation, _, _ in self._lines():
            yield ReadLine(seq, Logged(observation_from(observation), version, created), touched_of(touched))

    def corrections(self) -> Sequence[tuple[int, Correction]]:
        """Return all corrections of the log with their seqs, also those of other shares, without what came of them."""
        return self._corrections()

    def roots(self) -> "array[int]":
        """Return for each line the place of the first line of its component."""
        parents, first = array("q"), dict[Name, int]()
        for place, line in enumerate(self._lines()):
            parents.append(place)
            try:
                observation = observation_from(line[5])
            except Damaged:
                observation = None
            for name in names(observation, line[3], touched_of(line[4]) or answered_alone(line), self._types):
                other = first.setdefault(name, place)
                if other != place:
                    join(parents, other, place)
        flatten(parents)
        return parents

    def fold(self, until_seq: int | None = None) -> Folded:
        """Fold all lines, or those up to a seq, each under its own policy."""
        folded = Folded(Records())
        records, rules = folded.records, self.rules
        for line in self._lines():
            if until_seq is not None and line[0] > until_seq:
                break
            folded.lines += 1
            why, _ = fold_raw(line, rules, records)
            if why is not None and len(folded.parted) < PARTED_MAX:
                folded.parted.append(Parted(line[0], touched_of(line[4]), why))
        return folded


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


def fold_raw(line: Line, rules: Mapping[int, PlainRules], records: Records) -> tuple[str | None, Sequence[RecordWrite]]:
    """Fold one line; say why its fold is not what was logged, if so. One that can't be folded changes nothing."""
    _, at_ms, version, created, touched, written, _, _ = line
    try:
        observation = observation_from(written)
        if isinstance(observation, IdentityRequest):
            observed_ms = observation.at_ms
            write = rules[version].write(
                observation.endpoint, observed_ms, observation.identities, records, created, may_find=created is None
            )
            if write is not None:
                if touched == b"[%d]" % write.after.mpid and observed_ms == at_ms:
                    return None, (write,)
                return _parted(line, observed_ms, (write,)), (write,)
        writes = advance(Logged(observation, version, created), rules[version], records)
    except Damaged as error:
        return f"it can't be read: {error}", ()
    except KeyError:
        return f"there is no version {version} of the policy", ()
    except FoldDiverged as error:
        return str(error), ()
    return _parted(line, observation.at_ms, writes), writes


def _parted(line: Line, observed_ms: int, writes: Sequence[RecordWrite]) -> str | None:
    if {one.after.mpid for one in writes} != set(touched_of(line[4])):
        return "it changes other profiles than the log says"
    return None if observed_ms == line[1] else "its time is not the time of its observation"
