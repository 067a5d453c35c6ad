"""Says what every store must do: load what a batch touches, commit what it decided, and answer for its log.

**The contract in short.** A batch is loaded in one round trip (`load`), decided by the core, and committed in one
transaction (`commit`). Between the two, others may write. What was *present* when the batch was loaded is
protected by versions: if a loaded record, or the set of holders of a loaded identity, has changed since, the
commit answers `Conflict` and nothing of it is kept. What was *absent* is protected by the database itself: an
identity's value exists once in a pool, by a unique constraint, so of two simultaneous first sightings one
commit answers `Conflict`. The loser loads again and decides again. A value that is taken as one of a unique type
has one holder, by a constraint of its own.

An adapter compares values byte by byte, whatever the database's collation; it never normalises. Text that is a
valid identity (`core.identity.kinds.identity`) comes back as it went in.

Several processes may each have a store over the same data. All methods of one store are called from one event loop. Of
one store, `load`, `sole_holders`, `commit` and `touch` are never called while another of them is under way; the others may
be, at any time. Every method raises only `store.errors`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.store.audiences import AudienceStore
from knownas.store.census import CensusStore
from knownas.store.deliveries import DeliveryStore
from knownas.store.groups import GroupStore
from knownas.store.privacy import PrivacyStore
from knownas.store.user_data import Rearrangement, SectionKey, StoredSection, UserDataStore

END_OF_LOG: Final = 2**63 - 1
"""A number behind those of all lines of a log."""


class Pool(NamedTuple):
    """The space in which identities are unique: a scope, and an environment of it ("" where they are shared)."""

    scope: str
    environment: str


class Wanted(NamedTuple):
    """What one request needs to see: the holders of identities, and profiles by their MPID."""

    pool: Pool
    identities: Sequence[Identity]
    mpids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one pool holds of what was wanted.

    `records` are the considered holders of the wanted identities (`core.identity.records.Holders` says which
    these are) and the wanted profiles that exist in this pool. `crowded` are the identities with more holders.
    """

    records: Collection[Record]
    crowded: Sequence[Identity]


class Snapshot(Protocol):
    """What was loaded, and whatever the adapter must remember to notice that it has changed since."""

    @property
    def pools(self) -> Mapping[Pool, Loaded]:
        """What each wanted pool holds; a pool nobody has written to may be missing."""
        ...


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One observation with its decision, as the log keeps it.

    `observation` and `decision` are bytes that only the service reads (`service.identity.log_form`). `touched` are the
    profiles whose records it changed; it is empty for an observation that is kept although it changed nothing. `subjects`
    are further numbers under which `history` finds the line; a store keeps them in its index, and an entry that is read
    does not tell them. Times are Unix milliseconds. `seq` is given by the store, and never reused: it is larger than that of every line whose
    commit had ended when this one's batch was loaded. Commits that ran at the same time, neither of which relied on the
    other, stand in either order.
    """

    decision_id: str
    pool: Pool
    at_ms: int
    policy_version: int
    created_mpid: int | None
    touched: tuple[int, ...]
    observation: bytes
    decision: bytes
    seq: int = 0
    subjects: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class PoolWrites:
    """The record changes of one pool: at most one write a profile.

    `exclusive` are the types of which the policy allows a value one holder.
    """

    writes: Sequence[RecordWrite]
    exclusive: frozenset[IdentityType]


@dataclass(frozen=True, slots=True)
class Commit:
    """What a batch decided. The log's entries are kept in the order given.

    `rearranged` is what a correction changes of user data, in the same transaction. A profile whose record changes is marked for judging if
    any workspace is watched (`store.audiences`).
    """

    pools: Mapping[Pool, PoolWrites] = field(default_factory=dict[Pool, PoolWrites])
    log: Sequence[LogEntry] = ()
    rearranged: Rearrangement | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything of the commit is durable."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing of the commit was kept: somebody else changed what it relied on. `what` is for logs."""

    what: str


CommitOutcome = Committed | Conflict


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A profile and the pool it lives in."""

    pool: Pool
    record: Record


@dataclass(frozen=True, slots=True)
class SeenProfile:
    """A profile with what workspaces know of it."""

    stored: StoredProfile
    sections: Mapping[SectionKey, StoredSection]


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """One version of a scope's policy: its rules as a JSON document, and since when it holds."""

    scope: str
    version: int
    since_ms: int
    document: bytes


class Sieve(NamedTuple):
    """Which lines of the log are looked for, of those that made a profile.

    Those are it whose observation begins in one of two ways, or whose decision has one of two parts, to the byte. A line that
    changed profiles without making one is always among them.
    """

    beginnings: tuple[bytes, bytes]
    parts: tuple[bytes, bytes]


class Sifted(NamedTuple):
    """What a part of the log had, oldest first, and the seq up to which it was looked through."""

    lines: Sequence[LogEntry]
    until_seq: int


class Activity(NamedTuple):
    """A profile was active at a time, without any change of its record."""

    mpid: int
    at_ms: int


class Store(Protocol):
    """A place to keep identity records and the log. See the module for the contract."""

    @property
    def user_data(self) -> UserDataStore:
        """The second part: what workspaces know of users, kept at the same place and closed with this one."""
        ...

    @property
    def privacy(self) -> PrivacyStore:
        """The third part: requests of data subjects, the evidence, and erasing; at the same place, closed with this one."""
        ...

    @property
    def audiences(self) -> AudienceStore:
        """The fourth part: who is in which audience, and what outputs have of whom; at the same place, closed with this one."""
        ...

    @property
    def deliveries(self) -> DeliveryStore:
        """The fifth part: what outputs are told; at the same place, closed with this one."""
        ...

    @property
    def groups(self) -> GroupStore:
        """The sixth part: who is in which group; at the same place, closed with this one."""
        ...

    @property
    def census(self) -> CensusStore:
        """The seventh part: how many profiles there are, and how crowded identities; of the same place, closed with this one."""
        ...

    async def close(self) -> None:
        """Release everything. Closing twice is allowed; any other call afterwards raises StoreUnavailable."""
        ...

    async def ping(self) -> None:
        """Return if the store answers now; raise what is wrong otherwise. One that is full still answers."""
        ...

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the requests of a batch need, as of one moment. Sees every acknowledged commit."""
        ...

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        """Return for each identity the record of the profile that alone holds it; None if nobody does, or several.

        Sees every acknowledged commit. Nothing can be committed that rests on it.
        """
        ...

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        """Keep all of it or nothing. `Committed` means that it survives the death of this process and machine.

        Every written record's `before` must be the one in the snapshot, or None for a new profile.
        """
        ...

    async def touch(self, activities: Sequence[Activity]) -> None:
        """Move profiles' last activity forward; earlier times and unknown profiles are passed over."""
        ...

    async def profile(self, mpid: int) -> StoredProfile | None:
        """Return a profile by its MPID, whatever its pool."""
        ...

    async def seen_profile(self, mpid: int) -> SeenProfile | None:
        """Return a profile by its MPID, with what every workspace knows of it, as of one moment."""
        ...

    async def holders(self, pool: Pool, identity: Identity, limit: int) -> Sequence[int]:
        """Return the MPIDs of profiles that can be looked up by an identity, however many, at most `limit`; in no order."""
        ...

    async def records(self, pool: Pool, after_mpid: int | None, limit: int) -> Sequence[Record]:
        """Return the records of a pool by ascending MPID, those after one, at most `limit`."""
        ...

    async def decision(self, decision_id: str) -> LogEntry | None:
        """Return a logged decision by its id."""
        ...

    async def history(self, mpid: int, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the log's entries that changed a profile's record or name the number as a subject.

        The oldest come first, of those after a `seq`, at most `limit`.
        """
        ...

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return what `history` returns, the newest first, of the entries before a `seq` (`END_OF_LOG` for all), at most `limit`.

        Costs no more for what is near the end of a long history than for what is near its beginning.
        """
        ...

    async def log(self, pool: Pool, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return a pool's log in order, the entries after a `seq`, at most `limit`.

        No entry will later appear before one that was shown. For that, where other processes write, acknowledged entries
        may be held back for a short while.
        """
        ...

    async def sift(self, pool: Pool, after_seq: int, limit: int, sieve: Sieve) -> Sifted:
        """Look through a pool's log as `log` would show it, at most `limit` lines after a `seq`, for some of them.

        A line that changed nothing is not among them. Costs a fraction of reading them all: the database looks.
        """
        ...

    async def policies(self, scope: str) -> Sequence[StoredPolicy]:
        """Return all versions of a scope's policy, by ascending version."""
        ...

    async def add_policy(self, policy: StoredPolicy) -> bool:
        """Keep a new version of a scope's policy; False if that version exists already."""
        ...

    async def kept(self, name: str) -> bytes | None:
        """Return a small document that the server keeps beside its data, such as its first configuration."""
        ...

    async def keep(self, name: str, document: bytes) -> bool:
        """Keep a small document under a name that is not taken; False if it is."""
        ...

    async def replace_kept(self, name: str, before: bytes, after: bytes) -> bool:
        """Put a small document in the place of another, durably; False if what is kept there is not `before`.

        For secrets that are sealed anew: a database that can overwrites what was there before.
        """
        ...
