"""The program that folds a history beside a server: takes one request on standard input, answers on standard output.

It gives way to others, and ends with whoever has started it. `rehearsing_messages` says what request and answers look like.
"""

import asyncio
import ctypes
import os
import signal
import sys
from contextlib import suppress
from time import monotonic
from typing import Final

import msgspec

from knownas.batch.folding import FoldStep
from knownas.batch.rehearsing import RehearsingHow, Watch, differing, rehearse, report_document, stage_of
from knownas.batch.rehearsing_messages import LENGTH_BYTES, Failed, FoundDiffering, Reported, Request, Told
from knownas.batch.verifying import How, check_document, verify
from knownas.service.history.folds import ToRehearse
from knownas.service.identity.policies import decode_policy
from knownas.store.errors import StoreError
from knownas.store.port import Pool, StoredPolicy

NICENESS: Final = 10
"""How much the program gives way to others."""

TELL_SECONDS: Final = 0.5
"""The shortest time between two answers about how far it is."""

_PR_SET_PDEATHSIG: Final = 1


_ENCODER: Final = msgspec.json.Encoder()
_REQUEST: Final = msgspec.json.Decoder(Request)


def main() -> None:
    """Fold what is asked for, and answer."""
    # A terminal's interrupt goes to all processes; the server says when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    os.nice(NICENESS)
    if sys.platform == "linux":
        # A server that was killed can't stop us; the kernel does it then.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    request = _REQUEST.decode(sys.stdin.buffer.read())
    with suppress(asyncio.CancelledError, BrokenPipeError):
        asyncio.run(_answer(request))


async def _answer(request: Request) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        _say(await _folded(request))
    except (StoreError, OSError) as error:
        _say(Failed(str(error)))


async def _folded(request: Request) -> Reported | FoundDiffering:
    if request.checks:
        how = How(processes=request.processes, rows=request.rows)
        return Reported(check_document(await verify(request.database, how, _watching())))
    policy = decode_policy(StoredPolicy(request.scope, 1, 0, request.policy))
    rehearsal = ToRehearse(request.scope, policy, request.from_ms, request.to_ms)
    how = RehearsingHow(processes=request.processes, tells_starts=request.starts)
    rehearsed = await rehearse(request.database, rehearsal, how, _watching())
    if request.starts:
        return FoundDiffering(list(differing(rehearsed)))
    return Reported(report_document(rehearsed))


def _watching() -> Watch:
    """Return what tells how far a fold is, now and then."""
    said = 0.0

    def watch(pool: Pool, step: FoldStep) -> None:
        nonlocal said
        if monotonic() - said >= TELL_SECONDS:
            said = monotonic()
            _say(Told(*stage_of(pool, step)))

    return watch


def _say(answer: Told | Reported | FoundDiffering | Failed) -> None:
    written = _ENCODER.encode(answer)
    sys.stdout.buffer.write(len(written).to_bytes(LENGTH_BYTES) + written)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
