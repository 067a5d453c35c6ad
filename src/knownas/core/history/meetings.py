"""Counts whom a value meets: the users and devices that lines name together with it, and whether a person would meet so many.

What a value meets is told by the lines that name it, not by the profile that holds it: once a front desk's address has
joined fifty guests, each of their addresses is on a profile with fifty devices, and only one of them is to blame.

Only lines that changed something count, since others need not be in the log. So the count of a value follows from the
log alone, whenever and by whomever it is made.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.toxic_limits import LIMIT_MAX, Met, MetLimits, ToxicLimit, ToxicReason

_T = IdentityType
_DAY_MS: Final = 86_400_000
_KEPT_MAX: Final = LIMIT_MAX + 1
"""Values of one type that are remembered as met by a value: one more than any limit, the most recent."""

_ACCOUNTS: Final = frozenset(
    {
        *(_T.CUSTOMER_ID, _T.EMAIL, _T.MOBILE_NUMBER, _T.PHONE_NUMBER_2, _T.PHONE_NUMBER_3),
        *(_T.FACEBOOK, _T.TWITTER, _T.GOOGLE, _T.MICROSOFT, _T.YAHOO),
    }
)
"""Types that tell users apart where login IDs do not. What `other` holds nobody knows: an order, for all we know."""


def tells_users(kind: IdentityType, policy: Policy) -> frozenset[IdentityType]:
    """Return the types whose values tell the users apart that a value of a type meets.

    Login IDs; where nobody logs in, and on a device, accounts too.
    """
    login_ids, accounts = policy.login_types - {kind}, (_ACCOUNTS & policy.ranked) - {kind}
    return login_ids | accounts if kind in DEVICE_TYPES or not login_ids else login_ids


def most_met(kind: IdentityType, policy: Policy) -> Mapping[IdentityType, int]:
    """Return how many values of each type a value's profiles may hold for it to be within its limits, whatever their lines say.

    A type that is left out may have any number.
    """
    limit, users = policy.settings.toxic.limit(kind), tells_users(kind, policy)
    found: dict[IdentityType, int] = {}
    for of in (limit.in_all, limit.within):
        for types, most in ((users, of.known_users), (DEVICE_TYPES - {kind}, of.devices)):
            if most is not None:
                found |= {one: min(most, found.get(one, most)) for one in types}
    return found


class Naming(NamedTuple):
    """What a line names, and when. `whose` are the login IDs of the profile that it names by its MPID."""

    at_ms: int
    identities: tuple[Identity, ...]
    whose: tuple[Identity, ...] = ()


def naming_of(observation: Observation, whose: Iterable[Identity] = ()) -> Naming:
    """Return what a line names; what was set aside when it came is not named."""
    match observation:
        case IdentityRequest() | SeedRequest():
            return Naming(observation.at_ms, observation.identities)
        case ModifyRequest():
            new = tuple(Identity(one.type, one.new_value) for one in observation.changes if one.new_value is not None)
            return Naming(observation.at_ms, new, tuple(whose))
        case Correction() | Erasure():
            return Naming(observation.at_ms, ())


class Meetings:
    """The values that one value has met, by type, with when each was met last. Meeting one again changes no count."""

    __slots__ = ("_met", "value")

    def __init__(self, value: Identity) -> None:
        self.value: Final = value
        self._met: dict[IdentityType, dict[str, int]] = {}

    def add(self, naming: Naming) -> None:
        """Count what a line names, if it names the value."""
        if self.value not in naming.identities:
            return
        for kind, value in (*naming.identities, *naming.whose):
            if kind is self.value.type:
                continue
            met = self._met.setdefault(kind, {})
            met[value] = max(naming.at_ms, met.get(value, naming.at_ms))
            if len(met) > _KEPT_MAX:
                del met[min(met, key=lambda one: (met[one], one))]

    def met(self, policy: Policy) -> Met:
        """Return how many it has met in all."""
        users = tells_users(self.value.type, policy)
        return Met(_most(self._met, users), _most(self._met, DEVICE_TYPES))

    def excess(self, limit: ToxicLimit, policy: Policy) -> ToxicReason | None:
        """Say which limit the value has gone beyond, None if none."""
        users = tells_users(self.value.type, policy)
        return _excess(self._met, users, limit.in_all) or _excess(
            self._met, users, limit.within, limit.within_days * _DAY_MS
        )


_ByType = Mapping[IdentityType, Mapping[str, int]]


def _excess(
    met: _ByType, users: Collection[IdentityType], limits: MetLimits, window_ms: int | None = None
) -> ToxicReason | None:
    if limits.known_users is not None and _most(met, users, window_ms) > limits.known_users:
        return ToxicReason.KNOWN_USERS
    if limits.devices is not None and _most(met, DEVICE_TYPES, window_ms) > limits.devices:
        return ToxicReason.DEVICES
    return None


def _most(met: _ByType, types: Collection[IdentityType], window_ms: int | None = None) -> int:
    """Return the largest number of values of one type: a phone has several device identities at once, one of a type.

    With a window, of those that were met in the one that ends with the last.
    """
    return max((_in_window(times, window_ms) for kind, times in met.items() if kind in types), default=0)


def _in_window(times: Mapping[str, int], window_ms: int | None) -> int:
    if window_ms is None:
        return len(times)
    since_ms = max(times.values()) - window_ms
    return sum(at_ms > since_ms for at_ms in times.values())
