"""YAML into a tree that knows its lines, within limits."""

import re

import pytest

from knownas.config.faults import Fault, FaultList
from knownas.config.limits import FILE_CHARACTERS_MAX, FILE_DEPTH_MAX, FILE_NODES_MAX, MEMBER_NAME_CHARACTERS_MAX
from knownas.config.located import locate
from knownas.config.nodes import Broken, Entry, Members, Node, Scalar, Sequence


def located(text: str, **environment: str) -> Node:
    faults = FaultList()
    node = locate(text, environment, faults)
    assert faults.faults == []
    return node


def fault_of(text: str) -> Fault:
    faults = FaultList()
    locate(text, {}, faults)
    (fault,) = faults.faults
    return fault


def test_every_node_knows_its_line() -> None:
    """Names, values, lists and mappings, in block and flow style, after comments and blank lines."""
    text = "# head\n\na: 1\nb:\n- x\n- {c: y,\n   d: z}\n"
    x, y, z = (Scalar(line, word, word) for line, word in ((5, "x"), (6, "y"), (7, "z")))
    items = Sequence(5, (x, Members(6, (Entry(6, "c", y), Entry(7, "d", z)))))
    assert located(text) == Members(3, (Entry(3, "a", Scalar(3, "1", "1")), Entry(4, "b", items)))


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n...\n", "~\n", "null\n", "\ufeff"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    """Whatever emptiness looks like."""
    node = located(text)
    assert isinstance(node, Members)
    assert node.entries == ()


@pytest.mark.parametrize(("text", "is_null"), [("a:", True), ("a: ~", True), ("a: ''", False), ("a: 'null'", False)])
def test_null_is_plain_and_empty_text_is_not_null(text: str, *, is_null: bool) -> None:
    """Quotes make a text of it."""
    node = located(text)
    assert isinstance(node, Members)
    assert isinstance(node.entries[0].value, Scalar)
    assert node.entries[0].value.is_null is is_null


def test_a_variable_is_never_null() -> None:
    """What the environment says is text, even if it says null."""
    node = located("a: ${X}", X="null")
    assert isinstance(node, Members)
    assert node.entries[0].value == Scalar(1, "null", "${X}")


def test_variables_are_filled_in_values_and_not_in_names() -> None:
    """In every style of scalar, also inside lists."""
    node = located("${X}: ['${X}', \"a${X}\"]\n'b': |\n  ${X}\n", X="v")
    assert isinstance(node, Members)
    assert [entry.name for entry in node.entries] == ["${X}", "b"]
    assert node.entries[0].value == Sequence(1, (Scalar(1, "v", "${X}"), Scalar(1, "av", "a${X}")))
    assert node.entries[1].value == Scalar(2, "v\n", "${X}\n")


def test_an_alias_repeats_its_anchor() -> None:
    """For values, lists and mappings."""
    node = located("a: &x [1, &y 2]\nb: *x\nc: *y\n")
    assert isinstance(node, Members)
    a, b, c = node.entries
    assert a.value == b.value
    assert c == Entry(3, "c", Scalar(1, "2", "2"))


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a", "'a' stands here again, first in line 1"),
        ("x:\n- {b: 1, b: 2}\n", 2, "x[0].b", "'b' stands here again, first in line 2"),
        ("a: 1\n'b c': {d: 1,\n d: 2}\n", 3, "'b c'.d", "'d' stands here again, first in line 2"),
        ("a: 1\nb: *x\n", 2, "b", "the alias 'x' has no anchor before it"),
        ("a: &x\n- 1\n- [*x]\n", 3, "a[1][0]", "the alias 'x' stands inside what it repeats"),
        ("a: 1\n---\nb: 2\n", 2, "", "a second document starts here"),
        ("a: 1\n? [b]\n: 2\n", 2, "", "this can't be the name of a member"),
        (f"a: 1\n{'n' * (MEMBER_NAME_CHARACTERS_MAX + 1)}: 2\n", 2, "", "this can't be the name of a member"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "b", "the tag 'tag:yaml.org,2002:python/object/apply"),
        ("a: !secret x\n", 1, "a", "the tag '!secret' is not understood"),
        ("a: !!binary aGk=\n", 1, "a", "the tag 'tag:yaml.org,2002:binary' is not understood"),
        ("a: 1\nb: [1\nc: 2\n", 3, "b[1]", "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "", "not valid YAML"),
        ("a: 1\nb: c: d\n", 2, "", "not valid YAML"),
        ("a: 1\nb: 'x\n", 3, "b", "not valid YAML"),
        ("a: 1\r\nb: \x00\n", 2, "", "the file contains a control character"),
        ("a: 1\nb: \ud800\n", 2, "", "the file contains a control character"),
        ('a: 1\nb: "\\U00110000"\n', 2, "b", "a number or character after this is not valid YAML"),
        (f"%YAML {'1' * 5_000}.1\n---\na: 1\n", 1, "", "a number or character after this is not valid YAML"),
        ("a: 1\nb: x${MISSING}\n", 2, "b", "the environment variable MISSING is not set"),
        ("a:\n- 1\n- ${\n", 3, "a[1]", "${ starts the name of an environment variable"),
    ],
)
def test_what_is_wrong_with_the_text_has_its_line(text: str, line: int, path: str, message: str) -> None:
    """Each fault that the YAML itself can have, once, at its place."""
    fault = fault_of(text)
    assert (fault.line, fault.path) == (line, path)
    assert fault.message.startswith(message)


def test_what_is_wrong_in_several_places_is_told_at_once() -> None:
    """A missing variable, a duplicate and a tag don't hide one another, nor the broken line after them."""
    faults = FaultList()
    locate("a: ${X}\nb: 1\nb: 2\nc: !x y\nd: [\n", {}, faults)
    assert [fault.line for fault in faults.in_order()] == [1, 3, 4, 6]


def test_a_variable_that_is_nearly_there_is_suggested() -> None:
    """The names of the environment are looked through."""
    faults = FaultList()
    locate("a: ${DATABASE_ULR}\n", {"HOME": "/", "DATABASE_URL": "x"}, faults)
    assert faults.faults[0].message.endswith("; did you mean DATABASE_URL?")


def test_the_excerpt_of_a_broken_line_is_not_shown() -> None:
    """The parser quotes the line, which could hold a secret."""
    fault = fault_of("secret: hunter2: x\n")
    assert "hunter2" not in str(fault)


def test_a_file_has_a_size() -> None:
    """A longer one is not parsed at all."""
    assert re.search("too long", fault_of("#" * (FILE_CHARACTERS_MAX + 1)).message)


def test_a_billion_laughs_end_at_the_limit() -> None:
    """What aliases repeat is counted each time, and the file is refused before anything is expanded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    fault = fault_of("\n".join(lines))
    assert fault.line == 6
    assert fault.allowed == f"at most {FILE_NODES_MAX} names and values"


@pytest.mark.parametrize("text", ["[" * 1_000_000, "- " * 1_000, "{a: " * 1_000, "? " * 1_000])
def test_depth_has_a_limit(text: str) -> None:
    """Deep nesting ends in a fault and not in a stack overflow."""
    assert fault_of(text).allowed == f"at most {FILE_DEPTH_MAX} levels"


def test_aliases_do_not_get_around_the_depth() -> None:
    """The depth of what an alias repeats counts too."""
    levels = FILE_DEPTH_MAX - 1
    assert isinstance(located(f"a: &a {'[' * levels}{']' * levels}\n"), Members)
    fault = fault_of(f"a: &a {'[' * levels}{']' * levels}\nb: [*a]\n")
    assert (fault.line, fault.allowed) == (2, f"at most {FILE_DEPTH_MAX} levels")


def test_a_broken_value_leaves_the_rest_readable() -> None:
    """The tree stands, with a hole where the fault was."""
    faults = FaultList()
    node = locate("a: ${X}\nb: 1\n", {}, faults)
    assert node == Members(1, (Entry(1, "a", Broken(1)), Entry(2, "b", Scalar(2, "1", "1"))))
