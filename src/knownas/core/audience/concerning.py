"""Finds the audiences that something concerns, without asking each of them whether it does.

A batch says a few things, and a workspace may have a thousand audiences, of which most mention none of them.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Final, TypeVar

from knownas.core.audience.mentions import NONE, Mentions

_Mentioned = TypeVar("_Mentioned", bound=Hashable)
_NOBODY: Final[frozenset[str]] = frozenset()


class Concerning:
    """What each audience depends on, by what it mentions."""

    def __init__(self, all_mentions: Mapping[str, Mentions]) -> None:
        self._of_any_event: Final = frozenset(one for one, found in all_mentions.items() if found.events is None)
        self._of_events: Final = frozenset(one for one, found in all_mentions.items() if found.events != NONE)
        self._by_name: Final = _by((one, found.events or ()) for one, found in all_mentions.items())
        self._by_attribute: Final = _by((one, found.attributes) for one, found in all_mentions.items())
        self._by_audience: Final = _by((one, found.audiences) for one, found in all_mentions.items())
        self._by_model: Final = _by((one, found.models) for one, found in all_mentions.items())

    def concerned_by(self, learnt: Mentions) -> frozenset[str]:
        """Return those for which `Mentions.concerned_by` holds of what became known of a user."""
        concerned: set[str] = set()
        if learnt.events is None:
            concerned |= self._of_events
        elif learnt.events:
            concerned |= self._of_any_event
            for name in learnt.events:
                concerned |= self._by_name.get(name, _NOBODY)
        for attribute in learnt.attributes:
            concerned |= self._by_attribute.get(attribute, _NOBODY)
        for audience in learnt.audiences:
            concerned |= self._by_audience.get(audience, _NOBODY)
        for model in learnt.models:
            concerned |= self._by_model.get(model, _NOBODY)
        return frozenset(concerned)


def _by(mentioned: Iterable[tuple[str, Iterable[_Mentioned]]]) -> Mapping[_Mentioned, frozenset[str]]:
    """Return who mentions what."""
    found: dict[_Mentioned, set[str]] = {}
    for audience, several in mentioned:
        for one in several:
            found.setdefault(one, set()).add(audience)
    return {one: frozenset(audiences) for one, audiences in found.items()}
