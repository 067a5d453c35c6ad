"""Values that no person could own are known by their looks, and persons' values are not, however odd."""

import pytest

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.toxic import Unlike, unlike_a_person
from knownas.core.identity.toxic_limits import DEFAULT_LIMITS

T = IdentityType
NOBODYS = {
    T.EMAIL: "guest@example.com GUEST@shop.io test@test.com noreply@x.org no-reply@x.org null none undefined n/a unknown "
    "asdf@asdf.com no@no.com na@email.com declined@gmail.com walk-in@shop.example info@company.com user@example.com yourname@domain.com 123@123.com @ @x.org x@ - noemail d41d8cd98f00b204e9800998ecf8427e",
    T.MOBILE_NUMBER: "0000000000 +10000000000 +1-555-555-5555 1111111 12345678 +4912345678 1234567890 0123456789 987654321 123 "
    "null N/A nophone",
    T.IOS_IDFA: "00000000-0000-0000-0000-000000000000 {00000000-0000-0000-0000-000000000000} 0 unknown NULL "
    "ffffffff-ffff-ffff-ffff-ffffffffffff limited NA idfa 02:00:00:00:00:00",
    T.ANDROID_UUID: "9774d56d682e549c 0000000000000000 0123456789ABCDEF",
    T.DEVICE_APPLICATION_STAMP: "12345678-1234-1234-1234-123456789012 undefined aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee android_id",
    T.CUSTOMER_ID: "0 000 -1 null None guest Test (null) n/a",
    T.OTHER: "<null> '' unknown 0",
}
PERSONS = {
    T.EMAIL: "gustav.guest@example.com guestav@example.com guest.house@example.com anna.test@example.com tester@example.com "
    "noreen@example.com user1@example.com user@gmail.com me@anna.example smith@smith.com a@example.com x@y.org nulla@example.com "
    "aaa@gmail.com info@anna.example no@anna.example refusedly@example.com john.doe@example.com 12345@qq.example null.pointer@example.com 5d41402abc4b2a76b9719d911017c592",
    T.MOBILE_NUMBER: "+155500000000 +155500012345 +15551234567 +491761234567 +493012345 555-0100 4930123457 +33612345679",
    T.IOS_IDFA: "6D92078A-8246-4BA4-AE5B-76104861E7DC dev17 a1",
    T.ANDROID_UUID: "4e1243bd22c66e76 1111",
    T.DEVICE_APPLICATION_STAMP: "NA17 device-1 02:00:00:00:00:01",
    T.CUSTOMER_ID: "na user 1 111111 12345678 L1 c-0 guest-17 anonymous-panda test123 00017",
    T.OTHER: "1111 aaaa order-0 x",
}


def told(values: dict[IdentityType, str]) -> list[Identity]:
    """Return the values one by one."""
    return [Identity(kind, value) for kind, line in values.items() for value in line.split()]


@pytest.mark.parametrize("one", told(NOBODYS), ids=str)
def test_what_nobody_owns_is_toxic_by_its_looks(one: Identity) -> None:
    """Words for nothing, addresses of nobody, placeholders and worn-out numbers are known at first sight."""
    assert unlike_a_person(one) is not None


@pytest.mark.parametrize("one", told(PERSONS), ids=str)
def test_what_a_person_may_own_is_not(one: Identity) -> None:
    """A part of a name, an odd domain, a run of digits within a number and a business's own numbers are somebody's."""
    assert unlike_a_person(one) is None


def test_looks_are_compared_without_case_blanks_and_forms_of_characters() -> None:
    """What a form pads, quotes or shouts is the same nothing."""
    for value in ("  NULL ", '"null"', "\N{FULLWIDTH LATIN SMALL LETTER N}ull", "(null)"):
        assert unlike_a_person(Identity(T.EMAIL, value)) is Unlike.NOTHING


def test_the_reason_is_told() -> None:
    """Each kind of looks has a word of its own."""
    cases = {
        Unlike.ROLE: Identity(T.EMAIL, "guest@example.com"),
        Unlike.PLACEHOLDER: Identity(T.EMAIL, "name@domain.com"),
        Unlike.COUNTS: Identity(T.MOBILE_NUMBER, "12345678"),
        Unlike.ONE_CHARACTER: Identity(T.IOS_IDFA, "00000000-0000-0000-0000-000000000000"),
        Unlike.SHARED_DEVICE: Identity(T.ANDROID_UUID, "9774d56d682e549c"),
        Unlike.NOTHING: Identity(T.OTHER, "n/a"),
    }
    assert {reason: unlike_a_person(one) for reason, one in cases.items()} == {reason: reason for reason in cases}


def test_every_type_has_limits() -> None:
    """A value of whatever type may meet a number of users; devices of theirs are not limited for a device."""
    assert DEFAULT_LIMITS.keys() == set(IdentityType)
    assert all(limit.in_all.known_users for limit in DEFAULT_LIMITS.values())
    assert all(DEFAULT_LIMITS[kind].within.devices is None for kind in DEVICE_TYPES)
