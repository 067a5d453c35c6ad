"""The reference is what the code says, and leaves nothing out."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import click
import pytest

from knownas.api.credentials import Denied
from knownas.api.openapi import openapi_document
from knownas.api.telemetry import Telemetry
from knownas.cli.main import main
from knownas.config.reader import CONFIGURATION_SECTION
from knownas.config.sections import Section, section_of
from knownas.core.identity.decision import Refusal
from knownas.core.identity.kinds import KINDS
from knownas.core.identity.policy import Settings, Strategy
from knownas.core.profile.alias import AliasRefusal, AliasRejection
from knownas.service.security.tokens import TokenFault
from knownas.store.errors import StoreError
from tests.docs.pages import ROOT
from tests.parsed import parsed_file

REFERENCE = ROOT / "docs" / "reference"
WRITE = "import json; from tools import reference; print(json.dumps(reference.pages()))"
RAISERS = {
    "Malformed": (0,),
    "Refusal": (1,),
    "_Refusal": (1,),
    "RequestRefused": (1,),
    "SeedFault": (0,),
    "Rejected": (0,),
    "BodyRefused": (1,),
    "own_error": (0,),
    "refused": (1,),
}
"""What takes the reason of a refusal, and at which places it, or a code of the vendor's or of OAuth, can stand."""

SURFACES = ("src/knownas/api", "src/knownas/console", "src/knownas/service")
"""Where refusals come from."""


@cache
def page(name: str) -> str:
    """Return a page of the reference."""
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_no_page_is_stale() -> None:
    """Each page of the reference is what `make docs` writes, and there is no other one."""
    written = subprocess.run(
        [sys.executable, "-B", "-c", WRITE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    wanted = json.loads(written.stdout)
    there = {file.name: file.read_text(encoding="utf-8") for file in REFERENCE.iterdir()}
    assert there.keys() == wanted.keys()
    stale = [name for name in wanted if there[name] != wanted[name]]
    assert not stale, f"`make docs` writes {', '.join(stale)} anew"


def members(section: Section[object], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every member of the configuration with the path of its section."""
    for member in section.members:
        yield path, member.name
        nested = section_of(member.shape)
        if nested is not None:
            yield from members(nested, f"{path}.{member.name}")


@pytest.mark.parametrize("member", sorted({name for _, name in members(CONFIGURATION_SECTION)}))
def test_every_member_of_the_configuration_is_there(member: str) -> None:
    """Each member that a file can have has a line with its meaning."""
    rows = [line for line in page("configuration.md").splitlines() if line.startswith(f"| `{member}` |")]
    assert rows
    assert all(row.rstrip(" |").endswith((".", "…")) for row in rows), "each meaning is a sentence"


def test_every_setting_and_strategy_is_there() -> None:
    """Each setting of a policy is a member of the file, and each strategy is named."""
    for name in (*Settings.__dataclass_fields__, *Strategy):
        assert f"`{name}`" in page("configuration.md")


def options() -> list[tuple[str, str]]:
    """Return every option of every verb."""
    found: list[tuple[str, str]] = []
    context = click.Context(main)
    for verb in main.list_commands(context):
        command = main.get_command(context, verb)
        assert command is not None
        for parameter in command.params:
            found += [(verb, option) for option in parameter.opts if option.startswith("-")]
    return found


@pytest.mark.parametrize(("verb", "option"), options())
def test_every_option_is_there(verb: str, option: str) -> None:
    """Each option of each verb stands in that verb's part of the page."""
    part = page("command-line.md").partition(f"## knownas {verb}\n")[2].partition("\n## ")[0]
    assert re.search(rf"(?<![\w-]){re.escape(option)}\b", part)


def test_every_route_is_there() -> None:
    """Each route of the OpenAPI document, which has all that is served, is on the page, and no other one."""
    text = page("http-api.md")
    shown = set(re.findall(r"### `(\w+) (/\S*)`", text))
    document: Any = openapi_document()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert shown <= described
    for method, path in described:
        assert (method, path) in shown or method == "OPTIONS" or f"Also at `{path}`." in text


def literals() -> set[str]:
    """Return every string that stands in the code behind the HTTP surfaces, but for what describes them."""
    files = [
        file
        for folder in SURFACES
        for file in (ROOT / folder).rglob("*.py")
        if not file.stem.startswith(("openapi", "schema"))
    ]
    nodes = [node for file in files for node in ast.walk(parsed_file(file))]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def reasons() -> list[str]:
    """Return every reason that stands in the code behind the HTTP surfaces."""
    found: set[str] = set()
    for file in (file for folder in SURFACES for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(parsed_file(file)):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if file.stem == "platform" and called in ("_found", "_unknown", "_workspace"):
                    found |= {f"unknown_{one.value}" for one in node.args if isinstance(one, ast.Constant)}
                for place in RAISERS.get(called, ()):
                    given = node.args[place] if len(node.args) > place else None
                    if isinstance(given, ast.Constant) and isinstance(given.value, str) and given.value.islower():
                        found.add(given.value)
    words = (*AliasRefusal, *AliasRejection, *TokenFault, *Refusal, *Denied)
    return sorted(one for one in {*found, *(word.value for word in words)} if re.fullmatch(r"\w+", one))


@pytest.mark.parametrize("reason", reasons())
def test_every_reason_is_there(reason: str) -> None:
    """Each reason that the code refuses a request for has a line with its meaning."""
    assert f"| `{reason}` |" in page("refusal-codes.md")


def test_no_reason_is_made_up() -> None:
    """Each reason on the page is one of the code's: a literal of a surface, or a word of a closed set."""
    kinds: list[type[StoreError]] = [StoreError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    closed = (*Refusal, *Denied, *AliasRefusal, *AliasRejection, *TokenFault)
    words = {*literals(), *reasons(), *(one.value for one in closed), *(kind.code for kind in kinds)}
    words.add("unknown_workspace")  # What is named where nothing else is: a default of an argument.
    part = page("refusal-codes.md").partition("\n## Reasons\n")[2].partition("\n## Errors of the store")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) <= words


def test_reasons_are_found_in_the_code() -> None:
    """The search for reasons finds those of each module that refuses."""
    assert {"duplicate_key", "search_not_allowed", "body_too_long", "unknown_profile", "not_started"} <= set(reasons())
    assert {"batch_too_long", "too_many_users", "seeded_twice", "mpid_missing", "unknown_audience"} <= set(reasons())
    assert {"no_account_id", "identity_type_not_immutable", "missing_field", "no_identities"} <= set(reasons())


def test_every_metric_is_there() -> None:
    """Each metric that the server shows has a part with its labels."""
    telemetry = Telemetry()
    telemetry.decided("identify", "shop", "known", 0.001)
    telemetry.refused("idsync", "rate_limited")
    for line in telemetry.exposition().decode().splitlines():
        if line.startswith("# TYPE"):
            name = line.split()[2]
            assert f"## `{name}`" in page("metrics.md")
        for label in re.findall(r'(\w+)="', line):
            assert label == "le" or f"| `{label}` |" in page("metrics.md")


def test_every_identity_type_is_there() -> None:
    """Each identity type has a line with its name on every surface."""
    rows = page("identity-types.md").splitlines()
    for kind in KINDS:
        row = next(row for row in rows if row.startswith(f"| `{kind.type.value}` |"))
        for name in (kind.events, kind.profile, kind.dsr, *kind.also):
            assert name is None or f"`{name}`" in row
        assert row.endswith(f"| {kind.code} |")


def test_every_limit_is_there() -> None:
    """Each number that the product names as the most or the least of something has a line with its meaning."""
    rows = page("limits.md").splitlines()
    for file in (ROOT / "src" / "knownas").rglob("*.py"):
        if not {"demo", "conformance"} & set(file.parts):
            for name in re.findall(
                r"^([A-Z]\w*_(?:MAX|MIN)): Final = [-(\d]", file.read_text(encoding="utf-8"), re.MULTILINE
            ):
                assert any(row.startswith(f"| `{name}` | ") and row.endswith(". |") for row in rows), name


def test_every_dependency_has_a_reason() -> None:
    """Each package that pyproject.toml names, and no other, stands in the page of dependencies with its reason."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (one for packages in project["optional-dependencies"].values() for one in packages)
    wanted = [*project["dependencies"], *extras]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted}
    text = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
    rows = [
        line.split(" | ") for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Package")
    ]
    named = {name for row in rows for name in row[0].removeprefix("| ").split(", ")}
    assert named == names


def test_every_verb_of_the_makefile_is_there() -> None:
    """Each verb of the Makefile stands in the page for contributors."""
    verbs = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [verb for verb in verbs if verb != "help" and f"`make {verb}`" not in text] == []


def test_every_folder_of_the_product_is_there() -> None:
    """Each folder below src/knownas stands in the page for contributors."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for folder in (ROOT / "src" / "knownas").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`src/knownas/{folder.name}/`" in text
