"""Knows this adapter's named statements and schema steps."""

import re
from functools import cache
from typing import Final, NamedTuple

from knownas.store.sql_files import named_statements, numbered_steps, with_marked

_PACKAGE: Final = "knownas.store.postgres"
_ARGUMENTS: Final = "/*arguments*/"
_WORKS_FROM: Final = re.compile(r"^-- works_from: (\d+)$", re.MULTILINE)


class SchemaStep(NamedTuple):
    """A step of the schema: the version it leads to, and the oldest one whose knownas can still work with that."""

    version: int
    works_from: int
    text: str


@cache
def statement(name: str) -> str:
    """Return a statement by its name."""
    return named_statements(_PACKAGE)[name]


@cache
def call(name: str, arguments: int) -> str:
    """Return a statement that calls a function with so many arguments."""
    return with_marked(statement(name), _ARGUMENTS, ", ".join(f"${number}" for number in range(1, arguments + 1)))


@cache
def schema_steps() -> tuple[SchemaStep, ...]:
    """Return the schema's steps in order.

    Raises:
        ValueError: a step does not say from which version on a knownas works with it.
    """
    steps: list[SchemaStep] = []
    for version, text in numbered_steps(_PACKAGE):
        says = _WORKS_FROM.search(text)
        if says is None:
            raise ValueError(f"step {version} does not say what it works from")
        steps.append(SchemaStep(version, int(says[1]), text))
    return tuple(steps)
