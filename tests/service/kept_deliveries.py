"""Keeps deliveries in memory, as plainly as the port can be read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement, StoredDelivery
from knownas.store.errors import StoreUnavailable

S = DeliveryState


@dataclass
class KeptDeliveries:
    """A store of deliveries that lives as long as its test. `is_down` makes every call fail, `fails_settling` those that settle."""

    rows: dict[int, StoredDelivery] = field(default_factory=dict[int, StoredDelivery])
    written: dict[int, int] = field(default_factory=dict[int, int])
    """The place of each among what was written."""
    is_down: bool = False
    fails_settling: int = 0
    read: int = 0

    def __post_init__(self) -> None:
        self._seqs = count(1)

    def write(self, deliveries: Iterable[NewDelivery]) -> None:
        """Write what is to be told, as a commit does."""
        for one in deliveries:
            seq = next(self._seqs)
            self.written[seq] = seq
            self.rows[seq] = StoredDelivery(
                seq,
                one.delivery_id,
                one.output,
                one.connection,
                one.workspace,
                one.environment,
                one.mpid,
                one.at_ms,
                S.WAITING,
                None,
                None,
                one.document,
            )

    def in_state(self, *states: DeliveryState) -> list[StoredDelivery]:
        """Return what is in some states, in order."""
        return [one for _, one in sorted(self.rows.items()) if one.state in states]

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailable("down")

    async def waiting_outputs(self) -> Sequence[int]:
        self._check()
        return sorted({one.output for one in self.in_state(S.WAITING)})

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        self._check()
        found = [one for one in self.in_state(S.WAITING) if one.output == output and one.seq > after_seq][:limit]
        self.read += len(found)
        return found

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self._check()
        if self.fails_settling:
            self.fails_settling -= 1
            raise StoreUnavailable("full")
        for one in settlements:
            row = self.rows.get(one.seq)
            if row is not None and row.state is S.WAITING:
                self.rows[one.seq] = row._replace(state=one.state, settled_ms=one.at_ms, why=one.why)

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        self._check()
        rows = [self.rows[seq] for seq in seqs if seq in self.rows]
        allowed = [one for one in rows if one.state is S.DEAD and one.document and not await self.later(one)]
        for one in allowed:
            seq = next(self._seqs)
            self.written[seq] = self.written.pop(one.seq)
            del self.rows[one.seq]
            self.rows[seq] = one._replace(seq=seq, state=S.WAITING, settled_ms=None, why=None)
        return [one.seq for one in allowed]

    async def later(self, delivery: StoredDelivery) -> bool:
        self._check()
        return any(
            (one.output, one.connection, one.mpid) == (delivery.output, delivery.connection, delivery.mpid)
            and self.written[one.seq] > self.written[delivery.seq]
            for one in self.in_state(S.WAITING, S.SENT)
        )

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        self._check()
        found = [one for one in self.in_state(*S if state is None else (state,)) if one.output == output]
        return [one for one in reversed(found) if before_seq is None or one.seq < before_seq][:limit]

    async def deliveries_about(
        self, workspace: int, mpid: int, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        self._check()
        found = [one for one in reversed(self.in_state(*S)) if (one.workspace, one.mpid) == (workspace, mpid)]
        return [one for one in found if before_seq is None or one.seq < before_seq][:limit]

    async def delivery(self, seq: int) -> StoredDelivery | None:
        self._check()
        return self.rows.get(seq)

    async def count_deliveries(self, output: int, state: DeliveryState, limit: int) -> int:
        self._check()
        return len([one for one in self.in_state(state) if one.output == output][:limit])

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        self._check()
        old = [one.seq for one in self.rows.values() if one.settled_ms is not None and one.settled_ms < settled_ms]
        for seq in old[:limit]:
            del self.rows[seq], self.written[seq]
        return len(old[:limit])
