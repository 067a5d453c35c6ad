"""Writes audiences, outputs, connections and kinds of groups as documents, each under a number of its own, while others write as well."""

from collections.abc import Callable
from typing import Final, TypeVar

from knownas.service.audience.catalogue import Catalogue, Catalogues
from knownas.service.audience.documents import (
    AudienceDocument,
    ConnectionDocument,
    Document,
    ForwardingDocument,
    GroupDocument,
    OutputDocument,
    document_bytes,
)
from knownas.service.audience.limits import DOCUMENT_ATTEMPTS_MAX
from knownas.service.retrying import pause_before_retry
from knownas.store.audiences import AudienceStore, DocumentKind, StoredDocument
from knownas.store.errors import StoreBusy

_Refused = TypeVar("_Refused")
_DOCUMENTS: Final = (AudienceDocument, OutputDocument, ConnectionDocument, ForwardingDocument, GroupDocument)


class Writing:
    """Writes documents over one store."""

    def __init__(self, store: AudienceStore, catalogues: Catalogues) -> None:
        self._store = store
        self._catalogues = catalogues

    async def add(
        self, kind: DocumentKind, workspace: int, make: Callable[[Catalogue, int], Document | _Refused]
    ) -> int | _Refused:
        """Write a new document, made for what there is now and the number that it gets; return that number, or why it can't be.

        Raises:
            StoreError: the store does not do it.
        """
        for attempt in range(DOCUMENT_ATTEMPTS_MAX):
            catalogue = await self._catalogues.refresh()
            taken = [one.number for one in await self._store.documents() if one.kind is kind]
            number = max(taken, default=0) + 1
            made = make(catalogue, number)
            if not isinstance(made, _DOCUMENTS):
                return made
            new = StoredDocument(kind, number, workspace, 0, document_bytes(made))
            if await self._store.write_document(new, None):
                await self._catalogues.refresh()
                return number
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {DOCUMENT_ATTEMPTS_MAX} times")

    async def change(
        self, kind: DocumentKind, number: int, make: Callable[[Catalogue, StoredDocument], Document | _Refused]
    ) -> _Refused | None:
        """Write a document anew, made of what it says now. Returns why it can't be; None if it is written.

        Raises:
            LookupError: there is no such document.
            StoreError: the store does not do it.
        """
        for attempt in range(DOCUMENT_ATTEMPTS_MAX):
            catalogue = await self._catalogues.refresh()
            stored = {(one.kind, one.number): one for one in await self._store.documents()}[kind, number]
            made = make(catalogue, stored)
            if not isinstance(made, _DOCUMENTS):
                return made
            if await self._store.write_document(stored._replace(document=document_bytes(made)), stored.version):
                await self._catalogues.refresh()
                return None
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {DOCUMENT_ATTEMPTS_MAX} times")
