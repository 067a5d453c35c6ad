"""The memory store's second half: what workspaces know of users, in dictionaries."""

from bisect import insort
from collections.abc import Mapping, Sequence
from itertools import count, islice

from knownas.store.errors import StoreUnavailable
from knownas.store.memory.marks import MemoryMarks
from knownas.store.privacy import Counts, Holding
from knownas.store.user_data import (
    AliasRow,
    AliasState,
    BatchReceipt,
    EventsMove,
    MessageKey,
    Rearrangement,
    RequestKey,
    SectionKey,
    StoredEvents,
    StoredSection,
    UserDataCommit,
    UserDataSnapshot,
)


class MemoryUserData:
    """Keeps sections, events, receipts and aliases in memory. Implements `store.user_data.UserDataStore`.

    What a database's unique constraints refuse is looked for before anything is taken over.
    """

    def __init__(self, marks: MemoryMarks) -> None:
        """Leave marks of whom anything is written about."""
        self._marks = marks
        self._sections: dict[SectionKey, StoredSection] = {}
        self._last_seen: dict[SectionKey, int] = {}
        self._events: dict[SectionKey, list[StoredEvents]] = {}
        self._receipts: dict[str, BatchReceipt] = {}
        self._requests: dict[RequestKey, str] = {}
        self._messages: dict[MessageKey, int] = {}
        self._aliases: dict[str, AliasRow] = {}
        self._versions = count(1)
        self._last_removal = 0
        """Lies between the versions that sections had when one was last removed, and those that they get."""
        self._seqs = count(1)
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        """Load what a group of batches needs."""
        self._check_open()
        return UserDataSnapshot(
            {key: self._sections[key] for key in sections if key in self._sections},
            {key for key in requests if self._is_taken(key)},
            self._messages.keys() & set(messages),
        )

    async def section(self, key: SectionKey) -> StoredSection | None:
        """Return one section."""
        self._check_open()
        return self._sections.get(key)

    async def commit(self, commit: UserDataCommit) -> bool:
        """Check that nothing has changed that the commit relies on, then take everything over."""
        self._check_open()
        stands = (
            self._sections_stand(commit)
            and self._receipts_are_new(commit.receipts)
            and self._messages_are_new(commit.messages)
            and self._aliases_stand(commit)
        )
        if stands:
            self._apply(commit)
            self._marks.committed(commit.marks, commit.concerned())
        return stands

    def _sections_stand(self, commit: UserDataCommit) -> bool:
        return all(self._version(write.key) == write.version for write in commit.sections)

    def _version(self, key: SectionKey) -> int | None:
        stored = self._sections.get(key)
        return None if stored is None else stored.version

    def _receipts_are_new(self, receipts: Sequence[BatchReceipt]) -> bool:
        ids = {one.receipt_id for one in receipts}
        named = [RequestKey(one.input_key, one.request_id) for one in receipts if one.request_id is not None]
        requests = set(named)
        return (
            len(ids) == len(receipts)
            and len(requests) == len(named)
            and self._receipts.keys().isdisjoint(ids)
            and not any(map(self._is_taken, requests))
        )

    def _is_taken(self, key: RequestKey) -> bool:
        receipt_id = self._requests.get(key)
        return receipt_id is not None and self._receipts[receipt_id].kept

    def _messages_are_new(self, messages: Mapping[MessageKey, int]) -> bool:
        return self._messages.keys().isdisjoint(messages)

    def _aliases_stand(self, commit: UserDataCommit) -> bool:
        new = {row.request_id for row in commit.new_aliases}
        settled = {row.request_id for row in commit.settled_aliases}
        return (
            len(new) == len(commit.new_aliases)
            and len(settled) == len(commit.settled_aliases)
            and self._aliases.keys().isdisjoint(new)
            and all(self._is_queued(request_id) for request_id in settled)
        )

    def _is_queued(self, request_id: str) -> bool:
        row = self._aliases.get(request_id)
        return row is not None and row.state is AliasState.QUEUED

    def _apply(self, commit: UserDataCommit) -> None:
        version = next(self._versions)
        for write in commit.sections:
            self._sections[write.key] = StoredSection(write.document, version)
            self._last_seen[write.key] = write.last_seen_ms
        for key, at_ms, first_ms, last_ms, document in commit.events:
            kept = StoredEvents(next(self._seqs), at_ms, first_ms, last_ms, document)
            self._events.setdefault(key, []).append(kept)
        for receipt in commit.receipts:
            self._receipts[receipt.receipt_id] = receipt
            if receipt.request_id is not None:
                key = RequestKey(receipt.input_key, receipt.request_id)
                before = self._requests.get(key)
                if before is not None:
                    self._receipts[before] = self._receipts[before]._replace(request_id=None)
                self._requests[key] = receipt.receipt_id
        self._messages.update(commit.messages)
        self._aliases.update((row.request_id, row) for row in commit.new_aliases)
        for row in commit.settled_aliases:
            was = self._aliases[row.request_id]
            now = was._replace(state=row.state, reason=row.reason, settled_ms=row.settled_ms)
            self._aliases[row.request_id] = now

    def stands(self, change: Rearrangement) -> bool:
        """Whether everything is as a correction names it."""
        return (
            all(self._version(write.key) == write.version for write in change.sections)
            and all(self._version(one.key) == one.version for one in change.removed)
            and all(self._kept(one) is not None for one in change.moved)
            and all(
                turn.request_id in self._aliases and self._aliases[turn.request_id].state is turn.was
                for turn in change.aliases
            )
        )

    def rearrange(self, change: Rearrangement) -> None:
        """Take a correction over, after everything was found as it names it."""
        self._remove([one.key for one in change.removed])
        for move in change.moved:
            kept = self._kept(move)
            if kept is None:
                raise AssertionError("what is moved was looked for before")
            self._events[move.key].remove(kept)
            there = self._events.setdefault(move.key._replace(mpid=move.mpid), [])
            insort(there, kept._replace(document=move.document), key=lambda one: one.seq)
        self._apply(UserDataCommit(sections=change.sections, events=change.events))
        for message, at_ms in change.messages.items():
            self._messages.setdefault(message, at_ms)
        for turn in change.aliases:
            self._aliases[turn.request_id] = self._aliases[turn.request_id]._replace(state=turn.state)
        self._marks.concerned(change.concerned())

    def _kept(self, move: EventsMove) -> StoredEvents | None:
        return next((one for one in self._events.get(move.key, ()) if one.seq == move.seq), None)

    def _remove(self, keys: Sequence[SectionKey]) -> None:
        for key in keys:
            del self._sections[key], self._last_seen[key]
        if keys:
            self._last_removal = next(self._versions)

    def is_still_there(self, key: SectionKey, version: int) -> bool:
        """Whether a section that was read is there, and surely the same one."""
        now = self._version(key)
        return now is not None and (now == version or version > self._last_removal)

    def section_keys(self) -> Sequence[SectionKey]:
        """Return the names of all sections."""
        return list(self._sections)

    def kept_events(self, key: SectionKey) -> Sequence[StoredEvents]:
        """Return all kept events of a section, by `seq`."""
        return self._events.get(key, ())

    async def sections_of(self, mpid: int) -> Mapping[SectionKey, StoredSection]:
        """Return every workspace's section of a profile."""
        self._check_open()
        return {key: stored for key, stored in self._sections.items() if key.mpid == mpid}

    async def events(
        self, key: SectionKey, *, from_ms: int, to_ms: int, after_seq: int, limit: int
    ) -> Sequence[StoredEvents]:
        """Return kept events of which any happened in a range of time, by ascending `seq`."""
        self._check_open()
        wanted = (
            one
            for one in self._events.get(key, ())
            if one.seq > after_seq and one.last_ms >= from_ms and one.first_ms <= to_ms
        )
        return list(islice(wanted, limit))

    async def events_back(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredEvents]:
        """Return kept events, those kept last first."""
        self._check_open()
        kept = reversed(self._events.get(key, ()))
        return list(islice((one for one in kept if before_seq is None or one.seq < before_seq), limit))

    async def events_about(
        self, mpids: Sequence[int], after_seq: int, limit: int
    ) -> Sequence[tuple[SectionKey, StoredEvents]]:
        """Return kept events of some profiles in all workspaces, by ascending `seq`."""
        self._check_open()
        asked = set(mpids)
        found = (
            (key, one) for key, kept in self._events.items() if key.mpid in asked for one in kept if one.seq > after_seq
        )
        return sorted(found, key=lambda one: one[1].seq)[:limit]

    async def receipt(self, receipt_id: str) -> BatchReceipt | None:
        """Return what became of a batch, by our id."""
        self._check_open()
        return self._receipts.get(receipt_id)

    async def receipts_named(self, request_id: str, limit: int) -> Sequence[BatchReceipt]:
        """Return what became of batches with a sender's id, the newest first."""
        self._check_open()
        named = [one for one in reversed(self._receipts.values()) if one.request_id == request_id]
        return sorted(named, key=lambda one: one.at_ms, reverse=True)[:limit]

    async def alias(self, request_id: str) -> AliasRow | None:
        """Return an alias request."""
        self._check_open()
        return self._aliases.get(request_id)

    async def aliases_about(self, workspace: int, environment: str, mpids: Sequence[int]) -> Sequence[AliasRow]:
        """Return the alias requests that name any of the profiles, by the time they were made."""
        self._check_open()
        asked = set(mpids)
        about = [
            row
            for row in self._aliases.values()
            if (row.workspace, row.environment) == (workspace, environment)
            and not asked.isdisjoint((row.source_mpid, row.destination_mpid))
        ]
        return sorted(about, key=lambda row: row.requested_ms)

    async def aliases_due(self, now_ms: int, limit: int) -> Sequence[AliasRow]:
        """Return queued alias requests that are due, the earliest first."""
        self._check_open()
        due = [row for row in self._aliases.values() if row.state is AliasState.QUEUED and row.due_ms <= now_ms]
        return sorted(due, key=lambda row: row.due_ms)[:limit]

    async def count_older(self, *, events_ms: int, requests_ms: int, sections_ms: int) -> tuple[int, int, int]:
        """Count what `forget_older` would remove in all."""
        self._check_open()
        requests = len(self._old_receipts(requests_ms)) + len(self._old_messages(requests_ms))
        return len(self._old_events(events_ms)), requests, len(self._old_sections(sections_ms))

    async def forget_older(self, *, events_ms: int, requests_ms: int, sections_ms: int, limit: int) -> int:
        """Remove at most `limit` things that are older, and return how many."""
        self._check_open()
        events = self._old_events(events_ms)[:limit]
        gone = len(events)
        receipts = self._old_receipts(requests_ms)[: limit - gone]
        gone += len(receipts)
        messages = self._old_messages(requests_ms)[: limit - gone]
        gone += len(messages)
        sections = self._old_sections(sections_ms)[: limit - gone]
        for key, one in events:
            self._events[key].remove(one)
        for receipt in receipts:
            self._drop_receipt(receipt)
        for message in messages:
            del self._messages[message]
        self._remove(sections)
        self._marks.concerned(dict.fromkeys([*(key for key, _ in events), *sections]))
        return gone + len(sections)

    def erased(self, holding: Holding, limit: int | None, *, dry: bool = False) -> Counts:
        """Remove at most `limit` things of a holding and say how many of each; `dry` only counts."""
        events = [
            (key, one)
            for key, kept in self._events.items()
            if (key.workspace, key.mpid) == (holding.workspace, holding.mpid)
            for one in kept
        ][:limit]
        room = None if limit is None else limit - len(events)
        messages = [key for key in self._messages if key.mpid == holding.mpid and key.input_key in holding.input_keys][
            :room
        ]
        room = None if room is None else room - len(messages)
        aliases = [
            row.request_id
            for row in self._aliases.values()
            if row.workspace == holding.workspace and holding.mpid in (row.source_mpid, row.destination_mpid)
        ][:room]
        room = None if room is None else room - len(aliases)
        sections = [key for key in self._sections if (key.workspace, key.mpid) == (holding.workspace, holding.mpid)]
        sections = sections[:room]
        moments = {one.at_ms for _, one in events}
        receipts = [
            one
            for one in self._receipts.values()
            if one.at_ms in moments and one.input_key in holding.input_keys and holding.mention in one.document
        ]
        if not dry:
            for key, one in events:
                self._events[key].remove(one)
            for message in messages:
                del self._messages[message]
            for request_id in aliases:
                del self._aliases[request_id]
            self._remove(sections)
            for receipt in receipts:
                self._drop_receipt(receipt)
            self._marks.concerned(dict.fromkeys([*(key for key, _ in events), *sections]))
        return Counts(len(sections), len(events), len(messages), len(aliases), len(receipts))

    def _drop_receipt(self, receipt: BatchReceipt) -> None:
        del self._receipts[receipt.receipt_id]
        if receipt.request_id is not None:
            del self._requests[RequestKey(receipt.input_key, receipt.request_id)]

    def _old_events(self, before_ms: int) -> list[tuple[SectionKey, StoredEvents]]:
        return [(key, one) for key, kept in self._events.items() for one in kept if one.last_ms < before_ms]

    def _old_receipts(self, before_ms: int) -> list[BatchReceipt]:
        return [one for one in self._receipts.values() if one.at_ms < before_ms]

    def _old_messages(self, before_ms: int) -> list[MessageKey]:
        return [key for key, at_ms in self._messages.items() if at_ms < before_ms]

    def _old_sections(self, before_ms: int) -> list[SectionKey]:
        return [key for key, seen_ms in self._last_seen.items() if seen_ms < before_ms]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
