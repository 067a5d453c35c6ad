"""Decides how long somebody who lost a race waits before the next try."""

import asyncio
from random import SystemRandom
from typing import Final

from knownas.service.limits import RETRY_PAUSE_SECONDS, RETRY_PAUSE_SECONDS_MAX

_CHANCE: Final = SystemRandom()


async def pause_before_retry(attempt: int) -> None:
    """Wait for a random time: at most `RETRY_PAUSE_SECONDS` after the first attempt (0), at most double after each more.

    Random, so that those who met do not meet again; never longer than `RETRY_PAUSE_SECONDS_MAX`.
    """
    pause = min(RETRY_PAUSE_SECONDS * 2**attempt, RETRY_PAUSE_SECONDS_MAX)
    await asyncio.sleep(_CHANCE.uniform(0, pause))
