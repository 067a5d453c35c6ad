"""Tells how far back a definition looks: the time before which no event of a user matters to it, now or later.

Most audiences ask for what happened lately, while years of events are kept. Whoever reads a user's events for a definition may leave out all that
are older than its lookback: none of them is counted, starts a sequence or is told as a reason, and since a relative date never goes
back (`dates`), none will be. A definition that asks for events of any age has no lookback, and of one that asks for none, all are too old.
"""

from typing import Final, assert_never

from knownas.core.audience.dates import NEVER, moment
from knownas.core.audience.expression import (
    AbsoluteDate,
    Aggregate,
    Compared,
    Comparison,
    Every,
    Everything,
    Expression,
    Member,
    Not,
    Operand,
    RelativeDate,
    Sequenced,
    Some,
    Tested,
    parts_of,
)
from knownas.core.audience.field import EventFact, EventField, Model

EVER: Final = -NEVER
"""The lookback of a definition that asks for events of any age: a time before all others (Unix milliseconds)."""

_SINCE: Final = frozenset({Comparison.GREATER_THAN, Comparison.GREATER_THAN_EQUAL, Comparison.EQUALS})
"""Comparisons with a date that hold of nothing that happened before it."""


def lookback(expression: Expression, now_ms: int) -> int:
    """Return the time before which no event matters to an expression about a user, from now on (Unix milliseconds).

    `EVER` if events of any age may, and `NEVER` if no event does.
    """
    match expression:
        case Every(expressions=inner) | Some(expressions=inner):
            return min((lookback(one, now_ms) for one in inner), default=NEVER)
        case Not(expression=inner):
            return lookback(inner, now_ms)
        case Compared(left=left, right=right):
            return min(_of_operand(left, now_ms), _of_operand(right, now_ms))
        case Tested(operand=operand):
            return _of_operand(operand, now_ms)
        case Sequenced(steps=steps):
            return min((_of_events(step.condition, now_ms) for step in steps), default=NEVER)
        case Member():
            return NEVER
        case _:
            assert_never(expression)


def _of_operand(operand: Operand, now_ms: int) -> int:
    match operand:
        case EventField() | Everything(model=Model.EVENTS):
            return EVER
        case Aggregate(field=EventField(), condition=condition):
            return _of_events(condition, now_ms)
        case Aggregate(condition=condition):
            return NEVER if condition is None else lookback(condition, now_ms)
        case _:
            return NEVER


def _of_events(condition: Expression | None, now_ms: int) -> int:
    """Return how far back a condition looks that is judged of one event after the other."""
    if condition is None or any(isinstance(part, Aggregate | Everything) for part in parts_of(condition)):
        # What a condition on one event asks of all of them is not looked into.
        return EVER
    return _since(condition, now_ms)


def _since(condition: Expression, now_ms: int) -> int:
    """Return the time before which no event meets a condition."""
    match condition:
        case Every(expressions=inner):
            return max((_since(one, now_ms) for one in inner), default=EVER)
        case Some(expressions=inner):
            return min((_since(one, now_ms) for one in inner), default=NEVER)
        case Compared(negated=False):
            return _since_date(condition, now_ms)
        case Compared() | Tested() | Not() | Member() | Sequenced():
            return EVER
        case _:
            assert_never(condition)


def _since_date(compared: Compared, now_ms: int) -> int:
    comparison, time, date = compared.comparison, compared.left, compared.right
    if isinstance(time, AbsoluteDate | RelativeDate):
        comparison, time, date = comparison.mirrored, date, time
    if time != EventField(EventFact.TIMESTAMP) or comparison not in _SINCE:
        return EVER
    match date:
        case AbsoluteDate(span):
            return span.from_ms
        case RelativeDate(offset, unit, boundary, None):
            return moment(now_ms, offset, unit, boundary)
        case _:
            return EVER
