"""Runs `knownas import` with small chunks, and dies by SIGKILL at a step: `python -m tests.batch.dying STEP COUNT …`.

STEP is the name of one of the steps below, and COUNT which time it is reached that is the last; 0 never dies. With
"beside-" before it, other processes take the pieces, as with a large file, and they die together with the first.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from knownas.batch import import_arranging, import_running, import_working
from knownas.batch.import_results import ResultFile
from knownas.batch.import_staging import DoneFile, Staging
from knownas.cli.import_ import import_
from knownas.store.sqlite.store import SqliteStore
from knownas.store.sqlite.user_data import SqliteUserData

CHUNK_ROWS = 40
SECTION_ROWS = 240
BESIDE = "beside-"
BEFORE = "before-"
OTHER_KILLED = "beside-killed"
"""The step at which only the other processes are killed, by somebody else."""

SAID = "KNOWNAS_TEST_DYING"
STEPS: dict[str, tuple[Any, str]] = {
    "checkpoint": (ResultFile, "save"),
    "append": (ResultFile, "append"),
    "arrange": (Staging, "write"),
    "remove": (Staging, "remove"),
    "step": (DoneFile, "add"),
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
    import_arranging.CHUNK_ROWS = import_working.CHUNK_ROWS = CHUNK_ROWS
    import_arranging.SECTION_ROWS = SECTION_ROWS
    if step.startswith(BESIDE):
        import_running.ALONE_BYTES_MAX = 0
    if step == OTHER_KILLED:
        if __name__ == "__mp_main__":
            os.kill(os.getpid(), signal.SIGKILL)
    elif int(count):
        owner, name = STEPS[step.removeprefix(BESIDE).removeprefix(BEFORE)]
        setattr(owner, name, _counted(getattr(owner, name), int(count), before=BEFORE in step))


if __name__ == "__mp_main__":
    _prepare(os.environ[SAID])

if __name__ == "__main__":
    os.environ[SAID] = f"{sys.argv[1] or 'commit'} {sys.argv[2]}"
    sys.argv = ["knownas import", *sys.argv[3:]]
    _prepare(os.environ[SAID])
    import_()
