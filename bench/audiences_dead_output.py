"""A known user comes back while a webhook hangs, for which a message about each of many members waits; beside the same without an output.

Goal: no slower, which is at least 0.95 of the rate. The webhook takes every connection and never answers.
"""

import argparse
import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.audience_mix import database_url, define, equals, opened, settled
from bench.contest import Contender, Say, contest
from bench.facts import with_facts
from bench.load import LoadFailed
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import arena, known_users, plan_of
from bench.serving import WORKSPACE
from knownas.service.server import Service, system_clock

RATE_AT_LEAST: Final = 0.95
WARM_UP_REQUESTS: Final = 20_000
BACKLOG: Final = 1_000
PLAN: Final = "gold"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser, warm_up=WARM_UP_REQUESTS)
    parser.add_argument(
        "--profiles", type=int, default=100_000, help="known users, a tenth of them members (%(default)s)"
    )


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure a server with a hanging output beside one without any."""
    if options.store != "sqlite":
        raise LoadFailed("it is measured over SQLite only")
    question, population = known_users(options.profiles), Population(options.profiles)
    with arena(options.cache, say) as place, _hanging() as url:
        files = [place.folder / f"{name}.db" for name in ("without", "hanging")]
        for file in files:
            with_facts(population, 0, system_clock(), options.cache, file, say)
        waiting = asyncio.run(_connected(files[1], url))
        say(f"{waiting} or more messages wait")
        without = Contender("without", [place.over("without", files[0])], question, "known")
        hanging = Contender("hanging", [place.over("hanging", files[1])], question, "known")
        result = contest([without, hanging], plan_of(options), say)
    goal = Goal(
        "rate while a webhook hangs to that without", result.ratios("hanging", "without"), at_least=RATE_AT_LEAST
    )
    by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("hanging", "without")]
    return Finding([goal], {**result.document(), "cpu_ratios": by_cpu, "waiting_at_least": waiting})


async def _connected(database: Path, url: str) -> int:
    """Define an audience, connect it with a webhook, and let messages about all its members wait; returns how many do, as far as is counted.

    Raises:
        LoadFailed: none wait.
    """
    async with opened(database_url(database)) as service:
        audience = await define(service, "members", equals("user_attributes", "plan", PLAN))
        output = await service.activation.outputs.create(WORKSPACE, "hanging", "webhook", {"url": url})
        if isinstance(output, tuple):
            raise LoadFailed(str(output))
        await _connect(service, audience, output)
        await settled(service)
        waiting = len(await service.store.deliveries.waiting(output, 0, BACKLOG))
    if not waiting:
        raise LoadFailed("nothing waits for the output")
    return waiting


async def _connect(service: Service, audience: int, output: int) -> None:
    known = service.activation.catalogues.now.audiences[audience]
    made = await service.activation.audiences.connect(known, {"output": str(output), "identities": ["email"]})
    if isinstance(made, tuple):
        raise LoadFailed(str(made))


@contextmanager
def _hanging() -> Iterator[str]:
    """Take connections, and answer none."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for one in taken:
                one.close()
