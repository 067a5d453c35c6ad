"""Sweeps over a file and dies by SIGKILL at a step: `python -m tests.service.audience.dying FILE STEP COUNT`.

STEP is one of those below, and COUNT which time it is reached that is the last; 0 never dies. With "after-" before it, it dies when the step is done.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from knownas.service.audience import limits, looking, sweeping
from knownas.store.sqlite.audiences import SqliteAudiences
from knownas.store.sqlite.store import SqliteStore
from tests.service.audience_stage import open_stage

STEPS: Final[dict[str, tuple[Any, str]]] = {
    "commit": (SqliteAudiences, "commit"),
    "keep": (SqliteStore, "keep"),
    "move": (SqliteStore, "replace_kept"),
    "look": (SqliteAudiences, "sections_in"),
}


def small() -> None:
    """Have stretches, pages and groups be small."""
    sweeping.STRETCH_SECTIONS, sweeping.STANDINGS_TOGETHER, sweeping.STANDINGS_WAITING_MAX = 4, 2, 3
    looking.GLIMPSED_A_PAGE = 3
    sweeping.SWEEP_SECONDS = 0.0
    assert limits.SWEEP_SECONDS


def _counted(function: Callable[..., Any], last: int, *, is_after: bool) -> Callable[..., Any]:
    reached = 0

    async def counted(*given: Any, **named: Any) -> Any:
        nonlocal reached
        reached += 1
        answer = await function(*given, **named) if is_after or reached != last else None
        if reached == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return counted


async def main(file: Path, step: str, last: int) -> None:
    """Judge until nobody is left."""
    small()
    if last:
        owner, name = STEPS[step.removeprefix("after-")]
        setattr(owner, name, _counted(getattr(owner, name), last, is_after=step.startswith("after-")))
    stage = await open_stage(SqliteStore(file))
    try:
        await stage.settle()
    finally:
        await stage.service.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
