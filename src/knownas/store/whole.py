"""Says how a database is read as a whole, by whoever folds its log again and checks what it holds.

Others may write meanwhile. So a reader first asks how far the log is settled, and considers no line after that. Records
are read later, page by page, and may have changed by then; their history says so (`port.Store.history`). What one table
promises of another is compared by the database itself, each page as of one moment.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from knownas.store.copying import Key
from knownas.store.port import Pool

Line = tuple[int, int, int, int | None, bytes, bytes, bytes, bytes | None]
"""A line of the log: seq, time, policy version, the MPID that it made, the JSON array of those that it touched, the
observation, the 16 bytes of the decision's id; and the decision if it touched nobody, since only then it says what
the rest does not. A plain tuple, since a million of them are read at once."""


State = tuple[int, int | bool, int, int | None, bytes, bytes]
"""What of a record a fold must give again, as it is kept: MPID, whether it is known, when it was made, the MPID it was linked
from, and the JSON objects of what it can be looked up by and of what it carries."""


class Contradiction(NamedTuple):
    """What one table promises and another one does not keep, and the profile that it is about, if it is about one."""

    what: str
    mpid: int | None


class Checked(NamedTuple):
    """Some rows that were compared with others: how many, what is wrong, and after which key to go on; None at the end."""

    rows: int
    wrong: Sequence[Contradiction]
    after: Key | None


class WholeReader(Protocol):
    """A database that is read as a whole. Changes nothing, and raises only `store.errors`."""

    async def pools(self) -> Sequence[Pool]:
        """Return all pools that anybody has written to."""
        ...

    async def end_of_log(self) -> int:
        """Return up to which seq the log is settled: no line will appear there any more."""
        ...

    async def lines(self, pool: Pool, after_seq: int, until_seq: int, limit: int) -> Sequence[Line]:
        """Return a pool's lines in order, those after a seq and up to another one, at most `limit`."""
        ...

    async def states_of(self, pool: Pool, mpids: Sequence[int]) -> Sequence[State]:
        """Return the states of those of some profiles that a pool has, in any order."""
        ...

    async def with_user_data(self, mpids: Sequence[int]) -> Sequence[int]:
        """Return those of some profiles of which any workspace knows something, in any order."""
        ...

    async def profiles_until(self, pool: Pool, until_seq: int) -> int:
        """Return how many profiles a pool has that lines up to a seq made, or that no line made."""
        ...

    async def check_profiles(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare the next profiles with the rows by which their identities are found."""
        ...

    async def check_values(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare the next rows by which profiles are found with what those hold."""
        ...

    async def check_log(self, pool: Pool, after: Key | None, limit: int) -> Checked:
        """Compare the next lines of the log with the rows by which profiles find their lines."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...


def not_found(mpid: int, kind: str, value: str) -> Contradiction:
    """Say that no row leads from a value to a profile that holds it."""
    return Contradiction(f"profile {mpid} holds {kind} = {value!r} and is not found by it", mpid)


def not_held(mpid: int, kind: str, value: str) -> Contradiction:
    """Say that a row leads from a value to a profile that does not hold it."""
    return Contradiction(f"{kind} = {value!r} leads to profile {mpid}, which does not hold it", mpid)


def miscounted(kind: str, value: str) -> Contradiction:
    """Say that a value has another number of holders than its row says."""
    return Contradiction(f"the holders of {kind} = {value!r} are miscounted", None)


def not_in_history(mpid: int, seq: int) -> Contradiction:
    """Say that a profile's history lacks a line that changed it."""
    return Contradiction(f"the history of profile {mpid} lacks line {seq} of the log", mpid)
