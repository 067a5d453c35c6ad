"""Memory stores whose third part is broken in one way each, to show that the conformance suite notices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from knownas.store.memory.privacy import MemoryPrivacy
from knownas.store.privacy import (
    Audited,
    Counts,
    Delivery,
    Holding,
    PrivacyCommit,
    RedactedLine,
    RequestWrite,
    Scrubbed,
    StoredEntry,
    StoredRequest,
    Suppression,
    Tombstone,
)


class RequestsUnchecked(MemoryPrivacy):
    """Writes a request whatever was loaded of it."""

    def _requests_stand(self, commit: PrivacyCommit) -> bool:
        was = [self._requests.get(one.request.request_id) for one in commit.requests]
        truthful = [
            RequestWrite(one.request, None if there is None else there.document)
            for one, there in zip(commit.requests, was, strict=True)
        ]
        return super()._requests_stand(replace(commit, requests=truthful))


class KeysUnchecked(MemoryPrivacy):
    """Keeps two requests of one open key."""

    def _requests_stand(self, commit: PrivacyCommit) -> bool:
        keyless = [one._replace(request=one.request._replace(open_key=None)) for one in commit.requests]
        return super()._requests_stand(replace(commit, requests=keyless))


class KeysHeldForEver(MemoryPrivacy):
    """Lets nobody have an open key that somebody gives back in the same commit."""

    def _requests_stand(self, commit: PrivacyCommit) -> bool:
        taken = {one.open_key: one.request_id for one in self._requests.values() if one.open_key is not None}
        fair = all(taken.get(key, mine) == mine for (_, _, _, _, _, _, key, _), mine in _named(commit) if key)
        return fair and super()._requests_stand(commit)


def _named(commit: PrivacyCommit) -> list[tuple[StoredRequest, str]]:
    return [(one.request, one.request.request_id) for one in commit.requests]


class EntriesUnchecked(MemoryPrivacy):
    """Takes any entry for the next one."""

    def _entries_follow(self, commit: PrivacyCommit) -> bool:
        return super()._entries_follow(replace(commit, entries=()))


class GapsAllowed(MemoryPrivacy):
    """Takes entries of any higher number."""

    def _entries_follow(self, commit: PrivacyCommit) -> bool:
        numbers = [one.number for one in commit.entries]
        return numbers == sorted(set(numbers)) and all(one > len(self._entries) for one in numbers)


class HalfKept(MemoryPrivacy):
    """Keeps the rest of a commit whose entries do not follow."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        if not self._entries_follow(commit):
            await super().commit(replace(commit, entries=()))
            return False
        return await super().commit(commit)


class LastTombstone(MemoryPrivacy):
    """Gives a profile the tombstone of the request that came last."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        if is_kept := await super().commit(commit):
            self._tombstones.update((one.mpid, one) for one in commit.tombstones)
        return is_kept


class LastSuppression(MemoryPrivacy):
    """Keeps the suppression that came last."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        if is_kept := await super().commit(commit):
            self._suppressed.update((one.digest, one) for one in commit.suppressed if one.digest in self._suppressed)
        return is_kept


class NeverLifted(MemoryPrivacy):
    """Keeps suppressions that were lifted."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        return await super().commit(replace(commit, lifted=()))


class NeverDelivered(MemoryPrivacy):
    """Keeps what was told."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        return await super().commit(replace(commit, delivered=()))


class FirstDelivery(MemoryPrivacy):
    """Does not put a delivery in the place of the one with its id."""

    async def commit(self, commit: PrivacyCommit) -> bool:
        return await super().commit(
            replace(commit, deliveries=[one for one in commit.deliveries if one.delivery_id not in self._deliveries])
        )


class OldestFirst(MemoryPrivacy):
    """Shows a group's requests the wrong way round."""

    async def requests_in(self, workspace: int, group: str, limit: int) -> Sequence[StoredRequest]:
        return (await super().requests_in(workspace, group, 10_000))[::-1][:limit]


class GroupsOfAll(MemoryPrivacy):
    """Shows other workspaces' requests of a group of the same name."""

    async def requests_in(self, workspace: int, group: str, limit: int) -> Sequence[StoredRequest]:
        everywhere = {one.workspace for one in self._requests.values()} | {workspace}
        found: list[StoredRequest] = []
        for one in everywhere:
            found += await super().requests_in(one, group, limit)
        return sorted(found, key=lambda one: (one.received_ms, one.request_id), reverse=True)[:limit]


class PagedByTime(MemoryPrivacy):
    """Leaves out requests that came at the same time as the last of a page."""

    async def requests_after(self, after_received_ms: int, after_id: str, limit: int) -> Sequence[StoredRequest]:
        self._check_open()
        return await super().requests_after(after_received_ms, "~" if after_id else "", limit)


class PagedByTimeBackwards(MemoryPrivacy):
    """Leaves out requests that came at the same time as the last of a page, where the newest come first."""

    async def requests_before(self, before_received_ms: int, before_id: str, limit: int) -> Sequence[StoredRequest]:
        self._check_open()
        return await super().requests_before(before_received_ms, before_id[:0], limit)


class DueLate(MemoryPrivacy):
    """Shows requests a moment after they are due."""

    async def requests_due(self, now_ms: int, limit: int) -> Sequence[StoredRequest]:
        return await super().requests_due(now_ms - 1, limit)


class ForgetsOpenOnes(MemoryPrivacy):
    """Forgets requests by when they came."""

    async def forget_requests(self, ended_before_ms: int, limit: int) -> int:
        old = [one for one in self._requests.values() if one.received_ms < ended_before_ms][:limit]
        for one in old:
            del self._requests[one.request_id]
        return len(old)


class EntriesOneOff(MemoryPrivacy):
    """Shows the entry that a page begins after."""

    async def entries(self, after_number: int, limit: int) -> Sequence[StoredEntry]:
        return await super().entries(max(0, after_number - 1), limit)


class TombstonesUnordered(MemoryPrivacy):
    """Shows erased profiles in the order in which they were erased."""

    async def tombstones_after(self, mpid: int | None, limit: int) -> Sequence[Tombstone]:
        self._check_open()
        return [one for one in self._tombstones.values() if mpid is None or one.mpid > mpid][:limit]


class TombstonesOfAll(MemoryPrivacy):
    """Shows everybody's tombstones to whoever asks for some."""

    async def tombstones(self, mpids: Sequence[int]) -> Mapping[int, Tombstone]:
        return await super().tombstones([*mpids, *self._tombstones])


class DigestsWithSigns(MemoryPrivacy):
    """Orders digests as if their bytes had signs."""

    async def suppressions_after(self, digest: bytes, limit: int) -> Sequence[Suppression]:
        found = await super().suppressions_after(b"", 10_000)
        ordered = sorted(found, key=lambda one: bytes(byte ^ 0x80 for byte in one.digest))
        return [one for one in ordered if one.digest > digest][:limit]


class DeliveriesUnordered(MemoryPrivacy):
    """Shows deliveries by their ids."""

    async def deliveries_due(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        found = await super().deliveries_due(now_ms, 10_000)
        return sorted(found, key=lambda one: one.delivery_id)[:limit]


class NumbersAgain(MemoryPrivacy):
    """Gives reads numbers that were given out before."""

    async def forget_audited(self, before_ms: int, limit: int) -> int:
        gone = await super().forget_audited(before_ms, limit)
        if not self._audited:
            self._audit_seqs = iter(range(1, 1_000))  # type: ignore[assignment]
        return gone


class ReadsOfAll(MemoryPrivacy):
    """Shows reads of any profile to whoever asks for one."""

    async def audited(self, mpid: int | None, after_seq: int, limit: int) -> Sequence[Audited]:
        return await super().audited(None if mpid else mpid, after_seq, limit)


class ErasesAll(MemoryPrivacy):
    """Takes no notice of the limit."""

    async def erase(self, holding: Holding, limit: int) -> Counts:
        return await super().erase(holding, limit + 1)


class ErasesOfAll(MemoryPrivacy):
    """Erases ids of messages of any workspace's inputs."""

    async def erase(self, holding: Holding, limit: int) -> Counts:
        return await super().erase(holding._replace(input_keys=[*holding.input_keys, "elsewhere"]), limit)


class MentionsIgnored(MemoryPrivacy):
    """Erases the receipts of whatever came at the same time."""

    async def erase(self, holding: Holding, limit: int) -> Counts:
        return await super().erase(holding._replace(mention=b""), limit)


class ReceiptsStay(MemoryPrivacy):
    """Leaves receipts behind."""

    async def erase(self, holding: Holding, limit: int) -> Counts:
        return await super().erase(holding._replace(mention=b"\0"), limit)


class SectionsFirst(MemoryPrivacy):
    """Erases sections before the events by which receipts are found."""

    async def erase(self, holding: Holding, limit: int) -> Counts:
        self._check_open()
        data = self._user_data
        mine = [key for key in data._sections if (key.workspace, key.mpid) == (holding.workspace, holding.mpid)]
        for key in mine[:limit]:
            del data._sections[key], data._last_seen[key]
        step = await super().erase(holding, limit - len(mine[:limit]))
        return step._replace(sections=step.sections + len(mine[:limit]))


class RedactsUnchecked(MemoryPrivacy):
    """Redacts lines whatever they say."""

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        self._check_open()
        there = [one for one in lines if 0 < one.seq <= len(self._log)]
        return await super().redact([one._replace(was=self._log[one.seq - 1].observation) for one in there])


class RedactsOneByOne(MemoryPrivacy):
    """Redacts the lines before one that says something else."""

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        self._check_open()
        for one in lines:
            if not await super().redact([one]):
                return False
        return True


class OldNumbersStay(MemoryPrivacy):
    """Leaves redacted lines under the numbers that are dropped."""

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        return await super().redact([one._replace(dropped=()) for one in lines])


class NewNumbersOnly(MemoryPrivacy):
    """Drops all numbers of a redacted line."""

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        self._check_open()
        everything = [-5, -6, -7, -9]
        return await super().redact([one._replace(dropped=everything) for one in lines])


class ProfilesDropped(MemoryPrivacy):
    """Drops a line's profiles when they are named among the subjects to drop."""

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        is_done = await super().redact(lines)
        if is_done:
            for line in lines:
                entry = self._log[line.seq - 1]
                touched = tuple(one for one in entry.touched if one not in line.dropped)
                self._log[line.seq - 1] = replace(entry, touched=touched)
        return is_done


class DropsAnything(MemoryPrivacy):
    """Removes a document whatever it says."""

    async def replace_or_drop(self, name: str, before: bytes, after: bytes | None) -> bool:
        self._check_open()
        if after is None:
            return self._kept.pop(name, None) is not None
        return await super().replace_or_drop(name, before, after)


class ScrubsTooMuch(MemoryPrivacy):
    """Loses what came last when it scrubs."""

    async def scrub(self) -> Scrubbed:
        done = await super().scrub()
        self._user_data._aliases.clear()
        return done


class NeverScrubs(MemoryPrivacy):
    """Always says that somebody is in the way."""

    async def scrub(self) -> Scrubbed:
        return (await super().scrub())._replace(complete=False)


class OpenForEver(MemoryPrivacy):
    """Answers after it was closed."""

    def close(self) -> None:
        pass


BROKEN = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, MemoryPrivacy) and one is not MemoryPrivacy
]
