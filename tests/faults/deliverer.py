"""Processes to kill: each delivers what waits in a database to one webhook, until somebody ends it.

`python -m tests.faults.deliverer` starts a nursery, which imports everything once. For each line `DATABASE URL KIND` on its input it forks one
that delivers, prints `STARTED PID`, waits until that is dead, and prints `ENDED`. `KIND` is `alone`, `in-turn` for one that takes turns with
others, or `hasty` for a broken twin that notes that something was sent before it is. Each says who it is in the header `Authorization`. Waits
are short, so that a test is.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from knownas.core.delivery import backoff, breaker
from knownas.core.delivery.batching import Waiting
from knownas.core.delivery.message import Settings
from knownas.outputs import posting, webhook
from knownas.service.delivery import delivering
from knownas.service.delivery.delivering import Delivering
from knownas.service.delivery.delivering_output import OutputDelivery, World
from knownas.service.delivery.destination import Surroundings
from knownas.service.delivery.outputs import Output, OutputState
from knownas.service.server import system_clock
from knownas.service.turns import Turns
from knownas.store.deliveries import DeliveryState, Settlement
from knownas.store.opening import open_store

OUTPUT: Final = 1
REQUEST_SECONDS: Final = 4.0
"""How long a request may take here."""

TURN_MS: Final = 6_000
"""How long one that was killed keeps others from delivering here."""

LIVES_SECONDS_MAX: Final = 120
"""One that nobody kills ends by itself after this long."""


@dataclass(frozen=True)
class OneWebhook:
    """The only output that there is."""

    url: str

    async def output(self, output: int) -> Output | None:
        settings: Settings = {"url": self.url, "plain_http": True, "authorization": f"{os.getpid()}"}
        return Output(webhook.DESTINATION, settings, OutputState.ACTIVE, 1) if output == OUTPUT else None

    async def settings_of(self, _connection: int) -> Settings | None:
        return {}

    async def keep(self, connection: int, kept: Mapping[str, str | int | bool]) -> None:
        pass

    async def fault(self, _output: int, _version: int, why: str) -> None:
        raise AssertionError(why)

    async def pause(self, _output: int) -> bool:
        return False

    async def resume(self, _output: int) -> bool:
        return False


class Hasty(OutputDelivery):
    """Notes that something was sent before it is."""

    async def _deliver(self, output: Output, waiting: Sequence[Waiting]) -> int:
        now_ms = system_clock()
        await self._world.store.settle([Settlement(one.seq, DeliveryState.SENT, now_ms) for one in waiting])
        return await super()._deliver(output, waiting)


async def deliver(database: str, url: str, kind: str) -> None:
    """Deliver what waits, until killed."""
    posting.REQUEST_SECONDS = REQUEST_SECONDS
    delivering.DELIVERY_LOOK_SECONDS = 0.05
    backoff.PAUSE_SECONDS = 0.05
    breaker.OPEN_SECONDS_MIN = 0.05
    delivering.DELIVERY_TURN_MS, delivering.DELIVERY_TURN_RENEWED_MS = TURN_MS, TURN_MS // 10
    delivering.SEND_SECONDS = TURN_MS / 2_000
    if kind == "hasty":
        hasty: Any = Hasty
        delivering.OutputDelivery = hasty
    store = open_store(database)
    surroundings = Surroundings(system_clock, lambda: str(uuid4()))
    turns = Turns(store, system_clock) if kind == "in-turn" else None
    job = Delivering(World(store.deliveries, OneWebhook(url), surroundings, lambda: 0.1), turns)
    job.start()
    await asyncio.sleep(LIVES_SECONDS_MAX)


def main() -> None:
    """Fork one that delivers for each line."""
    for line in sys.stdin:
        database, url, kind = line.split()
        child = os.fork()
        if not child:
            signal.alarm(LIVES_SECONDS_MAX)
            asyncio.run(deliver(database, url, kind))
            os._exit(0)
        print("STARTED", child, flush=True)  # noqa: T201 - it is told so
        os.waitpid(child, 0)
        print("ENDED", flush=True)  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
