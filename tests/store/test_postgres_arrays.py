"""Arrays that are written as text are read by PostgreSQL as they were."""

import asyncpg
import pytest

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.conformance.loading import LOOKALIKES
from knownas.store.postgres.arrays import array_text, columns_text
from knownas.store.user_data import AliasState
from tests.postgres import ask

ODD = (
    "",
    " ",
    "null",
    "NULL",
    '"',
    '""',
    "\\",
    '\\"',
    "a\\nb",
    "\n",
    "\t",
    "\x01",
    "{}",
    "{a,b}",
    "a,b",
    "'",
    "\u2028",
)


async def read(url: str, values: list[object], of: str) -> object:
    """Have the database read an array."""
    return (await ask(url, f"SELECT $1::text::{of}[]", array_text(values)))[0][0]


async def test_texts_come_through(url: str) -> None:
    """Whatever is in a text, alone or among others, it is read as it is; so is one that is not there."""
    for values in ([*ODD, *LOOKALIKES, None], *([one] for one in (*ODD, *LOOKALIKES)), [], [None], list(AliasState)):
        assert await read(url, values, "text") == values


async def test_numbers_and_truths_come_through(url: str) -> None:
    """Numbers of all 64 bits and truth values are read as they are."""
    numbers = [MPID_MIN, -1, 0, 1, MPID_MAX, None]
    assert await read(url, numbers, "bigint") == numbers
    assert await read(url, [True, False, None], "boolean") == [True, False, None]


async def test_a_text_that_the_database_refuses_is_no_other(url: str) -> None:
    """A text with the character NUL is refused as such, not cut or changed."""
    with pytest.raises(asyncpg.CharacterNotInRepertoireError):
        await read(url, ["a\0b"], "text")


def test_documents_are_left_alone() -> None:
    """Columns of bytes are handed to the driver as they are, and columns of nothing are empty arrays."""
    assert columns_text([(1, b"\\x"), (2, b"")], 2, {1}) == ["{1,2}", (b"\\x", b"")]
    assert columns_text([], 2, {1}) == ["{}", ()]
