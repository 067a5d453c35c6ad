"""Reads the form in which a scope's rules are edited, checks them, and tells in words in what two sets of rules differ.

Which pools there are and what is quarantined are no fields: those rules stay as they are in force (`service.identity.publishing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import msgspec

from knownas.config.faults import InvalidConfiguration
from knownas.config.policies import read_policy
from knownas.console.form import Fields
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import KINDS, IdentityType
from knownas.core.identity.policy import (
    MAX_AGE_SECONDS_MAX,
    MAX_VALUES_MAX,
    BestMatchLoginLogout,
    Capture,
    EmptyRecord,
    EphemeralPolicy,
    ErrorBody,
    LoginRequiresLoginId,
    LogoutLoginIds,
    Policy,
    SearchImmutablePolicy,
    Strategy,
    TieBreak,
    unreachable_flags,
)
from knownas.service.identity.policies import policy_document

_P, _R, _S = TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID
TIE_BREAKS: Final = tuple(",".join(one) for one in ((_P, _R, _S), (_R, _P, _S), (_P, _S), (_R, _S), (_S,)))
"""The orders of rules that can be chosen: the last always decides."""

FLAGS: Final = ("login", "unique", "immutable")
"""What a type can be, as the form calls it; a policy's list has `_ids` after it."""

STRATEGY_WORDS: Final[Mapping[Strategy, str]] = {
    Strategy.DEFAULT: "a login ID makes an anonymous profile a known one; a new customer ID makes a new profile",
    Strategy.PROFILE_CONVERSION: "an anonymous profile becomes the known one at the first login",
    Strategy.PROFILE_LINK: "a login starts a profile of its own, which aliases can join with the anonymous one",
    Strategy.PROFILE_ISOLATION: "known and anonymous profiles never meet",
    Strategy.BEST_MATCH: "everything accumulates on the profile that matches best; nobody is known",
}


class Choice(NamedTuple):
    """A setting that is one of a few words: its name, what it decides, and the words."""

    name: str
    says: str
    options: Sequence[str]

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """The words as the form's parts take them."""
        return [(one, one) for one in self.options]


CHOICES: Final = (
    Choice("tie_break", "Of several profiles that are left, which answers", TIE_BREAKS),
    Choice("capture", "Which observations the log keeps: only what is kept can be rehearsed", tuple(Capture)),
    Choice(
        "search_immutable_policy", "What search needs where there are immutable types", tuple(SearchImmutablePolicy)
    ),
    Choice("logout_login_ids", "What becomes of login IDs that are sent with a logout", tuple(LogoutLoginIds)),
    Choice("login_requires_login_id", "Where a login without a login ID is refused", tuple(LoginRequiresLoginId)),
    Choice("best_match_login_logout", "How best_match answers login and logout", tuple(BestMatchLoginLogout)),
    Choice("is_ephemeral_policy", "When apps are told that they may forget an identity", tuple(EphemeralPolicy)),
    Choice("empty_record", "What becomes of a request whose identities no profile can hold", tuple(EmptyRecord)),
    Choice("error_body", "Which spellings an error has for the SDKs", tuple(ErrorBody)),
)
SWITCHES: Final = (
    ("implicit_das", "Look up the device application stamp last, if it is not in the order"),
    ("modify_device_application_stamp", "Let modify change the device application stamp"),
)
_FIXED: Final = ("environment_pools", "toxic")
_ENCODER: Final = msgspec.json.Encoder()
TYPES: Final = tuple(one.type for one in KINDS)
NUMBER_CHARACTERS_MAX: Final = 10
"""Characters of a number in the form."""


@dataclass(frozen=True, slots=True)
class TypeRow:
    """What the form says of an identity type: its place in the order and the most values of it, as written, and its flags."""

    type: IdentityType
    place: str
    most: str
    flags: frozenset[str]

    @property
    def is_used(self) -> bool:
        """Whether anything is said of it."""
        return bool(self.place or self.most or self.flags)


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules while they are edited. `faults` are sentences, each with the type or setting that it is about, "" for none.

    `policy` is None while anything is wrong. `warnings` are of what is allowed, and probably a slip.
    """

    strategy: str
    rows: Sequence[TypeRow]
    settings: Mapping[str, str]
    policy: Policy | None
    faults: Sequence[tuple[str, str]]
    warnings: Sequence[str]


def draft_of(policy: Policy) -> Draft:
    """Return the form of rules that are there."""
    places = {kind: str(place) for place, kind in enumerate(policy.priority, 1)}
    flags = {"login": policy.login_ids, "unique": policy.unique_ids, "immutable": policy.immutable_ids}
    most = policy.settings.max_values
    rows = [
        TypeRow(
            kind,
            places.get(kind, ""),
            str(most[kind]) if kind in most else "",
            frozenset(name for name, types in flags.items() if kind in types),
        )
        for kind in TYPES
    ]
    settings = {one.name: _word(getattr(policy.settings, one.name)) for one in CHOICES}
    settings |= {name: "on" if getattr(policy.settings, name) else "" for name, _ in SWITCHES}
    settings["max_age_seconds"] = str(policy.settings.max_age_seconds)
    rows.sort(key=lambda one: (not one.place, int(one.place or 0)))
    return Draft(policy.strategy, rows, settings, policy, (), _warnings(policy))


def draft_from(form: Fields, in_force: Policy) -> Draft:
    """Read the form, with what is wrong with it.

    Raises:
        Refusal: a field is too long, or there twice.
    """
    rows = [
        TypeRow(
            kind,
            form.text(f"{kind}-place", NUMBER_CHARACTERS_MAX),
            form.text(f"{kind}-most", NUMBER_CHARACTERS_MAX),
            frozenset(flag for flag in FLAGS if form.is_on(f"{kind}-{flag}")),
        )
        for kind in TYPES
    ]
    settings = {one.name: form.text(one.name) for one in CHOICES}
    settings |= {name: "on" if form.is_on(name) else "" for name, _ in SWITCHES}
    settings["max_age_seconds"] = form.text("max_age_seconds", NUMBER_CHARACTERS_MAX)
    strategy = form.text("strategy")
    faults = list(_number_faults(rows, settings))
    read = None if faults else read_policy(_ENCODER.encode(_document(strategy, rows, settings, in_force)).decode())
    if isinstance(read, InvalidConfiguration):
        faults += [(_about(one.path), f"{one.message}{_allowed(one.allowed)}") for one in read.faults]
    policy = read if isinstance(read, Policy) else None
    rows.sort(key=lambda one: (not one.place, _number(one.place) or 0))
    return Draft(strategy, rows, settings, policy, faults, () if policy is None else _warnings(policy))


def _document(strategy: str, rows: Sequence[TypeRow], settings: Mapping[str, str], in_force: Policy) -> Document:
    """Write the form down as a scope of the configuration has it."""
    fixed = cast("Document", policy_document(in_force)["settings"])
    ranked = sorted((one for one in rows if one.place), key=lambda one: _number(one.place) or 0)
    return {
        "strategy": strategy,
        "priority": [one.type.value for one in ranked],
        **{f"{flag}_ids": [one.type.value for one in rows if flag in one.flags] for flag in FLAGS},
        "settings": {
            **{name: fixed[name] for name in _FIXED},
            **{one.name: settings[one.name] for one in CHOICES if one.name != "tie_break"},
            "tie_break": settings["tie_break"].split(","),
            **{name: settings[name] == "on" for name, _ in SWITCHES},
            "max_age_seconds": _number(settings["max_age_seconds"]) or 0,
            "max_values": {one.type.value: _number(one.most) for one in rows if one.most},
        },
    }


def _number_faults(rows: Sequence[TypeRow], settings: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    places: dict[int, IdentityType] = {}
    for one in rows:
        place = _number(one.place) if one.place else None
        if one.place and (place is None or not 1 <= place <= len(TYPES)):
            faults.append((one.type, f"a place is a number from 1 to {len(TYPES)}"))
        elif place is not None and place in places:
            faults.append((one.type, f"{places[place]} has place {place}, too"))
        elif place is not None:
            places[place] = one.type
        most = _number(one.most) if one.most else None
        if one.most and (most is None or not 1 <= most <= MAX_VALUES_MAX):
            faults.append((one.type, f"the most values that a profile keeps are 1 to {MAX_VALUES_MAX:,}, or nothing"))
    age = _number(settings["max_age_seconds"])
    if age is None or age > MAX_AGE_SECONDS_MAX:
        faults.append(("max_age_seconds", f"0 to {MAX_AGE_SECONDS_MAX:,} seconds"))
    return faults


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _about(path: str) -> str:
    return path.removeprefix("settings.").partition("[")[0]


def _allowed(allowed: str | None) -> str:
    return f" (allowed: {allowed})" if allowed else ""


def _warnings(policy: Policy) -> Sequence[str]:
    """Tell what is allowed, and probably a slip."""
    return [
        f"{', '.join(sorted(types))}: {member.removesuffix('_ids')} IDs outside the order are never looked up"
        for member, types in unreachable_flags(policy).items()
    ]


class Difference(NamedTuple):
    """A rule that is another one: what it is called, and what it was and is."""

    rule: str
    before: str
    after: str


def differences(before: Policy, after: Policy) -> Sequence[Difference]:
    """Return in what two sets of rules differ."""
    told: list[Difference] = []
    if before.strategy is not after.strategy:
        told.append(Difference("strategy", before.strategy, after.strategy))
    if before.priority != after.priority:
        told.append(Difference("looked up, in this order", " > ".join(before.priority), " > ".join(after.priority)))
    for flag in FLAGS:
        pair = [", ".join(sorted(getattr(one, f"{flag}_ids"))) or "none" for one in (before, after)]
        if pair[0] != pair[1]:
            told.append(Difference(f"{flag} IDs", *pair))
    for name in type(before.settings).__dataclass_fields__:
        pair = [getattr(one.settings, name) for one in (before, after)]
        if pair[0] != pair[1]:
            told.append(Difference(name.replace("_", " "), *map(_word, pair)))
    return told


def _word(value: object) -> str:
    """Write the value of a setting for people and forms."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, cast("tuple[object, ...]", value)))
    if isinstance(value, Mapping):
        most = cast("Mapping[str, int]", value)
        return ", ".join(f"{kind} {limit}" for kind, limit in sorted(most.items())) or "none"
    return str(value) if isinstance(value, str | int) else "changed"
