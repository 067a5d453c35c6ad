"""Looks at sections for the little that some definitions ask for: of each only that is decoded, and most users need no closer look.

What can be seen so of a user is an attribute, when they were seen last, consent, devices, attributions and events. A definition that asks for
nothing else is judged by it; of another one it is only told who can't belong to it (`core.audience.weakening`).
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, assert_never, cast

import msgspec

from knownas.core.audience.compiled import ALWAYS, UNBOUND, Chosen, Held, Holds
from knownas.core.audience.compiling import Compiler
from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import (
    Aggregate,
    Compared,
    Definition,
    Every,
    Everything,
    Expression,
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
    EventField,
    Field,
    IdentityField,
    Model,
    UserFact,
    UserField,
)
from knownas.core.audience.judging import Criteria, Judge
from knownas.core.audience.lookback import lookback
from knownas.core.audience.mentions import NONE, Names, mentions
from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.reasons import Reason
from knownas.core.audience.requirement import Requirement, requirement, united
from knownas.core.audience.subject import PastEvent, Read, Subject, read_by
from knownas.core.audience.weakening import ANYBODY, weakened
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution
from knownas.service.audience.asked_events import AskedEvents
from knownas.service.audience.traces import traces_of
from knownas.store.user_data import StoredEvents

_FACTS_SEEN: Final = frozenset({UserFact.MPID, UserFact.LAST_SEEN})


class _Value(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attribute, of which the value is all that is asked."""

    value: AttributeValue | None


_NO_VALUE: Final = _Value(None)
_NO_EVENTS: Final = NamedEvents(())


class _Glimpsed:
    """A user of whom only what is asked for is known. It stands for one `Subject` after the other."""

    __slots__ = ("events", "mpid", "section")

    def __init__(self) -> None:
        self.mpid = 0
        self.section: Any = None
        self.events: Sequence[PastEvent] = ()


class _Asked(NamedTuple):
    """What is asked of users in the place of a definition: by their section alone, and by their events, too, where it asks for these.

    None asks nothing. `is_exact`: what is asked is the definition itself. `is_told_by_section`: it is, and nothing else has to be looked at.
    `required` is what nobody meets it without.
    """

    audience: int
    criteria: Criteria
    by_section: Holds | None
    by_events: Holds | None
    asks_events: bool
    is_exact: bool
    is_told_by_section: bool
    required: Requirement | None


class Glimpse(NamedTuple):
    """What a first look found of a user who may belong to some audiences, now or by time alone.

    `held` is by audience; None where a closer look has to tell. `place` is where the user is on the page. `last` is the aggregation that was
    computed last, and what came of it: the reasons rest on it.
    """

    place: int
    held: Mapping[int, Held | None]
    section: Any
    events: NamedEvents = _NO_EVENTS
    last: tuple[Aggregate, Chosen] | None = None


class FirstLook:
    """Looks at pages of sections for some definitions, by audience, at one time (Unix milliseconds).

    `derived` are attributes that no section has, or that stand for another one there: those have to be looked at more closely.
    """

    def __init__(
        self, definitions: Mapping[int, Definition], now_ms: int, derived: frozenset[str] = frozenset()
    ) -> None:
        parts = [part for one in definitions.values() for part in parts_of(one.criteria)]
        places = _places(parts)
        self._section: Final = _section_decoder(parts, places)
        self.since_ms: Final = min((lookback(one.criteria, now_ms) for one in definitions.values()), default=NEVER)
        """Events from before this time don't matter to any of the definitions (Unix milliseconds)."""
        self._events: Final = AskedEvents(parts, list(map(_names, definitions.values())), self.since_ms)
        compiler = Compiler(lambda field: _read_by(field, places))
        self._asked: Final = [_asked(*one, compiler, derived, now_ms) for one in definitions.items()]
        self.traces: Final = traces_of(united(one.required for one in self._asked), self.since_ms)
        """What whoever may belong to any of the audiences has left in the documents; None if they need not have."""
        self._of: Final = {one.audience: one for one in self._asked}
        self._eventful: Final = frozenset(one.audience for one in self._asked if one.asks_events)
        self._glimpsed: Final = _Glimpsed()
        self._judge: Final = Judge(cast("Subject", self._glimpsed), now_ms, _NO_EVENTS)
        self._untold: Final[Mapping[int, Held | None]] = {one.audience: None for one in self._asked}
        self._eventless: Final = self._without_events() if all(map(_is_of_events_alone, parts)) else None
        """What comes of definitions that all ask for events alone, for whoever has none of them: nothing is read of sections then."""

    def glimpses(self, mpids: Sequence[int], documents: Sequence[bytes]) -> Sequence[Glimpse]:
        """Return those of a page who may belong to any of the audiences, as far as their sections tell.

        Those of whom no events have to be looked at need no closer look here.
        """
        if self._eventless is not None:
            return [Glimpse(place, self._untold, None) for place in range(len(mpids))]
        glimpsed, judge, asked, nobody = self._glimpsed, self._judge, self._asked, ALWAYS[False]
        found: list[Glimpse] = []
        glimpsed.events = ()
        for place, section in enumerate(map(self._section.decode, documents)):
            held: dict[int, Held | None] = {}
            glimpsed.mpid, glimpsed.section, judge.last = mpids[place], section, None
            for one in asked:
                told = None if one.by_section is None else one.by_section(judge, None, UNBOUND)
                if told is not nobody:
                    held[one.audience] = told if one.is_told_by_section else None
            if held:
                found.append(Glimpse(place, held, section))
        return found

    def needs_events(self, glimpse: Glimpse) -> bool:
        """Whether the events of a user have to be looked at."""
        return not self._eventful.isdisjoint(glimpse.held)

    def closer(self, mpid: int, glimpse: Glimpse, kept: Sequence[StoredEvents]) -> Glimpse | None:
        """Return what a look at a user's events shows, too, where these are asked for; None if they belong to no audience."""
        events = self._events.read(kept)
        if self._eventless is not None and events is not None and not events:
            return glimpse._replace(held=self._eventless) if self._eventless else None
        named = NamedEvents(events or (), self._events.names)
        self._show(mpid, glimpse.section, named)
        held: dict[int, Held | None] = {}
        for audience, told in glimpse.held.items():
            asked, now = self._of[audience], told
            if asked.asks_events:
                now = None if events is None or asked.by_events is None else asked.by_events(self._judge, None, UNBOUND)
            if now is not ALWAYS[False]:
                # What is asked in the place of a definition only says who can't belong to it.
                held[audience] = now if asked.is_exact else None
        return Glimpse(glimpse.place, held, glimpse.section, named, self._judge.last) if held else None

    def reasons(self, mpid: int, glimpse: Glimpse, audience: int) -> Sequence[Reason]:
        """Return why somebody belongs to an audience whose definition asks for nothing that was not seen."""
        self._show(mpid, glimpse.section, glimpse.events)
        self._judge.last = glimpse.last
        return self._of[audience].criteria.reasons_by(self._judge)

    def _without_events(self) -> Mapping[int, Held]:
        asked = ((one.audience, one.by_events) for one in self._asked if one.by_events is not None)
        told = {audience: holds(self._judge, None, UNBOUND) for audience, holds in asked}
        return {audience: held for audience, held in told.items() if held is not ALWAYS[False]}

    def _show(self, mpid: int, section: Any, events: NamedEvents) -> None:
        """Have the user judged of whom this is known."""
        self._glimpsed.mpid, self._glimpsed.section, self._glimpsed.events = mpid, section, events.all
        self._judge.events, self._judge.last = events, None


def _asked(audience: int, definition: Definition, compiler: Compiler, derived: frozenset[str], now_ms: int) -> _Asked:
    def is_seen(part: Expression | Operand) -> bool:
        return _is_seen(part) and not (isinstance(part, AttributeField) and part.name in derived)

    asks_events = mentions(definition).events != NONE
    by_section = weakened(definition.criteria, lambda part: is_seen(part) and not _is_of_events(part))
    by_events = weakened(definition.criteria, is_seen)
    is_exact = by_events is definition.criteria
    return _Asked(
        audience,
        Criteria(definition),
        None if by_section is ANYBODY else compiler.holds(by_section),
        None if by_events is ANYBODY else compiler.holds(by_events),
        asks_events,
        is_exact,
        is_exact and not asks_events,
        requirement(by_events, now_ms),
    )


def _is_seen(part: Expression | Operand) -> bool:
    match part:
        case Member() | CalculatedField() | IdentityField():
            return False
        case UserField(fact):
            return fact in _FACTS_SEEN
        case AttributeField(name):
            # Any other can't be the name of a member that is looked for.
            return name.isprintable() and not set(name) & {'"', "\\"}
        case _:
            return True


def _names(definition: Definition) -> Names:
    """Return the names of the events that have to be read. Where a field means all events, these are told as what was found."""
    return None if _asks_for_all_events(definition.criteria) else mentions(definition).events


def _asks_for_all_events(expression: Expression) -> bool:
    match expression:
        case Every(expressions=inner) | Some(expressions=inner):
            return any(map(_asks_for_all_events, inner))
        case Not(expression=inner):
            return _asks_for_all_events(inner)
        case Compared(left=left, right=right):
            return isinstance(left, EventField) or isinstance(right, EventField)
        case Tested(operand=operand):
            return isinstance(operand, EventField)
        case Member() | Sequenced():
            return False
        case _:
            assert_never(expression)


def _is_of_events(part: Expression | Operand) -> bool:
    match part:
        case EventField() | Sequenced() | Everything(model=Model.EVENTS) | Aggregate(field=EventField()):
            return True
        case _:
            return False


def _is_of_events_alone(part: Expression | Operand) -> bool:
    match part:
        case Everything(model=model):
            return model is Model.EVENTS
        case Member():
            return False
        case _:
            return isinstance(part, EventField) or not isinstance(part, Field)


def _places(parts: Sequence[Expression | Operand]) -> Mapping[str, str]:
    """Return under which names the attributes are glimpsed that are asked for."""
    asked = sorted({part.name for part in parts if isinstance(part, AttributeField) and _is_seen(part)})
    return {name: f"a{number}" for number, name in enumerate(asked)}


def _read_by(field: Field, places: Mapping[str, str]) -> Read | None:
    """Return what reads a field of a glimpsed user; an attribute is reached at once."""
    if isinstance(field, AttributeField) and field.name in places:
        return attrgetter(f"section.attributes.{places[field.name]}.value")
    return read_by(field)


def _section_decoder(parts: Sequence[Expression | Operand], places: Mapping[str, str]) -> msgspec.json.Decoder[Any]:
    """Return what reads of a section only what is asked for."""

    def get(attributes: object, name: str) -> _Value:
        return getattr(attributes, places[name])

    attributes = msgspec.defstruct(
        "_Attributes",
        [(place, _Value, _NO_VALUE) for place in places.values()],
        rename={place: name for name, place in places.items()},
        namespace={"get": get},
        frozen=True,
        gc=False,
    )
    members: list[tuple[str, Any, Any]] = []
    if places:
        members.append(("attributes", attributes, msgspec.field(default_factory=attributes)))
    for kind, member, of in _MEMBERS:
        if any(isinstance(part, kind) or part == Everything(of) for part in parts):
            members.append(member)
    return msgspec.json.Decoder(
        msgspec.defstruct(
            "_Section",
            [("last_seen_ms", int), *members],
            rename={"all_consents": "consents"},
            namespace={"consents": property(_consents)},
            frozen=True,
            gc=False,
        )
    )


_Consents = tuple[tuple[Regulation, str, bool, int, str | None, str | None, str | None], ...]
_MEMBERS: Final[Sequence[tuple[type, tuple[str, Any, Any], Model]]] = (
    (ConsentField, ("all_consents", _Consents, ()), Model.CONSENT),
    (DeviceField, ("devices", tuple[Device, ...], ()), Model.DEVICES),
    (AttributionField, ("attributions", tuple[Attribution, ...], ()), Model.ATTRIBUTION),
)
"""By what asks for them: a kind of field, and the model of which there is something or nothing."""


def _consents(section: Any) -> Mapping[Purpose, Consent]:
    """Return what a section says of consent."""
    return {Purpose(one[0], one[1]): Consent(*one[2:]) for one in section.all_consents}
