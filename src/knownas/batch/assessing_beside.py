"""Assesses users for a server in another process, so that its own has its time for requests.

The process is started when the first user has to be assessed, and ends with the server. It holds no data: it is sent what the store has of
some users, and answers how they stand. If it ends, another one takes its place, and the users are assessed anew.
"""

import asyncio
import gc
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from knownas.batch.child import Child, Pipe, Trade, answer_each, settle_in
from knownas.core.audience.judging import Criteria
from knownas.core.audience.membership import Audiences
from knownas.core.audience.reading import read_definition
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.definition import Definition as CalculatedDefinition
from knownas.service.audience.assessing import (
    Assessed,
    AssessesHere,
    ToAssess,
    WorkspaceDefinitions,
    assessed,
)
from knownas.service.audience.catalogue import Catalogue, judged_by
from knownas.service.server import Assessing
from knownas.store.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

STOP_SECONDS: Final = 3.0
"""How long the process may take to end when it is told to; then it is ended."""

GARBAGE_OBJECTS: Final = 100_000
"""Objects made and not freed, after which the process looks for cycles, of which assessing makes none."""

_TRADE: Final = Trade("knownas-assess", "the process that assesses users", StoreUnavailable, STOP_SECONDS, hasty=True)

_NOTHING: Final = WorkspaceDefinitions(Audiences({}), {})
"""What a workspace asks for in which nobody has defined anything."""

_Definitions = dict[int, dict[int, bytes]]
"""The definitions of audiences as they are kept, by workspace and id."""


class _Request(msgspec.Struct, frozen=True, array_like=True):
    """Users to assess at a time; with all definitions, unless they are those of the request before."""

    now_ms: int
    asked: list[ToAssess]
    definitions: _Definitions | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_REQUEST: Final = msgspec.msgpack.Decoder(_Request)
_ANSWER: Final = msgspec.msgpack.Decoder(list[Assessed])


def assessing_beside() -> Assessing:
    """Return who assesses users for a server: another process, where there is a second processor for it."""
    return AssessesBeside if (os.cpu_count() or 1) > 1 else AssessesHere


class AssessesBeside:
    """Assesses in another process. Implements `service.audience.assessing.Assesses`."""

    def __init__(self, calculations: Mapping[int, WorkspaceCalculations]) -> None:
        self._calculated = {workspace: tuple(one.definitions.values()) for workspace, one in calculations.items()}
        self._child: Child | None = None
        self._known: Mapping[int, int] | None = None
        """The watches by which the process knows the definitions."""
        self._one_at_a_time = asyncio.Lock()

    async def assess(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        """See `Assesses.assess`.

        Raises:
            StoreUnavailable: the process has ended; the next call starts another one.
            Exception: one of the users breaks a rule of ours.
        """
        # Whoever waits may be cancelled; what was asked has to be heard, or the next one would hear it.
        return await asyncio.shield(asyncio.create_task(self._asked(catalogue, asked, now_ms)))

    async def _asked(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        async with self._one_at_a_time:
            child = self._child
            if child is None:
                child = self._child = await asyncio.to_thread(Child, _TRADE, _assess_from, self._calculated)
                self._known = None
            is_news = catalogue.watches != self._known
            request = _Request(now_ms, list(asked), _definitions(catalogue) if is_news else None)
            try:
                answer = await asyncio.to_thread(child.ask, _ENCODER.encode(request))
            except StoreUnavailable:
                log.exception("another process takes the place of the one that assessed users")
                self._child = None
                await asyncio.to_thread(child.__exit__, StoreUnavailable, None, None)
                raise
            self._known = catalogue.watches
        return _ANSWER.decode(answer)

    async def close(self) -> None:
        """See `Assesses.close`."""
        if self._child is not None:
            await asyncio.to_thread(self._child.__exit__, None, None, None)
            self._child = None


def _definitions(catalogue: Catalogue) -> _Definitions:
    return {
        workspace: {one: bytes(found.document.definition) for one, found in own.known.items()}
        for workspace, own in catalogue.workspaces.items()
    }


def _assess_from(pipe: Pipe, calculated: Mapping[int, Sequence[CalculatedDefinition]]) -> None:
    """Assess the users that come through a pipe, and answer how they stand."""
    settle_in()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 20, 100)
    calculations = {workspace: WorkspaceCalculations(found) for workspace, found in calculated.items()}
    known: Mapping[int, WorkspaceDefinitions] = {}

    async def assess(given: bytes) -> bytes:
        nonlocal known
        request = _REQUEST.decode(given)
        if request.definitions is not None:
            known = {one: _read(documents) for one, documents in request.definitions.items()}
        return _ENCODER.encode(
            [
                assessed(known.get(one.workspace, _NOTHING), calculations.get(one.workspace), one, request.now_ms)
                for one in request.asked
            ]
        )

    asyncio.run(answer_each(pipe, assess))


def _read(documents: Mapping[int, bytes]) -> WorkspaceDefinitions:
    """Read the definitions of a workspace; the other process knows that all of them can be read."""
    read = {one: read_definition(msgspec.json.decode(document)) for one, document in documents.items()}
    criteria = {one: Criteria(found) for one, found in read.items() if not isinstance(found, tuple)}
    return WorkspaceDefinitions(judged_by(criteria), criteria)
