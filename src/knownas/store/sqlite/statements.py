"""Reads the named statements of the .sql files, so that SQL stays in SQL files."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_SCHEMA: Final = re.compile(r"^schema_(\d{4})\.sql$")


@cache
def statements() -> dict[str, str]:
    """Return every statement of queries.sql by its name."""
    text = (files("knownas.store.sqlite") / "sql" / "queries.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


@cache
def schema_steps() -> tuple[tuple[int, str], ...]:
    """Return the schema's steps, each with the version it leads to, in order."""
    folder = files("knownas.store.sqlite") / "sql"
    steps = [(int(match[1]), file.read_text()) for file in folder.iterdir() if (match := _SCHEMA.match(file.name))]
    return tuple(sorted(steps))
