"""Remembers of each input what came through it first and last: for whoever connects an app, and wants to see that it works.

Noting costs a request two entries in a dictionary. What is new is written every few seconds, all of it in one small document, whose size is
bounded by the configuration: an entry for each input and kind. It says neither who nor what, but an id under which that can be looked up.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Final

import msgspec

from knownas.service.kept_document import rewrite
from knownas.service.limits import ARRIVALS_KEPT_AGAIN_MS, ARRIVALS_LOOK_SECONDS
from knownas.service.repeating import Repeating
from knownas.store.errors import StoreDamaged, StoreError
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

_KEPT_AS: Final = "arrivals"


class Kind(StrEnum):
    """What can come through an input."""

    IDENTITY = "identity"
    EVENTS = "events"


class Thing(msgspec.Struct, frozen=True, array_like=True):
    """Something that came: when, in Unix milliseconds, and the id of its decision, or of its receipt if it was a batch of events."""

    at_ms: int
    id: str


class Arrived(msgspec.Struct, frozen=True, array_like=True):
    """The first and the last thing of a kind that came through an input."""

    first: Thing
    last: Thing


_Pair = tuple[str, Kind]
_Document = dict[str, dict[Kind, Arrived]]
_DECODER: Final = msgspec.json.Decoder(_Document)
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Arrivals:
    """What came through the inputs of a database. One event loop, one of these."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._first: dict[_Pair, Thing] = {}
        self._last: dict[_Pair, Thing] = {}
        self._written: dict[_Pair, int] = {}
        self._looking = Repeating(
            self.write, ARRIVALS_LOOK_SECONDS, log, "what came through inputs", "it is kept later"
        )

    def note(self, lasting_key: str, kind: Kind, at_ms: int, thing_id: str) -> None:
        """Note that something came through the input with this lasting key (`directory.Door`)."""
        pair, thing = (lasting_key, kind), Thing(at_ms, thing_id)
        if pair not in self._first:
            self._first[pair] = thing
        self._last[pair] = thing

    async def of_input(self, lasting_key: str) -> Mapping[Kind, Arrived]:
        """Return what came through an input by now, as far as this process knows or any other has written down.

        Raises:
            StoreError: the store does not answer, or what it keeps is not this (StoreDamaged).
        """
        return self._merged(await self._read()).get(lasting_key, {})

    async def all(self) -> Mapping[str, Mapping[Kind, Arrived]]:
        """Return the same of all inputs, by their lasting keys; raises what `of_input` raises."""
        return self._merged(await self._read())

    async def write(self) -> bool:
        """Write down what is new: a first thing at once, a later one if the last is old by now. Returns whether there was any.

        Raises:
            StoreError: the store could not keep it; it is written the next time.
        """
        due = {
            pair: one.at_ms
            for pair, one in self._last.items()
            if pair not in self._written or one.at_ms - self._written[pair] >= ARRIVALS_KEPT_AGAIN_MS
        }
        if not due:
            return False
        await rewrite(self._store, _KEPT_AS, lambda kept: _ENCODER.encode(self._merged(_decoded(kept))))
        self._written.update(due)
        return True

    def start(self) -> None:
        """Write now and then from now on, until it is closed."""
        self._looking.start()

    async def close(self) -> None:
        """Write what is due, and no more. What came in the last minute may be left out; that something came is not."""
        await self._looking.close()
        with suppress(StoreError):
            await self.write()

    async def _read(self) -> _Document:
        return _decoded(await self._store.kept(_KEPT_AS))

    def _merged(self, kept: _Document) -> _Document:
        merged = {key: dict(kinds) for key, kinds in kept.items()}
        for pair, last in self._last.items():
            key, kind = pair
            kinds = merged.setdefault(key, {})
            known, first = kinds.get(kind), self._first[pair]
            if known is None:
                kinds[kind] = Arrived(first, last)
            else:
                # Another process may have seen an earlier, or a later one.
                both = (known.first, known.last, first, last)
                kinds[kind] = Arrived(min(both, key=_when), max(both, key=_when))
        return merged


def _when(one: Thing) -> tuple[int, str]:
    return one.at_ms, one.id


def _decoded(kept: bytes | None) -> _Document:
    if kept is None:
        return {}
    try:
        return _DECODER.decode(kept)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not what came through inputs: {error}") from error
