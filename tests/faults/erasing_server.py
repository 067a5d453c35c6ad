"""Is `knownas`, and does what `orders.json` in its folder says beside: so that erasures are quick, talkative, incomplete, or die.

`settles_ms` is how long an erasure waits for what other processes had decided. `dies_at` is the operation of an erasure, counted
from 1, at which the process kills itself, with `dies_after` when that is done. How many there were stands in `operations`. With
`waits`, no erasure is carried out at all. With `is_hasty`, it says that free space is overwritten before it is, and dies in
between. Everything that is logged is written, down to what helps only who looks for a fault.

`python -m tests.faults.erasing_server nursery` imports everything once. For each folder on a line of its input it forks a server
there, prints `STARTED PID`, waits until that has ended, and prints `ENDED STATUS`.
"""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from knownas.cli.main import main
from knownas.core.privacy.evidence import Step
from knownas.service.erasure import erased_space, erasing
from knownas.service.erasure.erasing_case import Case
from knownas.service.privacy import work as privacy_work
from tests.faults.mortal import Fuse, Mortal

ORDERS = "orders.json"
OPERATIONS = "operations"
STDOUT, STDERR = 1, 2
TURN_MS = 2_000
"""How long a process that was killed keeps others from going on."""

AGAIN_MS = 1_000
"""How long until free space is overwritten where somebody was in the way, and until it is seen that a job has ended."""


def _tell(operations: int) -> None:
    Path(OPERATIONS).write_text(str(operations))


def die() -> NoReturn:
    """End at once, as if the machine had lost its power."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead")


def obey(orders: dict[str, Any]) -> None:
    """Do what is said from now on."""
    logging.basicConfig(level=logging.DEBUG)
    privacy_work.PRIVACY_TURN_MS = TURN_MS
    erasing.ERASURE_SETTLES_MS = orders.get("settles_ms", erasing.ERASURE_SETTLES_MS)
    erased_space.SCRUB_RESTS_TIMES = 0
    # Whoever reads a whole file, as a check does, keeps it from being written anew.
    erasing.SCRUB_AGAIN_MS = AGAIN_MS
    erasing.ERASURE_AWAITS_JOB_MS = AGAIN_MS
    if orders.get("waits"):
        privacy_work.PrivacyWork.take_up = lambda *_: None  # type: ignore[method-assign]
    if orders.get("is_hasty"):
        erasing.Erasing._scrub = _scrub  # type: ignore[method-assign]
    was = erasing.Erasing.__init__
    fuse = Fuse(orders.get("dies_at"), is_done_first=orders.get("dies_after", False), die=die, tell=_tell)

    def begin(self: erasing.Erasing, store: Any, *given: Any, **named: Any) -> None:
        mortal: Any = Mortal(store, fuse)
        was(self, mortal, *given, **named)

    erasing.Erasing.__init__ = begin  # type: ignore[method-assign]


async def _scrub(self: erasing.Erasing, case: Case) -> Case:
    told = (Step.ERASED, {"store": "free_space", "method": "vacuum", "complete": True})
    await self._cases.done(case, self._clock(), "_scrub", told)
    die()


def serve() -> None:
    """Be the command line, in this folder."""
    file = Path(ORDERS)
    obey(json.loads(file.read_text()) if file.exists() else {})
    main()


def nurse() -> None:
    """Fork a server for each line of the input."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.chdir(line.strip())
            _write_to(STDOUT, "told")
            _write_to(STDERR, "server.log")
            sys.argv = ["knownas", "serve", "--config", "knownas.yaml", "--port", "0"]
            serve()
            return
        sys.stdout.write(f"STARTED {pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"ENDED {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _write_to(stream: int, name: str) -> None:
    opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(opened, stream)
    os.close(opened)


if __name__ == "__main__":
    nurse() if sys.argv[1:] == ["nursery"] else serve()
