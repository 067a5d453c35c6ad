"""The PostgreSQL store's second half: what workspaces know of users, over the same connections as who is who."""

from collections.abc import Mapping, Sequence
from typing import Final

from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.database import Database
from knownas.store.postgres.limits import CALL_SECONDS, CALL_SECONDS_A_ROW, SLOW_CALL_SECONDS
from knownas.store.postgres.rows import Row
from knownas.store.postgres.trouble import LostRace
from knownas.store.user_data import (
    AliasRow,
    AliasState,
    BatchReceipt,
    MessageKey,
    RequestKey,
    SectionKey,
    StoredEvents,
    StoredSection,
    UserDataCommit,
    UserDataSnapshot,
)

_SECTION, _REQUEST, _MESSAGE = range(3)
"""The kinds of rows that the statement `user_data` returns."""

_BEYOND: Final = 2**63 - 1
"""No batch of events has this seq."""

_Rows = list[tuple[object, ...]]
_ALIAS_COLUMNS: Final = len(AliasRow._fields)


class PostgresUserData:
    """Keeps sections, events, receipts and aliases in a database. Implements `store.user_data.UserDataStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        """Load what a group of batches needs, by one statement."""
        keys = list(dict.fromkeys(sections))
        arguments = (
            *columns_text([(mpid, workspace, environment) for workspace, environment, mpid in keys], 3),
            *columns_text(requests, 2),
            *columns_text(messages, 3),
        )
        limit = CALL_SECONDS + CALL_SECONDS_A_ROW * (len(keys) + len(requests) + len(messages))
        found: dict[SectionKey, StoredSection] = {}
        taken: set[RequestKey] = set()
        seen: set[MessageKey] = set()
        for kind, place, version, document in await self._database.read("user_data", *arguments, seconds=limit):
            number: int = place - 1
            if kind == _SECTION:
                found[keys[number]] = StoredSection(document, version)
            elif kind == _REQUEST:
                taken.add(requests[number])
            else:
                seen.add(messages[number])
        return UserDataSnapshot(found, taken, seen)

    async def section(self, key: SectionKey) -> StoredSection | None:
        """Return one section."""
        for row in await self._database.read("section", *key):
            return StoredSection(*row)
        return None

    async def commit(self, commit: UserDataCommit) -> bool:
        """Keep all of a commit by one call; it has waited for the disk when it returns."""
        try:
            rows = len(commit.sections) + len(commit.events) + len(commit.receipts) + len(commit.messages)
            await self._database.commit("user_data_commit", _arguments(commit), rows)
        except LostRace:
            return False
        return True

    async def sections_of(self, mpid: int) -> Mapping[SectionKey, StoredSection]:
        """Return every workspace's section of a profile."""
        rows = await self._database.read("sections_of", mpid)
        return {SectionKey(*key): StoredSection(document, version) for *key, document, version in rows}

    async def events(
        self, key: SectionKey, *, from_ms: int, to_ms: int, after_seq: int, limit: int
    ) -> Sequence[StoredEvents]:
        """Return kept events of which any happened in a range of time, by ascending `seq`.

        They are settled: who keeps events of a section holds its row, so they are numbered one commit after another.
        """
        rows = await self._database.read("events", *key, after_seq, from_ms, to_ms, limit)
        return [StoredEvents(*row) for row in rows]

    async def events_back(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredEvents]:
        """Return kept events, those kept last first."""
        rows = await self._database.read("events_back", *key, _BEYOND if before_seq is None else before_seq, limit)
        return [StoredEvents(*row) for row in rows]

    async def events_about(
        self, mpids: Sequence[int], after_seq: int, limit: int
    ) -> Sequence[tuple[SectionKey, StoredEvents]]:
        """Return kept events of some profiles in all workspaces, by ascending `seq`."""
        rows = await self._database.read("events_about", list(mpids), after_seq, limit, seconds=SLOW_CALL_SECONDS)
        return [(SectionKey(*row[:3]), StoredEvents(*row[3:])) for row in rows]

    async def receipt(self, receipt_id: str) -> BatchReceipt | None:
        """Return what became of a batch, by our id."""
        for row in await self._database.read("receipt", receipt_id):
            return BatchReceipt(*row)
        return None

    async def receipts_named(self, request_id: str, limit: int) -> Sequence[BatchReceipt]:
        """Return what became of batches with a sender's id, the newest first."""
        return [BatchReceipt(*row) for row in await self._database.read("receipts_named", request_id, limit)]

    async def alias(self, request_id: str) -> AliasRow | None:
        """Return an alias request."""
        for row in await self._database.read("alias", request_id):
            return _alias_from(row)
        return None

    async def aliases_about(self, workspace: int, environment: str, mpids: Sequence[int]) -> Sequence[AliasRow]:
        """Return the alias requests that name any of the profiles, by the time they were made."""
        rows = await self._database.read("aliases_about", workspace, environment, list(mpids))
        return list(map(_alias_from, rows))

    async def aliases_due(self, now_ms: int, limit: int) -> Sequence[AliasRow]:
        """Return queued alias requests that are due, the earliest first."""
        return list(map(_alias_from, await self._database.read("aliases_due", now_ms, limit)))

    async def count_older(self, *, events_ms: int, requests_ms: int, sections_ms: int) -> tuple[int, int, int]:
        """Count what `forget_older` would remove in all."""
        bounds = (events_ms, requests_ms, sections_ms)
        ((events, requests, sections),) = await self._database.read("count_older", *bounds, seconds=SLOW_CALL_SECONDS)
        return events, requests, sections

    async def forget_older(self, *, events_ms: int, requests_ms: int, sections_ms: int, limit: int) -> int:
        """Remove at most `limit` things that are older, the oldest of each kind first, in one transaction."""
        bounds = (events_ms, requests_ms, sections_ms, limit)
        ((gone,),) = await self._database.repeat("forget_older", *bounds, seconds=SLOW_CALL_SECONDS)
        return gone


def _arguments(commit: UserDataCommit) -> list[object]:
    """Return the arguments of the function `user_data_commit_1` after its token, and those of `audience_mark_batches_2`.

    Raises:
        LostRace: it contradicts itself.
    """
    changed: _Rows = []
    new: _Rows = []
    for (workspace, environment, mpid), version, document, last_seen_ms in commit.sections:
        key = (mpid, workspace, environment)
        if version is None:
            new.append((*key, last_seen_ms, document))
        else:
            changed.append((*key, version, last_seen_ms, document))
    written = {write.key for write in commit.sections}
    others = {write.key for write in commit.events} - written
    events = [(one.key.mpid, one.key.workspace, one.key.environment, *one[1:]) for one in commit.events]
    _all_different([(one.input_key, one.request_id) for one in commit.receipts if one.request_id is not None])
    _all_different([row.request_id for row in commit.settled_aliases])
    marks = commit.marks.marks
    settled = [(row.request_id, row.state.value, row.reason, row.settled_ms) for row in commit.settled_aliases]
    return [
        *columns_text(changed, 6, {5}),
        *columns_text(new, 5, {4}),
        *columns_text([(key.mpid, key.workspace, key.environment) for key in others], 3),
        *columns_text(events, 7, {6}),
        *columns_text(commit.receipts, 6, {4}),
        *columns_text([(mpid, key, name, at_ms) for (key, mpid, name), at_ms in commit.messages.items()], 4),
        *columns_text(commit.new_aliases, _ALIAS_COLUMNS),
        *columns_text(settled, 4),
        *columns_text(list(commit.marks.known.items()), 2),
        *columns_text([(one.key.mpid, one.key.workspace, one.key.environment, *one[1:]) for one in marks], 5, {3}),
        *columns_text([(key.mpid, key.workspace, key.environment) for key in commit.concerned()], 3),
    ]


def _all_different(ids: Sequence[object]) -> None:
    if len(set(ids)) < len(ids):
        raise LostRace("two of a commit have one id")


def _alias_from(row: Row) -> AliasRow:
    """Read a row of the alias table as the queries select it."""
    alias = AliasRow._make(row)
    return alias._replace(state=AliasState(alias.state))
