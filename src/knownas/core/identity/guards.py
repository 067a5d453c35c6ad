"""Decides whether a profile that holds a wanted identity may be returned: the two lookup guards (idsync §2.5).

A device alone never opens a known profile: a record that holds login IDs is returned only to a request that
names one of them (§2.2), and one that holds immutable IDs only to a request that names one of those (§2.4).
Search asks for more where immutable types are configured: it must have matched one (§3.3, §7-6).
"""

from collections.abc import Iterable, Mapping

from knownas.core.identity.decision import Guard
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, SearchImmutablePolicy
from knownas.core.identity.record import Record

Wanted = Mapping[IdentityType, str]
"""The identities of a request by type."""


def guard_against(record: Record, wanted: Wanted, policy: Policy, *, searching: bool) -> Guard | None:
    """Return the guard that keeps a record from being returned, None if it may be."""
    if _holds_none_of(record, wanted, policy.login_ranking):
        return Guard.LOGIN
    immutable = policy.immutable_ranking
    if immutable:
        if _holds_none_of(record, wanted, immutable):
            return Guard.IMMUTABLE
        if (
            searching
            and policy.settings.search_immutable_policy is SearchImmutablePolicy.REQUIRE_MATCH
            and not matches_any(record, wanted, immutable)
        ):
            return Guard.SEARCH_IMMUTABLE
    return None


def matches_any(record: Record, wanted: Wanted, types: Iterable[IdentityType]) -> bool:
    """Whether the record and the request share a value of one of the types."""
    held = record.identities
    return any(kind in wanted and wanted[kind] in held.get(kind, ()) for kind in types)


def _holds_none_of(record: Record, wanted: Wanted, types: Iterable[IdentityType]) -> bool:
    """Whether the record has values of these types and the request names none of them."""
    held = record.identities
    locked = False
    for kind in types:
        values = held.get(kind)
        if values:
            if wanted.get(kind) in values:
                return False
            locked = True
    return locked
