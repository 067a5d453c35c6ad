"""The two lookup guards: a device alone never opens a known profile (idsync §2.2, §2.4, §2.5)."""

import pytest

from knownas.core.identity.decision import Guard
from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import SearchImmutablePolicy
from knownas.core.identity.record import Record
from tests.core.pool import rules

T = IdentityType
LOGIN = rules(priority="customerid email ios_idfv", login="customerid email", unique="customerid")
IMMUTABLE = rules(
    priority="customerid email other ios_idfv",
    login="customerid email other",
    unique="customerid other",
    immutable="customerid other",
)

KNOWN = {T.CUSTOMER_ID: ("c",), T.EMAIL: ("e", "f"), T.IOS_IDFV: ("d",)}
ANONYMOUS = {T.IOS_IDFV: ("d",)}


def record(identities: dict[IdentityType, tuple[str, ...]]) -> Record:
    """Return a record with these identities."""
    return Record(1, identities, {}, known=False, created_ms=0, active_ms=0)


@pytest.mark.parametrize(
    ("held", "wanted", "guard"),
    [
        (KNOWN, {T.IOS_IDFV: "d"}, Guard.LOGIN),
        (KNOWN, {T.IOS_IDFV: "d", T.CUSTOMER_ID: "c"}, None),
        (KNOWN, {T.EMAIL: "f"}, None),
        (KNOWN, {T.EMAIL: "e", T.CUSTOMER_ID: "other"}, None),
        (KNOWN, {T.EMAIL: "g", T.IOS_IDFV: "d"}, Guard.LOGIN),
        (KNOWN, {T.EMAIL: "c"}, Guard.LOGIN),
        (ANONYMOUS, {T.IOS_IDFV: "d", T.CUSTOMER_ID: "c"}, None),
        ({}, {T.IOS_IDFV: "d"}, None),
    ],
)
def test_a_known_profile_needs_one_of_its_login_ids(
    held: dict[IdentityType, tuple[str, ...]], wanted: dict[IdentityType, str], guard: Guard | None
) -> None:
    """One of several login IDs is enough, a device is not, an anonymous profile needs none (idsync §2.2)."""
    assert guard_against(record(held), wanted, LOGIN, searching=False) is guard


@pytest.mark.parametrize(
    ("wanted", "guard"),
    [
        ({T.EMAIL: "e"}, Guard.IMMUTABLE),
        ({T.EMAIL: "e", T.CUSTOMER_ID: "another"}, Guard.IMMUTABLE),
        ({T.CUSTOMER_ID: "c"}, None),
        ({T.CUSTOMER_ID: "c", T.OTHER: "differs"}, None),
        ({T.IOS_IDFV: "d"}, Guard.LOGIN),
    ],
)
def test_a_profile_with_immutable_ids_needs_one_of_them(wanted: dict[IdentityType, str], guard: Guard | None) -> None:
    """Another login ID that matches is not enough; of two immutable types one may differ (idsync §2.4)."""
    held = record({**KNOWN, T.OTHER: ("o",)})
    assert guard_against(held, wanted, IMMUTABLE, searching=False) is guard


def test_search_needs_a_matching_immutable_id_unless_configured_otherwise() -> None:
    """Where immutable types are configured, search finds a profile only by one of them (idsync §3.3, §7-6)."""
    anonymous, device = record(ANONYMOUS), {T.IOS_IDFV: "d"}
    assert guard_against(anonymous, device, IMMUTABLE, searching=True) is Guard.SEARCH_IMMUTABLE
    assert guard_against(anonymous, device, IMMUTABLE, searching=False) is None
    assert guard_against(anonymous, device, LOGIN, searching=True) is None
    assert guard_against(record(KNOWN), {T.CUSTOMER_ID: "c"}, IMMUTABLE, searching=True) is None
    content = rules(
        priority="customerid ios_idfv",
        login="customerid",
        unique="customerid",
        immutable="customerid",
        search_immutable_policy=SearchImmutablePolicy.GUARDS_ONLY,
    )
    assert guard_against(anonymous, device, content, searching=True) is None
    assert guard_against(record(KNOWN), device, content, searching=True) is Guard.LOGIN


def test_a_flag_outside_the_priority_guards_nothing() -> None:
    """A login type that cannot be on a record keeps nobody out."""
    policy = rules(priority="email", login="customerid", unique="")
    assert guard_against(record({T.EMAIL: ("e",)}), {T.EMAIL: "e"}, policy, searching=False) is None
