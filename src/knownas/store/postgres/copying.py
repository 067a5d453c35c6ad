"""Reads and writes whole tables of a PostgreSQL database, for a copy from or into another database."""

from collections.abc import Mapping, Sequence
from typing import Final

from knownas.store.copying import SMALLEST, Counters, Key, Order, Page, Part, Row, page_of
from knownas.store.errors import StoreUnavailable
from knownas.store.postgres.address import read_address
from knownas.store.postgres.database import Database
from knownas.store.postgres.limits import SLOW_CALL_SECONDS
from knownas.store.postgres.loading import columns

_SMALLEST_INTEGER: Final = -(2**31)
_SMALLEST_SMALLINT: Final = -(2**15)

_ORDERS: Final[Mapping[Part, Order]] = {
    Part.POOLS: {"pool": _SMALLEST_INTEGER},
    Part.POLICIES: {"scope": "", "version": _SMALLEST_INTEGER},
    Part.DOCUMENTS: {"name": ""},
    Part.PROFILES: {"mpid": SMALLEST},
    Part.VALUES: {"value": "", "type": _SMALLEST_SMALLINT, "pool": _SMALLEST_INTEGER},
    Part.HOLDINGS: {"value": "", "type": _SMALLEST_SMALLINT, "pool": _SMALLEST_INTEGER, "mpid": SMALLEST},
    Part.LOG: {"seq": SMALLEST},
    Part.TOUCHED: {"mpid": SMALLEST, "seq": SMALLEST},
    Part.SECTIONS: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": ""},
    Part.EVENTS: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": "", "seq": SMALLEST},
    Part.RECEIPTS: {"receipt_id": ""},
    Part.MESSAGES: {"mpid": SMALLEST, "message_id": "", "input_key": ""},
    Part.ALIASES: {"request_id": ""},
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
    Part.MEMBERSHIP_CHANGES: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": "", "seq": SMALLEST},
    Part.HELD: {"mpid": SMALLEST, "connection": SMALLEST, "slot": "", "target": "", "encoding": "", "value": ""},
    Part.PASSED: {"connection": SMALLEST, "mpid": SMALLEST, "passed": SMALLEST},
    Part.GROUP_PLACES: {"mpid": SMALLEST, "workspace": SMALLEST, "environment": "", "kind": SMALLEST},
    Part.OUTPUT_DELIVERIES: {"seq": SMALLEST},
}
_FLAGS: Final[Mapping[Part, tuple[int, ...]]] = {
    Part.PROFILES: (2,),
    Part.VALUES: (6,),
    Part.HOLDINGS: (4,),
    Part.RECEIPTS: (5,),
    Part.MEMBERSHIP_CHANGES: (5,),
}
"""The places of what is a flag here, and 0 or 1 in a row."""


class PostgresCopyEnd:
    """A PostgreSQL database as one end of a copy. Implements `store.copying.CopyEnd`."""

    def __init__(self, url: str, *, is_snapshot: bool = False) -> None:
        """Take the URL; the server is first asked when something is read.

        With `is_snapshot` everything is read as of that moment, whoever writes meanwhile.

        Raises:
            StoreUnavailable: the URL can't be read.
        """
        self._database = Database(read_address(url))
        self._is_snapshot = is_snapshot
        self._server_process = 0

    async def page(self, part: Part, after: Key | None, limit: int) -> Page:
        """Return the rows of a part after a key."""
        order = _ORDERS[part]
        start = tuple(order.values()) if after is None else after
        await self._hold_still()
        found = await self._database.read(f"page_{part}", *start, limit + 1, seconds=SLOW_CALL_SECONDS)
        await self._hold_still()
        return page_of(part, order, [tuple(row) for row in found], after, limit)

    async def put(self, part: Part, rows: Sequence[Row]) -> None:
        """Keep rows, by one statement."""
        flags = _FLAGS.get(part, ())
        told = [tuple(bool(one) if place in flags else one for place, one in enumerate(row)) for row in rows]
        if told:
            width = len(told[0])
            await self._database.repeat(f"put_{part}", *columns(told, width), seconds=SLOW_CALL_SECONDS)

    async def counters(self) -> Counters:
        """Return the numbers that were given out last."""
        await self._hold_still()
        (row,) = await self._database.read("counters")
        return Counters._make(row)

    async def advance(self, counters: Counters) -> None:
        """Give out no number any more that is not above these."""
        await self._database.repeat("advance", *counters, seconds=SLOW_CALL_SECONDS)

    async def _hold_still(self) -> None:
        """Begin the transaction in which everything is read as of one moment, or look whether it still stands.

        Calls come one after the other, so all are served by one connection; another one would see another moment.
        """
        if not self._is_snapshot:
            return
        if self._server_process == 0:
            await self._database.read("begin_snapshot")
        ((process, holds),) = await self._database.read("snapshot_stands")
        if not holds or self._server_process not in (0, process):
            raise StoreUnavailable("the connection broke, and with it the moment as of which everything was read")
        self._server_process = process

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()
