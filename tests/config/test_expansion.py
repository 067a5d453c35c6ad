"""Environment variables in values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.config.expansion import Unexpandable, expand
from knownas.config.limits import SCALAR_CHARACTERS_MAX

ENVIRONMENT = {"A": "one", "B_2": "two", "EMPTY": "", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${B_2}z", "xoneytwoz"),
        ("${EMPTY}", ""),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$${A}${A}", "${A}one"),
        ("${NESTED}", "${A}"),
        ("$A $ $$ {A} }", "$A $ $$ {A} }"),
    ],
)
def test_variables_are_filled_in(text: str, expected: str) -> None:
    """Alone, inside other text, escaped; what was filled in is left as it is."""
    assert expand(text, ENVIRONMENT) == expected


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${1}", "${A:-x}", "${a b}", "x${"])
def test_a_variable_without_a_proper_name_is_refused(text: str) -> None:
    """A forgotten brace is not silently taken for text."""
    result = expand(text, ENVIRONMENT)
    assert isinstance(result, Unexpandable)
    assert result.allowed is not None


def test_a_variable_that_is_not_set_is_named() -> None:
    """Its name is told, so that it can be suggested for."""
    result = expand("x${MISSING}", ENVIRONMENT)
    assert result == Unexpandable("the environment variable MISSING is not set", missing="MISSING")


@pytest.mark.parametrize("text", ["${LONG}${LONG}", "x" * (SCALAR_CHARACTERS_MAX + 1), "${LONG}" * 100_000])
def test_what_comes_out_has_a_limit(text: str) -> None:
    """No file can blow up a value."""
    result = expand(text, {"LONG": "x" * SCALAR_CHARACTERS_MAX})
    assert isinstance(result, Unexpandable)
    assert result.allowed == f"at most {SCALAR_CHARACTERS_MAX} characters"


@given(st.text(max_size=200))
def test_any_text_can_be_escaped(text: str) -> None:
    """With `$${` for each `${` the text comes out as it was."""
    assert expand(text.replace("${", "$${"), {}) == text
