"""Reads what a scope says about toxic identities: the mode, the limits of each type, and the values that are allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from knownas.config.identity_types import TypeName
from knownas.config.limits import ALLOWED_VALUES_MAX
from knownas.config.listing import Listing
from knownas.config.nodes import Broken, Members, Node, Scalar, Sequence
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.sections import NEEDED, Given, Member, Section
from knownas.config.shapes import Choice, Flag, Shape, Text, Whole
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.toxic_limits import (
    LIMIT_MAX,
    WINDOW_DAYS_MAX,
    MetLimits,
    ToxicLimit,
    ToxicMode,
    ToxicSettings,
)
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX

T_co = TypeVar("T_co", covariant=True)
_DEFAULTS: Final = ToxicSettings()


@dataclass(frozen=True, slots=True)
class ByType(Shape[Mapping[IdentityType, T_co]], Generic[T_co]):
    """A mapping from identity types to one shape."""

    shape: Shape[T_co]

    @property
    def label(self) -> str:
        """Always mapping."""
        return f"mapping (identity type: {self.shape.label})"

    @property
    def allowed(self) -> str | None:
        """What each may be."""
        return f"for each type {self.shape.allowed}"

    def read(self, node: Node, place: Place, reading: Reading) -> Mapping[IdentityType, T_co]:
        """Return what each type has; each is read, however many are unreadable."""
        match node:
            case Members():
                return self._types(node, place, reading)
            case Broken():
                raise Unreadable
            case Scalar() | Sequence():
                raise reading.refused(place, "a mapping belongs here", self.label)

    def _types(self, node: Members, place: Place, reading: Reading) -> Mapping[IdentityType, T_co]:
        found: dict[IdentityType, T_co] = {}
        complete = True
        for entry in node.entries:
            here = place.member(entry.name, entry.line)
            try:
                kind = TypeName().named(entry.name, entry.name, here, reading)
                if kind in found:
                    raise reading.refused(here, f"this is {kind} again under another spelling", "each type once")
                found[kind] = self.shape.read(entry.value, here, reading)
            except Unreadable:
                complete = False
        if not complete:
            raise Unreadable
        return MappingProxyType(found)


_NUMBER: Final = Whole(1, LIMIT_MAX)
KNOWN_USERS: Final = Member[int | None](
    "known_users", _NUMBER, None, "The users that a value may meet, told apart by their login IDs.", "", "no limit"
)
DEVICES: Final = Member[int | None]("devices", _NUMBER, None, "The devices that a value may meet.", "", "no limit")
SCOPES: Final = Member[int | None](
    "scopes", _NUMBER, None, "The identity scopes in which a value may be.", "", "no limit"
)
WITHIN_DAYS: Final = Member(
    "within_days",
    Whole(1, WINDOW_DAYS_MAX),
    ToxicLimit().within_days,
    "The length of the window of the next two, in days.",
)
KNOWN_USERS_WITHIN: Final = Member[int | None](
    "known_users_within", _NUMBER, None, "The users that a value may meet within the window.", "", "no limit"
)
DEVICES_WITHIN: Final = Member[int | None](
    "devices_within", _NUMBER, None, "The devices that a value may meet within the window.", "", "no limit"
)


def _limit(given: Given) -> ToxicLimit:
    return ToxicLimit(
        MetLimits(given[KNOWN_USERS], given[DEVICES], given[SCOPES]),
        MetLimits(given[KNOWN_USERS_WITHIN], given[DEVICES_WITHIN]),
        given[WITHIN_DAYS],
    )


LIMIT_SECTION: Final = Section(
    "Limits of toxic identities of a type",
    (KNOWN_USERS, DEVICES, SCOPES, WITHIN_DAYS, KNOWN_USERS_WITHIN, DEVICES_WITHIN),
    _limit,
)

ALLOWED_TYPE: Final = Member("type", TypeName(), NEEDED, "The type of a value that is never toxic.")
ALLOWED_VALUE: Final = Member("value", Text(IDENTITY_VALUE_CHARACTERS_MAX), NEEDED, "The value, exactly as it is sent.")
ALLOWED_SECTION: Final = Section(
    "Allowed values", (ALLOWED_TYPE, ALLOWED_VALUE), lambda given: Identity(given[ALLOWED_TYPE], given[ALLOWED_VALUE])
)

MODE: Final = Member(
    "mode",
    Choice(ToxicMode),
    _DEFAULTS.mode,
    "Whether toxic identities are looked for, and whether one that is found matches nothing and joins nobody from then on.",
)
PATTERNS: Final = Member(
    "patterns", Flag(), _DEFAULTS.patterns, "Whether a value is toxic by its looks: guest@..., null, a number of zeros."
)
LIMITS: Final = Member(
    "limits",
    ByType(LIMIT_SECTION),
    _DEFAULTS.limits,
    "How many a value of a type may meet before it is toxic, in the place of the defaults of the type: "
    "{email: {known_users: 5, devices_within: 20, within_days: 7}}.",
    "",
    "the defaults of each type",
)
ALLOWED: Final = Member(
    "allowed", Listing(ALLOWED_SECTION, ALLOWED_VALUES_MAX), _DEFAULTS.allowed, "Values that are never toxic."
)


def _toxic(given: Given) -> ToxicSettings:
    return ToxicSettings(given[MODE], given[PATTERNS], given[LIMITS], given[ALLOWED])


TOXIC_SECTION: Final = Section("Toxic identities", (MODE, PATTERNS, LIMITS, ALLOWED), _toxic)
TOXIC: Final = Member(
    "toxic",
    TOXIC_SECTION,
    _DEFAULTS,
    "What is done about values that behave unlike a person's, such as guest@example.com.",
)
