"""Connects inputs of workspaces with outputs, over which their events are forwarded, and takes such connections away (platform §7.1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import EventsMessage
from knownas.service.audience.catalogue import Catalogue, Catalogues, KnownForwarding, KnownOutput, rule_by
from knownas.service.audience.documents import ForwardingDocument, forwarding_from, is_forwarding
from knownas.service.audience.limits import CONNECTIONS_MAX, FORWARDED_TO_MAX
from knownas.service.audience.outputs import AudienceOutputs, output_named
from knownas.service.audience.writing import Writing
from knownas.service.delivery.asked_places_form import KeptPlaces
from knownas.service.delivery.destination import Surroundings
from knownas.service.delivery.forwarding_form import InputConnection, read_input_connection
from knownas.service.delivery.settings_form import settings_faults
from knownas.service.security.directory import Directory
from knownas.store.audiences import DocumentKind, StoredDocument

Faults = tuple[Fault, ...]


class ForwardingService:
    """The connections of all inputs with outputs."""

    def __init__(
        self,
        directory: Directory,
        catalogues: Catalogues,
        writing: Writing,
        outputs: AudienceOutputs,
        surroundings: Surroundings,
    ) -> None:
        self._directory = directory
        self._catalogues = catalogues
        self._writing = writing
        self._outputs = outputs
        self._surroundings = surroundings

    async def connect(self, workspace: int, written: Mapping[str, Any]) -> int | Faults:
        """Connect an input with an output of its workspace; return the connection's id, or what is wrong, each with its place.

        What comes through the input from then on is forwarded; other servers over the same database know of it a moment later.

        Raises:
            StoreError: the store does not do it.
        """
        asked = read_input_connection(written)
        if isinstance(asked, tuple):
            return asked
        input_key = self._input(workspace, asked.input)
        if input_key is None:
            return (Fault("/input", "the workspace has no such input; it is named by its lasting key or its name"),)
        said = await self._outputs.said_places(workspace, asked.output, self._surroundings)
        if isinstance(said, Fault):
            return (said,)
        raw = msgspec.Raw(msgspec.json.encode(written))
        now_ms = self._surroundings.now_ms()

        def make(catalogue: Catalogue, _: int) -> ForwardingDocument | Faults:
            output = output_named(catalogue, workspace, asked.output)
            if output is None:
                return (Fault("/output", "the workspace has no such output"),)
            faults = (*_too_many(catalogue, workspace, input_key), *self._faults(output, asked, said))
            return faults or ForwardingDocument(input_key, output.id, raw, now_ms, places=said)

        return await self._writing.add(DocumentKind.CONNECTION, workspace, make)

    async def disconnect(self, connection: int) -> None:
        """Take a connection away: nothing is forwarded over it that has not been written for its output yet.

        Raises:
            LookupError: there is none.
            StoreError: the store does not do it.
        """

        def make(_: Catalogue, stored: StoredDocument) -> ForwardingDocument:
            if not is_forwarding(stored.document):
                raise LookupError(f"connection {connection} is an audience's")
            return msgspec.structs.replace(forwarding_from(stored.document), is_deleted=True)

        await self._writing.change(DocumentKind.CONNECTION, connection, make)

    def known(self, workspace: int) -> Sequence[KnownForwarding]:
        """Return the connections of a workspace's inputs, by id."""
        by_input = self._catalogues.now.of(workspace).forwarding
        return sorted((one for several in by_input.values() for one in several), key=lambda one: one.id)

    def _input(self, workspace: int, named: str) -> str | None:
        """Return the lasting key of an input of a workspace. A key counts before a name."""
        doors = [one for one in self._directory.doors if one.workspace.id == workspace]
        by_key = [one.lasting_key for one in doors if one.lasting_key == named]
        return next(iter((*by_key, *(one.lasting_key for one in doors if one.input.name == named))), None)

    def _faults(self, output: KnownOutput, asked: InputConnection, said: KeptPlaces | None) -> Faults:
        kind = self._catalogues.destinations[output.document.destination]
        faults = list(settings_faults(kind.connection_settings, asked.settings))
        if EventsMessage not in kind.takes:
            faults.append(Fault("/output", f"{kind.title} takes no events"))
        rule = rule_by(asked.wish, kind, said)
        return (*faults, *rule) if isinstance(rule, tuple) else tuple(faults)


def _too_many(catalogue: Catalogue, workspace: int, input_key: str) -> Faults:
    own = catalogue.of(workspace)
    if own.all_connections >= CONNECTIONS_MAX:
        return (Fault("", f"a workspace has at most {CONNECTIONS_MAX} connections"),)
    if len(own.forwarding.get(input_key, ())) >= FORWARDED_TO_MAX:
        return (Fault("/input", f"an input has at most {FORWARDED_TO_MAX} connections"),)
    return ()
