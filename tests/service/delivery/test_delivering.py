"""The job that delivers: each output by itself, one process at a time, and nothing that waits is forgotten."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from knownas.api.telemetry import Telemetry
from knownas.core.delivery.message import Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, Outcome, Taken, Trouble
from knownas.service.delivery import delivering
from knownas.service.delivery.delivering import TURN, BreakerState, Delivering
from knownas.service.delivery.delivering_output import World
from knownas.service.delivery.destination import Surroundings
from knownas.service.delivery.limits import DELIVERY_TURN_MS, DELIVERY_TURN_RENEWED_MS, SEND_SECONDS
from knownas.service.delivery.outputs import Output, OutputState
from knownas.service.turns import Turns
from knownas.store.deliveries import DeliveryState
from tests.core.delivery.messages import joined
from tests.service.delivery_stage import Clock, Place, ToldOutputs, answers, destination, new
from tests.service.kept_deliveries import KeptDeliveries
from tests.service.stage import Stage as ResolverStage
from tests.service.stage import mpid_of
from tests.waiting import moment, until

PATIENCE_SECONDS = 20


@dataclass
class Town:
    """Some outputs, and who delivers to them."""

    clock: Clock = field(default_factory=Clock)
    store: KeptDeliveries = field(default_factory=KeptDeliveries)
    outputs: ToldOutputs = field(default_factory=ToldOutputs)
    places: dict[int, Place] = field(default_factory=dict[int, Place])

    def place(self, output: int = 1) -> Place:
        """Add an output, or return where it leads."""
        if output not in self.places:
            self.places[output] = Place()
            self.outputs.outputs[output] = Output(destination(self.places[output]), {}, OutputState.ACTIVE, 1)
        return self.places[output]

    async def write(self, *names: str, output: int = 1) -> None:
        """Write that somebody joined, for each name."""
        await self.store.write(new(joined(name, 1 + number), output=output) for number, name in enumerate(names))

    def job(self, turns: Turns | None = None) -> Delivering:
        """Return the job of one process."""
        world = World(self.store, self.outputs, Surroundings(self.clock, lambda: "new"), lambda: 0.5)
        return Delivering(world, turns)

    def turns(self) -> Turns:
        """Return the turns of one process."""
        return Turns(self.store.store, self.clock)

    async def are_sent(self, *names: str) -> None:
        """Wait until some are sent."""

        async def sent() -> bool:
            return set(names) <= {one.delivery_id for one in self.store.in_state(DeliveryState.SENT)}

        await until(sent, PATIENCE_SECONDS)


@asynccontextmanager
async def at_work(job: Delivering) -> AsyncGenerator[Delivering]:
    """Let a job run."""
    job.start()
    try:
        yield job
    finally:
        await job.close()


async def hangs(_messages: Sequence[Message]) -> Outcome:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def test_what_waits_is_delivered_and_what_comes_is_delivered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before, and what its writer tells of, without waiting for the next look."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 10 * PATIENCE_SECONDS)
    town = Town()
    town.place()
    await town.write("before")
    async with at_work(town.job()) as job:
        await town.are_sent("before")
        await town.write("after")
        job.wake(1)
        await town.are_sent("after")
        town.place(2)
        await town.write("elsewhere", output=2)
        job.wake(2)
        await town.are_sent("elsewhere")
    assert job.counted == {(1, "sent"): 2, (2, "sent"): 1}


async def test_what_others_wrote_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to tell: it is looked for now and then."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    town = Town()
    town.place()
    async with at_work(town.job()):
        await moment()
        await town.write("theirs")
        await town.are_sent("theirs")


async def test_one_that_hangs_delays_no_other() -> None:
    """Each output has a task of its own; what hangs is called off when the server stops, and waits for the next one."""
    town = Town()
    town.place(1).then = hangs
    town.place(2).then = answers(NotNow(Trouble.FAILED, "status 500"))
    town.place(3)
    for output in (1, 2, 3):
        await town.write(f"to {output}", output=output)
    job = town.job()
    job.start()
    await town.are_sent("to 3")
    assert len(town.places[1].requests) == 1
    await asyncio.wait_for(job.close(wait_seconds=0.0), PATIENCE_SECONDS)
    assert [one.delivery_id for one in town.store.in_state(DeliveryState.WAITING)] == ["to 1", "to 2"]


async def test_who_asks_who_somebody_is_waits_for_no_output() -> None:
    """While as many requests hang as can be under way, and more outputs wait for room, identifies over the same store are answered."""
    town = Town()
    for output in range(1, delivering.SENDS_AT_ONCE_MAX + 5):
        town.place(output).then = hangs
        await town.write(*(f"{number} to {output}" for number in range(20)), output=output)
    stage = await ResolverStage(town.store.store).start()
    job = town.job()
    job.start()

    async def all_hang() -> bool:
        return sum(len(place.requests) for place in town.places.values()) == delivering.SENDS_AT_ONCE_MAX

    await until(all_hang, PATIENCE_SECONDS)
    answers_given = await stage.together(*(stage.ask(customerid=f"user-{number}") for number in range(200)))
    assert len({mpid_of(one) for one in answers_given}) == 200
    assert await all_hang()
    await job.close(wait_seconds=0.0)
    await stage.resolver.close()


async def test_many_that_hang_leave_room_after_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more requests are under way than may be, and nobody waits for one for longer than the limit of a request."""
    monkeypatch.setattr(delivering, "SENDS_AT_ONCE_MAX", 2)
    monkeypatch.setattr("knownas.service.delivery.delivering_output.SEND_SECONDS", 0.05)
    town = Town()
    for output in range(1, 6):
        town.place(output).does = [hangs]
        await town.write(f"to {output}", output=output)
    town.place(9)
    await town.write("quick", output=9)
    async with at_work(town.job()):
        await town.are_sent("quick")
    assert sum(len(place.requests) for place in town.places.values()) >= 5


async def test_a_request_under_way_is_finished_when_the_server_stops() -> None:
    """What was answered for is settled, so that nothing is told twice for a restart."""
    town = Town()
    gate = asyncio.Event()

    async def slow(_messages: Sequence[Message]) -> Outcome:
        await gate.wait()
        return Taken()

    town.place().does = [slow]
    await town.write("a", "b")
    job = town.job()
    job.start()
    await moment()
    closing = asyncio.get_running_loop().create_task(job.close())
    await moment()
    gate.set()
    await closing
    assert [one.state for one in town.store.rows.values()] == [DeliveryState.SENT, DeliveryState.WAITING]
    assert town.places[1].closed == 1


async def test_a_store_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it failed at."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    town = Town()
    town.place()
    await town.write("a")
    town.store.is_down = True
    async with at_work(town.job()):
        await asyncio.sleep(0.05)
        town.store.is_down = False
        town.store.fails_settling = 1
        await moment()
        town.clock.now_ms += 10_000
        await town.are_sent("a")
    assert town.places[1].sent() == ["a"]
    assert "again later" in caplog.text


async def test_one_process_delivers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another takes over when the first stops, or gives no sign of life any more."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    town = Town()
    town.place()
    gone = town.turns()
    assert await gone.take(TURN, DELIVERY_TURN_MS)
    await town.write("a")
    first, second = town.job(town.turns()), town.job(town.turns())
    async with at_work(first):
        await asyncio.sleep(0.05)
        assert town.places[1].requests == []
        town.clock.now_ms += DELIVERY_TURN_MS
        await town.are_sent("a")
        async with at_work(second):
            for name in ("b", "c"):
                await town.write(name)
                await town.are_sent(name)
            assert second.counted == {}
            await first.close()
            await town.write("d")
            await town.are_sent("d")
            assert second.counted == {(1, "sent"): 1}


async def test_the_turn_is_kept_while_something_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """And given back when nothing does."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(delivering, "OUTPUT_IDLE_SECONDS", 0.01)
    town = Town()
    town.place().then = answers(NotNow(Trouble.BUSY, "", 10_000.0))
    await town.write("a")
    other = town.turns()
    async with at_work(town.job(town.turns())):
        for _ in range(10):
            town.clock.now_ms += DELIVERY_TURN_RENEWED_MS
            await asyncio.sleep(0.03)
            assert not await other.take(TURN, 1)
        town.place().then = answers(Taken())
        town.clock.now_ms += 20_000_000

        async def mine() -> bool:
            return await other.take(TURN, 1)

        await until(mine, PATIENCE_SECONDS)


async def test_nothing_is_begun_that_could_outlast_the_turn() -> None:
    """One whose turn is nearly over, since its store does not answer, waits."""
    town = Town()
    town.place()
    job = town.job(town.turns())
    assert await job._has_turn(is_needed=True)
    assert job._world.may_send()
    town.clock.now_ms += DELIVERY_TURN_MS - int(SEND_SECONDS * 1000)
    assert not job._world.may_send()


async def test_who_has_lost_the_turn_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests under way are called off: somebody else delivers by now."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    town = Town()
    town.place().then = hangs
    await town.write("a")
    async with at_work(town.job(town.turns())) as job:

        async def asked() -> bool:
            return bool(town.places[1].requests)

        await until(asked, PATIENCE_SECONDS)
        town.clock.now_ms += DELIVERY_TURN_MS
        assert await town.turns().take(TURN, DELIVERY_TURN_MS)

        async def left() -> bool:
            return town.places[1].closed == 1

        await until(left, PATIENCE_SECONDS)
        assert job._attended == {}


async def test_it_is_shown_how_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much waits for an output, for how long, and whether its destination is out; of the paused ones too."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(delivering, "BACKLOG_LOOK_SECONDS", 0.0)
    town = Town()
    town.place().then = answers(NotNow(Trouble.FAILED, "status 500"))
    town.place(2)
    await town.outputs.pause(2)
    for output in (1, 2):
        written = [joined(f"{name} to {output}", at_ms=town.clock() - 5_000) for name in ("a", "b")]
        await town.store.write(new(one, output=output) for one in written)
    async with at_work(town.job()) as job:

        async def is_open() -> bool:
            town.clock.now_ms += 1
            return any(one.breaker is BreakerState.OPEN for one in job.standings())

        monkeypatch.setattr("knownas.core.delivery.backoff.PAUSE_SECONDS", 0.0)
        await until(is_open, PATIENCE_SECONDS)
        first, second = job.standings()
        assert (first.output, first.waiting, second.output, second.waiting) == (1, 2, 2, 2)
        assert 5.0 <= first.oldest_seconds < 60.0
        assert second.breaker is BreakerState.CLOSED
    assert list(job.standings()) == []


async def test_one_that_is_resumed_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a restart."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    town = Town()
    town.place().does = [answers(NotAtAll("status 401"))]
    await town.write("a")
    async with at_work(town.job()):

        async def is_faulted() -> bool:
            return town.outputs.state() is OutputState.FAULTED

        await until(is_faulted, PATIENCE_SECONDS)
        await town.outputs.resume(1)
        town.clock.now_ms += 1_000
        await town.are_sent("a")


async def test_metrics_say_how_it_stands_and_nothing_of_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent, what waits, for how long, and whether a destination is out; no name, no value."""
    monkeypatch.setattr(delivering, "DELIVERY_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(delivering, "BACKLOG_LOOK_SECONDS", 0.0)
    town = Town()
    town.place().does = [answers(Taken()), answers(NotNow(Trouble.TIMEOUT, "", 3_600.0))]
    await town.store.write(new(joined(name, 1 + place, town.clock())) for place, name in enumerate(("a", "b")))
    telemetry = Telemetry()
    async with at_work(town.job()) as job:
        telemetry.show_deliveries(job)

        async def is_counted() -> bool:
            return job.counted[1, "not_now"] == 1 and any(one.waiting == 1 for one in job.standings())

        await until(is_counted, PATIENCE_SECONDS)
        town.clock.now_ms += 7_000
        shown = telemetry.exposition().decode()
    for line in (
        'knownas_deliveries_total{outcome="sent",output="1"} 1.0',
        'knownas_deliveries_total{outcome="not_now",output="1"} 1.0',
        'knownas_deliveries_waiting{output="1"} 1.0',
        'knownas_deliveries_oldest_seconds{output="1"} 7.0',
        'knownas_delivery_breaker{output="1",state="closed"} 1.0',
    ):
        assert line in shown
    assert "ann@example.com" not in shown
