"""Runs `knownas import` with small chunks, and dies by SIGKILL at a step: `python -m tests.batch.dying STEP COUNT …`.

STEP is the name of one of the steps below, and COUNT which time it is reached that is the last; 0 never dies. With
"beside-" before it, what the rows say is kept by a second process, as with a large file. Both die together then.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from knownas.batch import import_running
from knownas.batch.import_keeping import KeeperProcess
from knownas.batch.import_results import ResultFile
from knownas.cli.import_ import import_
from knownas.store.sqlite.store import SqliteStore
from knownas.store.sqlite.user_data import SqliteUserData

CHUNK_ROWS = 40
BESIDE = "beside-"
BEFORE = "before-"
SECOND_KILLED = "beside-killed"
"""The step at which only the second process is killed, by somebody else."""

SAID = "KNOWNAS_TEST_DYING"
STEPS: dict[str, tuple[Any, str]] = {
    "intent": (ResultFile, "save"),
    "append": (ResultFile, "append"),
    "commit": (SqliteStore, "commit"),
    "sections": (SqliteUserData, "commit"),
    "begin": (KeeperProcess, "begin"),
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
                _die()
            result = await function(*arguments, **named)
            if is_last:
                _die()
            return result

        return awaited

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        is_last = dies()
        if is_last and before:
            _die()
        result = function(*arguments, **named)
        if is_last:
            _die()
        return result

    return called


def _die() -> None:
    if __name__ == "__mp_main__":
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _prepare(said: str) -> None:
    """Make this process die at a step, for the given time that it comes there."""
    step, count = said.split()
    if step.startswith(BESIDE):
        import_running.ALONE_BYTES_MAX = 0
    if step == SECOND_KILLED:
        if __name__ == "__mp_main__":
            os.kill(os.getpid(), signal.SIGKILL)
    elif int(count):
        owner, name = STEPS[step.removeprefix(BESIDE).removeprefix(BEFORE)]
        setattr(owner, name, _counted(getattr(owner, name), int(count), before=BEFORE in step))


if __name__ == "__mp_main__":
    _prepare(os.environ[SAID])

if __name__ == "__main__":
    os.environ[SAID] = f"{sys.argv[1] or 'intent'} {sys.argv[2]}"
    sys.argv = ["knownas import", *sys.argv[3:]]
    import_running.CHUNK_ROWS = CHUNK_ROWS
    _prepare(os.environ[SAID])
    import_()
