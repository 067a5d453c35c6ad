"""Says how a whole new pool is put into a store at once: rows by the hundred thousand, seen by nobody before all are there.

The rows are those that commits would have written, of the parts and with the members of `store.copying`. They belong to a pool
that has a number and no name yet, so that nothing leads to them; naming it makes all of them visible at once. The
numbers of the log's lines and of versions are taken beforehand, so that servers may go on in other scopes meanwhile.

How far it is stands in a small document that is replaced in the same transaction in which rows are kept. So rows that were
kept are never kept again, however a load was stopped.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from knownas.store.copying import Part
from knownas.store.port import Pool

BULK_PARTS: Final = (Part.PROFILES, Part.VALUES, Part.HOLDINGS, Part.LOG, Part.TOUCHED, Part.SECTIONS)
"""The parts of a new pool, in the order in which they are put there."""

BulkRow = tuple[int | str | bytes | bool | None, ...]
"""A row with the members of its part, flags as truth values."""


class Reserved(NamedTuple):
    """What was taken for a load: a number for each pool, the numbers after `log` for its lines, and versions."""

    pools: tuple[int, ...]
    log: int
    version: int
    section_version: int


class Mark(NamedTuple):
    """The document that says how far a load is: its name, what it is now, and what it becomes with the rows."""

    name: str
    before: bytes
    after: bytes


class BulkEnd(Protocol):
    """A database into which new pools are put. Raises only `store.errors`."""

    async def taken(self, pools: Sequence[Pool]) -> Sequence[Pool]:
        """Return those of the pools that there are: somebody was asked for in them."""
        ...

    async def reserve(self, pools: int, lines: int) -> Reserved:
        """Take numbers for so many pools and lines of the log, which nobody else gets any more."""
        ...

    async def put(self, part: Part, first: int, rows: Sequence[BulkRow], mark: Mark) -> None:
        """Keep rows of a part, of which there are `first` before these, and move the mark: durably, all or nothing.

        Raises:
            StoreDamaged: the mark is not as it was said to be: somebody else loads the same.
        """
        ...

    async def publish(self, pools: Sequence[tuple[int, Pool]], mark: Mark) -> bool:
        """Give pools their names, and move the mark; False, and nothing is changed, if a name is taken.

        Where any workspace is watched (`store.audiences`), everybody is marked in the same transaction.
        """
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
