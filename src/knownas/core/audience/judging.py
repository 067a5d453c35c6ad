"""Judges whether a user belongs to an audience, and until when that can't change by time alone (platform §6.4).

Every part of a definition is judged to a value that holds until a moment: a comparison with a date that goes on with now turns at
a time that can be told, and everything that is made of such holds as long as they do. So nobody has to be judged anew before the
moment comes, unless something else becomes known of them; and who is judged then is judged in time, to the millisecond.

Where an item's field stands in the condition of an aggregation or a step, it means that item. Elsewhere it means all items, and any
of them may meet a comparison: so `name equals purchase and name equals refund` asks for two events, and not for one that is both.

A part is compiled (`compiling`) when it is judged for the first time, and judged by its function from then on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from knownas.core.audience.compiled import UNBOUND, Choose, Chosen, Held, Holds, Judges, Values
from knownas.core.audience.compiling import Compiler
from knownas.core.audience.expression import Aggregate, Definition, Expression, Operand, Sequenced
from knownas.core.audience.field import Model
from knownas.core.audience.kept import Kept
from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.searching import Search
from knownas.core.audience.subject import Found, Item, PastEvent, Subject
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution

__all__ = ["Held", "Judge"]

_MODEL_OF: Final[Mapping[type, Model]] = {
    PastEvent: Model.EVENTS,
    Device: Model.DEVICES,
    Attribution: Model.ATTRIBUTION,
}
_COMPILER: Final = Compiler()
_HOLDS: Final[Mapping[Model | None, Kept[Expression, Holds]]] = {
    of: Kept(partial(_COMPILER.holds, of=of)) for of in (None, *_MODEL_OF.values())
}
"""By the model of the item that an expression is judged of; None for those of a user."""

_CHOSEN: Final[Kept[Aggregate, Choose]] = Kept(_COMPILER.chosen)
_SEARCHES: Final[Kept[Sequenced, Callable[[Judges], Search]]] = Kept(_COMPILER.search)
_VALUES: Final[Kept[Operand, Values]] = Kept(_COMPILER.values)


class Judge:
    """Judges one user at one time (Unix milliseconds). `events` are the user's, where they are sorted already."""

    __slots__ = ("events", "last", "now_ms", "subject")

    def __init__(self, subject: Subject, now_ms: int, events: NamedEvents | None = None) -> None:
        self.subject = subject
        self.now_ms = now_ms
        self.events = NamedEvents(subject.events) if events is None else events
        self.last: tuple[Aggregate, Chosen] | None = None
        """The aggregation that was computed last: whoever wants a reason asks for the same one several times."""

    def judge(self, definition: Definition) -> Held:
        """Judge whether the user belongs to an audience."""
        return _HOLDS[None].of(definition.criteria)(self, None, UNBOUND)

    def holds(self, expression: Expression, item: Item | None = None) -> Held:
        """Judge whether an expression holds: of the user, or within the condition on an item."""
        of = None if item is None else _MODEL_OF[type(item)]
        return _HOLDS[of].of(expression)(self, item, UNBOUND)

    def items(self, aggregate: Aggregate) -> Sequence[Item]:
        """Return the items that the condition of an aggregation holds for."""
        return _CHOSEN.of(aggregate)(self).items

    def chosen(self, sequence: Sequenced) -> Sequence[PastEvent]:
        """Return the events that were found for the steps of a sequence; none if it is not there."""
        found_now = _SEARCHES.of(sequence)(self).found()
        return () if found_now is None else list(found_now.values())

    def values(self, operand: Operand) -> Found:
        """Return the values that the user has of an operand that is no date, no whole model and of no step."""
        return _VALUES.of(operand)(self, None, UNBOUND)
