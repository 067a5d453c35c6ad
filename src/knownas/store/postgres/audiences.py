"""The PostgreSQL store's fourth part: who is in which audience, and what outputs have of whom, over the same connections."""

from collections.abc import Mapping, Sequence

from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.store.audiences import (
    AudienceCommit,
    ChangeCount,
    DocumentKind,
    Held,
    Member,
    MembershipChange,
    Passed,
    SectionPage,
    StoredChange,
    StoredDocument,
    StoredMark,
    StoredStanding,
    StoredSubject,
    Stretch,
    held_name,
)
from knownas.store.places import key_at, place_of, share_of
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.database import Database
from knownas.store.postgres.groups import place_arguments
from knownas.store.postgres.limits import CALL_SECONDS, CALL_SECONDS_A_ROW, SLOW_CALL_SECONDS
from knownas.store.postgres.rows import record_of
from knownas.store.postgres.trouble import LostRace
from knownas.store.traces import Traces, like_pattern
from knownas.store.user_data import SectionKey, StoredEvents, StoredSection

_Rows = list[tuple[object, ...]]


class PostgresAudiences:
    """Keeps audiences in a database. Implements `store.audiences.AudienceStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def documents(self) -> Sequence[StoredDocument]:
        """Return all documents, by kind and number."""
        rows = await self._database.read("audience_documents")
        return [StoredDocument(DocumentKind(kind), *row) for kind, *row in rows]

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        """Keep a document by one call, which waits for the commits under way."""
        kind, number, workspace, _, text = document
        try:
            arguments = [kind.value, number, workspace, before, text]
            await self._database.commit("write_audience_document", arguments, 1)
        except LostRace:
            return False
        return True

    async def watches(self) -> Mapping[int, int]:
        """Return the watch of each watched workspace."""
        return {row[0]: row[1] for row in await self._database.read("watched")}

    async def marks(self, after_seq: int, limit: int) -> Sequence[StoredMark]:
        """Return marks by ascending `seq`."""
        return [StoredMark(*row) for row in await self._database.read("marks", after_seq, limit)]

    async def due(self, now_ms: int, limit: int) -> Sequence[SectionKey]:
        """Return the profiles whose standing is due, the earliest first."""
        return [SectionKey(*row) for row in await self._database.read("standings_due", now_ms, limit)]

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        """Return what there is of profiles, by three statements."""
        mpids = list(dict.fromkeys(key.mpid for key in keys))
        seconds = _seconds(len(keys))
        rows = await self._database.read("profiles", mpids, seconds=seconds)
        records: dict[int, Record] = {row[1]: record_of(*row[1:]) for row in rows}
        sections: dict[int, dict[SectionKey, StoredSection]] = {}
        for *key, document, version in await self._database.read("sections_judged", mpids, seconds=seconds):
            sections.setdefault(key[2], {})[SectionKey(*key)] = StoredSection(document, version)
        asked = list(dict.fromkeys(keys))
        found = await self._database.read("standings", *_columns(asked), seconds=seconds)
        standings: dict[SectionKey, StoredStanding] = {asked[row[0] - 1]: StoredStanding(*row[1:]) for row in found}
        return {
            key: StoredSubject(records.get(key.mpid), sections.get(key.mpid, {}), standings.get(key)) for key in keys
        }

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        """Return the newest kept batches of events, by one statement."""
        asked = list(dict.fromkeys(keys))
        found: dict[SectionKey, list[StoredEvents]] = {}
        arguments = (*_columns(asked), limit, since_ms)
        for row in await self._database.read("newest_events", *arguments, seconds=SLOW_CALL_SECONDS):
            place: int = row[0]
            found.setdefault(asked[place - 1], []).append(StoredEvents(*row[1:]))
        return {key: sorted(events) for key, events in found.items()}

    async def standings(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredStanding | None]:
        """Return how profiles that are there stand, by two statements."""
        asked, seconds = list(dict.fromkeys(keys)), _seconds(len(keys))
        mpids = list(dict.fromkeys(key.mpid for key in asked))
        there = {row[0] for row in await self._database.read("profiles_there", mpids, seconds=seconds)}
        found = await self._database.read("standings", *_columns(asked), seconds=seconds)
        standings: dict[SectionKey, StoredStanding] = {asked[row[0] - 1]: StoredStanding(*row[1:]) for row in found}
        return {key: standings.get(key) for key in asked if key.mpid in there}

    async def stretch(self, workspace: int, after: str | None, length: int) -> Stretch | None:
        """Return the next sections by MPID and environment."""
        first = _first(workspace, after)
        rows = await self._database.read("section_stretch", *_key(first), length, seconds=SLOW_CALL_SECONDS)
        return Stretch(place_of(SectionKey(workspace, rows[0][1], rows[0][0])), share_of(rows[0][0])) if rows else None

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        """Return sections by MPID and environment."""
        first, last = _first(workspace, after), key_at(workspace, until)
        if last is None:
            return None
        arguments = (*_key(first), last.mpid, last.environment, limit)
        if traces is None:
            rows = await self._database.read("sections_in", *arguments, seconds=SLOW_CALL_SECONDS)
        else:
            wanted = ([like_pattern(one) for one in traces.sections], [like_pattern(one) for one in traces.events])
            arguments = (*arguments, *wanted, traces.since_ms)
            rows = await self._database.read("sections_traced", *arguments, seconds=SLOW_CALL_SECONDS)
        if not rows:
            return None
        mpids, environments, documents, versions = zip(*rows, strict=True)
        last = place_of(SectionKey(workspace, environments[-1], mpids[-1]))
        return SectionPage(mpids, environments, documents, versions, last)

    async def section_keys(self, workspace: int, after: SectionKey | None, limit: int) -> Sequence[SectionKey]:
        """Return the sections of a workspace by MPID and environment."""
        mpid, environment = (MPID_MIN, "") if after is None else (after.mpid, after.environment)
        rows = await self._database.read("section_keys", mpid, workspace, environment, limit, seconds=SLOW_CALL_SECONDS)
        return [SectionKey(*row) for row in rows]

    async def commit(self, commit: AudienceCommit) -> bool:
        """Keep all of a commit by one call; it has waited for the disk when it returns."""
        rows = sum(
            map(
                len,
                (
                    commit.standings,
                    commit.changes,
                    commit.held,
                    commit.gave_up,
                    commit.deliveries,
                    commit.done,
                    commit.places,
                    commit.rests_on,
                ),
            )
        )
        try:
            await self._database.commit("audience_commit", _arguments(commit), rows)
        except LostRace:
            return False
        return True

    async def members(
        self, workspace: int, environment: str, audience: int, after_mpid: int | None, limit: int
    ) -> Sequence[Member]:
        """Return the members of an audience by MPID."""
        first = _following(after_mpid)
        if first > MPID_MAX:
            return []
        rows = await self._database.read("members", audience, workspace, environment, first, limit)
        return [Member(*row) for row in rows]

    async def count_members(self, workspace: int, environment: str, audience: int) -> int:
        """Count the members of an audience."""
        arguments = (audience, workspace, environment)
        ((count,),) = await self._database.read("count_members", *arguments, seconds=SLOW_CALL_SECONDS)
        return count

    async def changes_of(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredChange]:
        """Return the changes of a profile's memberships, the newest first."""
        rows = await self._database.read("changes_of", *key, MPID_MAX if before_seq is None else before_seq, limit)
        return [
            StoredChange(seq, MembershipChange(SectionKey(*whose), audience, is_member, at_ms, document))
            for seq, *whose, audience, is_member, at_ms, document in rows
        ]

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        """Count the changes of an audience's memberships by interval."""
        arguments = (audience, workspace, environment, from_ms, until_ms, every_ms)
        rows = await self._database.read("count_changes", *arguments, seconds=SLOW_CALL_SECONDS)
        return [ChangeCount(*row) for row in rows]

    async def held_of(self, connections: Sequence[int], mpids: Sequence[int]) -> Sequence[Held]:
        """Return what connections have of profiles."""
        rows = await self._database.read("held_of", list(mpids), list(connections), seconds=_seconds(len(mpids)))
        return sorted((Held(*row) for row in rows), key=held_name)

    async def held_values(self, connection: int, values: Sequence[str]) -> Sequence[Held]:
        """Return what a connection has under some values."""
        rows = await self._database.read("held_values", list(values), connection, seconds=_seconds(len(values)))
        return sorted((Held(*row) for row in rows), key=held_name)

    async def holders_of(self, connection: int, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the profiles that a connection knows anything of, by MPID."""
        first = _following(after_mpid)
        if first > MPID_MAX:
            return []
        rows = await self._database.read("holders_known", connection, first, limit, seconds=SLOW_CALL_SECONDS)
        return [row[0] for row in rows]

    async def passed_over(
        self, connection: int, reason: str | None, after_mpid: int | None, limit: int
    ) -> Sequence[Passed]:
        """Return the members that a connection passes over, by MPID."""
        first = _following(after_mpid)
        if first > MPID_MAX:
            return []
        rows = await self._database.read("passed_over", connection, first, reason, limit, seconds=SLOW_CALL_SECONDS)
        return [Passed(*row) for row in rows]

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        """Remove what a workspace has of a profile here, in one transaction."""
        ((gone,),) = await self._database.repeat("forget_profile", workspace, mpid, limit, seconds=SLOW_CALL_SECONDS)
        return gone

    async def count_passed(self, connection: int) -> Mapping[tuple[str, str], int]:
        """Count the members that a connection passes over."""
        rows = await self._database.read("count_passed", connection, seconds=SLOW_CALL_SECONDS)
        return {(reason, about): count for reason, about, count in rows}


def _arguments(commit: AudienceCommit) -> list[object]:
    """Return the arguments of `audience_commit_bare_1` after its token, then those of `audience_write_places_1`, `audience_rest_1` and `audience_turn_1`."""
    changed: _Rows = []
    new: _Rows = []
    for key, version, document, due_ms in commit.standings:
        if version is not None:
            changed.append((*_key(key), version, due_ms, document))
        elif document is not None:
            new.append((*_key(key), due_ms, document))
    changes = [(*_key(one.key), one.audience, one.is_member, one.at_ms, one.document) for one in commit.changes]
    # What somebody joined and left in one commit comes to whichever was last.
    last = {(one.audience, one.key): one for one in commit.changes}
    joined = [
        (of, key.workspace, key.environment, key.mpid, one.at_ms) for (of, key), one in last.items() if one.is_member
    ]
    left = [(of, key.workspace, key.environment, key.mpid) for (of, key), one in last.items() if not one.is_member]
    given = list(dict.fromkeys(one[:6] for one in commit.gave_up))
    held = {one[:6]: one for one in commit.held}
    return [
        *columns_text(changed, 6, {5}),
        *columns_text(new, 5, {4}),
        *columns_text(changes, 7, {6}),
        *columns_text(joined, 5),
        *columns_text(left, 4),
        *columns_text(given, 6),
        *columns_text(list(held.values()), 8),
        *columns_text(commit.passed_by, 2),
        *columns_text(commit.passed, 4),
        *columns_text(commit.deliveries, 8, {7}),
        *columns_text([one[1:] for one in commit.marks], 4, {3}),
        *columns_text([(seq,) for seq in commit.done], 1),
        *place_arguments(commit.places, commit.watches),
        *columns_text([(*_key(one), version) for one, version in commit.rests_on.items()], 4),
        *(commit.turn or (None, None)),
    ]


def _columns(keys: Sequence[SectionKey]) -> Sequence[object]:
    return columns_text(list(map(_key, keys)), 3)


def _key(key: SectionKey) -> tuple[int, int, str]:
    return key.mpid, key.workspace, key.environment


def _seconds(rows: int) -> float:
    return CALL_SECONDS + rows * CALL_SECONDS_A_ROW


def _first(workspace: int, after: str | None) -> SectionKey:
    """Return what comes before all sections after a place."""
    return key_at(workspace, after) or SectionKey(workspace, "", MPID_MIN)


def _following(mpid: int | None) -> int:
    return MPID_MIN if mpid is None else mpid + 1
