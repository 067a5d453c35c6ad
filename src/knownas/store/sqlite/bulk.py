"""Puts whole new pools into a SQLite file."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Final, cast

import apsw

from knownas.store.bulk import BulkRow, Mark, Reserved
from knownas.store.copying import Part
from knownas.store.errors import StoreDamaged
from knownas.store.port import Pool
from knownas.store.sqlite.connection import Binding, first_row, migrate, named_errors, open_connection
from knownas.store.sqlite.holders import NUMBERS_A_COMMIT_BITS
from knownas.store.sqlite.marking import mark_everybody
from knownas.store.sqlite.statements import statements

_CHANCE: Final = SystemRandom()
_POOLS_APART: Final = 1 << 20
"""Among how many numbers a pool's is drawn that has no row yet: a server that adds one takes the next after the last."""


class SqliteBulkEnd:
    """A SQLite file into which new pools are put. Implements `store.bulk.BulkEnd`."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            StoreError: it can't be opened.
        """
        self._connection = open_connection(path)
        try:
            migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise

    async def taken(self, pools: Sequence[Pool]) -> Sequence[Pool]:
        """Return those of the pools that there are."""
        with named_errors():
            there = {
                Pool(*cast("tuple[str, str]", row)) for row in self._connection.execute(statements()["bulk_pools"])
            }
        return [pool for pool in pools if pool in there]

    async def reserve(self, pools: int, lines: int) -> Reserved:
        """Take numbers, by moving the counters past them."""
        sql = statements()
        with named_errors(), self._writing():
            last_pool = self._number("bulk_last_pool")
            log = self._number("last_seq")
            # Versions of records are seqs of the log here; ours is one that no line has.
            version = log + lines + 1
            self._connection.execute(sql["reserve_seq"], (version,))
            self._connection.execute(sql["use_seq"], (version,))
            section_version = self._number("bulk_section_version")
        first = last_pool + _CHANCE.randrange(1, _POOLS_APART)
        return Reserved(tuple(range(first, first + pools)), log, version, section_version)

    async def put(self, part: Part, first: int, rows: Sequence[BulkRow], mark: Mark) -> None:
        """Keep rows and move the mark, in one transaction."""
        bindings = cast("Sequence[Sequence[Binding]]", rows)
        if part is Part.VALUES:
            bindings = self._numbered(first, bindings)
        with named_errors(), self._writing():
            self._connection.executemany(statements()[f"bulk_{part}"], bindings)
            self._move(mark)

    def _numbered(self, first: int, rows: Sequence[Sequence[Binding]]) -> Sequence[Sequence[Binding]]:
        """Give values the numbers by which holdings name them: those of commits whose versions were taken for these."""
        if not rows:
            return rows
        version = cast("int", rows[0][3])
        # As commits number theirs, but down from there: the versions before this one were taken too, one for each line.
        start = (version << NUMBERS_A_COMMIT_BITS) - first - len(rows)
        return [(start + place, *row) for place, row in enumerate(rows)]

    async def publish(self, pools: Sequence[tuple[int, Pool]], mark: Mark) -> bool:
        """Give pools their names, in one transaction with the mark."""
        with named_errors():
            try:
                with self._writing():
                    self._connection.executemany(statements()["bulk_name"], [(one, *pool) for one, pool in pools])
                    self._move(mark)
                    mark_everybody(self._connection)
            except apsw.ConstraintError:
                return False
        return True

    async def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _number(self, statement: str) -> int:
        row = first_row(self._connection, statements()[statement])
        return 0 if row is None else cast("int", row[0])

    def _move(self, mark: Mark) -> None:
        self._connection.execute(statements()["replace_kept"], (mark.after, mark.name, mark.before))
        if self._connection.changes() != 1:
            raise StoreDamaged("another process loads the same history into this database")

    @contextmanager
    def _writing(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
