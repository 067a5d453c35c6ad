"""Knows this adapter's named statements and schema steps."""

import re
from functools import cache
from typing import Final, NamedTuple

from knownas.store.sql_files import named_statements, numbered_steps, with_marked

_PACKAGE: Final = "knownas.store.postgres"
_ARGUMENTS: Final = "/*arguments*/"
_DOCUMENTS: Final = "bytea[]"
_FUNCTION: Final = re.compile(r"knownas\.\w+")
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
def call(name: str) -> str:
    """Return a statement that calls a function with all its arguments: arrays come as text, but for those of bytes."""
    text = statement(name)
    types = _argument_types(_FUNCTION.findall(text)[-1])
    arguments = (
        f"${number}::text::{of}" if of.endswith("[]") and of != _DOCUMENTS else f"${number}"
        for number, of in enumerate(types, start=1)
    )
    return with_marked(text, _ARGUMENTS, ", ".join(arguments))


def _argument_types(function: str) -> list[str]:
    """Return the types of a function's arguments, as the schema defines it."""
    definition = re.compile(rf"CREATE FUNCTION {re.escape(function)}\((.*?)\n\) RETURNS", re.DOTALL)
    found = [match[1] for step in schema_steps() for match in definition.finditer(step.text)]
    without_notes = re.sub(r"--[^\n]*", "", found[-1])
    return [argument.split()[-1] for argument in without_notes.split(",")]


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
