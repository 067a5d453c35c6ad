"""Reads ledgers of erasures, and says what they tell that a backup does not have (decision 40).

A ledger must continue the backup: have the entry after its last one, linked to that, and all that follow. Where something is missing,
nobody can say who was erased in between, so such a ledger is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from knownas.core.privacy.evidence import Entry, Head, Step, faults_of, head_of
from knownas.core.privacy.request import RequestState
from knownas.service.evidence.chain import documented
from knownas.service.evidence.ledger_form import (
    LEDGER_LINE_BYTES_MAX,
    LedgerEntry,
    LedgerErasure,
    LedgerLine,
    LedgerRequest,
    LedgerStart,
    LedgerSuppression,
    LedgerTooNew,
    NoLine,
    line_from,
)
from knownas.service.privacy.subject_request_form import KeptRequest
from knownas.store.privacy import Suppression


class UnusableLedger(Exception):
    """A ledger does not tell all that came after a backup; the message says why."""


@dataclass(frozen=True, slots=True)
class LedgerAfter:
    """What happened after a backup.

    `entries` are those of the chain that follow it. `requests` and `erasures` are what is known of the requests that they are about; of
    `suppressions` and `let_in`, those that count last. `key_digests` tell the keys of the digests. `unreadable` lines were torn or
    damaged.
    """

    entries: Sequence[Entry] = ()
    requests: Mapping[str, KeptRequest] = field(default_factory=dict[str, KeptRequest])
    erasures: Sequence[LedgerErasure] = ()
    suppressions: Sequence[Suppression] = ()
    let_in: Sequence[bytes] = ()
    key_digests: frozenset[str] = frozenset()
    unreadable: int = 0


def ledger_after(files: Sequence[Path], backup: Head) -> LedgerAfter:
    """Read what ledgers tell that came after a backup, which has the chain up to a head.

    Raises:
        UnusableLedger: they don't continue the backup, contradict each other, or can't be read.
    """
    chain, unreadable = _chain(files, backup)
    entries = _continuing(chain, backup)
    named = {one.happening.request_id for one in entries}
    rest = _Rest(named)
    for file in files:
        for line in _lines(file):
            if line is not None:
                rest.take_up(line)
    known = {request_id for request_id, _ in rest.erasures}
    for entry in entries:
        kept = rest.requests.get(entry.happening.request_id)
        tells = kept is not None and (bool(kept.mpids) or kept.progress.is_sought)
        is_begun = entry.happening.step is Step.STARTED and "identity_record" in entry.happening.facts
        if is_begun and not tells and entry.happening.request_id not in known:
            raise UnusableLedger(
                f"the ledger says that the erasure {entry.happening.request_id} was begun, and not whose it is: a line is missing"
            )
    last = sorted(rest.suppressions.values(), key=lambda one: one.digest)
    return LedgerAfter(
        entries,
        rest.requests,
        list(rest.erasures.values()),
        [
            Suppression(bytes.fromhex(one.digest), one.request_id, one.at_ms)
            for one in last
            if one.request_id is not None
        ],
        [bytes.fromhex(one.digest) for one in last if one.request_id is None],
        frozenset(rest.keys),
        unreadable,
    )


def without_digests(ledger: LedgerAfter) -> LedgerAfter:
    """Return what a ledger tells to who has not the key of its digests: whose profiles were erased, and not what they were called.

    What was to stay out is not recognised either, so nothing of that is taken over.
    """
    requests = {request_id: _nameless(kept) for request_id, kept in ledger.requests.items()}
    return replace(ledger, requests=requests, suppressions=(), let_in=(), key_digests=frozenset())


def _nameless(kept: KeptRequest) -> KeptRequest:
    return kept.changed([msgspec.structs.replace(one, digests=(), kept_out=()) for one in kept.each])


@dataclass(slots=True)
class _Rest:
    """What lines say beside the chain: of each request the last state, of each digest whether it stays out."""

    named: set[str]
    requests: dict[str, KeptRequest] = field(default_factory=dict[str, KeptRequest])
    erasures: dict[tuple[str, int], LedgerErasure] = field(default_factory=dict[tuple[str, int], LedgerErasure])
    suppressions: dict[str, LedgerSuppression] = field(default_factory=dict[str, LedgerSuppression])
    keys: set[str] = field(default_factory=set[str])

    def take_up(self, line: LedgerLine) -> None:
        match line:
            case LedgerRequest(kept):
                self._take_up_request(kept)
            case LedgerErasure() if line.request_id in self.named:
                before_this = self.erasures.get((line.request_id, line.mpid))
                # Of the profile itself, which is more than what one workspace has of it.
                if before_this is None or before_this.workspace is not None:
                    self.erasures[line.request_id, line.mpid] = line
            case LedgerSuppression():
                before = self.suppressions.get(line.digest)
                if before is None or before.at_ms <= line.at_ms:
                    self.suppressions[line.digest] = line
            case LedgerStart(str(key)):
                self.keys.add(key)
            case LedgerStart() | LedgerErasure() | LedgerEntry():
                pass

    def _take_up_request(self, kept: KeptRequest) -> None:
        """Remember a request, unless what is remembered of it is later."""
        request_id = kept.request.request_id
        before = self.requests.get(request_id)
        if request_id in self.named and (before is None or _how_far(before) <= _how_far(kept)):
            self.requests[request_id] = kept


def _how_far(kept: KeptRequest) -> tuple[int, int]:
    states = (RequestState.PENDING, RequestState.IN_PROGRESS)
    state = kept.request.state
    return (states.index(state) if state in states else len(states), sum(len(one.done) for one in kept.each))


def _chain(files: Iterable[Path], backup: Head) -> tuple[dict[int, Entry], int]:
    """Return the entries of all files from the last one of the backup on, and how many lines can't be read."""
    chain: dict[int, Entry] = {}
    unreadable = 0
    for file in files:
        found: dict[int, Entry] = {}
        is_ledger = False
        for line in _lines(file):
            is_ledger = is_ledger or line is not None
            match line:
                case None:
                    unreadable += 1
                case LedgerEntry(document):
                    # Also those before the backup, of which the last one is held: they say how far the ledger goes.
                    found[max(document.number, backup.number - 1)] = documented(document)
                case LedgerStart() | LedgerRequest() | LedgerErasure() | LedgerSuppression():
                    pass
        if not is_ledger:
            raise UnusableLedger(f"{file} is no ledger: none of its lines is one")
        for number, entry in found.items():
            if number >= backup.number and chain.setdefault(number, entry).hash != entry.hash:
                raise UnusableLedger(f"two ledgers tell otherwise of entry {number}: they are not of one database")
            chain.setdefault(number, entry)
    return chain, unreadable


def _continuing(chain: Mapping[int, Entry], backup: Head) -> Sequence[Entry]:
    """Return the entries that follow a backup."""
    last = max((entry.number for entry in chain.values()), default=0)
    if last < backup.number:
        raise UnusableLedger(
            f"the ledger ends with entry {last} of the evidence, the backup with entry {backup.number}: who was erased later is "
            "not in it"
        )
    at = chain.get(backup.number)
    if backup.number and at is not None and head_of(at) != backup:
        raise UnusableLedger(
            f"entry {backup.number} of the ledger is not that of the backup: it is of another database"
        )
    entries = [chain[number] for number in sorted(chain) if number > backup.number]
    if entries and entries[0].number > backup.number + 1:
        raise UnusableLedger(
            f"the ledger goes on with entry {entries[0].number}, the backup ends with entry {backup.number}: who was erased in "
            "between is not in it"
        )
    for fault in faults_of(entries, after=backup):
        raise UnusableLedger(f"entry {fault.number} of the ledger does not continue the backup: {fault.fault.value}")
    return entries


def _lines(file: Path) -> Iterator[LedgerLine | None]:
    """Yield the lines of a file, None for each that can't be read."""
    try:
        with file.open("rb") as opened:
            while written := opened.readline(LEDGER_LINE_BYTES_MAX):
                if not written.strip():
                    continue
                try:
                    yield line_from(written)
                except NoLine:
                    yield None
    except (OSError, LedgerTooNew, ValueError) as error:
        raise UnusableLedger(f"{file}: {error}") from error
