"""Checks the order that the servers themselves claim: that of their log.

What changed something is in the log, by a number. A line's number is larger than that of every line whose commit had ended
when its batch was loaded (`store.port.LogEntry`), so an operation that began after another one had ended stands behind it.
Told in that order one at a time, the operations must have the answers that they had. Those that changed nothing are
not in the log: each must fit somewhere between what ended before it began and what began after it ended.

This is much cheaper than a search for any order, and says more: which order it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from knownas.store.port import LogEntry
from tests.concurrency.history import Failed, History, Operation, ScopeRules
from tests.concurrency.linearizability import NEVER_NS, parted
from tests.concurrency.sequential import NOTHING, Sequential, State


@dataclass
class Claim:
    """What is wrong with the order of a log, and which operations that changed nothing fit nowhere in it.

    The latter need not be wrong: lines of commits that ran at the same time and did not rely on each other may stand in
    either order, and an operation may have seen the other one.
    """

    wrong: list[str] = field(default_factory=list[str])
    lines: int = 0
    placed: int = 0
    unplaced: list[Operation] = field(default_factory=list[Operation])


def check_claim(history: History, log: Sequence[LogEntry]) -> Claim:
    """Check a history against the log of the servers, whose lines come in their order."""
    claim = Claim(lines=len(log))
    places = {entry.decision_id: place for place, entry in enumerate(log)}
    by_id = {one.decision_id: one for one in history.operations if one.decision_id}
    unanswered = sum(one.answer is None for one in history.operations)
    strangers = [entry.decision_id for entry in log if entry.decision_id not in by_id]
    if len(places) != len(log) or len(strangers) > unanswered:
        claim.wrong.append(f"lines of no operation: {strangers[:3]}, {len(log) - len(places)} repeated")
    _check_times([by_id[entry.decision_id] for entry in log if entry.decision_id in by_id], claim)
    if not strangers:
        for operations in parted(one for one in history.operations if not isinstance(one.answer, Failed)):
            _check_component(operations, places, history.rules, claim)
    return claim


def _check_times(logged: Sequence[Operation], claim: Claim) -> None:
    """See that no operation stands before one that had ended when it began."""
    first_end, its = NEVER_NS, None
    for one in reversed(logged):
        if first_end < one.started_ns:
            claim.wrong.append(f"{one} stands in the log before {its}, which had ended")
        if one.ended_ns is not None and one.ended_ns < first_end:
            first_end, its = one.ended_ns, one


def _check_component(
    operations: Sequence[Operation], places: Mapping[str, int], rules: Mapping[str, ScopeRules], claim: Claim
) -> None:
    model = Sequential(rules[operations[0].call.pool.partition("/")[0]].of_model(), operations)
    numbers = range(len(operations))
    logged = sorted(
        (number for number in numbers if operations[number].decision_id in places),
        key=lambda number: places[operations[number].decision_id],
    )
    states: list[set[State]] = [{NOTHING}]
    for number in logged:
        states.append({after for state in states[-1] for after in model.after(state, number)})
        if not states[-1]:
            claim.wrong.append(f"{operations[number]} can't be answered so where the log has it, over {states[-2]}")
            return
    lines = [operations[number] for number in logged]
    for number in numbers:
        one = operations[number]
        if one.decision_id in places or one.answer is None:
            continue
        first = max((place for place, line in enumerate(lines, 1) if _precedes(line, one)), default=0)
        last = min((place for place, line in enumerate(lines) if _precedes(one, line)), default=len(lines))
        if any(state in model.after(state, number) for reached in states[first : last + 1] for state in reached):
            claim.placed += 1
        else:
            claim.unplaced.append(one)


def _precedes(one: Operation, other: Operation) -> bool:
    return one.ended_ns is not None and one.ended_ns < other.started_ns
