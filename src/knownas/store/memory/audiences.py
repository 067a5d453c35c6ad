"""The memory store's fourth part: audiences, and what outputs have of whom."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TypeVar

from knownas.core.identity.record import Record
from knownas.store.audiences import (
    AudienceCommit,
    ChangeCount,
    DocumentKind,
    Held,
    Member,
    MembershipChange,
    Passed,
    SectionPage,
    StandingWrite,
    StoredChange,
    StoredDocument,
    StoredMark,
    StoredStanding,
    StoredSubject,
    Stretch,
    held_name,
)
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.deliveries import MemoryDeliveries
from knownas.store.memory.groups import MemoryGroups
from knownas.store.memory.marks import MemoryMarks
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.places import key_at, place_of, share_of
from knownas.store.traces import Trace, Traces
from knownas.store.user_data import SectionKey, StoredEvents, StoredSection

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class MemoryAudiences:
    """Keeps audiences in memory. Implements `store.audiences.AudienceStore`."""

    def __init__(
        self,
        marks: MemoryMarks,
        user_data: MemoryUserData,
        deliveries: MemoryDeliveries,
        groups: MemoryGroups,
        record_of: Callable[[int], Record | None],
        kept: Mapping[str, bytes],
    ) -> None:
        """Read sections of `user_data`, records by `record_of`, and turns among what is `kept`."""
        self._kept = kept
        self._deliveries = deliveries
        self._groups = groups
        self._marks = marks
        self._user_data = user_data
        self._record_of = record_of
        self._documents: dict[tuple[str, int], StoredDocument] = {}
        self._standings: dict[SectionKey, tuple[StoredStanding, int | None]] = {}
        self._members: dict[tuple[SectionKey, int], int] = {}
        self._changes: dict[int, MembershipChange] = {}
        self._held: dict[Held, Held] = {}
        self._passed: dict[tuple[int, int], list[Passed]] = {}
        self._versions = count(1)
        self._change_seqs = count(1)
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def documents(self) -> Sequence[StoredDocument]:
        """Return all documents, by kind and number."""
        self._check_open()
        return [self._documents[key] for key in sorted(self._documents)]

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        """Keep a document, and count it."""
        self._check_open()
        key = (document.kind.value, document.number)
        was = self._documents.get(key)
        if (None if was is None else was.version) != before:
            return False
        self._documents[key] = document._replace(version=next(self._versions))
        self._marks.watch(document.workspace)
        return True

    async def watches(self) -> Mapping[int, int]:
        """Return the watch of each watched workspace."""
        self._check_open()
        return dict(self._marks.watches)

    async def marks(self, after_seq: int, limit: int) -> Sequence[StoredMark]:
        """Return marks by ascending `seq`."""
        self._check_open()
        return [one for one in self._marks.marks.values() if one.seq > after_seq][:limit]

    async def due(self, now_ms: int, limit: int) -> Sequence[SectionKey]:
        """Return the profiles whose standing is due, the earliest first."""
        self._check_open()
        due = [(at_ms, key) for key, (_, at_ms) in self._standings.items() if at_ms is not None and at_ms <= now_ms]
        return [key for _, key in sorted(due)[:limit]]

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        """Return what there is of profiles in their workspaces."""
        self._check_open()
        found: dict[SectionKey, StoredSubject] = {}
        for key in keys:
            standing = self._standings.get(key)
            sections = await self._user_data.sections_of(key.mpid)
            found[key] = StoredSubject(self._record_of(key.mpid), sections, None if standing is None else standing[0])
        return found

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        """Return the newest kept batches of events of each section."""
        self._check_open()
        found = {key: self._user_data.kept_events(key)[-limit:] for key in keys}
        if since_ms is not None:
            found = {key: [one for one in kept if one.last_ms >= since_ms] for key, kept in found.items()}
        return {key: kept for key, kept in found.items() if kept}

    async def standings(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredStanding | None]:
        """Return how profiles that are there stand."""
        self._check_open()
        there = (key for key in keys if self._record_of(key.mpid) is not None)
        return {key: None if (found := self._standings.get(key)) is None else found[0] for key in there}

    async def stretch(self, workspace: int, after: str | None, length: int) -> Stretch | None:
        """Return the next sections by MPID and environment."""
        keys = await self.section_keys(workspace, key_at(workspace, after), length)
        return Stretch(place_of(keys[-1]), share_of(keys[-1].mpid)) if keys else None

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        """Return sections by MPID and environment."""
        first, last = key_at(workspace, after), key_at(workspace, until)
        found: list[tuple[SectionKey, StoredSection]] = []
        for key in self._keys_after(workspace, first):
            if len(found) == limit or last is None or _place(key) > _place(last):
                break
            section = await self._user_data.section(key)
            if section is not None and (traces is None or self._bears(key, section.document, traces)):
                found.append((key, section))
        if not found:
            return None
        return SectionPage(
            [key.mpid for key, _ in found],
            [key.environment for key, _ in found],
            [section.document for _, section in found],
            [section.version for _, section in found],
            place_of(found[-1][0]),
        )

    def _bears(self, key: SectionKey, document: bytes, traces: Traces) -> bool:
        late = (one.document for one in self._user_data.kept_events(key) if one.last_ms >= traces.since_ms)
        return _has_any(document, traces.sections) or any(_has_any(one, traces.events) for one in late)

    async def section_keys(self, workspace: int, after: SectionKey | None, limit: int) -> Sequence[SectionKey]:
        """Return the sections of a workspace by MPID and environment."""
        return self._keys_after(workspace, after)[:limit]

    def _keys_after(self, workspace: int, after: SectionKey | None) -> Sequence[SectionKey]:
        self._check_open()
        keys = [key for key in self._user_data.section_keys() if key.workspace == workspace]
        first = None if after is None else _place(after)
        return [key for key in sorted(keys, key=_place) if first is None or _place(key) > first]

    async def commit(self, commit: AudienceCommit) -> bool:
        """Check that standings, sections, places and watches are as they were loaded, then take everything over."""
        self._check_open()
        if not self._stands(commit):
            return False
        self._groups.write(commit.places)
        for write in commit.standings:
            self._write_standing(write)
        for change in commit.changes:
            self._write_change(change)
        for one in commit.gave_up:
            self._held.pop(held_name(one), None)
        self._held.update((held_name(one), one) for one in commit.held)
        for key in commit.passed_by:
            self._passed.pop(key, None)
        for one in commit.passed:
            self._passed.setdefault((one.connection, one.mpid), []).append(one)
        for new in commit.deliveries:
            self._deliveries.add(new)
        for mark in commit.marks:
            self._marks.add(*mark[1:])
        for seq in commit.done:
            self._marks.marks.pop(seq, None)
        return True

    def _stands(self, commit: AudienceCommit) -> bool:
        watches = self._marks.watches
        return (
            all(self._version(write.key) == write.version for write in commit.standings)
            and all(self._user_data.is_still_there(*one) for one in commit.rests_on.items())
            and all(watches.get(one) == watch for one, watch in commit.watches.items())
            and (commit.turn is None or self._kept.get(commit.turn.name) == commit.turn.document)
            and self._groups.stands(commit.places)
        )

    def _version(self, key: SectionKey) -> int | None:
        standing = self._standings.get(key)
        return None if standing is None else standing[0].version

    def _write_standing(self, write: StandingWrite) -> None:
        if write.document is None:
            self._standings.pop(write.key, None)
        else:
            self._standings[write.key] = StoredStanding(write.document, next(self._versions)), write.due_ms

    def _write_change(self, change: MembershipChange) -> None:
        self._changes[next(self._change_seqs)] = change
        if change.is_member:
            self._members[change.key, change.audience] = change.at_ms
        else:
            self._members.pop((change.key, change.audience), None)

    async def members(
        self, workspace: int, environment: str, audience: int, after_mpid: int | None, limit: int
    ) -> Sequence[Member]:
        """Return the members of an audience by MPID."""
        self._check_open()
        found = self._members_of(workspace, environment, audience)
        return [one for one in sorted(found) if after_mpid is None or one.mpid > after_mpid][:limit]

    async def count_members(self, workspace: int, environment: str, audience: int) -> int:
        """Count the members of an audience."""
        self._check_open()
        return len(self._members_of(workspace, environment, audience))

    def _members_of(self, workspace: int, environment: str, audience: int) -> list[Member]:
        return [
            Member(key.mpid, since_ms)
            for (key, of), since_ms in self._members.items()
            if (key.workspace, key.environment, of) == (workspace, environment, audience)
        ]

    async def changes_of(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredChange]:
        """Return the changes of a profile's memberships, the newest first."""
        self._check_open()
        found = [StoredChange(seq, one) for seq, one in reversed(self._changes.items()) if one.key == key]
        return [one for one in found if before_seq is None or one.seq < before_seq][:limit]

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        """Count the changes of an audience's memberships by interval."""
        self._check_open()
        of = (workspace, environment, audience)
        found = Counter(
            (one.at_ms - one.at_ms % every_ms, one.is_member)
            for one in self._changes.values()
            if (*one.key[:2], one.audience) == of and from_ms <= one.at_ms < until_ms
        )
        begins = sorted({begin for begin, _ in found})
        return [ChangeCount(begin, found[begin, True], found[begin, False]) for begin in begins]

    async def held_of(self, connections: Sequence[int], mpids: Sequence[int]) -> Sequence[Held]:
        """Return what connections have of profiles."""
        self._check_open()
        of, whose = set(connections), set(mpids)
        return sorted((one for one in self._held.values() if one.connection in of and one.mpid in whose), key=held_name)

    async def held_values(self, connection: int, values: Sequence[str]) -> Sequence[Held]:
        """Return what a connection has under some values."""
        self._check_open()
        wanted = set(values)
        found = (one for one in self._held.values() if one.connection == connection and one.value in wanted)
        return sorted(found, key=held_name)

    async def holders_of(self, connection: int, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the profiles that a connection knows anything of, by MPID."""
        self._check_open()
        mpids = {one.mpid for one in self._held.values() if one.connection == connection}
        mpids |= {mpid for of, mpid in self._passed if of == connection}
        return [one for one in sorted(mpids) if after_mpid is None or one > after_mpid][:limit]

    async def passed_over(
        self, connection: int, reason: str | None, after_mpid: int | None, limit: int
    ) -> Sequence[Passed]:
        """Return the members that a connection passes over, by MPID."""
        self._check_open()
        return [
            one
            for one in sorted(self._passed_by(connection), key=lambda one: one.mpid)
            if reason in (None, one.reason) and (after_mpid is None or one.mpid > after_mpid)
        ][:limit]

    async def count_passed(self, connection: int) -> Mapping[tuple[str, str], int]:
        """Count the members that a connection passes over."""
        self._check_open()
        return Counter((one.reason, one.about) for one in self._passed_by(connection))

    def _passed_by(self, connection: int) -> list[Passed]:
        return [one for (of, _), several in self._passed.items() if of == connection for one in several]

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        """Remove what a workspace has of a profile here."""
        self._check_open()
        whose = (workspace, mpid)
        of = {
            one.number
            for one in self._documents.values()
            if one.kind is DocumentKind.CONNECTION and one.workspace == workspace
        }
        gone = _drop(self._standings, [key for key in self._standings if (key.workspace, key.mpid) == whose], limit)
        members = [key for key in self._members if (key[0].workspace, key[0].mpid) == whose]
        gone += _drop(self._members, members, limit - gone)
        changes = [seq for seq, one in self._changes.items() if (one.key.workspace, one.key.mpid) == whose]
        gone += _drop(self._changes, changes, limit - gone)
        held = [key for key in self._held if key.connection in of and key.mpid == mpid]
        gone += _drop(self._held, held, limit - gone)
        gone += _drop(self._passed, [key for key in self._passed if key[0] in of and key[1] == mpid], limit - gone)
        marks = self._marks.marks
        gone += _drop(marks, [seq for seq, one in marks.items() if (one.workspace, one.mpid) == whose], limit - gone)
        return gone + self._deliveries.empty(workspace, mpid, limit - gone)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")


def _place(key: SectionKey) -> tuple[int, str]:
    return key.mpid, key.environment


def _drop(table: dict[_Key, _Value], keys: Sequence[_Key], limit: int) -> int:
    for key in keys[:limit]:
        del table[key]
    return len(keys[:limit])


def _has_any(document: bytes, traces: Sequence[Trace]) -> bool:
    """Whether a document has any of some traces."""
    patterns = (b".*?".join(re.escape(one.encode()) for one in trace) for trace in traces)
    return any(re.search(one, document, re.IGNORECASE | re.DOTALL) for one in patterns)
