"""Connects inputs of workspaces with outputs, over which their events are forwarded, and takes such connections away (platform §7.1)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import EventsMessage
from knownas.service.audience_catalogue import Catalogue, Catalogues, KnownForwarding, KnownOutput
from knownas.service.audience_documents import ForwardingDocument, forwarding_from, is_forwarding
from knownas.service.audience_limits import CONNECTIONS_MAX, FORWARDED_TO_MAX
from knownas.service.audience_outputs import settings_faults
from knownas.service.audience_writing import Writing
from knownas.service.connection_form import rule_or_faults
from knownas.service.directory import Directory
from knownas.service.forwarding_form import InputConnection, read_input_connection
from knownas.store.audiences import DocumentKind, StoredDocument

Faults = tuple[Fault, ...]


class ForwardingService:
    """The connections of all inputs with outputs."""

    def __init__(
        self, directory: Directory, catalogues: Catalogues, writing: Writing, clock: Callable[[], int]
    ) -> None:
        self._directory = directory
        self._catalogues = catalogues
        self._writing = writing
        self._clock = clock

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
        raw = msgspec.Raw(msgspec.json.encode(written))
        now_ms = self._clock()

        def make(catalogue: Catalogue, _: int) -> ForwardingDocument | Faults:
            output = _output(catalogue, workspace, asked.output)
            if output is None:
                return (Fault("/output", "the workspace has no such output"),)
            faults = (*_too_many(catalogue, workspace, input_key), *self._faults(output, asked))
            return faults or ForwardingDocument(input_key, output.id, raw, now_ms)

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

    def _faults(self, output: KnownOutput, asked: InputConnection) -> Faults:
        kind = self._catalogues.destinations[output.document.destination]
        faults = list(settings_faults(kind.connection_settings, asked.settings, "/settings"))
        if EventsMessage not in kind.takes:
            faults.append(Fault("/output", f"{kind.title} takes no events"))
        rule = rule_or_faults(asked.wish, kind)
        return (*faults, *rule) if isinstance(rule, tuple) else tuple(faults)


def _output(catalogue: Catalogue, workspace: int, named: str) -> KnownOutput | None:
    there = [one for one in catalogue.outputs.values() if one.workspace == workspace and not one.document.is_deleted]
    return next((one for one in there if named in (str(one.id), one.document.name)), None)


def _too_many(catalogue: Catalogue, workspace: int, input_key: str) -> Faults:
    own = catalogue.of(workspace)
    there = [*own.connections.values(), *own.forwarding.values()]
    if sum(map(len, there)) >= CONNECTIONS_MAX:
        return (Fault("", f"a workspace has at most {CONNECTIONS_MAX} connections"),)
    if len(own.forwarding.get(input_key, ())) >= FORWARDED_TO_MAX:
        return (Fault("/input", f"an input has at most {FORWARDED_TO_MAX} connections"),)
    return ()
