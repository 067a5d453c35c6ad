"""Holds what an audience's criteria are: a tree of conditions on what is known of a user (schema 1.6.0, platform §6.3).

The tree is made by `reading`, which finds every fault, and judged by `judging`. Each node that can be told about has its
`place` in the definition, a JSON pointer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from knownas.core.audience.field import Field, Model
from knownas.core.profile.attributes import Scalar
from knownas.core.profile.moments import Span


class Test(StrEnum):
    """What can be asked of one operand. The two pairs ask the same: a value is null where there is none."""

    NULL = "null"
    NOT_NULL = "not_null"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"

    @property
    def is_negative(self) -> bool:
        """Whether it asks that there is nothing."""
        return self in (Test.NULL, Test.NOT_EXISTS)


class Comparison(StrEnum):
    """How a left operand is compared with a right one, in the positive form; `not_` in front of it is the complement."""

    EQUALS = "equals"
    LESS_THAN = "less_than"
    LESS_THAN_EQUAL = "less_than_equal"
    GREATER_THAN = "greater_than"
    GREATER_THAN_EQUAL = "greater_than_equal"
    MATCHES = "matches"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    IN = "in"

    @property
    def is_order(self) -> bool:
        """Whether it asks which of two is the larger."""
        return self in _ORDERS

    @property
    def mirrored(self) -> "Comparison":
        """The comparison that asks the same with its sides exchanged. Only of one that has such."""
        return _MIRRORED[self]


_C = Comparison
_ORDERS = frozenset({_C.LESS_THAN, _C.LESS_THAN_EQUAL, _C.GREATER_THAN, _C.GREATER_THAN_EQUAL})
_MIRRORED = {
    _C.EQUALS: _C.EQUALS,
    _C.LESS_THAN: _C.GREATER_THAN,
    _C.LESS_THAN_EQUAL: _C.GREATER_THAN_EQUAL,
    _C.GREATER_THAN: _C.LESS_THAN,
    _C.GREATER_THAN_EQUAL: _C.LESS_THAN_EQUAL,
}


class Unit(StrEnum):
    """In what a relative date is counted. Days are 24 hours; months and longer ones go by the calendar in UTC."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Boundary(StrEnum):
    """Which end of the unit that a relative date lies in is meant, in UTC; weeks begin on Monday."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the definition; several are a list, of which any may meet a comparison."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class AbsoluteDate:
    """A day or an instant."""

    span: Span


@dataclass(frozen=True, slots=True)
class StepField:
    """A field of the event that an earlier step of the same sequence found."""

    alias: str
    field: Field


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """So many units from now, or from the date of an earlier step; with a boundary, the end of the unit it lies in."""

    offset: int
    unit: Unit
    boundary: Boundary | None = None
    relative_to: StepField | None = None


class Aggregation(StrEnum):
    """What many values are made into."""

    MIN = "min"
    MAX = "max"
    SUM = "sum"
    AVG = "avg"
    LIST = "list"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One value of all items of a model for which a condition holds, such as the number of purchases.

    Within the condition, a field of that model means the item's.
    """

    aggregation: Aggregation
    field: Field
    condition: "Expression | None"


@dataclass(frozen=True, slots=True)
class Everything:
    """A whole model: there is something of it, or nothing."""

    model: Model


Operand = Literal | AbsoluteDate | RelativeDate | Field | StepField | Aggregate | Everything


@dataclass(frozen=True, slots=True)
class Tested:
    """Whether there is any value of an operand."""

    place: str
    test: Test
    operand: Operand


@dataclass(frozen=True, slots=True)
class Compared:
    """Whether any value of the left operand stands in a relation to any of the right one; negated, whether none does."""

    place: str
    comparison: Comparison
    negated: bool
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Member:
    """Whether the user is in another audience; negated, whether not."""

    place: str
    audience: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All of them hold."""

    place: str
    expressions: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of them holds."""

    place: str
    expressions: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold; our extension of the schema."""

    place: str
    expression: "Expression"


@dataclass(frozen=True, slots=True)
class Step:
    """An event of a sequence: of any kind, or one that a condition holds for."""

    alias: str
    condition: "Expression | None"


@dataclass(frozen=True, slots=True)
class Sequenced:
    """Events happened one after the other, one for each step; others may lie between them."""

    place: str
    steps: tuple[Step, ...]


Expression = Tested | Compared | Member | Every | Some | Not | Sequenced


@dataclass(frozen=True, slots=True)
class Definition:
    """An audience's criteria, and the version of the schema that they were written in."""

    schema_version: str
    criteria: Expression


def parts_of(expression: Expression) -> Iterator[Expression | Operand]:
    """Yield everything that an expression is made of, itself first."""
    yield expression
    match expression:
        case Tested(operand=operand):
            yield from _operand_parts(operand)
        case Compared(left=left, right=right):
            yield from _operand_parts(left)
            yield from _operand_parts(right)
        case Member():
            pass
        case Every(expressions=inner) | Some(expressions=inner):
            for one in inner:
                yield from parts_of(one)
        case Not(expression=inner):
            yield from parts_of(inner)
        case Sequenced(steps=steps):
            for step in steps:
                if step.condition is not None:
                    yield from parts_of(step.condition)


def _operand_parts(operand: Operand) -> Iterator[Expression | Operand]:
    yield operand
    match operand:
        case Aggregate(field=field, condition=condition):
            yield field
            if condition is not None:
                yield from parts_of(condition)
        case RelativeDate(relative_to=StepField() as step):
            yield step
        case _:
            pass
