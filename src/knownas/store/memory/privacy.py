"""The memory store's third part: requests of data subjects, the evidence, and erasing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from knownas.store.errors import StoreUnavailable
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.port import LogEntry
from knownas.store.privacy import (
    Audited,
    Counts,
    Delivery,
    Holding,
    PrivacyCommit,
    RedactedLine,
    Scrubbed,
    StoredEntry,
    StoredRequest,
    Suppression,
    Tombstone,
)


class MemoryPrivacy:
    """Keeps requests and evidence in memory, and erases from the other two parts. Implements `store.privacy.PrivacyStore`."""

    def __init__(self, log: list[LogEntry], kept: dict[str, bytes], user_data: MemoryUserData) -> None:
        """Erase from the log, the documents and the user data that the store's other parts keep."""
        self._log = log
        self._kept = kept
        self._user_data = user_data
        self._requests: dict[str, StoredRequest] = {}
        self._entries: list[StoredEntry] = []
        self._tombstones: dict[int, Tombstone] = {}
        self._suppressed: dict[bytes, Suppression] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._audited: list[Audited] = []
        self._audit_seqs = count(1)
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def commit(self, commit: PrivacyCommit) -> bool:
        """Look for what a database's constraints would refuse, then take everything over."""
        self._check_open()
        if not (self._requests_stand(commit) and self._entries_follow(commit)):
            return False
        self._requests.update((write.request.request_id, write.request) for write in commit.requests)
        self._entries += commit.entries
        for tombstone in commit.tombstones:
            self._tombstones.setdefault(tombstone.mpid, tombstone)
        for one in commit.suppressed:
            self._suppressed.setdefault(one.digest, one)
        for digest in commit.lifted:
            self._suppressed.pop(digest, None)
        self._deliveries.update((one.delivery_id, one) for one in commit.deliveries)
        for delivery_id in commit.delivered:
            self._deliveries.pop(delivery_id, None)
        return True

    def _requests_stand(self, commit: PrivacyCommit) -> bool:
        written = {write.request.request_id: write.request for write in commit.requests}
        for write in commit.requests:
            was = self._requests.get(write.request.request_id)
            if (None if was is None else was.document) != write.before:
                return False
        others = [one for one in self._requests.values() if one.request_id not in written]
        keys = [one.open_key for one in (*others, *written.values()) if one.open_key is not None]
        return len(keys) == len(set(keys)) and len(written) == len(commit.requests)

    def _entries_follow(self, commit: PrivacyCommit) -> bool:
        first = len(self._entries) + 1
        return [one.number for one in commit.entries] == list(range(first, first + len(commit.entries)))

    async def request(self, request_id: str) -> StoredRequest | None:
        """Return a request by its id."""
        self._check_open()
        return self._requests.get(request_id)

    async def requests_in(self, workspace: int, group: str, limit: int) -> Sequence[StoredRequest]:
        """Return the requests of a workspace's group, the newest first."""
        self._check_open()
        found = [one for one in self._requests.values() if (one.workspace, one.group) == (workspace, group)]
        return sorted(found, key=lambda one: (one.received_ms, one.request_id), reverse=True)[:limit]

    async def requests_after(self, after_received_ms: int, after_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests in order, those after one."""
        self._check_open()
        ordered = sorted(self._requests.values(), key=lambda one: (one.received_ms, one.request_id))
        return [one for one in ordered if (one.received_ms, one.request_id) > (after_received_ms, after_id)][:limit]

    async def requests_before(self, before_received_ms: int, before_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests, the newest first, those before one."""
        self._check_open()
        ordered = sorted(self._requests.values(), key=lambda one: (one.received_ms, one.request_id), reverse=True)
        return [one for one in ordered if (one.received_ms, one.request_id) < (before_received_ms, before_id)][:limit]

    async def requests_due(self, now_ms: int, limit: int) -> Sequence[StoredRequest]:
        """Return requests about which something is to be done by now, the earliest first."""
        self._check_open()
        due = [(one.due_ms, one) for one in self._requests.values() if one.due_ms is not None and one.due_ms <= now_ms]
        return [one for _, one in sorted(due, key=lambda pair: (pair[0], pair[1].request_id))][:limit]

    async def forget_requests(self, ended_before_ms: int, limit: int) -> int:
        """Remove requests that ended before a time."""
        self._check_open()
        old = [one for one in self._requests.values() if one.ended_ms is not None and one.ended_ms < ended_before_ms]
        for one in old[:limit]:
            del self._requests[one.request_id]
        return len(old[:limit])

    async def entries(self, after_number: int, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence in order, the entries after a number."""
        self._check_open()
        return self._entries[after_number : after_number + limit]

    async def entries_of(self, request_id: str, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence of one request, in order."""
        self._check_open()
        return [one for one in self._entries if one.request_id == request_id][:limit]

    async def last_entry(self) -> StoredEntry | None:
        """Return the newest entry of the evidence."""
        self._check_open()
        return self._entries[-1] if self._entries else None

    async def tombstones(self, mpids: Sequence[int]) -> Mapping[int, Tombstone]:
        """Return those of some profiles that were erased."""
        self._check_open()
        return {mpid: self._tombstones[mpid] for mpid in mpids if mpid in self._tombstones}

    async def tombstones_after(self, mpid: int | None, limit: int) -> Sequence[Tombstone]:
        """Return all erased profiles by ascending MPID, those after one."""
        self._check_open()
        ordered = sorted(self._tombstones.values(), key=lambda one: one.mpid)
        return [one for one in ordered if mpid is None or one.mpid > mpid][:limit]

    async def suppressions_after(self, digest: bytes, limit: int) -> Sequence[Suppression]:
        """Return all suppressions by ascending digest, those after one."""
        self._check_open()
        ordered = sorted(self._suppressed.values(), key=lambda one: one.digest)
        return [one for one in ordered if one.digest > digest][:limit]

    async def deliveries_due(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Return what is to be told by now, the earliest first."""
        self._check_open()
        due = [one for one in self._deliveries.values() if one.due_ms <= now_ms]
        return sorted(due, key=lambda one: (one.due_ms, one.delivery_id))[:limit]

    async def audit(self, rows: Sequence[Audited]) -> None:
        """Keep who read or changed what."""
        self._check_open()
        self._audited += [one._replace(seq=next(self._audit_seqs)) for one in rows]

    async def audited(self, mpid: int | None, after_seq: int, limit: int) -> Sequence[Audited]:
        """Return who read or changed what is known of a profile, or of any."""
        self._check_open()
        return [one for one in self._audited if one.seq > after_seq and mpid in (None, one.mpid)][:limit]

    async def forget_audited(self, before_ms: int, limit: int) -> int:
        """Remove what was kept of reads and changes before a time."""
        self._check_open()
        old = [one for one in self._audited if one.at_ms < before_ms][:limit]
        self._audited = [one for one in self._audited if one not in old]
        return len(old)

    async def count(self, holding: Holding) -> Counts:
        """Count what there is of a holding."""
        self._check_open()
        return self._user_data.erased(holding, None, dry=True)

    async def erase(self, holding: Holding, limit: int) -> Counts:
        """Remove at most `limit` things of a holding."""
        self._check_open()
        return self._user_data.erased(holding, limit)

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        """Let lines of the log say something else, all or none."""
        self._check_open()
        if not all(0 < line.seq <= len(self._log) for line in lines):
            return False
        if any(self._log[line.seq - 1].observation != line.was for line in lines):
            return False
        for line in lines:
            entry = self._log[line.seq - 1]
            subjects = dict.fromkeys((*(one for one in entry.subjects if one not in line.dropped), *line.subjects))
            self._log[line.seq - 1] = replace(
                entry, observation=line.observation, decision=line.decision, subjects=tuple(subjects)
            )
        return True

    async def replace_or_drop(self, name: str, before: bytes, after: bytes | None) -> bool:
        """Put a kept document in the place of another, or remove it."""
        self._check_open()
        if self._kept.get(name) != before:
            return False
        if after is None:
            del self._kept[name]
        else:
            self._kept[name] = after
        return True

    async def scrub(self) -> Scrubbed:
        """Do nothing: nobody can look into what was freed."""
        self._check_open()
        return Scrubbed("memory", complete=True)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
