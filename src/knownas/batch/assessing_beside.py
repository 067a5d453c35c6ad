"""Assesses users for a server in another process, so that its own has its time for requests.

The process is started when the first user has to be assessed, and ends with the server. It is told who has to be looked at, reads them from the database by
itself, and answers how they stand. It writes nothing. If it ends, another one takes its place, and the users are assessed anew.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from knownas.batch.child import Child, Pipe, Trade, answer_each, settle_in
from knownas.core.audience.judging import Criteria
from knownas.core.audience.reading import read_definition
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.definition import Definition as CalculatedDefinition
from knownas.service.audience.assessing import (
    Assessed,
    Assessing,
    Assessor,
    ToAssess,
    Understanding,
    WorkspaceDefinitions,
)
from knownas.service.audience.catalogue import Catalogue, judged_by
from knownas.service.audience.subjects import Logins, Subjects
from knownas.service.interpreter import look_for_cycles_rarely
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import MEMORY, open_store

log: Final = logging.getLogger(__name__)

STOP_SECONDS: Final = 3.0
"""How long the process may take to end when it is told to; then it is ended."""

PROCESSORS_MIN: Final = 2
"""Processors of a machine on which another process assesses."""

_TRADE: Final = Trade("knownas-assess", "the process that assesses users", StoreUnavailable, STOP_SECONDS, hasty=True)

_Definitions = dict[int, dict[int, bytes]]
"""The definitions of audiences as they are kept, by workspace and id."""


class _News(msgspec.Struct, frozen=True, array_like=True):
    """What users are understood by from now on."""

    definitions: _Definitions
    logins: Logins


class _Request(msgspec.Struct, frozen=True, array_like=True):
    """Users to assess at a time; with the news, unless it is as in the request before."""

    now_ms: int
    asked: list[ToAssess]
    news: _News | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_REQUEST: Final = msgspec.msgpack.Decoder(_Request)
_ANSWER: Final = msgspec.msgpack.Decoder(list[Assessed])


def assessing_beside(database: str) -> Assessing | None:
    """Return who assesses the users of a database: another process, where it can open that and there is a second processor for it."""
    if database == MEMORY or (os.cpu_count() or 1) < PROCESSORS_MIN:
        return None
    return partial(AssessesBeside, database)


class AssessesBeside:
    """Assesses in another process, which reads the database by itself. Implements `service.audience.assessing.Assesses`."""

    def __init__(self, database: str, subjects: Subjects, calculations: Mapping[int, WorkspaceCalculations]) -> None:
        self._database = database
        self._subjects = subjects
        self._calculated = {workspace: tuple(one.definitions.values()) for workspace, one in calculations.items()}
        self._child: Child | None = None
        self._known: tuple[Mapping[int, int], Logins] | None = None
        """The watches and the login types that the process knows of."""
        self._one_at_a_time = asyncio.Lock()

    async def assess(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        """See `Assesses.assess`.

        Raises:
            StoreError: the database does not answer, or the process has ended; the next call starts another one.
            Exception: one of the users breaks a rule of ours.
        """
        if not asked:
            return ()
        # Whoever waits may be cancelled; what was asked has to be heard, or the next one would hear it.
        return await asyncio.shield(asyncio.create_task(self._asked(catalogue, asked, now_ms)))

    async def _asked(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        async with self._one_at_a_time:
            child = self._child
            if child is None:
                given = (self._database, self._calculated)
                child = self._child = await asyncio.to_thread(Child, _TRADE, _assess_from, *given)
                self._known = None
            now = (catalogue.watches, self._subjects.logins)
            news = None if now == self._known else _News(_definitions(catalogue), now[1])
            try:
                answer = await asyncio.to_thread(child.ask, _ENCODER.encode(_Request(now_ms, list(asked), news)))
            except StoreUnavailable:
                log.exception("another process takes the place of the one that assessed users")
                self._child = None
                await asyncio.to_thread(child.__exit__, StoreUnavailable, None, None)
                raise
            self._known = now
        return _ANSWER.decode(answer)

    async def close(self) -> None:
        """See `Assesses.close`."""
        async with self._one_at_a_time:
            if self._child is not None:
                await asyncio.to_thread(self._child.__exit__, None, None, None)
                self._child = None


def _definitions(catalogue: Catalogue) -> _Definitions:
    return {
        workspace: {one: bytes(found.document.definition) for one, found in own.known.items()}
        for workspace, own in catalogue.workspaces.items()
    }


def _assess_from(pipe: Pipe, database: str, calculated: Mapping[int, Sequence[CalculatedDefinition]]) -> None:
    """Assess the users that come through a pipe, and answer how they stand."""
    settle_in()
    look_for_cycles_rarely()
    asyncio.run(_assess_each(pipe, database, calculated))


async def _assess_each(pipe: Pipe, database: str, calculated: Mapping[int, Sequence[CalculatedDefinition]]) -> None:
    store = open_store(database, reads_much=True)
    assessor = Assessor(store.audiences)
    calculations = {workspace: WorkspaceCalculations(found) for workspace, found in calculated.items()}
    by = Understanding({}, calculations, {})

    async def assess(given: bytes) -> bytes:
        nonlocal by
        request = _REQUEST.decode(given)
        if request.news is not None:
            definitions = {one: _read(documents) for one, documents in request.news.definitions.items()}
            by = Understanding(definitions, calculations, request.news.logins)
        return _ENCODER.encode(await assessor.assess(by, request.asked, request.now_ms))

    try:
        await answer_each(pipe, assess)
    finally:
        await store.close()


def _read(documents: Mapping[int, bytes]) -> WorkspaceDefinitions:
    """Read the definitions of a workspace; the other process knows that all of them can be read."""
    read = {one: read_definition(msgspec.json.decode(document)) for one, document in documents.items()}
    criteria = {one: Criteria(found) for one, found in read.items() if not isinstance(found, tuple)}
    return WorkspaceDefinitions(judged_by(criteria), criteria)
