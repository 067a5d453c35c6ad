"""Judges whether a user belongs to an audience, and until when that can't change by time alone (platform §6.4).

Every part of a definition is judged to a value that holds until a moment: a comparison with a date that goes on with now turns at
a time that can be told, and everything that is made of such holds as long as they do. So nobody has to be judged anew before the
moment comes, unless something else becomes known of them; and who is judged then is judged in time, to the millisecond.

Where an item's field stands in the condition of an aggregation or a step, it means that item. Elsewhere it means all items, and any
of them may meet a comparison: so `name equals purchase and name equals refund` asks for two events, and not for one that is both.

The parts are compiled (`compiling`) when the first user is judged by them, and judged by their functions from then on.
"""

from functools import cached_property
from typing import Final

from knownas.core.audience.compiled import UNBOUND, Chosen, Held, Holds
from knownas.core.audience.compiling import Compiler
from knownas.core.audience.expression import Aggregate, Definition
from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.reasons import ConditionReasons, Reason, reasons_of
from knownas.core.audience.subject import Subject

__all__ = ["Criteria", "Held", "Judge"]

_COMPILER: Final = Compiler()


class Judge:
    """Judges one user at one time (Unix milliseconds). `events` are the user's, where they are sorted already."""

    __slots__ = ("events", "last", "now_ms", "subject")

    def __init__(self, subject: Subject, now_ms: int, events: NamedEvents | None = None) -> None:
        self.subject = subject
        self.now_ms = now_ms
        self.events = NamedEvents(subject.events) if events is None else events
        self.last: tuple[Aggregate, Chosen] | None = None
        """The aggregation that was computed last: whoever wants a reason asks for the same one several times."""


class Criteria:
    """What a definition asks for, as users are judged by it: keep it for as long as there are more to judge."""

    def __init__(self, definition: Definition) -> None:
        self.definition: Final = definition

    def judge(self, subject: Subject, now_ms: int, events: NamedEvents | None = None) -> Held:
        """Judge whether a user belongs to the audience at a time (Unix milliseconds). `events` as in `Judge`."""
        return self._holds(Judge(subject, now_ms, events), None, UNBOUND)

    def reasons(self, subject: Subject, now_ms: int, events: NamedEvents | None = None) -> tuple[Reason, ...]:
        """Return what comes of each condition for a user, in the order of the definition. `events` as in `Judge`."""
        return self.reasons_by(Judge(subject, now_ms, events))

    def reasons_by(self, judge: Judge) -> tuple[Reason, ...]:
        """Return what comes of each condition for the user whom somebody judges; what they computed last is not computed again."""
        return tuple(one(judge) for one in self._reasons)

    @cached_property
    def _holds(self) -> Holds:
        return _COMPILER.holds(self.definition.criteria)

    @cached_property
    def _reasons(self) -> tuple[ConditionReasons, ...]:
        return reasons_of(self.definition, _COMPILER)
