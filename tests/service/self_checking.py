"""One process of several over a database, whose checks are due: `python -m tests.service.self_checking URL [greedy]`.

It says on its standard output what it does, a word a line: `ready`, then, when it has read a line, `turn` each time that it asks for
the turn at the jobs, `looked` when it has looked whether a check is due, and `checked` and `done` when it begins and ends one. A check
goes on until the next line is read; the process ends when its standard input does. A greedy one always believes that it is its turn.
"""

import asyncio
import sys
import threading
from contextlib import suppress

from knownas.config.values import SelfCheckSettings
from knownas.core.identity.document import Document
from knownas.service import jobs as jobs_module
from knownas.service.history.folds import Tell
from knownas.service.history.self_check import SelfCheck
from knownas.service.jobs import Job, JobKind, Jobs
from knownas.service.server import system_clock
from knownas.service.turns import Turns
from knownas.store.opening import open_store

LOOK_SECONDS = 0.02


def say(word: str) -> None:
    """Tell the parent; once it has ended, there is nobody to tell."""
    with suppress(BrokenPipeError):
        sys.stdout.write(word + "\n")
        sys.stdout.flush()


class Told(Turns):
    """Turns that are told about."""

    async def take(self, job: str, for_ms: int) -> bool:
        """Take it, and say so if it is that of the jobs."""
        is_ours = await self._is_ours(job, for_ms)
        if job == "jobs":
            say("turn")
        return is_ours

    async def _is_ours(self, job: str, for_ms: int) -> bool:
        return await super().take(job, for_ms)


class Greedy(Told):
    """Turns that are everybody's."""

    async def _is_ours(self, job: str, for_ms: int) -> bool:
        del job, for_ms
        return True


async def live(url: str, *, is_greedy: bool) -> None:
    """Begin with the others, look again and again, and end."""
    store = open_store(url)
    turns = (Greedy if is_greedy else Told)(store, system_clock)
    lines: asyncio.Queue[str] = asyncio.Queue()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(over.set)

    async def checked(_job: Job, _tell: Tell) -> Document:
        say("checked")
        await lines.get()
        say("done")
        return {"differing": 0, "seconds": 0.0}

    jobs = Jobs(store, {JobKind.SELF_CHECK: checked}, system_clock, turns)
    check = SelfCheck(jobs, SelfCheckSettings(1), system_clock, turns)
    await store.kept("anything")
    threading.Thread(target=read, daemon=True).start()
    say("ready")
    await lines.get()
    jobs.start()
    while not over.is_set():
        await check.look()
        say("looked")
        await asyncio.sleep(LOOK_SECONDS)
    await jobs.close()
    await store.close()


if __name__ == "__main__":
    jobs_module.JOB_LOOK_SECONDS = LOOK_SECONDS
    asyncio.run(live(sys.argv[1], is_greedy="greedy" in sys.argv))
