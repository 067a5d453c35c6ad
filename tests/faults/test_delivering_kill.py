"""Whoever is killed while it delivers, to a destination that fails in every way, loses nothing, invents nothing, and keeps the order."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from knownas.outputs import webhook
from knownas.store.audiences import AudienceCommit
from knownas.store.deliveries import DeliveryState, StoredDelivery
from knownas.store.opening import open_store
from knownas.store.port import Store
from tests.core.delivery.messages import joined
from tests.faults.deliverer import OUTPUT
from tests.faults.fickle import Fickle, listening
from tests.service.delivery_stage import new
from tests.store.places import PLACES
from tests.waiting import wait_until

PROFILES = 12
MESSAGES = 240
POISON = frozenset({17, 99, 180})
KILLS = 8
REQUESTS_BETWEEN_KILLS = (4, 40)
AT_ONCE = webhook.DESTINATION.batching.most_of_any
"""Requests that the webhook has under way at once."""

WITHIN_SECONDS = 120


@dataclass
class Nursery:
    """Where those are born that deliver."""

    process: subprocess.Popen[str]
    alive: int | None = None

    def bear(self, database: str, url: str, kind: str = "alone") -> int:
        """Start one of a kind; returns its process id."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{database} {url} {kind}\n")
        self.process.stdin.flush()
        word, pid = self.process.stdout.readline().split()
        assert word == "STARTED"
        self.alive = int(pid)
        return self.alive

    def bury(self) -> None:
        """Wait until it is dead."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ENDED"
        self.alive = None

    def kill(self) -> None:
        """End whoever is alive."""
        if self.alive is not None:
            os.kill(self.alive, signal.SIGKILL)
            self.bury()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Start a nursery, and end it with whoever is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.deliverer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    cradle = Nursery(process)
    try:
        yield cradle
    finally:
        cradle.kill()
        process.kill()
        process.communicate()


def asked(database: str, ask: Callable[[Store], Any]) -> Any:
    """Ask a store that is opened for that."""

    async def answer() -> Any:
        store = open_store(database)
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(answer())


def written(database: str) -> dict[int, list[str]]:
    """Write all messages, in several commits; returns the ids of each profile in their order."""
    messages = [
        replace(joined(f"m-{number}", number % PROFILES + 1), identities=(), at_ms=number) for number in range(MESSAGES)
    ]

    async def write(store: Store) -> None:
        for first in range(0, MESSAGES, 30):
            some = [new(one, output=OUTPUT) for one in messages[first : first + 30]]
            assert await store.audiences.commit(AudienceCommit(deliveries=some))

    asked(database, write)
    return {mpid: [one.id for one in messages if one.mpid == mpid] for mpid in range(1, PROFILES + 1)}


def is_over(database: str) -> bool:
    """Whether nothing waits any more."""
    return not asked(database, lambda store: store.deliveries.waiting_outputs())


def outcome(database: str) -> dict[str, StoredDelivery]:
    """Return what became of each message."""
    rows = asked(database, lambda store: store.deliveries.deliveries(OUTPUT, None, None, MESSAGES))
    return {one.delivery_id: one for one in rows}


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_kills_and_faults_lose_nothing_and_keep_the_order(tmp_path: Path, place: str) -> None:
    """Through kills in the middle of requests and every fault there is, each message arrives in its profile's order, or is a dead letter."""
    chance = random.Random(5)
    fickle = Fickle(refuses=frozenset(f"m-{number}" for number in POISON))
    with PLACES[place](tmp_path) as at, listening(fickle) as url, nursery() as cradle:
        wanted = written(at.url)
        for kill in range(KILLS):
            with fickle.lock:
                fickle.kill_in, fickle.kills_before = chance.randint(*REQUESTS_BETWEEN_KILLS), kill % 2 == 0
            fickle.pid = cradle.bear(at.url, url)
            cradle.bury()
        fickle.pid = cradle.bear(at.url, url)
        wait_until(lambda: is_over(at.url), WITHIN_SECONDS, lambda: f"left over: {fickle.behaved}")
        cradle.kill()
        states = outcome(at.url)
    duplicates = len(fickle.taken) - len(set(fickle.taken))
    sys.stdout.write(f"{duplicates} duplicates of {len(states)} messages; requests: {dict(fickle.behaved)}\n")
    assert {name for name, one in states.items() if one.state is DeliveryState.DEAD} == fickle.refuses
    assert set(fickle.taken) == set(states) - fickle.refuses
    for names in wanted.values():
        mine = [name for name in names if name not in fickle.refuses]
        first = list(dict.fromkeys(one for one in fickle.taken if one in set(mine)))
        last = list(dict.fromkeys(one for one in reversed(fickle.taken) if one in set(mine)))[::-1]
        assert first == mine
        assert last == mine
    # Twice is told only what was under way when nobody heard the answer: the webhook sends a few at once.
    assert duplicates <= sum(fickle.unheard.values()) + KILLS * AT_ONCE
    assert set(fickle.behaved) >= {"took", "refused", "failed", "busy", "cut off", "killed before", "killed after"}


def test_one_that_settles_before_it_sends_is_caught(tmp_path: Path) -> None:
    """The broken twin loses what was under way when it was killed, and what failed."""
    fickle = Fickle(kill_in=10, kills_before=True)
    with PLACES["sqlite"](tmp_path) as at, listening(fickle) as url, nursery() as cradle:
        written(at.url)
        fickle.pid = cradle.bear(at.url, url, "hasty")
        cradle.bury()
        fickle.pid = cradle.bear(at.url, url, "hasty")
        wait_until(lambda: is_over(at.url), WITHIN_SECONDS)
        cradle.kill()
        states = outcome(at.url)
    sent = {name for name, one in states.items() if one.state is DeliveryState.SENT}
    assert sent - set(fickle.taken)


def test_another_process_takes_over_from_one_that_is_killed(tmp_path: Path) -> None:
    """Of two over one database one delivers; when it is killed, the other goes on where it was, in order."""
    fickle = Fickle(is_steady=True)
    with PLACES["postgres"](tmp_path) as at, listening(fickle) as url, nursery() as cradle, nursery() as beside:
        wanted = written(at.url)
        first = cradle.bear(at.url, url, "in-turn")
        wait_until(lambda: fickle.taken, WITHIN_SECONDS)
        second = beside.bear(at.url, url, "in-turn")
        wait_until(lambda: len(fickle.taken) > MESSAGES // 3, WITHIN_SECONDS)
        cradle.kill()
        wait_until(lambda: is_over(at.url), WITHIN_SECONDS, lambda: f"left over: {fickle.behaved}")
    who = [int(one) for one in fickle.senders]
    assert set(who) == {first, second}
    assert who == sorted(who, key=[first, second].index), "one after the other"
    for names in wanted.values():
        assert [one for one in dict.fromkeys(fickle.taken) if one in set(names)] == names
    assert len(fickle.taken) - MESSAGES <= AT_ONCE


pytestmark = pytest.mark.xdist_group("kills")
