"""Says what every store must do for data subjects: keep their requests and the evidence, and erase.

This is the third part of the port. What is kept here holds nothing of a person but the MPIDs that were given out: a request
that has ended says whom it was about by that alone, the evidence not even so. While a request is under way its document
holds what it needs.

Within a commit everything is kept or nothing. A request that is written names the version that was loaded; an entry of the
evidence takes the number after the last one. Whatever is no longer so is a conflict: nothing is kept, and the caller
loads and decides again.

An erasure is not one transaction: a person can have 100,000 batches of events. It is a row of bounded steps, each of them
durable before the next one, and each finding nothing to do when it is taken again. What counts is that whoever carries it
out takes them all.

All methods are called from one event loop, any of them while others are under way. Every method raises only
`store.errors`. Documents are bytes that the store never looks into, unless a method says so. Times are Unix milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class StoredRequest(NamedTuple):
    """A request of a data subject, as it is kept.

    `open_key` stands for what is asked of whom while that is under way: no two requests have the same one at a time. None as
    soon as it has ended. `due_ms` is when something is to be done about it next; None if nothing is any more. `ended_ms` is when it
    ended, None until then.
    """

    request_id: str
    workspace: int
    group: str | None
    received_ms: int
    due_ms: int | None
    ended_ms: int | None
    open_key: str | None
    document: bytes


class RequestWrite(NamedTuple):
    """A request that is new, or says something else now. `before` is the document that was loaded, None for a new one."""

    request: StoredRequest
    before: bytes | None


class StoredEntry(NamedTuple):
    """An entry of the evidence. `number` counts from 1, without a gap. `request_id` is empty for one of no request."""

    number: int
    request_id: str
    document: bytes


class Tombstone(NamedTuple):
    """A profile that was erased, by which request. An MPID has one, the first."""

    mpid: int
    request_id: str
    at_ms: int


class Suppression(NamedTuple):
    """Keeps an erased person out. `digest` is a keyed one of an identity of theirs, which nobody can look up without the key."""

    digest: bytes
    request_id: str
    at_ms: int


class Delivery(NamedTuple):
    """Something that is to be told to somebody outside, and when next it is tried. `delivery_id` is unique."""

    delivery_id: str
    request_id: str
    due_ms: int
    document: bytes


@dataclass(frozen=True, slots=True)
class PrivacyCommit:
    """What changes at once. Everything may be empty.

    `entries` continue the evidence. Tombstones and suppressions that are there already stay as they are. `deliveries` are new or
    replace the one with their id; `delivered` are those that go.
    """

    requests: Sequence[RequestWrite] = ()
    entries: Sequence[StoredEntry] = ()
    tombstones: Sequence[Tombstone] = ()
    suppressed: Sequence[Suppression] = ()
    lifted: Sequence[bytes] = ()
    deliveries: Sequence[Delivery] = ()
    delivered: Sequence[str] = ()


class Audited(NamedTuple):
    """Somebody read or changed what is known of a profile. `seq` is given by the store; 0 for a new one."""

    at_ms: int
    mpid: int
    document: bytes
    seq: int = 0


class Holding(NamedTuple):
    """What a workspace has of a profile, in all environments.

    `input_keys` are the lasting keys of the workspace's inputs, by which ids of messages are kept. `mention` are the bytes
    that stand in the receipt of a batch which is about the profile.
    """

    workspace: int
    mpid: int
    input_keys: Sequence[str]
    mention: bytes


class Counts(NamedTuple):
    """How much there is of a holding, or how much of it went; one number for each store.

    `sections`, batches of `events`, ids of `messages`, `aliases` requests that name the profile, and `receipts` of batches: those that came at
    the same time as a kept batch of events, and that mention the profile.
    """

    sections: int = 0
    events: int = 0
    messages: int = 0
    aliases: int = 0
    receipts: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


class RedactedLine(NamedTuple):
    """A line of the log that says something else from now on, and the numbers under which it was and will be found.

    `was` is the observation that was read: a line that says something else by now is a conflict. `dropped` are subjects
    (`port.LogEntry.subjects`) that lead to it no longer, `subjects` those that do from now on.
    """

    seq: int
    was: bytes
    observation: bytes
    decision: bytes
    dropped: Sequence[int] = ()
    subjects: Sequence[int] = ()


class Scrubbed(NamedTuple):
    """What was done about what is left of erased rows in free space. `method` is a word of the adapter's own, for the evidence.

    `complete` False: somebody else kept it from being done; it is to be tried again.
    """

    method: str
    complete: bool


class PrivacyStore(Protocol):
    """A place to keep requests and evidence, and the steps of an erasure. See the module for the contract."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        """Keep all of it, durably, or nothing. False: somebody else was faster with something of it."""
        ...

    async def request(self, request_id: str) -> StoredRequest | None:
        """Return a request by its id."""
        ...

    async def requests_in(self, workspace: int, group: str, limit: int) -> Sequence[StoredRequest]:
        """Return the requests of a workspace's group, the newest first."""
        ...

    async def requests_after(self, after_received_ms: int, after_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests by when they were received, then by id, those after one."""
        ...

    async def requests_before(self, before_received_ms: int, before_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests by when they were received, then by id, the newest first, those before one."""
        ...

    async def requests_due(self, now_ms: int, limit: int) -> Sequence[StoredRequest]:
        """Return requests about which something is to be done by now, the earliest first."""
        ...

    async def forget_requests(self, ended_before_ms: int, limit: int) -> int:
        """Remove requests that ended before a time; the evidence and tombstones stay. Returns how many went."""
        ...

    async def entries(self, after_number: int, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence in order, the entries after a number."""
        ...

    async def entries_of(self, request_id: str, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence of one request, in order."""
        ...

    async def last_entry(self) -> StoredEntry | None:
        """Return the newest entry of the evidence."""
        ...

    async def tombstones(self, mpids: Sequence[int]) -> Mapping[int, Tombstone]:
        """Return those of some profiles that were erased."""
        ...

    async def tombstones_after(self, mpid: int | None, limit: int) -> Sequence[Tombstone]:
        """Return all erased profiles by ascending MPID, those after one."""
        ...

    async def suppressions_after(self, digest: bytes, limit: int) -> Sequence[Suppression]:
        """Return all suppressions by ascending digest, those after one; the empty digest comes before all."""
        ...

    async def deliveries_due(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Return what is to be told by now, the earliest first."""
        ...

    async def audit(self, rows: Sequence[Audited]) -> None:
        """Keep who read or changed what, durably."""
        ...

    async def audited(self, mpid: int | None, after_seq: int, limit: int) -> Sequence[Audited]:
        """Return who read or changed what is known of a profile, or of any (None), in the order in which it was kept."""
        ...

    async def forget_audited(self, before_ms: int, limit: int) -> int:
        """Remove what was kept of reads and changes before a time, at most so much. Returns how much went."""
        ...

    async def count(self, holding: Holding) -> Counts:
        """Count what there is of a holding, as of one moment."""
        ...

    async def erase(self, holding: Holding, limit: int) -> Counts:
        """Remove at most `limit` things of a holding, durably, and say how many of each: none when nothing is left.

        Receipts go with the batches of events that they came with, in the same step, and are not counted towards the limit.
        """
        ...

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        """Let lines of the log say something else, all at once and durably, or none. False: one of them says something else by now."""
        ...

    async def replace_or_drop(self, name: str, before: bytes, after: bytes | None) -> bool:
        """Put a kept document in the place of another, or remove it (None); False if what is kept there is not `before`."""
        ...

    async def scrub(self) -> Scrubbed:
        """Overwrite what is left in the database's files of rows that were changed or removed before this was called.

        What is kept of values that no profile holds any more goes as well: a store may keep their versions until then.
        May take as long as reading and writing the whole database; others wait for as long as that.
        """
        ...
