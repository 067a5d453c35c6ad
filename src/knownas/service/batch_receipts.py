"""Holds what can become of a batch of events, and writes it down so that its sender can look it up (platform §15.3)."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, assert_never

import msgspec

from knownas.core.profile.event import EventBatch
from knownas.service.directory import Door
from knownas.service.receipts import rfc3339
from knownas.store.user_data import UserDataStore

NAMED_SHOWN_MAX: Final = 100
"""Receipts shown for one sender's id, which any number of inputs may have used."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])


class Kept(NamedTuple):
    """The batch is kept on a profile. `repeated_events` were taken before and not again."""

    mpid: int
    created: bool
    events: int
    repeated_events: int


class Rejected(NamedTuple):
    """The batch was refused as a whole: a stable code and a sentence."""

    reason: str
    sentence: str


class Repeated(NamedTuple):
    """The batch was taken before, under the same id of its sender; its first receipt stands."""


Outcome = Kept | Rejected | Repeated


def receipt_document(
    receipt_id: str, door: Door, batch: EventBatch, outcome: Outcome, decision_id: str | None
) -> bytes:
    """Write down what became of a batch. Values of identities and attributes are not in it, only their names."""
    document: dict[str, Any] = {
        "receipt_id": receipt_id,
        "source_request_id": batch.source_request_id,
        "at": rfc3339(batch.at_ms),
        "scope": door.rules.scope,
        "workspace": door.workspace.id,
        "environment": batch.environment.value,
        "input": batch.input,
        "channel": batch.channel.value,
        "decision_id": decision_id,
    }
    match outcome:
        case Kept(mpid, created, events, repeated):
            document |= {
                "outcome": "kept",
                "mpid": str(mpid),
                "profile": "created" if created else "named" if batch.mpid is not None else "found",
                "events": events,
                "repeated_events": repeated,
                "attributes": [] if batch.channel.is_client else sorted(batch.attributes),
                "consents": [f"{purpose.regulation.value}/{purpose.name}" for purpose, _ in batch.consents],
                "device": batch.device is not None,
            }
        case Rejected(reason, sentence):
            document |= {"outcome": "refused", "reason": reason, "sentence": sentence}
        case Repeated():
            document |= {"outcome": "repeated"}
        case _:
            assert_never(outcome)
    document["notes"] = list(batch.notes)
    return _ENCODER.encode(document)


class BatchReceipts:
    """Finds what became of batches."""

    def __init__(self, store: UserDataStore) -> None:
        self._store = store

    async def show(self, receipt_id: str) -> dict[str, Any] | None:
        """Return a receipt by our id."""
        found = await self._store.receipt(receipt_id)
        return None if found is None else _DECODER.decode(found.document)

    async def named(self, request_id: str) -> Sequence[dict[str, Any]]:
        """Return the receipts of batches with a sender's id, whichever input it was, the newest first."""
        found = await self._store.receipts_named(request_id, NAMED_SHOWN_MAX)
        return [_DECODER.decode(one.document) for one in found]
