"""Shows profiles and their history, and brings profiles of another system over (design §7)."""

import asyncio
from dataclasses import dataclass

from knownas.core.identity.decision import DecidedBy, Decision, Receipt, Refusal, Refused
from knownas.core.identity.document import Document, values_document
from knownas.core.identity.observation import SeedRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, is_known
from knownas.service.history.as_of import past_of, rules_then
from knownas.service.history.successors import gone_among
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.question import Answer
from knownas.service.identity.receipts import changes_of, rfc3339
from knownas.service.identity.resolver import Resolver
from knownas.service.security.directory import Directory
from knownas.store.port import Pool, Store


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a list, and where the next page starts; None at the end."""

    items: list[Document]
    next_seq: int | None


class Profiles:
    """Profiles as our own API shows them."""

    def __init__(self, store: Store, directory: Directory, resolver: Resolver, activity: ActivityMemory) -> None:
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._activity = activity
        self._seeding = asyncio.Lock()

    async def erased_by(self, mpid: int) -> str | None:
        """Return the id of the request by which a profile was erased; None if it was not."""
        stored = await self._store.profile(mpid)
        if stored is None or stored.record.size:
            return None
        tombstone = (await self._store.privacy.tombstones([mpid])).get(mpid)
        return None if tombstone is None else tombstone.request_id

    async def show(self, mpid: int) -> Document | None:
        """Return a profile, None if there is none with this MPID."""
        stored = await self._store.profile(mpid)
        if stored is None:
            return None
        leads_to = (await gone_among(self._store, [stored.record])).get(mpid)
        document = self.document(stored.pool, stored.record)
        return document if leads_to is None else document | {"leads_to": str(leads_to)}

    async def show_as_of(self, mpid: int, at_ms: int) -> Document | None:
        """Return a profile as it was at a time, in Unix milliseconds; None if there was none with this MPID.

        Raises:
            TooLarge: more lines of the log could have mattered than are folded at once.
        """
        stored = await self._store.profile(mpid)
        if stored is None:
            return None
        past = await past_of(self._store, stored.pool, at_ms, (mpid,))
        record = past.world.records.record(mpid)
        rules = await rules_then(self._store, stored.pool.scope, at_ms)
        if record is None:
            return None
        last_active_ms = past.world.records.active_ms(record)
        return _document(stored.pool, record, last_active_ms, None if rules is None else rules.policy)

    def document(self, pool: Pool, record: Record) -> Document:
        """Write a profile down the way the API answers it."""
        rules = self._directory.rules(pool.scope)
        return _document(pool, record, self.last_active_ms(record), None if rules is None else rules.policy)

    def last_active_ms(self, record: Record) -> int:
        """Return when a profile was last active, also where that is not written down yet."""
        return max(record.active_ms, self._activity.last(record.mpid) or 0)

    async def history(self, mpid: int, after_seq: int, limit: int) -> Page:
        """Return what happened to a profile's identities, oldest first, by pages of decisions."""
        entries = await self._store.history(mpid, after_seq, limit + 1)
        items: list[Document] = [
            {
                "at": rfc3339(entry.at_ms),
                "decision_id": entry.decision_id,
                "change": change.kind,
                "type": change.identity.type,
                "value": change.identity.value,
                "from_mpid": None if change.from_mpid is None else str(change.from_mpid),
                "to_mpid": None if change.from_mpid is None else str(change.mpid),
            }
            for entry in entries[:limit]
            for change in changes_of(entry)
            if mpid in (change.mpid, change.from_mpid)
        ]
        return Page(items, entries[limit - 1].seq if len(entries) > limit else None)

    async def seed(self, scope: str, request: SeedRequest) -> Answer | None:
        """Bring a profile over; None if there is no such scope."""
        rules = self._directory.rules(scope)
        if rules is None:
            return None
        question = rules.ask(request)
        if request.mpid is None:
            return await self._resolver.answer(question)
        # An MPID names one profile in all scopes and environments, and the resolver sees only one of them. So those
        # who bring an MPID come one after the other.
        async with self._seeding:
            taken = await self._store.profile(request.mpid)
            if taken is None or taken.pool == question.pool:
                return await self._resolver.answer(question)
        refused = Refused(Refusal.MPID_TAKEN, f"There is a profile {request.mpid} already.")
        return Answer("", question, Decision(refused, Receipt(question.policy.version, (), DecidedBy.REFUSED)))


def _document(pool: Pool, record: Record, last_active_ms: int, policy: Policy | None) -> Document:
    return {
        "mpid": str(record.mpid),
        "scope": pool.scope,
        "environment": pool.environment or "shared",
        "known": _known(record, policy),
        "orphan": record.orphan,
        "created_at": rfc3339(record.created_ms),
        "last_active_at": rfc3339(last_active_ms),
        "source_mpid": None if record.source_mpid is None else str(record.source_mpid),
        "leads_to": None,
        "identities": values_document(record.identities),
        "carried_identities": values_document(record.carried),
    }


def _known(record: Record, policy: Policy | None) -> bool:
    return record.known if policy is None else is_known(record.identities, policy)
