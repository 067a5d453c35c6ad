"""Knows the audiences and groups of every workspace and with what they are connected, as the store has them, and what a batch means to them.

What is known is a snapshot with the watches (`store.audiences`) that it goes by. Whoever keeps a batch says by which it knew what to mark: if
somebody has written a document meanwhile, the store marks everybody. So a catalogue may be old for a moment and nobody is missed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Criteria
from knownas.core.audience.membership import Audiences, nesting_fault
from knownas.core.audience.mentions import Mentions, mentions
from knownas.core.audience.reading import read_definition
from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import AudienceName
from knownas.core.identity.observation import Environment
from knownas.core.profile.group import Aggregated, GroupKind
from knownas.core.translation.forwarding import Connection
from knownas.core.translation.place import Wish
from knownas.core.translation.rule import Rule
from knownas.service.audience.documents import (
    AudienceDocument,
    ConnectionDocument,
    ForwardingDocument,
    GroupDocument,
    OutputDocument,
    audience_from,
    connection_from,
    forwarding_from,
    group_from,
    is_forwarding,
    output_from,
)
from knownas.service.delivery.asked_places_form import KeptPlaces, asked_places
from knownas.service.delivery.connection_form import AudienceConnection, read_connection, rule_or_faults
from knownas.service.delivery.destination import Destination
from knownas.service.delivery.forwarding_form import InputConnection, read_input_connection
from knownas.store.audiences import EVERYWHERE, AudienceStore, DocumentKind, StoredDocument

log: Final = logging.getLogger(__name__)

_Known = TypeVar("_Known")

Destinations = Mapping[str, Destination]
"""The kinds of outputs that there are, by name."""


@dataclass(frozen=True, slots=True)
class KnownAudience:
    """An audience that somebody has defined. `version` is another one whenever it was changed."""

    id: int
    workspace: int
    version: int
    document: AudienceDocument
    criteria: Criteria

    @property
    def definition(self) -> Definition:
        """What it asks for, as it was defined."""
        return self.criteria.definition

    @property
    def name(self) -> AudienceName:
        """The audience as destinations know it."""
        return AudienceName(self.id, self.document.told_name)


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """An audience's connection with an output, and the rule that it comes to at its destination."""

    id: int
    workspace: int
    version: int
    document: ConnectionDocument
    asked: AudienceConnection
    rule: Rule

    @property
    def audience(self) -> int:
        """The audience."""
        return self.document.audience

    @property
    def output(self) -> int:
        """The output."""
        return self.document.output

    def lets(self, environment: str) -> bool:
        """Whether it is told of users of an environment."""
        return Environment(environment) in self.asked.environments


@dataclass(frozen=True, slots=True)
class KnownForwarding:
    """An input's connection with an output, and what it comes to at its destination."""

    id: int
    workspace: int
    version: int
    document: ForwardingDocument
    asked: InputConnection
    connection: Connection

    @property
    def input(self) -> str:
        """The lasting key of the input."""
        return self.document.input

    @property
    def output(self) -> int:
        """The output."""
        return self.document.output


@dataclass(frozen=True, slots=True)
class KnownOutput:
    """An output that somebody has set up."""

    id: int
    workspace: int
    version: int
    document: OutputDocument


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A kind of groups that somebody has defined. `shown` are the attributes that members get: those of which all places are written."""

    id: int
    workspace: int
    version: int
    document: GroupDocument
    kind: GroupKind
    shown: tuple[Aggregated, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of the attributes that members get."""
        return frozenset(one.name for one in self.shown)


@dataclass(frozen=True, slots=True)
class WorkspaceAudiences:
    """The audiences of a workspace."""

    audiences: Audiences
    known: Mapping[int, KnownAudience]
    connections: Mapping[int, Sequence[KnownConnection]]
    """Those that are there, by audience."""
    forwarding: Mapping[str, Sequence[KnownForwarding]] = field(default_factory=dict[str, Sequence[KnownForwarding]])
    """The connections of inputs that are there, by the lasting key of the input."""
    groups: Mapping[int, KnownGroup] = field(default_factory=dict[int, KnownGroup])
    """The kinds of groups that are there."""
    has_places: bool = False
    """Whether there are any, or were."""

    def asking_for(self, group: KnownGroup) -> frozenset[str]:
        """Return the audiences that ask for what members of groups get."""
        return self.audiences.concerned_by(Mentions(attributes=group.names))

    @property
    def derived(self) -> frozenset[str]:
        """The attributes that stand in no section: what members of groups get."""
        return frozenset(name for one in self.groups.values() for name in one.names)

    @property
    def criteria(self) -> Mapping[int, Criteria]:
        """What each of them asks for."""
        return {one: found.criteria for one, found in self.known.items()}

    @property
    def all_connections(self) -> int:
        """How many connections there are, of audiences and of inputs."""
        return sum(map(len, (*self.connections.values(), *self.forwarding.values())))


NO_AUDIENCES: Final = WorkspaceAudiences(Audiences({}), {}, {})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there was when the watches were these. Audiences, connections and outputs that were deleted are among them."""

    watches: Mapping[int, int] = field(default_factory=dict[int, int])
    workspaces: Mapping[int, WorkspaceAudiences] = field(default_factory=dict[int, WorkspaceAudiences])
    audiences: Mapping[int, KnownAudience] = field(default_factory=dict[int, KnownAudience])
    connections: Mapping[int, KnownConnection] = field(default_factory=dict[int, KnownConnection])
    outputs: Mapping[int, KnownOutput] = field(default_factory=dict[int, KnownOutput])
    forwarding: Mapping[int, KnownForwarding] = field(default_factory=dict[int, KnownForwarding])
    """The connections of inputs; those of audiences are in `connections`."""
    groups: Mapping[int, KnownGroup] = field(default_factory=dict[int, KnownGroup])
    """Kinds of groups, those that were deleted among them."""

    def of(self, workspace: int) -> WorkspaceAudiences:
        """Return the audiences of a workspace."""
        return self.workspaces.get(workspace, NO_AUDIENCES)


NOTHING_KNOWN: Final = Catalogue()


class Catalogues:
    """Follows what the store has. One event loop, one of these."""

    def __init__(self, store: AudienceStore, destinations: Destinations) -> None:
        self._store = store
        self.destinations: Final = destinations
        self.now = NOTHING_KNOWN
        """What was there when it was last looked at."""

    async def refresh(self) -> Catalogue:
        """Look whether anybody has written a document, and return what there is.

        Raises:
            StoreError: the store does not answer.
        """
        # The watches are read first: documents that are newer than them are looked at again.
        watches = await self._store.watches()
        if watches != self.now.watches:
            self.now = catalogue_of(await self._store.documents(), watches, self.destinations)
        return self.now

    @property
    def is_watching(self) -> bool:
        """Whether any workspace was watched when it was last looked at."""
        return EVERYWHERE in self.now.watches


def catalogue_of(
    documents: Sequence[StoredDocument], watches: Mapping[int, int], destinations: Destinations
) -> Catalogue:
    """Make a catalogue of documents. One that can't be read any more, since it means something else now, is left out with a warning."""
    outputs = dict(_read(documents, DocumentKind.OUTPUT, _output))
    audiences = dict(_read(documents, DocumentKind.AUDIENCE, _audience))
    of_either = [one for one in documents if one.kind is DocumentKind.CONNECTION]
    of_inputs = [one for one in of_either if is_forwarding(one.document)]
    of_audiences = [one for one in of_either if not is_forwarding(one.document)]
    connections = dict(
        _read(of_audiences, DocumentKind.CONNECTION, lambda one: _connection(one, outputs, destinations))
    )
    forwarding = dict(_read(of_inputs, DocumentKind.CONNECTION, lambda one: _forwarding(one, outputs, destinations)))
    there = {one: found for one, found in audiences.items() if not found.document.is_deleted}
    groups = dict(_read(documents, DocumentKind.GROUP, _group))
    workspaces: dict[int, WorkspaceAudiences] = {}
    for workspace in {one.workspace for one in documents}:
        known = {one: found for one, found in there.items() if found.workspace == workspace}
        by_audience: dict[int, list[KnownConnection]] = {}
        for one in connections.values():
            if one.audience in known and not one.document.is_deleted and not outputs[one.output].document.is_deleted:
                by_audience.setdefault(one.audience, []).append(one)
        by_input: dict[str, list[KnownForwarding]] = {}
        for one in forwarding.values():
            is_there = not one.document.is_deleted and not outputs[one.output].document.is_deleted
            if one.workspace == workspace and is_there:
                by_input.setdefault(one.input, []).append(one)
        judged = judged_by({one: found.criteria for one, found in known.items()})
        mine = {one: found for one, found in groups.items() if found.workspace == workspace}
        left = {one: found for one, found in mine.items() if not found.document.is_deleted}
        parts = judged, known, by_audience, by_input
        workspaces[workspace] = WorkspaceAudiences(*parts, left, has_places=bool(mine))
    return Catalogue(watches, MappingProxyType(workspaces), audiences, connections, outputs, forwarding, groups)


def rule_by(wish: Wish, destination: Destination, said: KeptPlaces | None) -> Rule | tuple[Fault, ...]:
    """Return the rule of a connection, by the places that its destination has, or has said that it has; what is wrong if there is none."""
    if said is None:
        return rule_or_faults(wish, destination)
    places = asked_places(said)
    return rule_or_faults(wish, destination, places.places, places.requirement)


def is_gone(catalogue: Catalogue, connection: KnownConnection) -> bool:
    """Whether a connection is there no more, or its audience or output is not."""
    audience, output = catalogue.audiences.get(connection.audience), catalogue.outputs.get(connection.output)
    return (
        connection.document.is_deleted
        or audience is None
        or audience.document.is_deleted
        or output is None
        or output.document.is_deleted
    )


def _read(
    documents: Sequence[StoredDocument], kind: DocumentKind, make: Callable[[StoredDocument], _Known | None]
) -> list[tuple[int, _Known]]:
    found: list[tuple[int, _Known]] = []
    for one in documents:
        if one.kind is kind:
            try:
                known = make(one)
            except (msgspec.MsgspecError, LookupError):
                log.exception("%s %d can't be read", kind, one.number)
                continue
            if known is None:
                log.warning("%s %d says nothing that can be done by now", kind, one.number)
            else:
                found.append((one.number, known))
    return found


def _audience(stored: StoredDocument) -> KnownAudience | None:
    document = audience_from(stored.document)
    definition = read_definition(msgspec.json.decode(document.definition))
    if isinstance(definition, tuple):
        return None
    return KnownAudience(stored.number, stored.workspace, stored.version, document, Criteria(definition))


def _output(stored: StoredDocument) -> KnownOutput:
    return KnownOutput(stored.number, stored.workspace, stored.version, output_from(stored.document))


def _connection(
    stored: StoredDocument, outputs: Mapping[int, KnownOutput], destinations: Destinations
) -> KnownConnection | None:
    document = connection_from(stored.document)
    asked = read_connection(msgspec.json.decode(document.written))
    destination = destinations.get(outputs[document.output].document.destination)
    if isinstance(asked, tuple) or destination is None:
        return None
    rule = rule_by(asked.wish, destination, document.places)
    if isinstance(rule, tuple):
        return None
    return KnownConnection(stored.number, stored.workspace, stored.version, document, asked, rule)


def _forwarding(
    stored: StoredDocument, outputs: Mapping[int, KnownOutput], destinations: Destinations
) -> KnownForwarding | None:
    document = forwarding_from(stored.document)
    asked = read_input_connection(msgspec.json.decode(document.written))
    destination = destinations.get(outputs[document.output].document.destination)
    if isinstance(asked, tuple) or destination is None:
        return None
    rule = rule_by(asked.wish, destination, document.places)
    if isinstance(rule, tuple):
        return None
    place = (stored.number, stored.workspace, stored.version)
    return KnownForwarding(*place, document, asked, asked.forwarding(rule))


def _group(stored: StoredDocument) -> KnownGroup:
    document = group_from(stored.document)
    kind = GroupKind(document.source, document.attributes)
    shown = tuple(one for one in kind.attributes if one.name in document.shown)
    return KnownGroup(stored.number, stored.workspace, stored.version, document, kind, shown)


def judged_by(criteria: Mapping[int, Criteria]) -> Audiences:
    """Return the audiences of a workspace, without those that ask for ones that are not there: nobody is in them."""
    all_mentions: dict[str, Mentions] = {str(one): mentions(found.definition) for one, found in criteria.items()}
    return Audiences({one: criteria[int(one)] for one in all_mentions if nesting_fault(one, all_mentions) is None})
