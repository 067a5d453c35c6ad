"""Tells why a user belongs to an audience or does not: each condition, whether it holds, what was found, and in which events."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, assert_never

from knownas.core.audience.expression import (
    AbsoluteDate,
    Aggregate,
    Compared,
    Definition,
    Every,
    Expression,
    Member,
    Not,
    Operand,
    RelativeDate,
    Sequenced,
    Some,
    Tested,
)
from knownas.core.audience.field import EventField
from knownas.core.audience.judging import Judge
from knownas.core.audience.kept import Kept
from knownas.core.audience.phrases import phrase
from knownas.core.audience.subject import PastEvent, Subject
from knownas.core.profile.attributes import as_text

REASON_EVENTS_MAX: Final = 20
"""Events that are named for one condition, the newest ones; there may be more."""

REASON_VALUES_MAX: Final = 20
"""Values that are told of one condition."""


class Reason(NamedTuple):
    """A condition of a definition: where it stands (a JSON pointer), in words, and what came of it.

    `found` are the values that were compared; `events` are the ids of the events that it rests on.
    """

    place: str
    sentence: str
    holds: bool
    found: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


def reasons(definition: Definition, subject: Subject, now_ms: int) -> tuple[Reason, ...]:
    """Return what came of each condition, in the order of the definition."""
    judge = Judge(subject, now_ms)
    return tuple(_reason(one, said, judge, subject) for one, said in _SAID.of(definition))


_Condition = Compared | Tested | Member | Sequenced


def _conditions(expression: Expression) -> Iterator[_Condition]:
    match expression:
        case Every(expressions=inner) | Some(expressions=inner):
            for one in inner:
                yield from _conditions(one)
        case Not(expression=inner):
            yield from _conditions(inner)
        case Compared() | Tested() | Member() | Sequenced():
            yield expression
        case _:
            assert_never(expression)


def _said(definition: Definition) -> Sequence[tuple[_Condition, str]]:
    """Return the conditions of a definition, each in words."""
    return [(one, phrase(one)) for one in _conditions(definition.criteria)]


_SAID: Final[Kept[Definition, Sequence[tuple[_Condition, str]]]] = Kept(_said)


def _reason(condition: _Condition, said: str, judge: Judge, subject: Subject) -> Reason:
    holds = judge.holds(condition).holds
    told: tuple[str, ...] = ()
    events: Sequence[PastEvent] = ()
    match condition:
        case Compared(left=left, right=right):
            of_user = right if isinstance(left, AbsoluteDate | RelativeDate) else left
            told = tuple(as_text(one) for one in judge.values(of_user).values[:REASON_VALUES_MAX])
            events = _events(of_user, condition, judge, subject)
        case Tested(operand=operand):
            events = _events(operand, condition, judge, subject)
        case Sequenced():
            events = judge.chosen(condition)
        case Member():
            pass
    return Reason(condition.place, said, holds, told, tuple(one.id for one in events[-REASON_EVENTS_MAX:]))


def _events(operand: Operand, condition: Compared | Tested, judge: Judge, subject: Subject) -> Sequence[PastEvent]:
    """Return the events that a condition rests on: those that were counted, or those that meet it, be it to its harm."""
    match operand:
        case Aggregate(field=EventField()):
            return [one for one in judge.items(operand) if isinstance(one, PastEvent)]
        case EventField():
            is_negated = isinstance(condition, Compared) and condition.negated
            return [one for one in subject.events if judge.holds(condition, one).holds is not is_negated]
        case _:
            return ()
