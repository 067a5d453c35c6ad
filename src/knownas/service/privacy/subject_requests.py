"""Takes the requests of data subjects that controllers send, shows them, and takes them back (platform §5.1 to §5.5)."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from knownas.core.privacy.evidence import Fact, Happening, Step
from knownas.core.privacy.request import (
    CantBe,
    Regulation,
    RequestState,
    RequestType,
    Subject,
    SubjectRequest,
    due,
)
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.calling import Calling
from knownas.service.privacy.limits import SUBJECT_REQUEST_ATTEMPTS_MAX
from knownas.service.privacy.subject_request_form import KeptRequest, kept_request, stored
from knownas.service.retrying import pause_before_retry
from knownas.service.security.directory import Place
from knownas.store.errors import StoreBusy
from knownas.store.privacy import PrivacyCommit, PrivacyStore, RequestWrite, StoredRequest

GROUP_REQUESTS_MAX: Final = 150
"""Requests of a group that are shown; platform §5.1."""

VERIFIED_BY: Final = "workspace_key"
"""How it is known who asks: the request came with the key and the secret of the workspace."""

VERIFIED_AT_CONSOLE: Final = "console"
"""How it is known who asks: somebody who may work at the privacy desk has entered the request, and answers for it."""


class GivenRequest(msgspec.Struct, frozen=True):
    """A request as it was understood. `submitted_ms` is Unix milliseconds.

    `api_version` and `base_url` are by which version of OpenDSR it was asked, and at which address of the server.
    """

    request_id: str
    regulation: Regulation
    type: RequestType
    subject: Subject
    submitted_ms: int
    group: str | None
    callbacks: tuple[str, ...]
    skips_waiting: bool
    api_version: str = "3.0"
    base_url: str = ""


class Taken(NamedTuple):
    """The request is durable."""

    request: SubjectRequest


class AlreadyExists(NamedTuple):
    """There is a request with this id; nothing has changed."""


class InProgress(NamedTuple):
    """Another request asks for the same of the same person, and has not ended; nothing has changed."""


class NotCalled(NamedTuple):
    """The request names somebody for being told who is not called; nothing has changed."""

    url: str


class Cancelled(NamedTuple):
    """The request is taken back."""

    request: SubjectRequest


class NotPending(NamedTuple):
    """The request does not wait any more, so it can't be taken back."""

    state: RequestState


class Unknown(NamedTuple):
    """The workspace has no request with this id."""


class SubjectRequests:
    """The requests of data subjects over one store."""

    def __init__(
        self, store: PrivacyStore, evidence: Evidence, calling: Calling, changed: Callable[[], None] = lambda: None
    ) -> None:
        """Keep requests in a store. `changed` is called after each change, for those who have something to do then."""
        self._store = store
        self._evidence = evidence
        self._calling = calling
        self._changed = changed

    async def take(
        self, place: Place, given: GivenRequest, now_ms: int, by: str = VERIFIED_BY
    ) -> Taken | AlreadyExists | InProgress | NotCalled:
        """Take a request; it is durable, with who is to be told of it, when this returns. `by` is how it is known who asks.

        Raises:
            StoreError: the store could not keep it.
        """
        for url in given.callbacks:
            if not self._calling.allows(url):
                return NotCalled(url)
        if await self._store.request(given.request_id) is not None:
            return AlreadyExists()
        request = _received(place, given, now_ms)
        write = RequestWrite(stored(KeptRequest(request)), None)
        if not await self._evidence.write(_of_receipt(given, request, by), PrivacyCommit(requests=[write])):
            return AlreadyExists() if await self._store.request(given.request_id) is not None else InProgress()
        self._changed()
        return Taken(request)

    async def find(self, place: Place, request_id: str) -> KeptRequest | None:
        """Return a request of a workspace.

        Raises:
            StoreError: the store does not answer, or what it keeps is no request (StoreDamaged).
        """
        row = await self._store.request(request_id)
        return None if row is None or row.workspace != place.workspace.id else kept_request(row)

    async def group(self, place: Place, group: str) -> Sequence[KeptRequest]:
        """Return the requests of a workspace's group, the newest first.

        Raises:
            StoreError: the store does not answer, or what it keeps is no request (StoreDamaged).
        """
        rows = await self._store.requests_in(place.workspace.id, group, GROUP_REQUESTS_MAX)
        return [kept_request(row) for row in rows]

    async def cancel(
        self, place: Place, request_id: str, now_ms: int, by: str = VERIFIED_BY
    ) -> Cancelled | NotPending | Unknown:
        """Take a request back, as long as it waits. `by` is how it is known who asks.

        Raises:
            StoreError: the store could not do it, or others were faster every time.
        """
        for attempt in range(SUBJECT_REQUEST_ATTEMPTS_MAX):
            row = await self._store.request(request_id)
            if row is None or row.workspace != place.workspace.id:
                return Unknown()
            kept = kept_request(row)
            try:
                cancelled = kept.request.cancel(now_ms)
            except CantBe:
                return NotPending(kept.request.state)
            facts: dict[str, Fact] = {"workspace": row.workspace, "by": by}
            happening = Happening(now_ms, request_id, Step.CANCELLED, facts)
            if await self._evidence.write(
                [happening], rewritten(row, msgspec.structs.replace(kept, request=cancelled))
            ):
                self._changed()
                return Cancelled(cancelled)
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {SUBJECT_REQUEST_ATTEMPTS_MAX} times")


def rewritten(row: StoredRequest, kept: KeptRequest) -> PrivacyCommit:
    """Return the commit in which a row that was loaded says something else."""
    return PrivacyCommit(requests=[RequestWrite(stored(kept), row.document)])


def _received(place: Place, given: GivenRequest, now_ms: int) -> SubjectRequest:
    waiting = place.workspace.settings.privacy.waiting
    return SubjectRequest(
        given.request_id,
        place.workspace.id,
        given.regulation,
        given.type,
        given.subject,
        given.submitted_ms,
        now_ms,
        due(given.type, now_ms, waiting, skips_waiting=given.skips_waiting),
        given.group,
        tuple(dict.fromkeys(given.callbacks)),
        api_version=given.api_version,
        base_url=given.base_url,
    )


def _of_receipt(given: GivenRequest, request: SubjectRequest, by: str) -> list[Happening]:
    """Say what was asked and how it was verified who asks; of whom, only in how many ways that was said."""
    asked: dict[str, Fact] = {
        "type": request.type.value,
        "regulation": request.regulation.value,
        "workspace": request.workspace,
        "identities": len(request.subject.identities),
        "by_mpid": bool(request.subject.named),
        **({"mpids": len(request.subject.mpids)} if request.subject.mpids else {}),
        "submitted_ms": request.submitted_ms,
        "due_ms": request.due_ms,
        "skip_waiting_period": given.skips_waiting,
        "callbacks": len(request.callbacks),
        "api_version": given.api_version,
    }
    verified: dict[str, Fact] = {"by": by, "workspace": request.workspace}
    at_ms, request_id = request.received_ms, request.request_id
    return [
        Happening(at_ms, request_id, Step.RECEIVED, asked),
        Happening(at_ms, request_id, Step.VERIFIED, verified),
    ]
