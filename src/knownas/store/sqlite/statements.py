"""Knows this adapter's named statements and schema steps."""

from collections.abc import Iterable
from functools import cache
from typing import Final

from knownas.store.sql_files import named_statements, numbered_steps, with_marked

_PACKAGE: Final = "knownas.store.sqlite"
_WANTED: Final = "/*wanted*/"


@cache
def statements() -> dict[str, str]:
    """Return every statement of the adapter by its name."""
    return named_statements(_PACKAGE)


def with_keys(statement: str, keys: Iterable[str]) -> str:
    """Return a statement, by its name, that looks for these keys: a row of placeholders each.

    Raises:
        KeyError: there is no such statement.
    """
    return with_marked(statements()[statement], _WANTED, ", ".join(keys))


@cache
def schema_steps() -> tuple[tuple[int, str], ...]:
    """Return the schema's steps, each with the version it leads to, in order."""
    return numbered_steps(_PACKAGE)
