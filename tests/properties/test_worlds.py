"""Changes what counts of a random history: what is left is what the rest comes to by itself.

A line is taken back, a value is quarantined, or other rules are applied to the past. The truth is told by a server that never heard the line or the value, or always
had the rules: it decides the observations, one after the other, all of them, and gives new profiles the names that the world under test gave them, since a tie may be broken by the smaller one.
"""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from knownas.core.history import world as worlds
from knownas.core.history.conditions import Conditions
from knownas.core.history.fold import Logged
from knownas.core.history.world import Line, World, drift, world_of
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Returned
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Endpoint,
    IdentityRequest,
    Judged,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Capture, Policy
from knownas.core.identity.records import Records
from knownas.service.history.subjects import named_in
from tests.properties.histories import History, Restart, Server, histories, read_back, served, state
from tests.properties.programs import Visit
from tests.properties.trials import first_failing, seed_of_this_run

STEPS = 24
EXAMPLES = 150
FRESH_FROM = 7_000_000_000_000_000_000
KINDS = {
    "plain": histories(STEPS, captures_all=True),
    "policy-changes": histories(STEPS, policies=2, captures_all=True),
}


def told(history: History) -> Server:
    """Play a history of which every observation is in the log: no visits without one, no restarts."""
    steps = [(number, step) for number, step in enumerate(history.program) if not isinstance(step, Visit | Restart)]
    before = sum(number < history.switch_at for number, _ in steps)
    server = served(replace(history, program=[step for _, step in steps], switch_at=before))
    server.policies = {version: capturing(policy) for version, policy in server.policies.items()}
    return server


def capturing(policy: Policy) -> Policy:
    """Return the policy as one that keeps every observation."""
    return replace(policy, settings=replace(policy.settings, capture=Capture.ALL))


def lines_of(server: Server) -> list[Line]:
    """Return the log with the profile that each line was answered with."""
    pairs = zip(read_back(server.log), server.decisions, strict=True)
    return [Line(seq, logged, decision.answered) for seq, (logged, decision) in enumerate(pairs, start=1)]


def truth(
    lines: list[Line],
    policies: dict[int, Policy],
    world: World,
    *,
    left_out: int | None = None,
    junk: Identity | None = None,
    version: int | None = None,
    given: Iterable[int] = (),
) -> Records:
    """Decide all lines from nothing, as a server does that never heard one of them, or a value, or always had a policy.

    `given` are MPIDs that corrections have given out.
    """
    records, led_to, given = Records(), dict[int, int](), set(given)
    for seq, logged, was_answered in lines:
        if logged.created_mpid is not None:
            given.add(logged.created_mpid)
        if seq == left_out or is_taken(logged, records, given):
            continue
        observation = meant(logged.observation, records, led_to)
        if observation is not None and junk is not None:
            observation = unheard(observation, junk)
        if observation is None:
            continue
        may_create = observation.may_create if isinstance(observation, IdentityRequest) else True
        name = world.answers.get(seq, 1)
        policy = policies[version or logged.policy_version]
        decision = decide(observation, policy, records, name, may_create=may_create)
        records.apply(decision.writes)
        now = decision.answered
        if now is not None and was_answered is not None:
            led_to[was_answered] = now
        if isinstance(decision.outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
            records.saw(decision.outcome.mpid, observation.at_ms)
    return records


def unheard(observation: Observation, junk: Identity) -> Observation | None:
    """Return an observation as it is if nobody hears one value; None if nothing is asked for then."""
    match observation:
        case IdentityRequest():
            return observation._replace(identities=tuple(one for one in observation.identities if one != junk))
        case SeedRequest():
            return replace(observation, identities=tuple(one for one in observation.identities if one != junk))
        case ModifyRequest():
            changes = tuple(one for one in observation.changes if (one.type, one.new_value) != junk)
            return replace(observation, changes=changes) if changes else None
        case _:
            return observation


def is_taken(logged: Logged, records: Records, given: set[int]) -> bool:
    """Whether a line would bring a profile over under an MPID that was given to somebody who is not there now."""
    observation = logged.observation
    if not isinstance(observation, SeedRequest) or observation.mpid in (None, logged.created_mpid):
        return False
    return observation.mpid in given and records.record(observation.mpid) is None


def meant(observation: Observation, records: Records, led_to: dict[int, int]) -> Observation | None:
    """Put who answers now in the place of a profile that is not there."""

    def now(mpid: int) -> int | None:
        return mpid if records.record(mpid) is not None else led_to.get(mpid)

    match observation:
        case IdentityRequest(previous_mpid=int() as previous):
            return observation._replace(previous_mpid=now(previous))
        case ModifyRequest():
            mpid = now(observation.mpid)
            return None if mpid is None else replace(observation, mpid=mpid)
        case _:
            return observation


def fault_of(history: History) -> str | None:
    """Say where a world without one line parts from the truth, None if nowhere; each changing line in turn."""
    server = told(history)
    lines = lines_of(server)
    before = world_of(lines, Conditions(), server.policies, fresh)
    kept = {record.mpid: record for record in server.records}
    unexplained = drift(before, kept)
    if unexplained:
        return f"the world of all lines is not what the server holds: {unexplained}"
    changing = [line.seq for line in lines if line.logged.changed]
    for seq in changing[:: max(1, len(changing) // 4)]:
        after = world_of(lines, Conditions(undone=frozenset({seq})), server.policies, fresh)
        wanted = truth(lines, server.policies, after, left_out=seq)
        if state(after.records) != state(wanted):
            return f"without line {seq}: {state(after.records)}, in truth {state(wanted)}"
        named = Conditions(names=after.names)
        again = world_of(lines, named, server.policies, fresh)
        if state(again.records) != state(before.records):
            return f"line {seq} undone and done again: {state(again.records)}, before {state(before.records)}"
    return None


def junk_fault_of(history: History) -> str | None:
    """Say where a world without a value parts from the truth, and where it has not gone when the value counts again."""
    server = told(history)
    lines = lines_of(server)
    before = world_of(lines, Conditions(), server.policies, fresh)
    values = sorted({one for line in lines for one in named_in(line.logged.observation)})
    for junk in values[:: max(1, len(values) // 3)]:
        end = lines[-1].seq + 1
        conditions = Conditions().judged(end, [Judged(junk, counts=False)], None)
        after = world_of(lines, conditions, server.policies, fresh)
        wanted = truth(lines, server.policies, after, junk=junk)
        if state(after.records) != state(wanted):
            return f"without {junk}: {state(after.records)}, in truth {state(wanted)}"
        released = Conditions(names=after.names).judged(end, [Judged(junk, counts=True)], None)
        for logged in (lines, [aside(line, junk) for line in lines]):
            again = world_of(logged, released, server.policies, fresh)
            if state(again.records) != state(before.records):
                return f"{junk} released: {state(again.records)}, before {state(before.records)}"
    return None


def aside(line: Line, junk: Identity) -> Line:
    """Return a line as it is logged while a value is quarantined. Changes keep their order, which can matter."""
    observation = line.logged.observation
    match observation:
        case IdentityRequest() if junk in observation.identities:
            counted = tuple(one for one in observation.identities if one != junk)
            observation = observation._replace(identities=counted, set_aside=(junk,))
        case SeedRequest() if observation.identities.count(junk) == 1 and observation.identities == tuple(
            sorted(observation.identities)
        ):
            counted = tuple(one for one in observation.identities if one != junk)
            observation = replace(observation, identities=counted, set_aside=(junk,))
        case ModifyRequest(changes=(one,)) if (one.type, one.new_value) == junk:
            observation = replace(observation, changes=(), set_aside=(one,))
        case _:
            return line
    return line._replace(logged=line.logged._replace(observation=observation))


def rules_fault_of(history: History) -> str | None:
    """Say where a world under other rules parts from the truth, for the first and the last policy of a history."""
    server = told(history)
    lines = lines_of(server)
    for version in (min(server.policies), max(server.policies)):
        conditions = Conditions().judged(lines[-1].seq + 1 if lines else 0, (), version)
        after = world_of(lines, conditions, server.policies, fresh)
        wanted = truth(lines, server.policies, after, version=version)
        if state(after.records) != state(wanted):
            return f"under version {version}: {state(after.records)}, in truth {state(wanted)}"
    return None


def fresh(seq: int) -> int:
    """Give out MPIDs that no history has."""
    return FRESH_FROM + seq


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_taken_back_leaves_what_the_others_come_to(kind: str) -> None:
    """Undoing any line gives the records of a server that never heard it; undoing the undo gives those of before."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS[kind], fault_of, examples=EXAMPLES, seeded=seeded)
    assert failing is None, f"{fault_of(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_quarantined_value_leaves_what_the_others_come_to(kind: str) -> None:
    """Without a value the records are those of a server that never heard it; released, they are those of before."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS[kind], junk_fault_of, examples=EXAMPLES, seeded=seeded)
    assert failing is None, f"{junk_fault_of(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}"


def test_other_rules_for_the_past_give_what_they_would_have_given() -> None:
    """Under another policy the records are those of a server that had it from the first line on."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS["policy-changes"], rules_fault_of, examples=EXAMPLES, seeded=seeded)
    assert failing is None, f"{rules_fault_of(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}"


def test_a_world_that_hears_what_was_set_aside_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a ruling that reaches nobody leaves what a value has joined."""
    monkeypatch.setattr(Conditions, "counts", lambda *_, named: named)
    assert first_failing(KINDS["plain"], junk_fault_of, examples=EXAMPLES, seeded=1) is not None


def test_a_world_in_which_names_are_given_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a world that calls every new profile what its line was answered with joins people."""

    def answered_name(line: Line, _conditions: Conditions, _records: Records) -> int | None:
        return line.answered

    monkeypatch.setattr(worlds, "free_name", answered_name)
    with pytest.raises(AssertionError, match="one name"):
        first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1)


def test_a_world_that_takes_old_names_at_their_word_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without looking who answers now for a profile that is gone, what was meant for it is lost."""

    def as_named(world: World, mpid: int) -> int | None:
        return mpid if world.records.record(mpid) is not None else None

    monkeypatch.setattr(World, "means", as_named)
    assert first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1) is not None
