"""Defines audiences and connects them with outputs, shows their members with the reasons, and previews what is not defined yet."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Definition
from knownas.core.audience.lookback import lookback
from knownas.core.audience.membership import Nesting, Standing, nesting_fault
from knownas.core.audience.mentions import mentions
from knownas.core.audience.reading import read_definition
from knownas.core.audience.reading_text import Fault
from knownas.core.audience.reasons import Reason
from knownas.core.audience.subject import Subject
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.core.translation.outcome import Skipped, Translation
from knownas.core.translation.reason import Reason as Skip
from knownas.core.translation.rule import Rule
from knownas.core.translation.translate import translate
from knownas.service.audience.catalogue import (
    Catalogue,
    Catalogues,
    KnownAudience,
    KnownConnection,
    rule_by,
)
from knownas.service.audience.documents import (
    AudienceDocument,
    ConnectionDocument,
    audience_from,
    connection_from,
)
from knownas.service.audience.limits import (
    AUDIENCES_MAX,
    CHANGES_LOOKED_AT,
    CONNECTIONS_MAX,
    EVENT_BATCHES_MAX,
    NAME_CHARACTERS_MAX,
    PREVIEW_SECONDS,
    PREVIEWED_MEMBERS,
    SWEPT_A_PAGE,
)
from knownas.service.audience.outputs import AudienceOutputs, output_named
from knownas.service.audience.previewing import Preview, Previewing, Reasoned
from knownas.service.audience.standing_form import standings_from
from knownas.service.audience.subjects import Subjects
from knownas.service.audience.sweeps import Phase, progress_from, sweep_name
from knownas.service.audience.writing import Writing
from knownas.service.delivery.asked_places_form import KeptPlaces
from knownas.service.delivery.connection_form import AudienceConnection, read_connection
from knownas.service.delivery.destination import Surroundings
from knownas.service.delivery.settings_form import settings_faults
from knownas.service.group.values import NO_VALUES
from knownas.service.profile.sections import read
from knownas.store.audiences import AudienceStore, DocumentKind, StoredDocument
from knownas.store.port import Store
from knownas.store.user_data import SectionKey, StoredEvents

Faults = tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class ConnectionPreview:
    """What a connection would send: of how many members something and of how many nothing, the latter by reason and what it is about.

    `share` is the part of all members that was looked at; `shown` is what would go out of some, or why nothing would.
    """

    sent: int
    skipped: Mapping[tuple[Skip, str], int]
    share: float
    shown: Sequence[Translation]


@dataclass(frozen=True, slots=True)
class Membership:
    """An audience that a profile is in, since when, and until when it lapses by time alone if nothing becomes known."""

    audience: KnownAudience
    standing: Standing

    @property
    def until_ms(self) -> int:
        """When it lapses by time alone if nothing becomes known; `NEVER` if it does not."""
        return self.standing.until_ms


class AudienceService:
    """The audiences of all workspaces. `changed` is called when somebody has to be looked at because of it."""

    def __init__(
        self,
        store: Store,
        catalogues: Catalogues,
        writing: Writing,
        subjects: Subjects,
        clock: Callable[[], int],
        changed: Callable[[], None],
        outputs: AudienceOutputs,
        surroundings: Surroundings,
    ) -> None:
        self._outputs = outputs
        self._surroundings = surroundings
        self._store = store
        self._audiences: AudienceStore = store.audiences
        self.catalogues = catalogues
        self._writing = writing
        self._subjects = subjects
        self._clock = clock
        self._changed = changed

    async def create(self, workspace: int, name: str, external_name: str | None, definition: object) -> int | Faults:
        """Define an audience; return its id, or what is wrong with it, each with its place.

        Raises:
            StoreError: the store does not do it.
        """
        read = read_definition(definition)
        faults = _named(name, external_name)
        if isinstance(read, tuple):
            return (*faults, *(one._replace(place=f"/definition{one.place}") for one in read))
        if faults:
            return faults
        raw = msgspec.Raw(msgspec.json.encode(definition))
        document = AudienceDocument(name, raw, self._clock(), external_name)

        def make(catalogue: Catalogue, number: int) -> AudienceDocument | Faults:
            known = catalogue.of(workspace).known
            if len(known) >= AUDIENCES_MAX:
                return (Fault("", f"a workspace has at most {AUDIENCES_MAX} audiences"),)
            return _nesting_faults(known, number, read) or document

        made = await self._writing.add(DocumentKind.AUDIENCE, workspace, make)
        self._changed()
        return made

    async def change(self, audience: int, name: str, external_name: str | None, definition: object) -> Faults | None:
        """Define an audience anew: whoever it concerns is judged by what it asks for now.

        Raises:
            LookupError: there is none.
            StoreError: the store does not do it.
        """
        read = read_definition(definition)
        faults = _named(name, external_name)
        if isinstance(read, tuple):
            return (*faults, *(one._replace(place=f"/definition{one.place}") for one in read))
        if faults:
            return faults
        raw = msgspec.Raw(msgspec.json.encode(definition))
        now_ms = self._clock()

        def make(catalogue: Catalogue, stored: StoredDocument) -> AudienceDocument | Faults:
            before = audience_from(stored.document)
            wrong = _nesting_faults(catalogue.of(stored.workspace).known, stored.number, read)
            return wrong or AudienceDocument(name, raw, before.created_ms, external_name, now_ms)

        refused = await self._writing.change(DocumentKind.AUDIENCE, audience, make)
        self._changed()
        return refused

    async def delete(self, audience: int) -> Sequence[int]:
        """Take an audience away: everybody leaves it. Returns the audiences that ask for it; then it stays (platform §6.4).

        Raises:
            LookupError: there is none.
            StoreError: the store does not do it.
        """

        def make(catalogue: Catalogue, stored: StoredDocument) -> AudienceDocument | list[int]:
            known = catalogue.of(stored.workspace).known
            asking = [one for one, found in known.items() if str(audience) in mentions(found.definition).audiences]
            return asking or msgspec.structs.replace(audience_from(stored.document), is_deleted=True)

        refused = await self._writing.change(DocumentKind.AUDIENCE, audience, make)
        self._changed()
        return refused or ()

    async def connect(self, audience: KnownAudience, written: Mapping[str, Any]) -> int | Faults:
        """Connect an audience with an output of its workspace; return the connection's id, or what is wrong.

        Raises:
            StoreError: the store does not do it.
        """
        asked = read_connection(written)
        if isinstance(asked, tuple):
            return asked
        raw = msgspec.Raw(msgspec.json.encode(written))
        now_ms = self._clock()
        said = await self._outputs.said_places(audience.workspace, asked.output, self._surroundings)
        if isinstance(said, Fault):
            return (said,)

        def make(catalogue: Catalogue, _: int) -> ConnectionDocument | Faults:
            output = output_named(catalogue, audience.workspace, asked.output)
            if output is None:
                return (Fault("/output", "the workspace has no such output"),)
            if catalogue.of(audience.workspace).all_connections >= CONNECTIONS_MAX:
                return (Fault("", f"a workspace has at most {CONNECTIONS_MAX} connections"),)
            rule = self._rule(catalogue, audience.workspace, asked, said)
            if isinstance(rule, tuple):
                return rule
            return ConnectionDocument(audience.id, output.id, raw, now_ms, places=said)

        made = await self._writing.add(DocumentKind.CONNECTION, audience.workspace, make)
        self._changed()
        return made

    async def preview_connection(
        self, audience: KnownAudience, environment: str, written: Mapping[str, Any]
    ) -> ConnectionPreview | Faults:
        """Say what a connection would send of whom, and who is passed over, without keeping or sending anything.

        It looks for `PREVIEW_SECONDS` at most. A destination that says itself which identities it takes is asked.

        Raises:
            StoreError: the store does not answer.
        """
        asked = read_connection(written)
        if isinstance(asked, tuple):
            return asked
        said = await self._outputs.said_places(audience.workspace, asked.output, self._surroundings)
        if isinstance(said, Fault):
            return (said,)
        rule = self._rule(await self.catalogues.refresh(), audience.workspace, asked, said)
        if isinstance(rule, tuple):
            return rule
        skipped: Counter[tuple[Skip, str]] = Counter()
        sent, share, shown = 0, 0.0, list[Translation]()
        async for page, share in self._translations(audience, environment, rule):  # noqa: B007 - the last share is told
            left_out = [one for one in page if isinstance(one, Skipped)]
            skipped.update((one.reason, one.about) for one in left_out)
            sent += len(page) - len(left_out)
            shown += page[: PREVIEWED_MEMBERS - len(shown)]
        return ConnectionPreview(sent, skipped, share, shown)

    async def _translations(
        self, audience: KnownAudience, environment: str, rule: Rule
    ) -> AsyncIterator[tuple[Sequence[Translation], float]]:
        """Yield what goes out of members by a rule, in pages, each with the share of all that was looked at with it."""
        until = time.monotonic() + PREVIEW_SECONDS
        after_mpid: int | None = None
        while time.monotonic() < until:
            place = (audience.workspace, environment, audience.id, after_mpid)
            page = await self._audiences.members(*place, SWEPT_A_PAGE)
            keys = [SectionKey(audience.workspace, environment, one.mpid) for one in page]
            stored = await self._audiences.subjects(keys)
            views = [view for key in keys if (view := self._subjects.view(key, stored[key])) is not None]
            is_last = len(page) < SWEPT_A_PAGE
            yield [translate(view, rule) for view in views], 1.0 if is_last else _share(page[-1].mpid)
            if is_last:
                return
            after_mpid = page[-1].mpid

    def _rule(
        self, catalogue: Catalogue, workspace: int, asked: AudienceConnection, said: KeptPlaces | None
    ) -> Rule | Faults:
        """Return the rule of a connection with an output of a workspace, or what is wrong."""
        output = output_named(catalogue, workspace, asked.output)
        if output is None:
            return (Fault("/output", "the workspace has no such output"),)
        kind = self.catalogues.destinations[output.document.destination]
        rule = rule_by(asked.wish, kind, said)
        faults = [*settings_faults(kind.connection_settings, asked.settings)]
        if isinstance(rule, tuple):
            faults += rule
        return tuple(faults) or rule

    async def disconnect(self, connection: int) -> None:
        """Take a connection away: its output is told that all members have left.

        Raises:
            LookupError: there is none.
            StoreError: the store does not do it.
        """

        def make(_: Catalogue, stored: StoredDocument) -> ConnectionDocument:
            return msgspec.structs.replace(connection_from(stored.document), is_deleted=True)

        await self._writing.change(DocumentKind.CONNECTION, connection, make)
        self._changed()

    def known(self, workspace: int) -> Mapping[int, KnownAudience]:
        """Return the audiences that a workspace has."""
        return self.catalogues.now.of(workspace).known

    def connections(self, audience: KnownAudience) -> Sequence[KnownConnection]:
        """Return the connections that an audience has."""
        return self.catalogues.now.of(audience.workspace).connections.get(audience.id, ())

    async def share_of(self, what: KnownAudience | KnownConnection) -> float:
        """Return the share of profiles that an audience or a connection was applied to: 1 once it is up to date.

        MPIDs are drawn evenly from all that there are, so of a connection the place of the last one looked at tells the share.
        """
        progress = progress_from(await self._store.kept(sweep_name(what)))
        if progress is None or progress.version[:-1] != str(what.version):
            return 0.0
        if progress.phase is Phase.OVER:
            return 1.0
        return round(progress.share, 4) if isinstance(what, KnownAudience) else _share(progress.mpid)

    async def members(
        self, audience: KnownAudience, environment: str, after_mpid: int | None, limit: int, *, reasoned: bool
    ) -> Sequence[Reasoned]:
        """Return members by MPID, those after one; with their reasons as of now if these are asked for."""
        place = (audience.workspace, environment, audience.id, after_mpid)
        members = await self._audiences.members(*place, limit)
        if not reasoned:
            return [Reasoned(one, ()) for one in members]
        keys = [SectionKey(audience.workspace, environment, one.mpid) for one in members]
        subjects = await self._loaded(keys, lookback(audience.definition.criteria, self._clock()))
        now_ms = self._clock()
        return [
            Reasoned(one, audience.criteria.reasons(subject, now_ms) if (subject := subjects.get(key)) else ())
            for key, one in zip(keys, members, strict=True)
        ]

    async def count(self, audience: KnownAudience, environment: str) -> int:
        """Count the members of an audience. Its time grows with them."""
        return await self._audiences.count_members(audience.workspace, environment, audience.id)

    async def memberships(self, key: SectionKey) -> Sequence[Membership]:
        """Return the audiences that a profile is in, by id."""
        known = (await self.catalogues.refresh()).of(key.workspace).known
        if not known:
            return ()
        standings = standings_from((await self._audiences.subjects([key]))[key].standing_document)
        found = ((known.get(int(one)), standing) for one, standing in standings.items() if standing.is_member)
        return sorted(
            (Membership(audience, standing) for audience, standing in found if audience is not None),
            key=lambda one: one.audience.id,
        )

    async def joined_because(self, key: SectionKey) -> Mapping[int, Sequence[Mapping[str, Any]]]:
        """Return why a profile joined each audience of a workspace, as of then: the last time of those that are looked at.

        It reads no events, however many there are; `why` does, and tells what holds now.
        """
        because: dict[int, Sequence[Mapping[str, Any]]] = {}
        for one in await self._audiences.changes_of(key, None, CHANGES_LOOKED_AT):
            if one.change.is_member and one.change.audience not in because:
                because[one.change.audience] = msgspec.json.decode(one.change.document)
        return because

    async def why(self, key: SectionKey, audience: KnownAudience) -> Sequence[Reason]:
        """Return why a profile is in an audience or is not, as of now; nothing for one that its workspace does not know."""
        since_ms = lookback(audience.definition.criteria, self._clock())
        subject = (await self._loaded([key], since_ms)).get(key)
        return () if subject is None else audience.criteria.reasons(subject, self._clock())

    async def preview(self, workspace: int, environment: str, definition: object) -> Preview | Faults:
        """Count who would be in an audience, and show some of them, without keeping anything.

        Raises:
            StoreError: the store does not answer.
        """
        read = read_definition(definition)
        if isinstance(read, tuple):
            return tuple(one._replace(place=f"/definition{one.place}") for one in read)
        known = (await self.catalogues.refresh()).of(workspace).known
        faults = _nesting_faults(known, 0, read)
        if faults:
            return faults
        own = self.catalogues.now.of(workspace)
        place = (workspace, environment)
        return await Previewing(self._audiences, self._loaded, place, read, self._clock(), own.derived).run()

    async def _loaded(self, keys: Sequence[SectionKey], since_ms: int) -> Mapping[SectionKey, Subject]:
        """Return profiles as audiences are judged by them, those that their workspace knows, without older events (Unix milliseconds)."""
        stored = await self._audiences.subjects(keys)
        events: Mapping[SectionKey, Sequence[StoredEvents]] = {}
        if since_ms < NEVER and keys:
            events = await self._audiences.newest_events(keys, EVENT_BATCHES_MAX, since_ms)
        now_ms = self._clock()
        catalogue = self.catalogues.now
        sections = {
            key: read(one.sections[key])
            for key, one in stored.items()
            if key in one.sections and catalogue.of(key.workspace).groups
        }
        grouped = await self._subjects.grouping.values(catalogue, sections)
        found: dict[SectionKey, Subject] = {}
        for key, one in stored.items():
            subject = self._subjects.subject(key, one, events.get(key, ()), now_ms, grouped.get(key, NO_VALUES))
            if subject is not None:
                standings = standings_from(one.standing_document)
                members = frozenset(each for each, standing in standings.items() if standing.is_member)
                found[key] = subject._replace(audiences=members)
        return found


def _named(name: str, external_name: str | None) -> Faults:
    said = (("/name", name), ("/external_name", external_name))
    sentence = f"a name has 1 to {NAME_CHARACTERS_MAX} characters"
    return tuple(
        Fault(place, sentence) for place, text in said if text is not None and not 1 <= len(text) <= NAME_CHARACTERS_MAX
    )


def _nesting_faults(known: Mapping[int, KnownAudience], number: int, definition: Definition) -> Faults:
    """Say why an audience can't ask for those that it asks for."""
    all_mentions = {str(one): mentions(found.definition) for one, found in known.items()}
    all_mentions[str(number)] = mentions(definition)
    fault: Nesting | None = nesting_fault(str(number), all_mentions)
    return () if fault is None else (Fault("/definition/audience", str(fault)),)


def _share(mpid: int | None) -> float:
    return 0.0 if mpid is None else round((mpid - MPID_MIN) / (MPID_MAX - MPID_MIN), 4)
