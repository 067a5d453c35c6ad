"""Decides what a valid rule of a connection is: which identities a destination gets, in which form, of whom (platform §7.2, §6.5).

A destination has *slots*: places for an identity, such as the partner's user id or its e-mail field. A slot says which identities may
fill it, in order: the first that is there, or all of them. Everything that is wrong with a rule is found when it is made.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from knownas.core.profile.consent import CCPA_PURPOSE, Purpose, Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form, form_of, forms_of
from knownas.core.translation.limits import CONSENTS_NEEDED_MAX, SLOT_NAME_CHARACTERS_MAX, SLOTS_MAX, WANTED_MAX
from knownas.core.translation.numbering_plans import CALLING_CODES
from knownas.core.translation.phone import NO_COUNTRY, Numbering
from knownas.core.translation.target import MPID, Target


class Choice(StrEnum):
    """Which of the identities that may fill a slot do: the first type that is there (a fallback chain), or all."""

    FIRST = "first"
    ALL = "all"


class Take(StrEnum):
    """Of several values of a type, or several devices, all or the newest: the value set last, the device seen last."""

    ALL = "all"
    NEWEST = "newest"


class Requirement(StrEnum):
    """Of several required slots, whether each must be filled, or any (as in the open partner protocol, platform §7.6)."""

    EACH = "each"
    ANY = "any"


class Users(StrEnum):
    """Who is sent: everybody, or users with a login ID only (the vendor's IDSync rule, platform §7.4)."""

    ALL = "all"
    KNOWN = "known"


class OnIdentityChange(StrEnum):
    """What happens to the old value at the destination when an identity of a member changes; platform §6.5."""

    REMOVE_OLD = "remove_old"
    ADD_ONLY = "add_only"


class Keeps(StrEnum):
    """What a destination keeps: identities of each profile, or a bare set of values, in which nobody knows whose they are."""

    PROFILES = "profiles"
    VALUES = "values"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An identity that may fill a slot, and how it is written; without a `form` in the one that is usual for its type."""

    target: Target
    encoding: Encoding = Encoding.RAW
    form: Form | None = None

    @property
    def normal_form(self) -> Form:
        """The form in which the value is sent, or hashed."""
        return form_of(self.target, self.encoding) if self.form is None else self.form


@dataclass(frozen=True, slots=True)
class Slot:
    """A place at the destination. `name` is the destination's, or that of the first type that may fill it."""

    wanted: tuple[Wanted, ...]
    name: str | None = None
    choice: Choice = Choice.FIRST
    values: Take = Take.ALL
    devices: Take = Take.ALL
    required: bool = False

    @property
    def label(self) -> str:
        """The name of the slot."""
        return self.wanted[0].target.value if self.name is None else self.name

    @property
    def types(self) -> str:
        """The types that may fill it, for a sentence."""
        return listed(one.target for one in self.wanted)


def listed(targets: Iterable[Target]) -> str:
    """Write types as a list for a sentence, each once."""
    names = list(dict.fromkeys(one.value for one in targets))
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@dataclass(frozen=True, slots=True)
class RuleFault:
    """One thing wrong with a rule: the member it concerns, such as `slots[0].wanted[1].form`, and a sentence."""

    member: str
    sentence: str


class InvalidRule(ValueError):
    """The rule contradicts itself or could never send anything; `faults` says in how many ways."""

    def __init__(self, faults: tuple[RuleFault, ...]) -> None:
        super().__init__("; ".join(f"{fault.member}: {fault.sentence}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Rule:
    """What one connection sends of a user, valid from birth.

    `excluded` types never go out, whatever the slots say. `send_anonymous_users` off leaves out users of whom only the MPID would
    be sent. `consents` are all needed: a GDPR purpose has to be consented to, a CCPA one must not be opted out of. An id for
    advertising whose user limits ad tracking, a user who has opted out, and a value that could be no person's (`guest@…`, zeros) go
    nowhere unless the rule says so.

    Raises:
        InvalidRule: with every fault at once.
    """

    slots: tuple[Slot, ...]
    excluded: frozenset[Target] = frozenset()
    requirement: Requirement = Requirement.EACH
    users: Users = Users.ALL
    send_anonymous_users: bool = True
    consents: frozenset[Purpose] = frozenset()
    numbering: Numbering = NO_COUNTRY
    send_limited_ad_tracking: bool = False
    send_opted_out_users: bool = False
    send_unlike_a_person: bool = False
    on_identity_change: OnIdentityChange = OnIdentityChange.REMOVE_OLD
    keeps: Keeps = Keeps.PROFILES

    def __post_init__(self) -> None:
        faults = tuple(_faults(self))
        if faults:
            raise InvalidRule(faults)


def wanting(*targets: Target, encoding: Encoding = Encoding.RAW) -> Rule:
    """Build the simplest rule: a slot for each type, all values, as they are or hashed.

    Raises:
        InvalidRule: a type is there twice, or there is none.
    """
    return Rule(tuple(Slot((Wanted(target, encoding),)) for target in targets))


def _faults(rule: Rule) -> Iterator[RuleFault]:
    if not 1 <= len(rule.slots) <= SLOTS_MAX:
        yield RuleFault("slots", f"there must be 1 to {SLOTS_MAX} slots, or nothing can ever be sent")
    filled = [slot for slot in rule.slots if slot.wanted]
    labels = [slot.label for slot in filled]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        yield RuleFault("slots", f"each slot needs a name of its own; twice: {', '.join(twice)}")
    for place, slot in enumerate(rule.slots):
        yield from _slot_faults(f"slots[{place}]", slot, rule.excluded)
    targets = {one.target for slot in filled for one in slot.wanted}
    if targets and targets <= rule.excluded:
        yield RuleFault("excluded", "everything that is wanted is excluded, so nothing can ever be sent")
    elif not rule.send_anonymous_users and targets and targets - rule.excluded == {MPID}:
        yield RuleFault("send_anonymous_users", "only the MPID is wanted, so nobody could ever be sent")
    yield from general_faults(rule.consents, rule.numbering)


def _slot_faults(path: str, slot: Slot, excluded: frozenset[Target]) -> Iterator[RuleFault]:
    if slot.name is not None and not 1 <= len(slot.name) <= SLOT_NAME_CHARACTERS_MAX:
        yield RuleFault(f"{path}.name", f"the name must have 1 to {SLOT_NAME_CHARACTERS_MAX} characters")
    if not 1 <= len(slot.wanted) <= WANTED_MAX:
        yield RuleFault(f"{path}.wanted", f"there must be 1 to {WANTED_MAX} identities that may fill it")
    if len(set(slot.wanted)) != len(slot.wanted):
        yield RuleFault(f"{path}.wanted", "each identity may stand in it once")
    if slot.required and slot.wanted and {one.target for one in slot.wanted} <= excluded:
        yield RuleFault(f"{path}.required", "all that may fill it is excluded, so nobody could ever be sent")
    for place, one in enumerate(slot.wanted):
        allowed = forms_of(one.target)
        if one.normal_form not in allowed:
            names = ", ".join(sorted(allowed))
            sentence = f"{one.target.value} has no form {one.normal_form}; allowed: {names}"
            yield RuleFault(f"{path}.wanted[{place}].form", sentence)
        if one.normal_form is Form.DIGEST and one.encoding is Encoding.RAW:
            sentence = "a value that is a digest already is sent as one: name which in encoding"
            yield RuleFault(f"{path}.wanted[{place}].form", sentence)


def general_faults(consents: frozenset[Purpose], numbering: Numbering) -> Iterator[RuleFault]:
    """Yield what is wrong with a rule whatever its slots are."""
    if len(consents) > CONSENTS_NEEDED_MAX:
        yield RuleFault("consents", f"there may be {CONSENTS_NEEDED_MAX} purposes")
    for purpose in sorted(consents):
        if purpose.regulation is Regulation.CCPA and purpose.name != CCPA_PURPOSE:
            yield RuleFault("consents", f"ccpa has the one purpose {CCPA_PURPOSE}, not {purpose.name}")
    code = numbering.calling_code
    if code is not None and code not in CALLING_CODES:
        yield RuleFault(
            "numbering.calling_code", f"{code} is no country's calling code; it is digits without +, such as 49"
        )
    if code is not None and numbering.plus_left_out:
        sentence = "numbers without + either begin with their calling code or are dialled in one country"
        yield RuleFault("numbering.plus_left_out", sentence)
