"""Reads of the batches that a store keeps of a user the events that some definitions may ask for, and of each event only what they ask."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from knownas.core.audience.expression import Expression, Operand, StepField
from knownas.core.audience.field import EventFact, EventField
from knownas.core.audience.mentions import Names
from knownas.core.audience.subject import JUDGED_EVENTS_MAX, PastEvent
from knownas.core.profile.event import Event
from knownas.store.user_data import StoredEvents

SPELLINGS_KEPT_MAX: Final = 10_000
"""Names of events of which a look remembers whether they are asked for."""

_NAMES: Final = ("event_name", "screen_name")
"""The members of an event's data that may be its name, the first one if it is there."""


class _Counts(dict[str, bool]):
    """Which names, in any spelling, are among those asked for; it remembers the spellings that it has seen."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, name: str) -> bool:
        if len(self) >= SPELLINGS_KEPT_MAX:
            self.clear()
        self[name] = counts = name.casefold() in self._names
        return counts


class AskedEvents:
    """Reads of kept batches the events that some definitions may ask for, and of each only that."""

    def __init__(self, parts: Sequence[Expression | Operand], asked: Sequence[Names], since_ms: int) -> None:
        """Events from before `since_ms` (Unix milliseconds) are not asked for."""
        self._since_ms: Final = since_ms
        self.names: Final[Names] = None if None in asked else frozenset(name for told in asked for name in told or ())
        """The names of which each event has one that is read; None where events of any name are."""
        self._counts: Final = None if self.names is None else _Counts(self.names)
        paths = {part.fact[0] for part in _event_fields(parts) if isinstance(part.fact, tuple)}
        facts = {part.fact for part in _event_fields(parts) if isinstance(part.fact, EventFact)}
        places = [(f"d{number}", name) for number, name in enumerate(dict.fromkeys((*_NAMES, *paths)))]
        data = msgspec.defstruct(
            "_Data",
            [(place, Any, msgspec.UNSET) for place, _ in places],
            rename=dict(places),
            frozen=True,
            gc=False,
        )
        members: list[tuple[str, Any, Any]] = []
        if EventFact.TYPE in facts:
            members.append(("type", str, ""))
        if EventFact.MESSAGE_ID in facts:
            members.append(("message_id", str | None, None))
        self._data_names: Final = tuple(name for _, name in places)
        self._read_data: Final = attrgetter(*(place for place, _ in places))
        self._has_type, self._has_id = EventFact.TYPE in facts, EventFact.MESSAGE_ID in facts
        event = msgspec.defstruct("_Event", [("at_ms", int), ("data", data), *members], frozen=True, gc=False)
        batch = msgspec.defstruct("_Batch", [("events", list[event]), ("is_aside", bool, False)], frozen=True, gc=False)
        self._decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(batch)

    def read(self, kept: Sequence[StoredEvents]) -> Sequence[PastEvent] | None:
        """Return the events that may be asked for, by their time; None if there are more than a definition sees."""
        found: list[PastEvent] = []
        seen, counts, since_ms = 0, self._counts, self._since_ms
        for one in kept:
            batch = self._decoder.decode(one.document)
            if batch.is_aside:
                continue
            seen += len(batch.events)
            for place, event in enumerate(batch.events):
                if event.at_ms < since_ms:
                    continue
                if counts is not None:
                    name = event.data.d1 if event.data.d0 is msgspec.UNSET else event.data.d0
                    if not isinstance(name, str) or not counts[name]:
                        continue
                found.append(PastEvent(f"{one.seq}.{place}", self._event(event)))
        found.sort(key=_by_time)
        return None if seen > JUDGED_EVENTS_MAX else found

    def _event(self, event: Any) -> Event:
        told = zip(self._data_names, self._read_data(event.data), strict=True)
        return Event(
            event.type if self._has_type else "",
            event.at_ms,
            event.message_id if self._has_id else None,
            {name: value for name, value in told if value is not msgspec.UNSET},
        )


def _by_time(one: PastEvent) -> int:
    return one.event.at_ms


def _event_fields(parts: Sequence[Expression | Operand]) -> Sequence[EventField]:
    """Return the fields of events that are asked for, be it those of a step."""
    fields = [part.field if isinstance(part, StepField) else part for part in parts]
    return [one for one in fields if isinstance(one, EventField)]
