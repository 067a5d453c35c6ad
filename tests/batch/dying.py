"""Runs `knownas import` with small chunks, and dies by SIGKILL at a step: `python -m tests.batch.dying STEP COUNT …`.

STEP is the name of one of the steps below, and COUNT which time it is reached that is the last; 0 never dies.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from knownas.batch import import_running
from knownas.batch.import_results import ResultFile
from knownas.cli.import_ import import_
from knownas.store.sqlite.store import SqliteStore
from knownas.store.sqlite.user_data import SqliteUserData

CHUNK_ROWS = 40
STEPS: dict[str, tuple[Any, str]] = {
    "intent": (ResultFile, "save"),
    "append": (ResultFile, "append"),
    "commit": (SqliteStore, "commit"),
    "sections": (SqliteUserData, "commit"),
}


def _counted(function: Callable[..., Any], last: int, *, before: bool) -> Callable[..., Any]:
    """Return the function, dying at its last call before or after it has done its work."""
    calls = 0

    def dies() -> bool:
        nonlocal calls
        calls += 1
        return calls == last

    if function.__name__ == "commit":

        @functools.wraps(function)
        async def awaited(*arguments: Any, **named: Any) -> Any:
            is_last = dies()
            if is_last and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = await function(*arguments, **named)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return awaited

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        is_last = dies()
        if is_last and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return called


if __name__ == "__main__":
    step, count = sys.argv[1], int(sys.argv[2])
    sys.argv = ["knownas import", *sys.argv[3:]]
    import_running.CHUNK_ROWS = CHUNK_ROWS
    if count:
        owner, name = STEPS[step.removeprefix("before-")]
        setattr(owner, name, _counted(getattr(owner, name), count, before=step.startswith("before-")))
    import_()
