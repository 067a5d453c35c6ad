"""Decides what holds of a profile as a whole, whichever workspace of its scope has seen it (platform §4.4).

Attributes, consent and devices are a workspace's own. When a user was first seen, whether the user has opted out, and
what was last said of ad tracking are facts about the user.
"""

from collections.abc import Collection
from typing import NamedTuple

from knownas.core.profile.section import Section


class Whole(NamedTuple):
    """What all workspaces together know. `first_seen_ms` None: none has seen the profile."""

    first_seen_ms: int | None
    opted_out: bool
    limit_ad_tracking: bool | None


def whole_of(sections: Collection[Section]) -> Whole:
    """Return what holds of a profile: the earliest sight, the newest opt-out or opt-in, the device seen last.

    Of statements made at the same time, an opt-out counts.
    """
    first_seen_ms = min((one.first_seen_ms for one in sections), default=None)
    said = [(one.opted_out_ms, one.opted_out) for one in sections if one.opted_out is not None]
    tracking = [
        (device.last_seen_ms, device.limit_ad_tracking)
        for one in sections
        for device in one.devices
        if device.limit_ad_tracking is not None
    ]
    # True is more than False.
    return Whole(first_seen_ms, max(said)[1] if said else False, max(tracking)[1] if tracking else None)
