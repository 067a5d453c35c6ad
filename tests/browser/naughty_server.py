"""Serves the naughty world on loopback, from a thread of this process, so that a test can break a template of it."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn

from tests.console.naughty_world import naughty_world
from tests.waiting import until

START_WITHIN_SECONDS = 60
STOP_WITHIN_SECONDS = 30


@dataclass
class Stood:
    """A world that is served: its address, and what stands in the addresses of its pages."""

    url: str = ""
    at: Mapping[str, str] = field(default_factory=dict[str, str])


@contextmanager
def naughty_served() -> Iterator[Stood]:
    """Serve the world until the block ends."""
    stood, is_up = Stood(), threading.Event()
    servers: list[uvicorn.Server] = []
    failed: list[BaseException] = []

    async def is_started() -> bool:
        return servers[0].started

    async def serve() -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            async with naughty_world() as world:
                stood.url, stood.at = f"http://127.0.0.1:{listening.getsockname()[1]}", world.at
                servers.append(uvicorn.Server(uvicorn.Config(world.stage.app, lifespan="off", log_level="error")))
                serving = asyncio.ensure_future(servers[0].serve([listening]))
                await until(is_started, START_WITHIN_SECONDS)
                is_up.set()
                await serving

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - it is told where somebody waits
            failed.append(error)
            is_up.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert is_up.wait(START_WITHIN_SECONDS), "the world does not stand"
    if failed:
        raise failed[0]
    try:
        yield stood
    finally:
        servers[0].should_exit = True
        thread.join(STOP_WITHIN_SECONDS)
        assert not thread.is_alive()
