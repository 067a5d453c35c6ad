"""Memory stores whose fifth part is broken in one way each, to show that the conformance suite notices."""

from collections.abc import Sequence
from itertools import count

from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement, StoredDelivery
from knownas.store.memory.deliveries import MemoryDeliveries


class NewestFirst(MemoryDeliveries):
    """Shows what waits the wrong way round."""

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        return (await super().waiting(output, after_seq, 10_000))[::-1][:limit]


class WaitsForAll(MemoryDeliveries):
    """Shows what waits for any output."""

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        outputs = {output, *(one.output for one in self._deliveries.values())}
        found = [one for each in outputs for one in await super(WaitsForAll, self).waiting(each, after_seq, limit)]
        return sorted(found)[:limit]


class PagesOneOff(MemoryDeliveries):
    """Shows the delivery that a page begins after."""

    async def waiting(self, output: int, after_seq: int, limit: int) -> Sequence[StoredDelivery]:
        return await super().waiting(output, after_seq - 1, limit)


class OutputsThatEverWaited(MemoryDeliveries):
    """Shows outputs for which nothing waits any more."""

    async def waiting_outputs(self) -> Sequence[int]:
        self._check_open()
        return sorted({one.output for one in self._deliveries.values()})


class SettledAgain(MemoryDeliveries):
    """Lets the last settlement count."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self._check_open()
        for one in settlements:
            was = self._deliveries.get(one.seq)
            if was is not None:
                self._deliveries[one.seq] = was._replace(state=one.state, settled_ms=one.at_ms, why=one.why)


class SettlesHalf(MemoryDeliveries):
    """Stops at the first delivery that does not wait."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self._check_open()
        for one in settlements:
            was = self._deliveries.get(one.seq)
            if was is None or was.state is not DeliveryState.WAITING:
                return
            await super().settle([one])


class ForgetsWhy(MemoryDeliveries):
    """Keeps no sentence."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        await super().settle([one._replace(why=None) for one in settlements])


class AgainInPlace(MemoryDeliveries):
    """Lets dead letters wait where they stood."""

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        again = await super().wait_again(seqs)
        for seq in again:
            new = max(self._deliveries)
            self._deliveries[seq] = self._deliveries.pop(new)._replace(seq=seq)
            self._written[seq] = self._written.pop(new)
        return again


class AgainByNumber(MemoryDeliveries):
    """Lets dead letters wait in the order of their numbers."""

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        return await super().wait_again(sorted(seqs))


class AgainWhateverCame(MemoryDeliveries):
    """Takes no notice of what came later."""

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        was, self.later = self.later, _never  # type: ignore[method-assign]
        try:
            return await super().wait_again(seqs)
        finally:
            self.later = was  # type: ignore[method-assign]


async def _never(_delivery: StoredDelivery) -> bool:
    return False


class AgainAnything(MemoryDeliveries):
    """Lets wait again what was sent."""

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        for seq in seqs:
            one = self._deliveries.get(seq)
            if one is not None and one.state is DeliveryState.SENT:
                self._deliveries[seq] = one._replace(state=DeliveryState.DEAD)
        return await super().wait_again(seqs)


class AgainWhatWasErased(MemoryDeliveries):
    """Lets wait again what says nothing any more."""

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        for seq in seqs:
            one = self._deliveries.get(seq)
            if one is not None and not one.document:
                self._deliveries[seq] = one._replace(document=b"?")
        return await super().wait_again(seqs)


class LaterByNumber(MemoryDeliveries):
    """Takes what waits again for something later."""

    async def wait_again(self, seqs: Sequence[int]) -> Sequence[int]:
        again = await super().wait_again(seqs)
        self._written = {seq: seq for seq in self._deliveries}
        return again


class LaterWhateverBecame(MemoryDeliveries):
    """Counts what was never told as later."""

    async def later(self, delivery: StoredDelivery) -> bool:
        return await super().later(delivery) or any(
            (one.output, one.connection, one.mpid) == (delivery.output, delivery.connection, delivery.mpid)
            and self._written[one.seq] > self._written[delivery.seq]
            for one in self._deliveries.values()
        )


class LaterAnywhere(MemoryDeliveries):
    """Counts what was told over another connection as later."""

    async def later(self, delivery: StoredDelivery) -> bool:
        others = {one.connection for one in self._deliveries.values()}
        return any([await super(LaterAnywhere, self).later(delivery._replace(connection=one)) for one in others])


class ShownOldestFirst(MemoryDeliveries):
    """Shows an output's deliveries from the oldest on."""

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        return (await super().deliveries(output, state, before_seq, 10_000))[::-1][:limit]


class StatesIgnored(MemoryDeliveries):
    """Shows deliveries in any state to whoever asks for one."""

    async def deliveries(
        self, output: int, state: DeliveryState | None, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        return await super().deliveries(output, None if state is DeliveryState.DEAD else state, before_seq, limit)


class LedgerOfAll(MemoryDeliveries):
    """Shows what was told of a profile elsewhere."""

    async def deliveries_about(
        self, workspace: int, mpid: int, before_seq: int | None, limit: int
    ) -> Sequence[StoredDelivery]:
        workspaces = {workspace, *(one.workspace for one in self._deliveries.values())}
        found = [
            one
            for each in workspaces
            for one in await super(LedgerOfAll, self).deliveries_about(each, mpid, before_seq, limit)
        ]
        return sorted(found, reverse=True)[:limit]


class CountsAll(MemoryDeliveries):
    """Counts past the limit."""

    async def count_deliveries(self, output: int, state: DeliveryState, limit: int) -> int:
        return await super().count_deliveries(output, state, 10_000 + limit)


class CountsTheSettledOfAllTimes(MemoryDeliveries):
    """Counts what is settled, whenever that was."""

    async def count_settled(self, settled_ms: int) -> int:
        return await super().count_settled(settled_ms + 2**40)


class ForgetsWhatWaits(MemoryDeliveries):
    """Forgets deliveries by when they were written."""

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        self._check_open()
        old = [one for one in self._deliveries.values() if (one.settled_ms or one.at_ms) < settled_ms][:limit]
        for one in old:
            del self._deliveries[one.seq], self._written[one.seq]
        return len(old)


class NumbersAgain(MemoryDeliveries):
    """Gives deliveries numbers that were given out before."""

    async def forget_deliveries(self, settled_ms: int, limit: int) -> int:
        gone = await super().forget_deliveries(settled_ms, limit)
        self._seqs = count(max(self._deliveries, default=0) + 1)
        return gone


class IdsInSmallLetters(MemoryDeliveries):
    """Writes ids in small letters."""

    def add(self, new: NewDelivery) -> None:
        super().add(new._replace(delivery_id=new.delivery_id.lower()))


class OpenForEver(MemoryDeliveries):
    """Answers after it was closed."""

    def close(self) -> None:
        pass


BROKEN = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, MemoryDeliveries) and one is not MemoryDeliveries
]
