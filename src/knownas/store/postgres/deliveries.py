"""The PostgreSQL store's fifth part: what outputs are told, over the same connections as what it tells of."""

from collections.abc import Sequence

from knownas.core.identity.record import MPID_MAX
from knownas.store.deliveries import DeliveryState, Settlement, StoredDelivery
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.database import Database
from knownas.store.postgres.limits import SLOW_CALL_SECONDS
from knownas.store.postgres.rows import Row


class PostgresDeliveries:
    """Keeps deliveries in a database. Implements `store.deliveries.DeliveryStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting_outputs(self) -> Sequence[int]:
        """Return the outputs for which anything waits, in order."""
        return [row[0] for row in await self._database.read("waiting_outputs")]

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        """Return what waits for an output by ascending `seq`."""
        return list(map(_delivery_from, await self._database.read("deliveries_waiting", output, after_seq, limit)))

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Note what has become of deliveries, by one statement."""
        rows = [(one.seq, one.state.value, one.at_ms, one.why) for one in settlements]
        await self._database.repeat("settle_deliveries", *columns_text(rows, 4))

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        """Let dead deliveries wait again, at the end. If the answer is lost it is asked again, and then those that wait already are not named."""
        ((again,),) = await self._database.repeat("wait_again", list(dict.fromkeys(seqs)))
        return again

    async def later(self, delivery: StoredDelivery) -> bool:
        """Whether there is anything later about the same profile over the same connection."""
        about = (delivery.mpid, delivery.workspace, delivery.output, delivery.connection, delivery.seq)
        return bool(await self._database.read("later_delivery", *about))

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return the deliveries of an output, the newest first."""
        before = MPID_MAX if before_seq is None else before_seq
        if state is None:
            rows = await self._database.read("deliveries_all", output, before, limit)
        else:
            rows = await self._database.read("deliveries_in_state", output, before, state.value, limit)
        return list(map(_delivery_from, rows))

    async def deliveries_about(
        self, workspace: int, mpid: int, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return what outputs of a workspace were told about a profile, the newest first."""
        before = MPID_MAX if before_seq is None else before_seq
        return list(map(_delivery_from, await self._database.read("deliveries_about", mpid, workspace, before, limit)))

    async def delivery(self, seq: int) -> StoredDelivery | None:
        """Return a delivery."""
        for row in await self._database.read("output_delivery", seq):
            return _delivery_from(row)
        return None

    async def count_deliveries(self, output: int, state: DeliveryState, limit: int) -> int:
        """Count the deliveries of an output in a state, at most up to a limit."""
        ((count,),) = await self._database.read(
            "count_output_deliveries", output, state.value, limit, seconds=SLOW_CALL_SECONDS
        )
        return count

    async def count_settled(self, settled_ms: int) -> int:
        """Count the deliveries settled before a time."""
        ((count,),) = await self._database.read("count_settled", settled_ms, seconds=SLOW_CALL_SECONDS)
        return count

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        """Remove deliveries settled before a time, the first ones first."""
        bounds = (settled_ms, limit)
        return len(await self._database.repeat("forget_output_deliveries", *bounds, seconds=SLOW_CALL_SECONDS))


def _delivery_from(row: Row) -> StoredDelivery:
    delivery = StoredDelivery(*row)
    return delivery._replace(state=DeliveryState(delivery.state))
