"""The SQLite store's fourth part: who is in which audience, and what outputs have of whom."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.store.audiences import (
    EVERYWHERE,
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
    Turn,
    held_name,
)
from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite.connection import (
    Binding,
    Connection,
    LostRace,
    Row,
    SharedReads,
    Transactions,
    named_errors,
)
from knownas.store.sqlite.counting import count_apart
from knownas.store.sqlite.deliveries import BEYOND, add_deliveries
from knownas.store.sqlite.finding import find
from knownas.store.sqlite.groups import write_places
from knownas.store.sqlite.rows import record_from
from knownas.store.sqlite.statements import statements
from knownas.store.sqlite.tracing import traced
from knownas.store.traces import Traces
from knownas.store.user_data import SectionKey, StoredEvents, StoredSection

_FORGETTING: Final = (
    "forget_standings",
    "forget_members",
    "forget_changes",
    "forget_held",
    "forget_passed_of",
    "forget_marks",
    "empty_deliveries",
    "forget_waiting",
)


class SqliteAudiences:
    """Keeps audiences in a SQLite file. Implements `store.audiences.AudienceStore`."""

    def __init__(self, path: Path, connection: Connection, reads: SharedReads, transactions: Transactions) -> None:
        """Write over a connection that somebody else closes; read over `reads`, in turns by `transactions`."""
        self._path = path
        self._connection = connection
        self._reads = reads
        self._transactions = transactions
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def documents(self) -> Sequence[StoredDocument]:
        """Return all documents, by kind and number."""
        return [StoredDocument(DocumentKind(kind), *row) for kind, *row in self._read("audience_documents")]

    async def write_document(self, document: StoredDocument, before: int | None) -> bool:
        """Keep a document, and count it. Nobody else writes meanwhile, so nobody is left who does not know of it."""
        self._check_open()
        kind, number, workspace, _, text = document
        with named_errors():
            try:
                async with self._transactions.writing(self._connection):
                    self._each("tick_watch", [(workspace,), (EVERYWHERE,)])
                    if before is None:
                        self._change("add_audience_document", [(kind.value, number, workspace, text)])
                    else:
                        self._change("change_audience_document", [(text, kind.value, number, before)])
            except LostRace:
                return False
        return True

    async def watches(self) -> Mapping[int, int]:
        """Return the watch of each watched workspace."""
        return dict(self._read("watched"))

    async def marks(self, after_seq: int, limit: int) -> Sequence[StoredMark]:
        """Return marks by ascending `seq`."""
        return [StoredMark._make(row) for row in self._read("marks", after_seq, limit)]

    async def due(self, now_ms: int, limit: int) -> Sequence[SectionKey]:
        """Return the profiles whose standing is due, the earliest first."""
        return [SectionKey._make(row) for row in self._read("standings_due", now_ms, limit)]

    async def subjects(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredSubject]:
        """Return what there is of profiles, by a statement for each 128 of a kind."""
        self._check_open()
        mpids = [(mpid,) for mpid in dict.fromkeys(key.mpid for key in keys)]
        with named_errors():
            over = self._reads.connection()
            records: dict[int, Record] = {row[0]: record_from(row) for row in find(over, "records_judged", mpids)}
            sections: dict[int, dict[SectionKey, StoredSection]] = {}
            for *key, document, version in find(over, "sections_judged", mpids):
                sections.setdefault(key[2], {})[SectionKey._make(key)] = StoredSection(document, version)
            standings = {
                SectionKey._make(key): StoredStanding(document, version)
                for *key, document, version in find(over, "standings", keys)
            }
        return {
            key: StoredSubject(records.get(key.mpid), sections.get(key.mpid, {}), standings.get(key)) for key in keys
        }

    async def newest_events(
        self, keys: Sequence[SectionKey], limit: int, since_ms: int | None = None
    ) -> Mapping[SectionKey, Sequence[StoredEvents]]:
        """Return the newest kept batches of events, by a statement for each 128 sections."""
        found: dict[tuple[Any, ...], list[StoredEvents]] = {}
        for row in self._find("newest_events", keys, limit, since_ms):
            found.setdefault(row[:3], []).append(StoredEvents._make(row[3:]))
        return {key: sorted(kept) for key in keys if (kept := found.get(key)) is not None}

    async def standings(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, StoredStanding | None]:
        """Return how profiles that are there stand, by a statement for each 128."""
        return {
            SectionKey._make(key): None if version is None else StoredStanding(document, version)
            for *key, document, version in self._find("standings_there", keys)
        }

    async def stretch(self, workspace: int, after: str | None, length: int) -> Stretch | None:  # noqa: ARG002 - those of others lie between
        """Return the next sections by their numbers, which no copy of the file keeps: a place also says whose section it is."""
        first, mpid = _section_at(after)
        if first and (mpid,) not in self._read("section_at", first):
            first = 0
        for number, whose, last in self._read("section_stretch", first, length):
            return Stretch(f"{number}{_SECTION_OF}{whose}", number / last)
        return None

    async def sections_in(
        self, workspace: int, after: str | None, until: str, limit: int, traces: Traces | None = None
    ) -> SectionPage | None:
        """Return sections by their numbers."""
        stretch = (_section_at(after)[0], _section_at(until)[0], workspace)
        if traces is None:
            rows = self._read("sections_in", *stretch, limit)
        else:
            self._check_open()
            with named_errors():
                rows = traced(self._reads.connection(), stretch, limit, traces)
        if not rows:
            return None
        numbers, mpids, environments, documents, versions = zip(*rows, strict=True)
        return SectionPage(mpids, environments, documents, versions, f"{numbers[-1]}{_SECTION_OF}{mpids[-1]}")

    async def section_keys(self, workspace: int, after: SectionKey | None, limit: int) -> Sequence[SectionKey]:
        """Return the sections of a workspace by MPID and environment."""
        mpid, environment = (MPID_MIN, "") if after is None else (after.mpid, after.environment)
        rows = self._read("section_keys", mpid, workspace, environment, limit)
        return [SectionKey._make(row) for row in rows]

    async def commit(self, commit: AudienceCommit) -> bool:
        """Write all of a commit and wait until it is on the disk."""
        self._check_open()
        with named_errors():
            try:
                async with self._transactions.writing(self._connection):
                    self._write(commit)
            except LostRace:
                return False
        return True

    def _write(self, commit: AudienceCommit) -> None:
        """Write everything, a statement for each kind of row.

        Raises:
            LostRace: nothing of it may be kept.
        """
        self._look_at(commit.turn)
        self._look_for(commit.rests_on)
        self._write_standings(commit.standings)
        self._write_changes(commit.changes)
        self._each("give_up_held", [one[:6] for one in commit.gave_up])
        self._each("hold", commit.held)
        self._each("forget_passed", commit.passed_by)
        self._each("pass_over", commit.passed)
        add_deliveries(self._connection, commit.deliveries)
        self._each("add_mark", [one[1:] for one in commit.marks])
        self._each("mark_done", [(seq,) for seq in commit.done])
        write_places(self._connection, commit.places, commit.watches)

    def _look_at(self, turn: Turn | None) -> None:
        """Look whether a turn is still its maker's.

        Raises:
            LostRace: it is not.
        """
        if turn is None:
            return
        if self._connection.execute(statements()["kept"], (turn.name,)).fetchall() != [(turn.document,)]:
            raise LostRace("the turn is somebody else's")

    def _look_for(self, sections: Mapping[SectionKey, int]) -> None:
        """Look whether sections that were read are there, and surely the same ones.

        Raises:
            LostRace: one is not.
        """
        if not sections:
            return
        ((last_removal,),) = self._connection.execute(statements()["last_removal"]).fetchall()
        # What was read since anything was removed is there, whoever has written it meanwhile; else, what nobody has written since.
        doubtful = {key: version for key, version in sections.items() if version <= last_removal}
        found = {SectionKey._make(key): now for *key, now in find(self._connection, "section_versions", list(doubtful))}
        if any(key not in found or found[key] > version for key, version in doubtful.items()):
            raise LostRace("a section is gone")

    def _write_standings(self, writes: Sequence[StandingWrite]) -> None:
        if not writes:
            return
        ((version,),) = self._connection.execute(statements()["tick_sections"]).fetchall()
        new: list[Sequence[Binding]] = []
        changed: list[Sequence[Binding]] = []
        removed: list[Sequence[Binding]] = []
        for key, was, document, due_ms in writes:
            if document is None:
                removed += [] if was is None else [(*key, was)]
            elif was is None:
                new.append((*key, version, due_ms, document))
            else:
                changed.append((version, due_ms, document, *key, was))
        self._change("change_standing", changed)
        self._change("add_standing", new)
        self._change("remove_standing", removed)

    def _write_changes(self, changes: Sequence[MembershipChange]) -> None:
        rows: list[Sequence[Binding]] = []
        members: dict[tuple[int, int, str, int], int | None] = {}
        for one in changes:
            workspace, environment, mpid = one.key
            rows.append((mpid, workspace, environment, one.audience, int(one.is_member), one.at_ms, one.document))
            # What is said last of somebody counts.
            members[one.audience, workspace, environment, mpid] = one.at_ms if one.is_member else None
        self._each("add_change", rows)
        self._each("join_audience", [(*whose, at_ms) for whose, at_ms in members.items() if at_ms is not None])
        self._each("leave_audience", [whose for whose, at_ms in members.items() if at_ms is None])

    async def members(
        self, workspace: int, environment: str, audience: int, after_mpid: int | None, limit: int
    ) -> Sequence[Member]:
        """Return the members of an audience by MPID."""
        first = _following(after_mpid)
        if first > MPID_MAX:
            return []
        return [Member._make(row) for row in self._read("members", audience, workspace, environment, first, limit)]

    async def count_members(self, workspace: int, environment: str, audience: int) -> int:
        """Count the members of an audience; off the loop, since the time grows with them."""
        self._check_open()
        (count,) = await count_apart(self._path, "count_members", audience, workspace, environment)
        return count

    async def changes_of(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredChange]:
        """Return the changes of a profile's memberships, the newest first."""
        rows = self._read("changes_of", *key, BEYOND if before_seq is None else before_seq, limit)
        return [
            StoredChange(seq, MembershipChange(SectionKey._make(whose), audience, is_member == 1, at_ms, document))
            for seq, *whose, audience, is_member, at_ms, document in rows
        ]

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        """Count the changes of an audience's memberships by interval; off the loop, since there may be many."""
        self._check_open()
        of = (audience, workspace, environment)
        (rows,) = await count_apart(self._path, "count_changes", *of, from_ms, until_ms, every_ms)
        return sorted(ChangeCount._make(row) for row in cast("list[tuple[int, int, int]]", json.loads(rows)))

    async def held_of(self, connections: Sequence[int], mpids: Sequence[int]) -> Sequence[Held]:
        """Return what connections have of profiles."""
        of = frozenset(connections)
        found = map(Held._make, self._find("held_of", [(mpid,) for mpid in dict.fromkeys(mpids)]))
        return sorted((one for one in found if one.connection in of), key=held_name)

    async def held_values(self, connection: int, values: Sequence[str]) -> Sequence[Held]:
        """Return what a connection has under some values."""
        wanted = [(value, connection) for value in dict.fromkeys(values)]
        return sorted(map(Held._make, self._find("held_values", wanted)), key=held_name)

    async def holders_of(self, connection: int, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the profiles that a connection knows anything of, by MPID."""
        first = _following(after_mpid)
        if first > MPID_MAX:
            return []
        return [row[0] for row in self._read("holders_known", connection, first, limit)]

    async def passed_over(
        self, connection: int, reason: str | None, after_mpid: int | None, limit: int
    ) -> Sequence[Passed]:
        """Return the members that a connection passes over, by MPID."""
        first = _following(after_mpid)
        if first > MPID_MAX:
            return []
        return [Passed._make(row) for row in self._read("passed_over", connection, first, reason, limit)]

    async def forget_profile(self, workspace: int, mpid: int, limit: int) -> int:
        """Remove what a workspace has of a profile here, in one transaction."""
        self._check_open()
        with named_errors():
            async with self._transactions.writing(self._connection):
                before = self._connection.total_changes()
                for statement in _FORGETTING:
                    left = limit - (self._connection.total_changes() - before)
                    self._connection.execute(statements()[statement], (mpid, workspace, left))
                return self._connection.total_changes() - before

    async def count_passed(self, connection: int) -> Mapping[tuple[str, str], int]:
        """Count the members that a connection passes over."""
        return {(reason, about): count for reason, about, count in self._read("count_passed", connection)}

    def _change(self, statement: str, rows: Sequence[Sequence[Binding]]) -> None:
        """Run a statement for each of the rows, of which each must change one.

        Raises:
            LostRace: one did not.
        """
        before = self._connection.total_changes()
        self._each(statement, rows)
        if self._connection.total_changes() - before != len(rows):
            raise LostRace(statement)

    def _each(self, statement: str, rows: Sequence[Sequence[Binding]]) -> None:
        if rows:
            self._connection.executemany(statements()[statement], rows)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _find(self, statement: str, keys: Sequence[tuple[int | str, ...]], *more: Binding) -> list[Row]:
        self._check_open()
        with named_errors():
            return find(self._reads.connection(), statement, keys, *more)

    def _read(self, statement: str, *bindings: Binding) -> list[Row]:
        self._check_open()
        with named_errors():
            return self._reads.connection().execute(statements()[statement], bindings).fetchall()


_SECTION_OF: Final = ":"


def _section_at(place: str | None) -> tuple[int, int]:
    """Return the number of a section and whose it is; (0, 0), before all of them, for a place that is another store's."""
    number, _, mpid = ("" if place is None else place).partition(_SECTION_OF)
    try:
        return int(number), int(mpid)
    except ValueError:
        return 0, 0


def _following(mpid: int | None) -> int:
    return MPID_MIN if mpid is None else mpid + 1
