"""Keeps the outputs of workspaces and what is set for them, confidential settings sealed, and says how each is reached."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from knownas.core.audience.reading_text import Fault
from knownas.core.delivery.message import ErasureMessage, Settings
from knownas.service.audience.catalogue import Catalogue, Catalogues, KnownOutput
from knownas.service.audience.documents import OutputDocument, output_from, settings_bytes, settings_from
from knownas.service.audience.limits import NAME_CHARACTERS_MAX, OUTPUTS_MAX
from knownas.service.audience.writing import Writing
from knownas.service.delivery.asked_places_form import KeptPlaces, kept_places
from knownas.service.delivery.connection_form import read_connection, rule_or_faults
from knownas.service.delivery.destination import AskedPlaces, Destination, Surroundings
from knownas.service.delivery.outputs import Output, OutputState
from knownas.service.delivery.settings_form import output_faults, with_defaults
from knownas.service.kept_document import rewrite
from knownas.service.security.sealing import SecretKeys
from knownas.store.audiences import DocumentKind, StoredDocument
from knownas.store.port import Store

_KEPT_AS: Final = "connection/"
_SEALED_AS: Final = "output-settings"


class AudienceOutputs:
    """The outputs of all workspaces. Implements `service.delivery.outputs.Outputs`."""

    def __init__(
        self,
        store: Store,
        catalogues: Catalogues,
        writing: Writing,
        clock: Callable[[], int],
        keys: SecretKeys | None = None,
    ) -> None:
        """Seal confidential settings with `keys`; without any they lie plain, as a server's own secrets do then."""
        self._store = store
        self._catalogues = catalogues
        self._writing = writing
        self._clock = clock
        self._keys = keys

    async def create(
        self,
        workspace: int,
        name: str,
        destination: str,
        settings: Mapping[str, Any],
        erasures: Mapping[str, Any] | None = None,
    ) -> int | tuple[Fault, ...]:
        """Set an output up; return its id, or what is wrong. `erasures` is what it gets of whoever asks to be erased, None for nothing.

        Raises:
            StoreError: the store does not do it.
        """
        kind = self._catalogues.destinations.get(destination)
        if kind is None:
            known = ", ".join(sorted(self._catalogues.destinations))
            return (Fault("/destination", f"there is no such kind of output; there are {known}"),)
        faults = [*_name_faults(name), *output_faults(kind, settings), *_erasure_faults(kind, erasures)]
        if faults:
            return tuple(faults)
        document = self._document(OutputDocument(name, destination, self._clock()), kind, settings)
        document = msgspec.structs.replace(document, erasures=msgspec.Raw(msgspec.json.encode(erasures)))

        def make(catalogue: Catalogue, _: int) -> OutputDocument | tuple[Fault, ...]:
            there = [one for one in catalogue.outputs.values() if one.workspace == workspace]
            if sum(not one.document.is_deleted for one in there) >= OUTPUTS_MAX:
                return (Fault("", f"a workspace has at most {OUTPUTS_MAX} outputs"),)
            return document

        return await self._writing.add(DocumentKind.OUTPUT, workspace, make)

    async def change(
        self, output: int, name: str, settings: Mapping[str, Any], erasures: Mapping[str, Any] | None = None
    ) -> tuple[Fault, ...] | None:
        """Set an output up anew; confidential settings that are not given stay. Returns what is wrong, None if it is done.

        Raises:
            LookupError: there is none.
            StoreError: the store does not do it.
        """

        def make(_: Catalogue, stored: StoredDocument) -> OutputDocument | tuple[Fault, ...]:
            before = output_from(stored.document)
            kind = self._catalogues.destinations[before.destination]
            after = {**self._hidden(before), **settings}
            faults = [*_name_faults(name), *output_faults(kind, after), *_erasure_faults(kind, erasures)]
            said = msgspec.Raw(msgspec.json.encode(erasures))
            return tuple(faults) or self._document(
                msgspec.structs.replace(before, name=name, erasures=said), kind, after
            )

        return await self._writing.change(DocumentKind.OUTPUT, output, make)

    def _hidden(self, document: OutputDocument) -> Mapping[str, str | int | bool]:
        """Open the confidential settings of an output."""
        if document.sealed is not None and self._keys is not None:
            return settings_from(self._keys.open(_SEALED_AS, document.sealed))
        return document.plain

    def _document(self, document: OutputDocument, kind: Destination, settings: Mapping[str, Any]) -> OutputDocument:
        confidential = {one.name for one in kind.settings if one.confidential}
        shown = {name: value for name, value in settings.items() if name not in confidential}
        hidden = {name: value for name, value in settings.items() if name in confidential}
        sealed = self._keys.seal(_SEALED_AS, settings_bytes(hidden)) if self._keys and hidden else None
        return msgspec.structs.replace(
            document, settings=shown, sealed=sealed, plain={} if sealed is not None else hidden
        )

    def known(self, workspace: int) -> Sequence[KnownOutput]:
        """Return the outputs that a workspace has."""
        return [
            one
            for one in self._catalogues.now.outputs.values()
            if one.workspace == workspace and not one.document.is_deleted
        ]

    async def delete(self, output: int) -> None:
        """Take an output away: what waits is dropped, and its connections are gone with it.

        Raises:
            LookupError: there is none.
            StoreError: the store does not do it.
        """
        await self._changed(output, lambda document: msgspec.structs.replace(document, is_deleted=True))

    async def output(self, output: int) -> Output | None:
        """Return an output as it is now, its settings opened."""
        known = (await self._catalogues.refresh()).outputs.get(output)
        if known is None or known.document.is_deleted:
            return None
        document = known.document
        kind = self._catalogues.destinations.get(document.destination)
        if kind is None:
            return None
        settings = with_defaults(kind.settings, {**document.settings, **self._hidden(document)})
        return Output(kind, settings, document.state, known.version, document.why)

    async def said_places(self, workspace: int, name: str, surroundings: Surroundings) -> KeptPlaces | Fault | None:
        """Ask the destination of an output which identities it takes; None if it is none that says so itself.

        Raises:
            StoreError: the store does not answer.
        """
        known = output_named(await self._catalogues.refresh(), workspace, name)
        output = None if known is None else await self.output(known.id)
        if output is None or output.destination.ask_places is None:
            return None
        said = await output.destination.ask_places(output.settings, surroundings)
        if isinstance(said, AskedPlaces):
            return kept_places(said)
        return Fault("/output", f"its destination does not say which identities it takes: {said.detail}")

    async def settings_of(self, connection: int) -> Settings | None:
        """Return the settings of a connection, with what its destination wanted kept."""
        catalogue = await self._catalogues.refresh()
        known = catalogue.connections.get(connection) or catalogue.forwarding.get(connection)
        if known is None:
            return None
        kept = await self._store.kept(f"{_KEPT_AS}{connection}")
        return {**known.asked.settings, **({} if kept is None else settings_from(kept))}

    async def keep(self, connection: int, kept: Settings) -> None:
        """Keep what a destination wants to have with each later message of a connection."""

        def with_it(before: bytes | None) -> bytes:
            return settings_bytes({**({} if before is None else settings_from(before)), **kept})

        await rewrite(self._store, f"{_KEPT_AS}{connection}", with_it)

    async def fault(self, output: int, version: int, why: str) -> None:
        """Stop an output until it is resumed, and say why."""

        def make(_: Catalogue, stored: StoredDocument) -> OutputDocument | str:
            document = output_from(stored.document)
            if stored.version != version or document.state is not OutputState.ACTIVE:
                return "changed"
            return msgspec.structs.replace(document, state=OutputState.FAULTED, why=why)

        await self._writing.change(DocumentKind.OUTPUT, output, make)

    async def pause(self, output: int) -> bool:
        """Stop an output until it is resumed."""
        return await self._set(output, OutputState.PAUSED)

    async def resume(self, output: int) -> bool:
        """Let an output that is paused or faulted be sent to again."""
        return await self._set(output, OutputState.ACTIVE)

    async def _set(self, output: int, state: OutputState) -> bool:
        known = (await self._catalogues.refresh()).outputs.get(output)
        if known is None or known.document.is_deleted:
            return False
        await self._changed(output, lambda document: msgspec.structs.replace(document, state=state, why=None))
        return True

    async def _changed(self, output: int, change: Callable[[OutputDocument], OutputDocument]) -> None:
        def make(_: Catalogue, stored: StoredDocument) -> OutputDocument:
            return change(output_from(stored.document))

        await self._writing.change(DocumentKind.OUTPUT, output, make)


def output_named(catalogue: Catalogue, workspace: int, name: str) -> KnownOutput | None:
    """Return an output by its id or its name."""
    for one in catalogue.outputs.values():
        if one.workspace == workspace and not one.document.is_deleted and name in (str(one.id), one.document.name):
            return one
    return None


def _erasure_faults(kind: Destination, erasures: Mapping[str, Any] | None) -> Sequence[Fault]:
    """Say what is wrong with what an output gets of whoever asks to be erased."""
    if erasures is None:
        return ()
    if ErasureMessage not in kind.takes:
        return (Fault("/erasures", "such a destination is not told of erasures"),)
    asked = read_connection({"output": "0", **erasures})
    faults = asked if isinstance(asked, tuple) else rule_or_faults(asked.wish, kind)
    return [one._replace(place=f"/erasures{one.place}") for one in faults] if isinstance(faults, tuple) else ()


def _name_faults(name: str) -> Sequence[Fault]:
    if 1 <= len(name) <= NAME_CHARACTERS_MAX:
        return ()
    return (Fault("/name", f"a name has 1 to {NAME_CHARACTERS_MAX} characters"),)
