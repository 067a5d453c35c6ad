"""What stands in the documents of whoever may belong to an audience is found there, however it was written."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.audience.requirement import Requirement
from knownas.core.profile.attributes import Attribute, AttributeValue
from knownas.core.profile.section import Section
from knownas.service.audience import traces
from knownas.service.audience.traces import FOLDED_TO_ASCII, TRACES_MAX, traces_of
from knownas.service.profile.sections import written
from knownas.store.traces import Traces
from tests.service.audience.test_first_look import fits

NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["C", "Z"]), min_size=1)
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(f'skfi%_"\\\n{FOLDED_TO_ASCII}'), max_size=20)
"""More of what is written or compared in an odd way than there is among all characters."""


def kept(name: str, value: AttributeValue) -> bytes:
    """Return the section of a user with an attribute, as it is kept."""
    return written(Section(0, 0, {"another": Attribute(1, 0), name: Attribute(value, 0)}))


def of(name: str, *texts: str) -> Traces:
    """Return the traces of an attribute that is one of some texts."""
    found = traces_of(Requirement({name: frozenset(one.casefold() for one in texts)}, frozenset()), 0)
    assert found is not None
    return found


def spelled(text: str, number: int) -> str:
    """Return a text in another spelling that is the same without regard to case."""
    ways = (str.upper, str.lower, str.title, str.casefold, str.swapcase, _with_odd_ones)
    other = ways[number % len(ways)](text)
    return other if other.casefold() == text.casefold() else text


def _with_odd_ones(text: str) -> str:
    text = text.casefold()
    for one in FOLDED_TO_ASCII:
        text = text.replace(one.casefold(), one, 1)
    return text


def is_found(name: str, text: str, number: int) -> None:
    """Look for a text in a section where it is spelled in another way, alone or in a list."""
    other = spelled(text, number)
    for value in (other, ("first", other)):
        assert fits(kept(name, value), of(name, text).sections), (name, text, other)


@given(NAMES, TEXTS, st.integers(0, 5))
def test_a_text_is_found_in_any_spelling(name: str, text: str, number: int) -> None:
    """Whatever characters are in it, and in the attribute's name."""
    is_found(name, text, number)


@given(NAMES, st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), TEXTS, st.tuples(TEXTS)))
def test_an_attribute_is_found_whatever_it_is(name: str, value: AttributeValue) -> None:
    """By its name."""
    found = traces_of(Requirement({name: None}, frozenset()), 0)
    assert found is not None
    assert fits(kept(name, value), found.sections)


@pytest.mark.parametrize("value", ["silver", "go", "", "Golf", ("gol", "d")])
def test_who_has_another_value_is_left_out(value: AttributeValue) -> None:
    """Also where the text stands in another attribute before it."""
    assert fits(kept("plan", "GoLd"), of("plan", "gold").sections)
    assert not fits(kept("plan", value), of("plan", "gold").sections)
    assert not fits(kept("gold", value), of("plan", "gold").sections)


def test_all_characters_are_known_that_are_ascii_when_folded() -> None:
    """And none is nothing when it is folded."""
    folded = {one: one.casefold() for one in map(chr, range(128, sys.maxunicode + 1))}
    assert {one for one, text in folded.items() if any(map(str.isascii, text))} == set(FOLDED_TO_ASCII)
    assert all(folded.values())


def test_nothing_is_looked_for_where_there_is_nothing_to_find() -> None:
    """Where nothing is required, too much, or an event whose name is written in characters of which none stays as it is."""
    assert traces_of(None, 0) is None
    several = frozenset(f"a{number}" for number in range(TRACES_MAX))
    assert traces_of(Requirement({}, several), 0) == Traces((), tuple((one,) for one in sorted(several)), 0)
    assert traces_of(Requirement({}, several | {"b"}), 0) is None
    assert traces_of(Requirement({}, frozenset({"\u00e9t\u00e9"})), 7) == Traces((), (("t",),), 7)
    assert traces_of(Requirement({}, frozenset({"\u043f\u043e\u043a\u0443\u043f\u043a\u0430"})), 0) is None


@pytest.mark.parametrize("text", ["Kiss", "stra\u00dfe"])
def test_traces_of_ascii_alone_would_be_noticed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the sign of the kelvin is a k."""
    monkeypatch.setattr(traces, "FOLDED_TO_ASCII", "")
    with pytest.raises(AssertionError):
        is_found("name", text, 5)
