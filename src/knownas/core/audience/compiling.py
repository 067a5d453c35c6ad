"""Compiles definitions: makes of each part a function that judges it, with all decided before that is the same for every user.

What the parts mean is told in `judging`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from knownas.core.audience.comparing import compare, compare_date, meets, time_of
from knownas.core.audience.compiled import (
    ALWAYS,
    UNBOUND,
    Bound,
    Choose,
    Chosen,
    Held,
    Holds,
    Judges,
    Reads,
    Values,
    held_until,
)
from knownas.core.audience.dates import NEVER, moment, reaching
from knownas.core.audience.expression import (
    AbsoluteDate,
    Aggregate,
    Aggregation,
    Compared,
    Comparison,
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
)
from knownas.core.audience.field import Field, Model
from knownas.core.audience.mentions import names_within
from knownas.core.audience.searching import Search, spoken_of
from knownas.core.audience.subject import Found, Item, Read, found, items_of, of_item, read_by, read_item_by
from knownas.core.profile.attributes import SCALARS, Scalar
from knownas.core.profile.moments import Span
from knownas.core.profile.numbers import ZERO, divided, number_of, plus, written

_Date = AbsoluteDate | RelativeDate


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles for users of whom fields are read as `reads` says."""

    reads: Reads = read_by

    def holds(self, expression: Expression, of: Model | None = None) -> Holds:  # noqa: PLR0911 - one for each kind
        """Compile an expression: of a user, or of an item of a model."""
        match expression:
            case Compared():
                return self._compared(expression, of)
            case Tested():
                return self._tested(expression, of)
            case Every(expressions=inner):
                return _until([self.holds(one, of) for one in inner], decisive=False)
            case Some(expressions=inner):
                return _until([self.holds(one, of) for one in inner], decisive=True)
            case Not(expression=inner):
                return _opposite(self.holds(inner, of))
            case Member(audience=audience, negated=negated):
                return lambda judge, _item, _bound: ALWAYS[(audience in judge.subject.audiences) is not negated]
            case Sequenced():
                search = self.search(expression)
                return lambda judge, _item, _bound: search(judge).result()
            case _:
                assert_never(expression)

    def values(self, operand: Operand, of: Model | None = None) -> Values:
        """Compile an operand that is no date and no whole model."""
        match operand:
            case Literal(values):
                always = Found(values)
                return lambda _judge, _item, _bound: always
            case StepField(alias, field):
                return lambda _judge, _item, bound: of_item(bound[alias], field)
            case Aggregate():
                return self._aggregated(operand)
            case Everything() | AbsoluteDate() | RelativeDate():
                raise AssertionError("a definition compares no whole model, and dates only with values")
            case _:
                return self._field(operand, of)

    def chosen(self, aggregate: Aggregate) -> Choose:
        """Compile the choice of the items that the condition of an aggregation holds for."""
        choose = self._choice(aggregate)

        def chosen(judge: Judges) -> Chosen:
            known = judge.last
            if known is None or known[0] is not aggregate:
                known = judge.last = (aggregate, choose(judge))
            return known[1]

        return chosen

    def search(self, sequence: Sequenced) -> Callable[[Judges], Search]:
        """Compile the search for the events of a sequence."""
        conditions = [
            None if one.condition is None else self.holds(one.condition, Model.EVENTS) for one in sequence.steps
        ]
        names = [None if one.condition is None else names_within(one.condition) for one in sequence.steps]
        aliases, spoken = [one.alias for one in sequence.steps], spoken_of(sequence)
        return lambda judge: Search(judge, aliases, conditions, names, spoken)

    def _choice(self, aggregate: Aggregate) -> Choose:
        model = aggregate.field.model
        if aggregate.condition is None:
            return lambda judge: Chosen(items_of(judge.subject, model))
        holds = self.holds(aggregate.condition, model)
        # Of another name, no event fits now or later.
        names = names_within(aggregate.condition) if model is Model.EVENTS else None

        def choose(judge: Judges) -> Chosen:
            items: Sequence[Item] = items_of(judge.subject, model)
            if names is not None:
                items = [items[place] for place in judge.events.places(names)]
            chosen: list[Item] = []
            goes_ms = comes_ms = NEVER
            for item in items:
                is_held, until_ms = holds(judge, item, UNBOUND)
                if is_held:
                    chosen.append(item)
                    goes_ms = min(goes_ms, until_ms)
                else:
                    comes_ms = min(comes_ms, until_ms)
            return Chosen(chosen, goes_ms, comes_ms)

        return choose

    def _aggregated(self, aggregate: Aggregate) -> Values:
        chosen, field, aggregation = self.chosen(aggregate), aggregate.field, aggregate.aggregation
        count = _counting(field)

        def aggregated(judge: Judges, _item: Item | None, _bound: Bound) -> Found:
            items, goes_ms, comes_ms = chosen(judge)
            until_ms = min(goes_ms, comes_ms)
            if aggregation is Aggregation.COUNT:
                return Found((count(items),), until_ms=until_ms)
            values = [value for item in items for value in of_item(item, field).values]
            if aggregation is Aggregation.LIST:
                return Found(values, is_list=True, until_ms=until_ms)
            return Found(_number(aggregation, values), until_ms=until_ms)

        return aggregated

    def _field(self, field: Field, of: Model | None) -> Values:
        if of is field.model:
            return lambda _judge, item, _bound: of_item(item, field)
        read = self.reads(field)
        if read is None:
            return lambda judge, _item, _bound: found(judge.subject, field)

        def of_user(judge: Judges, _item: Item | None, _bound: Bound) -> Found:
            value = read(judge.subject)
            if value is None:
                return _NOTHING
            return Found((value,)) if isinstance(value, SCALARS) else Found(value, is_list=True)

        return of_user

    def _tested(self, tested: Tested, of: Model | None) -> Holds:
        is_negative, operand = tested.test.is_negative, tested.operand
        if isinstance(operand, Everything):
            model = operand.model
            if not model.has_items:
                return lambda _judge, _item, _bound: ALWAYS[not is_negative]
            return lambda judge, _item, _bound: ALWAYS[bool(items_of(judge.subject, model)) is not is_negative]
        values = self.values(operand, of)

        def holds(judge: Judges, item: Item | None, bound: Bound) -> Held:
            told, _, until_ms = values(judge, item, bound)
            return held_until(bool(told) is not is_negative, until_ms)

        return holds

    def _compared(self, compared: Compared, of: Model | None) -> Holds:
        comparison, left, right = compared.comparison, compared.left, compared.right
        if isinstance(left, _Date):
            comparison, left, right = comparison.mirrored, right, left
        if isinstance(right, _Date):
            return self._with_date(comparison, left, right, of, is_negated=compared.negated)
        if isinstance(right, Literal):
            return self._with_literal(comparison, left, right, of, is_negated=compared.negated)
        return _with_values(comparison, self.values(left, of), self.values(right, of), is_negated=compared.negated)

    def _reading(self, operand: Operand, of: Model | None) -> tuple[Read | None, bool]:
        """Return what reads the value of an operand that has one at most, whatever time it is, and whether it is of the item; None for others."""
        if isinstance(operand, Literal | StepField | Aggregate | Everything | AbsoluteDate | RelativeDate):
            return None, False
        return (read_item_by(operand), True) if of is operand.model else (self.reads(operand), False)

    def _with_literal(
        self, comparison: Comparison, left: Operand, right: Literal, of: Model | None, *, is_negated: bool
    ) -> Holds:
        fits, fits_in_list = meets(comparison, right.values), meets(comparison, right.values, of_list=True)
        read, of_this = self._reading(left, of)
        if read is not None:

            def holds_of_one(judge: Judges, item: Item | None, _bound: Bound) -> Held:
                value = read(item if of_this else judge.subject)
                if isinstance(value, SCALARS):
                    return ALWAYS[fits(value) is not is_negated]
                return ALWAYS[(value is not None and any(map(fits_in_list, value))) is not is_negated]

            return holds_of_one
        if isinstance(left, Aggregate) and left.aggregation is Aggregation.COUNT and comparison.is_order:
            return self._counted(comparison, left, fits, is_negated=is_negated)
        values = self.values(left, of)

        def holds(judge: Judges, item: Item | None, bound: Bound) -> Held:
            told, is_list, until_ms = values(judge, item, bound)
            return held_until(any(map(fits_in_list if is_list else fits, told)) is not is_negated, until_ms)

        return holds

    def _counted(
        self, comparison: Comparison, count: Aggregate, fits: Callable[[Scalar], bool], *, is_negated: bool
    ) -> Holds:
        """Compile the question whether there are so many items or more, or so many or fewer.

        Where there are enough it stays so until one of them goes, and where there are not, until another one comes.
        """
        chosen, counted = self.chosen(count), _counting(count.field)
        is_least = comparison in (Comparison.GREATER_THAN, Comparison.GREATER_THAN_EQUAL)

        def holds(judge: Judges, _item: Item | None, _bound: Bound) -> Held:
            items, goes_ms, comes_ms = chosen(judge)
            is_met = fits(counted(items))
            return held_until(is_met is not is_negated, goes_ms if is_met is is_least else comes_ms)

        return holds

    def _with_date(
        self, comparison: Comparison, left: Operand, date: _Date, of: Model | None, *, is_negated: bool
    ) -> Holds:
        span_of, turns_at = self._span(date), _turning(comparison, date)

        def compared(judge: Judges, told: Found, bound: Bound) -> Held:
            span, until_ms = span_of(judge, bound), told.until_ms
            if span is None:
                return held_until(is_negated, until_ms)
            for at_ms in map(time_of, told.values):
                if at_ms is None:
                    continue
                turns_ms = turns_at(judge.now_ms, at_ms)
                if compare_date(comparison, at_ms, span):
                    return held_until(not is_negated, min(turns_ms, told.until_ms))
                until_ms = min(until_ms, turns_ms)
            return held_until(is_negated, until_ms)

        values = self.values(left, of)
        read, of_this = self._reading(left, of)
        if read is None:
            return lambda judge, item, bound: compared(judge, values(judge, item, bound), bound)

        def compared_one(judge: Judges, item: Item | None, bound: Bound) -> Held:
            value = read(item if of_this else judge.subject)
            span = span_of(judge, bound) if type(value) is int else None
            if type(value) is not int or span is None:
                return compared(judge, values(judge, item, bound), bound)
            return held_until(compare_date(comparison, value, span) is not is_negated, turns_at(judge.now_ms, value))

        return compared_one

    def _span(self, date: _Date) -> Callable[[Judges, Bound], Span | None]:
        """Return what tells what a date means now; None where it is told from a step that has no such date."""
        if isinstance(date, AbsoluteDate):
            always = date.span
            return lambda _judge, _bound: always
        if date.relative_to is not None:
            base = self.values(date.relative_to)

            def from_step(judge: Judges, bound: Bound) -> Span | None:
                times = map(time_of, base(judge, None, bound).values)
                base_ms = next((at_ms for at_ms in times if at_ms is not None), None)
                return None if base_ms is None else _moment(date, base_ms)

            return from_step
        last_ms, last = 0, _moment(date, 0)

        def from_now(judge: Judges, _bound: Bound) -> Span:
            nonlocal last_ms, last
            if judge.now_ms != last_ms:
                last_ms, last = judge.now_ms, _moment(date, judge.now_ms)
            return last

        return from_now


_NOTHING: Final = Found(())
_CROSSINGS: Final = {
    Comparison.LESS_THAN: 1,
    Comparison.GREATER_THAN_EQUAL: 1,
    Comparison.LESS_THAN_EQUAL: 0,
    Comparison.GREATER_THAN: 0,
}
"""How far from a time the date has to be for a comparison of the two to turn, in milliseconds; others turn at both."""


def _until(inner: Sequence[Holds], *, decisive: bool) -> Holds:
    """Judge until one is as decides: then it holds as long as that one, else as long as all."""

    def holds(judge: Judges, item: Item | None, bound: Bound) -> Held:
        until_ms = NEVER
        for one in inner:
            held = one(judge, item, bound)
            if held.holds is decisive:
                return held
            until_ms = min(until_ms, held.until_ms)
        return held_until(not decisive, until_ms)

    return holds


def _opposite(inner: Holds) -> Holds:
    def holds(judge: Judges, item: Item | None, bound: Bound) -> Held:
        held = inner(judge, item, bound)
        return held_until(not held.holds, held.until_ms)

    return holds


def _with_values(comparison: Comparison, left: Values, right: Values, *, is_negated: bool) -> Holds:
    """Whether any value on the left stands in a relation to any on the right."""

    def holds(judge: Judges, item: Item | None, bound: Bound) -> Held:
        told, is_list, told_until_ms = left(judge, item, bound)
        others, _, others_until_ms = right(judge, item, bound)
        is_met = any(compare(comparison, one, other, of_list=is_list) for other in others for one in told)
        return held_until(is_met is not is_negated, min(told_until_ms, others_until_ms))

    return holds


def _turning(comparison: Comparison, date: _Date) -> Callable[[int, int], int]:
    """Return what tells, by now and a time, when that time is compared otherwise with a date: once that reaches it, or once it is past."""
    if isinstance(date, AbsoluteDate) or date.relative_to is not None:
        return lambda _now_ms, _at_ms: NEVER
    reaches, crossings = reaching(date.offset, date.unit, date.boundary), _CROSSINGS.get(comparison)
    if crossings is None:
        return lambda now_ms, at_ms: min(reaches(at_ms, now_ms), reaches(at_ms + 1, now_ms))
    return lambda now_ms, at_ms: reaches(at_ms + crossings, now_ms)


def _moment(date: RelativeDate, base_ms: int) -> Span:
    at_ms = moment(base_ms, date.offset, date.unit, date.boundary)
    return Span(at_ms, at_ms + 1)


def _counting(field: Field) -> Callable[[Sequence[Item]], int]:
    """Return what counts the items that have something of a field."""
    read = read_item_by(field)
    if read is None:
        return lambda items: sum(1 for item in items if of_item(item, field).values)
    return lambda items: len(items) - list(map(read, items)).count(None)


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
