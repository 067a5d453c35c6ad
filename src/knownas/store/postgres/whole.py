"""Reads a PostgreSQL database as a whole, over connections of its own."""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from knownas.core.identity.kinds import KINDS
from knownas.core.identity.record import MPID_MIN
from knownas.store.copying import Key
from knownas.store.port import Pool
from knownas.store.postgres.address import read_address
from knownas.store.postgres.database import Database
from knownas.store.postgres.limits import LOG_PAUSE_SECONDS, LOG_SETTLED_SECONDS, SLOW_CALL_SECONDS
from knownas.store.postgres.rows import Row
from knownas.store.whole import Checked, Contradiction, Line, State, miscounted, not_found, not_held, not_in_history

_NAMES: Final = [kind.type.value for kind in KINDS]
_CODES: Final = [kind.code for kind in KINDS]
_TYPES: Final = {kind.code: kind.type.value for kind in KINDS}
_FIRST_VALUE: Final = ("", -(2**15), -(2**31))
_NO_POOL: Final = 0


class PostgresWhole:
    """A PostgreSQL database that is read as a whole. Implements `store.whole.WholeReader`."""

    def __init__(self, url: str) -> None:
        """Take the URL; the server is first asked when something is read.

        Raises:
            StoreUnavailable: the URL can't be read.
        """
        self._database: Final = Database(read_address(url))
        self._numbers: dict[Pool, int] = {}

    async def pools(self) -> Sequence[Pool]:
        """Return all pools."""
        return [Pool(*row) for row in await self._database.read("whole_pools")]

    async def end_of_log(self) -> int:
        """Return up to which seq the log is settled, past all that is acknowledged by now if others let it be."""
        ((given, settled),) = await self._database.read("settled")
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + LOG_SETTLED_SECONDS
        while settled < given and clock() < give_up_at:
            await asyncio.sleep(LOG_PAUSE_SECONDS)
            ((_, settled),) = await self._database.read("settled")
        return settled

    async def lines(self, pool: Pool, after_seq: int, until_seq: int, limit: int) -> Sequence[Line]:
        """Return a pool's lines in order."""
        rows = await self._read("whole_lines", await self._number(pool), after_seq, until_seq, limit)
        return [cast("Line", tuple(row)) for row in rows]

    async def states_of(self, pool: Pool, mpids: Sequence[int]) -> Sequence[State]:
        """Return the states of some profiles, by one statement."""
        return cast("Sequence[State]", await self._read("whole_states", await self._number(pool), list(mpids)))

    async def with_user_data(self, mpids: Sequence[int]) -> Sequence[int]:
        """Return the profiles that have sections, by one statement."""
        return [row[0] for row in await self._read("whole_with_user_data", list(mpids))]

    async def profiles_until(self, pool: Pool, until_seq: int) -> int:
        """Count the profiles of a pool."""
        ((count,),) = await self._read("whole_profiles_until", await self._number(pool), until_seq)
        return count

    async def check_profiles(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare profiles with the rows by which they are found."""
        first = MPID_MIN if after is None else int(after[0])
        rows = await self._read("whole_profile_page", first, limit)
        if not rows:
            return Checked(0, (), None)
        number = await self._number(pool)
        wrong = await self._read("whole_check_profiles", _NAMES, _CODES, number, rows[0][0], rows[-1][0])
        found = [not_found(mpid, _TYPES.get(code, "?"), value) for mpid, code, value in wrong]
        return _checked(rows, found, limit)

    async def check_values(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare values with the profiles that they lead to."""
        first = _FIRST_VALUE if after is None else after
        rows = await self._read("whole_value_page", *first, limit)
        if not rows:
            return Checked(0, (), None)
        number = await self._number(pool)
        wrong = await self._read("whole_check_values", _NAMES, _CODES, number, *first, *rows[-1])
        found = [
            miscounted(_TYPES.get(code, "?"), value) if mpid is None else not_held(mpid, _TYPES.get(code, "?"), value)
            for mpid, code, value in wrong
        ]
        return _checked(rows, found, limit)

    async def check_log(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare lines of the log with the rows by which they are found."""
        first = 0 if after is None else int(after[0])
        rows = await self._read("whole_log_page", first, limit)
        if not rows:
            return Checked(0, (), None)
        wrong = await self._read("whole_check_log", await self._number(pool), first, rows[-1][0])
        return _checked(rows, [not_in_history(mpid, seq) for mpid, seq in wrong], limit)

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()

    async def _read(self, name: str, *args: object) -> Sequence[Row]:
        return await self._database.read(name, *args, seconds=SLOW_CALL_SECONDS)

    async def _number(self, pool: Pool) -> int:
        if pool not in self._numbers:
            self._numbers = {Pool(*names): number for number, *names in await self._database.read("pools")}
        return self._numbers.get(pool, _NO_POOL)


def _checked(rows: Sequence[Row], wrong: Sequence[Contradiction], limit: int) -> Checked:
    return Checked(len(rows), wrong, tuple(rows[-1]) if len(rows) == limit else None)
