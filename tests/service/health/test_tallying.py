"""What came of requests is counted once, whatever happens to servers and stores."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from knownas.core.health.intervals import DAYS_KEPT, HOUR_MS, HOURS_KEPT, Span
from knownas.core.health.tally import BEYOND, NOWHERE, Came, Decided, Happened, RefusedFor, Source, Tally, merged
from knownas.core.identity.decision import DecidedBy, Decision, Receipt, Returned
from knownas.core.identity.kinds import IdentityType
from knownas.service.health import tallying
from knownas.service.health.limits import UNWRITTEN_INTERVALS_MAX, WRITERS_REMEMBERED_MAX
from knownas.service.health.tally_form import KeptTally, read, written
from knownas.service.health.tallying import Tallying
from knownas.store.errors import StoreBusy, StoreDamaged, StoreError, StoreUnavailable, UnknownOutcome
from knownas.store.memory.store import MemoryStore
from tests.service.stage import Stage

NOW_MS = 500_000 * HOUR_MS + 17
WEB = Source("shop", "production", "web-key")
FOUND = Decision(Returned(1, known=True), Receipt(1, (), DecidedBy.LAST_CANDIDATE, IdentityType.EMAIL))
KNOWN = Decided(Came.KNOWN, DecidedBy.LAST_CANDIDATE, IdentityType.EMAIL)
BAD_KEY = RefusedFor("idsync", "unknown_key")
SHARE_MAX = 0.25


class Clock:
    """The time, which a test moves."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Shaky(MemoryStore):
    """Does what it is told and then says that nobody knows, or does nothing and says the same; or is faster than whoever writes."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[str] = []
        self.rival: Callable[[], Awaitable[object]] | None = None

    async def keep(self, name: str, document: bytes) -> bool:
        return await self._shaken(super().keep(name, document))

    async def replace_kept(self, name: str, before: bytes, after: bytes) -> bool:
        return await self._shaken(super().replace_kept(name, before, after))

    async def _shaken(self, writing: Any) -> bool:
        rival, self.rival = self.rival, None
        if rival is not None:
            await rival()
        what = self.plan.pop(0) if self.plan else "done"
        if what == "lost":
            writing.close()
            raise UnknownOutcome("nobody knows")
        done: bool = await writing
        if what == "hidden":
            raise UnknownOutcome("nobody knows")
        return done


class Forgetting(Tallying):
    """Saboteur: adds again whatever it could not be sure of."""

    def _with(self, kept: KeptTally, unwritten: Any) -> KeptTally:
        return KeptTally(kept.interval, {}, merged([kept.tally, unwritten.tried]))


def note(one: Tallying, times: int = 1, at_ms: int = NOW_MS) -> None:
    for _ in range(times):
        one.decided(*WEB, FOUND, at_ms)


async def now(one: Tallying, span: Span = Span.HOUR) -> Tally:
    (tally,) = await one.last(span, 1)
    return tally or {}


async def test_what_came_is_counted_by_hour_and_by_day() -> None:
    """By where it came from, what it came to and what decided it; a refusal at the time at which it is noted."""
    clock = Clock()
    one = Tallying(MemoryStore(), clock)
    note(one, 2)
    note(one, 1, NOW_MS - HOUR_MS)
    one.refused(NOWHERE, "idsync", "unknown_key")
    hours = await one.last(Span.HOUR, 3)
    assert hours == [None, {(WEB, KNOWN): 1}, {(WEB, KNOWN): 2, (NOWHERE, BAD_KEY): 1}]
    assert await now(one, Span.DAY) == {(WEB, KNOWN): 3, (NOWHERE, BAD_KEY): 1}


async def test_it_outlives_the_server() -> None:
    """What was noted is there after a stop and a start; after `kill -9`, what had been written."""
    store, clock = MemoryStore(), Clock()
    stopped = Tallying(store, clock)
    note(stopped, 3)
    await stopped.close()
    killed = Tallying(store, clock)
    note(killed, 2)
    await killed.write()
    note(killed, 50)
    after = Tallying(store, clock)
    note(after)
    for span in Span:
        assert await now(after, span) == {(WEB, KNOWN): 6}


async def test_several_servers_count_together() -> None:
    """However their writing meets; each shows at once what it has counted itself."""
    store, clock = MemoryStore(), Clock()
    servers = [Tallying(store, clock) for _ in range(5)]
    for turn in range(4):
        for number, one in enumerate(servers):
            note(one, number + turn)
        await asyncio.gather(*(one.write() for one in servers))
    note(servers[0])
    total = sum(number + turn for turn in range(4) for number in range(5))
    assert await now(servers[0]) == {(WEB, KNOWN): total + 1}
    assert await now(servers[1]) == {(WEB, KNOWN): total}


async def retried(kind: type[Tallying], plan: list[str]) -> int:
    """Write over a store that says it does not know what came of it, again until it is done; return what is counted."""
    store, clock = Shaky(), Clock()
    one, other = kind(store, clock), Tallying(store, clock)
    note(one)
    await one.write()
    note(one, 10)
    store.plan = list(plan)
    for _ in range(len(plan) + 1):
        try:
            await one.write()
        except StoreError:
            note(one, 100)
            note(other)
            trouble, store.plan = store.plan, []
            await other.write()
            store.plan = trouble
    counts = {sum((await now(Tallying(store, clock), span)).values()) for span in Span}
    (count,) = counts
    return count


PLANS = [["hidden"], ["lost"], ["done", "hidden"], ["hidden", "hidden"], ["lost", "hidden", "done", "lost"]]


@pytest.mark.parametrize("plan", PLANS, ids="-".join)
async def test_what_nobody_is_sure_of_is_counted_once(plan: list[str]) -> None:
    """A write that happened and said that it failed is not done twice, though others write between; one that did not is done."""
    failed = sum(one != "done" for one in plan)
    assert await retried(Tallying, plan) == 11 + failed * 101


async def test_a_server_that_does_not_number_its_additions_is_found_out() -> None:
    """The same scenario catches one that adds again what it is not sure of."""
    with pytest.raises((AssertionError, ValueError)):
        assert await retried(Forgetting, ["hidden"]) == 11 + 101


async def test_of_two_who_write_at_once_nobody_is_lost() -> None:
    """Who was slower reads again."""
    store, clock = Shaky(), Clock()
    slow, fast = Tallying(store, clock), Tallying(store, clock)
    note(slow, 2)
    note(fast, 3)
    store.rival = fast.write
    await slow.write()
    assert await now(Tallying(store, clock)) == {(WEB, KNOWN): 5}


async def test_there_are_as_many_documents_as_intervals_are_remembered() -> None:
    """The newest takes the place of the oldest, and what comes too late for its interval is left out."""
    store, clock = MemoryStore(), Clock()
    late = Tallying(store, clock)
    note(late)
    one = Tallying(store, clock)
    for _ in range(HOURS_KEPT + 30):
        note(one, 1, clock.now_ms)
        await one.write()
        clock.now_ms += HOUR_MS
    clock.now_ms -= HOUR_MS
    assert len(store._kept) <= HOURS_KEPT + DAYS_KEPT + 1
    hours = await one.last(Span.HOUR, 1_000)
    assert [sum((tally or {}).values()) for tally in hours] == [1] * HOURS_KEPT
    await late.write()
    assert await one.last(Span.HOUR, 1_000) == hours
    days = await one.last(Span.DAY, 400)
    assert sum(sum((tally or {}).values()) for tally in days) == HOURS_KEPT + 30 + 1


async def test_before_anything_was_counted_nothing_is_known() -> None:
    """That is not the same as that nothing came."""
    store, clock = MemoryStore(), Clock()
    one = Tallying(store, clock)
    assert await one.last(Span.HOUR, 2) == [None, None]
    note(one)
    await one.write()
    clock.now_ms += 2 * HOUR_MS
    assert await Tallying(store, clock).last(Span.HOUR, 4) == [None, {(WEB, KNOWN): 1}, {}, {}]
    assert (await one.last(Span.DAY, 2))[0] is None


async def test_there_is_an_end_to_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many things each further one is counted as one; beyond so many intervals the oldest are given up."""
    monkeypatch.setattr(tallying, "NOTED_THINGS_MAX", 3)
    monkeypatch.setattr(tallying, "TALLY_THINGS_MAX", 4)
    clock = Clock()
    one = Tallying(MemoryStore(), clock)
    for number in range(9):
        one.decided("shop", "production", f"key-{number}", FOUND, NOW_MS)
        one.refused(Source("shop", "production", f"key-{number}"), "idsync", "unknown_key")
    tally = await now(one)
    assert sum(tally.values()) == 18
    assert tally[BEYOND] == 15
    for number in range(100):
        one.decided("shop", "production", f"more-{number}", FOUND, NOW_MS)
        await one.write()
    tally = await now(one)
    assert (len(tally), sum(tally.values())) == (4, 118)

    class Gone(MemoryStore):
        async def kept(self, name: str) -> bytes | None:
            raise StoreUnavailable(name)

    alone = Tallying(Gone(), clock)
    for hour in range(1_000):
        note(alone, 1, NOW_MS + hour * HOUR_MS)
        with pytest.raises(StoreUnavailable):
            await alone.write()
    assert len(alone._unwritten) <= UNWRITTEN_INTERVALS_MAX


async def test_as_many_servers_are_remembered_as_may_write_at_once() -> None:
    """A tally does not grow with every start of a server; those that wrote last are remembered."""
    store, clock = MemoryStore(), Clock()
    for _ in range(WRITERS_REMEMBERED_MAX + 9):
        one = Tallying(store, clock)
        note(one)
        await one.close()
    kept = read(store._kept[f"health/hour/{Span.HOUR.at(NOW_MS) % HOURS_KEPT:03}"])
    assert len(kept.added) == WRITERS_REMEMBERED_MAX
    assert list(kept.added)[-1] == one._writer
    assert sum(kept.tally.values()) == WRITERS_REMEMBERED_MAX + 9


async def test_what_it_can_not_write_it_says() -> None:
    """Where others are faster every time, and where what is kept is not what it wrote."""

    class Contended(MemoryStore):
        async def keep(self, name: str, document: bytes) -> bool:
            del name, document
            return False

    one = Tallying(Contended(), Clock())
    note(one)
    with pytest.raises(StoreBusy):
        await one.write()
    for name in ("health/since", f"health/hour/{Span.HOUR.at(NOW_MS) % HOURS_KEPT:03}"):
        store = MemoryStore()
        await store.keep("health/since", b"0") if name != "health/since" else None
        await store.keep(name, b'{"no": 1}')
        with pytest.raises(StoreDamaged):
            await Tallying(store, Clock()).last(Span.HOUR, 1)


async def test_nothing_is_written_where_nothing_came() -> None:
    """An idle server costs no write, and neither does a second look."""
    store = MemoryStore()
    one = Tallying(store, Clock())
    await one.write()
    assert store._kept == {}
    note(one)
    await one.write()
    before = dict(store._kept)
    await one.write()
    assert store._kept == before


def test_a_tally_comes_back_as_it_was_written() -> None:
    """With whoever added to it, in their order."""
    things: dict[tuple[Source, Happened], int] = {(WEB, KNOWN): 3, (WEB, BAD_KEY): 1, (NOWHERE, BAD_KEY): 2}
    things[WEB, Decided(Came.CREATED, DecidedBy.NO_CANDIDATE, None)] = 7
    kept = KeptTally(17, {"b": 2, "a": 1}, things)
    again = read(written(kept))
    assert again == kept
    assert list(again.added) == ["b", "a"]


async def test_noting_costs_a_small_share_of_a_decision() -> None:
    """A known user's return is decided alone over memory, the fastest there is; noting it takes a fraction of that."""
    stage = await Stage().start()
    await stage.resolver.answer(stage.ask(customerid="c", email="e"))
    one, rounds = Tallying(MemoryStore(), Clock()), 2_000
    shares: list[float] = []
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(rounds):
            answer = await stage.resolver.answer(stage.ask(customerid="c", email="e"))
        decided = time.perf_counter()
        for _ in range(rounds):
            one.decided(*WEB, answer.decision, NOW_MS)
        noted = time.perf_counter()
        shares.append((noted - decided) / (decided - began))
    assert min(shares) < SHARE_MAX, f"{min(shares):.3f} of a decision, {(noted - decided) / rounds * 1e9:.0f} ns"
