"""Takes a random line of a random history back: what is left is what the other lines come to by themselves.

The truth is told by a server that never heard the line: it decides the other observations, one after the other, all
of them, and gives new profiles the names that the world under test gave them, since a tie may be broken by the smaller one.
"""

from dataclasses import replace

import pytest

from knownas.core.history import world as worlds
from knownas.core.history.conditions import Conditions
from knownas.core.history.fold import Logged
from knownas.core.history.world import Line, World, drift, world_of
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Returned
from knownas.core.identity.observation import Endpoint, IdentityRequest, ModifyRequest, Observation, SeedRequest
from knownas.core.identity.policy import Capture, Policy
from knownas.core.identity.records import Records
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


def truth(lines: list[Line], left_out: int, policies: dict[int, Policy], world: World) -> Records:
    """Decide all lines but one from nothing, as a server does that never heard it."""
    records, led_to, given = Records(), dict[int, int](), set[int]()
    for seq, logged, was_answered in lines:
        if logged.created_mpid is not None:
            given.add(logged.created_mpid)
        if seq == left_out or is_taken(logged, records, given):
            continue
        observation = meant(logged.observation, records, led_to)
        if observation is None:
            continue
        may_create = observation.may_create if isinstance(observation, IdentityRequest) else True
        name = world.answers.get(seq, 1)
        decision = decide(observation, policies[logged.policy_version], records, name, may_create=may_create)
        records.apply(decision.writes)
        now = decision.answered
        if now is not None and was_answered is not None:
            led_to[was_answered] = now
        if isinstance(decision.outcome, Returned) and observation.endpoint is not Endpoint.SEARCH:
            records.saw(decision.outcome.mpid, observation.at_ms)
    return records


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
        wanted = truth(lines, seq, server.policies, after)
        if state(after.records) != state(wanted):
            return f"without line {seq}: {state(after.records)}, in truth {state(wanted)}"
        named = Conditions(names=after.names)
        again = world_of(lines, named, server.policies, fresh)
        if state(again.records) != state(before.records):
            return f"line {seq} undone and done again: {state(again.records)}, before {state(before.records)}"
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


def test_a_world_in_which_names_are_given_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a world that calls every new profile what its line was answered with joins people."""

    def answered_name(line: Line, _conditions: Conditions, _records: Records) -> int | None:
        return line.answered

    monkeypatch.setattr(worlds, "_name", answered_name)
    with pytest.raises(AssertionError, match="one name"):
        first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1)


def test_a_world_that_takes_old_names_at_their_word_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without looking who answers now for a profile that is gone, what was meant for it is lost."""

    def as_named(world: World, mpid: int) -> int | None:
        return mpid if world.records.record(mpid) is not None else None

    monkeypatch.setattr(World, "means", as_named)
    assert first_failing(KINDS["plain"], fault_of, examples=EXAMPLES, seeded=1) is not None
