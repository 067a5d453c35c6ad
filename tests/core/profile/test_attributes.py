"""What a user's attributes are: the newest value of each name, within limits."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.limits import (
    ATTRIBUTE_NAME_CHARACTERS_MAX,
    ATTRIBUTE_VALUE_CHARACTERS_MAX,
    ATTRIBUTES_MAX,
    LIST_ENTRIES_MAX,
    LIST_ENTRY_CHARACTERS_MAX,
)
from knownas.core.profile.attributes import (
    Attribute,
    Attributes,
    AttributeValue,
    as_text,
    fault_of,
    name_fault,
    shown,
    with_attribute,
    with_attributes,
)

Said = tuple[str, AttributeValue | None, int]

scalars = st.text(max_size=5) | st.integers() | st.booleans() | st.floats(allow_nan=False)
values = st.none() | scalars | st.lists(scalars, max_size=3).map(tuple)


def after(*said: Said) -> Attributes:
    held: Attributes = {}
    for name, value, at_ms in said:
        held = with_attribute(held, name, value, at_ms)
    return held


@given(st.data())
def test_the_newest_wins_whatever_the_order_of_arrival(data: st.DataObject) -> None:
    """However what was said arrives, each name has the value that was said last, or none if it was deleted last."""
    times = data.draw(st.lists(st.integers(0, 99), unique=True, max_size=8))
    said = [(data.draw(st.sampled_from("abc")), data.draw(values), at_ms) for at_ms in times]
    newest = {name: Attribute(value, at_ms) for name, value, at_ms in sorted(said, key=lambda one: one[2])}
    assert after(*data.draw(st.permutations(said))) == newest


def test_a_deleted_attribute_is_not_brought_back_by_an_older_value() -> None:
    """A value said before the deletion stays deleted in every order; one said after it counts."""
    for order in permutations([("a", "old", 1), ("a", None, 2), ("a", "older", 0)]):
        assert shown(after(*order)) == {}
    assert shown(after(("a", None, 2), ("a", "new", 3))) == {"a": "new"}


def test_of_two_at_the_same_time_the_later_arrival_counts() -> None:
    """What was said at one and the same moment is settled by which arrived later."""
    assert after(("a", 1, 5), ("a", 2, 5))["a"].value == 2


def test_the_attributes_given_are_not_changed() -> None:
    """A change makes a new mapping."""
    before = {"a": Attribute(1, 1)}
    with_attribute(before, "a", 2, 2)
    assert before == {"a": Attribute(1, 1)}


def test_a_name_beyond_the_limit_is_left_out() -> None:
    """A profile that has as many names as it can still takes new values of these, and no further name."""
    full: Attributes = {f"a{number}": Attribute(1, 1) for number in range(ATTRIBUTES_MAX)}
    assert with_attribute(full, "new", 1, 2) is full
    assert with_attribute(full, "a0", 2, 2)["a0"].value == 2
    assert len(with_attribute(full, "a0", None, 2)) == ATTRIBUTES_MAX


def test_names_that_are_left_out_are_told() -> None:
    """Each new name that there is no room for is told once; to delete what is not there leaves nothing out."""
    almost: Attributes = {f"a{number}": Attribute(1, 1) for number in range(ATTRIBUTES_MAX - 1)}
    said = [("last", 1, 2), ("c", 1, 2), ("b", 1, 2), ("c", 2, 3), ("gone", None, 2), ("a0", 2, 2)]
    held, left_out = with_attributes(almost, said)
    assert (len(held), held["last"], held["a0"]) == (ATTRIBUTES_MAX, Attribute(1, 2), Attribute(2, 2))
    assert left_out == ("c", "b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x" * ATTRIBUTE_NAME_CHARACTERS_MAX, 1),
        ("a", "x" * ATTRIBUTE_VALUE_CHARACTERS_MAX),
        ("a", ("x" * LIST_ENTRY_CHARACTERS_MAX,) * LIST_ENTRIES_MAX),
        ("a", ()),
        ("a", ""),
    ],
)
def test_what_is_within_the_limits_can_be_kept(name: str, value: AttributeValue) -> None:
    """A name, a value, a list and its entries may be as long as their limits say."""
    assert fault_of(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("", 1, "empty"),
        ("x" * (ATTRIBUTE_NAME_CHARACTERS_MAX + 1), 1, "name"),
        ("a", "x" * (ATTRIBUTE_VALUE_CHARACTERS_MAX + 1), "value"),
        ("a", 10**ATTRIBUTE_VALUE_CHARACTERS_MAX, "value"),
        ("a", (1,) * (LIST_ENTRIES_MAX + 1), "list"),
        ("a", ("x" * (LIST_ENTRY_CHARACTERS_MAX + 1),), "entry"),
    ],
)
def test_what_is_longer_by_one_says_what_is_wrong(name: str, value: AttributeValue, word: str) -> None:
    """Beyond a limit the fault names what is too long."""
    assert word in (fault_of(name, value) or "")


def test_a_name_is_held_to_the_same_limits_without_a_value() -> None:
    """What may not be set may not be deleted either."""
    assert name_fault("a") is None
    assert name_fault("") is not None
    assert name_fault("x" * (ATTRIBUTE_NAME_CHARACTERS_MAX + 1)) is not None


def test_texts_are_the_vendors() -> None:
    """Booleans and numbers are shown as text, lists as lists of text, in the order of the names."""
    assert [as_text(one) for one in (True, False, 3, 1.5, "x")] == ["true", "false", "3", "1.5", "x"]
    held = after(("b", (1, True, "x"), 1), ("a", False, 1), ("gone", None, 1))
    assert list(shown(held).items()) == [("a", "false"), ("b", ["1", "true", "x"])]
