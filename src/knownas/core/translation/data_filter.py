"""Decides which data points go out over a connection: event types, events, their attributes, user attributes, identities (platform §7.3).

A data point is named by a path, such as `custom_event`, `navigation`, `Play`, `song`: each beginning of it is its parent. It goes out if it and
all its parents do. What nobody has switched is new, and goes out or not as the filter says; only the vocabulary that the product itself
has (event types, kinds of events, identity types) is never new.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.event import Event
from knownas.core.translation.limits import FILTERED_POINTS_MAX

Point = tuple[str, ...]
"""The path of a data point."""

USER_ATTRIBUTE: Final = "user_attribute"
USER_IDENTITY: Final = "user_identity"
CUSTOM: Final = "custom_event"
COMMERCE: Final = "commerce_event"
SCREEN: Final = "screen_view"

_KNOWN_STEPS: Final[Mapping[str, int]] = {CUSTOM: 2, COMMERCE: 2, USER_IDENTITY: 2}
"""How many steps of a path are our own words, by its first one; of others the first alone is."""

_Value = TypeVar("_Value")


class InvalidFilter(ValueError):
    """The filter contradicts itself; the message says how."""


@dataclass(frozen=True, slots=True)
class DataFilter:
    """What was switched off and on. `send_new`: whether what was not switched goes out.

    Raises:
        InvalidFilter: a data point is switched both ways or has no path, or there are too many.
    """

    off: frozenset[Point] = frozenset()
    on: frozenset[Point] = frozenset()
    send_new: bool = True

    def __post_init__(self) -> None:
        if self.off & self.on:
            raise InvalidFilter(f"switched off and on: {' / '.join(min(self.off & self.on))}")
        if any(not one for one in self.off | self.on):
            raise InvalidFilter("a data point has at least one step")
        if len(self.off) + len(self.on) > FILTERED_POINTS_MAX:
            raise InvalidFilter(f"there may be {FILTERED_POINTS_MAX} data points")

    def lets(self, point: Point) -> bool:
        """Whether a data point goes out: it, and whatever it is part of."""
        own = _KNOWN_STEPS.get(point[0], 1)
        return all(self._is_on(point[:steps], is_ours=steps <= own) for steps in range(1, len(point) + 1))

    def _is_on(self, point: Point, *, is_ours: bool) -> bool:
        return point not in self.off and (is_ours or self.send_new or point in self.on)

    def withheld(self) -> frozenset[IdentityType]:
        """Return the identity types that do not go out, for `translate`."""
        if (USER_IDENTITY,) in self.off:
            return frozenset(IdentityType)
        return frozenset(one for one in IdentityType if (USER_IDENTITY, one.value) in self.off)

    def attributes(self, given: Mapping[str, _Value]) -> Mapping[str, _Value]:
        """Return the user attributes that go out."""
        return {name: value for name, value in given.items() if self.lets((USER_ATTRIBUTE, name))}

    def events(self, given: Iterable[Event]) -> Iterator[Event]:
        """Yield the events that go out, each without the attributes that don't."""
        for event in given:
            point = point_of(event)
            if self.lets(point) and all(map(self.lets, _told_by(event))):
                yield self._without_attributes(event, point)

    def _without_attributes(self, event: Event, point: Point) -> Event:
        given = event.data.get("custom_attributes")
        if not isinstance(given, Mapping):
            return event
        attributes = cast("Mapping[str, Any]", given)
        kept = {name: value for name, value in attributes.items() if self.lets((*point, name))}
        return event if len(kept) == len(attributes) else event._replace(data={**event.data, "custom_attributes": kept})


EVERYTHING: Final = DataFilter()
"""Holds nothing back."""


def point_of(event: Event) -> Point:
    """Return the data point that an event is: its type, for a custom event also kind and name, for a screen its name."""
    match event.type:
        case "custom_event":
            kind = event.data.get("custom_event_type")
            return (CUSTOM, kind if isinstance(kind, str) else "", event.name or "")
        case "screen_view":
            return (SCREEN, event.name or "")
        case "commerce_event":
            return (COMMERCE, _commerce(event.data))
        case _:
            return (event.type,)


def _commerce(data: Mapping[str, Any]) -> str:
    """Return what kind of commerce event it is: a product action, `promotion_view`, `promotion_click` or `impression`."""
    for member, prefix in (("product_action", ""), ("promotion_action", "promotion_")):
        action = data.get(member)
        if isinstance(action, Mapping):
            name = cast("Mapping[str, Any]", action).get("action")
            return f"{prefix}{name}" if isinstance(name, str) else ""
    return "impression" if data.get("product_impressions") else ""


def _told_by(event: Event) -> Iterator[Point]:
    """Yield the data point whose value an event about a change tells: it must go out for the event to."""
    name = event.data.get("user_attribute_name")
    if event.type == "user_attribute_change" and isinstance(name, str):
        yield (USER_ATTRIBUTE, name)
