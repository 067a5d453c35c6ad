"""Finds decisions again, and says what a request would be answered without asking for it to be done."""

from dataclasses import replace
from typing import Final, cast

from knownas.core.identity.document import Document
from knownas.core.identity.observation import IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.service.policies import policies_of
from knownas.service.question import Rules
from knownas.service.receipts import RecentDecisions, log_entry, receipt
from knownas.service.resolver import Resolver
from knownas.store.port import Store

DECISION_ID_DIGITS: Final = 32


class Decisions:
    """Receipts, of decisions made and of decisions that would be."""

    def __init__(self, store: Store, recent: RecentDecisions, resolver: Resolver) -> None:
        self._store = store
        self._recent = recent
        self._resolver = resolver

    async def show(self, decision_id: str) -> Document | None:
        """Return the receipt of a decision: for ever if it changed something, for a while if it did not."""
        entry = self._recent.find(decision_id) or await self._store.decision(decision_id)
        if entry is None:
            return None
        policies = await policies_of(self._store, entry.pool.scope)
        return receipt(entry, policies.get(entry.policy_version))

    async def explain(self, rules: Rules, request: IdentityRequest) -> Document:
        """Return the receipt that a request would get now. Writes nothing.

        The MPID of a profile that would be made is not known before it is, and shows as None.
        """
        answer = await self._resolver.answer(rules.ask(request, writes=False, remembered=False))
        entry = replace(log_entry(answer), touched=())
        document = receipt(entry, rules.policy)
        document["changed"] = bool(answer.decision.writes)
        document["decision_id"] = None
        for member in (cast("Document", document["outcome"]), *cast("list[Document]", document["changes"])):
            if member.get("mpid") == str(NOT_MADE):
                member["mpid"] = None
        return document


def is_decision_id(text: str) -> bool:
    """Whether a text can be the id of a decision: 32 lower-case hex digits."""
    return len(text) == DECISION_ID_DIGITS and all(digit in "0123456789abcdef" for digit in text)
