"""Tells what a definition depends on, so that only who learnt of such things is judged anew (platform §6.4).

Most audiences ask for a few events by their names. What a batch says of other events, or of attributes that no condition
mentions, can't change such an audience, and with a hundred audiences that is what most batches say.
"""

from dataclasses import dataclass
from typing import assert_never

from knownas.core.audience.expression import (
    Aggregate,
    Compared,
    Comparison,
    Definition,
    Every,
    Everything,
    Expression,
    Literal,
    Member,
    Not,
    Operand,
    Sequenced,
    Some,
    Tested,
    parts_of,
)
from knownas.core.audience.field import (
    AttributeField,
    AttributionField,
    CalculatedField,
    ConsentField,
    DeviceField,
    EventFact,
    EventField,
    IdentityField,
    Model,
    UserField,
)
from knownas.core.profile.attributes import as_text

Names = frozenset[str] | None
"""Names of events, without regard to case; None for events of any name, and of none."""

NONE: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a definition depends on: events by name, user attributes by name, other audiences, and all of some models."""

    events: Names = NONE
    attributes: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    models: frozenset[Model] = frozenset()

    def concerned_by(self, learnt: "Mentions") -> bool:
        """Whether what became known of a user, told in the same form, can change the answer."""
        return (
            _meet(self.events, learnt.events)
            or not self.attributes.isdisjoint(learnt.attributes)
            or not self.audiences.isdisjoint(learnt.audiences)
            or not self.models.isdisjoint(learnt.models)
        )


def _meet(some: Names, others: Names) -> bool:
    if some is None or others is None:
        return NONE not in (some, others)
    return not some.isdisjoint(others)


def mentions(definition: Definition) -> Mentions:
    """Return what a definition depends on."""
    return mentioned(definition.criteria)


def mentioned(criteria: Expression) -> Mentions:
    """Return what an expression about a user depends on."""
    parts = list(parts_of(criteria))
    models = {
        part.model
        for part in parts
        if isinstance(part, UserField | CalculatedField | IdentityField | ConsentField | DeviceField | AttributionField)
    }
    models |= {part.model for part in parts if isinstance(part, Everything)} - {Model.EVENTS}
    return Mentions(
        events=_events(criteria),
        attributes=frozenset(part.name for part in parts if isinstance(part, AttributeField)),
        audiences=frozenset(part.audience for part in parts if isinstance(part, Member)),
        models=frozenset(models),
    )


def _events(expression: Expression) -> Names:
    """Return the names of the events that an expression about a user depends on."""
    match expression:
        case Every(expressions=inner) | Some(expressions=inner):
            return _united(*map(_events, inner))
        case Not(expression=inner):
            return _events(inner)
        case Member():
            return NONE
        case Tested(operand=operand):
            return _events_of(operand)
        case Compared(left=left, right=right):
            asked = _asked_for(expression)
            return _united(_events_of(left), _events_of(right)) if asked is None else asked
        case Sequenced(steps=steps):
            return _united(*(None if step.condition is None else names_within(step.condition) for step in steps))
        case _:
            assert_never(expression)


def _events_of(operand: Operand) -> Names:
    match operand:
        case EventField() | Everything(model=Model.EVENTS):
            return None
        case Aggregate(field=field, condition=condition):
            if field.model is not Model.EVENTS:
                return NONE if condition is None else _events(condition)
            return None if condition is None else names_within(condition)
        case _:
            return NONE


def names_within(condition: Expression) -> Names:
    """Return the names of the events for which a condition on an event may hold, at any time; None for any name."""
    match condition:
        case Compared():
            return None if condition.negated else _asked_for(condition)
        case Every(expressions=inner):
            # Each of them narrows it; the first that names any is taken.
            return next((names for names in map(names_within, inner) if names is not None), None)
        case Some(expressions=inner):
            return _united(*map(names_within, inner))
        case Not() | Member() | Tested() | Sequenced():
            return None
        case _:
            assert_never(condition)


def _asked_for(compared: Compared) -> Names:
    """Return the names that a comparison of an event's name asks for, negated or not; None if it is another one."""
    asks = compared.comparison in (Comparison.EQUALS, Comparison.IN) and isinstance(compared.right, Literal)
    if not asks or compared.left != EventField(EventFact.NAME) or not isinstance(compared.right, Literal):
        return None
    texts = [one for one in compared.right.values if isinstance(one, str)]
    # A name that is compared with a number or with true can be written in several ways.
    return frozenset(as_text(one).casefold() for one in texts) if len(texts) == len(compared.right.values) else None


def _united(*names: Names) -> Names:
    found: frozenset[str] = frozenset()
    for one in names:
        if one is None:
            return None
        found |= one
    return found
