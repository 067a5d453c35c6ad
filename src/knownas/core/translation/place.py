"""Decides the rule of a connection from what somebody wishes and from the places for identities that a destination has (platform §7.2).

Some destinations take identities of any type: a webhook, a stream, a file. There each wished type has a place of its own. Others
have few places, such as a user id and an e-mail field: these are filled as usual there, unless the wish says with what.

Nothing is passed over in silence: a type that would go nowhere, a place that is not there or does not take what it should, a digest where
the destination wants the value, are faults. So a rule that is made sends what was wished, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from knownas.core.profile.consent import Purpose
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form, forms_of
from knownas.core.translation.limits import SLOT_NAME_CHARACTERS_MAX
from knownas.core.translation.phone import NO_COUNTRY, Numbering
from knownas.core.translation.rule import (
    Choice,
    InvalidRule,
    Keeps,
    OnIdentityChange,
    Requirement,
    Rule,
    RuleFault,
    Slot,
    Take,
    Users,
    Wanted,
    general_faults,
    listed,
)
from knownas.core.translation.target import Target


class InvalidPlace(ValueError):
    """A place that could not be filled as it says; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for an identity at a destination, by its name there.

    `accepts` are the types that may fill it; `usual` those that do if nobody says otherwise, in order: none leaves it empty. A value is
    written in `encoding`, or another of `encodings` if somebody says so, and in `form` (None: the usual one of its type). `values` is how many
    it takes, also of ids of devices: all, or of the device seen last.

    Raises:
        InvalidPlace: it would be filled in a way that it does not accept.
    """

    name: str
    accepts: frozenset[Target]
    usual: tuple[Target, ...] = ()
    encoding: Encoding = Encoding.RAW
    encodings: frozenset[Encoding] = frozenset({Encoding.RAW})
    form: Form | None = None
    choice: Choice = Choice.FIRST
    values: Take = Take.ALL
    required: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= SLOT_NAME_CHARACTERS_MAX:
            raise InvalidPlace(f"the name of a place has 1 to {SLOT_NAME_CHARACTERS_MAX} characters")
        if not self.accepts or not self.accepts.issuperset(self.usual):
            raise InvalidPlace(f"{self.name} must accept something, and what usually fills it")
        if self.encoding not in self.encodings:
            raise InvalidPlace(f"{self.name} is usually written in an encoding that it does not take")
        if self.form is not None and not all(self.form in forms_of(one) for one in self.accepts):
            raise InvalidPlace(f"{self.name} accepts a type that has no form {self.form}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wishes for a connection.

    `identities` are the types that may go out; None means those that are usual at the destination. `places` says what fills a
    place of the destination, in order: nothing leaves it empty. `encoding` is how values are written, None as the destination usually gets
    them. `values` and `devices` of None are as the destination has it, which is all; so is `on_identity_change`. The others are those of
    `Rule`.
    """

    identities: tuple[Target, ...] | None = None
    places: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, tuple[Target, ...]])
    encoding: Encoding | None = None
    values: Take | None = None
    devices: Take | None = None
    excluded: frozenset[Target] = frozenset()
    users: Users = Users.ALL
    send_anonymous_users: bool = True
    consents: frozenset[Purpose] = frozenset()
    numbering: Numbering = NO_COUNTRY
    send_limited_ad_tracking: bool = False
    send_opted_out_users: bool = False
    send_unlike_a_person: bool = False
    on_identity_change: OnIdentityChange | None = None


def rule_of(
    wish: Wish,
    places: Sequence[Place] = (),
    keeps: Keeps = Keeps.PROFILES,
    requirement: Requirement = Requirement.EACH,
    on_identity_change: OnIdentityChange = OnIdentityChange.REMOVE_OLD,
) -> Rule:
    """Return the rule of a connection with a destination that has these places; without any it takes identities of every type.

    `on_identity_change` is what the destination does if the wish does not say.

    Raises:
        InvalidRule: with every fault at once. A `member` is the wish's: `identities`, `places.` and a name, `encoding`, or one of the rule's.
    """
    faults = [*_faults(wish, places, requirement), *general_faults(wish.consents, wish.numbering)]
    if faults:
        raise InvalidRule(tuple(faults))
    return Rule(
        tuple(_slots_of_places(wish, places) if places else _slots_of_types(wish)),
        wish.excluded,
        requirement,
        wish.users,
        wish.send_anonymous_users,
        wish.consents,
        wish.numbering,
        wish.send_limited_ad_tracking,
        wish.send_opted_out_users,
        wish.send_unlike_a_person,
        wish.on_identity_change or on_identity_change,
        keeps,
    )


def _faults(wish: Wish, places: Sequence[Place], requirement: Requirement) -> Iterator[RuleFault]:
    if wish.identities is not None:
        yield from _twice("identities", wish.identities)
    if places:
        yield from _faults_of_named(wish, places)
        yield from _going_nowhere(wish, places)
        yield from _unfilled(wish, places, requirement)
    else:
        for name in wish.places:
            yield RuleFault(
                f"places.{name}", "the destination takes identities of every type, and has no places for them"
            )
        if not wish.identities:
            yield RuleFault(
                "identities", "say which types go out: the destination takes every one, and gets none unasked"
            )


def _faults_of_named(wish: Wish, places: Sequence[Place]) -> Iterator[RuleFault]:
    """Yield what is wrong with what the wish says of places."""
    by_name = {place.name: place for place in places}
    for name, chain in wish.places.items():
        yield from _twice(f"places.{name}", chain)
        place = by_name.get(name)
        if place is None:
            yield RuleFault(f"places.{name}", f"the destination has no such place; it has {', '.join(by_name)}")
            continue
        strange = [one for one in chain if one not in place.accepts]
        if strange:
            yield RuleFault(f"places.{name}", f"it does not take {listed(strange)}; it takes {_all_of(place.accepts)}")
        unasked = [one for one in chain if wish.identities is not None and one not in wish.identities]
        if unasked:
            yield RuleFault(f"places.{name}", f"{listed(unasked)} is not among the identities that may go out")


def _going_nowhere(wish: Wish, places: Sequence[Place]) -> Iterator[RuleFault]:
    """Yield a fault for each wished type that fills no place."""
    going = {target for place in places for target in _chain(wish, place)} | wish.excluded
    for target in dict.fromkeys(wish.identities or ()):
        if target in going:
            continue
        able = [place.name for place in places if target in place.accepts]
        sentence = f"{target.value} fills no place; it can fill {' or '.join(able)} if places says so"
        yield RuleFault("identities", sentence if able else f"no place of the destination takes {target.value}")


def _unfilled(wish: Wish, places: Sequence[Place], requirement: Requirement) -> Iterator[RuleFault]:
    """Yield a fault if no place is filled, one that has to be is not, or one is in an encoding that it does not take."""
    filled = [place for place in places if _chain(wish, place)]
    if not filled:
        member = "excluded" if wish.excluded else "identities"
        yield RuleFault(member, "nothing is left to send: no place of the destination is filled")
    required = [place.name for place in places if place.required]
    missing = [place.name for place in places if place.required and place not in filled]
    if requirement is Requirement.EACH or len(missing) == len(required):
        for name in missing:
            yield RuleFault(f"places.{name}", "the destination needs it to be filled")
    for place in filled:
        if wish.encoding is not None and wish.encoding not in place.encodings:
            allowed = " or ".join(sorted(place.encodings))
            yield RuleFault("encoding", f"{place.name} is taken as {allowed} only, not as {wish.encoding}")


def _twice(member: str, targets: Sequence[Target]) -> Iterator[RuleFault]:
    twice = listed(one for one in targets if targets.count(one) > 1)
    if twice:
        yield RuleFault(member, f"each type may stand there once; twice: {twice}")


def _all_of(targets: Iterable[Target]) -> str:
    return listed(sorted(targets, key=lambda one: one.value))


def _chain(wish: Wish, place: Place) -> tuple[Target, ...]:
    """Return what fills a place: what the wish says, or what is usual there, of what may go out."""
    said = wish.places.get(place.name)
    if said is None:
        said = tuple(one for one in place.usual if wish.identities is None or one in wish.identities)
    return tuple(one for one in said if one not in wish.excluded)


def _slots_of_places(wish: Wish, places: Sequence[Place]) -> Iterator[Slot]:
    for place in places:
        chain = _chain(wish, place)
        if chain:
            wanted = tuple(Wanted(one, wish.encoding or place.encoding, place.form) for one in chain)
            values, devices = wish.values or place.values, wish.devices or place.values
            yield Slot(wanted, place.name, place.choice, values, devices, place.required)


def _slots_of_types(wish: Wish) -> Iterator[Slot]:
    for target in wish.identities or ():
        wanted = (Wanted(target, wish.encoding or Encoding.RAW),)
        yield Slot(wanted, values=wish.values or Take.ALL, devices=wish.devices or Take.ALL)
