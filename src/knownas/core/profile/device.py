"""Decides what is known of a user's devices in a workspace: their ids, facts, and when they were seen (platform §2.5)."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from knownas.core.identity.kinds import IdentityType
from knownas.core.limits import DEVICES_MAX

DEVICE_FACTS_MAX: Final = 100
DEVICE_FACT_CHARACTERS_MAX: Final = 512
"""Facts known of one device, and the characters of a fact's text; of more, those said last stay."""


class Device(NamedTuple):
    """One device as it was last described.

    `stamp` is its device application stamp; a device without one is told by its ids. `facts` are the members of
    `device_info` that are no identity: scalars, as sent. Times are Unix milliseconds.
    """

    stamp: str | None
    platform: str | None
    ids: Mapping[IdentityType, str]
    facts: Mapping[str, Any]
    first_seen_ms: int
    last_seen_ms: int

    @property
    def limit_ad_tracking(self) -> bool | None:
        """Whether the user has limited ad tracking on it; None if nobody has said."""
        value = self.facts.get("limit_ad_tracking")
        return value if isinstance(value, bool) else None

    def is_same(self, other: "Device") -> bool:
        """Whether two descriptions are of one device: the same stamp, or without stamps an id in common."""
        if self.stamp is not None or other.stamp is not None:
            return self.stamp == other.stamp
        return any(other.ids.get(kind) == value for kind, value in self.ids.items())


def with_device(devices: tuple[Device, ...], seen: Device) -> tuple[Device, ...]:
    """Return the devices after one was seen, the last seen first. Beyond the limit the longest unseen is forgotten."""
    others = [one for one in devices if not one.is_same(seen)]
    same = [one for one in devices if one.is_same(seen)]
    for before in same:
        newer, older = (seen, before) if seen.last_seen_ms >= before.last_seen_ms else (before, seen)
        seen = Device(
            newer.stamp,
            newer.platform or older.platform,
            {**older.ids, **newer.ids},
            dict(islice({**newer.facts, **older.facts, **newer.facts}.items(), DEVICE_FACTS_MAX)),
            min(before.first_seen_ms, seen.first_seen_ms),
            newer.last_seen_ms,
        )
    return tuple(sorted([seen, *others], key=lambda one: -one.last_seen_ms)[:DEVICES_MAX])
