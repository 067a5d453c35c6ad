"""Reads the named statements of the .sql files, so that SQL stays in SQL files."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_SCHEMA: Final = re.compile(r"^schema_(\d{4})\.sql$")
_SUFFIX: Final = ".sql"
_WANTED: Final = "/*wanted*/"


@cache
def statements() -> dict[str, str]:
    """Return every statement of every .sql file that is no step of the schema, by its name.

    Raises:
        ValueError: two statements have the same name.
    """
    found: dict[str, str] = {}
    for name, text in _texts():
        if _SCHEMA.match(name) is None:
            parts = _NAME.split(text)[1:]
            for statement, body in zip(parts[::2], parts[1::2], strict=True):
                if statement in found:
                    raise ValueError(f"{name}: there are two statements {statement}")
                found[statement] = body.strip()
    return found


def with_keys(statement: str, keys: Iterable[str]) -> str:
    """Return a statement, by its name, that looks for these keys: a row of placeholders each.

    Raises:
        KeyError: there is no such statement.
    """
    # The marker stands in the statement's description too; the last one is in the statement itself.
    before, _, after = statements()[statement].rpartition(_WANTED)
    return f"{before}{', '.join(keys)}{after}"


@cache
def schema_steps() -> tuple[tuple[int, str], ...]:
    """Return the schema's steps, each with the version it leads to, in order."""
    return tuple((int(match[1]), text) for name, text in _texts() if (match := _SCHEMA.match(name)))


def _texts() -> list[tuple[str, str]]:
    """Return the names and texts of all .sql files, by name."""
    folder = files("knownas.store.sqlite") / "sql"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(_SUFFIX))
