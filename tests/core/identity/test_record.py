"""What an identity record is, and which numbers can be MPIDs (idsync §1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import (
    MPID_MAX,
    MPID_MIN,
    Record,
    is_known,
    parse_mpid,
    valid_mpid,
    values_of,
    with_value,
    without_value,
)
from tests.core.pool import rules

T = IdentityType
E1, E2 = Identity(T.EMAIL, "1"), Identity(T.EMAIL, "2")


@pytest.mark.parametrize(
    ("text", "mpid"),
    [
        ("1", 1),
        ("-1", -1),
        ("6504934091054997508", 6504934091054997508),
        ("9223372036854775807", MPID_MAX),
        ("-9223372036854775808", MPID_MIN),
    ],
)
def test_signed_64_bit_decimals_are_mpids(text: str, mpid: int) -> None:
    """An MPID is read to its last digit; negative ones are legal."""
    assert parse_mpid(text) == mpid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-0",
        "-",
        "--1",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x1",
        "1_000",
        "9223372036854775808",
        "-9223372036854775809",
        "\u0661",
        "\uff11",
        "1\n",
        "nobody",
        "1" * 5_000,
    ],
)
def test_anything_else_is_no_mpid(text: str) -> None:
    """0 means no user; what is no plain decimal or does not fit 64 bits is nobody's."""
    assert parse_mpid(text) is None


@given(st.integers(MPID_MIN, MPID_MAX))
def test_every_mpid_survives_being_written(mpid: int) -> None:
    """What is written as a string comes back the same, but for 0."""
    assert parse_mpid(str(mpid)) == (mpid or None)
    assert valid_mpid(mpid) == (mpid or None)


def test_a_record_without_lookups_is_an_orphan() -> None:
    """A profile to which nothing leads is an orphan, also if it still knows identities outside the priority."""
    held = Record(1, {T.EMAIL: ("1", "2")}, {T.OTHER: ("x",)}, known=False, created_ms=0, active_ms=0)
    orphan = Record(2, {}, {T.OTHER: ("x",)}, known=False, created_ms=0, active_ms=0)
    assert (held.orphan, orphan.orphan) == (False, True)
    assert list(held.lookups()) == [E1, E2]
    assert held.holds(E2)
    assert not held.holds(Identity(T.OTHER, "x"))
    assert (held.size, orphan.size) == (3, 1)


def test_a_record_is_known_by_a_login_id_it_can_be_looked_up_by() -> None:
    """One login ID makes a record known; nothing else does (idsync §1.3)."""
    policy = rules(login="customerid", unique="customerid")
    assert is_known({T.CUSTOMER_ID: ("c",), T.EMAIL: ("1",)}, policy)
    assert not is_known({T.EMAIL: ("1",)}, policy)
    assert not is_known({}, policy)


def test_values_keep_the_order_in_which_they_were_set() -> None:
    """The newest value of a type stands last; taking the last one away takes the type away."""
    values = with_value(with_value({}, E1), E2)
    assert values == {T.EMAIL: ("1", "2")}
    assert without_value(values, E1) == {T.EMAIL: ("2",)}
    assert without_value(without_value(values, E1), E2) == {}
    assert without_value(values, Identity(T.EMAIL, "3")) == values
    assert values_of([E2, E1, E2]) == {T.EMAIL: ("2", "1")}
