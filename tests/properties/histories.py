"""Plays a history the way a server does and keeps its log: a decision that writes is logged, a visit is not.

The log is what survives (design §2). Whatever moved a profile's activity without changing it is known to the live
records alone; what of it could decide stands in the decision's `recency`, and goes into the log with the line.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from knownas.core.history import fold as folding
from knownas.core.history.fold import Logged
from knownas.core.identity import decide as deciding
from knownas.core.identity.decision import Created, Decision, Returned, Seeded
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    SeedRequest,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.service.identity.log_form import observation_bytes, observation_from
from tests.properties.comparison import (
    START_MS,
    fresh_mpid,
    keep,
    mpid_named,
    observation_of,
    policy_of,
    shortcut_fault,
    written,
)
from tests.properties.programs import (
    RULES_BYTES,
    STEP_BYTES,
    TYPES,
    VALUES,
    Ask,
    Digits,
    Mode,
    Modify,
    Pairs,
    Seed,
    Step,
    Visit,
    program_from,
    rules_from,
)
from tests.properties.reference import Rules

CROWD_MAX = 40
CROWD_BYTES = 2 + 2 * CROWD_MAX


@dataclass(frozen=True)
class Restart:
    """The server comes back with what is durable: records and log, and no visit that changed nothing."""


Happening = Step | Restart


@dataclass(frozen=True)
class History:
    """A program that begins with a crowd of profiles, and the policies that rule it one after the other.

    `switch_at` is the step before which the last policy takes over. `captures_all` logs what changes nothing as
    well (idsync §8, `capture`).
    """

    policies: list[Rules]
    program: list[Happening]
    switch_at: int
    captures_all: bool = False


@dataclass
class Server:
    """The live records, the log, and every decision that the log has a line for."""

    policies: dict[int, Policy]
    records: Records = field(default_factory=Records)
    log: list[Logged] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    version: int = 1
    now_ms: int = START_MS
    made: int = 0
    captures_all: bool = False
    erased: dict[int, Record] = field(default_factory=dict[int, Record])
    """The profiles that were erased, as they were before."""

    def play(self, steps: Iterable[Happening]) -> None:
        """Play steps; what changes something is logged, what doesn't only moves activity."""
        for step in steps:
            if isinstance(step, Restart):
                self.restart()
                continue
            self.now_ms += step.wait_ms
            # Who names an erased profile is refused before anything is decided.
            mpids = [record.mpid for record in self.records if record.mpid not in self.erased]
            if isinstance(step, Visit):
                who = mpid_named(step.who, mpids)
                if who in mpids:
                    self.records.saw(who, self.now_ms)
            elif not (isinstance(step, Ask) and step.mode is Mode.READ_ONLY):
                self.decide(step, mpids)

    def erase(self, mpid: int) -> None:
        """Erase a profile."""
        record = self.records.record(mpid)
        assert record is not None
        self.now_ms += 1
        self.made += 1
        observation = Erasure(self.now_ms, Environment.PRODUCTION, "privacy", mpid)
        decision = deciding.decide(observation, self.policies[self.version], self.records, 0)
        self.erased[mpid] = record
        self.log.append(Logged(observation, self.version))
        self.decisions.append(decision)
        keep(decision.writes, self.records, self.made)

    def restart(self) -> None:
        """Lose what is in memory."""
        durable = list(self.records)
        self.records = Records()
        self.records.load(durable)

    def decide(self, step: Ask | Modify | Seed, mpids: list[int]) -> None:
        """Decide one step and let it hold."""
        observation = observation_of(step, self.now_ms, mpids)
        if isinstance(observation, ModifyRequest | SeedRequest) and observation.mpid in self.erased:
            # The MPID that stands for nobody's can be one that was brought over, and erased: it is refused.
            return
        if isinstance(observation, IdentityRequest) and observation.previous_mpid in self.erased:
            observation = observation._replace(previous_mpid=None)
        may_create = not (isinstance(step, Ask) and step.mode is Mode.UPDATE_ONLY)
        self.made += 1
        fresh, policy = fresh_mpid(self.made), self.policies[self.version]
        decision = deciding.decide(observation, policy, self.records, fresh, may_create=may_create)
        outcome = decision.outcome
        fault = shortcut_fault(observation, policy, self.records, decision)
        if fault is not None:
            self.faults.append(fault)
        if decision.writes or self.captures_all:
            made = outcome.mpid if isinstance(outcome, Created | Seeded) else None
            if isinstance(observation, IdentityRequest):
                observation = observation._replace(recency=decision.recency, may_create=may_create)
            self.log.append(Logged(observation, self.version, made, changed=bool(decision.writes)))
            self.decisions.append(decision)
        keep(decision.writes, self.records, self.made)
        if isinstance(outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
            self.records.saw(outcome.mpid, self.now_ms)


def served(history: History) -> Server:
    """Play a history to its end."""
    policies = {number: policy_of(rules, number) for number, rules in enumerate(history.policies, start=1)}
    server = Server(policies, captures_all=history.captures_all)
    server.play(history.program[: history.switch_at])
    server.version = len(policies)
    server.play(history.program[history.switch_at :])
    return server


def read_back(log: Iterable[Logged]) -> list[Logged]:
    """Return the log as a store gives it back: through the bytes that it keeps."""
    return [line._replace(observation=observation_from(observation_bytes(line.observation))) for line in log]


def state(records: Records) -> dict[int, object]:
    """Return all of the records that a fold must give again; activity is not logged, so it is not among it."""
    return {one.mpid: (one.identities, one.carried, one.known, one.source_mpid, one.created_ms) for one in records}


def divergence(server: Server) -> str | None:
    """Fold the server's log from empty and say where that differs from what the server holds, None if nowhere.

    A short cut that the server could not have taken counts as well.
    """
    if server.faults:
        return server.faults[0]
    log, records = read_back(server.log), Records()
    for number, (line, decision) in enumerate(zip(log, server.decisions, strict=True)):
        if line.changed:
            try:
                folded = folding.fold_line(line, server.policies[line.policy_version], records)
            except folding.FoldDiverged as diverged:
                return f"line {number}: {diverged}"
            if written(folded) != written(decision):
                return f"line {number} was decided as {written(decision)!r}, is folded as {written(folded)!r}: {line}"
    return _whole_divergence(log, server, records)


def _whole_divergence(log: list[Logged], server: Server, records: Records) -> str | None:
    """Say where a fold of the whole log by short cuts, as a check of a database makes it, differs from line by line."""
    try:
        plainly = folding.fold(log, server.policies)
    except folding.FoldDiverged as diverged:
        return f"the whole log: {diverged}"
    if list(plainly) != list(records) or plainly.holding != records.holding:
        return f"folded {list(records)}, by short cuts {list(plainly)}"
    if state(records) != state(server.records):
        return f"folded {state(records)}, live {state(server.records)}"
    return None


def crowd_from(drawn: bytes, kinds: tuple[IdentityType, ...] = TYPES) -> list[Seed]:
    """Decode a crowd: up to 40 profiles that share one or two values, most of them anonymous."""
    digits = Digits(int.from_bytes(drawn[:2], "little"))
    size = (0, 3, 17, 18, 25, CROWD_MAX)[digits.take(6)]
    shared = kinds[digits.take(len(kinds))]
    crowd: list[Seed] = []
    for start in range(2, 2 + 2 * size, 2):
        own = Digits(int.from_bytes(drawn[start : start + 2], "little"))
        other, value = kinds[own.take(len(kinds))], VALUES[own.take(len(VALUES))]
        extra: Pairs = ((other, value),) if own.take(3) == 0 and other is not shared else ()
        crowd.append(Seed(None, ((shared, VALUES[0]), *extra), wait_ms=own.take(2)))
    return crowd


def histories(
    steps: int, policies: int = 1, *, restarts: bool = False, captures_all: bool = False
) -> st.SearchStrategy[History]:
    """Draw histories: some crowded, under one or more policies, with or without restarts in between."""
    rules_bytes, program_bytes = policies * RULES_BYTES, steps * STEP_BYTES

    def history_from(drawn: bytes) -> History:
        rules = [rules_from(drawn[start : start + RULES_BYTES]) for start in range(0, rules_bytes, RULES_BYTES)]
        rest = drawn[rules_bytes:]
        program: list[Happening] = []
        for number, step in enumerate(program_from(rest[2 : 2 + program_bytes])):
            # Every third to twelfth step, if at all.
            program += [Restart(), step] if restarts and number % (3 + rest[1] % 10) == 0 else [step]
        crowd = crowd_from(rest[2 + program_bytes :])
        return History(rules, [*crowd, *program], len(crowd) + rest[0] % steps, captures_all)

    size = rules_bytes + 2 + program_bytes + CROWD_BYTES
    return st.binary(min_size=size, max_size=size).map(history_from)
