"""Begins a request and completes it, and does nothing in between: the shortest work there can be."""

from collections.abc import Callable

import msgspec

from knownas.core.privacy.evidence import Happening, Step
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_request_form import KeptRequest, kept_request
from knownas.service.privacy.subject_requests import rewritten
from knownas.store.privacy import PrivacyStore, StoredRequest


class Answering:
    """A work that only takes a request through its states."""

    def __init__(self, store: PrivacyStore, clock: Callable[[], int]) -> None:
        self._evidence = Evidence(store)
        self._store = store
        self._clock = clock

    async def carry_out(self, row: StoredRequest) -> None:
        """Begin a due request and complete it; one that was taken back meanwhile stays as it is.

        Raises:
            StoreError: the store could not do it; it goes on with the step that was not kept.
        """
        begun = await self._step(row, Step.STARTED)
        if begun is not None:
            await self._step(begun, Step.COMPLETED)

    async def _step(self, row: StoredRequest, step: Step) -> StoredRequest | None:
        """Take a request one step on; returns the row as it is then, None if it is not as it was when it was loaded."""
        kept, at_ms = kept_request(row), self._clock()
        request = kept.request.begin(at_ms) if step is Step.STARTED else kept.request.complete(at_ms)
        if request == kept.request:
            return row
        after: KeptRequest = msgspec.structs.replace(kept, request=request)
        change = rewritten(row, after)
        facts = {"type": request.type.value, "workspace": request.workspace}
        is_kept = await self._evidence.write([Happening(at_ms, row.request_id, step, facts)], change)
        return change.requests[0].request if is_kept else None
