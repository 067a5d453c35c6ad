"""Knows this adapter's named statements and schema steps."""

import re
from functools import cache
from typing import Final, NamedTuple

from knownas.store.sql_files import named_statements, numbered_steps, with_marked

_PACKAGE: Final = "knownas.store.postgres"
_ARGUMENTS: Final = "/*arguments*/"
_DISTRIBUTED: Final = "distributed"
"""The kind of the steps of a distributed database, and how its own words of a statement are named."""
_DOCUMENTS: Final = "bytea[]"
_FUNCTION: Final = re.compile(r"(knownas\.\w+)\(/\*arguments")
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
def wording(name: str, *, is_distributed: bool) -> str:
    """Return a statement in the words for such a database; one that calls a function, with all its arguments."""
    own = f"{_DISTRIBUTED}_{name}"
    chosen = own if is_distributed and own in named_statements(_PACKAGE) else name
    return call(chosen) if _ARGUMENTS in statement(chosen) else statement(chosen)


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
    # What marks beside what it does is called by its old name; without that it is `bare`, and has the same arguments.
    defined = function.replace("_bare_", "_")
    definition = re.compile(rf"CREATE FUNCTION {re.escape(defined)}\((.*?)\n\) RETURNS", re.DOTALL)
    texts = [*(step.text for step in schema_steps()), *(text for _, text in distributed_steps())]
    found = [match[1] for text in texts for match in definition.finditer(text)]
    without_notes = re.sub(r"--[^\n]*", "", found[-1])
    return [argument.split()[-1] for argument in without_notes.split(",")]


@cache
def distributed_steps() -> tuple[tuple[int, str], ...]:
    """Return the steps that a distributed database has beside those of the schema, each with its version, in order."""
    return numbered_steps(_PACKAGE, _DISTRIBUTED)


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
