"""Holds what parts of a definition are compiled to: functions that judge them, and what these say.

A function takes whoever judges (`judging.Judge`), the item that it is judged of, if any, and the events that the earlier steps of a sequence
found.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Aggregate
from knownas.core.audience.field import Field
from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.subject import Found, Item, PastEvent, Read, Subject


class Held(NamedTuple):
    """Whether something holds, and the first moment at which that may change although nothing becomes known."""

    holds: bool
    until_ms: int = NEVER


ALWAYS: Final = (Held(holds=False), Held(holds=True))
"""What does not hold, or does, whatever time it is."""


def held_until(holds: bool, until_ms: int) -> Held:  # noqa: FBT001 - it is what is said
    """Return that something holds, or does not, until a moment."""
    return ALWAYS[holds] if until_ms >= NEVER else Held(holds, until_ms)


Bound = Mapping[str, PastEvent]
"""The events that the earlier steps of a sequence found, by alias."""

UNBOUND: Final[Bound] = {}


class Chosen(NamedTuple):
    """The items that a condition holds for, when the first of these may go, and when the first of the others may come."""

    items: Sequence[Item]
    goes_ms: int = NEVER
    comes_ms: int = NEVER


class Judges(Protocol):
    """Whoever judges a user at a time. `last` is the aggregation that was computed last."""

    subject: Subject
    now_ms: int
    events: NamedEvents
    last: tuple[Aggregate, Chosen] | None


Holds = Callable[[Judges, Item | None, Bound], Held]
Values = Callable[[Judges, Item | None, Bound], Found]
Choose = Callable[[Judges], Chosen]
Reads = Callable[[Field], Read | None]
"""Returns what reads a field of which a user has one value at most, whatever time it is; None for other fields."""
