"""Decides which identities of a profile go out over a connection, or why none does (platform §7.2).

First it is asked whether this user may be sent at all: known, not opted out, with the consent that is needed. Then each slot is filled from what
the profile has, without what is excluded, held back by the data filter, limited by its user, or in no form that the destination could
compare. A slot that must be filled and can't be is the reason why the user is skipped.

The same view and rule always give the same: nothing here depends on the time, so nothing has to be sent because time passes.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from knownas.core.identity.kinds import (
    ADVERTISING_TYPES,
    Identity,
    IdentityType,
)
from knownas.core.identity.toxic import unlike_a_person
from knownas.core.profile.consent import Consents, Purpose, Regulation
from knownas.core.translation.form import EMAIL_FORMS, PHONE_FORMS, written
from knownas.core.translation.outcome import LeftOut, Outgoing, Skipped, Translated, Translation
from knownas.core.translation.reason import Reason
from knownas.core.translation.rule import Choice, Requirement, Rule, Slot, Take, Users, Wanted, listed
from knownas.core.translation.target import MPID, Target, is_of_device
from knownas.core.translation.view import DeviceView, ProfileView


def translate(view: ProfileView, rule: Rule, withheld: frozenset[Target] = frozenset()) -> Translation:
    """Return the identities that go out of a profile, or why it is skipped.

    `withheld` are types that may not go out for a reason beside the rule: the data filter, or what accounts share.
    """
    barred = _barred(view, rule)
    if barred is not None:
        return barred
    filled = [_filled(slot, view, rule, withheld) for slot in rule.slots]
    empty = _left_empty(rule, filled)
    if empty is not None:
        return Skipped(view.mpid, *empty)
    outgoing = tuple(dict.fromkeys(chain.from_iterable(one.identities for one in filled)))
    if not rule.send_anonymous_users and all(one.target is MPID for one in outgoing):
        return Skipped(view.mpid, Reason.MPID_ONLY)
    return Translated(view.mpid, outgoing, tuple(chain.from_iterable(one.left_out for one in filled)))


def consent_missing(consents: Consents, purpose: Purpose) -> Reason | None:
    """Say why data may not be used for a purpose; None if it may.

    Under GDPR consent has to be given; under CCPA data may be sold until the user opts out (platform §5.9).
    """
    said = consents.get(purpose)
    match purpose.regulation:
        case Regulation.CCPA:
            return Reason.SALE_OPTED_OUT if said is not None and said.consented else None
        case Regulation.GDPR:
            if said is None:
                return Reason.CONSENT_MISSING
            return None if said.consented else Reason.CONSENT_REFUSED


def _barred(view: ProfileView, rule: Rule) -> Skipped | None:
    """Say why this user may not be sent, whatever is known of them."""
    if rule.users is Users.KNOWN and not view.known:
        return Skipped(view.mpid, Reason.ANONYMOUS)
    if view.opted_out and not rule.send_opted_out_users:
        return Skipped(view.mpid, Reason.OPTED_OUT)
    for purpose in sorted(rule.consents):
        reason = consent_missing(view.consents, purpose)
        if reason is not None:
            return Skipped(view.mpid, reason, purpose.name)
    return None


class _Candidate(NamedTuple):
    """A value that may go out; `age` is 0 for the newest device, and counts up."""

    value: str
    device: DeviceView | None
    age: int


class _Fit(NamedTuple):
    """What goes out of a candidate; `age` None if it is of no device."""

    outgoing: Outgoing
    age: int | None


class _Filled(NamedTuple):
    """What fills a slot, and what was left out of it."""

    identities: tuple[Outgoing, ...]
    left_out: tuple[LeftOut, ...]


def _left_empty(rule: Rule, filled: list[_Filled]) -> tuple[Reason, str] | None:
    """Return why a user is skipped: which slot that had to be filled is empty, and the reason; None if that is none."""
    slots = list(zip(rule.slots, filled, strict=True))
    required = [(slot, one) for slot, one in slots if slot.required]
    empty = [(slot, one) for slot, one in required if not one.identities]
    if rule.requirement is Requirement.EACH and empty:
        return _why_empty(*empty[0])
    if rule.requirement is Requirement.ANY and required and len(empty) == len(required):
        return _why_none(empty)
    return _why_none(slots) if not any(one.identities for one in filled) else None


def _why_empty(slot: Slot, filled: _Filled) -> tuple[Reason, str]:
    """Return why a slot is empty: the first value that could not go out, or that there is none."""
    if filled.left_out:
        return filled.left_out[0].reason, filled.left_out[0].target.value
    return Reason.NO_IDENTITY, slot.types


def _why_none(empty: list[tuple[Slot, _Filled]]) -> tuple[Reason, str]:
    """Return why none of several slots is filled."""
    for slot, filled in empty:
        if filled.left_out:
            return _why_empty(slot, filled)
    return Reason.NO_IDENTITY, listed(one.target for slot, _ in empty for one in slot.wanted)


def _filled(slot: Slot, view: ProfileView, rule: Rule, withheld: frozenset[Target]) -> _Filled:
    """Fill a slot with the first type that is there, or all."""
    fits: list[_Fit] = []
    left_out: list[LeftOut] = []
    for wanted in slot.wanted:
        if wanted.target in rule.excluded:
            continue
        for one in _fits(slot, wanted, view, rule, withheld):
            match one:
                case _Fit():
                    fits.append(one)
                case LeftOut():
                    left_out.append(one)
        if fits and slot.choice is Choice.FIRST:
            break
    if slot.devices is Take.NEWEST:
        newest = min((one.age for one in fits if one.age is not None), default=None)
        fits = [one for one in fits if one.age in (None, newest)]
    return _Filled(tuple(one.outgoing for one in fits), tuple(left_out))


def _fits(
    slot: Slot, wanted: Wanted, view: ProfileView, rule: Rule, withheld: frozenset[Target]
) -> Iterator[_Fit | LeftOut]:
    """Yield what goes out of the values of one type, the newest first, and what is left out of them."""
    is_device = is_of_device(wanted.target)
    for value, device, age in _candidates(view, wanted.target):
        reason = Reason.WITHHELD if wanted.target in withheld else _held_back(view, wanted, value, rule)
        text = written(value, wanted.normal_form, wanted.encoding, rule.numbering) if reason is None else reason
        if isinstance(text, Reason):
            yield LeftOut(wanted.target, text)
            continue
        platform = None if device is None else device.platform
        stamp = None if device is None else device.stamp
        outgoing = Outgoing(slot.label, wanted.target, wanted.encoding, text, stamp, platform)
        yield _Fit(outgoing, age if is_device else None)
        if not is_device and slot.values is Take.NEWEST:
            return


def _candidates(view: ProfileView, target: Target) -> Iterator[_Candidate]:
    """Yield the values that a profile has of a type, the newest first: of devices by when they were seen."""
    if not isinstance(target, IdentityType):
        yield _Candidate(str(view.mpid), None, 0)
        return
    told: set[str] = set()
    devices = _newest_first(view) if is_of_device(target) else []
    for age, device in enumerate(devices):
        value = device.id_of(target)
        if value is not None and value not in told:
            told.add(value)
            yield _Candidate(value, device, age)
    # Of these no device is known; they count as seen before all that are.
    for age, value in enumerate(reversed(view.identities.get(target, ())), start=len(devices)):
        if value not in told:
            told.add(value)
            yield _Candidate(value, None, age)


def _newest_first(view: ProfileView) -> list[DeviceView]:
    """Return the devices by when they were seen. Of two that were seen at the same time, their ids decide."""
    return sorted(view.devices, key=lambda one: (-one.last_seen_ms, one.stamp or "", sorted(one.ids.items())))


def _held_back(view: ProfileView, wanted: Wanted, value: str, rule: Rule) -> Reason | None:
    """Say why a value goes nowhere, in whatever form."""
    target = wanted.target
    if not isinstance(target, IdentityType):
        return None
    if target in ADVERTISING_TYPES and not rule.send_limited_ad_tracking and _is_limited(view, target, value):
        return Reason.AD_TRACKING_LIMITED
    if rule.send_unlike_a_person:
        return None
    looks = target
    if wanted.normal_form in EMAIL_FORMS:
        looks = IdentityType.EMAIL
    elif wanted.normal_form in PHONE_FORMS:
        looks = IdentityType.MOBILE_NUMBER
    return None if unlike_a_person(Identity(looks, value)) is None else Reason.UNLIKE_A_PERSON


def _is_limited(view: ProfileView, target: IdentityType, value: str) -> bool:
    """Whether the user limits tracking by an id: as the device with it says that was seen last. At the same time, limits count.

    An id is the same in capitals.
    """
    said: list[tuple[int, bool]] = []
    for device in view.devices:
        id_there = device.id_of(target)
        is_same = id_there is not None and id_there.strip().lower() == value.strip().lower()
        if is_same and device.limits_ad_tracking is not None:
            said.append((device.last_seen_ms, device.limits_ad_tracking))
    return max(said)[1] if said else False
