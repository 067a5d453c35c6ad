"""The memory store's fifth part: what outputs are told."""

from collections.abc import Sequence
from itertools import count

from knownas.store.deliveries import FORGOTTEN, DeliveryState, NewDelivery, Settlement, StoredDelivery
from knownas.store.errors import StoreUnavailable


class MemoryDeliveries:
    """Keeps deliveries in memory. Implements `store.deliveries.DeliveryStore`."""

    def __init__(self) -> None:
        self._deliveries: dict[int, StoredDelivery] = {}
        self._ids: set[str] = set()
        self._written: dict[int, int] = {}
        """The number under which each was written: one that waits again has another by now."""
        self._seqs = count(1)
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    def add(self, new: NewDelivery) -> None:
        """Let a new delivery wait, unless there is one of its id."""
        if new.delivery_id in self._ids:
            return
        self._ids.add(new.delivery_id)
        seq = next(self._seqs)
        self._written[seq] = seq
        self._deliveries[seq] = StoredDelivery(
            seq=seq, **new._asdict(), state=DeliveryState.WAITING, settled_ms=None, why=None
        )

    def empty(self, workspace: int, mpid: int, limit: int) -> int:
        """Empty the documents of deliveries about a profile, at most `limit`, of those that wait as soon as they don't; return how many."""
        about = [one for one in self._deliveries.values() if (one.workspace, one.mpid) == (workspace, mpid)]
        settled = [one for one in about if one.state is not DeliveryState.WAITING and one.document][:limit]
        for one in settled:
            self._deliveries[one.seq] = one._replace(document=b"")
        waiting = [one for one in about if one.state is DeliveryState.WAITING and one.why is None][
            : limit - len(settled)
        ]
        for one in waiting:
            self._deliveries[one.seq] = one._replace(why=FORGOTTEN)
        return len(settled) + len(waiting)

    async def waiting_outputs(self) -> Sequence[int]:
        """Return the outputs for which anything waits, in order."""
        self._check_open()
        return sorted({one.output for one in self._deliveries.values() if one.state is DeliveryState.WAITING})

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        """Return what waits for an output by ascending `seq`."""
        self._check_open()
        found = (
            one
            for one in self._deliveries.values()
            if one.output == output and one.state is DeliveryState.WAITING and one.seq > after_seq
        )
        return sorted(found)[:limit]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Note what has become of deliveries."""
        self._check_open()
        for one in settlements:
            was = self._deliveries.get(one.seq)
            if was is not None and was.state is DeliveryState.WAITING:
                document = b"" if was.why == FORGOTTEN else was.document
                self._deliveries[one.seq] = was._replace(
                    state=one.state, settled_ms=one.at_ms, why=one.why, document=document
                )

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        """Let dead deliveries wait again, at the end."""
        self._check_open()
        dead = [
            one
            for one in map(self._deliveries.get, dict.fromkeys(seqs))
            if one is not None and one.state is DeliveryState.DEAD and one.document and not await self.later(one)
        ]
        for one in dead:
            del self._deliveries[one.seq]
            seq = next(self._seqs)
            self._written[seq] = self._written.pop(one.seq)
            self._deliveries[seq] = one._replace(seq=seq, state=DeliveryState.WAITING, settled_ms=None, why=None)
        return [one.seq for one in dead]

    async def later(self, delivery: StoredDelivery) -> bool:
        """Whether there is anything later about the same profile over the same connection."""
        self._check_open()
        about = (delivery.output, delivery.connection, delivery.mpid)
        return any(
            (one.output, one.connection, one.mpid) == about
            and self._written[one.seq] > self._written[delivery.seq]
            and one.state in (DeliveryState.WAITING, DeliveryState.SENT)
            for one in self._deliveries.values()
        )

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return the deliveries of an output, the newest first."""
        self._check_open()
        found = (one for one in self._newest(before_seq) if one.output == output and state in (None, one.state))
        return [one for one, _ in zip(found, range(limit), strict=False)]

    async def deliveries_about(
        self, workspace: int, mpid: int, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        """Return what outputs of a workspace were told about a profile, the newest first."""
        self._check_open()
        return [one for one in self._newest(before_seq) if (one.workspace, one.mpid) == (workspace, mpid)][:limit]

    def _newest(self, before_seq: int | None) -> list[StoredDelivery]:
        found = (one for one in self._deliveries.values() if before_seq is None or one.seq < before_seq)
        return sorted(found, reverse=True)

    async def delivery(self, seq: int) -> StoredDelivery | None:
        """Return a delivery."""
        self._check_open()
        return self._deliveries.get(seq)

    async def count_deliveries(self, output: int, state: DeliveryState, limit: int) -> int:
        """Count the deliveries of an output in a state, at most up to a limit."""
        self._check_open()
        return min(limit, sum((one.output, one.state) == (output, state) for one in self._deliveries.values()))

    async def count_settled(self, settled_ms: int) -> int:
        """Count the deliveries settled before a time."""
        self._check_open()
        return len(self._settled_before(settled_ms))

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        """Remove deliveries settled before a time."""
        self._check_open()
        old = self._settled_before(settled_ms)[:limit]
        for one in old:
            del self._deliveries[one.seq], self._written[one.seq]
        return len(old)

    def _settled_before(self, settled_ms: int) -> list[StoredDelivery]:
        return [one for one in self._deliveries.values() if one.settled_ms is not None and one.settled_ms < settled_ms]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
