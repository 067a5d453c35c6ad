"""Decides which events of which users a connection forwards, by the values of attributes, attribution, consent, login and chance (platform §7.4).

All rules of a connection have to let an event pass. A rule that forwards only what matches holds back what does not have the
attribute; one that holds back what matches lets it pass.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, assert_never, cast

from knownas.core.profile.attributes import Attributes, as_text
from knownas.core.profile.consent import Purpose
from knownas.core.profile.event import Attribution, Event
from knownas.core.translation.view import ProfileView


class Effect(StrEnum):
    """What becomes of what matches."""

    ONLY_FORWARD = "only_forward"
    DO_NOT_FORWARD = "do_not_forward"


class Where(StrEnum):
    """Whose attribute is compared."""

    EVENT = "event"
    USER = "user"


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """Matches if the attribute has the value, compared as text, exactly. A list has the values that are in it."""

    where: Where
    name: str
    value: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class AttributionRule:
    """Matches users whom this publisher, in this spelling, has brought to install."""

    publisher: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Matches users whose statement about a purpose is this one. Of CCPA, `consented` is to have opted out of the sale of data."""

    purpose: Purpose
    consented: bool
    effect: Effect


@dataclass(frozen=True, slots=True)
class KnownUsersOnly:
    """Forwards users with a login ID only: the vendor's IDSync rule."""


class InvalidSampling(ValueError):
    """A share that is none."""


PERCENT_MAX: Final = 100
"""All users, in percent."""

SAMPLING_KEY_BYTES_MAX: Final = blake2b.MAX_KEY_SIZE
"""Bytes of the key of a sample."""

_PLACES: Final = 2**64


@dataclass(frozen=True, slots=True)
class Sampling:
    """Forwards a share of the users, always the same ones. A larger share has those of a smaller one.

    `key` tells the samples of two connections apart: with the same one they have the same users. It need not be secret, and at most 64
    bytes of it count.

    Raises:
        InvalidSampling: the share is not 0 to 100 percent, or the key is too long.
    """

    percent: float
    key: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= PERCENT_MAX:
            raise InvalidSampling(f"a share is 0 to {PERCENT_MAX} percent")
        if len(self.key.encode()) > SAMPLING_KEY_BYTES_MAX:
            raise InvalidSampling(f"the key has at most {SAMPLING_KEY_BYTES_MAX} bytes")

    def has(self, mpid: int) -> bool:
        """Whether a user is in the sample."""
        digest = blake2b(str(mpid).encode(), digest_size=8, key=self.key.encode(), person=b"knownas sample").digest()
        return int.from_bytes(digest) < self.percent / PERCENT_MAX * _PLACES


ForwardingRule = AttributeRule | AttributionRule | ConsentRule | KnownUsersOnly | Sampling


class HeldBackBy(Enum):
    """Which kind of rule holds an event back. The words are stable."""

    ATTRIBUTE = "attribute_rule"
    ATTRIBUTION = "attribution_rule"
    CONSENT = "consent_rule"
    KNOWN_USERS = "known_users_only"
    SAMPLING = "user_sampling"


@dataclass(frozen=True, slots=True)
class ForwardedUser:
    """The user of a batch, as forwarding rules see them: the profile, and what the connection's workspace knows."""

    profile: ProfileView
    attributes: Attributes = field(default_factory=lambda: MappingProxyType({}))
    attributions: tuple[Attribution, ...] = ()


def user_held_back(user: ForwardedUser, rules: Iterable[ForwardingRule]) -> HeldBackBy | None:
    """Return what holds back everything of a user; None if nothing does. The first rule that does is told."""
    for rule in rules:
        match rule:
            case AttributeRule(where=Where.EVENT):
                continue
            case AttributeRule():
                said = user.attributes.get(rule.name)
                matches, by = _has(None if said is None else said.value, rule.value), HeldBackBy.ATTRIBUTE
                passes = _passes(rule.effect, matches=matches)
            case AttributionRule():
                matches = any(one.publisher == rule.publisher for one in user.attributions)
                passes, by = _passes(rule.effect, matches=matches), HeldBackBy.ATTRIBUTION
            case ConsentRule():
                consent = user.profile.consents.get(rule.purpose)
                matches = consent is not None and consent.consented is rule.consented
                passes, by = _passes(rule.effect, matches=matches), HeldBackBy.CONSENT
            case KnownUsersOnly():
                passes, by = user.profile.known, HeldBackBy.KNOWN_USERS
            case Sampling():
                passes, by = rule.has(user.profile.mpid), HeldBackBy.SAMPLING
            case _:
                assert_never(rule)
        if not passes:
            return by
    return None


def event_held_back(event: Event, rules: Iterable[ForwardingRule]) -> HeldBackBy | None:
    """Return what holds back an event for what it says itself; None if nothing does."""
    said = event.data.get("custom_attributes")
    attributes: Mapping[str, object] = cast("Mapping[str, object]", said) if isinstance(said, Mapping) else {}
    for rule in rules:
        if isinstance(rule, AttributeRule) and rule.where is Where.EVENT:
            matches = _has(attributes.get(rule.name), rule.value)
            if not _passes(rule.effect, matches=matches):
                return HeldBackBy.ATTRIBUTE
    return None


def _passes(effect: Effect, *, matches: bool) -> bool:
    return matches if effect is Effect.ONLY_FORWARD else not matches


def _has(given: object, wanted: str) -> bool:
    """Whether a value is the one that is wanted, or a list has it. What is missing is nothing."""
    several = cast("Iterable[object]", given) if isinstance(given, list | tuple) else (given,)
    return any(isinstance(one, str | bool | int | float) and as_text(one) == wanted for one in several)
