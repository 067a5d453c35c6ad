"""The SQLite store's fifth part: what outputs are told, in the same file as what it tells of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from knownas.core.identity.record import MPID_MAX
from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement, StoredDelivery
from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite.connection import Binding, Connection, Row, SharedReads, Transactions, named_errors
from knownas.store.sqlite.counting import count_apart
from knownas.store.sqlite.statements import statements

BEYOND: Final = MPID_MAX
"""Above every number that a delivery gets."""


def add_deliveries(connection: Connection, deliveries: Sequence[NewDelivery]) -> None:
    """Let new deliveries wait, inside a transaction that its caller has begun."""
    if deliveries:
        connection.executemany(statements()["add_output_delivery"], deliveries)


class SqliteDeliveries:
    """Keeps deliveries in a SQLite file. Implements `store.deliveries.DeliveryStore`."""

    def __init__(self, path: Path, connection: Connection, reads: SharedReads, transactions: Transactions) -> None:
        """Write over a connection that somebody else closes; read over `reads`, in turns by `transactions`."""
        self._path = path
        self._connection = connection
        self._reads = reads
        self._transactions = transactions
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def waiting_outputs(self) -> Sequence[int]:
        """Return the outputs for which anything waits, in order."""
        return [row[0] for row in self._read("waiting_outputs")]

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        """Return what waits for an output by ascending `seq`."""
        return list(map(_delivery_from, self._read("deliveries_waiting", output, after_seq, limit)))

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Note what has become of deliveries, in one transaction."""
        self._check_open()
        rows = [(one.state.value, one.at_ms, one.why, one.seq) for one in settlements]
        with named_errors():
            async with self._transactions.writing(self._connection):
                self._connection.executemany(statements()["settle_delivery"], rows)

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        """Let dead deliveries wait again, at the end."""
        self._check_open()
        sql = statements()
        with named_errors():
            async with self._transactions.writing(self._connection):
                asked = (msgspec.json.encode(seqs).decode(),)
                may = {row[0] for row in self._connection.execute(sql["may_wait_again"], asked).fetchall()}
                again = [seq for seq in dict.fromkeys(seqs) if seq in may]
                for seq in again:
                    self._connection.execute(sql["wait_again"], (seq,))
                    self._connection.execute(sql["advance_deliveries"])
        return again

    async def later(self, delivery: StoredDelivery) -> bool:
        """Whether there is anything later about the same profile over the same connection."""
        about = (delivery.mpid, delivery.workspace, delivery.output, delivery.connection, delivery.seq)
        return bool(self._read("later_delivery", *about))

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return the deliveries of an output, the newest first."""
        before = BEYOND if before_seq is None else before_seq
        if state is None:
            return list(map(_delivery_from, self._read("deliveries_all", output, before, limit)))
        return list(map(_delivery_from, self._read("deliveries_in_state", output, before, state.value, limit)))

    async def deliveries_about(
        self, workspace: int, mpid: int, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return what outputs of a workspace were told about a profile, the newest first."""
        before = BEYOND if before_seq is None else before_seq
        return list(map(_delivery_from, self._read("deliveries_about", mpid, workspace, before, limit)))

    async def delivery(self, seq: int) -> StoredDelivery | None:
        """Return a delivery."""
        for row in self._read("output_delivery", seq):
            return _delivery_from(row)
        return None

    async def count_deliveries(self, output: int, state: DeliveryState, limit: int) -> int:
        """Count the deliveries of an output in a state, at most up to a limit."""
        ((count,),) = self._read("count_output_deliveries", output, state.value, limit)
        return count

    async def count_settled(self, settled_ms: int) -> int:
        """Count the deliveries settled before a time; off the loop, since the time grows with them."""
        self._check_open()
        (count,) = await count_apart(self._path, "count_settled", settled_ms)
        return count

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        """Remove deliveries settled before a time, the first ones first."""
        self._check_open()
        with named_errors():
            async with self._transactions.writing(self._connection):
                self._connection.execute(statements()["forget_output_deliveries"], (settled_ms, limit))
                return self._connection.changes()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _read(self, statement: str, *bindings: Binding) -> list[Row]:
        self._check_open()
        with named_errors():
            return self._reads.connection().execute(statements()[statement], bindings).fetchall()


def _delivery_from(row: Row) -> StoredDelivery:
    delivery = StoredDelivery._make(row)
    return delivery._replace(state=DeliveryState(delivery.state))
