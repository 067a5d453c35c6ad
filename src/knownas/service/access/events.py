"""Writes kept batches of events the way that they are handed out (platform §2.3), for the person whom they are about."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType, Surface, name_on
from knownas.core.profile.consent import Regulation
from knownas.core.profile.device import Device
from knownas.service.access.form import AttributionShown, EventShown, EventsLine, SourceInfo
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import ACCESS_BATCHES_A_READ
from knownas.service.privacy.subject_values import SubjectValues
from knownas.service.profile.kept_batches import TIME_MS_MAX, KeptBatch, Said, kept_from
from knownas.store.port import Store
from knownas.store.user_data import SectionKey, StoredEvents

SCHEMA_VERSION: Final = 2
"""What batches that are handed out say of their own form (platform §2.3)."""


async def events_of(store: Store, key: SectionKey, values: SubjectValues) -> AsyncIterator[EventsLine]:
    """Yield what is kept of a section's batches, in the order in which they came.

    What was taken back counts for nobody, and is not among them; neither is what is no batch.

    Raises:
        StoreError: the store does not answer.
    """
    after = 0
    while page := await store.user_data.events(
        key, from_ms=0, to_ms=TIME_MS_MAX, after_seq=after, limit=ACCESS_BATCHES_A_READ
    ):
        after = page[-1].seq
        for one in page:
            kept = kept_from(one.document)
            if not kept.is_aside and (kept.events or kept.said is not None):
                yield await _line(key, one, kept, values)


async def _line(key: SectionKey, stored: StoredEvents, kept: KeptBatch, values: SubjectValues) -> EventsLine:
    said = kept.said
    named = _named(kept, said)
    own = [one for one in named if await values.may_show(one)]
    shown = {one.type: one.value for one in own}
    line = EventsLine(
        schema_version=SCHEMA_VERSION,
        batch_id=stored.seq,
        mpid=key.mpid,
        environment=key.environment,
        timestamp_unixtime_ms=stored.at_ms,
        received_at=rfc3339(stored.at_ms),
        input=kept.input,
        events=[EventShown(one.type, rfc3339(one.at_ms), one.data) for one in kept.events],
        user_identities={_name(kind): value for kind, value in shown.items() if kind not in DEVICE_TYPES},
        mp_deviceid=shown.get(IdentityType.DEVICE_APPLICATION_STAMP),
        copied_from_another_profile=kept.alias_of is not None,
        not_shown=sorted({one.type for one in named} - set(shown)),
    )
    return line if said is None else _with_said(line, said, shown)


def _named(kept: KeptBatch, said: Said | None) -> Sequence[Identity]:
    """Return every identity that a batch names, of the person and of the device."""
    found = {} if said is None else dict.fromkeys(said.identities)
    if said is not None and said.device is not None:
        found |= dict.fromkeys(Identity(kind, value) for kind, value in said.device.ids.items())
    if kept.stamp is not None:
        found[Identity(IdentityType.DEVICE_APPLICATION_STAMP, kept.stamp)] = None
    return list(found)


def _with_said(line: EventsLine, said: Said, shown: dict[IdentityType, str]) -> EventsLine:
    """Return a line with what its batch said beside its events."""
    attribution = said.attribution
    ids = {
        _name(kind): value
        for kind, value in shown.items()
        if kind in DEVICE_TYPES and kind is not IdentityType.DEVICE_APPLICATION_STAMP
    }
    return msgspec.structs.replace(
        line,
        source_info=SourceInfo(said.channel.value, said.is_historical),
        device_info={**_facts(said.device), **ids},
        user_attributes={name: value for name, value in said.attributes.items() if value is not None},
        deleted_user_attributes=[name for name, value in said.attributes.items() if value is None],
        consent_state=_consent_state(said),
        attribution_info=(
            None
            if attribution is None
            else AttributionShown(attribution.publisher, attribution.campaign, rfc3339(attribution.at_ms))
        ),
    )


def _facts(device: Device | None) -> dict[str, Any]:
    if device is None:
        return {}
    return dict(device.facts) if device.platform is None else {**device.facts, "platform": device.platform}


def _consent_state(said: Said) -> dict[str, Any]:
    """Write statements of consent as a batch has them (platform §5.9)."""
    state: dict[str, Any] = {}
    for regulation, purpose, consented, at_ms, document, location, hardware_id in said.consents:
        statement = {
            "consented": consented,
            "timestamp_unixtime_ms": at_ms,
            "document": document,
            "location": location,
            "hardware_id": hardware_id,
        }
        told = {name: value for name, value in statement.items() if value is not None}
        state.setdefault(Regulation(regulation).value, {})[purpose] = told
    return state


def _name(kind: IdentityType) -> str:
    return name_on(Surface.EVENTS, kind) or kind.value
