"""Folds random histories to a world by the short cut and without it, under their own rules and under others."""

from random import Random

import pytest

from knownas.core.history import plain
from knownas.core.history.conditions import Conditions
from knownas.core.history.plain import PlainRules
from knownas.core.history.swift_world import SwiftWorld
from knownas.core.history.world import Line, World, world_of
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import IdentityRequest
from knownas.core.identity.policy import Policy, with_version
from tests.properties.histories import History, histories, read_back, served, state
from tests.properties.test_worlds import fresh
from tests.properties.trials import first_failing, seed_of_this_run
from tests.store.histories import draw_policy

STEPS = 30
EXAMPLES = 40
CONTROLS = 400
OTHER_VERSION = 9
KINDS = {
    "plain": histories(STEPS),
    "policy-changes": histories(STEPS, policies=2),
    "captures-all": histories(STEPS, captures_all=True),
}


def lines_of(history: History) -> tuple[list[Line], dict[int, Policy]]:
    """Return what a server logs of a history, and its policies."""
    server = served(history)
    answered = [decision.answered for decision in server.decisions]
    lines = [Line(seq, *pair) for seq, pair in enumerate(zip(read_back(server.log), answered, strict=True), start=1)]
    return lines, server.policies


def conditions_for(lines: list[Line], random: Random) -> Conditions:
    """Take some lines back, whole or in part, and give some profiles another name."""
    asked = [line for line in lines if isinstance(line.logged.observation, IdentityRequest)]
    undone = frozenset(line.seq for line in lines if random.random() < 0.05)
    without: dict[int, frozenset[Identity]] = {}
    for line in asked:
        if isinstance(line.logged.observation, IdentityRequest) and random.random() < 0.05:
            without[line.seq] = frozenset(line.logged.observation.identities[:1])
    names = {line.seq: fresh(line.seq) + 5_000 for line in lines if random.random() < 0.1}
    return Conditions(undone, without, names)


def swift(lines: list[Line], conditions: Conditions, policies: dict[int, Policy]) -> World:
    """Fold lines by the short cut."""
    rules = {version: PlainRules(policy) for version, policy in policies.items()}
    folded = SwiftWorld(conditions, rules, fresh)
    for line in lines:
        folded.take(line, conditions.version(line.seq, line.logged.policy_version))
    return folded.world


def fault_of(history: History) -> str | None:
    """Say where the two ways part, None if nowhere."""
    lines, policies = lines_of(history)
    random = Random(len(lines))
    policies = {**policies, OTHER_VERSION: with_version(draw_policy(random), OTHER_VERSION)}
    taken = conditions_for(lines, random)
    for conditions in (Conditions(), taken):
        for version in (None, OTHER_VERSION):
            judged = conditions.judged(len(lines) + 1, (), version)
            wanted, found = world_of(lines, judged, policies, fresh), swift(lines, judged, policies)
            if told(wanted) != told(found):
                return f"{judged}: {told(found)} by the short cut, {told(wanted)} without it"
    return None


def told(world: World) -> object:
    """Return what of a world matters."""
    active = {record.mpid: record.active_ms for record in world.records}
    return state(world.records), world.led_to, world.names, world.given, active


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_cut_leads_to_the_same_world(kind: str) -> None:
    """Under its own rules or others, with lines taken back or not: records, names and who answers are the same."""
    seeded = seed_of_this_run()
    failing = first_failing(KINDS[kind], fault_of, examples=EXAMPLES, seeded=seeded)
    assert failing is None, f"{fault_of(failing)}\n{failing}\nKNOWNAS_TEST_SEED={seeded}"


def test_a_short_cut_that_passes_a_guard_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that lets a known profile learn from whoever has its device parts from the rules."""

    def nobody(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(plain, "guard_against", nobody)
    assert first_failing(KINDS["plain"], fault_of, examples=CONTROLS, seeded=1) is not None
