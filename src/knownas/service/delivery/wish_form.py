"""Reads what a connection sends of whom from its JSON document, with every fault at once, and writes it back (platform §6.5, §7.2).

What connections of audiences and of inputs have in common is here. A fault has the place of the member, as a JSON pointer (RFC 6901).
Identity types are read in each of their spellings and written by our own names.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

from knownas.core.audience.reading_text import Fault, Object, Text, Wrong
from knownas.core.delivery.message import Settings
from knownas.core.identity.kinds import IdentityType, Surface, types_named_on
from knownas.core.identity.observation import Environment
from knownas.core.profile.consent import Purpose, Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.limits import CONSENTS_NEEDED_MAX, SLOTS_MAX, WANTED_MAX
from knownas.core.translation.phone import Numbering
from knownas.core.translation.place import Wish
from knownas.core.translation.rule import InvalidRule, OnIdentityChange, Take, Users
from knownas.core.translation.target import MPID, Target

CONNECTION_SETTINGS_MAX: Final = 50
"""Settings of one connection."""

FAULTS_TOLD_MAX: Final = 50
"""Faults of a connection that are told; there may be more."""

INTEGER_MAX: Final = 2**53 - 1
"""The largest whole number that every reader of JSON reads alike."""

_TARGETS: Final[Mapping[str, Target]] = MappingProxyType({**types_named_on(Surface.PROFILE), MPID.value: MPID})
"""Every spelling of a type: no two types share one."""

DEFAULT_ENVIRONMENTS: Final = frozenset({Environment.PRODUCTION})
"""Whose users are sent where nobody says: what is developed stays at home."""

COMMON_MEMBERS: Final = (
    "identities",
    "hash",
    "places",
    "values",
    "devices",
    "excluded",
    "users",
    "send_anonymous_users",
    "send_limited_ad_tracking",
    "send_opted_out_users",
    "send_unlike_a_person",
    "consents",
    "default_calling_code",
    "plus_left_out",
    "environments",
    "settings",
)
"""The members that every connection may have."""

_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T")
_D = TypeVar("_D")


class Members:
    """The members of one object, read one after another; each fault is noted, and a member with one reads as if it were not there."""

    def __init__(
        self, text: Text, given: object, place: str, names: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        """Note which members are missing or strange.

        Raises:
            Wrong: it is no object.
        """
        self.text = text
        self.place = place
        self.read: Object = text.any_object(given, place, f"an object is wanted, with {', '.join(names or optional)}")
        with suppress(Wrong):
            # It is noted; what can be read is read nevertheless, so that its faults are told as well.
            text.members(given, place, names, optional)

    def get(self, name: str, reader: Callable[[object, str], _T], absent: _D) -> _T | _D:
        """Return what a member says, or what it stands for when it is absent."""
        if name not in self.read:
            return absent
        try:
            return reader(self.read[name], f"{self.place}/{name}")
        except Wrong:
            return absent

    def each(self, name: str, most: int, reader: Callable[[object, str], _T]) -> tuple[_T, ...]:
        """Return the elements of a list; () if there is none."""
        return self.get(name, lambda given, place: self.elements(given, place, most, reader), ())

    def elements(
        self, given: object, place: str, most: int, reader: Callable[[object, str], _T], least: int = 0
    ) -> tuple[_T, ...]:
        """Read each element of a list.

        Raises:
            Wrong: it is none, has too few or too many elements, or one that can't be read.
        """
        if not isinstance(given, list) or not least <= len(cast("list[object]", given)) <= most:
            raise self.text.wrong(place, f"a list of {least} to {most} is wanted")
        listed = cast("list[object]", given)
        return self.text.all_of(
            *(partial(reader, one, f"{place}/{number}") for number, one in enumerate(listed)),
        )

    def flag(self, name: str, *, absent: bool) -> bool:
        """Return what a switch says."""
        return self.get(name, self._flag, absent)

    def word(self, words: type[_E]) -> Callable[[object, str], _E]:
        """Return what reads one of some words."""
        return lambda given, place: self.text.one_of(words, given, place)

    def target(self, given: object, place: str) -> Target:
        """Read an identity type, or mpid.

        Raises:
            Wrong: it is none.
        """
        target = _TARGETS.get(given) if isinstance(given, str) else None
        if target is None:
            raise self.text.wrong(place, f"wanted is an identity type: {', '.join(IdentityType)} or {MPID.value}")
        return target

    def targets(self, given: object, place: str) -> tuple[Target, ...]:
        """Read a list of identity types.

        Raises:
            Wrong: it is none.
        """
        return self.elements(given, place, WANTED_MAX, self.target)

    def any_text(self, given: object, place: str) -> str:
        """Read a text that may be empty.

        Raises:
            Wrong: it is none, or too long.
        """
        return "" if given == "" else self.text.text(given, place)

    def _flag(self, given: object, place: str) -> bool:
        if not isinstance(given, bool):
            raise self.text.wrong(place, "wanted is true or false")
        return given


def read_wish(members: Members) -> Wish:
    """Return what a connection sends of whom; what has a fault is as if it were not there."""
    return Wish(
        identities=members.get("identities", members.targets, None),
        places=members.get("places", partial(_places, members), dict[str, tuple[Target, ...]]()),
        encoding=members.get("hash", partial(_encoding, members), None),
        values=members.get("values", members.word(Take), None),
        devices=members.get("devices", members.word(Take), None),
        excluded=frozenset(members.get("excluded", members.targets, ())),
        users=members.get("users", members.word(Users), Users.ALL),
        send_anonymous_users=members.flag("send_anonymous_users", absent=True),
        consents=frozenset(members.each("consents", CONSENTS_NEEDED_MAX, partial(_purpose, members.text))),
        numbering=Numbering(
            members.get("default_calling_code", members.text.text, None), members.flag("plus_left_out", absent=False)
        ),
        send_limited_ad_tracking=members.flag("send_limited_ad_tracking", absent=False),
        send_opted_out_users=members.flag("send_opted_out_users", absent=False),
        send_unlike_a_person=members.flag("send_unlike_a_person", absent=False),
        on_identity_change=members.get("on_identity_change", members.word(OnIdentityChange), None),
    )


def read_environments(members: Members) -> frozenset[Environment]:
    """Return of which environments users are sent."""

    def read(given: object, place: str) -> frozenset[Environment]:
        return frozenset(members.elements(given, place, len(Environment), members.word(Environment), least=1))

    return members.get("environments", read, DEFAULT_ENVIRONMENTS)


def read_settings(members: Members) -> Settings:
    """Return the settings that the destination wants of a connection; whether it knows them is not asked here."""

    def read(given: object, place: str) -> Settings:
        wanted = f"an object is wanted, with {CONNECTION_SETTINGS_MAX} settings at most"
        found = members.text.any_object(given, place, wanted)
        if len(found) > CONNECTION_SETTINGS_MAX:
            raise members.text.wrong(place, wanted)
        return {name: _setting(members, value, f"{place}/{pointed(name)}") for name, value in found.items()}

    return members.get("settings", read, dict[str, str | int | bool]())


def common_document(
    wish: Wish, environments: Iterable[Environment], settings: Settings, confidential: frozenset[str]
) -> dict[str, Any]:
    """Write what connections have in common, as it is read; what is as it would be unsaid is left out, and so are confidential settings."""
    written: dict[str, Any] = {
        "identities": None if wish.identities is None else [one.value for one in wish.identities],
        "hash": _hash(wish.encoding),
        "places": {name: [one.value for one in chain] for name, chain in wish.places.items()} or None,
        "values": wish.values,
        "devices": wish.devices,
        "excluded": sorted(one.value for one in wish.excluded) or None,
        "users": wish.users if wish.users is not Users.ALL else None,
        "send_anonymous_users": None if wish.send_anonymous_users else False,
        "send_limited_ad_tracking": wish.send_limited_ad_tracking or None,
        "send_opted_out_users": wish.send_opted_out_users or None,
        "send_unlike_a_person": wish.send_unlike_a_person or None,
        "consents": [{"regulation": one.regulation, "purpose": one.name} for one in sorted(wish.consents)] or None,
        "default_calling_code": wish.numbering.calling_code,
        "plus_left_out": wish.numbering.plus_left_out or None,
        "environments": sorted(environments),
        "settings": {name: value for name, value in settings.items() if name not in confidential} or None,
    }
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in written.items()
        if value is not None
    }


_MEMBER_OF: Final[Mapping[str, str]] = MappingProxyType(
    {"encoding": "hash", "numbering.calling_code": "default_calling_code", "numbering.plus_left_out": "plus_left_out"}
)
"""Where the document calls a member of the wish otherwise."""


def faults_of_rule(refused: InvalidRule) -> tuple[Fault, ...]:
    """Say what is wrong with a wish at the members of its document."""
    told: list[Fault] = []
    for fault in refused.faults:
        member, dot, rest = fault.member.partition(".")
        named = (
            f"{member}/{pointed(rest)}" if dot and member == "places" else _MEMBER_OF.get(fault.member, fault.member)
        )
        told.append(Fault(f"/{named}", fault.sentence))
    return tuple(told[:FAULTS_TOLD_MAX])


def pointed(name: str) -> str:
    """Write a member's name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _places(members: Members, given: object, place: str) -> Mapping[str, tuple[Target, ...]]:
    wanted = f"an object is wanted, with {SLOTS_MAX} places at most, and a list of types for each"
    found = members.text.any_object(given, place, wanted)
    if len(found) > SLOTS_MAX:
        raise members.text.wrong(place, wanted)
    chains = members.text.all_of(
        *(partial(members.targets, chain, f"{place}/{pointed(name)}") for name, chain in found.items())
    )
    return dict(zip(found, chains, strict=True))


HASHES: Final[Mapping[str | bool, Encoding]] = MappingProxyType(
    {True: Encoding.SHA256, False: Encoding.RAW, **{one.value: one for one in Encoding if one is not Encoding.RAW}}
)
"""What can be said of hashing, and what it means."""


def _encoding(members: Members, given: object, place: str) -> Encoding:
    encoding = HASHES.get(given) if isinstance(given, str | bool) else None
    if encoding is None:
        raise members.text.wrong(place, "wanted is one of sha256, sha1, md5, true (which is sha256) or false")
    return encoding


def _hash(encoding: Encoding | None) -> str | bool | None:
    if encoding is None:
        return None
    return False if encoding is Encoding.RAW else encoding.value


def _purpose(text: Text, given: object, place: str) -> Purpose:
    read = text.members(given, place, ("regulation", "purpose"))
    regulation, name = text.all_of(
        lambda: text.one_of(Regulation, read["regulation"], f"{place}/regulation"),
        lambda: text.text(read["purpose"], f"{place}/purpose"),
    )
    return Purpose(regulation, name)


def _setting(members: Members, given: object, place: str) -> str | int | bool:
    if isinstance(given, str):
        return members.any_text(given, place)
    if isinstance(given, int) and abs(given) <= INTEGER_MAX:
        return given
    raise members.text.wrong(place, "wanted is a text, a whole number, true or false")
