"""Lets several processes take the pieces of an import, each over a connection of its own to the store.

The processes share no memory and send no rows to each other: the pieces and what they came to lie in the import's
folder, and only which piece is next goes through a pipe. A process ends with the one that has started it, whatever
ends that one: then nothing more comes through the pipe.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from knownas.batch.child import Child, Pipe, Trade, explained, settle_in
from knownas.batch.import_deciding import Source
from knownas.batch.import_limits import STOP_SECONDS
from knownas.batch.import_results import Tally
from knownas.batch.import_rows import Reading
from knownas.batch.import_staging import Section, Staging
from knownas.batch.import_working import Worker
from knownas.service.chance import SystemChance
from knownas.service.identity.policies import decode_policy, encode_policy
from knownas.service.identity.question import screened_rules
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store
from knownas.store.port import StoredPolicy


@dataclass(frozen=True, slots=True)
class SentSource:
    """A `Source` that can go to another process: the policy as the store keeps it."""

    reading: Reading
    policy: StoredPolicy
    may_create: bool
    workspace: int
    input: str
    begun_ms: int
    suppression_key: bytes

    def received(self) -> Source:
        """Return what was sent."""
        rules = screened_rules(self.policy.scope, decode_policy(self.policy))
        return Source(
            self.reading, rules, self.may_create, self.workspace, self.input, self.begun_ms, self.suppression_key
        )


def sent(source: Source) -> SentSource:
    """Return a source as it can go to another process."""
    policy = source.rules.policy
    stored = StoredPolicy(source.rules.scope, policy.version, source.begun_ms, encode_policy(policy))
    said = (source.workspace, source.input, source.begun_ms, source.suppression_key)
    return SentSource(source.reading, stored, source.may_create, *said)


_TRADE: Final = Trade("knownas-import", "a process of the import", StoreUnavailable, STOP_SECONDS)


class WorkerProcess(Child):
    """A `Worker` in a process of its own. Used as a context, which ends with the process."""

    def __init__(self, source: Source, database: str, folder: Path) -> None:
        """Start the process; it opens the database for itself."""
        super().__init__(_TRADE, work_from, sent(source), database, folder)

    async def take(self, section: Section, number: int) -> Tally:
        """Let the process take a piece.

        Raises:
            StoreUnavailable: the process is gone.
            Exception: whatever it came to there.
        """
        return await asyncio.to_thread(self.ask, (section, number))


def work_from(pipe: Pipe, source: SentSource, database: str, folder: Path) -> None:
    """Take the pieces that come through a pipe, and answer each with what it came to."""
    settle_in()
    asyncio.run(_work_from(pipe, source, database, folder))


async def _work_from(pipe: Pipe, source: SentSource, database: str, folder: Path) -> None:
    failure: Exception | None = None
    # Without the first process there is nobody to hear from or to answer.
    with suppress(EOFError, OSError):
        try:
            store = open_store(database)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other process raises it
            pipe.recv()
            pipe.send(explained(error))
            return
        try:
            worker = Worker(source.received(), store, SystemChance(), Staging(folder))
            while failure is None:
                section, number = pipe.recv()
                try:
                    pipe.send(await worker.take(section, number))
                except Exception as error:  # noqa: BLE001 - the other process raises this one too
                    failure = error
                    pipe.send(explained(error))
        finally:
            await store.close()
