"""Promises about what a partner permits: what may be wished, and how it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.form import Form
from knownas.core.translation.place import Wish, rule_of
from knownas.core.translation.rule import InvalidRule, Requirement
from knownas.core.translation.target import MPID, Target
from knownas.outputs.firehose.permissions import REQUIREMENT, permitted, places_of
from knownas.outputs.firehose.registration import Registration, registration_in
from tests.outputs.firehose.protocol import DEVICE_TYPES, ENCODINGS, EVERYTHING, USER_TYPES, permission, registration


def _registration(**permissions: object) -> Registration:
    found = registration_in(registration(permissions).body)
    assert isinstance(found, Registration)
    return found


HASHED = _registration(
    user_identities=[
        permission("email", "sha256", required=True),
        permission("customer"),
        permission("customer", "md5"),
    ],
    device_identities=[permission("ios_advertising_id", required=True)],
    partner_identities=[permission("partner_id")],
)


def test_encodings_are_the_partners() -> None:
    """A type is permitted in the encodings that the partner named, its first one in front, and no other."""
    found = permitted(HASHED, (IdentityType.EMAIL, IdentityType.CUSTOMER_ID, IdentityType.OTHER, MPID))
    assert found.encodings == {
        IdentityType.EMAIL: (Encoding.SHA256,),
        IdentityType.CUSTOMER_ID: (Encoding.RAW, Encoding.MD5),
    }
    assert found.refused == {
        IdentityType.OTHER: "the partner has no permission for other",
        MPID: "the partner has no permission for mpid",
    }


def test_required_means_any() -> None:
    """Of the types that a partner requires a user needs one, so that the requirement is that of any."""
    assert permitted(HASHED, ()).required == {IdentityType.EMAIL, IdentityType.IOS_IDFA}
    assert REQUIREMENT is Requirement.ANY


def test_type_without_a_name_is_refused() -> None:
    """What the protocol has no word for can't be permitted by anybody."""
    found = permitted(_registration(**EVERYTHING), (IdentityType.AMP_ID, IdentityType.FACEBOOK_CUSTOM_AUDIENCE_ID))
    assert set(found.refused.values()) == {
        "amp_id has no name in the partner protocol",
        "facebookcustomaudienceid has no name in the partner protocol",
    }


def test_rule_follows_from_the_registration() -> None:
    """A rule that is made from what the partner permits sends addresses as SHA-256, of whoever has one of what is required."""
    rule = rule_of(Wish(), places_of(HASHED), requirement=REQUIREMENT)
    wanted = {slot.label: (slot.wanted[0].encoding, slot.wanted[0].normal_form, slot.required) for slot in rule.slots}
    assert wanted == {
        "email": (Encoding.SHA256, Form.EMAIL, True),
        "customerid": (Encoding.RAW, Form.EXACT, False),
        "ios_idfa": (Encoding.RAW, Form.TRIMMED, True),
    }
    assert rule.requirement is Requirement.ANY


@pytest.mark.parametrize(
    "wish",
    [
        Wish((IdentityType.OTHER, IdentityType.EMAIL)),
        Wish((IdentityType.EMAIL,), encoding=Encoding.RAW),
        Wish((IdentityType.CUSTOMER_ID,), encoding=Encoding.SHA1),
        Wish((MPID,)),
    ],
    ids=["type", "encoding", "digest", "mpid"],
)
def test_wish_beyond_the_registration_is_refused(wish: Wish) -> None:
    """What the partner does not permit can't be wished: the connection is refused when it is made."""
    with pytest.raises(InvalidRule):
        rule_of(wish, places_of(HASHED), requirement=REQUIREMENT)


_PERMISSIONS = st.builds(
    permission, st.sampled_from([*USER_TYPES, "of_tomorrow"]), st.sampled_from(ENCODINGS), required=st.booleans()
)
_DEVICES = st.builds(permission, st.sampled_from(DEVICE_TYPES), st.sampled_from(ENCODINGS), required=st.booleans())


@given(
    st.lists(_PERMISSIONS, max_size=6),
    st.lists(_DEVICES, max_size=6),
    st.booleans(),
    st.lists(st.sampled_from([*IdentityType, MPID]), max_size=8),
)
def test_every_wish_is_permitted_or_refused(
    users: list[dict[str, object]],
    devices: list[dict[str, object]],
    mpid: bool,  # noqa: FBT001 - drawn
    wished: list[Target],
) -> None:
    """Each wished type has an encoding or a reason, never both; and what is permitted is what a place is there for."""
    partner = _registration(user_identities=users, device_identities=devices, allow_access_mpid=mpid)
    found = permitted(partner, wished)
    assert found.encodings.keys() | found.refused.keys() == set(wished)
    assert found.encodings.keys().isdisjoint(found.refused)
    places = {place.usual[0]: place for place in places_of(partner)}
    assert {one for one in wished if one in places} == found.encodings.keys()
    for target, encodings in found.encodings.items():
        assert (places[target].encoding, places[target].encodings) == (encodings[0], frozenset(encodings))
    required = {one["type"] for one in (*users, *devices) if one["required"]} - {"of_tomorrow"}
    assert bool(found.required) is bool(required)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"permissions": []}', b'{"permissions": {"user_identities": [{"type": "email", "encoding": "rot13"}]}}',
     b'{"event_processing_registration": {"max_data_age_hours": "all"}}', b'{"permissions": {"user_identities": [{}]}}'],
    ids=range(6),
)  # fmt: skip
def test_unreadable_registration_has_a_sentence(body: bytes) -> None:
    """What a partner says that can't be read is a sentence, and no exception."""
    found = registration_in(body)
    assert isinstance(found, str)
    assert "registration" in found


def test_registration_may_have_nulls() -> None:
    """A partner that writes null where it has nothing is understood."""
    body = b'{"name": "P", "permissions": null, "event_processing_registration": {"supported_event_types": null}}'
    found = registration_in(body)
    assert isinstance(found, Registration)
    assert found.events is not None
    assert (found.permissions, found.events.types, found.events.age_hours_max) == ((), frozenset(), 24)
