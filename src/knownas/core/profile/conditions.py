"""Decides whether an attribute of an event meets a condition of a calculated attribute (platform §8).

Texts are compared without regard to case, dates by the calendar in UTC: *before* leaves the day out, *after* and
*between* include it, *equals* is the whole day (platform §6.2). An attribute that the event does not have, or whose
value can't be read as the condition's type, meets `not_exists` at most.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Final, assert_never

from knownas.core.profile.attributes import SCALARS, as_text
from knownas.core.profile.moments import Span, span_of
from knownas.core.profile.numbers import number_of

CONDITION_VALUES_MAX: Final = 1_000
"""Values that an `in_list` compares with."""


class ConditionType(StrEnum):
    """As what the attribute's value is read."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


class Operator(StrEnum):
    """How the value is compared. In a `pattern`, `*` stands for any text and `?` for one character."""

    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    EMPTY = "empty"
    IN_LIST = "in_list"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    PATTERN = "pattern"
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER_THAN = "greater_than"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_THAN = "less_than"
    LESS_THAN_OR_EQUAL = "less_than_or_equal"
    BETWEEN = "between"
    BEFORE = "before"
    AFTER = "after"
    BETWEEN_DATES = "between_dates"


_O = Operator
_OF_ALL: Final = (_O.EXISTS, _O.NOT_EXISTS, _O.EMPTY, _O.EQUALS)
OPERATORS_OF: Final[Mapping[ConditionType, tuple[Operator, ...]]] = MappingProxyType(
    {
        ConditionType.STRING: (
            *_OF_ALL,
            *(_O.NOT_EQUALS, _O.IN_LIST, _O.CONTAINS, _O.NOT_CONTAINS, _O.PATTERN),
        ),
        ConditionType.NUMBER: (
            *_OF_ALL,
            *(_O.NOT_EQUALS, _O.IN_LIST, _O.GREATER_THAN, _O.GREATER_OR_EQUAL),
            *(_O.LESS_THAN, _O.LESS_THAN_OR_EQUAL, _O.BETWEEN),
        ),
        ConditionType.BOOLEAN: _OF_ALL,
        ConditionType.DATE: (*_OF_ALL, _O.BEFORE, _O.AFTER, _O.BETWEEN_DATES),
    }
)
"""The operators that each type has; platform §8."""

_NEEDS_NOTHING: Final = frozenset({_O.EXISTS, _O.NOT_EXISTS, _O.EMPTY})
_NEEDS_BOUNDS: Final = frozenset({_O.BETWEEN, _O.BETWEEN_DATES})


Operand = str | bool | Decimal | Span


class InvalidDefinition(ValueError):
    """What defines a calculated attribute makes no sense; `member` names what is wrong, `sentence` why."""

    def __init__(self, member: str, sentence: str) -> None:
        super().__init__(sentence)
        self.member = member
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Condition:
    """What an attribute must be. `value`, `values` and the bounds are texts, read as the type says.

    Raises:
        InvalidDefinition: the type has no such operator, or what the operator needs is missing, or not needed.
    """

    type: ConditionType
    operator: Operator
    attribute_name: str
    value: str | None = None
    values: tuple[str, ...] = ()
    min_value: str | None = None
    max_value: str | None = None
    operands: tuple[Operand, ...] = field(init=False, repr=False, compare=False)
    """What is compared with: `value`, the `values`, or the two bounds."""

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS_OF[self.type]:
            allowed = ", ".join(OPERATORS_OF[self.type])
            raise InvalidDefinition("operator", f"{self.operator} does not compare a {self.type}; allowed: {allowed}")
        object.__setattr__(self, "operands", tuple(self._operands()))
        if self.operator in _NEEDS_BOUNDS and _wrong_way_round(*self.operands):
            raise InvalidDefinition("max_value", "the upper bound is below the lower one")
        if len(self.operands) > CONDITION_VALUES_MAX:
            raise InvalidDefinition("values", f"there are more than {CONDITION_VALUES_MAX} values")

    def _operands(self) -> list[Operand]:
        needed: tuple[str, ...] = ("value",)
        if self.operator in _NEEDS_NOTHING:
            needed = ()
        elif self.operator in _NEEDS_BOUNDS:
            needed = ("min_value", "max_value")
        elif self.operator is Operator.IN_LIST:
            needed = ("values",)
        given = {
            "value": () if self.value is None else (self.value,),
            "values": self.values,
            "min_value": () if self.min_value is None else (self.min_value,),
            "max_value": () if self.max_value is None else (self.max_value,),
        }
        operands: list[Operand] = []
        for member, texts in given.items():
            if member in needed and not texts:
                raise InvalidDefinition(member, f"{self.operator} needs {member}")
            if member not in needed and texts:
                raise InvalidDefinition(member, f"{self.operator} compares with no {member}")
            for text in texts:
                operand = _read(self.type, text)
                if operand is None:
                    raise InvalidDefinition(member, f"the {member} is no {self.type}")
                operands.append(operand)
        return operands


def _wrong_way_round(lower: Operand, upper: Operand) -> bool:
    match lower, upper:
        case Decimal(), Decimal():
            return upper < lower
        case Span(), Span():
            return upper < lower
        case _:
            return False


def meets(condition: Condition, given: object) -> bool:
    """Whether the value of an attribute meets a condition; `given` None: the event does not have the attribute."""
    match condition.operator:
        case Operator.NOT_EXISTS:
            return given is None
        case Operator.EXISTS:
            return given is not None
        case Operator.EMPTY:
            return given in ("", [])
        case _:
            return _compares(condition, _read(condition.type, given))


def _compares(condition: Condition, read: Operand | None) -> bool:
    operands = condition.operands
    match read:
        case None:
            return False
        case str():
            return _text_meets(condition.operator, read, [one for one in operands if isinstance(one, str)])
        case bool():
            return read == operands[0]
        case Decimal():
            return _number_meets(condition.operator, read, [one for one in operands if isinstance(one, Decimal)])
        case Span():
            spans = [one for one in operands if isinstance(one, Span)]
            return _time_meets(condition.operator, read.from_ms, spans[0], spans[-1])
        case _:
            assert_never(read)


def _read(kind: ConditionType, given: object) -> Operand | None:
    if not isinstance(given, SCALARS):
        return None
    match kind:
        case ConditionType.STRING:
            return as_text(given).casefold()
        case ConditionType.NUMBER:
            return number_of(given)
        case ConditionType.BOOLEAN:
            return _BOOLEANS.get(as_text(given).strip().lower())
        case ConditionType.DATE:
            return span_of(given)
        case _:
            assert_never(kind)


_BOOLEANS: Final = {"true": True, "false": False}


def _text_meets(operator: Operator, text: str, operands: Sequence[str]) -> bool:
    wanted = operands[0]
    match operator:
        case Operator.IN_LIST:
            return text in operands
        case Operator.CONTAINS:
            return wanted in text
        case Operator.NOT_CONTAINS:
            return wanted not in text
        case Operator.PATTERN:
            return fits(text, wanted)
        case Operator.NOT_EQUALS:
            return text != wanted
        case _:
            return text == wanted


def fits(text: str, pattern: str) -> bool:
    """Whether a text has the form of a pattern of `*` (any text) and `?` (one character).

    Takes at most as many steps as the lengths multiplied, whatever the pattern is.
    """
    at = of = 0
    star: int | None = None
    tried = 0
    while at < len(text):
        if of < len(pattern) and pattern[of] == "*":
            star, tried = of, at
            of += 1
        elif of < len(pattern) and pattern[of] in ("?", text[at]):
            at += 1
            of += 1
        elif star is not None:
            # The last star takes one character more.
            tried += 1
            at, of = tried, star + 1
        else:
            return False
    return not pattern[of:].strip("*")


def _number_meets(operator: Operator, number: Decimal, operands: Sequence[Decimal]) -> bool:
    if operator is Operator.IN_LIST:
        return number in operands
    if operator is Operator.BETWEEN:
        return operands[0] <= number <= operands[1]
    return _COMPARISONS[operator](number, operands[0])


_COMPARISONS: Final[Mapping[Operator, Callable[[Decimal, Decimal], bool]]] = MappingProxyType(
    {
        Operator.EQUALS: eq,
        Operator.NOT_EQUALS: ne,
        Operator.GREATER_THAN: gt,
        Operator.GREATER_OR_EQUAL: ge,
        Operator.LESS_THAN: lt,
        Operator.LESS_THAN_OR_EQUAL: le,
    }
)


def _time_meets(operator: Operator, at_ms: int, first: Span, last: Span) -> bool:
    match operator:
        case Operator.BEFORE:
            return at_ms < first.from_ms
        case Operator.AFTER:
            return at_ms >= first.from_ms
        case Operator.BETWEEN_DATES:
            return first.from_ms <= at_ms < last.to_ms
        case _:
            return first.from_ms <= at_ms < first.to_ms
