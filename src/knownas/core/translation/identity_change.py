"""Decides how an event that tells how an identity changed goes out: only of types that the destination gets, in the form in which it gets them.

Such an event holds values of identities. Sent as it came it would tell in plain text what the connection sends as a digest, or types that it
does not send at all (platform §7.6).
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from knownas.core.identity.kinds import ADVERTISING_TYPES, IdentityType, Surface, types_named_on
from knownas.core.profile.event import Event
from knownas.core.translation.form import written
from knownas.core.translation.outcome import Translated
from knownas.core.translation.reason import Reason
from knownas.core.translation.rule import Rule, Wanted
from knownas.core.translation.target import Target

CHANGE: Final = "user_identity_change"

_NAMES: Final[Mapping[str, IdentityType]] = {**types_named_on(Surface.IDSYNC), **types_named_on(Surface.EVENTS)}


def change_written(event: Event, translated: Translated, rule: Rule, withheld: frozenset[Target]) -> Event | None:
    """Return an event as it goes out; None if it does not. Any event but one about a changed identity stays as it is.

    The new value must be among what goes out now. Changes of ids for advertising are told only if the rule sends them also where tracking is
    limited: whether it was for the old one is not known.
    """
    if event.type != CHANGE:
        return event
    going = {(one.target, one.value) for one in translated.identities}
    sides: dict[str, Any] = {}
    for member in ("old", "new"):
        side = event.data.get(member)
        if side is None:
            continue
        told = _side_written(side, rule, withheld)
        if told is None:
            return None
        kind, sides[member] = told
        value = sides[member].get("identity")
        if member == "new" and value is not None and (kind, value) not in going:
            return None
    return event._replace(data={**event.data, **sides}) if sides else None


def _side_written(
    side: object, rule: Rule, withheld: frozenset[Target]
) -> tuple[IdentityType, Mapping[str, Any]] | None:
    """Return the type of a value, old or new, and its member as it goes out; None if it does not."""
    if not isinstance(side, Mapping):
        return None
    told = cast("Mapping[str, Any]", side)
    kind = _NAMES.get(str(told.get("identity_type")))
    wanted = None if kind is None or kind in withheld else _wanted(kind, rule)
    if kind is None or wanted is None:
        return None
    value = told.get("identity")
    if value is None:
        return kind, told
    text = written(value, wanted.normal_form, wanted.encoding, rule.numbering) if isinstance(value, str) else None
    return None if text is None or isinstance(text, Reason) else (kind, {**told, "identity": text})


def _wanted(kind: IdentityType, rule: Rule) -> Wanted | None:
    """Return how a type is wanted first, if its changes may be told."""
    if kind in rule.excluded or (kind in ADVERTISING_TYPES and not rule.send_limited_ad_tracking):
        return None
    return next((one for slot in rule.slots for one in slot.wanted if one.target is kind), None)
