"""Carries erasures out again on a database that was restored from a backup made before them (decision 40).

What the ledger tells is taken over first: the entries of the evidence as they are, the requests that have ended, the tombstones, and what
stays out. Then each erasure is carried out by the steps that every erasure has (`service.erasure.erasing`), and told in one entry.

The backup is older than the erasure: the person's identities may be on somebody else in it, or named by lines of the log alone.
They are recognised by the digests that the ledger has of them, and taken off whoever has them. A profile that was made after
the backup is made again with nothing on it, and erased; what names the person is rewritten all the same.

All of it can be interrupted anywhere, and called again.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeVar

import msgspec

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment, IdentityChange, ModifyRequest, SeedRequest
from knownas.core.privacy.evidence import Fact, Happening, Head, Step, faults_of, head_of
from knownas.core.privacy.request import Encoding, Regulation, RequestState, RequestType, SubjectRequest
from knownas.service.erasure.erased_lines import named_by
from knownas.service.erasure.erasing import Erasing
from knownas.service.erasure.erasing_begin import KEY_BYTES
from knownas.service.erasure.keeping_out import KeepingOut
from knownas.service.evidence.chain import Evidence, entry_bytes
from knownas.service.evidence.ledger_form import LedgerErasure
from knownas.service.evidence.ledger_reading import LedgerAfter
from knownas.service.identity.knowing import place_of
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import (
    EVIDENCE_OF_REQUEST_MAX,
    HOLDERS_RELIEVED_A_STEP,
    OWN_IDENTITIES_MAX,
    PAGE_MAX,
    SCRUBS_MAX,
)
from knownas.service.privacy.subject_finding import PRIVACY_INPUT, environment_of
from knownas.service.privacy.subject_request_form import (
    NOBODY,
    KeptRequest,
    Progress,
    Replay,
    kept_request,
    nameless,
    stored,
)
from knownas.service.security.directory import Directory
from knownas.store.errors import StoreBusy, StoreDamaged
from knownas.store.port import Pool, Store, StoredProfile
from knownas.store.privacy import PrivacyCommit, RequestWrite, StoredEntry, StoredRequest, Tombstone

_T = TypeVar("_T")

SCRUBBED_AGAIN_SECONDS: Final = 1.0
"""The pause before free space is overwritten again, where somebody kept it from being done."""


class CantReplay(Exception):
    """The erasures of a ledger can't be carried out here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was done: how many erasures were carried out again, and which requests were lost with the database."""

    entries: int
    erasures: int
    suppressions: int
    lost: Sequence[str]


class Replaying:
    """Carries erasures out again over one store that nobody serves. One event loop, one of these."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        resolver: Resolver,
        erasing: Erasing,
        keeping_out: KeepingOut,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._erasing = erasing
        self._keeping_out = keeping_out
        self._clock = clock
        self._evidence = Evidence(store.privacy)

    async def replay(
        self, ledger: LedgerAfter, backup: Head, facts: Mapping[str, Fact], watch: Callable[[str, int], None]
    ) -> Replayed:
        """Take over what a ledger tells, and carry its erasures out; `facts` are told of the restored backup.

        Raises:
            CantReplay: a workspace of an erasure is not configured, or an erasure can't be carried out.
            StoreError: the store could not do it; what is done stays, and this is called again.
        """
        asked = await self._asked(ledger, backup)
        knows_digests = not ledger.key_digests or self._keeping_out.key_digest in ledger.key_digests
        if not knows_digests:
            raise CantReplay(
                "the ledger's digests were made with another key than the backup has: it is of another database, or the backup "
                "was made before there was a key: by an older release, or before the first server started. If it is the right "
                "one, --without-key erases again by MPID alone"
            )
        await self._prepare(asked, watch)
        await self._take_over(ledger, asked, backup)
        lost = await self._lost(ledger)
        told: dict[str, Fact] = {
            **facts,
            "entries": backup.number,
            "taken_over": len(ledger.entries),
            "erasures": len(asked),
            "suppressed": len(ledger.suppressions),
            "requests_lost": len(lost),
        }
        await self._tell(told, ledger.entries[-1].number if ledger.entries else backup.number)
        for number, request_id in enumerate(asked):
            watch("erasing again", number)
            await self._erase(request_id)
        for request_id in asked:
            await self._complete(request_id)
        await self._keeping_out.changed()
        await self._check()
        return Replayed(len(ledger.entries), len(asked), len(ledger.suppressions), lost)

    async def _asked(self, ledger: LedgerAfter, backup: Head) -> Mapping[str, KeptRequest]:
        """Return the erasures that the backup does not have, each as it is to be carried out."""
        asked: dict[str, KeptRequest] = {}
        for request_id, kept in ledger.requests.items():
            is_begun = kept.progress.is_sought and kept.request.state is not RequestState.CANCELLED
            if kept.request.type is RequestType.ERASURE and is_begun and kept.mpids:
                asked[request_id] = kept
        forgotten: dict[str, list[LedgerErasure]] = {}
        for one in ledger.erasures:
            if one.request_id not in asked:
                forgotten.setdefault(one.request_id, []).append(one)
        for request_id, erasures in forgotten.items():
            asked[request_id] = await self._forgotten(erasures, ledger)
        for request_id, kept in list(asked.items()):
            if place_of(self._directory, kept.request.workspace) is None:
                raise CantReplay(
                    f"the erasure {request_id} is of workspace {kept.request.workspace}, which is not configured: configure it, at "
                    "least for this"
                )
            if await self._is_in_backup(request_id, backup):
                del asked[request_id]
        return asked

    async def _is_in_backup(self, request_id: str, backup: Head) -> bool:
        entries = await self._store.privacy.entries_of(request_id, EVIDENCE_OF_REQUEST_MAX)
        numbers = [one.number for one in entries if one.number <= backup.number]
        steps = {one.happening.step for one in await self._evidence.numbered(numbers)}
        return Step.COMPLETED in steps

    async def _forgotten(self, erasures: Sequence[LedgerErasure], ledger: LedgerAfter) -> KeptRequest:
        """Return the request of an erasure of which no more is known than what was erased."""
        erasure = erasures[0]
        profiles = [await self._store.profile(one.mpid) for one in erasures]
        workspace = next((one.workspace for one in erasures if one.workspace is not None), None)
        if workspace is None:
            workspace = _asked_by(erasure.request_id, ledger) or self._knowing(profiles[0])
        request = SubjectRequest(
            erasure.request_id,
            workspace,
            Regulation.GDPR,
            RequestType.ERASURE,
            NOBODY,
            erasure.at_ms,
            erasure.at_ms,
            erasure.at_ms,
            begun_ms=erasure.at_ms,
            ended_ms=erasure.at_ms,
        )
        first, *further = [
            Progress(
                is_sought=True,
                mpid=one.mpid,
                environment=Environment.PRODUCTION if profile is None else environment_of(profile.pool),
                is_whole=one.workspace is None,
            )
            for one, profile in zip(erasures, profiles, strict=True)
        ]
        return KeptRequest(request, first, tuple(further))

    def _knowing(self, profile: StoredProfile | None) -> int:
        """Return a workspace of a profile's scope; any, where there is nothing of it but its number."""
        places = list(self._directory.places)
        inside = [one for one in places if profile is not None and one.rules.scope == profile.pool.scope]
        return next((one.workspace.id for one in (*inside, *places)), 0)

    async def _prepare(self, asked: Mapping[str, KeptRequest], watch: Callable[[str, int], None]) -> None:
        """Keep each erasure as one that is under way, with what the person was called as far as the backup says that."""
        rows = {request_id: await self._store.privacy.request(request_id) for request_id in asked}
        new = [one for one, row in rows.items() if row is None or kept_request(row).progress.replay is None]
        named = await self._named({one: asked[one] for one in new}, watch)
        for request_id in new:
            row, kept = rows[request_id], asked[request_id]
            again = _again(kept, None if row is None else kept_request(row), named.get(request_id, {}))
            begun_ms = again.request.begun_ms
            whole = [one.mpid for one in again.each if one.is_whole and one.mpid is not None]
            tombstones = [Tombstone(mpid, request_id, begun_ms) for mpid in whole if begun_ms is not None]
            await self._write(PrivacyCommit(requests=[_replacing(stored(again), row)], tombstones=tombstones))

    async def _named(
        self, asked: Mapping[str, KeptRequest], watch: Callable[[str, int], None]
    ) -> Mapping[str, Mapping[Identity, str]]:
        """Go through the log for identities that have the digests of erased ones; of each request those that were found, with these."""
        wanted: dict[bytes, list[str]] = {}
        for request_id, kept in asked.items():
            for digest in (digest for one in kept.each for digest in one.digests):
                wanted.setdefault(bytes.fromhex(digest), []).append(request_id)
        found: dict[str, dict[Identity, str]] = {}
        scopes = self._directory.scopes.values() if wanted else ()
        lines = 0
        for pool in [pool for rules in scopes for pool in rules.pools]:
            seq = 0
            while page := await self._store.log(pool, seq, PAGE_MAX):
                seq = page[-1].seq
                lines += len(page)
                for one in {one for entry in page for one in named_by(entry)}:
                    for digest in self._keeping_out.digests(pool, [one]):
                        for request_id in wanted.get(digest, ()):
                            found.setdefault(request_id, {})[one] = digest.hex()
                watch("looking for whom was erased", lines)
                await asyncio.sleep(0)
        return {request_id: dict(islice(some.items(), OWN_IDENTITIES_MAX)) for request_id, some in found.items()}

    async def _take_over(self, ledger: LedgerAfter, asked: Mapping[str, KeptRequest], backup: Head) -> None:
        """Keep the other requests, what stays out, and the entries of the evidence."""
        for request_id, kept in ledger.requests.items():
            row = await self._store.privacy.request(request_id)
            has_ended = kept.request.ended_ms is not None and (row is None or row.ended_ms is None)
            if has_ended and request_id not in asked:
                await self._write(PrivacyCommit(requests=[_replacing(stored(nameless(kept)), row)]))
        for page in _pages(ledger.suppressions):
            await self._write(PrivacyCommit(suppressed=page))
        for page in _pages(ledger.let_in):
            await self._write(PrivacyCommit(lifted=page))
        head = await self._evidence.head()
        known = {backup.number: backup.hash, **{one.number: one.hash for one in ledger.entries}}
        if known.get(head.number, head.hash) != head.hash:
            raise StoreDamaged(f"entry {head.number} of the evidence is not that of the ledger")
        left = [one for one in ledger.entries if one.number > head.number]
        for entries in _pages(left):
            rows = [StoredEntry(one.number, one.happening.request_id, entry_bytes(one)) for one in entries]
            await self._write(PrivacyCommit(entries=rows))

    async def _write(self, change: PrivacyCommit) -> None:
        if not await self._store.privacy.commit(change):
            raise StoreBusy("somebody else writes to the database that is restored")

    async def _lost(self, ledger: LedgerAfter) -> Sequence[str]:
        """Return the requests that came after the backup and had not been begun: nobody knows whom they named."""
        happened = [one.happening for one in ledger.entries]
        ended = {one.request_id for one in happened if one.step in (Step.COMPLETED, Step.CANCELLED)}
        received = dict.fromkeys(one.request_id for one in happened if one.step is Step.RECEIVED)
        return [one for one in received if one not in ended and await self._store.privacy.request(one) is None]

    async def _tell(self, facts: Mapping[str, Fact], after: int) -> None:
        """Tell once that the backup was restored."""
        while entries := await self._evidence.entries(after, PAGE_MAX):
            after = entries[-1].number
            if any(one.happening.step is Step.RESTORED for one in entries):
                return
        await self._evidence.write([Happening(self._clock(), "", Step.RESTORED, facts)])

    async def _erase(self, request_id: str) -> None:
        """Take all steps of an erasure but the one that overwrites free space."""
        row = await self._row(request_id)
        if row.ended_ms is None:
            for progress in kept_request(row).each:
                if progress.is_whole:
                    await self._bring(row, progress)
                    await self._relieve(row, progress)
            await self._erasing.carry_out(await self._row(request_id), scrubs=False)
            stopped = kept_request(await self._row(request_id))
            if "_told_too_much" in stopped.progress.done:
                raise CantReplay(f"the erasure {request_id}: the person has more history than an erasure follows")

    async def _complete(self, request_id: str) -> None:
        """Overwrite free space, once for all, and complete an erasure."""
        for _ in range(SCRUBS_MAX + 1):
            row = await self._row(request_id)
            if row.ended_ms is not None:
                return
            await self._erasing.carry_out(row)
            if (await self._row(request_id)).ended_ms is None:
                await asyncio.sleep(SCRUBBED_AGAIN_SECONDS)
        raise CantReplay(f"the erasure {request_id} does not come to its end: somebody else uses the database")

    async def _row(self, request_id: str) -> StoredRequest:
        row = await self._store.privacy.request(request_id)
        if row is None:
            raise AssertionError("a request that is carried out again is kept")
        return row

    async def _bring(self, row: StoredRequest, progress: Progress) -> None:
        """Let a profile that was made after the backup be there, with nothing on it: its MPID is never given out again."""
        place = place_of(self._directory, row.workspace)
        if place is None or progress.mpid is None or await self._store.profile(progress.mpid) is not None:
            return
        environment = progress.environment or Environment.PRODUCTION
        request = SeedRequest(self._clock(), environment, PRIVACY_INPUT, progress.mpid, ())
        await self._resolver.answer(place.rules.ask(request))

    async def _relieve(self, row: StoredRequest, progress: Progress) -> None:
        """Take identities that were the person's own when they were erased off whoever had them when the backup was made.

        It is asked as anybody would; what the rules refuse stays, and is counted as another's too.
        """
        place = place_of(self._directory, row.workspace)
        if place is None or progress.mpid is None:
            raise AssertionError("that was looked at before")
        profile = await self._store.profile(progress.mpid)
        if profile is None:
            raise AssertionError("a profile that is erased is there")
        pool = profile.pool
        recognised = set(progress.digests)
        for one in progress.own:
            if self._keeping_out.digests(pool, [one])[0].hex() in recognised:
                await self._relieve_of(pool, row, one, progress.mpid)

    async def _relieve_of(self, pool: Pool, row: StoredRequest, one: Identity, mpid: int) -> None:
        place = place_of(self._directory, row.workspace)
        tried: set[int] = {mpid}
        while place is not None:
            holders = await self._store.holders(pool, one, len(tried) + HOLDERS_RELIEVED_A_STEP)
            others = [other for other in holders if other not in tried]
            if not others:
                return
            for other in others:
                change = IdentityChange(one.type, one.value, None)
                request = ModifyRequest(self._clock(), environment_of(pool), PRIVACY_INPUT, other, (change,))
                await self._resolver.answer(place.rules.ask(request))
            tried.update(others)

    async def _check(self) -> None:
        """Look whether the evidence is one chain from its beginning to its end."""
        at = Head()
        while entries := await self._evidence.entries(at.number, PAGE_MAX):
            for fault in faults_of(entries, after=at):
                raise StoreDamaged(f"entry {fault.number} of the evidence: {fault.fault.value}")
            at = head_of(entries[-1])


def _asked_by(request_id: str, ledger: LedgerAfter) -> int:
    """Return the workspace of which a request was, by the evidence; 0 if that is not told."""
    for entry in ledger.entries:
        workspace = entry.happening.facts.get("workspace")
        if entry.happening.request_id == request_id and isinstance(workspace, int):
            return workspace
    return 0


def _again(kept: KeptRequest, before: KeptRequest | None, named: Mapping[Identity, str]) -> KeptRequest:
    """Return an erasure as one that is under way. `before` is how it was when the backup was made, if it had come by then."""
    request = replace(kept.request, subject=NOBODY, callbacks=(), ended_ms=None)
    was: Mapping[int | None, Progress] = {}
    asked: list[Identity] = []
    if before is not None:
        asked = [one.identity for one in before.request.subject.identities if one.encoding is Encoding.RAW]
        was = {one.mpid: one for one in before.each if one.is_sought}
    each: list[Progress] = []
    for one in kept.each:
        digests = frozenset(one.digests)
        own = [identity for identity, digest in named.items() if digest in digests]
        each.append(_one_again(kept, one, was.get(one.mpid), [*own, *asked]))
    return kept.changed(each, request)


def _one_again(kept: KeptRequest, one: Progress, was: Progress | None, own: Sequence[Identity]) -> Progress:
    """Return how far an erasure that is under way again is with one of its profiles."""
    progress = was or msgspec.structs.replace(one, done=(), there={}, shared=0)
    # What stays out is taken over from the ledger, and nobody else writes.
    is_kept_out = kept.request.ended_ms is not None or "_keep_out" in one.done
    done = (*progress.done, "_settle", *(("_keep_out",) if is_kept_out else ()))
    has_forgotten = "_forget" in done
    return msgspec.structs.replace(
        progress,
        key=progress.key or ("" if has_forgotten else secrets.token_hex(KEY_BYTES)),
        own=() if has_forgotten else tuple(dict.fromkeys((*progress.own, *own))),
        done=done,
        digests=one.digests or progress.digests,
        kept_out=one.kept_out or progress.kept_out,
        replay=Replay(kept.request.ended_ms),
    )


def _replacing(row: StoredRequest, before: StoredRequest | None) -> RequestWrite:
    return RequestWrite(row, None if before is None else before.document)


def _pages(items: Sequence[_T]) -> Sequence[Sequence[_T]]:
    return [items[at : at + PAGE_MAX] for at in range(0, len(items), PAGE_MAX)]
