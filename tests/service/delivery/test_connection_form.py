"""The JSON document of an audience's connection with an output."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.phone import Numbering
from knownas.core.translation.place import Place, Wish
from knownas.core.translation.rule import Keeps, OnIdentityChange, Rule, Slot, Take, Users, Wanted
from knownas.core.translation.target import MPID
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.delivery.connection_form import (
    AudienceConnection,
    connection_document,
    read_connection,
    rule_or_faults,
)
from knownas.service.delivery.wish_form import CONNECTION_SETTINGS_MAX, FAULTS_TOLD_MAX
from tests.core.translation.profiles import MARKETING
from tests.service.wishes import environments, names, settings, wishes

Json = Any
T = IdentityType


def faults(given: Json) -> dict[str, str]:
    """Return what is wrong, by place."""
    read = read_connection(given)
    assert not isinstance(read, AudienceConnection)
    return {fault.place: fault.sentence for fault in read}


def test_a_connection_says_as_little_as_it_wants() -> None:
    """An output alone is a connection: with what is usual there, of users in production."""
    assert read_connection({"output": "braze"}) == AudienceConnection("braze")


def test_a_connection_can_say_everything() -> None:
    """Each member is read into what it means."""
    read = read_connection(
        {
            "output": "ads",
            "identities": ["customer_id", "email", "ios_advertising_id", "mpid"],
            "hash": "sha1",
            "places": {"user id": ["mpid", "customerid"], "email": []},
            "values": "newest",
            "devices": "all",
            "excluded": ["other_id_2"],
            "users": "known",
            "send_anonymous_users": False,
            "send_limited_ad_tracking": True,
            "consents": [{"regulation": "gdpr", "purpose": "marketing"}],
            "default_calling_code": "49",
            "on_identity_change": "add_only",
            "environments": ["production", "development"],
            "settings": {"list": 7, "name": "VIPs", "test": True},
        }
    )
    wish = Wish(
        (T.CUSTOMER_ID, T.EMAIL, T.IOS_IDFA, MPID),
        {"user id": (MPID, T.CUSTOMER_ID), "email": ()},
        Encoding.SHA1,
        Take.NEWEST,
        Take.ALL,
        frozenset({T.OTHER2}),
        Users.KNOWN,
        send_anonymous_users=False,
        send_limited_ad_tracking=True,
        consents=frozenset({MARKETING}),
        numbering=Numbering("49"),
        on_identity_change=OnIdentityChange.ADD_ONLY,
    )
    assert read == AudienceConnection("ads", wish, frozenset(Environment), {"list": 7, "name": "VIPs", "test": True})


@pytest.mark.parametrize(
    ("said", "encoding"),
    [(True, Encoding.SHA256), (False, Encoding.RAW), ("md5", Encoding.MD5), ("sha256", Encoding.SHA256)],
)
def test_hash_names_a_digest_or_whether_there_is_one(said: Json, encoding: Encoding) -> None:
    """True is SHA-256, false the value itself; without the member it is as usual at the destination."""
    read = read_connection({"output": "a", "hash": said})
    assert isinstance(read, AudienceConnection)
    assert read.wish.encoding is encoding


@given(
    st.builds(AudienceConnection, names, wishes(st.none() | st.sampled_from(OnIdentityChange)), environments, settings)
)
def test_a_connection_is_read_as_it_was_written(connection: AudienceConnection) -> None:
    """What is shown can be sent back, and means the same."""
    document = json.loads(json.dumps(connection_document(connection)))
    assert read_connection(document) == connection


def test_confidential_settings_are_not_shown() -> None:
    """The document lacks them, and only them."""
    connection = AudienceConnection("a", settings={"key": "hush", "list": 1})
    assert connection_document(connection, frozenset({"key"}))["settings"] == {"list": 1}
    assert "settings" not in connection_document(AudienceConnection("a", settings={"key": ""}), frozenset({"key"}))


@pytest.mark.parametrize(
    ("member", "said", "place"),
    [
        ("output", "", "/output"),
        ("output", 7, "/output"),
        ("identities", "email", "/identities"),
        ("identities", ["email", "mail"], "/identities/1"),
        ("identities", [None], "/identities/0"),
        ("identities", ["email"] * 51, "/identities"),
        ("hash", "sha512", "/hash"),
        ("hash", 1.5, "/hash"),
        ("hash", None, "/hash"),
        ("places", ["email"], "/places"),
        ("places", {"a/b": ["mail"]}, "/places/a~1b/0"),
        ("places", {str(number): [] for number in range(51)}, "/places"),
        ("values", "first", "/values"),
        ("devices", 1, "/devices"),
        ("excluded", {}, "/excluded"),
        ("users", "both", "/users"),
        ("send_anonymous_users", "yes", "/send_anonymous_users"),
        ("send_opted_out_users", 1, "/send_opted_out_users"),
        ("consents", [{"regulation": "gdpr"}], "/consents/0"),
        ("consents", [{"regulation": "lgpd", "purpose": "p"}], "/consents/0/regulation"),
        ("default_calling_code", 49, "/default_calling_code"),
        ("on_identity_change", "keep", "/on_identity_change"),
        ("environments", [], "/environments"),
        ("environments", ["staging"], "/environments/0"),
        ("settings", [], "/settings"),
        ("settings", {"a": 1.5}, "/settings/a"),
        ("settings", {"a": {}}, "/settings/a"),
        ("settings", {"a": 2**53}, "/settings/a"),
        ("settings", {str(number): 1 for number in range(CONNECTION_SETTINGS_MAX + 1)}, "/settings"),
        ("colour", "red", "/colour"),
        ("data_filter", {}, "/data_filter"),
    ],
    ids=str,
)
def test_each_fault_has_its_place(member: str, said: Json, place: str) -> None:
    """A member that can't be read, or is none, is named by a JSON pointer with a sentence, and nothing else is."""
    found = faults({"output": "a", member: said})
    assert list(found) == [place]
    assert found[place]


def test_all_faults_are_told_at_once() -> None:
    """A missing member, a strange one and several wrong ones come together; of very many the first."""
    found = faults({"colour": 1, "hash": "sha3", "identities": ["x", "email", "y"], "settings": {"a": None}})
    assert set(found) == {"", "/colour", "/hash", "/identities/0", "/identities/2", "/settings/a"}
    assert len(faults({f"member {number}": 1 for number in range(100)})) == FAULTS_TOLD_MAX
    assert list(faults([])) == [""]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_comes_is_read_or_told(given_json: Json) -> None:
    """No document, however strange, is an exception."""
    for member in ("output", "identities", "places", "consents", "settings", "environments"):
        read = read_connection({"output": "a", member: given_json})
        assert isinstance(read, AudienceConnection) or read


def test_what_the_destination_does_not_take_is_told_at_the_members_of_the_document() -> None:
    """Faults that only the destination knows have the places of the document too."""
    place = Place("e/mail", frozenset({T.EMAIL}), (T.EMAIL,))
    read = read_connection(
        {
            "output": "a",
            "identities": ["email", "other"],
            "hash": True,
            "places": {"e/mail": ["other"], "x": []},
            "default_calling_code": "+49",
        }
    )
    assert isinstance(read, AudienceConnection)
    destination = replace(DESTINATIONS["meta"], places=(place,))
    told = rule_or_faults(read.wish, destination)
    assert not isinstance(told, Rule)
    assert [fault.place for fault in told] == [
        "/places/e~1mail",
        "/places/x",
        "/identities",
        "/hash",
        "/default_calling_code",
    ]
    added_only = OnIdentityChange.ADD_ONLY
    rule = Rule((Slot((Wanted(T.EMAIL),), "e/mail"),), on_identity_change=added_only, keeps=Keeps.VALUES)
    assert rule_or_faults(Wish(), destination) == rule
    assert rule_or_faults(Wish(), DESTINATIONS["meta"], (place,)) == rule
