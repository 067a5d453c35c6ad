"""Holds what can become of a batch of events, and writes it down so that its sender can look it up (platform §15.3)."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, assert_never

import msgspec

from knownas.core.limits import ATTRIBUTES_MAX, CONSENT_PURPOSES_MAX
from knownas.core.profile.consent import Purpose
from knownas.core.profile.event import EventBatch
from knownas.service.identity.receipts import rfc3339
from knownas.service.security.directory import Door
from knownas.store.user_data import BatchReceipt, UserDataStore

NAMED_SHOWN_MAX: Final = 100
"""Receipts shown for one sender's id, which any number of inputs may have used."""

_ENCODER: Final = msgspec.json.Encoder()


class Kept(NamedTuple):
    """The batch is kept on a profile. `repeated_events` were taken before and not again.

    New attributes and purposes of consent that the profile had no room for were left out.
    """

    mpid: int
    created: bool
    events: int
    repeated_events: int
    attributes_left_out: tuple[str, ...] = ()
    consents_left_out: tuple[Purpose, ...] = ()


class Rejected(NamedTuple):
    """The batch was refused as a whole: a stable code and a sentence."""

    reason: str
    sentence: str


class Repeated(NamedTuple):
    """A batch was kept before under the same id of its sender; its receipt stands."""


Outcome = Kept | Rejected | Repeated


class _KeptPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is written of a batch that was kept."""

    mpid: str
    profile: str
    events: int
    repeated_events: int = 0
    attributes: Sequence[str] = ()
    consents: Sequence[str] = ()
    device: bool = False
    attributes_left_out: Sequence[str] = ()
    consents_left_out: Sequence[str] = ()


class _Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is written of a batch, beside what its receipt's row tells already."""

    scope: str
    workspace: int
    environment: str
    input: str
    channel: str
    decision_id: str | None = None
    source_request_id: str | None = None
    notes: tuple[str, ...] = ()
    kept: _KeptPart | None = None
    refused: tuple[str, str] | None = None


_DECODER: Final = msgspec.json.Decoder(_Document)


def receipt_document(door: Door, batch: EventBatch, outcome: Outcome, decision_id: str | None) -> bytes:
    """Write down what became of a batch. Values of identities and attributes are not in it, only their names."""
    kept, refused = None, None
    match outcome:
        case Kept():
            kept = _kept_part(batch, outcome)
        case Rejected():
            refused = (outcome.reason, outcome.sentence)
        case Repeated():
            pass
        case _:
            assert_never(outcome)
    return _ENCODER.encode(
        _Document(
            door.rules.scope,
            door.workspace.id,
            batch.environment,
            batch.input,
            batch.channel,
            decision_id,
            batch.source_request_id,
            batch.notes,
            kept,
            refused,
        )
    )


def _kept_part(batch: EventBatch, kept: Kept) -> _KeptPart:
    attributes: Sequence[str] = ()
    if batch.attributes and not batch.channel.is_client:
        attributes = sorted(batch.attributes)
        if kept.attributes_left_out:
            attributes = [name for name in attributes if name not in kept.attributes_left_out]
    consents: Sequence[str] = ()
    if batch.consents:
        left_out = set(kept.consents_left_out)
        consents = [_purpose_name(purpose) for purpose, _ in batch.consents if purpose not in left_out]
    return _KeptPart(
        str(kept.mpid),
        "created" if kept.created else "named" if batch.mpid is not None else "found",
        kept.events,
        kept.repeated_events,
        attributes,
        consents,
        batch.device is not None,
        kept.attributes_left_out,
        [_purpose_name(one) for one in kept.consents_left_out],
    )


def _purpose_name(purpose: Purpose) -> str:
    return f"{purpose.regulation.value}/{purpose.name}"


def _shown(receipt: BatchReceipt) -> dict[str, Any]:
    """Show a receipt the way the API answers it (design §7)."""
    written = _DECODER.decode(receipt.document)
    shown: dict[str, Any] = {
        "receipt_id": receipt.receipt_id,
        "source_request_id": written.source_request_id,
        "at": rfc3339(receipt.at_ms),
        "scope": written.scope,
        "workspace": written.workspace,
        "environment": written.environment,
        "input": written.input,
        "channel": written.channel,
        "decision_id": written.decision_id,
    }
    notes = list(written.notes)
    if written.kept is not None:
        kept = written.kept
        left_out = {"attributes": list(kept.attributes_left_out), "consents": list(kept.consents_left_out)}
        shown |= {"outcome": "kept", **msgspec.structs.asdict(kept), "left_out": left_out}
        del shown["attributes_left_out"], shown["consents_left_out"]
        notes += _left_out_notes(kept)
    elif written.refused is not None:
        reason, sentence = written.refused
        shown |= {"outcome": "refused", "reason": reason, "sentence": sentence}
    else:
        shown |= {"outcome": "repeated"}
    return {**shown, "notes": notes}


def _left_out_notes(kept: _KeptPart) -> Iterator[str]:
    """Say why something was left out."""
    if kept.attributes_left_out:
        yield f"left_out.attributes: the profile has {ATTRIBUTES_MAX} attributes, which is as many as it may have"
    if kept.consents_left_out:
        yield f"left_out.consents: the profile has {CONSENT_PURPOSES_MAX} purposes, which is as many as it may have"


class BatchReceipts:
    """Finds what became of batches."""

    def __init__(self, store: UserDataStore) -> None:
        self._store = store

    async def show(self, receipt_id: str) -> dict[str, Any] | None:
        """Return a receipt by our id."""
        found = await self._store.receipt(receipt_id)
        return None if found is None else _shown(found)

    async def named(self, request_id: str) -> Sequence[dict[str, Any]]:
        """Return for each input that used a sender's id the receipt that the id stands for, the newest first.

        That is the batch which was kept under it; before there is one, the one that was refused last.
        """
        found = await self._store.receipts_named(request_id, NAMED_SHOWN_MAX)
        return [_shown(one) for one in found]
