"""Plays one step at a time against the core and against the naive model, and compares all that can be seen.

After every step: the outcome, the MPID, whether the profile is known, and the complete set of records with their
activity. And what always holds (design §8): a decision made twice is the same to the byte, so is one made by the
short cut for users who come back, deciding alone changes nothing, a unique value is on one record at most, every MPID given out has a record, and the holders that a lookup
is told are those that a scan finds.
"""

import json
from collections.abc import Iterable
from typing import assert_never

from knownas.core.identity import decide as deciding
from knownas.core.identity import settle as settling
from knownas.core.identity.decision import (
    Corrected,
    Created,
    Decision,
    Erased,
    Modified,
    NotFound,
    Outcome,
    RecordWrite,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.document import decision_document
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy, Settings, policy
from knownas.core.identity.records import Records
from knownas.core.identity.straight import StraightCases
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from tests.properties.programs import TYPES, VALUES, Ask, Mode, Modify, Seed, Step, Visit
from tests.properties.reference import Answer, Model, Rules

START_MS = 1_700_000_000_000
UNKNOWN_MPID = 4_242_424_242
ALPHABET = tuple(Identity(kind, value) for kind in TYPES for value in VALUES)


class Mismatch(AssertionError):
    """The core and the model disagree, or something that always holds does not."""


def policy_of(rules: Rules, version: int = 1) -> Policy:
    """Build the core's policy from the model's rules."""
    settings = Settings(
        implicit_das=rules.implicit_das,
        search_immutable_policy=rules.search_immutable,
        logout_login_ids=rules.logout_login_ids,
        best_match_login_logout=rules.best_match,
        login_requires_login_id=rules.login_requires,
        max_values=dict(rules.max_values),
        tie_break=rules.tie_break,
        empty_record=rules.empty_record,
    )
    return policy(
        rules.strategy,
        priority=rules.priority,
        login_ids=rules.login,
        unique_ids=rules.unique,
        immutable_ids=rules.immutable,
        settings=settings,
        version=version,
    )


def fresh_mpid(number: int) -> int:
    """Return the MPID of the n-th new profile: in no order, negative ones among them, never 0."""
    return (number * 7_919 + 1) % 20_011 - 10_005 or 20_011


def answer_of(outcome: Outcome) -> Answer:
    """Spell an outcome the way the model does."""
    match outcome:
        case Returned(mpid, known, became_known):
            return ("returned", mpid, known, became_known)
        case Created(mpid, known, source_mpid):
            return ("created", mpid, known, source_mpid)
        case NotFound():
            return ("not_found",)
        case Refused(reason):
            return ("refused", reason.value)
        case Modified(mpid, known, results):
            return ("modified", mpid, known, frozenset(results))
        case Seeded(mpid, known):
            return ("seeded", mpid, known)
        case Corrected() | Erased():
            raise AssertionError("programs neither correct nor erase")
        case _:
            assert_never(outcome)


def written(decision: Decision) -> bytes:
    """Return the decision as the bytes that are kept of it."""
    return json.dumps(decision_document(decision), sort_keys=True).encode()


def keep(writes: Iterable[RecordWrite], records: Records, version: int) -> None:
    """Apply writes the way a store keeps them: each record under a new version."""
    records.apply(RecordWrite(write.before, write.after._replace(version=version)) for write in writes)


def core_state(records: Records) -> dict[int, object]:
    """Return all that the core's records say, in the terms of the model."""
    return {
        record.mpid: (
            {kind: list(values) for kind, values in record.identities.items()},
            {kind: list(values) for kind, values in record.carried.items()},
            record.known,
            record.created_ms,
            records.active_ms(record),
            record.source_mpid,
        )
        for record in records
    }


def model_state(model: Model) -> dict[int, object]:
    """Return all that the model's profiles say."""
    return {
        mpid: (one.held, one.carried, model.known(one), one.created, one.active, one.source)
        for mpid, one in model.profiles.items()
    }


def shortcut_fault(observation: Observation, policy: Policy, records: Records, decision: Decision) -> str | None:
    """Say how a short cut decides otherwise, None if none does or applies: for who comes back, and for straight cases."""
    if isinstance(observation, IdentityRequest):
        fresh = decision.outcome.mpid if isinstance(decision.outcome, Created) else UNKNOWN_MPID
        straight = StraightCases(policy).decide(observation, records, fresh, may_create=True)
        is_same = straight == decision and straight is not None and written(straight) == written(decision)
        if straight is not None and not is_same and not isinstance(decision.outcome, NotFound):
            return f"the short cut for straight cases decides {straight}, the whole rule {decision}"
    glanced = settling.glance(observation, policy)
    if glanced is None or not isinstance(observation, IdentityRequest):
        return None
    holders = records.holders(glanced)
    sole = records.record(holders.mpids[0]) if len(holders.mpids) == 1 and not holders.more else None
    settled = None if sole is None else settling.settle(observation, policy, glanced, sole)
    if settled is None or (settled == decision and written(settled) == written(decision)):
        return None
    return f"the short cut decides {settled}, the whole rule {decision}"


def mpid_named(index: int | None, mpids: Iterable[int]) -> int | None:
    """Return the MPID that a step's index means: one of those there are, or one that nobody has."""
    if index is None:
        return None
    there = sorted(mpids)
    return there[index % len(there)] if there and index >= 0 else UNKNOWN_MPID


def observation_of(step: Ask | Modify | Seed, at_ms: int, mpids: Iterable[int]) -> Observation:
    """Turn a step into what a server would observe."""
    match step:
        case Ask():
            return IdentityRequest(
                step.endpoint,
                at_ms,
                Environment.PRODUCTION,
                "test",
                tuple(sorted(Identity(kind, value) for kind, value in step.wanted.items())),
                mpid_named(step.previous, mpids),
            )
        case Modify():
            who = mpid_named(step.who, mpids)
            changes = tuple(IdentityChange(*change) for change in step.changes)
            return ModifyRequest(
                at_ms, Environment.PRODUCTION, "test", who or UNKNOWN_MPID, changes, step.may_move_unique
            )
        case Seed():
            identities = tuple(Identity(kind, value) for kind, value in step.identities)
            return SeedRequest(at_ms, Environment.PRODUCTION, "test", mpid_named(step.who, mpids), identities)
        case _:
            assert_never(step)


class Pair:
    """The core's records and the model's profiles, which must stay the same."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.policy = policy_of(rules)
        self.records = Records()
        self.model = Model(rules)
        self.now_ms = START_MS
        self.made = 0

    def play(self, steps: Iterable[Step]) -> None:
        """Play the steps and compare after each.

        Raises:
            Mismatch: with the number of the step, the step, and what differs.
        """
        for number, step in enumerate(steps):
            try:
                self.step(step)
            except Mismatch as mismatch:
                raise Mismatch(f"step {number}, {step}, under {self.rules}: {mismatch}") from mismatch

    def step(self, step: Step) -> None:
        """Play one step. A visit only moves activity."""
        self.now_ms += step.wait_ms
        if isinstance(step, Visit):
            self.visit(step)
        elif not self.crowded(step):
            observation = observation_of(step, self.now_ms, self.model.profiles)
            mode = step.mode if isinstance(step, Ask) else Mode.NORMAL
            self.decide(observation, mode)
        self.compare()

    def crowded(self, step: Ask | Modify | Seed) -> bool:
        """Whether a step could put a value on more profiles than a lookup considers, which the model does not know."""
        identities = step.wanted.items() if isinstance(step, Ask) else ()
        return any(len(self.model.owners(*one)) >= HOLDERS_CONSIDERED_MAX for one in identities)

    def visit(self, step: Visit) -> None:
        who = mpid_named(step.who, self.model.profiles)
        if who in self.model.profiles:
            profile = self.model.profiles[who]
            profile.active = max(profile.active, self.now_ms)
            self.records.saw(who, self.now_ms)

    def decide(self, observation: Observation, mode: Mode) -> None:
        """Decide on both sides, compare the answers, and let the decision hold unless it is read-only."""
        self.made += 1
        fresh = fresh_mpid(self.made)
        may_create = mode is Mode.NORMAL
        before = list(self.records)
        # By way of the module, so that a control can break the rule.
        decision = deciding.decide(observation, self.policy, self.records, fresh, may_create=may_create)
        again = deciding.decide(observation, self.policy, self.records, fresh, may_create=may_create)
        if written(decision) != written(again) or decision != again:
            raise Mismatch("the same decision twice is not the same")
        if list(self.records) != before:
            raise Mismatch("deciding alone changed the records")
        model = self.model.copy() if mode is Mode.READ_ONLY else self.model
        wanted = ask(model, observation, fresh, may_create=may_create)
        if answer_of(decision.outcome) != wanted:
            raise Mismatch(f"the core answers {answer_of(decision.outcome)}, the model {wanted}")
        self.check(observation, decision)
        fault = shortcut_fault(observation, self.policy, self.records, decision)
        if fault is not None:
            raise Mismatch(fault)
        if mode is not Mode.READ_ONLY:
            self.hold(observation, decision)

    def hold(self, observation: Observation, decision: Decision) -> None:
        keep(decision.writes, self.records, self.made)
        if isinstance(decision.outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
            self.records.saw(decision.outcome.mpid, observation.at_ms)

    def check(self, observation: Observation, decision: Decision) -> None:
        """Check what holds of every decision."""
        outcome = decision.outcome
        if observation.endpoint is Endpoint.SEARCH and decision.writes:
            raise Mismatch("a search writes")
        if isinstance(outcome, Refused | NotFound) and decision.writes:
            raise Mismatch("what is refused or not found writes")
        for write in decision.writes:
            if write.before != self.records.record(write.after.mpid) or write.before == write.after:
                raise Mismatch(f"{write} writes nothing, or over another state")
        if not isinstance(outcome, Refused | NotFound):
            known = self.records.record(outcome.mpid) is not None
            if not known and outcome.mpid not in set(decision.touched):
                raise Mismatch(f"{outcome.mpid} is given out and has no record")
            if decision.record is None or decision.record.mpid != outcome.mpid:
                raise Mismatch("the decision's record is another profile's")

    def compare(self) -> None:
        """Compare all records, and check what always holds of them."""
        core, model = core_state(self.records), model_state(self.model)
        if core != model:
            differing = {mpid for mpid in {*core, *model} if core.get(mpid) != model.get(mpid)}
            shown = "; ".join(f"{mpid}: core {core.get(mpid)}, model {model.get(mpid)}" for mpid in sorted(differing))
            raise Mismatch(f"the records differ: {shown}")
        self.check_holders()

    def check_holders(self) -> None:
        """Check the index that lookups use against a scan, and unique values against their promise."""
        scanned: dict[tuple[IdentityType, str], list[int]] = {}
        for mpid, profile in self.model.profiles.items():
            for kind, values in profile.held.items():
                for value in values:
                    scanned.setdefault((kind, value), []).append(mpid)
        for one in ALPHABET:
            owners = scanned.get(one, [])
            if len(owners) > 1 and one.type in self.policy.unique_ids:
                raise Mismatch(f"{one} is unique and on {owners}")
            if len(owners) <= HOLDERS_CONSIDERED_MAX and self.records.holders(one).mpids != tuple(sorted(owners)):
                raise Mismatch(f"{one} is held by {owners}, lookups are told {self.records.holders(one)}")


def ask(model: Model, observation: Observation, fresh: int, *, may_create: bool) -> Answer:
    """Ask the model what the core was asked."""
    match observation:
        case IdentityRequest():
            wanted = {one.type: one.value for one in observation.identities}
            return model.ask(
                observation.endpoint,
                wanted,
                observation.at_ms,
                observation.previous_mpid,
                fresh,
                may_create=may_create,
            )
        case ModifyRequest():
            changes = [(change.type, change.old_value, change.new_value) for change in observation.changes]
            return model.modify(
                observation.mpid, changes, observation.at_ms, may_move_unique=observation.may_move_unique
            )
        case SeedRequest():
            mpid = fresh if observation.mpid is None else observation.mpid
            return model.seed(mpid, observation.identities, observation.at_ms)
        case _:
            assert_never(observation)
