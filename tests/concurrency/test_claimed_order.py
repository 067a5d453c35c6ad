"""The order that a log claims is believed only if it explains the answers and fits the times."""

from dataclasses import replace
from random import Random

import pytest

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.service.identity.log_form import observation_bytes
from knownas.store.port import LogEntry, Pool
from tests.concurrency.claimed_order import Claim, check_claim, numbered
from tests.concurrency.history import History, Operation
from tests.concurrency.households import SCOPES
from tests.concurrency.sequential import NOTHING, Sequential
from tests.concurrency.test_checker import came_about

SEEDS = range(6)


def logged(history: History) -> list[LogEntry]:
    """Return the log of a history that came about in the order of its numbers: a line for what changed something."""
    operations = history.operations
    model = Sequential(SCOPES[operations[0].call.pool.partition("/")[0]].of_model(), operations)
    state, lines = NOTHING, list[LogEntry]()
    for place in sorted(range(len(operations)), key=lambda place: operations[place].number):
        after = model.after(state, place)[-1]
        if after != state:
            lines.append(line(operations[place], len(lines) + 1))
        state = after
    return lines


def line(one: Operation, seq: int) -> LogEntry:
    """Return the line of an operation."""
    pool, call = Pool(*one.call.pool.split("/")), one.call
    observation: IdentityRequest | ModifyRequest
    if call.kind == "modify":
        assert call.mpid is not None
        changes = tuple(IdentityChange(*change) for change in call.changes)
        observation = ModifyRequest(one.started_ms, Environment(pool.environment), "test", call.mpid, changes)
    else:
        held = tuple(Identity(*each) for each in call.identities)
        environment = Environment(pool.environment)
        observation = IdentityRequest(Endpoint(call.kind), one.started_ms, environment, "test", held, call.previous)
    touched = (1,)
    written = observation_bytes(observation)
    return LogEntry(one.decision_id or "lost", pool, one.started_ms, 1, None, touched, written, b"", seq)


def checked(history: History, log: list[LogEntry]) -> Claim:
    """Check a log, its lines numbered in the order given."""
    log = [replace(entry, seq=seq) for seq, entry in enumerate(log, 1)]
    return check_claim(numbered(history, log), log)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_in_which_it_came_about_is_believed(seed: int) -> None:
    """The log of what happened one by one is right, and everything without a line fits in."""
    history = came_about(Random(seed), 30)
    claim = checked(history, logged(history))
    assert (claim.wrong, claim.unplaced) == ([], [])
    assert claim.lines + claim.placed == 30


@pytest.mark.parametrize("seed", SEEDS)
def test_another_order_is_not(seed: int) -> None:
    """The same lines backwards are not believed: what had ended stands behind what began later."""
    history = came_about(Random(seed), 30)
    assert checked(history, logged(history)[::-1]).wrong


@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_that_is_missing_is_noticed(seed: int) -> None:
    """Without its first line the log does not explain the answers."""
    history = came_about(Random(seed), 30)
    claim = checked(history, logged(history)[1:])
    assert claim.wrong or claim.unplaced


def test_a_line_of_nobody_is_noticed() -> None:
    """A line that no operation explains is wrong; one of an operation whose answer never came is that one's."""
    history = came_about(Random(1), 30)
    log = logged(history)
    without = History(history.about, [one for one in history.operations if one.decision_id != log[-1].decision_id])
    assert checked(without, log).wrong
