"""Reads an audience's definition (schema 1.6.0, platform §6.3), and says of each fault where it is and what is wanted.

What comes is parsed JSON. Beyond the schema, `{"operator": "not", "expression": E}` negates, and a list of values may stand in a
comparison. Names of models and paths are those of `field`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, cast

from knownas.core.audience.expression import (
    AbsoluteDate,
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
    Step,
    Test,
    Tested,
)
from knownas.core.audience.field import Model
from knownas.core.audience.reading_operands import Operands, Within
from knownas.core.audience.reading_text import DEFINITION_PARTS_MAX, Fault, Object, Text, Wrong

SEQUENCE_STEPS_MAX: Final = 10
"""Events of one sequence."""

FAULTS_TOLD_MAX: Final = 50
"""Faults that are told; there may be more."""


def read_definition(given: object) -> Definition | tuple[Fault, ...]:
    """Read a definition; what is wrong with it if it can't be, at most `FAULTS_TOLD_MAX` of it, in the order of the text."""
    reader = _Reader()
    try:
        return reader.definition(given)
    except Wrong:
        return tuple(reader.text.faults[:FAULTS_TOLD_MAX])


JUNCTIONS: Final = ("and", "or")
"""The operators that join expressions."""

NEGATION: Final = "not"
"""The operator that negates an expression; our extension of the schema."""

SEQUENCE: Final = "then"
"""The operator of events one after the other."""

COMPARISONS: Final[Mapping[str, tuple[Comparison, bool]]] = MappingProxyType(
    {
        **{one.value: (one, False) for one in Comparison},
        **{
            f"not_{one}": (one, True)
            for one in (
                *(Comparison.EQUALS, Comparison.MATCHES, Comparison.CONTAINS),
                *(Comparison.STARTS_WITH, Comparison.ENDS_WITH, Comparison.IN),
            )
        },
    }
)
"""The operators with two sides: how each compares, and whether it is the complement."""

MEMBERSHIPS: Final = frozenset({Comparison.IN, Comparison.MATCHES})
"""How membership in another audience is asked for; the complements ask whether it is missing."""

DATE_COMPARISONS: Final = frozenset(one for one in Comparison if one.is_order or one is Comparison.EQUALS)
"""How something is compared with a date, and by the complements."""

_WHOLE_USER: Final = {"model": Model.USER.value}


class _Reader:
    """Reads the expressions of one definition."""

    def __init__(self) -> None:
        self.text = Text()
        self._operands = Operands(self.text, self._expression)
        self._readers: Mapping[str, Callable[[Object, str, Within], Expression]] = {
            **dict.fromkeys(JUNCTIONS, self._junction),
            NEGATION: self._negation,
            SEQUENCE: self._sequence,
            **dict.fromkeys(Test, self._test),
            **dict.fromkeys(COMPARISONS, self._comparison),
        }

    def definition(self, given: object) -> Definition:
        read = self.text.members(given, "", ("schema_version", "audience"))
        version, criteria = self.text.all_of(
            lambda: self.text.text(read["schema_version"], "/schema_version"),
            lambda: self._expression(read["audience"], "/audience", Within()),
        )
        return Definition(version, criteria)

    def _expression(self, given: object, place: str, within: Within) -> Expression:
        self.text.count(place, within.depth)
        read = self.text.any_object(given, place, "an expression is wanted: an object with an operator")
        operator = read.get("operator")
        reader = self._readers.get(operator) if isinstance(operator, str) else None
        if reader is None:
            raise self.text.wrong(f"{place}/operator", f"wanted is one of {', '.join(self._readers)}")
        return reader(read, place, within)

    def _junction(self, given: Object, place: str, within: Within) -> Expression:
        read = self.text.members(given, place, ("operator", "expressions"))
        listed = self.text.full_list(read["expressions"], f"{place}/expressions", DEFINITION_PARTS_MAX)

        def one(number: int) -> Callable[[], Expression]:
            return lambda: self._expression(listed[number], f"{place}/expressions/{number}", within.deeper())

        inner = self.text.all_of(*map(one, range(len(listed))))
        return Every(place, inner) if read["operator"] == JUNCTIONS[0] else Some(place, inner)

    def _negation(self, given: Object, place: str, within: Within) -> Expression:
        read = self.text.members(given, place, ("operator", "expression"))
        return Not(place, self._expression(read["expression"], f"{place}/expression", within.deeper()))

    def _test(self, given: Object, place: str, within: Within) -> Expression:
        read = self.text.members(given, place, ("operator", "operand"))
        operand = self._operands.read(read["operand"], f"{place}/operand", within.deeper())
        if isinstance(operand, Literal | AbsoluteDate | RelativeDate):
            raise self.text.wrong(f"{place}/operand", "a value that stands in the definition is always there")
        return Tested(place, Test(str(read["operator"])), operand)

    def _comparison(self, given: Object, place: str, within: Within) -> Expression:
        read = self.text.members(given, place, ("operator", "left", "right"))
        comparison, negated = COMPARISONS[str(read["operator"])]
        if isinstance(read["right"], dict) and "audience" in cast("Object", read["right"]):
            return self._membership(read, place, comparison, negated=negated)
        left, right = self.text.all_of(
            lambda: self._side(read["left"], f"{place}/left", within),
            lambda: self._side(read["right"], f"{place}/right", within),
        )
        self._check_dates(place, comparison, left, right)
        return Compared(place, comparison, negated, left, right)

    def _side(self, given: object, place: str, within: Within) -> Operand:
        operand = self._operands.read(given, place, within.deeper())
        if isinstance(operand, Everything):
            raise self.text.wrong(place, "a path is wanted: only the fields of a model can be compared")
        return operand

    def _check_dates(self, place: str, comparison: Comparison, left: Operand, right: Operand) -> None:
        dates = [isinstance(one, AbsoluteDate | RelativeDate) for one in (left, right)]
        if not any(dates):
            return
        if all(dates) or isinstance(left, Literal) or isinstance(right, Literal):
            raise self.text.wrong(place, "a date is compared with what is known of the user")
        if comparison not in DATE_COMPARISONS:
            raise self.text.wrong(f"{place}/operator", "a date is compared by what orders, by equals or by not_equals")

    def _membership(self, read: Object, place: str, comparison: Comparison, *, negated: bool) -> Expression:
        if comparison not in MEMBERSHIPS:
            raise self.text.wrong(f"{place}/operator", "membership is asked by in, not_in, matches or not_matches")
        if read["left"] != _WHOLE_USER:
            raise self.text.wrong(f"{place}/left", 'membership is a user\'s: wanted is {"model": "user"}')
        right = self.text.members(read["right"], f"{place}/right", ("audience",))
        return Member(place, self.text.text(right["audience"], f"{place}/right/audience"), negated)

    def _sequence(self, given: Object, place: str, within: Within) -> Expression:
        if within.item is not None:
            raise self.text.wrong(place, "a sequence can't stand within the condition on an item")
        read = self.text.members(given, place, ("operator", "sequence"))
        listed = self.text.full_list(read["sequence"], f"{place}/sequence", SEQUENCE_STEPS_MAX)
        steps: list[Step] = []
        for number, one in enumerate(listed):
            aliases = tuple(step.alias for step in steps)
            steps.append(self._step(one, f"{place}/sequence/{number}", within.deeper()._replace(aliases=aliases)))
        return Sequenced(place, tuple(steps))

    def _step(self, given: object, place: str, within: Within) -> Step:
        read = self.text.members(given, place, ("alias", "operand"), ("condition",))
        alias = self.text.text(read["alias"], f"{place}/alias")
        if alias in within.aliases:
            raise self.text.wrong(f"{place}/alias", "an earlier step has this alias")
        if self._operands.field(read["operand"], f"{place}/operand").model is not Model.EVENTS:
            raise self.text.wrong(f"{place}/operand/model", "a step is an event: wanted is the model events")
        if "condition" not in read:
            return Step(alias, None)
        inner = within.deeper()._replace(item=Model.EVENTS)
        return Step(alias, self._expression(read["condition"], f"{place}/condition", inner))
