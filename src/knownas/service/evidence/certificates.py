"""Makes the certificate of a request that has ended: what became of it, for somebody who may know of no other request.

It is made anew each time, up to the head that the chain has then. It rests on the evidence alone, so there is one also when
the request itself was forgotten long ago.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from knownas.core.privacy.evidence import Entry, Step, head_of, link_of
from knownas.core.privacy.evidence_way import way
from knownas.service.evidence.chain import Evidence, entry_document
from knownas.service.evidence.documents import (
    CertificateDocument,
    HeadDocument,
    link_member,
    signed_certificate,
    signed_head,
)
from knownas.service.limits import EVIDENCE_OF_REQUEST_MAX
from knownas.service.privacy.processor import Processor

ENDS: Final = frozenset({Step.COMPLETED, Step.CANCELLED})
"""The steps with one of which a request ends."""


class TooManyEntries(Exception):
    """A request has more entries than a certificate can have."""


class Certificates:
    """The certificates of one server. `processor` returns who signs; `residencies` say where workspaces' data lie."""

    def __init__(
        self,
        evidence: Evidence,
        processor: Callable[[], Awaitable[Processor]],
        clock: Callable[[], int],
        residencies: Mapping[int, str],
    ) -> None:
        self._evidence: Final = evidence
        self._processor: Final = processor
        self._clock: Final = clock
        self._residencies: Final = residencies

    async def head(self) -> HeadDocument:
        """Return the head of the chain, signed now.

        Raises:
            StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
        """
        return signed_head(await self._evidence.head(), await self._processor(), self._clock())

    async def of_request(self, request_id: str, through: Collection[int] = ()) -> CertificateDocument | None:
        """Return the certificate of a request; None if nothing is known of it, or it has not ended.

        Its links lead `through` the entries with these numbers as well, so that it can be held against anchors.

        Raises:
            TooManyEntries: there is more to tell than `EVIDENCE_OF_REQUEST_MAX` entries.
            StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
        """
        own = await self._evidence.of_request(request_id)
        if not any(one.happening.step in ENDS for one in own):
            return None
        if len(own) >= EVIDENCE_OF_REQUEST_MAX:
            raise TooManyEntries(request_id)
        newest = await self._evidence.head()
        head, others = await self._others(own, newest.number, through)
        return signed_certificate(
            request_id,
            [entry_document(one) for one in own],
            [link_member(link_of(one)) for one in others],
            head_of(head),
            await self._processor(),
            self._clock(),
            self._residency(own),
        )

    async def _others(
        self, own: Sequence[Entry], newest: int, through: Collection[int]
    ) -> tuple[Entry, Sequence[Entry]]:
        """Return the entry at the head, and those on the way that are not the request's own."""
        numbers = {one.number for one in own}
        found = await self._evidence.numbered(set(way(newest, numbers | set(through))) - numbers)
        return max([*own, *found], key=lambda one: one.number), found

    def _residency(self, own: Sequence[Entry]) -> str | None:
        """Return where the data lie of the workspace that the evidence names: the request may be forgotten by now."""
        named = [one.happening.facts.get("workspace") for one in own]
        return next(
            (self._residencies[one] for one in named if isinstance(one, int) and one in self._residencies), None
        )
