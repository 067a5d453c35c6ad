"""Tells why a user belongs to an audience or does not: each condition, whether it holds, what was found, and in which events."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, assert_never

from knownas.core.audience.compiled import UNBOUND, Judges, Values
from knownas.core.audience.compiling import Compiler
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
from knownas.core.audience.field import EventField, Model
from knownas.core.audience.phrases import phrase
from knownas.core.audience.subject import PastEvent
from knownas.core.profile.attributes import Scalar, as_text

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


_Condition = Compared | Tested | Member | Sequenced
_Rests = Callable[[Judges], Sequence[PastEvent]]
"""Returns the events of a user that a condition rests on."""

ConditionReasons = Callable[[Judges], Reason]
"""Tells what comes of one condition for a user."""


def reasons_of(definition: Definition, compiler: Compiler) -> tuple[ConditionReasons, ...]:
    """Compile the reasons of a definition, one for each condition, in its order."""
    return tuple(_reason(one, compiler) for one in _conditions(definition.criteria))


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


def _reason(condition: _Condition, compiler: Compiler) -> ConditionReasons:
    place, sentence, holds = condition.place, phrase(condition), compiler.holds(condition)
    values, rests = _told(condition, compiler), _rests(condition, compiler)

    def reason(judge: Judges) -> Reason:
        told: Sequence[Scalar] = () if values is None else values(judge, None, UNBOUND).values[:REASON_VALUES_MAX]
        events = rests(judge)[-REASON_EVENTS_MAX:]
        is_held = holds(judge, None, UNBOUND).holds
        return Reason(place, sentence, is_held, tuple(map(as_text, told)), tuple(one.id for one in events))

    return reason


def _of_user(condition: Compared) -> Operand:
    """Return the side of a comparison that is known of a user."""
    return condition.right if isinstance(condition.left, AbsoluteDate | RelativeDate) else condition.left


def _told(condition: _Condition, compiler: Compiler) -> Values | None:
    """Return what tells the values that are compared, where any are."""
    return compiler.values(_of_user(condition)) if isinstance(condition, Compared) else None


def _rests(condition: _Condition, compiler: Compiler) -> _Rests:
    """Return what tells the events that a condition rests on: those that were counted, or those that meet it, be it to its harm."""
    match condition:
        case Sequenced():
            search = compiler.search(condition)

            def of_steps(judge: Judges) -> Sequence[PastEvent]:
                found = search(judge).found()
                return () if found is None else list(found.values())

            return of_steps
        case Compared():
            return _events(_of_user(condition), condition, compiler, is_negated=condition.negated)
        case Tested(operand=operand):
            return _events(operand, condition, compiler, is_negated=False)
        case Member():
            return _no_events


def _events(operand: Operand, condition: Compared | Tested, compiler: Compiler, *, is_negated: bool) -> _Rests:
    match operand:
        case Aggregate(field=EventField()):
            chosen = compiler.chosen(operand)
            return lambda judge: [one for one in chosen(judge).items if isinstance(one, PastEvent)]
        case EventField():
            holds = compiler.holds(condition, Model.EVENTS)
            return lambda judge: [
                one for one in judge.subject.events if holds(judge, one, UNBOUND).holds is not is_negated
            ]
        case _:
            return _no_events


def _no_events(_judge: Judges) -> Sequence[PastEvent]:
    return ()
