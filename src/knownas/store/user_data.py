"""Says what every store must do with what is known of users: sections, events, receipts, aliases.

This is the second part of the port. `store.port` keeps who is who; here is what workspaces know of them, under the
MPIDs that the first part gave out. The two are written in transactions of their own: a batch of events is first
resolved, which may change identity records, and then kept. A batch that is not kept was not acknowledged; sent
again, it is resolved to the same profile and kept once. Only a correction of the history writes both in one
(`port.Commit.rearranged`).

Within a commit everything is kept or nothing. What was loaded is protected by versions: if a section has changed
since, `commit` keeps nothing and says so, and the caller loads and decides again. What was absent (a section, a
request id that is taken, a message id, an alias request) is protected by unique constraints, with the same answer.

All methods are called from one event loop, any of them while others are under way. Every method raises only
`store.errors`. Documents are JSON that the store never looks into. Times are Unix milliseconds.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol


class SectionKey(NamedTuple):
    """Names the section that a workspace has of a profile, in one environment ("production", "development")."""

    workspace: int
    environment: str
    mpid: int


class RequestKey(NamedTuple):
    """Names a batch by the id that its sender gave it; ids are an input's own (platform §2.7)."""

    input_key: str
    request_id: str


class MessageKey(NamedTuple):
    """Names an event by the id that its sender gave it, for one input and one profile (platform §2.7).

    With the MPID 0, which no profile has, it names a whole batch that came through the input.
    """

    input_key: str
    mpid: int
    message_id: str


class StoredSection(NamedTuple):
    """A section's document and the version that a change of it must name."""

    document: bytes
    version: int


class SectionWrite(NamedTuple):
    """A section's new document. `version` is the one loaded, None for a section that must not exist yet.

    `last_seen_ms` is when the section's profile was last seen in it, for retention.
    """

    key: SectionKey
    version: int | None
    document: bytes
    last_seen_ms: int


class EventsWrite(NamedTuple):
    """The events of one batch, kept together. They happened from `first_ms` to `last_ms`; `at_ms` is when they came."""

    key: SectionKey
    at_ms: int
    first_ms: int
    last_ms: int
    document: bytes


class StoredEvents(NamedTuple):
    """Kept events. Of one section's, `seq` ascends in the order in which they were kept; it is never reused."""

    seq: int
    at_ms: int
    first_ms: int
    last_ms: int
    document: bytes


class BatchReceipt(NamedTuple):
    """What became of a batch. `receipt_id` is ours and unique; `request_id` is the sender's, if it gave one.

    A batch that was kept takes the request id of its input for good. One that was not only has it until the next one
    under that id comes, kept or not: then its own `request_id` is None.
    """

    receipt_id: str
    input_key: str
    request_id: str | None
    at_ms: int
    document: bytes
    kept: bool = True


class AliasState(StrEnum):
    """What has become of an alias request."""

    QUEUED = "queued"
    DONE = "done"
    REJECTED = "rejected"
    UNDONE = "undone"
    """It was done, and is taken back."""


class AliasRow(NamedTuple):
    """An alias request as it is kept. `window` is [start_ms, end_ms]; `stamp` None means all of the source's events.

    `reason` is a stable code, of a rejected one only.
    """

    request_id: str
    workspace: int
    environment: str
    source_mpid: int
    destination_mpid: int
    start_ms: int
    end_ms: int
    stamp: str | None
    requested_ms: int
    due_ms: int
    state: AliasState = AliasState.QUEUED
    reason: str | None = None
    settled_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UserDataSnapshot:
    """What there is of what was asked for: sections by key, the requests that are taken, the messages that were seen."""

    sections: Mapping[SectionKey, StoredSection]
    requests: AbstractSet[RequestKey]
    messages: AbstractSet[MessageKey]


class NewMark(NamedTuple):
    """Says that somebody has to be judged, and by its document what may have changed.

    One that `lasts` is kept whatever its maker knew: what it says is nowhere else, such as what is to be forwarded.
    """

    key: SectionKey
    document: bytes
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a commit of batches, and the watches by which whoever makes it knows that these are all."""

    known: Mapping[int, int] = field(default_factory=dict[int, int])
    marks: Sequence[NewMark] = ()


NO_MARKS: Final = Marks()
"""Said by whoever knows of no watch."""


@dataclass(frozen=True, slots=True)
class UserDataCommit:
    """What is to be kept, all or nothing: at most one write a section; messages with the time they came.

    Alias requests are given as they are now: `new_aliases` are queued, `settled_aliases` were. `marks` say who has to be judged for audiences
    because of it, in the watched workspaces that they know; in others it is everybody of whom anything is written (`store.audiences`).
    """

    sections: Sequence[SectionWrite] = ()
    events: Sequence[EventsWrite] = ()
    receipts: Sequence[BatchReceipt] = ()
    messages: Mapping[MessageKey, int] = field(default_factory=dict[MessageKey, int])
    new_aliases: Sequence[AliasRow] = ()
    settled_aliases: Sequence[AliasRow] = ()
    marks: Marks = NO_MARKS

    def concerned(self) -> Sequence[SectionKey]:
        """Return the sections of which it says anything, each once."""
        return list(dict.fromkeys([*(one.key for one in self.sections), *(one.key for one in self.events)]))


class SectionRemoval(NamedTuple):
    """A section of which nothing is left. `version` is the one loaded."""

    key: SectionKey
    version: int


class EventsMove(NamedTuple):
    """Kept events that are about another profile from now on, or that say something else. They keep their `seq`."""

    key: SectionKey
    seq: int
    mpid: int
    document: bytes


class AliasTurn(NamedTuple):
    """An alias request that was in one state and is in another from now on."""

    request_id: str
    was: AliasState
    state: AliasState


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """What a correction of the history changes of user data: whole or not at all, with the records that it corrects.

    Every section whose events are moved or added to is written or removed. Of the messages, those that are there
    already stay as they are. Whatever is no longer as it is named here is a conflict.
    """

    sections: Sequence[SectionWrite] = ()
    removed: Sequence[SectionRemoval] = ()
    moved: Sequence[EventsMove] = ()
    events: Sequence[EventsWrite] = ()
    messages: Mapping[MessageKey, int] = field(default_factory=dict[MessageKey, int])
    aliases: Sequence[AliasTurn] = ()

    def concerned(self) -> Sequence[SectionKey]:
        """Return the sections of which it says anything, each once."""
        written = (one.key for one in (*self.sections, *self.removed, *self.events, *self.moved))
        there = (one.key._replace(mpid=one.mpid) for one in self.moved)
        return list(dict.fromkeys([*written, *there]))

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.sections or self.removed or self.moved or self.events or self.messages or self.aliases)


class UserDataStore(Protocol):
    """A place to keep what is known of users. See the module for the contract."""

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        """Load what a group of batches needs, as of one moment. Sees every acknowledged commit."""
        ...

    async def section(self, key: SectionKey) -> StoredSection | None:
        """Return one section. Sees every acknowledged commit."""
        ...

    async def commit(self, commit: UserDataCommit) -> bool:
        """Keep all of it, durably, or nothing. False: somebody else was faster with something of it."""
        ...

    async def sections_of(self, mpid: int) -> Mapping[SectionKey, StoredSection]:
        """Return every workspace's section of a profile."""
        ...

    async def events(
        self, key: SectionKey, *, from_ms: int, to_ms: int, after_seq: int, limit: int
    ) -> Sequence[StoredEvents]:
        """Return kept events of which any happened from `from_ms` to `to_ms`, both included, by ascending `seq`."""
        ...

    async def events_back(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredEvents]:
        """Return kept events, those kept last first: of those before a `seq`, or of all, at most `limit`."""
        ...

    async def events_about(
        self, mpids: Sequence[int], after_seq: int, limit: int
    ) -> Sequence[tuple[SectionKey, StoredEvents]]:
        """Return kept events of some profiles in all workspaces, by ascending `seq`, those after one, at most `limit`."""
        ...

    async def receipt(self, receipt_id: str) -> BatchReceipt | None:
        """Return what became of a batch, by our id."""
        ...

    async def receipts_named(self, request_id: str, limit: int) -> Sequence[BatchReceipt]:
        """Return what became of batches that have a sender's id, at most one for each input, the newest first."""
        ...

    async def alias(self, request_id: str) -> AliasRow | None:
        """Return an alias request."""
        ...

    async def aliases_about(self, workspace: int, environment: str, mpids: Sequence[int]) -> Sequence[AliasRow]:
        """Return the alias requests of a workspace that name any of the profiles, by the time they were made."""
        ...

    async def aliases_due(self, now_ms: int, limit: int) -> Sequence[AliasRow]:
        """Return queued alias requests that are due, the earliest first."""
        ...

    async def count_older(self, *, events_ms: int, requests_ms: int, sections_ms: int) -> tuple[int, int, int]:
        """Count what `forget_older` would remove in all: event batches, request and message ids, sections."""
        ...

    async def forget_older(self, *, events_ms: int, requests_ms: int, sections_ms: int, limit: int) -> int:
        """Remove at most `limit` things that are older, durably, and return how many: 0 when nothing is left.

        Event batches whose last event, request and message ids that came, and sections last seen before these times.
        """
        ...
