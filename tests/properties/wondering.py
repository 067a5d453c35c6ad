"""Plays a history through a real server over a store in memory, and asks of each decision what would have been otherwise.

The truth is what the rules say when they are really asked the other question over all the records of that moment. What
the server tells comes later, from its log, or at once, for a request that nobody made and for a decision that changed
nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from knownas.core.identity import decide as deciding
from knownas.core.identity.decision import Created, Outcome, Returned
from knownas.core.identity.document import outcome_document
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, IdentityChange, IdentityRequest, ModifyRequest, Observation
from knownas.core.identity.policy import Capture
from knownas.core.identity.records import Records
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.decisions import Decisions
from knownas.service.identity.policies import encode_policy
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Activity, Pool, StoredPolicy
from tests.properties.comparison import START_MS, mpid_named, observation_of, policy_of
from tests.properties.histories import Happening, History, Restart
from tests.properties.programs import Ask, Mode, Modify, Seed, Visit
from tests.store.world import EVERYTHING, RepeatingChance

SCOPE, POOL = "shop", Pool("shop", "production")
STRANGE = "nobody has this"
FRESH = 4_611_686_018_427_387_903
"""The MPID of a profile that would be made."""

Key = tuple[str, str, str]
"""A case: type, value, and what is supposed of it."""

Told = dict[str, Any]


class Differs(AssertionError):
    """What is told is not what would have been."""


@dataclass(frozen=True)
class Truth:
    """What the rules say in each case, beside what they said."""

    answered: Outcome
    cases: dict[Key, Outcome]
    crowded: bool


def otherwise(observation: Observation) -> Iterator[tuple[Key, Observation]]:
    """Yield every other question, by what makes it another."""
    if isinstance(observation, IdentityRequest):
        given = dict(observation.identities)
        for kind, value in given.items():
            left = tuple(Identity(*one) for one in given.items() if one[0] is not kind)
            yield (kind, value, "absent"), observation._replace(identities=left)
            other = tuple(sorted((*left, Identity(kind, STRANGE))))
            yield (kind, value, "different"), observation._replace(identities=other)
        if observation.previous_mpid is not None:
            key = ("previous_mpid", str(observation.previous_mpid), "absent")
            yield key, observation._replace(previous_mpid=None)
    elif isinstance(observation, ModifyRequest) and len({one.type for one in observation.changes}) > 1:
        for one in observation.changes:
            left = tuple(change for change in observation.changes if change is not one)
            yield (one.type, one.new_value or one.old_value or "", "absent"), replace(observation, changes=left)
            other = IdentityChange(one.type, one.old_value, STRANGE)
            if one.new_value is None:
                other = IdentityChange(one.type, STRANGE, None)
            changes = tuple(other if change is one else change for change in observation.changes)
            yield (one.type, one.new_value or one.old_value or "", "different"), replace(observation, changes=changes)


@dataclass
class Wondering:
    """A server under way, and what is true of each of its logged decisions.

    `touches` makes each visit durable at once, so that the store and the memory never disagree about who was active.
    """

    history: History
    touches: bool
    now_ms: int = START_MS
    version: int = 0
    truths: dict[str, Truth] = field(default_factory=dict[str, Truth])
    counts: Counter[str] = field(default_factory=Counter[str])
    crowded_now: bool = False
    """Whether a value is on more profiles at the end than a lookup considers."""

    async def play(self) -> None:
        """Play the history, and compare everything that is told with the truth.

        Raises:
            Differs: it is another.
        """
        self.store, self.chance = MemoryStore(), RepeatingChance(1)
        await self.start()
        await self.steps(self.history.program[: self.history.switch_at])
        if len(self.history.policies) > 1:
            await self.start()
        await self.steps(self.history.program[self.history.switch_at :])
        await self.resolver.close()
        await self.restart()
        held = Counter(one for record in await self.records() for one in record.lookups())
        self.crowded_now = any(count > HOLDERS_CONSIDERED_MAX for count in held.values())
        for decision_id, truth in self.truths.items():
            document = await self.decisions.show(decision_id)
            over = "records_of_the_decision" if document and document["changed"] else "records_at_its_line"
            self.compare(truth, cast("Told", document), over)
        await self.resolver.close()
        await self.store.close()

    async def start(self) -> None:
        """Bring the next policy into force."""
        rules = policy_of(self.history.policies[self.version], self.version + 1)
        if self.history.captures_all:
            rules = replace(rules, settings=replace(rules.settings, capture=Capture.ALL))
        self.version += 1
        await self.store.add_policy(StoredPolicy(SCOPE, self.version, self.now_ms, encode_policy(rules)))
        self.rules = Rules(SCOPE, rules)
        await self.restart()

    async def restart(self) -> None:
        """Begin with what is durable."""
        if hasattr(self, "resolver"):
            await self.resolver.close()
        self.activity, self.recent = ActivityMemory(), RecentDecisions()
        self.resolver = Resolver(self.store, self.chance, self.recent, self.activity)
        self.decisions = Decisions(self.store, self.recent, self.resolver)

    async def steps(self, steps: Iterable[Happening]) -> None:
        for step in steps:
            if isinstance(step, Restart):
                await self.restart()
                continue
            self.now_ms += step.wait_ms
            records = await self.records()
            mpids = [record.mpid for record in records]
            if isinstance(step, Visit):
                who = records.record(mpid_named(step.who, mpids) or 0)
                if who is not None:
                    self.activity.saw(who, self.now_ms)
                    await self.touch(who.mpid)
            else:
                await self.ask(step, observation_of(step, self.now_ms, mpids), records)

    async def ask(self, step: Ask | Modify | Seed, observation: Observation, records: Records) -> None:
        mode = step.mode if isinstance(step, Ask) else Mode.NORMAL
        truth = self.truth(observation, records, may_create=mode is Mode.NORMAL)
        if isinstance(observation, IdentityRequest) and mode is Mode.NORMAL:
            explained = await self.decisions.explain(self.rules, observation)
            self.compare(truth, explained, "records_of_the_decision")
        question = self.rules.ask(observation, may_create=mode is Mode.NORMAL, writes=mode is not Mode.READ_ONLY)
        answer = await self.resolver.answer(question)
        if answer.changed or (self.history.captures_all and question.writes):
            self.truths[answer.decision_id] = truth
        outcome = answer.decision.outcome
        if isinstance(outcome, Returned) and question.writes and observation.endpoint is not Endpoint.SEARCH:
            await self.touch(outcome.mpid)
        if not answer.changed:
            shown = cast("Told", await self.decisions.show(answer.decision_id))
            if shown["counterfactual"]["over"] == "records_of_now":
                now = self.truth(observation, await self.records(), may_create=mode is Mode.NORMAL)
                self.compare(now, shown, "records_of_now")

    async def touch(self, mpid: int) -> None:
        if self.touches:
            await self.store.touch([Activity(mpid, self.now_ms)])

    async def records(self) -> Records:
        """Return all records as they are, with every visit that the server knows of."""
        records = Records()
        records.load(await self.store.records(POOL, None, EVERYTHING))
        for record in records:
            records.saw(record.mpid, self.activity.last(record.mpid) or 0)
        return records

    def truth(self, observation: Observation, records: Records, *, may_create: bool) -> Truth:
        """Really ask every other question."""

        def outcome(asked: Observation) -> Outcome:
            return deciding.decide(asked, self.rules.policy, records, FRESH, may_create=may_create).outcome

        named = observation.identities if isinstance(observation, IdentityRequest) else ()
        crowded = any(sum(record.holds(one) for record in records) > HOLDERS_CONSIDERED_MAX for one in named)
        return Truth(outcome(observation), {key: outcome(other) for key, other in otherwise(observation)}, crowded)

    def compare(self, truth: Truth, document: Told, over: str) -> None:
        """Compare what is told with what is so.

        Raises:
            Differs: with the case, if it is another.
        """
        if truth.crowded and not self.touches:
            # The store knows visits to the hour, and chose whom to consider by that.
            return
        counterfactual = document["counterfactual"]
        if counterfactual["over"] != over:
            raise Differs(f"told over {counterfactual['over']} ({counterfactual['untold']}), not {over}: {document}")
        told = {(one["type"], one["value"], one["had_been"]): one for one in counterfactual["cases"]}
        for key, outcome in truth.cases.items():
            fault = self.fault(told.get(key), truth, outcome)
            if fault is not None:
                raise Differs(f"{key}: {fault}; so it is {outcome}: {document}")

    def fault(self, told: Told | None, truth: Truth, outcome: Outcome) -> str | None:
        """Say what is wrong with one case that is told; None if nothing is."""
        if told is None:
            return "not told"
        changes = plain(outcome) != plain(truth.answered)
        self.counts["changes" if changes else "same"] += 1
        if told["changes_answer"] not in (changes, None):
            return f"said to change the answer: {told['changes_answer']}"
        if told["untold"] is not None:
            self.counts["untold"] += 1
            crowded = truth.crowded or self.crowded_now
            return None if crowded and told["untold"] == "too_many_holders" else f"untold: {told['untold']}"
        if told["answer"] is not None:
            return None if told["answer"] == shown(outcome) else f"told as {told['answer']}"
        self.counts["several"] += 1
        return None if shown(outcome) in told["possible"] else f"told as one of {told['possible']}"


def plain(outcome: Outcome) -> tuple[object, ...]:
    """Return what makes an outcome another answer."""
    document = outcome_document(outcome)
    match document["kind"]:
        case "returned":
            return "returned", document["mpid"]
        case "created":
            return "created", document["known"], document["source_mpid"]
        case "refused":
            return "refused", document["reason"]
        case kind:
            return (kind,)


def shown(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as a case shows it."""
    document = outcome_document(outcome)
    if isinstance(outcome, Created) or document.get("mpid") == str(FRESH):
        document["mpid"] = None
    return document
