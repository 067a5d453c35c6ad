"""Who is in which group, and what the members of one come to (platform §9)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.limits import GROUP_ATTRIBUTES_MAX, GROUP_MEMBERS_MAX, LIST_ENTRIES_MAX, UNITED_ENTRIES_MAX
from knownas.core.profile.attributes import Attribute, AttributeValue
from knownas.core.profile.group import (
    Aggregated,
    AggregateType,
    GroupKind,
    aggregated,
    contribution_of,
    digest_of,
    kind_fault,
    place_of,
    shared_value,
)


def kind(type_: AggregateType, name: str = "x") -> GroupKind:
    """Make a kind of groups by address with one attribute."""
    return GroupKind("$address", (Aggregated(name, type_),))


def come_to(type_: AggregateType, *values: AttributeValue) -> AttributeValue | None:
    """Aggregate what members say."""
    of = kind(type_)
    said = [contribution_of(of, {"x": Attribute(value, 1)}) for value in values]
    return aggregated(of.attributes, said).get("x")


@pytest.mark.parametrize(
    ("value", "shared"),
    [
        (" 1 Main St", " 1 Main St"),
        (7, "7"),
        (True, "true"),
        (2.5, "2.5"),
        ("", None),
        (("1 Main St",), None),
        (None, None),
    ],
)
def test_users_share_the_text_to_the_letter(value: AttributeValue | None, shared: str | None) -> None:
    """Nothing is trimmed; numbers and truth values are text; lists, empty texts and deleted attributes are no group's."""
    held = {"$address": Attribute(value, 1)}
    assert shared_value(kind(AggregateType.BOOLEAN_OR), held) == shared
    place = place_of(kind(AggregateType.BOOLEAN_OR), held)
    assert (None if place is None else place.value) == (None if shared is None else digest_of(shared))
    assert place_of(kind(AggregateType.BOOLEAN_OR), {}) is None


@pytest.mark.parametrize(
    ("type_", "values", "result"),
    [
        (AggregateType.BOOLEAN_OR, (False, "TRUE", "perhaps"), True),
        (AggregateType.BOOLEAN_OR, (False, "false"), False),
        (AggregateType.BOOLEAN_OR, ("perhaps", 1), None),
        (AggregateType.BOOLEAN_AND, (True, "true", 0), True),
        (AggregateType.BOOLEAN_AND, (True, "False"), False),
        (AggregateType.NUMBER_SUM, (0.1, "0.2", "many", True), "0.3"),
        (AggregateType.NUMBER_MIN, (2, "-3"), "-3"),
        (AggregateType.NUMBER_MAX, ("10", 9), "10"),
        (AggregateType.LIST_UNION, (("b", "a"), "c", (1, "b")), ("1", "a", "b", "c")),
        (AggregateType.LIST_UNION, ((),), ()),
    ],
)
def test_what_members_say_is_taken_together(
    type_: AggregateType, values: tuple[AttributeValue, ...], result: AttributeValue | None
) -> None:
    """As the type says; what can't be read so is left out, and where nobody says anything there is no value."""
    assert come_to(type_, *values) == result


@given(st.sampled_from(AggregateType), st.lists(st.one_of(st.booleans(), st.integers(-9, 9), st.text(max_size=2))))
def test_the_order_of_members_does_not_count(type_: AggregateType, values: list[AttributeValue]) -> None:
    """Nor whether some of them are taken together in another order."""
    other = list(values)
    Random(0).shuffle(other)
    assert come_to(type_, *values) == come_to(type_, *other)


def test_a_group_that_is_too_large_has_nothing() -> None:
    """One of as many members as a group may have has."""
    assert come_to(AggregateType.NUMBER_SUM, *[1] * GROUP_MEMBERS_MAX) == str(GROUP_MEMBERS_MAX)
    assert come_to(AggregateType.NUMBER_SUM, *[1] * (GROUP_MEMBERS_MAX + 1)) is None


def test_lists_that_are_too_long_are_left_out() -> None:
    """A member's by itself, and a union as a whole."""
    long = tuple(map(str, range(UNITED_ENTRIES_MAX + 1)))
    assert come_to(AggregateType.LIST_UNION, long, "a") == ("a",)
    many = [tuple(f"{number}-{entry}" for entry in range(UNITED_ENTRIES_MAX)) for number in range(11)]
    assert len(many) * UNITED_ENTRIES_MAX > LIST_ENTRIES_MAX
    assert come_to(AggregateType.LIST_UNION, *many) is None


def test_what_was_said_for_another_type_is_left_out() -> None:
    """A contribution says how it was read, so that one of an older definition does not count in a newer one."""
    said = contribution_of(kind(AggregateType.NUMBER_SUM), {"x": Attribute(1, 1)})
    assert aggregated(kind(AggregateType.NUMBER_MAX).attributes, [said]) == {}


@pytest.mark.parametrize(
    ("source", "names", "fault"),
    [
        ("", ("x",), "the name is empty"),
        ("$address", ("x", "x"), "two attributes have one name"),
        ("x", ("x",), "the attribute whose value members share can't be aggregated over them"),
        (
            "$address",
            tuple(map(str, range(GROUP_ATTRIBUTES_MAX + 1))),
            "there are 21 attributes, at most 20 are allowed",
        ),
        ("$address", ("x" * 257,), "the name has 257 characters, at most 256 are allowed"),
    ],
)
def test_a_kind_that_says_nothing_is_refused(source: str, names: tuple[str, ...], fault: str) -> None:
    """From its birth, with the reason."""
    attributes = tuple(Aggregated(one, AggregateType.BOOLEAN_OR) for one in names)
    assert kind_fault(source, attributes) == fault
    with pytest.raises(ValueError, match=fault):
        GroupKind(source, attributes)
