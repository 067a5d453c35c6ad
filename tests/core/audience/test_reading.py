"""Every fault of a definition is told, with its place, and nothing that has one is taken."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.audience.expression import Definition
from knownas.core.audience.reading import FAULTS_TOLD_MAX, read_definition
from knownas.core.audience.reading_operands import DEFINITION_VALUES_MAX
from knownas.core.audience.reading_text import DEFINITION_DEPTH_MAX, DEFINITION_PARTS_MAX
from tests.core.audience.definitions import NOW, PURCHASE, both, count, defined, definition, frequent
from tests.core.audience.drawn import definitions

Json = Any
EMAIL = {"model": "user_identities", "path": "email"}
THERE = {"operator": "exists", "operand": EMAIL}


def faults(given: Json) -> dict[str, str]:
    """Return what is wrong, by place."""
    read = read_definition(given)
    assert not isinstance(read, Definition)
    assert read
    return {fault.place: fault.sentence for fault in read}


def places(expression: Json) -> list[str]:
    """Return where an expression has faults, below the audience."""
    return [place.removeprefix("/audience") for place in faults(definition(expression))]


def test_the_example_of_the_format_is_read() -> None:
    """At least three purchases in seven days."""
    assert defined(frequent(3, 7)).schema_version == "1.6.0"


@settings(max_examples=200)
@given(definitions())
def test_what_has_no_fault_is_read(given: Json) -> None:
    """Whatever is drawn within the rules."""
    assert isinstance(read_definition(given), Definition)


LEFT, RIGHT = {"left": EMAIL}, {"right": "a"}
WRONG: list[tuple[str, Json, list[str]]] = [
    ("no object", 7, [""]),
    ("a list", [THERE], [""]),
    ("no operator", {"left": EMAIL}, ["/operator"]),
    ("an unknown operator", {"operator": "xor", "expressions": [THERE]}, ["/operator"]),
    ("an operator that is no text", {"operator": ["and"], "expressions": [THERE]}, ["/operator"]),
    ("no expressions", {"operator": "and"}, [""]),
    ("empty expressions", {"operator": "or", "expressions": []}, ["/expressions"]),
    ("expressions that are none", {"operator": "or", "expressions": THERE}, ["/expressions"]),
    ("a strange member", {**THERE, "hue": 1}, ["/hue"]),
    ("a strange member with a slash", {**THERE, "a/b~c": 1}, ["/a~1b~0c"]),
    ("a number of more than 64 bits", {"operator": "equals", **LEFT, "right": [1, 2**63]}, ["/right/1"]),
    ("a number that is far too large", {"operator": "equals", **LEFT, "right": -1e300}, ["/right"]),
    ("one side", {"operator": "equals", **LEFT}, [""]),
    (
        "faults on both sides",
        {"operator": "equals", "left": {"model": "users", "path": "x"}, "right": {"date": {"absolute": "soon"}}},
        ["/left/model", "/right/date/absolute"],
    ),
    (
        "faults in several expressions",
        both({"operator": "exists", "operand": 1}, THERE, {"operator": "exists", "operand": {"model": "user", "path": ""}}),
        ["/expressions/0/operand", "/expressions/2/operand/path"],
    ),
    ("no such identity", {"operator": "exists", "operand": {"model": "user_identities", "path": "fax"}}, ["/operand/path"]),
    ("a device's", {"operator": "exists", "operand": {"model": "user_identities", "path": "ios_idfv"}}, ["/operand/path"]),
    ("a user's", {"operator": "exists", "operand": {"model": "device_identities", "path": "email"}}, ["/operand/path"]),
    ("no such consent", {"operator": "exists", "operand": {"model": "consent", "path": "gdpr"}}, ["/operand/path"]),
    ("another of CCPA", {"operator": "exists", "operand": {"model": "consent", "path": "ccpa.mail"}}, ["/operand/path"]),
    ("no such attribution", {"operator": "exists", "operand": {"model": "attribution", "path": "cost"}}, ["/operand/path"]),
    ("an empty name on the way", {"operator": "exists", "operand": {"model": "events", "path": "a..b"}}, ["/operand/path"]),
    ("a path that is no text", {"operator": "exists", "operand": {"model": "events", "path": 1}}, ["/operand/path"]),
    ("a whole model compared", {"operator": "equals", "left": {"model": "events"}, **RIGHT}, ["/left"]),
    ("null compared", {"operator": "equals", **LEFT, "right": None}, ["/right"]),
    ("an object of nothing", {"operator": "equals", **LEFT, "right": {}}, ["/right"]),
    ("an empty list", {"operator": "in", **LEFT, "right": []}, ["/right"]),
    ("a list in a list", {"operator": "in", **LEFT, "right": ["a", ["b"]]}, ["/right/1"]),
    ("two dates", {"operator": "less_than", "left": NOW, "right": NOW}, [""]),
    ("a date and a value", {"operator": "less_than", "left": NOW, "right": 1}, [""]),
    ("a date in a text", {"operator": "contains", **LEFT, "right": NOW}, ["/operator"]),
    ("a half day", {"operator": "less_than", **LEFT, "right": {"date": {"relative": {"offset": 0.5, "unit": "day"}}}},
     ["/right/date/relative/offset"]),
    ("no such unit", {"operator": "less_than", **LEFT, "right": {"date": {"relative": {"offset": 1, "unit": "fortnight"}}}},
     ["/right/date/relative/unit"]),
    ("infinitely many", {"operator": "less_than", **LEFT, "right": {"date": {"relative": {"offset": 1e300, "unit": "day"}}}},
     ["/right/date/relative/offset"]),
    ("two kinds of dates", {"operator": "less_than", **LEFT, "right": {"date": {"absolute": "2026-01-01", "relative": {}}}},
     ["/right/date"]),
    ("no date", {"operator": "less_than", **LEFT, "right": {"date": "2026-01-01"}}, ["/right/date"]),
    ("relative to nothing", {"operator": "less_than", **LEFT, "right": {
        "date": {"relative": {"offset": 1, "unit": "day", "relative_to": {"alias": "a", "path": "timestamp"}}}}},
     ["/right/date/relative/relative_to/alias"]),
    ("no step", {"operator": "equals", "left": {"alias": "first", "path": "name"}, **RIGHT}, ["/left/alias"]),
    ("no such aggregation", {"operator": "exists", "operand": {**count(PURCHASE), "operator": "median"}}, ["/operand/operator"]),
    ("grouped otherwise", {"operator": "exists", "operand": {**count(PURCHASE), "group_by_model": "events"}},
     ["/operand/group_by_model"]),
    ("attributes counted", {"operator": "exists", "operand": {"operator": "count", "operand": {"model": "user", "path": "a"}}},
     ["/operand/operand"]),
    ("counted within a count", {"operator": "exists", "operand": count({"operator": "equals", "left": count(PURCHASE), "right": 1})},
     ["/operand/condition/left"]),
    ("a sequence within a count", {"operator": "exists", "operand": count(
        {"operator": "then", "sequence": [{"alias": "a", "operand": {"model": "events", "path": "name"}}]})},
     ["/operand/condition"]),
    ("a sequence of devices", {"operator": "then", "sequence": [{"alias": "a", "operand": {"model": "devices", "path": "platform"}}]},
     ["/sequence/0/operand/model"]),
    ("one alias twice", {"operator": "then", "sequence": [{"alias": "a", "operand": {"model": "events"}}] * 2}, ["/sequence/1/alias"]),
    ("membership of an e-mail", {"operator": "in", **LEFT, "right": {"audience": "1"}}, ["/left"]),
    ("membership that equals", {"operator": "equals", "left": {"model": "user"}, "right": {"audience": "1"}}, ["/operator"]),
    ("membership in a number", {"operator": "in", "left": {"model": "user"}, "right": {"audience": 1}}, ["/right/audience"]),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "wanted"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_a_fault_is_told_where_it_is(expression: Json, wanted: list[str]) -> None:
    """By a JSON pointer to the member that is wrong, or that lacks something."""
    assert places(expression) == wanted


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ([], ""),
        ({"audience": THERE}, ""),
        ({"schema_version": "1", "audience": THERE, "name": "n"}, "/name"),
        ({"schema_version": 1.6, "audience": THERE}, "/schema_version"),
        ({"schema_version": "", "audience": THERE}, "/schema_version"),
    ],
)
def test_faults_of_the_whole_are_told(given: Json, place: str) -> None:
    """A definition is an object of two members; any text may name the version."""
    assert list(faults(given)) == [place]


def test_a_version_may_be_any_text() -> None:
    """Tests of the schema have another one than its document."""
    assert defined({"schema_version": "1.0", "audience": THERE}).schema_version == "1.0"


def test_limits_are_told() -> None:
    """Of depth, of parts, of values, and of faults."""
    deep: Json = THERE
    for _ in range(DEFINITION_DEPTH_MAX + 1):
        deep = {"operator": "not", "expression": deep}
    assert "within one another" in next(iter(faults(definition(deep)).values()))
    many = both(*[THERE] * (DEFINITION_PARTS_MAX // 2 + 1))
    assert f"more than {DEFINITION_PARTS_MAX} parts" in next(iter(faults(definition(many)).values()))
    values = {"operator": "in", **LEFT, "right": ["a"] * (DEFINITION_VALUES_MAX + 1)}
    assert places(values) == ["/right"]
    wrong = both(*[{"operator": "maybe"}] * (FAULTS_TOLD_MAX + 1))
    assert len(faults(definition(wrong))) == FAULTS_TOLD_MAX


@settings(max_examples=300)
@given(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(("and", "then", "user", "name", "1"))
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(("operator", "left", "right", "expressions", "sequence", "date", "model", "path")),
                inner,
            ),
        ),
        max_leaves=12,
    )
)
def test_anything_is_read_or_refused(rubbish: Json) -> None:
    """Whatever JSON comes, nothing breaks."""
    read_definition(rubbish)
    read_definition(definition(rubbish))
