"""Reads and writes whole tables of a SQLite file, for a copy from or into another database."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from knownas.store.copying import LARGEST, SMALLEST, Counters, Key, Order, Page, Part, Row, page_of
from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite.connection import first_row, migrate, named_errors, open_connection
from knownas.store.sqlite.statements import statements

_ORDERS: Final[Mapping[Part, Order]] = {
    Part.POOLS: {"pool": SMALLEST},
    Part.POLICIES: {"scope": "", "version": SMALLEST},
    Part.DOCUMENTS: {"name": ""},
    Part.PROFILES: {"mpid": SMALLEST},
    Part.VALUES: {"pool": SMALLEST, "type": SMALLEST, "value": ""},
    Part.HOLDINGS: {
        "pool": SMALLEST,
        "type": SMALLEST,
        "value": "",
        "known": SMALLEST,
        "active_ms": LARGEST,
        "mpid": SMALLEST,
    },
    Part.LOG: {"seq": SMALLEST},
    Part.TOUCHED: {"mpid": SMALLEST, "seq": SMALLEST},
    Part.SECTIONS: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": ""},
    Part.EVENTS: {"seq": SMALLEST},
    Part.RECEIPTS: {"made": SMALLEST},
    Part.MESSAGES: {"mpid": SMALLEST, "input_key": "", "message_id": ""},
    Part.ALIASES: {"made": SMALLEST},
    Part.SUBJECT_REQUESTS: {"request_id": ""},
    Part.EVIDENCE: {"number": SMALLEST},
    Part.TOMBSTONES: {"mpid": SMALLEST},
    Part.SUPPRESSIONS: {"digest": ""},
    Part.DELIVERIES: {"delivery_id": ""},
    Part.AUDIT: {"seq": SMALLEST},
    Part.WATCHES: {"workspace": SMALLEST},
    Part.AUDIENCE_DOCUMENTS: {"kind": "", "number": SMALLEST},
    Part.MARKS: {"seq": SMALLEST},
    Part.STANDINGS: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": ""},
    Part.MEMBERS: {"audience": SMALLEST, "workspace": SMALLEST, "environment": "", "mpid": SMALLEST},
    Part.MEMBERSHIP_CHANGES: {"seq": SMALLEST},
    Part.HELD: {"mpid": SMALLEST, "connection": SMALLEST, "slot": "", "target": "", "encoding": "", "value": ""},
    Part.PASSED: {"passed": SMALLEST},
    Part.GROUP_PLACES: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": "", "kind": SMALLEST},
    Part.OUTPUT_DELIVERIES: {"seq": SMALLEST},
}
_VALUES: Final = "copied_values"
"""A counter of our own, beside those that SQLite keeps for its tables."""


class SqliteCopyEnd:
    """A SQLite file as one end of a copy. Implements `store.copying.CopyEnd`."""

    def __init__(self, path: Path, *, makes: bool, is_snapshot: bool = False) -> None:
        """Open the file; `makes` says that it may be made if it is not there.

        With `is_snapshot` everything is read as of this moment, whoever writes meanwhile.

        Raises:
            StoreError: it can't be opened, or is no database of ours.
        """
        if not makes and not path.exists():
            raise StoreUnavailable(f"{path} is not there")
        self._connection = open_connection(path)
        try:
            migrate(self._connection)
            if is_snapshot:
                with named_errors():
                    self._connection.execute("BEGIN")
                    first_row(self._connection, statements()["counters"])
        except BaseException:
            self._connection.close()
            raise

    async def page(self, part: Part, after: Key | None, limit: int) -> Page:
        """Return the rows of a part after a key."""
        order = _ORDERS[part]
        start = tuple(order.values()) if after is None else after
        with named_errors():
            rows = self._connection.execute(statements()[f"page_{part}"], (*start, limit + 1)).fetchall()
        return page_of(part, order, rows, after, limit)

    async def put(self, part: Part, rows: Sequence[Row]) -> None:
        """Keep rows, in one transaction."""
        with named_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if part is Part.VALUES:
                    rows = self._numbered(rows)
                self._connection.executemany(statements()[f"put_{part}"], rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _numbered(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Give values the numbers by which holdings name them, which are this database's own."""
        self._connection.execute(statements()["add_counter"], (_VALUES,))
        ((given,),) = self._connection.execute(statements()["counter"], (_VALUES,)).fetchall()
        self._connection.execute(statements()["advance_counter"], (_VALUES, given + len(rows)))
        return [(number, *row) for number, row in enumerate(rows, start=given + 1)]

    async def counters(self) -> Counters:
        """Return the numbers that were given out last."""
        with named_errors():
            return Counters._make(first_row(self._connection, statements()["counters"]) or (0, 0, 0, 0))

    async def advance(self, counters: Counters) -> None:
        """Give out no number any more that is not above these.

        Records' versions are seqs of the log here, and standings' versions are of the sections' clock.
        """
        given = {
            "log": max(counters.log, counters.version),
            "user_events": counters.events,
            "mark": counters.mark,
            "membership_change": counters.membership_change,
            "output_delivery": counters.output_delivery,
        }
        with named_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            for name, number in given.items():
                self._connection.execute(statements()["add_counter"], (name,))
                self._connection.execute(statements()["advance_counter"], (name, number))
            self._connection.execute(statements()["advance_sections"], (max(counters.section, counters.standing),))
            self._connection.execute("COMMIT")

    async def close(self) -> None:
        """Close the file."""
        self._connection.close()
