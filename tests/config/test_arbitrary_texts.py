"""Whatever the text, the answer is a configuration or its faults, in bounded time."""

import itertools
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from knownas.config.limits import FAULTS_MAX
from knownas.config.reader import InvalidConfiguration, read_configuration, warnings_of
from knownas.config.template import generate_configuration
from knownas.config.values import Configuration
from tests.config.texts import DESIGN_EXAMPLE, web_input

EXAMPLES = settings(max_examples=400)
SECONDS_MAX = 60.0
"""Processor time, so that a busy machine fails nothing. Ten seconds are the most that any file needs here."""

_counter = itertools.count()
TEMPLATE = generate_configuration(lambda _: f"a-long-token-{next(_counter)}")
LINES = [line.replace("#", "") for line in TEMPLATE.splitlines() if not line.lstrip().startswith("# ")]

PIECES = st.sampled_from(
    [
        *(
            "!",
            "!<",
            "%",
            "&a ",
            "*a",
            "${",
            "$${",
            "${X}",
            "|",
            "> ",
            "'",
            '"',
            "\\U00110000",
            "\\ud800",
            "\x00",
            "\t",
        ),
        *("- ", "? ", ": ", "[", "]", "{", "}", ",", "#", "---\n", "...\n", "\n", "  ", "\x85", "\u2028", "\ufeff"),
        *("%YAML 1.1\n", "%TAG ! x\n", "!!str ", "!!binary ", "<<: ", "~", "null", "\r", "|9", "|-", "@", "`", "!%ff"),
        *("\ud800", "é", "9" * 40, "scopes:", "- name: x\n", "%YAML " + "9" * 5_000, "name: &a {b: *a}\n"),
    ]
)
SOUP = st.lists(PIECES | st.text(max_size=8), max_size=20).map("".join)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A valid file with a few cuts and insertions."""
    text = draw(st.sampled_from([DESIGN_EXAMPLE, TEMPLATE, web_input(), "\n".join(LINES)]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(PIECES | st.just("")) + text[start + draw(st.integers(0, 12)) :]
    return text


def check(text: str) -> None:
    result = read_configuration(text, environment={"X": "\ud800"})
    match result:
        case Configuration():
            warnings_of(result)
        case InvalidConfiguration(faults=faults):
            assert 0 < len(faults) <= FAULTS_MAX + 1
            assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)
            assert all(1 <= fault.line <= len(text) + 1 for fault in faults)
            str(result).encode()


@EXAMPLES
@given(st.text())
@example("\ud800")
@example('"\\ud800": "\\ud800"')
def test_any_text_is_answered(text: str) -> None:
    """With a configuration or with faults that can be printed, never with an exception."""
    check(text)


@EXAMPLES
@given(SOUP)
def test_any_yaml_like_text_is_answered(text: str) -> None:
    """Made of the pieces that parsers stumble over."""
    check(text)


@EXAMPLES
@given(damaged())
def test_any_damaged_file_is_answered(text: str) -> None:
    """A valid file with a few characters more or less."""
    check(text)


@EXAMPLES
@given(st.lists(st.sampled_from(LINES), max_size=30).map("\n".join))
def test_any_lines_of_a_file_are_answered(text: str) -> None:
    """Members at the wrong place, twice, or without what they need."""
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"scopez{n}: ${{VAR{n}}}\n" for n in range(10_000)),
        "a: b\n" * 20_000,
        "[" * 100_000,
        '"' + "x " * 200_000,
        "a: " + "${X}" * 100_000,
        "x: &s {name: a, strategy: foo}\nscopes: [" + "*s, " * 30_000 + "]",
    ],
    ids=["variables", "duplicates", "depth", "quote", "expansion", "aliases"],
)
def test_a_large_and_bad_file_is_answered_in_time(text: str) -> None:
    """Faults by the ten thousand cost no more than reading does."""
    start = time.process_time()
    check(text)
    assert time.process_time() - start < SECONDS_MAX
