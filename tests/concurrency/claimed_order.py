"""Checks the order that the servers themselves claim: that of their log.

What changed something is in the log, by a number. A line's number is larger than that of every line whose commit had ended
when its batch was loaded (`store.port.LogEntry`), so an operation that began after another one had ended stands behind it.
Told in that order one at a time, the operations must have the answers that they had. Those that changed nothing are
not in the log: each must fit somewhere between what ended before it began and what began after it ended.

This is much cheaper than a search for any order, and says more: which order it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from knownas.core.identity.observation import IdentityRequest, ModifyRequest
from knownas.service.identity.log_form import observation_from
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


def numbered(history: History, log: Iterable[LogEntry]) -> History:
    """Return a history with the number of each operation's line in the log, also of those whose answer never came."""
    by_id = {entry.decision_id: entry for entry in log}
    seqs: dict[int, int] = {}
    for one in history.operations:
        if one.decision_id in by_id:
            seqs[one.number] = by_id.pop(one.decision_id).seq
    for one in history.operations:
        if one.answer is None:
            found = next((entry for entry in by_id.values() if _is_about(entry, one)), None)
            if found is not None:
                seqs[one.number] = by_id.pop(found.decision_id).seq
    operations = [msgspec.structs.replace(one, seq=seqs.get(one.number)) for one in history.operations]
    return History(history.about, operations)


def _is_about(entry: LogEntry, one: Operation) -> bool:
    """Whether a line may be an operation's."""
    call, observation = one.call, observation_from(entry.observation)
    if "/".join(entry.pool) != call.pool or observation.endpoint != call.kind or entry.at_ms < one.started_ms:
        return False
    match observation:
        case IdentityRequest():
            return (observation.identities, observation.previous_mpid) == (call.identities, call.previous)
        case ModifyRequest():
            changes = tuple((each.type, each.old_value, each.new_value) for each in observation.changes)
            return (observation.mpid, changes) == (call.mpid, call.changes)
        case _:
            return False


def check_claim(history: History, log: Sequence[LogEntry]) -> Claim:
    """Check a numbered history against the log of the servers, whose lines come in their order."""
    claim = Claim(lines=len(log))
    by_seq = {one.seq: one for one in history.operations if one.seq is not None}
    strangers = [entry.decision_id for entry in log if entry.seq not in by_seq]
    if strangers:
        claim.wrong.append(f"lines of no operation: {strangers[:3]}")
        return claim
    _check_times([by_seq[entry.seq] for entry in log], claim)
    for operations in parted(one for one in history.operations if not isinstance(one.answer, Failed)):
        _check_component(operations, history.rules, claim)
    return claim


def _check_times(logged: Sequence[Operation], claim: Claim) -> None:
    """See that no operation stands before one that had ended when it began."""
    first_end, its = NEVER_NS, None
    for one in reversed(logged):
        if first_end < one.started_ns:
            claim.wrong.append(f"{one} stands in the log before {its}, which had ended")
        if one.ended_ns is not None and one.ended_ns < first_end:
            first_end, its = one.ended_ns, one


def _check_component(operations: Sequence[Operation], rules: Mapping[str, ScopeRules], claim: Claim) -> None:
    model = Sequential(rules[operations[0].call.pool.partition("/")[0]].of_model(), operations)
    numbers = range(len(operations))
    logged = sorted((seq, number) for number in numbers if (seq := operations[number].seq) is not None)
    states: list[set[State]] = [{NOTHING}]
    for _, number in logged:
        states.append({after for state in states[-1] for after in model.after(state, number)})
        if not states[-1]:
            claim.wrong.append(f"{operations[number]} can't be answered so where the log has it, over {states[-2]}")
            return
    lines = [operations[number] for _, number in logged]
    for number in numbers:
        one = operations[number]
        if one.seq is not None or one.answer is None:
            continue
        first = max((place for place, line in enumerate(lines, 1) if _precedes(line, one)), default=0)
        last = min((place for place, line in enumerate(lines) if _precedes(one, line)), default=len(lines))
        if any(state in model.after(state, number) for reached in states[first : last + 1] for state in reached):
            claim.placed += 1
        else:
            claim.unplaced.append(one)


def _precedes(one: Operation, other: Operation) -> bool:
    return one.ended_ns is not None and one.ended_ns < other.started_ns
