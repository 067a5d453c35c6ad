"""Finds decisions again, and says what a request would be answered without asking for it to be done."""

from typing import Final, cast

from knownas.core.history.counterfactual import Case, Counterfactual, Over, counterfactuals
from knownas.core.history.recollection import Untold
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision
from knownas.core.identity.document import Document
from knownas.core.identity.observation import Correction, IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.identity.records import Records
from knownas.service.history.as_of import past_of, rules_then
from knownas.service.history.subjects import profile_named_in
from knownas.service.identity.log_form import decision_from, observation_from
from knownas.service.identity.policies import policies_of
from knownas.service.identity.question import Answer, Rules
from knownas.service.identity.receipts import RecentDecisions, log_entry, receipt
from knownas.service.identity.recollecting import LoggedDecision, Recollecting
from knownas.service.identity.resolver import Resolver
from knownas.store.port import LogEntry, Store

DECISION_ID_DIGITS: Final = 32


class Decisions:
    """Receipts, of decisions made and of decisions that would be."""

    def __init__(self, store: Store, recent: RecentDecisions, resolver: Resolver) -> None:
        self._store = store
        self._recent = recent
        self._resolver = resolver
        self._recollecting = Recollecting(store, resolver)

    async def show(self, decision_id: str) -> Document | None:
        """Return the receipt of a decision: for ever if it changed something, for a while if it did not.

        Raises:
            Overloaded: too many receipts are asked for at once.
            StoreError: the store does not answer.
        """
        entry = await self._store.decision(decision_id)
        logged = entry is not None
        if entry is None:
            entry = self._recent.find(decision_id)
        if entry is None or (not logged and await self._names_erased(entry)):
            return None
        policies = await policies_of(self._store, entry.pool.scope)
        if entry.policy_version not in policies:
            return receipt(entry, None, Counterfactual(None, untold=Untold.NOT_REPRODUCED))
        line = LoggedDecision(entry, observation_from(entry.observation), decision_from(entry.decision), policies)
        if isinstance(line.observation, Correction):
            # It names what it takes back; there is nothing that could have been otherwise.
            return receipt(entry, line.policy, Counterfactual(Over.DECISION))
        return receipt(entry, line.policy, await (self._then(line) if logged else self._now(line)))

    async def _names_erased(self, entry: LogEntry) -> bool:
        """Whether a decision that only this process remembers is about somebody whom another one has erased meanwhile."""
        decision, observation = decision_from(entry.decision), observation_from(entry.observation)
        named = {decision.answered, profile_named_in(observation)}
        for step in decision.receipt.steps:
            named.update((*step.returnable, *step.left, *(one.mpid for one in step.rejected)))
        return bool(await self._store.privacy.tombstones(sorted(one for one in named if one is not None)))

    async def explain(self, rules: Rules, request: IdentityRequest) -> Document:
        """Return the receipt that a request would get now. Writes nothing.

        The MPID of a profile that would be made is not known before it is, and shows as None.

        Raises:
            Overloaded: too many explanations are asked for at once.
            StoreError: the store does not answer.
        """
        records = await self._resolver.look(rules.ask(request, writes=False).wanted())
        return _explained(rules, request, records)

    async def explain_as_of(self, rules: Rules, request: IdentityRequest) -> Document | None:
        """Return the receipt that a request would have got at its own time; None before the scope's first policy.

        Raises:
            TooLarge: more lines of the log could have mattered than are folded at once.
            StoreError: the store does not answer.
        """
        pool = rules.pool(request.environment)
        then = await rules_then(self._store, rules.scope, request.at_ms)
        if then is None:
            return None
        named = () if request.previous_mpid is None else (request.previous_mpid,)
        asked = tuple(then.ask(request, writes=False).wanted().identities)
        past = await past_of(self._store, pool, request.at_ms, named, asked)
        return _explained(then, request, past.world.records)

    async def _then(self, line: LoggedDecision) -> Counterfactual:
        """Decide over the records of the time, and only if they come to the decision that the log has."""
        records = await self._recollecting.before(line)
        if isinstance(records, Untold):
            return Counterfactual(None, untold=records)
        again = _again(line, records)
        if not records.missed and _shown(again) != _shown(line.decision):
            return Counterfactual(None, untold=Untold.NOT_REPRODUCED)
        return Counterfactual(Over.DECISION if line.entry.touched else Over.LINE, _cases(line, records))

    async def _now(self, line: LoggedDecision) -> Counterfactual:
        """Decide over the records as they are, as long as they come to the same decision."""
        records = await self._resolver.look(line.wanted())
        if _shown(_again(line, records)) != _shown(line.decision):
            return Counterfactual(None, untold=Untold.RECORDS_CHANGED)
        return Counterfactual(Over.NOW, _cases(line, records))


def _explained(rules: Rules, request: IdentityRequest, records: Records) -> Document:
    """Show what a request is answered over some records."""
    question = rules.ask(request, writes=False)
    policy = question.policy
    if isinstance(question.observation, IdentityRequest):
        request = question.observation
    decision = question.turned_away() if question.is_turned_away else decide(request, policy, records, NOT_MADE)
    cases = counterfactuals(request, decision.outcome, policy, records, may_create=True)
    entry = log_entry(Answer("", question, decision))
    document = receipt(entry, policy, Counterfactual(Over.DECISION, cases))
    document["changed"] = bool(decision.writes)
    document["decision_id"] = None
    for member in (cast("Document", document["outcome"]), *cast("list[Document]", document["changes"])):
        if member.get("mpid") == str(NOT_MADE):
            member["mpid"] = None
    return document


def _again(line: LoggedDecision, records: Records) -> Decision:
    fresh_mpid = line.entry.created_mpid or NOT_MADE
    return decide(line.observation, line.policy, records, fresh_mpid, may_create=line.may_create)


def _cases(line: LoggedDecision, records: Records) -> tuple[Case, ...]:
    answered = line.decision.outcome
    return counterfactuals(line.observation, answered, line.policy, records, may_create=line.may_create)


def _shown(decision: Decision) -> tuple[object, ...]:
    """Return all of a decision that the log keeps."""
    return decision.outcome, decision.receipt, decision.changes, decision.skipped


def is_decision_id(text: str) -> bool:
    """Whether a text can be the id of a decision: 32 lower-case hex digits."""
    return len(text) == DECISION_ID_DIGITS and all(digit in "0123456789abcdef" for digit in text)
