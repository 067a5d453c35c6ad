"""Delivers to one output, a request at a time: sends what may go next, and settles what came of it.

**At least once.** What waits is settled after it was answered for, never before. A process that is killed between the two leaves it waiting, and
whoever comes next sends it again: the same messages under the same ids, and then all that came after them. So a destination that knows ids
has everything once, and any other one has at the end what was told last.

**In order.** What goes into a request, and what waits behind what, is `core.delivery.batching`'s to decide; whether anything is sent at all,
`core.delivery.breaker`'s.

**Refusals.** A message that is refused is a dead letter, unless it may be the output that is wrong. So those that are refused with nothing
of their connection accepted in between are suspects at first. When something is accepted, or nothing else is left to try, they are dead. When
there are too many, the output is faulted, and they wait with all others for whoever puts it right. An audience that can't be connected faults
its output at once: its members would all be refused.
"""

import logging
import traceback
from asyncio import timeout
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, assert_never

from knownas.core.delivery.backoff import pause_ms
from knownas.core.delivery.batching import ONE_BY_ONE, Batch, Batching, Later, Waiting, overtaken
from knownas.core.delivery.breaker import (
    CLOSED,
    Breaker,
    Open,
    after_failure,
    before_sending,
    is_out_for_good,
    opens_ms,
)
from knownas.core.delivery.limits import OUT_HOURS_MAX, REFUSALS_IN_A_ROW_MAX, TRIES_MAX
from knownas.core.delivery.message import MembershipMessage, Message, Subscription, SubscriptionMessage
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.service.delivery.backlog import Backlog, Told
from knownas.service.delivery.destination import Sender, Surroundings
from knownas.service.delivery.limits import OUTPUT_FRESH_MS, SEND_SECONDS, WAITING_A_PAGE, WHY_CHARACTERS_MAX
from knownas.service.delivery.outputs import Output, Outputs, OutputState
from knownas.store.deliveries import DeliveryState, DeliveryStore, Settlement

log: Final = logging.getLogger(__name__)

_FRAMES_TOLD: Final = 3
_NOT_YET_MS: Final = 1_000
_FAR_MS: Final = 2**62


@dataclass(frozen=True, slots=True)
class World:
    """What delivering needs. `chance` draws from 0 to 1; `may_send` says whether it is this process that delivers."""

    store: DeliveryStore
    outputs: Outputs
    surroundings: Surroundings
    chance: Callable[[], float]
    may_send: Callable[[], bool] = lambda: True


class OutputDelivery:
    """The delivery to one output. One task at a time."""

    def __init__(self, output: int, world: World, told: Told) -> None:
        self._id = output
        self._world = world
        self._told = told
        self._backlog = Backlog(output, world.store, told)
        self._output: Output | None = None
        self._looked_ms: int | None = None
        self._sender: Sender | None = None
        self._suspects: dict[int, tuple[Waiting, str]] = {}
        """Those that were refused, with nothing of their connection accepted since, and why."""
        self._refusals: Counter[int] = Counter()
        """How many were refused of each connection, with nothing accepted in between."""
        self.breaker: Breaker = CLOSED

    async def step(self) -> int | None:
        """Do what comes next: one request at most. Returns when to go on (Unix milliseconds); None if nothing waits, or nothing may be sent.

        Raises:
            StoreError: the store does not work now. What was answered for is remembered, and is settled by the next step.
        """
        await self._backlog.settle(())
        now_ms = self._clock()
        output = await self._output_now(now_ms)
        if output is None:
            return await self._drop_some()
        if output.state is not OutputState.ACTIVE:
            await self.close()
            return None
        opens = opens_ms(self.breaker, now_ms)
        return opens if opens > now_ms else await self._go_on(output, now_ms)

    async def _go_on(self, output: Output, now_ms: int) -> int | None:
        batching = output.destination.batching
        planned = await self._backlog.next(self._probing(batching), now_ms)
        if self._suspects and not isinstance(planned, Batch):
            # There is nothing else by which it could be found out what is wrong.
            await self._bury()
            return self._clock()
        match planned:
            case Batch(waiting):
                return await self._deliver(output, waiting)
            case Later(until_ms):
                return until_ms
            case None:
                return None
            case _:
                assert_never(planned)

    async def close(self) -> None:
        """Close the way to the destination; the next step opens it again."""
        sender, self._sender = self._sender, None
        if sender is not None:
            with suppress(Exception):
                await sender.close()

    def _clock(self) -> int:
        return self._world.surroundings.now_ms()

    def _probing(self, batching: Batching) -> Batching:
        """Return how much may be sent: to one that is out, a single message."""
        return ONE_BY_ONE if isinstance(self.breaker, Open) else batching

    async def _output_now(self, now_ms: int) -> Output | None:
        """Return the output as it is now. When it has changed, what was found out about it counts no longer."""
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < OUTPUT_FRESH_MS:
            return self._output
        output = await self._world.outputs.output(self._id)
        if output is None or self._output is None or output.version != self._output.version:
            await self._begin_anew()
        self._output, self._looked_ms = output, now_ms
        return output

    async def _drop_some(self) -> int | None:
        """Give up what waits for an output that there is no more."""
        page = await self._world.store.waiting(self._id, 0, WAITING_A_PAGE)
        now_ms = self._clock()
        await self._backlog.settle(
            [Settlement(one.seq, DeliveryState.DROPPED, now_ms, "the output is gone") for one in page]
        )
        return now_ms if page else None

    async def _deliver(self, output: Output, waiting: Sequence[Waiting]) -> int:
        """Send a request and settle what came of it. Returns when to go on."""
        messages = await self._as_they_are_set(waiting)
        if messages is None:
            return self._clock()
        if not self._world.may_send():
            return self._clock() + _NOT_YET_MS
        self.breaker = before_sending(self.breaker)
        outcome = await self._sent(output, messages)
        match outcome:
            case Taken():
                await self._taken(output, waiting, outcome)
            case NotNow():
                await self._not_now(output, outcome)
            case NotThis(detail):
                self.breaker = CLOSED
                self._told("refused")
                if len(waiting) > 1:
                    self._backlog.split([one.seq for one in waiting])
                else:
                    self._suspect(waiting[0], detail)
                    await self._fault_if_suspect(output)
            case NotAtAll(detail):
                await self._fault(output, detail)
            case _:
                assert_never(outcome)
        return self._clock()

    async def _as_they_are_set(self, waiting: Sequence[Waiting]) -> list[Message] | None:
        """Return messages with the settings of their connections; None if one of these is gone, whose messages are given up then."""
        connections = {one.connection for one in waiting if one.connection}
        found = {one: await self._world.outputs.settings_of(one) for one in connections}
        gone = [one.seq for one in waiting if one.connection and found[one.connection] is None]
        if gone:
            now_ms = self._clock()
            await self._backlog.settle(
                [Settlement(seq, DeliveryState.DROPPED, now_ms, "the connection is gone") for seq in gone]
            )
            return None
        messages: list[Message] = []
        for one in waiting:
            settings = found.get(one.connection)
            if settings and isinstance(one.message, SubscriptionMessage | MembershipMessage):
                messages.append(replace(one.message, settings=settings))
            elif one.message is not None:
                messages.append(one.message)
        return messages

    async def _sent(self, output: Output, messages: Sequence[Message]) -> Outcome:
        try:
            async with timeout(SEND_SECONDS):
                if self._sender is None:
                    self._sender = output.destination.open(output.settings, self._world.surroundings)
                return await self._sender.send(messages)
        except TimeoutError:
            return NotNow(Trouble.TIMEOUT, "it did not answer in time")
        except Exception as error:  # noqa: BLE001 - a sender that raises is broken; nothing that waits is lost for that
            # What the error says may name somebody.
            frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_TOLD:]
            where = ", ".join(f"{one.filename}:{one.lineno}" for one in frames)
            log.error("sending to output %d failed with %s at %s", self._id, type(error).__name__, where)  # noqa: TRY400
            await self.close()
            return NotNow(Trouble.FAILED, f"sending failed with {type(error).__name__}")

    async def _taken(self, output: Output, waiting: Sequence[Waiting], taken: Taken) -> None:
        named = {one.message.id: one for one in waiting if one.message is not None}
        refused = {one.seq: taken.refused[name] for name, one in named.items() if name in taken.refused}
        again = {one.seq: taken.again[name] for name, one in named.items() if name in taken.again}
        if again and output.destination.batching.is_whole:
            # It does not keep what it says of itself: all is sent again, so that nothing comes after what it should come before.
            await self._not_now(output, NotNow(Trouble.FAILED, "it took a part of a request that it takes as a whole"))
            return
        self.breaker = CLOSED
        now_ms = self._clock()
        if taken.kept and waiting[0].connection and isinstance(waiting[0].message, SubscriptionMessage):
            await self._world.outputs.keep(waiting[0].connection, taken.kept)
        accepted = [one for one in waiting if one.seq not in again and one.seq not in refused]
        settlements = [Settlement(one.seq, DeliveryState.SENT, now_ms) for one in accepted]
        for one in waiting:
            if one.seq in again and one.seq not in refused:
                settlements += self._again(one, again[one.seq], now_ms)
        late = overtaken([one for one in waiting if one.seq in refused], accepted)
        settlements += [_dead(seq, refused[seq], now_ms) for seq in sorted(late)]
        for one in waiting:
            if one.seq in refused and one.seq not in late:
                self._suspect(one, refused[one.seq])
        settlements += self._cleared({one.connection for one in accepted}, now_ms)
        await self._backlog.settle(settlements)
        await self._fault_if_suspect(output)

    def _again(self, one: Waiting, why: str, now_ms: int) -> list[Settlement]:
        """Let one be tried again after a pause, or give it up."""
        self._told("again")
        times = self._backlog.tried(one.seq)
        if times < TRIES_MAX:
            self._backlog.hold(one.seq, now_ms + pause_ms(times, self._world.chance()))
            return []
        why = f"given up after {times} tries: {why}"
        if _is_beginning(one):
            self._suspect(one, why)
            return []
        return [_dead(one.seq, why, now_ms)]

    async def _not_now(self, output: Output, outcome: NotNow) -> None:
        self._told("not_now")
        now_ms = self._clock()
        self.breaker = after_failure(self.breaker, now_ms, self._world.chance(), outcome.wait_seconds)
        if is_out_for_good(self.breaker, now_ms):
            await self._fault(output, f"nothing was taken for {OUT_HOURS_MAX} hours; at last: {outcome.detail}")

    def _suspect(self, one: Waiting, why: str) -> None:
        """Note that one was refused: it may be wrong, or its connection, or the output."""
        self._refusals[one.connection] += 1
        self._suspects[one.seq] = one, why
        self._backlog.hold(one.seq, _FAR_MS)

    def _cleared(self, connections: Collection[int], now_ms: int) -> list[Settlement]:
        """Return those that are dead since others of their connections were accepted."""
        for one in connections:
            del self._refusals[one]
        dead = {seq: why for seq, (one, why) in self._suspects.items() if one.connection in connections}
        for seq in dead:
            del self._suspects[seq]
        return [_dead(seq, why, now_ms) for seq, why in dead.items()]

    async def _bury(self) -> None:
        """Give up all suspects."""
        now_ms, suspects = self._clock(), self._suspects
        self._suspects = {}
        await self._backlog.settle([_dead(seq, why, now_ms) for seq, (_, why) in suspects.items()])

    async def _fault_if_suspect(self, output: Output) -> None:
        """Stop if it refuses so much that it can't be the messages, or something without which others can't be told."""
        for one, why in self._suspects.values():
            if _is_beginning(one):
                await self._fault(output, f"an audience can't be connected: {why}")
                return
            if self._refusals[one.connection] >= REFUSALS_IN_A_ROW_MAX:
                await self._fault(output, f"it refuses everything: {why}")
                return

    async def _fault(self, output: Output, why: str) -> None:
        """Stop until somebody has looked. What waits goes on waiting."""
        log.error("output %d is faulted, and stops until it is resumed", self._id)
        self._told("faulted")
        await self._world.outputs.fault(self._id, output.version, why[:WHY_CHARACTERS_MAX])
        self._looked_ms = None
        await self._begin_anew()

    async def _begin_anew(self) -> None:
        await self.close()
        self._backlog.begin_anew()
        self._suspects.clear()
        self._refusals.clear()
        self.breaker = CLOSED


def _dead(seq: int, why: str, now_ms: int) -> Settlement:
    return Settlement(seq, DeliveryState.DEAD, now_ms, why[:WHY_CHARACTERS_MAX])


def _is_beginning(one: Waiting) -> bool:
    """Whether it connects an audience: without that, nothing of its members can be told, so it is never given up."""
    return isinstance(one.message, SubscriptionMessage) and one.message.subscription is Subscription.ADD
