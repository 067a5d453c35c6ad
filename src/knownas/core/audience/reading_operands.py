"""Reads the operands of a definition: values, dates, fields, and what many values are made into (platform §6.3)."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

from knownas.core.audience.expression import (
    AbsoluteDate,
    Aggregate,
    Aggregation,
    Boundary,
    Everything,
    Expression,
    Literal,
    Operand,
    RelativeDate,
    StepField,
    Unit,
)
from knownas.core.audience.field import Field, Model, field_of
from knownas.core.audience.reading_text import DEFINITION_CHARACTERS_MAX, Object, Text
from knownas.core.profile.attributes import SCALARS, Scalar
from knownas.core.profile.moments import span_of

DEFINITION_VALUES_MAX: Final = 1_000
"""Values of a list that a comparison compares with."""

DEFINITION_NUMBER_MIN: Final = -(2**63)
DEFINITION_NUMBER_MAX: Final = 2**63 - 1
"""The smallest and the largest number in a definition: larger whole numbers are not written back by every program."""

OFFSET_MAX: Final = 1_000_000_000
"""The largest offset of a relative date, forth or back: 31 years of seconds."""

_WANTED: Final = "an operand is wanted: a value, a date, a model with a path, or an aggregation"


class Within(NamedTuple):
    """Where something is read: how deep, the model whose item a condition is about, the earlier steps that it may speak of."""

    depth: int = 0
    item: Model | None = None
    aliases: tuple[str, ...] = ()

    def deeper(self) -> "Within":
        """Return what holds one part further in."""
        return self._replace(depth=self.depth + 1)


ReadExpression = Callable[[object, str, Within], Expression]


class Operands:
    """Reads operands out of a text. `expression` reads the conditions within them.

    All methods raise `Wrong` for what can't be read.
    """

    def __init__(self, text: Text, expression: ReadExpression) -> None:
        self._text = text
        self._expression = expression
        self._readers: Mapping[str, Callable[[Object, str, Within], Operand]] = {
            "date": self._date,
            "operator": self._aggregate,
            "alias": self._step_field,
            "model": self._field,
        }

    def read(self, given: object, place: str, within: Within) -> Operand:
        """Read any operand."""
        self._text.count(place, within.depth)
        if isinstance(given, SCALARS):
            return Literal((self._value(given, place),))
        if isinstance(given, list):
            listed = self._text.full_list(cast("list[object]", given), place, DEFINITION_VALUES_MAX)
            return Literal(tuple(self._value(one, f"{place}/{number}") for number, one in enumerate(listed)))
        read = self._text.any_object(given, place, _WANTED)
        for name, reader in self._readers.items():
            if name in read:
                return reader(read, place, within)
        raise self._text.wrong(place, _WANTED)

    def field(self, given: object, place: str) -> Field | Everything:
        """Read a model and a path in it, or the whole model."""
        read = self._text.members(given, place, ("model",), ("path",))
        model = self._text.one_of(Model, read["model"], f"{place}/model")
        return self._path(model, read["path"], f"{place}/path") if "path" in read else Everything(model)

    def _field(self, given: Object, place: str, within: Within) -> Operand:
        del within
        return self.field(given, place)

    def _value(self, given: object, place: str) -> Scalar:
        if not isinstance(given, SCALARS):
            raise self._text.wrong(place, "a text, a number, true or false is wanted")
        if isinstance(given, str) and len(given) > DEFINITION_CHARACTERS_MAX:
            raise self._text.wrong(place, f"a text has at most {DEFINITION_CHARACTERS_MAX} characters")
        if not isinstance(given, str) and not DEFINITION_NUMBER_MIN <= given <= DEFINITION_NUMBER_MAX:
            raise self._text.wrong(place, f"a number is from {DEFINITION_NUMBER_MIN} to {DEFINITION_NUMBER_MAX}")
        return given

    def _date(self, given: Object, place: str, within: Within) -> Operand:
        date = self._text.members(given, place, ("date",))["date"]
        place = f"{place}/date"
        told = self._text.members(date, place, (), ("absolute", "relative"))
        if len(told) != 1:
            raise self._text.wrong(place, "either absolute or relative is wanted")
        if "relative" in told:
            return self._relative(told["relative"], f"{place}/relative", within)
        text = told["absolute"]
        span = span_of(text) if isinstance(text, str) else None
        if span is None:
            raise self._text.wrong(f"{place}/absolute", "a date or a time as in ISO 8601 is wanted")
        return AbsoluteDate(span)

    def _relative(self, given: object, place: str, within: Within) -> RelativeDate:
        read = self._text.members(given, place, ("offset", "unit"), ("boundary", "relative_to"))
        offset, unit = self._text.all_of(
            lambda: self._offset(read["offset"], f"{place}/offset"),
            lambda: self._text.one_of(Unit, read["unit"], f"{place}/unit"),
        )
        boundary: Boundary | None = None
        if "boundary" in read:
            boundary = self._text.one_of(Boundary, read["boundary"], f"{place}/boundary")
        base: StepField | None = None
        if "relative_to" in read:
            told = self._text.members(read["relative_to"], f"{place}/relative_to", ("alias", "path"))
            base = self._step_field(told, f"{place}/relative_to", within)
        return RelativeDate(offset, unit, boundary, base)

    def _offset(self, given: object, place: str) -> int:
        whole = isinstance(given, int | float) and not isinstance(given, bool) and given == given // 1
        if isinstance(given, int | float) and whole and abs(given) <= OFFSET_MAX:
            return int(given)
        raise self._text.wrong(place, f"a whole number is wanted, from {-OFFSET_MAX} to {OFFSET_MAX}")

    def _step_field(self, given: Object, place: str, within: Within) -> StepField:
        read = self._text.members(given, place, ("alias", "path"))
        alias = read["alias"]
        if not isinstance(alias, str) or alias not in within.aliases:
            raise self._text.wrong(f"{place}/alias", "wanted is the alias of an earlier step of the same sequence")
        return StepField(alias, self._path(Model.EVENTS, read["path"], f"{place}/path"))

    def _path(self, model: Model, given: object, place: str) -> Field:
        field = field_of(model, given) if isinstance(given, str) else "a text is wanted"
        if isinstance(field, str):
            raise self._text.wrong(place, field)
        return field

    def _aggregate(self, given: Object, place: str, within: Within) -> Aggregate:
        read = self._text.members(given, place, ("operator", "operand"), ("group_by_model", "condition"))
        if within.item is not None:
            raise self._text.wrong(place, "an aggregation can't stand within the condition on an item")
        aggregation = self._text.one_of(Aggregation, read["operator"], f"{place}/operator")
        if read.get("group_by_model", Model.USER.value) != Model.USER.value:
            raise self._text.wrong(f"{place}/group_by_model", "everything is grouped by the model user")
        field = self.field(read["operand"], f"{place}/operand")
        if isinstance(field, Everything) or not field.model.has_items:
            with_items = ", ".join(one for one in Model if one.has_items)
            raise self._text.wrong(f"{place}/operand", f"wanted is a path of a model that has items: {with_items}")
        if "condition" not in read:
            return Aggregate(aggregation, field, None)
        inner = within.deeper()._replace(item=field.model)
        return Aggregate(aggregation, field, self._expression(read["condition"], f"{place}/condition", inner))
