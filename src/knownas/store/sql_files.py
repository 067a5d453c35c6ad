"""Reads the named statements and the schema steps of an adapter's .sql files, so that SQL stays in SQL files."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_STEP: Final = re.compile(r"^([a-z]+)_(\d{4})\.sql$")
SCHEMA: Final = "schema"
_SUFFIX: Final = ".sql"


@cache
def named_statements(package: str) -> dict[str, str]:
    """Return every statement of every .sql file of a package's `sql` folder that is no numbered step, by its name.

    Raises:
        ValueError: two statements have the same name.
    """
    found: dict[str, str] = {}
    for name, text in _texts(package):
        if _STEP.match(name) is None:
            parts = _NAME.split(text)[1:]
            for statement, body in zip(parts[::2], parts[1::2], strict=True):
                if statement in found:
                    raise ValueError(f"{name}: there are two statements {statement}")
                found[statement] = body.strip()
    return found


def with_marked(statement: str, marker: str, text: str) -> str:
    """Return a statement with a text in the place of a marker."""
    # The marker stands in the statement's description too; the last one is in the statement itself.
    before, _, after = statement.rpartition(marker)
    return f"{before}{text}{after}"


@cache
def numbered_steps(package: str, kind: str = SCHEMA) -> tuple[tuple[int, str], ...]:
    """Return the steps of a kind in a package's `sql` folder, each with the version it leads to, in order."""
    steps = [(match, text) for name, text in _texts(package) if (match := _STEP.match(name))]
    return tuple((int(match[2]), text) for match, text in steps if match[1] == kind)


def _texts(package: str) -> list[tuple[str, str]]:
    """Return the names and texts of all .sql files, by name."""
    folder = files(package) / "sql"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(_SUFFIX))
