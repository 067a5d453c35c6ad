"""Reads a SQLite file as a whole, over a connection that only reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from knownas.core.identity.kinds import KINDS
from knownas.core.identity.record import MPID_MIN
from knownas.store.copying import SMALLEST, Key
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Pool
from knownas.store.sqlite.connection import Row, named_errors, open_connection
from knownas.store.sqlite.statements import statements
from knownas.store.whole import Checked, Contradiction, Line, State, miscounted, not_found, not_held, not_in_history

CACHE_KIB: Final = 128 * 1024
"""Of the file, what the connection keeps in memory at most."""

_CODES: Final = json.dumps({kind.type.value: kind.code for kind in KINDS})
_NAMES: Final = json.dumps({str(kind.code): kind.type.value for kind in KINDS})
_TYPES: Final = {kind.code: kind.type.value for kind in KINDS}
_NO_POOL: Final = 0


class SqliteWhole:
    """A SQLite file that is read as a whole. Implements `store.whole.WholeReader`."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            StoreError: it can't be opened, or is not there.
        """
        if not path.exists():
            raise StoreUnavailable(f"{path} is not there")
        self._connection: Final = open_connection(path, read_only=True)
        self._connection.pragma("cache_size", -CACHE_KIB)
        self._numbers: dict[Pool, int] = {}

    async def pools(self) -> Sequence[Pool]:
        """Return all pools."""
        return [Pool(*row) for row in self._read("whole_pools")]

    async def end_of_log(self) -> int:
        """Return the last seq: commits come one after the other here."""
        return self._read("last_seq")[0][0]

    async def lines(self, pool: Pool, after_seq: int, until_seq: int, limit: int) -> Sequence[Line]:
        """Return a pool's lines in order."""
        return self._read("whole_lines", self._number(pool), after_seq, until_seq, limit)

    async def states_of(self, pool: Pool, mpids: Sequence[int]) -> Sequence[State]:
        """Return the states of some profiles, by one statement."""
        return self._read("whole_states", self._number(pool), json.dumps(list(mpids)))

    async def with_user_data(self, mpids: Sequence[int]) -> Sequence[int]:
        """Return the profiles that have sections, by one statement."""
        return [mpid for (mpid,) in self._read("whole_with_user_data", json.dumps(list(mpids)))]

    async def profiles_until(self, pool: Pool, until_seq: int) -> int:
        """Count the profiles of a pool."""
        return self._read("whole_profiles_until", self._number(pool), until_seq)[0][0]

    async def check_profiles(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare profiles with the rows by which they are found."""
        first = MPID_MIN if after is None else int(after[0])
        rows = self._read("whole_profile_page", first, limit)
        if not rows:
            return Checked(0, (), None)
        wrong = self._read("whole_check_profiles", _CODES, self._number(pool), rows[0][0], rows[-1][0])
        found = [not_found(mpid, _TYPES.get(code, "?"), value) for mpid, code, value in wrong]
        return _checked(rows, found, limit)

    async def check_values(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare values with the profiles that they lead to."""
        first = (SMALLEST, "") if after is None else after
        rows = self._read("whole_value_page", self._number(pool), *first, limit)
        if not rows:
            return Checked(0, (), None)
        wrong = self._read("whole_check_values", _NAMES, self._number(pool), *first, *rows[-1])
        found = [
            miscounted(_TYPES.get(code, "?"), value) if mpid is None else not_held(mpid, _TYPES.get(code, "?"), value)
            for mpid, code, value in wrong
        ]
        return _checked(rows, found, limit)

    async def check_log(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare lines of the log with the rows by which they are found."""
        first = 0 if after is None else int(after[0])
        rows = self._read("whole_log_page", first, limit)
        if not rows:
            return Checked(0, (), None)
        wrong = self._read("whole_check_log", self._number(pool), first, rows[-1][0])
        return _checked(rows, [not_in_history(mpid, seq) for mpid, seq in wrong], limit)

    async def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, statement: str, *bindings: int | str | bytes | None) -> list[Row]:
        with named_errors():
            return self._connection.execute(statements()[statement], bindings).fetchall()

    def _number(self, pool: Pool) -> int:
        if pool not in self._numbers:
            self._numbers = {Pool(*names): number for number, *names in self._read("pools")}
        return self._numbers.get(pool, _NO_POOL)


def _checked(rows: Sequence[Row], wrong: Sequence[Contradiction], limit: int) -> Checked:
    return Checked(len(rows), wrong, rows[-1] if len(rows) == limit else None)
