"""Waits for what comes about by itself, and never longer than the caller says."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.05
"""The pause between two looks at another process."""

GLANCE_SECONDS = 0.005
"""The pause between two looks at this one."""

TURNS = 50
"""Turns of the event loop in which whatever can go on without us has gone on; the longest way here takes a dozen."""


def wait_until(is_so: Callable[[], object], within_seconds: float, told: Callable[[], object] = str) -> None:
    """Look again and again until something is so; if it never is, fail with what is `told` in the end."""
    deadline = time.monotonic() + within_seconds
    while not is_so():
        assert time.monotonic() < deadline, told()
        time.sleep(PAUSE_SECONDS)


async def until(is_so: Callable[[], Awaitable[object]], within_seconds: float) -> None:
    """Look again and again, letting everything else go on, until something is so."""
    deadline = time.monotonic() + within_seconds
    while not await is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(GLANCE_SECONDS)


async def moment() -> None:
    """Let everything go on that waits neither for us nor for the clock."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
