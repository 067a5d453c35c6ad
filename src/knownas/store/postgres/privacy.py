"""The PostgreSQL store's third part: requests of data subjects, the evidence, and erasing, over the same connections."""

from collections.abc import Mapping, Sequence

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.database import Database
from knownas.store.postgres.limits import CALL_SECONDS, CALL_SECONDS_A_ROW, SLOW_CALL_SECONDS
from knownas.store.postgres.scrubbing import scrub
from knownas.store.postgres.trouble import LostRace
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

_Rows = list[tuple[object, ...]]


class PostgresPrivacy:
    """Keeps requests and evidence in a database, and erases. Implements `store.privacy.PrivacyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def commit(self, commit: PrivacyCommit) -> bool:
        """Keep all of a commit by one call; it has waited for the disk when it returns."""
        rows = len(commit.requests) + len(commit.entries) + len(commit.suppressed) + len(commit.deliveries)
        try:
            await self._database.commit("privacy_commit", _arguments(commit), rows)
        except LostRace:
            return False
        return True

    async def request(self, request_id: str) -> StoredRequest | None:
        """Return a request by its id."""
        for row in await self._database.read("subject_request", request_id):
            return StoredRequest(*row)
        return None

    async def requests_in(self, workspace: int, group: str, limit: int) -> Sequence[StoredRequest]:
        """Return the requests of a workspace's group, the newest first."""
        return [StoredRequest(*row) for row in await self._database.read("requests_in", workspace, group, limit)]

    async def requests_after(self, after_received_ms: int, after_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests in order, those after one."""
        rows = await self._database.read("requests_after", after_received_ms, after_id, limit)
        return [StoredRequest(*row) for row in rows]

    async def requests_before(self, before_received_ms: int, before_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests, the newest first, those before one."""
        rows = await self._database.read("requests_before", before_received_ms, before_id, limit)
        return [StoredRequest(*row) for row in rows]

    async def requests_due(self, now_ms: int, limit: int) -> Sequence[StoredRequest]:
        """Return requests about which something is to be done by now, the earliest first."""
        return [StoredRequest(*row) for row in await self._database.read("requests_due", now_ms, limit)]

    async def forget_requests(self, ended_before_ms: int, limit: int) -> int:
        """Remove requests that ended before a time, the first ones first."""
        return len(await self._database.repeat("forget_requests", ended_before_ms, limit))

    async def entries(self, after_number: int, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence in order, the entries after a number."""
        return [StoredEntry(*row) for row in await self._database.read("entries", after_number, limit)]

    async def entries_of(self, request_id: str, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence of one request, in order."""
        return [StoredEntry(*row) for row in await self._database.read("entries_of", request_id, limit)]

    async def last_entry(self) -> StoredEntry | None:
        """Return the newest entry of the evidence."""
        for row in await self._database.read("last_entry"):
            return StoredEntry(*row)
        return None

    async def tombstones(self, mpids: Sequence[int]) -> Mapping[int, Tombstone]:
        """Return those of some profiles that were erased."""
        return {row[0]: Tombstone(*row) for row in await self._database.read("tombstones", list(mpids))}

    async def tombstones_after(self, mpid: int | None, limit: int) -> Sequence[Tombstone]:
        """Return all erased profiles by ascending MPID, those after one."""
        first = MPID_MIN if mpid is None else mpid + 1
        if first > MPID_MAX:
            return []
        return [Tombstone(*row) for row in await self._database.read("tombstones_from", first, limit)]

    async def suppressions_after(self, digest: bytes, limit: int) -> Sequence[Suppression]:
        """Return all suppressions by ascending digest, those after one."""
        return [Suppression(*row) for row in await self._database.read("suppressions_after", digest, limit)]

    async def deliveries_due(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Return what is to be told by now, the earliest first."""
        return [Delivery(*row) for row in await self._database.read("deliveries_due", now_ms, limit)]

    async def audit(self, rows: Sequence[Audited]) -> None:
        """Keep who read or changed what, by one call; it has waited for the disk when it returns."""
        if rows:
            await self._database.commit("privacy_commit", _arguments(PrivacyCommit(), rows), len(rows))

    async def audited(self, mpid: int | None, after_seq: int, limit: int) -> Sequence[Audited]:
        """Return who read or changed what is known of a profile, or of any.

        A row of a call that is under way can appear below those that are there.
        """
        if mpid is None:
            return [Audited(*row) for row in await self._database.read("audited", after_seq, limit)]
        return [Audited(*row) for row in await self._database.read("audited_of", mpid, after_seq, limit)]

    async def forget_audited(self, before_ms: int, limit: int) -> int:
        """Remove what was kept of reads and changes before a time, the first first."""
        return len(await self._database.repeat("forget_audited", before_ms, limit))

    async def count(self, holding: Holding) -> Counts:
        """Count what there is of a holding."""
        (row,) = await self._database.read("count_held", *_asked(holding), seconds=SLOW_CALL_SECONDS)
        return Counts(*row)

    async def erase(self, holding: Holding, limit: int) -> Counts:
        """Remove at most `limit` things of a holding, in one transaction.

        When its answer is lost, it is carried out again; what is returned is how much went then.
        """
        seconds = CALL_SECONDS + limit * CALL_SECONDS_A_ROW
        (row,) = await self._database.repeat("erase", *_asked(holding), limit, seconds=seconds)
        return Counts(*row)

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        """Let lines of the log say something else, by one call; it has waited for the disk when it returns."""
        arguments = [
            *columns_text([(one.seq, one.was, one.observation, one.decision) for one in lines], 4, {1, 2, 3}),
            *columns_text([(line.seq, one) for line in lines for one in line.dropped], 2),
            *columns_text([(line.seq, one) for line in lines for one in line.subjects], 2),
        ]
        rows = sum(1 + len(line.dropped) + len(line.subjects) for line in lines)
        try:
            await self._database.commit("redact", arguments, rows)
        except LostRace:
            return False
        return True

    async def replace_or_drop(self, name: str, before: bytes, after: bytes | None) -> bool:
        """Put a kept document in the place of another, or remove it. What was there is overwritten by `scrub`."""

        async def is_done() -> bool:
            rows = await self._database.read("kept", name)
            return [row[0] for row in rows] == ([] if after is None else [after])

        if after is None:
            return await self._database.insert("drop_kept", name, before, is_there=is_done)
        return await self._database.insert("replace_kept", name, before, after, is_there=is_done)

    async def scrub(self) -> Scrubbed:
        """Write the tables that erasing touches anew."""
        return await scrub(self._database)


def _asked(holding: Holding) -> tuple[object, ...]:
    return holding.mpid, holding.workspace, list(holding.input_keys), holding.mention


def _arguments(commit: PrivacyCommit, audited: Sequence[Audited] = ()) -> list[object]:
    """Return the arguments of the function `privacy_commit_1` after its token.

    Raises:
        LostRace: it contradicts itself.
    """
    if len({one.request.request_id for one in commit.requests}) < len(commit.requests):
        raise LostRace("a request is written twice")
    changed: _Rows = [(*one.request, one.before) for one in commit.requests if one.before is not None]
    new: _Rows = [one.request for one in commit.requests if one.before is None]
    return [
        *columns_text(changed, 9, {7, 8}),
        *columns_text(new, 8, {7}),
        *columns_text(commit.entries, 3, {2}),
        *columns_text(commit.tombstones, 3),
        *columns_text(commit.suppressed, 3, {0}),
        *columns_text([(digest,) for digest in commit.lifted], 1, {0}),
        *columns_text(commit.deliveries, 4, {3}),
        *columns_text([(one,) for one in commit.delivered], 1),
        *columns_text([(one.at_ms, one.mpid, one.document) for one in audited], 3, {2}),
    ]
