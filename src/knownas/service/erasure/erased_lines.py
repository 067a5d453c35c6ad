"""Takes a person's identities out of the log: each line that names one says another value from then on (decision 35).

Which lines these are: those of the profile, those that are kept under a value, and those of every profile that a line of a
value is about, as far as they name it. A line that erased another profile names no value; it is kept under those that the profile
had, so it leads to the lines of that one. They are read page by page and rewritten some at a time. What a value becomes follows from it and
from a key, so that whoever goes on after a kill gives it the same one; a line that was rewritten is found again under the
numbers of its new values.

Lines that came after the erasure stay: who came back is somebody new.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from knownas.core.identity.decision import Decision
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Observation
from knownas.core.identity.record import held_by
from knownas.core.privacy.redaction import redacted, redacted_decision
from knownas.service.history.subjects import named_in, profile_named_in, subject_of
from knownas.service.identity.log_form import (
    decision_bytes,
    decision_from,
    erased_in,
    observation_bytes,
    observation_from,
)
from knownas.service.limits import (
    ERASURE_LINES_MAX,
    ERASURE_PROFILES_MAX,
    OWN_IDENTITIES_MAX,
    PAGE_MAX,
    REDACTED_A_STEP,
)
from knownas.store.port import LogEntry, Pool, Store
from knownas.store.privacy import RedactedLine

CHANGED_MEANWHILE: Final = -1
"""In the place of a number of lines: somebody else has rewritten one of them, so that they are to be read again."""


class TooMuchToErase(Exception):
    """A person has more history than an erasure follows; the message says what of, and names nobody."""


def replacement(key: str, one: Identity) -> Identity:
    """Return what an identity becomes: a value of the same type that follows from it only for whoever has the key (hex)."""
    text = f"{one.type.value}\0{one.value}".encode()
    return Identity(one.type, hmac.digest(bytes.fromhex(key), text, "sha256").hex())


@dataclass(slots=True)
class History:
    """What a profile's own lines tell: the identities that they name, the last line, and the line that erased it, if any."""

    identities: dict[Identity, None] = field(default_factory=dict[Identity, None])
    last_seq: int = 0
    erased_seq: int | None = None


async def history_of(store: Store, pool: Pool, mpid: int) -> History:
    """Read a profile's lines.

    Raises:
        TooMuchToErase: there are more than are followed.
        StoreError: the store does not answer.
    """
    found, lines = History(), 0
    while page := await store.history(mpid, found.last_seq, PAGE_MAX):
        found.last_seq = page[-1].seq
        lines += len(page)
        for entry in page:
            if entry.pool == pool:
                found.identities.update(dict.fromkeys(_said_of(mpid, entry)))
            if erased_in(entry.observation) == mpid:
                found.erased_seq = found.erased_seq or entry.seq
        _check(lines, ERASURE_LINES_MAX, "lines")
        _check(len(found.identities), OWN_IDENTITIES_MAX, "identities")
        await asyncio.sleep(0)
    return found


@dataclass(slots=True)
class ErasedLines:
    """The lines of one person, who was erased by the line `erased_seq`.

    `given` says what each of the person's own identities becomes.
    """

    store: Store
    pool: Pool
    mpid: int
    erased_seq: int
    given: Mapping[Identity, Identity]
    _became: frozenset[Identity] = field(init=False)
    _waiting: list[int] = field(default_factory=list[int])
    _asked: set[int] = field(default_factory=set[int])
    _naming: set[int] = field(default_factory=set[int])
    _erased_with: dict[int, set[Identity]] = field(default_factory=dict[int, set[Identity]])
    _read: int = 0

    def __post_init__(self) -> None:
        self._became = frozenset(self.given.values())

    async def shared(self) -> frozenset[Identity]:
        """Return those of the identities that another profile carries by what the lines up to the erasure say of it.

        By a carried identity nobody is looked up, so no store can be asked who has one.

        Raises:
            TooMuchToErase: there are more lines than are followed.
            StoreError: the store does not answer.
        """
        found: set[Identity] = set()
        seen: dict[int, frozenset[Identity]] = {}
        async for entry, named in self._lines():
            mine = named & self.given.keys()
            if not mine or entry.seq > self.erased_seq:
                continue
            for mpid in _about(entry) - {self.mpid}:
                if mpid not in seen:
                    stored = await self.store.profile(mpid)
                    seen[mpid] = frozenset() if stored is None else held_by(stored.record)
                found |= mine & seen[mpid]
        return frozenset(found)

    async def redact(self) -> int:
        """Rewrite all lines that name one of the identities; returns how many lines were about them, those rewritten before included.

        `CHANGED_MEANWHILE`: it is to be called again.

        Raises:
            TooMuchToErase: there are more lines than are followed.
            StoreError: the store could not do it; what was rewritten stays so.
        """
        chunk: dict[int, RedactedLine] = {}
        async for entry, named in self._lines():
            if self._is_mine(entry, named):
                chunk[entry.seq] = self._redacted(entry, named)
            if len(chunk) >= REDACTED_A_STEP:
                if not await self.store.privacy.redact(list(chunk.values())):
                    return CHANGED_MEANWHILE
                chunk = {}
        if chunk and not await self.store.privacy.redact(list(chunk.values())):
            return CHANGED_MEANWHILE
        return len(self._naming)

    async def left(self, one: Identity) -> int:
        """Return whether a line that is kept under an identity, and should have been rewritten, still names it: 1 or 0.

        Raises:
            StoreError: the store does not answer.
        """
        async for entry in self._of(subject_of(self.pool, one)):
            if self._is_mine(entry, frozenset((one,)) & self._said_by(entry, one)):
                return 1
        return 0

    def _is_mine(self, entry: LogEntry, named: frozenset[Identity]) -> bool:
        """Whether a line is to be rewritten: one that came before the erasure, or that says what its profile was asked before."""
        if entry.seq == self.erased_seq:
            return True
        is_theirs = entry.seq < self.erased_seq or self.mpid in _about(entry)
        return is_theirs and not named.isdisjoint(self.given)

    def _redacted(self, entry: LogEntry, named: frozenset[Identity]) -> RedactedLine:
        mine = self.given.keys() if entry.seq == self.erased_seq else named & self.given.keys()
        observation = redacted(observation_from(entry.observation), self.given)
        decision = redacted_decision(decision_from(entry.decision), self.given)
        return RedactedLine(
            entry.seq,
            entry.observation,
            observation_bytes(observation),
            decision_bytes(decision),
            [subject_of(self.pool, one) for one in mine],
            [subject_of(self.pool, self.given[one]) for one in mine],
        )

    async def _lines(self) -> AsyncIterator[tuple[LogEntry, frozenset[Identity]]]:
        """Yield the lines that may name the identities, with all that they name; some of them more than once."""
        self._asked.clear()
        self._naming.clear()
        self._erased_with.clear()
        self._read = 0
        known = {subject_of(self.pool, one): one for one in (*self.given, *self._became)}
        self._waiting = [self.mpid, *known]
        while self._waiting:
            subject = self._waiting.pop()
            if subject in self._asked:
                continue
            self._asked.add(subject)
            _check(len(self._asked) - len(known), ERASURE_PROFILES_MAX, "profiles")
            async for entry in self._of(subject):
                named = self._said_by(entry, known.get(subject))
                if not (named.isdisjoint(self.given) and named.isdisjoint(self._became)):
                    self._waiting += _about(entry) - self._asked
                    if entry.seq <= self.erased_seq or self.mpid in _about(entry):
                        self._naming.add(entry.seq)
                yield entry, named

    def _said_by(self, entry: LogEntry, found_by: Identity | None) -> frozenset[Identity]:
        """Return what a line names; of one that erased another profile, the identities under which it was found by now."""
        if found_by is None or erased_in(entry.observation) in (None, self.mpid):
            return frozenset(named_by(entry))
        found = self._erased_with.setdefault(entry.seq, set())
        found.add(found_by)
        return frozenset(found)

    async def _of(self, subject: int) -> AsyncIterator[LogEntry]:
        """Yield the pool's lines about a subject, letting others work between two pages."""
        after = 0
        while page := await self.store.history(subject, after, PAGE_MAX):
            after = page[-1].seq
            self._read += len(page)
            _check(self._read, ERASURE_LINES_MAX, "lines")
            for entry in page:
                if entry.pool == self.pool:
                    yield entry
            await asyncio.sleep(0)


def _check(count: int, most: int, what: str) -> None:
    if count > most:
        raise TooMuchToErase(f"more than {most:,} {what}")


def _about(entry: LogEntry) -> set[int]:
    """Return the profiles that a line changed, was answered with, or named to change."""
    answered = decision_from(entry.decision).answered
    named = profile_named_in(observation_from(entry.observation))
    return {*entry.touched, *(mpid for mpid in (answered, named) if mpid is not None)}


def _said_of(mpid: int, entry: LogEntry) -> Iterator[Identity]:
    """Yield the identities that a line says of a profile: all that it names, or of a line about others what it gave or took."""
    observation, decision = observation_from(entry.observation), decision_from(entry.decision)
    if mpid in (decision.answered, profile_named_in(observation)):
        yield from _named_in(observation, decision)
        return
    yield from (one.identity for one in decision.changes if mpid in (one.mpid, one.from_mpid))
    if isinstance(observation, Correction):
        yield from (one for record in observation.records if record.mpid == mpid for one in held_by(record))


def named_by(entry: LogEntry) -> Iterator[Identity]:
    """Yield every identity that a line names, in what was observed or in what was decided."""
    return _named_in(observation_from(entry.observation), decision_from(entry.decision))


def _named_in(observation: Observation, decision: Decision) -> Iterator[Identity]:
    yield from named_in(observation)
    if isinstance(observation, Correction):
        yield from (one.identity for one in observation.take_back if one.identity is not None)
        for record in observation.records:
            yield from held_by(record)
    yield from (step.identity for step in decision.receipt.steps)
    yield from (change.identity for change in decision.changes)
    yield from (one.identity for one in decision.skipped)
