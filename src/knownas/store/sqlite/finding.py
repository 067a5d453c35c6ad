"""Looks many keys up by few statements."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Final

from knownas.store.sqlite.connection import Binding, Connection, Row
from knownas.store.sqlite.statements import with_keys

KEYS_A_STATEMENT: Final = 128
"""Keys looked up by one statement; a longer list is cut into several."""

_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, KEYS_A_STATEMENT)
"""Few sizes of a list of keys mean few statements to prepare."""

_Key = tuple[int | str, ...]


def find(over: Connection, statement: str, keys: Sequence[_Key], *more: Binding) -> list[Row]:
    """Return the rows of those of the keys that there are, read over a connection. `more` is bound after the keys."""
    rows: list[Row] = []
    for start in range(0, len(keys), KEYS_A_STATEMENT):
        part = keys[start : start + KEYS_A_STATEMENT]
        size, width = next(size for size in _SIZES if size >= len(part)), len(part[0])
        bindings: list[Binding] = [*chain.from_iterable(part)]
        # Nothing is equal to NULL: what is left of the list finds nothing.
        bindings += [None] * (size * width - len(bindings))
        rows += over.execute(_statement_for(statement, size, width), (*bindings, *more)).fetchall()
    return rows


@cache
def _statement_for(statement: str, size: int, width: int) -> str:
    """Return a statement that looks for so many keys of so many columns."""
    return with_keys(statement, [f"({', '.join('?' * width)})"] * size)
