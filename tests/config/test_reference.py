"""The reference is what the reader reads by."""

import re
from collections.abc import Iterator
from enum import StrEnum

import pytest

from knownas.config.reader import CONFIGURATION_SECTION
from knownas.config.reference import configuration_reference
from knownas.config.sections import NEEDED, Member, Section, section_of
from knownas.config.shapes import Choice
from knownas.config.written import written
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Strategy


def sections(section: Section[object]) -> Iterator[Section[object]]:
    yield section
    for member in section.members:
        nested = section_of(member.shape)
        if nested is not None:
            yield from sections(nested)


def members() -> Iterator[Member[object]]:
    for section in sections(CONFIGURATION_SECTION):
        yield from section.members


def row(member: Member[object]) -> str:
    rows = [line for line in configuration_reference().splitlines() if line.startswith(f"| `{member.name}` |")]
    (found,) = [line for line in rows if member.meaning in line]
    return found


@pytest.mark.parametrize("member", list(members()), ids=lambda member: member.name)
def test_every_member_has_its_row(member: Member[object]) -> None:
    """With what is allowed, the default, the meaning and where the rule is from, in five cells."""
    cells = row(member).strip("|").split(" | ")
    assert len(cells) == 5
    assert "" not in (cell.strip() for cell in cells)
    assert cells[4].strip() == (member.spec or "ours")
    if member.default is NEEDED:
        assert cells[2] == "needed"
    shape = member.shape
    if isinstance(shape, Choice):
        words: type[StrEnum] = shape.words
        assert all(word in cells[1] for word in words)


def test_every_section_has_its_heading() -> None:
    """Under the path by which faults name it."""
    headings = re.findall(r"^## .*: `(.*)`$", configuration_reference(), re.MULTILINE)
    assert headings == [
        "scopes[]",
        "scopes[].settings",
        "scopes[].settings.toxic",
        "scopes[].settings.toxic.allowed[]",
        "organization",
        "organization.accounts[]",
        "organization.accounts[].workspaces[]",
        "organization.accounts[].workspaces[].inputs[]",
        "organization.accounts[].workspaces[].inputs[].limits",
        "organization.accounts[].workspaces[].settings",
        "organization.accounts[].workspaces[].settings.alias",
        "organization.accounts[].workspaces[].settings.privacy",
        "organization.accounts[].workspaces[].calculated_attributes[]",
        "organization.accounts[].workspaces[].calculated_attributes[].data_point",
        "organization.accounts[].workspaces[].calculated_attributes[].conditions[]",
        "organization.accounts[].workspaces[].calculated_attributes[].time_period",
        "organization.accounts[].workspaces[].calculated_attributes[].seeding",
        "organization.accounts[].workspaces[].limits",
        "credentials[]",
        "credentials[].limits",
        "listen",
        "secrets",
        "retention",
        "self_check",
        "privacy",
        "console",
        "console.users[]",
        "console.oidc",
    ]


def test_every_strategy_and_identity_type_is_in_it() -> None:
    """The lists that members point to."""
    text = configuration_reference()
    assert all(f"| `{strategy}` |" in text for strategy in Strategy)
    assert all(re.search(rf"\b{kind}\b", text) for kind in IdentityType)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (9_223_372_036_854_775_807, "9223372036854775807"),
        (2.0, "2"),
        (0.25, "0.25"),
        ("word", "word"),
        ("null", '"null"'),
        ("", '""'),
        ("- a: b", '"- a: b"'),
        ("a${B}", '"a$${B}"'),
        ((), "[]"),
        (("a", 1), "[a, 1]"),
        ({"email": 3}, "{email: 3}"),
    ],
)
def test_values_are_written_as_a_file_has_them(value: object, expected: str) -> None:
    """On one line, quoted where needed."""
    assert written(value) == expected


def test_what_no_file_can_give_is_not_written() -> None:
    """A value without a form in YAML raises instead of showing its insides."""
    with pytest.raises(TypeError, match="object"):
        written(object())
