"""Makes what a request of access or portability delivers: an archive with all that a workspace knows of a person (platform §5.6).

It is made anew each time that it is fetched, and streamed: no copy of it is stored, so nothing has to be erased from one, and a
person with 100,000 batches of events takes no more memory than one with a single batch.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Final

import msgspec

from knownas.config.values import Credential
from knownas.core.privacy.evidence import Happening, Step
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.service.access.events import events_of
from knownas.service.access.form import Line, line, schema
from knownas.service.access.lines import Known, known_of
from knownas.service.access.page import Page
from knownas.service.access.streamed_zip import StreamedZip, at_once
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.knowing import erased_for, place_of
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import ACCESS_BATCHES_A_FILE, RESULTS_FETCHES_MAX
from knownas.service.privacy.subject_request_form import KeptRequest
from knownas.service.security.directory import Directory, Place
from knownas.store.port import Store, StoredProfile
from knownas.store.user_data import SectionKey

EMPTY: Final = "empty.txt"
"""The file that says that the person's profile was found and the workspace has nothing of it (platform §5.6)."""

_WHAT: Final = "results"
"""What was delivered, in the evidence."""

_NOTHING: Final = "The profile was found. This workspace has stored nothing of it.\n"


class FetchedTooOften(Exception):
    """Results were fetched as often as they may be."""


class Results:
    """The results of requests of access and portability."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        calculations: Mapping[int, WorkspaceCalculations],
        clock: Callable[[], int],
        credentials: Sequence[Credential] = (),
    ) -> None:
        """`credentials` say which readers reach which workspaces."""
        self._credentials = credentials
        self._store = store
        self._directory = directory
        self._calculations = calculations
        self._clock = clock
        self._evidence = Evidence(store.privacy)

    async def open(self, kept: KeptRequest) -> AsyncIterator[bytes] | None:
        """Return the archive piece by piece; None if no profile was found, or it has been erased since.

        That it is delivered is told in the evidence before the first piece, and when the last was taken: so one that is broken
        off is told too. Whether the link is still good, `subject_status` says.

        Raises:
            FetchedTooOften: they were fetched as often as they may be.
            StoreError: the store does not answer. While the archive is read, so may its iterator.
        """
        place = place_of(self._directory, kept.request.workspace)
        if place is None:
            return None
        found = [await self._profile(kept, mpid) for mpid in kept.mpids]
        profiles = [one for one in found if one is not None and one.pool in place.rules.pools]
        if not profiles:
            return None
        told = await self._evidence.of_request(kept.request.request_id)
        # Callbacks are delivered as well.
        facts = [one.happening.facts for one in told if one.happening.step is Step.DELIVERED]
        if sum(one.get("what") == _WHAT for one in facts) >= 2 * RESULTS_FETCHES_MAX:
            raise FetchedTooOften
        person, strangers = frozenset(kept.mpids), self._strangers(place.workspace.id)
        each = [await known_of(self._store, place, one, strangers, person) for one in profiles]
        await self._tell(kept, "begun")
        return self._archive(kept, place, each)

    def _strangers(self, workspace: int) -> frozenset[str]:
        return frozenset(one.client_id for one in self._credentials if workspace not in one.workspaces)

    async def _profile(self, kept: KeptRequest, mpid: int) -> StoredProfile | None:
        """Return a profile that was found, unless it has been erased since, as a whole or for the workspace."""
        workspace = kept.request.workspace
        if await self._store.privacy.tombstones([mpid]):
            return None
        erased = await erased_for(self._store, workspace, mpid)
        if erased is not None and erased.at_ms >= (kept.request.ended_ms or self._clock()):
            return None
        return await self._store.profile(mpid)

    async def _archive(self, kept: KeptRequest, place: Place, each: Sequence[Known]) -> AsyncIterator[bytes]:
        now_ms = self._clock()
        archive = StreamedZip(now_ms)
        workspace = place.workspace
        made = _Archive(archive, Page(workspace.name or f"Workspace {workspace.id}", rfc3339(now_ms)))
        async for piece in self._files(made, place, each, now_ms):
            yield piece
        yield archive.end()
        await self._tell(kept, "complete", bytes=archive.bytes, files=archive.files, batches=made.batches)

    async def _files(self, made: "_Archive", place: Place, each: Sequence[Known], now_ms: int) -> AsyncIterator[bytes]:
        calculations = self._calculations.get(place.workspace.id)
        written = msgspec.json.format(msgspec.json.encode(schema()), indent=2)
        files: list[AsyncIterator[bytes]] = [
            made.archive.write("README.txt", at_once([_README.encode()])),
            made.archive.write("schema.json", at_once([written])),
            made.lines("profile.jsonl", _joined(one.profile(calculations, now_ms) for one in each)),
            made.lines("identities.jsonl", _joined(_each(one.identities()) for one in each)),
            made.lines("devices.jsonl", _joined(one.devices() for one in each)),
            made.lines("consent.jsonl", _joined(_each(one.consents()) for one in each)),
            made.lines("decisions.jsonl", _joined(one.decisions() for one in each)),
            made.lines("recipients.jsonl", _joined(one.recipients() for one in each)),
            made.events(_joined(self._batches(one) for one in each)),
        ]
        for file in files:
            async for piece in file:
                yield piece
        if not made.batches and not any(one.sections for one in each):
            async for piece in made.archive.write(EMPTY, at_once([_NOTHING.encode()])):
                yield piece
        async for piece in made.archive.write("index.html", at_once(made.page.written())):
            yield piece

    async def _batches(self, known: Known) -> AsyncIterator[Line]:
        pool = known.stored.pool
        for environment in [pool.environment] if pool.environment else ["production", "development"]:
            key = SectionKey(known.place.workspace.id, environment, known.mpid)
            async for one in events_of(self._store, key, known.values):
                yield one

    async def _tell(self, kept: KeptRequest, how: str, **facts: int) -> None:
        happening = Happening(
            self._clock(), kept.request.request_id, Step.DELIVERED, {"what": _WHAT, "delivery": how, **facts}
        )
        await self._evidence.write([happening])


class _Archive:
    """The files of an archive, each of which is shown on the page as well."""

    def __init__(self, archive: StreamedZip, page: Page) -> None:
        self.archive = archive
        self.page = page
        self.batches = 0

    async def lines(self, name: str, given: AsyncIterable[Line]) -> AsyncIterator[bytes]:
        """Write a file."""
        async for piece in self.archive.write(name, self._noted(given)):
            yield piece

    async def events(self, batches: AsyncIterator[Line]) -> AsyncIterator[bytes]:
        """Write as many files as the batches need; none if there is no batch."""
        first = await anext(batches, None)
        for number in count(1):
            if first is None:
                return
            some = _Some(first, batches, ACCESS_BATCHES_A_FILE)
            async for piece in self.archive.write(f"events-{number:03}.jsonl", self._noted(some.taken())):
                yield piece
            self.batches += some.count
            first = await anext(batches, None)

    async def _noted(self, given: AsyncIterable[Line]) -> AsyncIterator[bytes]:
        async for one in given:
            self.page.note(one)
            yield line(one)


class _Some:
    """The first of some lines and those that follow it, at most `most`."""

    def __init__(self, first: Line, rest: AsyncIterator[Line], most: int) -> None:
        self._first = first
        self._rest = rest
        self._most = most
        self.count = 0

    async def taken(self) -> AsyncIterator[Line]:
        """Yield them."""
        self.count = 1
        yield self._first
        while self.count < self._most:
            one = await anext(self._rest, None)
            if one is None:
                return
            self.count += 1
            yield one


async def _each(lines: Iterable[Line]) -> AsyncIterator[Line]:
    for one in lines:
        yield one


async def _joined(each: Iterable[AsyncIterable[Line]]) -> AsyncIterator[Line]:
    for lines in each:
        async for one in lines:
            yield one


_README: Final = """What is known about you

Open index.html to read it in a browser. It needs no connection, and loads nothing from anywhere.

The other files hold the same for programs, one JSON object a line. schema.json says what each
member means (JSON Schema 2020-12; its member "files" names the definition of each file).

profile.jsonl      your profile: identities, device identities, attributes, when you were seen
identities.jsonl   each identity that you have or had: when it came, went or moved, by which decision
devices.jsonl      your devices
consent.jsonl      what you said about the use of your data
decisions.jsonl    how it was decided that something is yours, in sentences
recipients.jsonl   who has read what is known of you
events-001.jsonl   what you did, as it was received; further files if there is much, none if there is nothing
empty.txt          is there if your profile was found and nothing else is stored

Each line says by its mpid of which profile it is, where you have several. Times are in UTC. Other people are never named: a value that is null, or "(not shown)", is another
person's by now, and other profiles are called A, B, and so on, anew in each decision.
"""
