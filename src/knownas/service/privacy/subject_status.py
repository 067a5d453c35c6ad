"""Says what has become of a data subject's request: to whoever asks, and to whoever is to be told (platform §5.3, §5.4)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from knownas.core.identity.document import Document
from knownas.core.privacy.request import DAY_MS, RequestState, RequestType, SubjectRequest
from knownas.service.erasure.bulk_deletion_form import is_deletion
from knownas.service.identity.receipts import rfc3339
from knownas.service.privacy.subject_request_form import kept_request
from knownas.store.errors import StoreDamaged
from knownas.store.privacy import Delivery, PrivacyCommit, RequestWrite

RESULTS_DAYS: Final = 7
"""Days for which the results of a request can be fetched after it was completed; platform §5.3."""

_RANKS: Final = {
    RequestState.PENDING: 1,
    RequestState.IN_PROGRESS: 2,
    RequestState.COMPLETED: 3,
    RequestState.CANCELLED: 3,
}
"""The order in which a request goes through its states."""


class Callback(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody is to be told: that a request was in a state. `since_ms` is when it came into it, Unix milliseconds.

    `attempts` have failed by now.
    """

    url: str
    request_id: str
    workspace: int
    state: RequestState
    since_ms: int
    expected_ms: int | None
    has_results: bool = False
    api_version: str = "3.0"
    base_url: str = ""
    attempts: int = 0


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Callback)


def results_url(base_url: str, request_id: str) -> str:
    """Return where the results of a request are fetched."""
    return f"{base_url}/v3/requests/{request_id}/results"


def has_results(request: SubjectRequest) -> bool:
    """Whether a request leads to something that can be fetched, for some days."""
    return request.state is RequestState.COMPLETED and request.type is not RequestType.ERASURE


def are_results_old(request: SubjectRequest, now_ms: int) -> bool:
    """Whether results can't be fetched any more (platform §5.2, 410)."""
    return request.ended_ms is not None and now_ms >= request.ended_ms + RESULTS_DAYS * DAY_MS


def status_document(request: SubjectRequest, base_url: str, now_ms: int) -> Document:
    """Say what has become of a request. No erasure is forwarded to partners yet, so `extensions` is null (platform §5.3)."""
    fetched = has_results(request) and not are_results_old(request, now_ms)
    return {
        "controller_id": str(request.workspace),
        "expected_completion_time": _time(request.expected_ms),
        "subject_request_id": request.request_id,
        "group_id": request.group,
        "request_status": request.state.value,
        "api_version": request.api_version,
        "results_url": results_url(base_url, request.request_id) if fetched else None,
        "extensions": None,
    }


def callback_document(callback: Callback, base_url: str) -> Document:
    """Say the same to somebody who is called. Without a `base_url` it can't be said where results are (platform §5.4)."""
    base_url = base_url or callback.base_url
    fetched = callback.has_results and base_url
    return {
        "controller_id": str(callback.workspace),
        "expected_completion_time": _time(callback.expected_ms),
        "status_callback_url": callback.url,
        "subject_request_id": callback.request_id,
        "request_status": callback.state.value,
        "api_version": callback.api_version,
        "results_url": results_url(base_url, callback.request_id) if fetched else None,
        "extensions": None,
    }


def announced(change: PrivacyCommit) -> PrivacyCommit:
    """Return a change with a delivery for everybody who is to be told that a request has come into another state.

    So whoever writes a request can't forget them, and they are kept or lost together with it.

    Raises:
        StoreDamaged: what is written is no request.
    """
    new = [one for write in change.requests if not is_deletion(write.request) for one in _deliveries(write)]
    return replace(change, deliveries=[*change.deliveries, *new]) if new else change


def _deliveries(write: RequestWrite) -> Iterator[Delivery]:
    after = kept_request(write.request).request
    # A request that has ended says no longer who is to be told.
    before = None if write.before is None else kept_request(write.request._replace(document=write.before)).request
    if before is not None and before.state is after.state:
        return
    since_ms = _since_ms(after)
    for number, url in enumerate((after if before is None else before).callbacks):
        callback = Callback(
            url,
            after.request_id,
            after.workspace,
            after.state,
            since_ms,
            after.expected_ms,
            has_results(after),
            after.api_version,
            after.base_url,
        )
        delivery_id = f"{after.request_id}/{_RANKS[after.state]}/{number}"
        yield Delivery(delivery_id, after.request_id, since_ms, callback_bytes(callback))


def _since_ms(request: SubjectRequest) -> int:
    return max(filter(None, (request.received_ms, request.begun_ms, request.ended_ms)), default=0)


def callback_bytes(callback: Callback) -> bytes:
    """Write down what somebody is to be told."""
    return _ENCODER.encode(callback)


def callback_from(delivery: Delivery) -> Callback:
    """Read what was written down.

    Raises:
        StoreDamaged: it is no callback.
    """
    try:
        return _DECODER.decode(delivery.document)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not a callback: {error}") from error


def in_order(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return deliveries of a request in the order in which it went through its states."""
    return sorted(deliveries, key=lambda one: one.delivery_id)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
