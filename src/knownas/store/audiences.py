"""Says what every store must do for audiences: note who has to be judged, keep who is in which, and what outputs hold of whom.

This is the fourth part of the port. Audiences, outputs, connections and groups are documents that somebody writes; the rest follows from them.

**Watched workspaces.** A workspace is watched as soon as one of its documents was written; its *watch* counts how often that happened. Whatever
changes what is known of somebody in a watched workspace leaves a *mark* in the same transaction: so nothing is known that is not judged.
A mark without a document says that anything may have changed. Whoever commits batches may know better, and gives marks of its own, or none, with the
watch by which it knows; if the watch is another by now, the store marks everybody of the commit, and keeps of the marks that were given those that
last. So a document that is written counts for every commit that is not over by then, whoever makes it, and what has to be forwarded is not lost. What is not a batch always leaves a mark without a document: a correction, an erasure, what is
forgotten for its age, a record that changed.

**Judging.** Whoever judges reads marks, looks at the profiles, and commits what came of it, together with the marks that are done. Standings are
protected by versions: of two who judge the same profile, one loses and nothing of its commit is kept. So a change of membership is noted once.

**What a commit rests on.** What is known of somebody can be removed while they are judged: erased, deleted in one workspace, forgotten for its age, moved
by a correction. What came of judging it must not be written after that, or it would stay, and be told. So a commit names the
sections that it was made from, and is refused if one of them is gone. A section that has changed may even be another one, of somebody who came back: it counts as
gone if any section was removed since the version that was read.

Nor must it be written after somebody else has judged, if that is later: who stands as before gets no new version then, and the older verdict would stay. So whoever
judges in turns names the turn, which is a small document that the store keeps (`store.port.Store.kept`); whoever takes the turn puts another one in its place, and
what is judged in an earlier turn is refused from then on.

All methods are called from one event loop, any of them while others are under way. Every method raises only `store.errors`. Documents are
bytes that the store never looks into. Times are Unix milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from knownas.core.identity.record import Record
from knownas.store.deliveries import NewDelivery
from knownas.store.groups import PlaceWrite
from knownas.store.traces import Traces
from knownas.store.user_data import SectionKey, StoredEvents, StoredSection

EVERYWHERE: Final = 0
"""Stands in a mark for every workspace; the watch under this number counts all documents."""

EVERYBODY: Final = 0
"""Stands in a mark for everybody: no profile has this MPID."""


class DocumentKind(StrEnum):
    """What a document says."""

    AUDIENCE = "audience"
    OUTPUT = "output"
    CONNECTION = "connection"
    GROUP = "group"


class StoredDocument(NamedTuple):
    """A document as it is kept. `number` is its id, above 0, of its kind; nothing is ever removed, so none comes again."""

    kind: DocumentKind
    number: int
    workspace: int
    version: int
    document: bytes


class StoredMark(NamedTuple):
    """A mark as it is kept: of a profile in a workspace, of one in every (workspace 0), or of everybody (MPID 0).

    The environment is empty where it is every one. A later mark has a larger `seq`; they may appear in another order.
    """

    seq: int
    workspace: int
    environment: str
    mpid: int
    document: bytes


class StoredStanding(NamedTuple):
    """How a profile stands in the audiences of a workspace."""

    document: bytes
    version: int


class StandingWrite(NamedTuple):
    """A standing's new document; None if there is nothing to say any more. `version` is the one loaded, None for none.

    `due_ms` is when the profile has to be judged although nothing becomes known; None if it never has to be.
    """

    key: SectionKey
    version: int | None
    document: bytes | None
    due_ms: int | None


class MembershipChange(NamedTuple):
    """A profile joined an audience, or left it, and why."""

    key: SectionKey
    audience: int
    is_member: bool
    at_ms: int
    document: bytes


class StoredChange(NamedTuple):
    """A change of membership as it is kept, under a `seq` that is never reused."""

    seq: int
    change: MembershipChange


class ChangeCount(NamedTuple):
    """How many joined an audience, and how many left it, in an interval that begins at a time. Who did both counts for both."""

    from_ms: int
    joined: int
    left: int


class Member(NamedTuple):
    """A profile that is in an audience, and since when."""

    mpid: int
    since_ms: int


class Held(NamedTuple):
    """An identity of a profile that an output has, or will have when what waits is told."""

    connection: int
    mpid: int
    slot: str
    target: str
    encoding: str
    value: str
    device: str | None = None
    platform: str | None = None


def held_name(one: Held) -> Held:
    """Return what is held without the device, which is no part of its name."""
    return one._replace(device=None, platform=None)


class Passed(NamedTuple):
    """A member of whom an output gets nothing, and why: a stable code, and what it is about."""

    connection: int
    mpid: int
    reason: str
    about: str


class StoredSubject(NamedTuple):
    """What there is of a profile that is judged in a workspace: its record and the environment of its pool, every workspace's section, its standing."""

    record: Record | None
    sections: Mapping[SectionKey, StoredSection]
    standing: StoredStanding | None

    @property
    def standing_document(self) -> bytes | None:
        """How it stands; None where nothing is kept of that."""
        return None if self.standing is None else self.standing.document


class Stretch(NamedTuple):
    """Some sections of a workspace that follow each other. `until` is the place of the last; up to it come so much of all, at most 1."""

    until: str
    share: float


class SectionPage(NamedTuple):
    """Sections in their order, a column for each thing that is known of them; `last` is the place of the last one.

    `versions` are what a commit may rest on that is made from them: a section's own, or a later one that none had yet when they were read.
    """

    mpids: Sequence[int]
    environments: Sequence[str]
    documents: Sequence[bytes]
    versions: Sequence[int]
    last: str


class Turn(NamedTuple):
    """A turn as it was kept by whoever took it: the name of a kept document, and its text."""

    name: str
    document: bytes


@dataclass(frozen=True, slots=True)
class AudienceCommit:
    """What came of judging, all or nothing: at most one write a standing.

    Of the passed over, those of `passed_by` (connection, profile) are replaced by `passed`. `gave_up` and `held` are taken away from what outputs
    have, and added to it. Deliveries wait in the order given; one whose id is there already is not written again. `done` are the marks that need no looking at any more.
    `rests_on` are the sections that it was made from, in the versions that were read, and `watches` how often documents of their workspaces had been written.
    `turn` is the turn in which it was made, None for whoever needs none.
    """

    standings: Sequence[StandingWrite] = ()
    changes: Sequence[MembershipChange] = ()
    gave_up: Sequence[Held] = ()
    held: Sequence[Held] = ()
    passed_by: Sequence[tuple[int, int]] = ()
    passed: Sequence[Passed] = ()
    deliveries: Sequence[NewDelivery] = ()
    marks: Sequence[StoredMark] = ()
    done: Sequence[int] = ()
    places: Sequence[PlaceWrite] = ()
    rests_on: Mapping[SectionKey, int] = field(default_factory=dict[SectionKey, int])
    watches: Mapping[int, int] = field(default_factory=dict[int, int])
    turn: Turn | None = None


class AudienceStore(Protocol):
    """A place to keep who is in which audience. See the module for the contract."""

    async def documents(self) -> Sequence[StoredDocument]:
        """Return all documents, by kind and number."""
        ...

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        """Keep a new document (`before` is None) or another text of one whose version was `before`, durably; the store gives the version.

        False: it is there already, or has another version. Its workspace is watched from now on; marks by whoever knew it otherwise are the store's.
        When this returns, no commit is under way that does not know of it.
        """
        ...

    async def watches(self) -> Mapping[int, int]:
        """Return the watch of each watched workspace, and under `EVERYWHERE` that of all; nothing if none is."""
        ...

    async def marks(self, after_seq: int, limit: int) -> Sequence[StoredMark]:
        """Return marks by ascending `seq`, those after one, at most `limit`."""
        ...

    async def due(self, now_ms: int, limit: int) -> Sequence[SectionKey]:
        """Return the profiles whose standing is due, the earliest first, at most `limit`."""
        ...

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        """Return what there is of profiles in their workspaces; each one that is asked for."""
        ...

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        """Return kept batches of events of each section, at most the `limit` newest of each, by ascending `seq`.

        Of these, those are left out whose events all happened before `since_ms` (Unix milliseconds).
        """
        ...

    async def standings(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredStanding | None]:
        """Return how profiles stand, None for those of whom nothing is said; those that are there no more are left out."""
        ...

    async def stretch(self, workspace: int, after: str | None, length: int) -> Stretch | None:
        """Return the sections that come after a place, at most `length` in an order of the store's own; None if no more do.

        A section that is not removed keeps its place, unless it changes: then it may be passed over. A place that is not there any more, or
        is another store's, stands for the beginning.
        """
        ...

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        """Return the sections of a stretch that come after a place, at most `limit`; None if no more do.

        Sections may be left out in which, and in whose events, none of the `traces` is.
        """
        ...

    async def section_keys(self, workspace: int, after: SectionKey | None, limit: int) -> Sequence[SectionKey]:
        """Return the sections of a workspace by MPID and environment, those after one, at most `limit`."""
        ...

    async def commit(self, commit: AudienceCommit) -> bool:
        """Keep all of it, durably, or nothing. False: a standing or a place is not as it was loaded, a section is gone, a watch is another one, or the turn is somebody else's.

        Whoever removes a section is over before this looks for it, or finds what this has written. Likewise, when somebody has taken the turn, no commit
        of an earlier one is under way.
        """
        ...

    async def members(
        self, workspace: int, environment: str, audience: int, after_mpid: int | None, limit: int
    ) -> Sequence[Member]:
        """Return the members of an audience by MPID, those after one, at most `limit`."""
        ...

    async def count_members(self, workspace: int, environment: str, audience: int) -> int:
        """Count the members of an audience. Its time grows with them."""
        ...

    async def changes_of(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredChange]:
        """Return the changes of a profile's memberships in a workspace, the newest first, those before one, at most `limit`."""
        ...

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        """Count the changes of an audience's memberships from a time on, before another: by interval, those in which anything changed, in order.

        Intervals begin at multiples of `every_ms`. What is asked for should be few of them. Its time grows with the changes in that time alone.
        """
        ...

    async def held_of(self, connections: Sequence[int], mpids: Sequence[int]) -> Sequence[Held]:
        """Return what connections have of profiles."""
        ...

    async def held_values(self, connection: int, values: Sequence[str]) -> Sequence[Held]:
        """Return what a connection has, of whomever, under some values."""
        ...

    async def holders_of(self, connection: int, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the profiles of which a connection has or passes over anything, by MPID, those after one, at most `limit`."""
        ...

    async def passed_over(
        self, connection: int, reason: str | None, after_mpid: int | None, limit: int
    ) -> Sequence[Passed]:
        """Return the members that a connection passes over, for a reason or any, by MPID, at most `limit`."""
        ...

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        """Remove at most `limit` things of what a workspace has of a profile here, durably, and return how many: 0 when nothing is left.

        Standings, changes, what outputs have of it and pass over, and its marks go. Of deliveries that are settled the documents are
        emptied; those that wait stay, and are emptied when they are settled.
        """
        ...

    async def count_passed(self, connection: int) -> Mapping[tuple[str, str], int]:
        """Count the members that a connection passes over, by reason and what it is about."""
        ...
