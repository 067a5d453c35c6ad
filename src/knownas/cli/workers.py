"""Runs several server processes behind one address, starts those anew that end, and stops them all together.

Each process has a socket of its own on the same port, made before it is: the system spreads new connections over them, and
those that wait for a process which has ended are served by the next one. The processes share nothing but the database.
"""

import ctypes
import logging
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Final, NoReturn

log: Final = logging.getLogger(__name__)

WORKERS_MAX: Final = 64
"""Server processes of one command."""

RESTART_PAUSE_SECONDS: Final = 1.0
"""How long the place of a process that has ended stays empty."""

STOP_SECONDS: Final = 20.0
"""How long the processes may take to end when they are told to; then they are ended."""

_LOOK_SECONDS: Final = 0.5
_PR_SET_PDEATHSIG: Final = 1
_STARTED: Final = b"started"


Work = Callable[[socket.socket, Callable[[], None]], bool]
"""Serves on a socket until the process is told to stop; calls the function once it answers. Returns whether it did."""


class _Failed(Exception):
    """A process did not start; it has said why."""


class _Stopped(Exception):
    """The parent process was told to stop."""


def run_workers(listeners: Sequence[socket.socket], work: Work, announce: Callable[[], None]) -> bool:
    """Run a process for each socket until this one is told to stop. `announce` is called when all answer.

    Returns False when a process ended before all had answered; the others have been stopped then.
    """
    crew = _Crew(listeners, work, announce)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        crew.run()
    except _Stopped:
        return True
    except _Failed:
        return False
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        crew.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stopped


class _Worker:
    """One process, and the pipe through which it says that it answers."""

    def __init__(self, listener: socket.socket, work: Work) -> None:
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        # Forked: what is imported by now is shared, and there are no threads yet that could hold a lock.
        self.process = multiprocessing.get_context("fork").Process(target=_serve, args=(listener, work, theirs))
        self.process.start()
        theirs.close()
        self.has_started = False

    def heard(self) -> None:
        """Take in what the process has said."""
        while not self.has_started and self.pipe.poll():
            try:
                self.has_started = self.pipe.recv_bytes() == _STARTED
            except EOFError:
                return


class _Crew:
    def __init__(self, listeners: Sequence[socket.socket], work: Work, announce: Callable[[], None]) -> None:
        self._listeners = listeners
        self._work = work
        self._announce = announce
        self._workers: dict[int, _Worker] = {}
        self._announced = False
        self._due: dict[int, float] = dict.fromkeys(range(len(listeners)), 0.0)
        """When the process of an empty place is to be started."""

    def run(self) -> NoReturn:
        """Keep every place filled."""
        while True:
            for place in [place for place, at in self._due.items() if at <= time.monotonic()]:
                del self._due[place]
                self._workers[place] = _Worker(self._listeners[place], self._work)
            watched: list[Connection | int] = [worker.process.sentinel for worker in self._workers.values()]
            watched += [worker.pipe for worker in self._workers.values() if not worker.has_started]
            wait(watched, _LOOK_SECONDS)
            for place, worker in list(self._workers.items()):
                self._look_after(place, worker)
            if not self._announced and not self._due and all(one.has_started for one in self._workers.values()):
                self._announced = True
                self._announce()

    def _look_after(self, place: int, worker: _Worker) -> None:
        worker.heard()
        if worker.process.is_alive():
            return
        worker.process.join()
        if not worker.has_started and not self._announced:
            raise _Failed
        log.error("a worker ended with status %s; another one takes its place", worker.process.exitcode)
        worker.pipe.close()
        del self._workers[place]
        self._due[place] = time.monotonic() + RESTART_PAUSE_SECONDS

    def stop(self) -> None:
        """Tell all to end, and wait until they have."""
        for worker in self._workers.values():
            worker.process.terminate()
        give_up_at = time.monotonic() + STOP_SECONDS
        for worker in self._workers.values():
            worker.process.join(max(0.0, give_up_at - time.monotonic()))
            if worker.process.is_alive():
                log.error("a worker did not end in time")
                worker.process.kill()
                worker.process.join()


def _serve(listener: socket.socket, work: Work, pipe: Connection) -> None:
    """Be one of the processes."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A terminal's interrupt goes to all of us; the parent says when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # A parent that was killed can't stop us; the kernel does it then.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    has_started = work(listener, lambda: pipe.send_bytes(_STARTED))
    sys.exit(0 if has_started else 1)
