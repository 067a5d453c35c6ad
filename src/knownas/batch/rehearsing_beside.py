"""Folds histories for a server, in a process of its own that gives way to whatever answers requests.

A database is folded by another program (`rehearsing_process`) with processes of its own, so that neither the event loop nor the
interpreter of the server has anything to do with it. Only a store in memory is folded in the server itself (`rehearsing_here`).
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, assert_never

from knownas.batch.rehearsing_messages import (
    ANSWER,
    LENGTH_BYTES,
    REQUEST,
    Failed,
    FoundDiffering,
    Reported,
    Request,
    Told,
)
from knownas.batch.staging_folder import clear_abandoned
from knownas.core.identity.document import Document
from knownas.core.identity.policy import Policy
from knownas.service.history.folds import Differing, Folds, Stage, Tell, ToRehearse
from knownas.service.identity.policies import encode_policy
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import MEMORY
from knownas.store.port import Store

STOP_SECONDS: Final = 3.0
"""How long the program may take to clear up when it is told to end; then it is ended."""


def folds_beside(database: str, store: Store) -> Folds:
    """Return what folds the histories of a database that a server has opened, and clear up after one that was killed."""
    clear_abandoned()
    if database == MEMORY:
        from knownas.batch.rehearsing_here import StoreFolds  # noqa: PLC0415 - what folds takes long to load, and only this needs it

        return StoreFolds(store)
    return ProcessFolds(database)


class ProcessFolds:
    """Folds by another program."""

    def __init__(self, database: str, processes: int | None = None) -> None:
        """`processes` as in `fold_log`."""
        self._database = database
        self._processes = processes

    async def rehearse(self, rehearsal: ToRehearse, tell: Tell) -> Document:
        """See `Folds.rehearse`."""
        document = encode_policy(rehearsal.policy)
        request = Request(
            self._database, rehearsal.scope, document, rehearsal.from_ms, rehearsal.to_ms, self._processes
        )
        answer = await self._asked(request, tell)
        return {} if isinstance(answer, FoundDiffering) else answer.document

    async def check(self, scopes: Sequence[str], tell: Tell, *, rows: bool) -> Document:  # noqa: ARG002 - the database knows them
        """See `Folds.check`. Scopes that are no longer configured are checked too."""
        request = Request(self._database, "", b"", None, None, self._processes, checks=True, rows=rows)
        answer = await self._asked(request, tell)
        return {} if isinstance(answer, FoundDiffering) else answer.document

    async def differing(self, scope: str, policy: Policy, tell: Tell) -> Sequence[Differing]:
        """See `Folds.differing`."""
        request = Request(self._database, scope, encode_policy(policy), None, None, self._processes, starts=True)
        answer = await self._asked(request, tell)
        return [] if isinstance(answer, Reported) else answer.differing

    async def _asked(self, request: Request, tell: Tell) -> Reported | FoundDiffering:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "knownas.batch.rehearsing_process", stdin=PIPE, stdout=PIPE, env=_environment()
        )
        try:
            return await _conversation(process, request, tell)
        finally:
            await _ended(process)


def _environment() -> dict[str, str]:
    """Return the environment in which another Python finds what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


async def _conversation(process: Process, request: Request, tell: Tell) -> Reported | FoundDiffering:
    asked, answers = process.stdin, process.stdout
    if asked is None or answers is None:
        raise AssertionError("the program is spoken to through pipes")
    try:
        asked.write(REQUEST.encode(request))
        await asked.drain()
        asked.close()
        while True:
            length = int.from_bytes(await answers.readexactly(LENGTH_BYTES))
            answer = ANSWER.decode(await answers.readexactly(length))
            match answer:
                case Told():
                    tell(Stage(answer.doing, answer.done, answer.of))
                case Failed():
                    raise StoreUnavailable(answer.why)
                case Reported() | FoundDiffering():
                    return answer
                case _:
                    assert_never(answer)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise StoreUnavailable("the program that folds is gone") from error


async def _ended(process: Process) -> None:
    """End the program if it has not ended by itself."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
