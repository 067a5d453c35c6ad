"""Writes down what is kept of a batch, and reads it back: everything that it said, so that it can be folded again.

These kinds of documents stand among the kept events of a section. A *batch*, whole, with how it came to its profile. A *copy*
of a batch's events that an alias request made. The *mark* of an alias request that was carried out, among those of its
destination, and a sign of it among those of its source. A *remainder*: what was known in a section when it was first sorted anew and no kept batch explained. Batches
that were kept by an earlier version have their events only.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Channel, Event, EventBatch
from knownas.store.user_data import EventsWrite, SectionKey

TIME_MS_MAX: Final = 2**62
"""Later than any event."""

_Consent = tuple[Regulation, str, bool, int, str | None, str | None, str | None]


class Placing(NamedTuple):
    """How a batch came to its profile: through which input, and by which decision, under which version of the policy."""

    input_key: str = ""
    decision_id: str | None = None
    policy_version: int = 0


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a batch said beside its events, and how it came to its profile.

    `judged` and `stands_for`: that profile is not the one by which the history explains it (`service.belonging`). Where it says
    `judged`, this batch is about `stands_for`.
    """

    channel: Channel
    named: int | None = None
    identities: tuple[Identity, ...] = ()
    attributes: dict[str, AttributeValue | None] = {}
    consents: tuple[_Consent, ...] = ()
    device: Device | None = None
    attribution: Attribution | None = None
    is_historical: bool = False
    repeated: dict[str, AttributeValue] | None = None
    input_key: str = ""
    decision_id: str | None = None
    policy_version: int = 0
    judged: int | None = None
    stands_for: int | None = None


class AliasMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alias request that was carried out: from which profile, and when those were seen of whom nothing was known.

    An end is lost while nobody answers for its profile.
    """

    request_id: str
    source: int
    source_seen_ms: tuple[int, int]
    destination_seen_ms: tuple[int, int]
    is_source_lost: bool = False
    is_destination_lost: bool = False


_NOTHING: Final = b"null"


class Remainder(msgspec.Struct, frozen=True, omit_defaults=True):
    """What no batch explained of a section: a section's document, `null` for nothing. `is_all`: nothing else was known then."""

    # A decoder of msgspec takes nothing but null for what may be raw or None.
    section: msgspec.Raw = msgspec.Raw(_NOTHING)
    is_all: bool = False

    @property
    def document(self) -> bytes | None:
        """The section's document; None for nothing."""
        text = bytes(self.section)
        return None if text == _NOTHING else text


def remainder_of(section: bytes | None, *, is_all: bool = False) -> Remainder:
    """Make a remainder of a section's document, None for nothing."""
    return Remainder(msgspec.Raw(_NOTHING if section is None else section), is_all)


class KeptEvent(msgspec.Struct, frozen=True):
    """One event of a kept document. What it says is passed on byte by byte."""

    type: str
    at_ms: int
    message_id: str | None
    data: msgspec.Raw


class KeptBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept; see the module. In a copy `alias_of` names the profile and `of` the batch that they are copied from.

    `alias` is the request of a copy, and of a sign.
    `is_aside` says that it counts for nobody, as long as what was taken back does not count.
    """

    stamp: str | None
    platform: str | None
    input: str
    events: list[KeptEvent]
    alias_of: str | None = None
    said: Said | None = None
    alias: str | None = None
    of: int = 0
    mark: AliasMark | None = None
    remainder: Remainder | None = None
    is_aside: bool = False


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(KeptBatch)
_DATA: Final = msgspec.json.Decoder(dict[str, Any])


def batch_document(batch: EventBatch, placing: Placing | None = None) -> bytes:
    """Write a batch down for a store, as it was sent and as it was placed."""
    device, placed = batch.device, placing or Placing()
    said = Said(
        batch.channel,
        batch.mpid,
        batch.identities,
        dict(batch.attributes),
        tuple(_consent(purpose, consent) for purpose, consent in batch.consents),
        device,
        batch.attribution,
        batch.is_historical,
        None if batch.repeated is None else dict(batch.repeated),
        placed.input_key,
        placed.decision_id,
        placed.policy_version,
    )
    events = [
        {"type": one.type, "at_ms": one.at_ms, "message_id": one.message_id, "data": one.data} for one in batch.events
    ]
    stamp, platform = (None, None) if device is None else (device.stamp, device.platform)
    return _ENCODER.encode({"stamp": stamp, "platform": platform, "input": batch.input, "events": events, "said": said})


def _consent(purpose: Purpose, consent: Consent) -> _Consent:
    consented, at_ms, document, location, hardware_id = consent
    return purpose.regulation, purpose.name, consented, at_ms, document, location, hardware_id


def batch_write(key: SectionKey, batch: EventBatch, placing: Placing | None = None) -> EventsWrite:
    """Return the write that keeps a batch; one without events happened when it came."""
    times = [event.at_ms for event in batch.events] or [batch.at_ms]
    return EventsWrite(key, batch.at_ms, min(times), max(times), batch_document(batch, placing))


def kept_from(document: bytes) -> KeptBatch:
    """Read what a store kept."""
    return _DECODER.decode(document)


def kept_document(kept: KeptBatch) -> bytes:
    """Write down again what was read."""
    return _ENCODER.encode(kept)


def batch_from(key: SectionKey, at_ms: int, kept: KeptBatch) -> EventBatch | None:
    """Return a batch that came at a time as it was when it was kept; None for anything else than a whole batch."""
    said = kept.said
    if said is None:
        return None
    consents = tuple(
        (Purpose(regulation, name), Consent(consented, at_ms, document, location, hardware_id))
        for regulation, name, consented, at_ms, document, location, hardware_id in said.consents
    )
    events = tuple(Event(one.type, one.at_ms, one.message_id, _DATA.decode(one.data)) for one in kept.events)
    return EventBatch(
        Environment(key.environment),
        at_ms,
        kept.input,
        said.channel,
        mpid=said.named,
        identities=said.identities,
        attributes=said.attributes,
        consents=consents,
        device=said.device,
        attribution=said.attribution,
        events=events,
        is_historical=said.is_historical,
        repeated=said.repeated,
    )


def shown_document(document: bytes) -> Mapping[str, Any] | None:
    """Return the events of a kept document as our own API shows them; None if there are none that count."""
    kept = kept_from(document)
    if kept.is_aside or not kept.events:
        return None
    shown: dict[str, Any] = {"stamp": kept.stamp, "platform": kept.platform, "input": kept.input}
    shown["events"] = [
        {"type": one.type, "at_ms": one.at_ms, "message_id": one.message_id, "data": _DATA.decode(one.data)}
        for one in kept.events
    ]
    return shown if kept.alias_of is None else {**shown, "alias_of": kept.alias_of}
