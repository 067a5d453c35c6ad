"""Decides what the attributes change that a device repeats with every event (platform §2.6, §3.4).

A web SDK that sends single events has no other way to tell of a changed attribute. What it repeats is what its device
knows, which may be old by now: so a repeat changes nothing, and only what differs from the device's last one counts, as
said then. What is no longer among it was deleted.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from knownas.core.profile.attributes import AttributeValue, Said

REPEATING_DEVICES_MAX: Final = 20
"""Devices whose last repeat is remembered; of more, that of the one with the oldest is forgotten."""

_DIGEST_BYTES: Final = 8


class Repeat(NamedTuple):
    """When a device told its attributes last (Unix milliseconds), and a digest of each value by name."""

    at_ms: int
    digests: Mapping[str, str]


Repeats = Mapping[str, Repeat]
"""By device application stamp; "" stands for devices that have none."""


def changed(repeats: Repeats, stamp: str, told: Mapping[str, AttributeValue], at_ms: int) -> tuple[list[Said], Repeats]:
    """Return what a repeat changes, and what is remembered after it. One that overtook an earlier one changes nothing."""
    before = repeats.get(stamp) or Repeat(0, {})
    if at_ms < before.at_ms:
        return [], repeats
    digests = {name: _digest(value) for name, value in told.items()}
    said: list[Said] = [(name, told[name], at_ms) for name in told if digests[name] != before.digests.get(name)]
    said += [(name, None, at_ms) for name in before.digests if name not in digests]
    after = {**repeats, stamp: Repeat(at_ms, digests)}
    if len(after) > REPEATING_DEVICES_MAX:
        del after[min(after, key=lambda one: after[one].at_ms)]
    return said, after


def _digest(value: AttributeValue) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=_DIGEST_BYTES).hexdigest()
