"""Decides what a batch lets become known of a user, told in the form in which definitions are asked whether it concerns them."""

from collections.abc import Iterable

from knownas.core.audience.field import Model
from knownas.core.audience.mentions import Mentions
from knownas.core.profile.attributes import Attributes
from knownas.core.profile.event import Event
from knownas.core.profile.section import Section

NAMELESS = ""
"""Stands for the name of events that have none: a definition that asks for any event is concerned by them as well."""


def learnt(before: Section, after: Section, events: Iterable[Event]) -> Mentions:
    """Return what became known of a user whom a workspace knew before, by these events and whatever came with them.

    When the user was last seen is always among it.
    """
    models = {Model.USER}
    if before.devices != after.devices:
        models |= {Model.DEVICES, Model.DEVICE_IDENTITIES}
    if before.consents != after.consents:
        models.add(Model.CONSENT)
    if before.attributions != after.attributions:
        models.add(Model.ATTRIBUTION)
    if before.calculated is not after.calculated and before.calculated != after.calculated:
        models.add(Model.CALCULATED_ATTRIBUTES)
    attributes: frozenset[str] = frozenset()
    if before.attributes is not after.attributes:
        was, now = before.attributes, after.attributes
        attributes = frozenset(name for name in was.keys() | now.keys() if _value(was, name) != _value(now, name))
    names = frozenset((one.name or NAMELESS).casefold() for one in events)
    return Mentions(names, attributes, frozenset(), frozenset(models))


def _value(attributes: Attributes, name: str) -> str | None:
    """Return what an attribute says, written so that true is not 1; when it was said is nothing that a definition asks for."""
    held = attributes.get(name)
    return None if held is None or held.value is None else repr(held.value)


def concerns_translation(before: Section, after: Section) -> bool:
    """Whether what destinations are sent of the user may be something else now: ids of devices, consent, opting out, ad tracking."""
    return before.consents != after.consents or before.opted_out != after.opted_out or _ids(before) != _ids(after)


def _ids(section: Section) -> list[object]:
    """Return what is sent of devices, in the order in which they were seen last."""
    seen = sorted(section.devices, key=lambda one: one.last_seen_ms)
    return [
        (one.stamp, one.platform, one.ids, one.limit_ad_tracking, one.facts.get("att_authorization_status"))
        for one in seen
    ]
