"""Decides what the calculated attributes of a user are: values computed from events as they arrive (platform §8).

The state of an attribute is a JSON object of up to two parts: what happened before the cutoff date of its seeding, and
what happened since. A seed takes the place of the first part; from then on events from before the cutoff count no
more, whether they arrived before the seed or after it. One with a window that slides has a part for each span of time
instead (`window`). A state names the definition that it was computed by. If the
definition changes, the attribute starts anew, so that no value mixes two of them; past events are not counted again.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from knownas.core.profile.definition import Definition
from knownas.core.profile.event import Event
from knownas.core.profile.numbers import ZERO, written
from knownas.core.profile.occurrences import occurrences
from knownas.core.profile.section import CalculatedStates
from knownas.core.profile.tallies import TALLIES, CalculationType, Part, Seed, SeedRefused
from knownas.core.profile.window import TICK_MS, counted_in, within


class _Side(StrEnum):
    """The two parts of a state."""

    BEFORE = "before"
    SINCE = "since"


class WorkspaceCalculations:
    """The calculated attributes of a workspace. Implements `section.Calculations`.

    Raises:
        ValueError: two definitions have one name.
    """

    def __init__(self, definitions: Iterable[Definition]) -> None:
        given = tuple(definitions)
        self.definitions: Final[Mapping[str, Definition]] = MappingProxyType({one.name: one for one in given})
        if len(self.definitions) < len(given):
            raise ValueError("two calculated attributes have one name")
        by_name: dict[tuple[str, str | None], list[Definition]] = {}
        for one in given:
            by_name.setdefault((one.data_point.type, one.data_point.event_name), []).append(one)
        self._by_name: Final = by_name
        self._slides: Final = any(one.window is not None for one in given)

    def count_in(self, states: CalculatedStates, events: Sequence[Event]) -> CalculatedStates:
        """Return the states after events. Those of attributes that are no longer defined stay as they are."""
        found: _Found = {}
        for event in events:
            for definition in self._by_name.get((event.type, None), ()):
                self._count(definition, states, event, found)
            name = event.name
            if name is not None:
                for definition in self._by_name.get((event.type, name), ()):
                    self._count(definition, states, event, found)
        if not found:
            return states
        counted = dict(states)
        for (name, side), parts in found.items():
            definition = self.definitions[name]
            state = _own(definition, counted.get(name))
            if isinstance(side, int):
                counted[name] = _with_span(definition, state, side, parts)
                continue
            held = state.get(side)
            merged = TALLIES[definition.calculation_type].merged(parts if held is None else [held, *parts])
            counted[name] = {**state, side.value: merged}
        return counted

    @staticmethod
    def _count(definition: Definition, states: CalculatedStates, event: Event, found: "_Found") -> None:
        if definition.since_ms is not None and event.at_ms < definition.since_ms:
            return
        side: _Side | int = _Side.SINCE
        if definition.window is not None:
            # What happened in one span counts together.
            side = event.at_ms - event.at_ms % definition.window.span_ms
        if definition.cutoff_ms is not None and event.at_ms < definition.cutoff_ms:
            if _own(definition, states.get(definition.name)).get("seeded"):
                return
            side = _Side.BEFORE
        tally = TALLIES[definition.calculation_type]
        for occurrence in occurrences(definition.data_point, definition.conditions, event):
            part = tally.one(occurrence)
            if part is not None:
                found.setdefault((definition.name, side), []).append(part)

    def tick(self, now_ms: int) -> int:
        """Return a number that is another one whenever a value can be, by the time alone; 0 without a window."""
        return now_ms // TICK_MS if self._slides else 0

    def shown(self, states: CalculatedStates, now_ms: int) -> Mapping[str, str | list[str]]:
        """Return the attributes that have a value at a time, by name."""
        return shown(self.definitions.values(), states, now_ms)


_Found = dict[tuple[str, _Side | int], list[Part]]
"""What events say of an attribute, by its name and the part of the state: of a window, the time at which a span begins."""


def _own(definition: Definition, state: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the state if it was computed by this definition, else an empty one."""
    return state if state is not None and state.get("of") == definition.digest else {"of": definition.digest}


def _with_span(
    definition: Definition, state: Mapping[str, Any], at_ms: int, parts: Sequence[Part]
) -> Mapping[str, Any]:
    if definition.window is None:
        raise AssertionError("only a window has spans")
    tally = TALLIES[definition.calculation_type]
    return {**state, "spans": counted_in(definition.window, state.get("spans", {}), at_ms, parts, tally)}


_NOTHING_IS_NONE: Final = frozenset({CalculationType.COUNT, CalculationType.SUM, CalculationType.UNIQUE_VALUES_COUNT})
"""What is 0 of a user of whom nothing is left in a window; other attributes then have no value; platform §8."""


def shown(definitions: Iterable[Definition], states: CalculatedStates, now_ms: int) -> Mapping[str, str | list[str]]:
    """Return the attributes that have a value at a time, by name: a text, or a list of texts."""
    values: dict[str, str | list[str]] = {}
    for definition in sorted(definitions, key=lambda one: one.name):
        state = _own(definition, states.get(definition.name))
        if definition.window is None:
            parts: list[Part] = [state[side] for side in _Side if side in state]
        else:
            parts = within(definition.window, state, now_ms)
            if not parts and "spans" in state and definition.calculation_type in _NOTHING_IS_NONE:
                values[definition.name] = written(ZERO)
        if parts:
            tally = TALLIES[definition.calculation_type]
            value = tally.shown(tally.merged(parts))
            if value is not None:
                values[definition.name] = value
    return values


def seeded(definition: Definition, states: CalculatedStates, seed: Seed) -> CalculatedStates | SeedRefused:
    """Return the states after a seed took the place of everything before the cutoff date; platform §8.

    What happened at or after the cutoff counts on top of it. A later seed replaces an earlier one.
    """
    if definition.cutoff_ms is None:
        return SeedRefused("The calculated attribute has no seeding cutoff date, so it can't be seeded")
    part = TALLIES[definition.calculation_type].seeded(seed, definition.cutoff_ms)
    if isinstance(part, SeedRefused):
        return part
    state = {**_own(definition, states.get(definition.name)), _Side.BEFORE.value: part, "seeded": True}
    return {**states, definition.name: state}
