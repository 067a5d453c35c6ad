"""Looks at everybody for a server in other processes, where an audience is new: its own has its time for requests.

Each process reads the database over connections of its own and gives way to whoever answers requests. They are started for the first
stretch, and end when they have had nothing to do for a while, or with the server. If one ends by itself, the stretch is looked at again.
"""

import asyncio
import logging
import os
from typing import Final

import msgspec

from knownas.batch.child import Child, Pipe, Trade, answer_each, settle_in
from knownas.service.audience.looking import Looked, Looker, Looks, LooksHere, LookWork
from knownas.service.interpreter import look_for_cycles_rarely
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import MEMORY, open_store
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

PROCESSES_MAX: Final = 4
"""Processes that look at once, of those that there are processors for."""

NICENESS: Final = 5
"""How much they give way to the server."""

STOP_SECONDS: Final = 3.0
"""How long a process may take to end when it is told to; then it is ended."""

IDLE_SECONDS: Final = 30.0
"""How long processes that have nothing to do stay, for the next audience."""

_TRADE: Final = Trade("knownas-look", "a process that looks at users", StoreUnavailable, STOP_SECONDS, hasty=True)
_ENCODER: Final = msgspec.msgpack.Encoder()
_WORK: Final = msgspec.msgpack.Decoder(LookWork)
_LOOKED: Final = msgspec.msgpack.Decoder(Looked)


def looks_beside(database: str, store: Store) -> Looks:
    """Return who looks at the users of a database that a server has opened: other processes, but for a store in memory."""
    return LooksHere(store.audiences) if database == MEMORY else LooksBeside(database)


class LooksBeside:
    """Looks in other processes. Implements `service.audience.looking.Looks`."""

    def __init__(self, database: str, processes: int | None = None) -> None:
        """`processes` None stands for one for each processor, at most `PROCESSES_MAX`."""
        self.width: int = min(os.cpu_count() or 1, PROCESSES_MAX) if processes is None else processes
        self._database = database
        self._idle: list[Child] = []
        self._turns = asyncio.Semaphore(self.width)
        self._working = 0
        self._rest: asyncio.TimerHandle | None = None

    async def look(self, work: LookWork) -> Looked:
        """See `Looks.look`.

        Raises:
            StoreError: the database does not answer, or the process is gone; the next call starts another one.
        """
        # Whoever waits may be cancelled; what was asked has to be heard, or the next one would hear it.
        return await asyncio.shield(asyncio.create_task(self._asked(work)))

    async def _asked(self, work: LookWork) -> Looked:
        async with self._turns:
            self._working += 1
            if self._rest is not None:
                self._rest.cancel()
            try:
                child = self._idle.pop() if self._idle else await asyncio.to_thread(self._started)
                try:
                    answer = await asyncio.to_thread(child.ask, _ENCODER.encode(work))
                except Exception as error:
                    await asyncio.to_thread(child.__exit__, type(error), None, None)
                    raise
                self._idle.append(child)
            finally:
                self._working -= 1
                if not self._working:
                    loop = asyncio.get_running_loop()
                    self._rest = loop.call_later(IDLE_SECONDS, lambda: loop.create_task(self._let_go()))
        return _LOOKED.decode(answer)

    def _started(self) -> Child:
        return Child(_TRADE, look_from, self._database)

    async def _let_go(self) -> None:
        """Let the processes end that have nothing to do."""
        while self._idle:
            await asyncio.to_thread(self._idle.pop().__exit__, None, None, None)

    async def close(self) -> None:
        """See `Looks.close`."""
        for _ in range(self.width):
            await self._turns.acquire()
        if self._rest is not None:
            self._rest.cancel()
        await self._let_go()
        for _ in range(self.width):
            self._turns.release()


def look_from(pipe: Pipe, database: str) -> None:
    """Look at the stretches that come through a pipe, and answer what came of each."""
    settle_in()
    os.nice(NICENESS)
    look_for_cycles_rarely()
    asyncio.run(_look_from(pipe, database))


async def _look_from(pipe: Pipe, database: str) -> None:
    store = open_store(database, reads_much=True)
    looker = Looker(store.audiences, gives_way=False)

    async def look(work: bytes) -> bytes:
        return _ENCODER.encode(await looker.look(_WORK.decode(work)))

    try:
        await answer_each(pipe, look)
    finally:
        await store.close()
