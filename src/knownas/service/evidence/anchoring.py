"""Publishes the head of the evidence in the server's log, at most hourly and only when it has grown.

Logs go elsewhere: to other machines, to other people, into archives. A head in one of them is an anchor, against which
`knownas verify-evidence --anchor` holds a chain later. Of several processes over a database one does it.
"""

import logging
from collections.abc import Callable
from typing import Final

from knownas.service.evidence.certificates import Certificates
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.documents import HeadDocument, document_bytes
from knownas.service.repeating import Repeating
from knownas.service.turns import Turns
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0
"""The pause between two looks at the head."""

PUBLISH_EVERY_MS: Final = 3_600_000
"""The time from one line in the log to the next, over all processes and restarts."""

_TURN: Final = "evidence-anchor"


class Anchoring:
    """The job that publishes heads. One event loop, one of these."""

    def __init__(self, store: Store, evidence: Evidence, certificates: Certificates, clock: Callable[[], int]) -> None:
        self._evidence = evidence
        self._certificates = certificates
        self._clock = clock
        self._turns = Turns(store, clock)
        self._number = 0
        self._published_ms: int | None = None
        self._published: HeadDocument | None = None
        self._looking = Repeating(self.look, LOOK_SECONDS, log, "evidence", "the head is published later")

    @property
    def published(self) -> HeadDocument | None:
        """The head that this process has published last; None if it has published none, since another one did or nothing was new."""
        return self._published

    def start(self) -> None:
        """Look from now on, until it is closed."""
        self._looking.start()

    async def close(self) -> None:
        """Stop looking."""
        await self._looking.close()

    async def look(self) -> bool:
        """Publish the head if the chain has grown and it is time. Returns whether it did.

        Raises:
            StoreError: the store does not answer.
        """
        now_ms = self._clock()
        if self._published_ms is not None and now_ms - self._published_ms < PUBLISH_EVERY_MS:
            return False
        if (await self._evidence.head()).number <= self._number:
            return False
        if not await self._turns.take(_TURN, PUBLISH_EVERY_MS):
            return False
        head = await self._certificates.head()
        self._number, self._published_ms, self._published = head.head.number, now_ms, head
        # Not because anything is wrong: a server shows warnings, and this line has to be seen.
        log.warning("evidence: %s", document_bytes(head).decode())
        return True
