"""Goes over stretches of sections, and tells who belongs to some audiences and how they stand then; or whom somebody has to look at more closely.

Nothing is written here. So it can be done where it takes no time from whoever answers requests, by several at once.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Definition
from knownas.core.audience.membership import Standing
from knownas.core.audience.reading import read_definition
from knownas.service.audience.assessing import ChangeFound
from knownas.service.audience.first_look import FirstLook, Glimpse
from knownas.service.audience.limits import EVENT_BATCHES_MAX, GLIMPSED_A_PAGE
from knownas.service.audience.reason_form import reason_documents
from knownas.service.audience.standing_form import standings_bytes, standings_from
from knownas.store.audiences import AudienceStore, SectionPage
from knownas.store.errors import StoreError
from knownas.store.user_data import SectionKey


class LookWork(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of a workspace's sections, after one place until another, and definitions that their users are judged by at a time.

    The definitions are those of the audiences as they are kept. `apart` are the audiences of which only is told whom to look at more closely.
    `derived` are the attributes that stand in no section: what members of groups get.
    """

    workspace: int
    after: str | None
    until: str
    now_ms: int
    definitions: dict[int, bytes]
    apart: frozenset[int] = frozenset()
    derived: frozenset[str] = frozenset()


class Stands(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How somebody stands now: their new standing in the place of that of a version, None for none, and what changes by it.

    `section` is the version of the section that this was seen in.
    """

    mpid: int
    environment: str
    section: int
    version: int | None
    document: bytes | None
    due_ms: int | None
    changes: tuple[ChangeFound, ...]


class Looked(msgspec.Struct, frozen=True, array_like=True):
    """What came of a stretch: how many were looked at, who stands otherwise now, and who has to be looked at more closely."""

    seen: int
    stands: list[Stands]
    closer: list[tuple[int, str]]


class Looks(Protocol):
    """Whoever looks at stretches, `width` of them at once."""

    width: int

    async def look(self, work: LookWork) -> Looked:
        """Look at a stretch.

        Raises:
            StoreError: the store does not answer, or whoever looks is gone.
        """
        ...

    async def close(self) -> None:
        """Stop."""
        ...


log: Final = logging.getLogger(__name__)

_ENCODER: Final = msgspec.json.Encoder()


class Looker:
    """Looks at one stretch after the other over a store."""

    def __init__(self, store: AudienceStore, *, gives_way: bool) -> None:
        """`gives_way`: whoever else runs on the event loop gets their turn between pages.

        Where nobody else does, a stretch is read out of one state of a file, if the store is one: with another state, all that was
        seen of the file has to be found again.
        """
        self._store = store
        self._gives_way = gives_way

    async def look(self, work: LookWork) -> Looked:
        """See `Looks.look`."""
        definitions = {one: _read(document) for one, document in work.definitions.items()}
        first = FirstLook(definitions, work.now_ms, work.derived)
        after, seen = work.after, 0
        stands: list[Stands] = []
        closer: list[tuple[int, str]] = []
        traces = first.traces
        while page := await self._store.sections_in(work.workspace, after, work.until, GLIMPSED_A_PAGE, traces):
            try:
                found = await found_on(page, first, work.workspace, self._store)
                near: list[tuple[SectionKey, Glimpse]] = []
                apart: list[SectionKey] = []
                for key, glimpse in found:
                    if _is_apart(glimpse, work.apart):
                        apart.append(key)
                    else:
                        near.append((key, glimpse))
                stand = await self._stands(first, near, page.versions, work.now_ms)
            except StoreError:
                raise
            except Exception:
                # One of them breaks a rule of ours: a closer look finds which.
                log.exception("%d users are looked at more closely", len(page.mpids))
                closer += zip(page.mpids, page.environments, strict=True)
            else:
                closer += [(key.mpid, key.environment) for key in apart]
                stands += stand
            seen, after = seen + len(page.mpids), page.last
            if self._gives_way:
                # No time passes: requests on the same event loop get their turn.
                await asyncio.sleep(0)
        return Looked(seen, stands, closer)

    async def _stands(
        self, first: FirstLook, found: Sequence[tuple[SectionKey, Glimpse]], versions: Sequence[int], now_ms: int
    ) -> Sequence[Stands]:
        """Return how those stand who are there, as far as it is not how they stand already."""
        if not found:
            return ()
        standings = await self._store.standings([key for key, _ in found])
        told: list[Stands] = []
        for key, glimpse in found:
            if key not in standings:
                continue
            stored = standings[key]
            before = standings_from(None if stored is None else stored.document)
            after, changes = dict(before), list[ChangeFound]()
            for audience, held in glimpse.held.items():
                if held is None:
                    raise AssertionError("who is judged here was seen well enough")
                name, was = str(audience), before.get(str(audience))
                is_same = was is not None and was.is_member is held.holds
                after[name] = Standing(
                    held.holds, was.since_ms if is_same and was is not None else now_ms, held.until_ms
                )
                if held.holds is not (was is not None and was.is_member):
                    why = _ENCODER.encode(reason_documents(first.reasons(key.mpid, glimpse, audience)))
                    changes.append(ChangeFound(audience, held.holds, why))
            if after != before:
                due_ms = min(one.until_ms for one in after.values())
                version = None if stored is None else stored.version
                due = None if due_ms == NEVER else due_ms
                section, text = versions[glimpse.place], standings_bytes(after)
                told.append(Stands(key.mpid, key.environment, section, version, text, due, tuple(changes)))
        return told


async def found_on(
    page: SectionPage, first: FirstLook, workspace: int, store: AudienceStore
) -> Sequence[tuple[SectionKey, Glimpse]]:
    """Return those of a page who belong to any of the audiences that somebody looks for, or may.

    Raises:
        StoreError: the store does not answer.
    """
    glimpses = first.glimpses(page.mpids, page.documents)
    keys = [SectionKey(workspace, page.environments[one.place], page.mpids[one.place]) for one in glimpses]
    eventful = [key for key, one in zip(keys, glimpses, strict=True) if first.needs_events(one)]
    if not eventful:
        return list(zip(keys, glimpses, strict=True))
    events = await store.newest_events(eventful, EVENT_BATCHES_MAX, first.since_ms)
    looked = [(key, first.closer(key.mpid, one, events.get(key, ()))) for key, one in zip(keys, glimpses, strict=True)]
    return [(key, one) for key, one in looked if one is not None]


def _is_apart(glimpse: Glimpse, apart: frozenset[int]) -> bool:
    return None in glimpse.held.values() or not apart.isdisjoint(glimpse.held)


def _read(document: bytes) -> Definition:
    """Read a definition that was read before."""
    read = read_definition(msgspec.json.decode(document))
    if isinstance(read, Definition):
        return read
    raise AssertionError("the catalogue has only definitions that can be read")


class LooksHere:
    """Looks in this process, where requests are served between pages. Implements `Looks`."""

    width = 1

    def __init__(self, store: AudienceStore) -> None:
        self._looker = Looker(store, gives_way=True)

    async def look(self, work: LookWork) -> Looked:
        """See `Looks.look`."""
        return await self._looker.look(work)

    async def close(self) -> None:
        """See `Looks.close`."""
