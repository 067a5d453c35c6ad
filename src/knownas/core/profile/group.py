"""Decides what users have in common with those of the same household or company: groups and their attributes (platform §9).

The users of a workspace who have the same text as one attribute, the *source*, form a group. Each attribute of the group is what all of its
members say under its name, taken together. It is derived whenever it is asked for and never kept as anybody's fact: it shadows the attribute of
that name, and what a member says of themselves stays what they said. Nobody's identity changes by it.

Texts are compared as they are kept, to the letter: nothing is trimmed, nor put in lower case. Numbers and truth values count as the text that they are shown
as. An empty text and a list are no group's.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from knownas.core.limits import GROUP_ATTRIBUTES_MAX, GROUP_MEMBERS_MAX, LIST_ENTRIES_MAX, UNITED_ENTRIES_MAX
from knownas.core.profile.attributes import Attributes, AttributeValue, as_text, name_fault
from knownas.core.profile.numbers import ZERO, number_of, plus, written
from knownas.core.profile.numbers import read as read_number


class AggregateType(StrEnum):
    """How what members say is taken together. The vendor documents `BOOLEAN_OR` alone; the others are ours (platform §9)."""

    BOOLEAN_OR = "boolean_or"
    BOOLEAN_AND = "boolean_and"
    NUMBER_SUM = "number_sum"
    NUMBER_MIN = "number_min"
    NUMBER_MAX = "number_max"
    LIST_UNION = "list_union"


class Aggregated(NamedTuple):
    """An attribute of groups: the user attribute that is aggregated, under whose name the members get it, and how."""

    name: str
    type: AggregateType


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A kind of groups, such as households: the attribute whose value members share, and what is aggregated over them.

    Raises:
        ValueError: `kind_fault` says why.
    """

    source: str
    attributes: tuple[Aggregated, ...]

    def __post_init__(self) -> None:
        fault = kind_fault(self.source, self.attributes)
        if fault is not None:
            raise ValueError(fault)


def kind_fault(source: str, attributes: Sequence[Aggregated]) -> str | None:
    """Say why there can't be groups of this kind; None if there can."""
    names = [one.name for one in attributes]
    for name in (source, *names):
        fault = name_fault(name)
        if fault is not None:
            return fault
    if len(names) > GROUP_ATTRIBUTES_MAX:
        return f"there are {len(names)} attributes, at most {GROUP_ATTRIBUTES_MAX} are allowed"
    if len(set(names)) < len(names):
        return "two attributes have one name"
    return "the attribute whose value members share can't be aggregated over them" if source in names else None


Contributed = bool | str | tuple[str, ...]
"""What a member says that can be aggregated: a truth value, a number as `numbers.written` writes it, or texts in order."""

Contribution = Mapping[str, tuple[AggregateType, Contributed]]
"""What a member says of a group's attributes, by name; each with how it was read."""


class Place(NamedTuple):
    """Where a user is: in the group whose value has this digest, with what they contribute."""

    value: str
    contribution: Contribution


def digest_of(value: str) -> str:
    """Return what stands for the value of a group: values can be long, and one that is not kept twice can't be left over."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def shared_value(kind: GroupKind, attributes: Attributes) -> str | None:
    """Return the value that a user shares with the members of their group; None for who is in none."""
    held = attributes.get(kind.source)
    if held is None or held.value is None or isinstance(held.value, tuple):
        return None
    return as_text(held.value) or None


def place_of(kind: GroupKind, attributes: Attributes) -> Place | None:
    """Return where a user is among groups of a kind, by their own attributes; None for who is in none."""
    value = shared_value(kind, attributes)
    return None if value is None else Place(digest_of(value), contribution_of(kind, attributes))


def contribution_of(kind: GroupKind, attributes: Attributes) -> Contribution:
    """Return what a user says of the attributes of a kind, as far as it can be aggregated."""
    found: dict[str, tuple[AggregateType, Contributed]] = {}
    for name, type_ in kind.attributes:
        held = attributes.get(name)
        if held is None or held.value is None:
            continue
        contributed = _contributed(type_, held.value)
        if contributed is not None:
            found[name] = type_, contributed
    return found


def aggregated(attributes: Iterable[Aggregated], contributions: Sequence[Contribution]) -> Mapping[str, AttributeValue]:
    """Return the values of a group's attributes by name, those that have any; of a group that is too large, none has."""
    if len(contributions) > GROUP_MEMBERS_MAX:
        return {}
    values: dict[str, AttributeValue] = {}
    for name, type_ in attributes:
        said = [one[name][1] for one in contributions if name in one and one[name][0] is type_]
        value = _together(type_, said) if said else None
        if value is not None:
            values[name] = value
    return values


_BOOLEANS: Final = {"true": True, "false": False}


def _contributed(type_: AggregateType, value: AttributeValue) -> Contributed | None:
    match type_:
        case AggregateType.BOOLEAN_OR | AggregateType.BOOLEAN_AND:
            if isinstance(value, bool):
                return value
            return _BOOLEANS.get(value.casefold()) if isinstance(value, str) else None
        case AggregateType.NUMBER_SUM | AggregateType.NUMBER_MIN | AggregateType.NUMBER_MAX:
            number = number_of(value)
            return None if number is None else written(number)
        case AggregateType.LIST_UNION:
            entries = value if isinstance(value, tuple) else (value,)
            return tuple(sorted({*map(as_text, entries)})) if len(entries) <= UNITED_ENTRIES_MAX else None
        case _:
            assert_never(type_)


def _together(type_: AggregateType, said: Sequence[Contributed]) -> AttributeValue | None:
    match type_:
        case AggregateType.BOOLEAN_OR:
            return any(said)
        case AggregateType.BOOLEAN_AND:
            return all(said)
        case AggregateType.NUMBER_SUM:
            total: Decimal = ZERO
            for number in _numbers(said):
                total = plus(total, number)
            return written(total)
        case AggregateType.NUMBER_MIN:
            return written(min(_numbers(said)))
        case AggregateType.NUMBER_MAX:
            return written(max(_numbers(said)))
        case AggregateType.LIST_UNION:
            united = {entry for one in said if not isinstance(one, bool | str) for entry in one}
            return tuple(sorted(united)) if len(united) <= LIST_ENTRIES_MAX else None
        case _:
            assert_never(type_)


def _numbers(said: Iterable[Contributed]) -> Iterable[Decimal]:
    return (read_number(one) for one in said if isinstance(one, str))
