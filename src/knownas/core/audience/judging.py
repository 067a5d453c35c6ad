"""Judges whether a user belongs to an audience, and until when that can't change by time alone (platform §6.4).

Every part of a definition is judged to a value that holds until a moment: a comparison with a date that goes on with now turns at
a time that can be told, and everything that is made of such holds as long as they do. So nobody has to be judged anew before the
moment comes, unless something else becomes known of them; and who is judged then is judged in time, to the millisecond.

Where an item's field stands in the condition of an aggregation or a step, it means that item. Elsewhere it means all items, and any
of them may meet a comparison: so `name equals purchase and name equals refund` asks for two events, and not for one that is both.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, assert_never

from knownas.core.audience.comparing import compare, compare_date, time_of
from knownas.core.audience.dates import NEVER, moment, reaches_at
from knownas.core.audience.expression import (
    AbsoluteDate,
    Aggregate,
    Aggregation,
    Compared,
    Comparison,
    Definition,
    Every,
    Everything,
    Expression,
    Literal,
    Member,
    Not,
    Operand,
    RelativeDate,
    Sequenced,
    Some,
    StepField,
    Tested,
    parts_of,
)
from knownas.core.audience.field import Field, Model
from knownas.core.audience.mentions import names_within
from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.subject import Found, Item, PastEvent, Subject, found, items_of, of_item
from knownas.core.profile.attributes import Scalar
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution
from knownas.core.profile.moments import Span
from knownas.core.profile.numbers import ZERO, divided, number_of, plus, written

SEQUENCE_TRIES_MAX: Final = 50_000
"""Events that are tried for the steps of one sequence; one that is not found by then is taken for one that is not there."""


class Held(NamedTuple):
    """Whether something holds, and the first moment at which that may change although nothing becomes known."""

    holds: bool
    until_ms: int = NEVER


Bound = Mapping[str, PastEvent]
"""The events that the earlier steps of a sequence found, by alias."""

_UNBOUND: Final[Bound] = {}
_DATES: Final = (AbsoluteDate, RelativeDate)


class Judge:
    """Judges one user at one time (Unix milliseconds). `events` are the user's, where they are sorted already."""

    def __init__(self, subject: Subject, now_ms: int, events: NamedEvents | None = None) -> None:
        self._subject = subject
        self._now_ms = now_ms
        self._events = NamedEvents(subject.events) if events is None else events
        self._last: tuple[Aggregate, Sequence[Item], int] | None = None
        """The aggregation that was computed last: whoever wants a reason asks for the same one several times."""
        """What was found for an aggregation, which is asked for again by whoever says why; by its identity, since it is large to compare."""

    def judge(self, definition: Definition) -> Held:
        """Judge whether the user belongs to an audience."""
        return self.holds(definition.criteria)

    def holds(self, expression: Expression, item: Item | None = None, bound: Bound = _UNBOUND) -> Held:  # noqa: PLR0911 - one for each kind
        """Judge whether an expression holds: of the user, or within the condition on an item."""
        match expression:
            case Compared():
                return self._compared(expression, item, bound)
            case Tested(test=test, operand=operand):
                there = self._is_there(operand, item, bound)
                return Held(there.holds is not test.is_negative, there.until_ms)
            case Every(expressions=inner):
                return self._until(inner, item, bound, decisive=False)
            case Some(expressions=inner):
                return self._until(inner, item, bound, decisive=True)
            case Not(expression=inner):
                held = self.holds(inner, item, bound)
                return Held(not held.holds, held.until_ms)
            case Member(audience=audience, negated=negated):
                return Held((audience in self._subject.audiences) is not negated)
            case Sequenced():
                return _Search(self, self._events, expression).result()
            case _:
                assert_never(expression)

    def items(self, aggregate: Aggregate) -> tuple[Sequence[Item], int]:
        """Return the items that the condition of an aggregation holds for, and until when these are the ones."""
        known = self._last
        if known is None or known[0] is not aggregate:
            known = self._last = (aggregate, *self._items(aggregate))
        return known[1:]

    def _items(self, aggregate: Aggregate) -> tuple[Sequence[Item], int]:
        model = aggregate.field.model
        if aggregate.condition is None:
            return items_of(self._subject, model), NEVER
        if model is Model.EVENTS:
            # Of another name, none fits now or later.
            items: Sequence[Item] = [
                self._subject.events[place] for place in self._events.places(names_within(aggregate.condition))
            ]
        else:
            items = items_of(self._subject, model)
        chosen: list[Item] = []
        until_ms = NEVER
        for item in items:
            held = self.holds(aggregate.condition, item)
            until_ms = min(until_ms, held.until_ms)
            if held.holds:
                chosen.append(item)
        return chosen, until_ms

    def chosen(self, sequence: Sequenced) -> Sequence[PastEvent]:
        """Return the events that were found for the steps of a sequence; none if it is not there."""
        found_now = _Search(self, self._events, sequence).found()
        return () if found_now is None else list(found_now.values())

    def _until(self, inner: Sequence[Expression], item: Item | None, bound: Bound, *, decisive: bool) -> Held:
        """Judge until one is as decides: then it holds as long as that one, else as long as all."""
        until_ms = NEVER
        for one in inner:
            held = self.holds(one, item, bound)
            if held.holds is decisive:
                return held
            until_ms = min(until_ms, held.until_ms)
        return Held(not decisive, until_ms)

    def _is_there(self, operand: Operand, item: Item | None, bound: Bound) -> Held:
        if isinstance(operand, Everything):
            return Held(not operand.model.has_items or bool(items_of(self._subject, operand.model)))
        values, _, until_ms = self.values(operand, item, bound)
        return Held(bool(values), until_ms)

    def _compared(self, compared: Compared, item: Item | None, bound: Bound) -> Held:
        comparison, left, right = compared.comparison, compared.left, compared.right
        if isinstance(left, _DATES):
            comparison, left, right = comparison.mirrored, right, left
        if isinstance(right, _DATES):
            held = self._compared_with_date(comparison, self.values(left, item, bound), right, bound)
        else:
            held = _any(comparison, self.values(left, item, bound), self.values(right, item, bound))
        return Held(held.holds is not compared.negated, held.until_ms)

    def _compared_with_date(
        self, comparison: Comparison, left: Found, date: AbsoluteDate | RelativeDate, bound: Bound
    ) -> Held:
        span = self._span(date, bound)
        if span is None:
            return Held(holds=False, until_ms=left.until_ms)
        until_ms = left.until_ms
        for value in left.values:
            at_ms = time_of(value)
            if at_ms is None:
                continue
            turns_ms = self._turns_at(comparison, at_ms, date)
            if compare_date(comparison, at_ms, span):
                return Held(holds=True, until_ms=min(turns_ms, left.until_ms))
            until_ms = min(until_ms, turns_ms)
        return Held(holds=False, until_ms=until_ms)

    def _turns_at(self, comparison: Comparison, at_ms: int, date: AbsoluteDate | RelativeDate) -> int:
        """Return when a time is compared otherwise with a date that goes on with now: once that reaches it, or once it is past."""
        if isinstance(date, AbsoluteDate) or date.relative_to is not None:
            return NEVER
        crossings = [at_ms + one for one in _CROSSINGS.get(comparison, (0, 1))]
        return min(reaches_at(one, self._now_ms, date.offset, date.unit, date.boundary) for one in crossings)

    def _span(self, date: AbsoluteDate | RelativeDate, bound: Bound) -> Span | None:
        """Return what a date means now; None where it is told from a step that has no such date."""
        if isinstance(date, AbsoluteDate):
            return date.span
        base_ms: int | None = self._now_ms
        if date.relative_to is not None:
            values = self.values(date.relative_to, None, bound).values
            base_ms = next((at_ms for at_ms in map(time_of, values) if at_ms is not None), None)
        if base_ms is None:
            return None
        at_ms = moment(base_ms, date.offset, date.unit, date.boundary)
        return Span(at_ms, at_ms + 1)

    def values(self, operand: Operand, item: Item | None = None, bound: Bound = _UNBOUND) -> Found:
        """Return the values of an operand that is no date and no whole model."""
        match operand:
            case Literal(values):
                return Found(values)
            case StepField(alias, field):
                return of_item(bound[alias], field)
            case Aggregate():
                return self._aggregate(operand)
            case Everything() | AbsoluteDate() | RelativeDate():
                raise AssertionError("a definition compares no whole model, and dates only with values")
            case _:
                return self._field(operand, item)

    def _field(self, field: Field, item: Item | None) -> Found:
        if item is not None and _MODEL_OF[type(item)] is field.model:
            return of_item(item, field)
        return found(self._subject, field)

    def _aggregate(self, aggregate: Aggregate) -> Found:
        items, until_ms = self.items(aggregate)
        told = [of_item(item, aggregate.field).values for item in items]
        if aggregate.aggregation is Aggregation.COUNT:
            return Found((sum(map(bool, told)),), until_ms=until_ms)
        values = [value for one in told for value in one]
        if aggregate.aggregation is Aggregation.LIST:
            return Found(values, is_list=True, until_ms=until_ms)
        return Found(_number(aggregate.aggregation, values), until_ms=until_ms)


_CROSSINGS: Final = {
    Comparison.LESS_THAN: (1,),
    Comparison.GREATER_THAN_EQUAL: (1,),
    Comparison.LESS_THAN_EQUAL: (0,),
    Comparison.GREATER_THAN: (0,),
}
"""How far from a time the date has to be for a comparison of the two to turn, in milliseconds; `equals` turns twice."""

_MODEL_OF: Final = {PastEvent: Model.EVENTS, Device: Model.DEVICES, Attribution: Model.ATTRIBUTION}


def _any(comparison: Comparison, left: Found, right: Found) -> Held:
    """Whether any value on the left stands in a relation to any on the right."""
    until_ms = min(left.until_ms, right.until_ms)
    for other in right.values:
        for value in left.values:
            if compare(comparison, value, other, of_list=left.is_list):
                return Held(holds=True, until_ms=until_ms)
    return Held(holds=False, until_ms=until_ms)


def _number(aggregation: Aggregation, values: Sequence[Scalar]) -> Sequence[Scalar]:
    """Return the one number that many come to; of none, the sum is 0 and nothing else is anything."""
    numbers = [number for number in map(number_of, values) if number is not None]
    total = ZERO
    for number in numbers:
        total = plus(total, number)
    match aggregation:
        case Aggregation.SUM:
            return (written(total),)
        case Aggregation.AVG:
            return (written(divided(total, number_of(len(numbers)) or ZERO)),) if numbers else ()
        case Aggregation.MIN:
            return (written(min(numbers)),) if numbers else ()
        case Aggregation.MAX:
            return (written(max(numbers)),) if numbers else ()
        case Aggregation.COUNT | Aggregation.LIST:
            raise AssertionError("neither is a number that many come to")
        case _:
            assert_never(aggregation)


class _Search:
    """Looks for the events of a sequence, one for each step, each later than the one before.

    A step whose event no later condition speaks of takes the first that fits: any later one would leave fewer to the others.
    Else one after the other is tried.
    """

    def __init__(self, judge: Judge, events: NamedEvents, sequence: Sequenced) -> None:
        self._judge, self._events, self._steps = judge, events.all, sequence.steps
        asked = (None if one.condition is None else names_within(one.condition) for one in sequence.steps)
        self._places = [events.places(names) for names in asked]
        self._spoken_of = _spoken_of(sequence)
        self._tries = 0
        self._until_ms = NEVER

    def result(self) -> Held:
        """Look, and tell whether it is there."""
        there = self.found() is not None
        return Held(there, self._until_ms)

    def found(self) -> Bound | None:
        """Look, and return the events by alias; None if it is not there."""
        return self._from(0, 0, _UNBOUND)

    def _from(self, number: int, place: int, bound: Bound) -> Bound | None:
        if number == len(self._steps):
            return bound
        step = self._steps[number]
        places = self._places[number]
        for at in islice(places, bisect_left(places, place), None):
            if self._tries == SEQUENCE_TRIES_MAX:
                return None
            self._tries += 1
            event = self._events[at]
            if step.condition is not None:
                held = self._judge.holds(step.condition, event, bound)
                self._until_ms = min(self._until_ms, held.until_ms)
                if not held.holds:
                    continue
            chosen = self._from(number + 1, at + 1, {**bound, step.alias: event})
            if chosen is not None or step.alias not in self._spoken_of:
                return chosen
        return None


def _spoken_of(sequence: Sequenced) -> frozenset[str]:
    """Return the aliases that conditions of later steps speak of."""
    parts = (part for step in sequence.steps if step.condition is not None for part in parts_of(step.condition))
    return frozenset(part.alias for part in parts if isinstance(part, StepField))
