"""What a controller sends is understood as the specification says, and what it can't mean is refused with a reason."""

import base64
import hashlib
import json
from typing import Any

import pytest

from knownas.api.opendsr_wire import (
    CALLBACKS_MAX,
    GROUP_CHARACTERS_MAX,
    cancelled,
    discovery,
    received,
    request_of,
)
from knownas.api.wire import Malformed
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX, SUBJECT_MPIDS_MAX
from knownas.core.privacy.request import Encoding, RequestType, SubjectIdentity

ID = "a7551968-d5d6-44b2-9831-815ac9017798"
VENDOR = "opendsr.mparticle.com"
RAW_EMAIL = SubjectIdentity(Identity(IdentityType.EMAIL, "a@example.com"))


def asked(**members: Any) -> bytes:
    """Write a request of the third version; None leaves a member out."""
    document = {
        "regulation": "gdpr",
        "subject_request_id": ID,
        "subject_request_type": "erasure",
        "submitted_time": "2021-11-01T15:00:00Z",
        "subject_identities": {"email": {"value": "a@example.com", "encoding": "raw"}},
        "api_version": "3.0",
        **members,
    }
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def extended(**members: Any) -> dict[str, Any]:
    """Write the vendor's extension."""
    return {VENDOR: members}


def test_the_request_of_the_specification_is_understood() -> None:
    """Everything that the specification's example says is there."""
    request = request_of(
        asked(
            status_callback_urls=["https://controller.example/opendsr/callbacks"],
            group_id="my-group",
            extensions=extended(
                skip_waiting_period=False, subject_identities={"other6": {"value": "six", "encoding": "raw"}}
            ),
        )
    )
    assert (request.request_id, request.type, request.regulation) == (ID, RequestType.ERASURE, "gdpr")
    assert request.subject.identities == (RAW_EMAIL, SubjectIdentity(Identity(IdentityType.OTHER6, "six")))
    assert request.submitted_ms == 1_635_778_800_000
    assert (request.group, request.callbacks) == ("my-group", ("https://controller.example/opendsr/callbacks",))
    assert not request.skips_waiting


@pytest.mark.parametrize(
    ("members", "skips"),
    [
        ({"skip_waiting_period": True}, True),
        ({"skip_waiting_period": "false"}, False),
        ({"extensions": extended(skip_waiting_period="true")}, True),
        ({"skip_waiting_period": False, "extensions": extended(skip_waiting_period=True)}, False),
    ],
)
def test_skipping_the_waiting_is_asked_for_in_either_place(members: dict[str, Any], skips: bool) -> None:  # noqa: FBT001 - a case
    """As a truth value or as text; what stands at the top counts more."""
    assert request_of(asked(**members)).skips_waiting is skips


def test_a_profile_is_named_alone() -> None:
    """An MPID is given in the extension, as text or number, and by itself."""
    for mpid in ("-5", -5):
        extension = extended(subject_identities={"mpid": {"value": mpid}})
        assert request_of(asked(subject_identities=None, extensions=extension)).subject.mpid == -5
        with pytest.raises(Malformed, match="it must be the only identity"):
            request_of(asked(extensions=extension))


@pytest.mark.parametrize("encoding", [Encoding.MD5, Encoding.SHA1, Encoding.SHA256])
def test_a_digest_is_taken_for_its_value(encoding: Encoding) -> None:
    """In capitals or not, with as many digits as its kind has."""
    digest = hashlib.new(encoding.value, b"a@example.com", usedforsecurity=False).hexdigest()
    given = {"email": {"value": digest.upper(), "encoding": encoding.value}}
    identities = request_of(asked(subject_identities=given)).subject.identities
    assert identities == (SubjectIdentity(Identity(IdentityType.EMAIL, digest), encoding),)
    given["email"]["value"] = digest[1:]
    with pytest.raises(Malformed, match="hexadecimal"):
        request_of(asked(subject_identities=given))


def test_the_second_version_lists_its_identities() -> None:
    """Identities, and those of the extension, are lists there (platform §5.8)."""
    listed = [{"identity_type": "email", "identity_value": "a@example.com", "identity_format": "raw"}]
    more = extended(identities=[{"identity_type": "other2", "identity_value": "two"}])
    request = request_of(asked(subject_identities=listed, extensions=more, api_version="2.0"))
    assert request.subject.identities == (RAW_EMAIL, SubjectIdentity(Identity(IdentityType.OTHER2, "two")))
    named = request_of(asked(subject_identities=None, extensions=extended(mpids=["7"])))
    assert named.subject.mpid == 7


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"regulation": "hipaa"}, "invalid_member"),
        ({"regulation": None}, "invalid_member"),
        ({"subject_request_id": ID.upper()}, "invalid_request_id"),
        ({"subject_request_id": ID.replace("-4", "-1")}, "invalid_request_id"),
        ({"subject_request_type": "rectification"}, "invalid_member"),
        ({"submitted_time": "yesterday"}, "invalid_submitted_time"),
        ({"submitted_time": "2021-11-01T15:00:00"}, "invalid_submitted_time"),
        ({"subject_identities": None}, "nobody_named"),
        ({"subject_identities": {}}, "nobody_named"),
        ({"subject_identities": {"shoe_size": {"value": "44"}}}, "unknown_identity_type"),
        ({"subject_identities": {"facebook": {"value": "f"}}}, "unknown_identity_type"),
        ({"subject_identities": {"other2": {"value": "x"}}}, "identity_not_extended"),
        ({"subject_identities": {"email": {"value": ""}}}, "invalid_identity"),
        ({"subject_identities": {"email": {"value": "x" * (IDENTITY_VALUE_CHARACTERS_MAX + 1)}}}, "invalid_identity"),
        ({"subject_identities": {"email": {"value": "a", "encoding": "rot13"}}}, "invalid_member"),
        ({"status_callback_urls": ["ftp://a.example"]}, "invalid_callback"),
        ({"status_callback_urls": ["https://[nonsense"]}, "invalid_callback"),
        ({"status_callback_urls": ["https://user:secret@a.example"]}, "invalid_callback"),
        ({"status_callback_urls": ["https://a.example"] * (CALLBACKS_MAX + 1)}, "too_many_callbacks"),
        ({"group_id": "x" * (GROUP_CHARACTERS_MAX + 1)}, "invalid_group"),
        ({"skip_waiting_period": "perhaps"}, "invalid_skip_waiting_period"),
        ({"extensions": {VENDOR: {"subject_identities": 5}}}, "invalid_extension"),
        ({"extensions": extended(subject_identities={"email": {"value": "b@example.com"}})}, "identity_type_twice"),
        ({"subject_identities": None, "extensions": extended(mpids=["1", "2"])}, "several_mpids"),
        ({"subject_identities": None, "extensions": extended(mpids=["0"])}, "invalid_mpid"),
    ],
)
def test_what_can_not_be_meant_is_refused(members: dict[str, Any], reason: str) -> None:
    """Each with its own reason, none with a value of the person."""
    with pytest.raises(Malformed) as refused:
        request_of(asked(**members))
    assert refused.value.reason == reason


def test_the_second_version_names_several_profiles() -> None:
    """By `mpids`, each counted once, also beside identities; one alone is what the third version's `mpid` is."""
    listed = [{"identity_type": "email", "identity_value": "a@example.com"}]
    extension = extended(mpids=["5", 6, 5], identities=[{"identity_type": "other2", "identity_value": "x"}])
    given = request_of(asked(subject_identities=listed, extensions=extension), "2.0").subject
    assert (given.mpids, [one.identity.value for one in given.identities]) == ((5, 6), ["a@example.com", "x"])
    alone = request_of(asked(subject_identities=None, extensions=extended(mpids=["5"])), "2.0").subject
    assert alone == request_of(asked(subject_identities=None, extensions=extended(mpids=["5"]))).subject
    too_many = extended(mpids=list(range(1, SUBJECT_MPIDS_MAX + 2)))
    with pytest.raises(Malformed, match="20 mpids"):
        request_of(asked(subject_identities=None, extensions=too_many), "2.0")
    with pytest.raises(Malformed) as refused:
        request_of(asked(extensions=extended(mpids=["5"])))
    assert refused.value.reason == "mpid_not_alone"


def test_a_body_with_a_member_twice_is_refused() -> None:
    """It reads two ways."""
    with pytest.raises(Malformed):
        request_of(asked()[:-1] + b', "subject_request_id": "' + ID.encode() + b'"}')


def test_answers_are_those_of_the_specification() -> None:
    """Members and their forms are as the specification shows them."""
    assert received(3622, ID, 1_638_209_784_000, 1_639_008_000_000, b"{}") == {
        "controller_id": "3622",
        "subject_request_id": ID,
        "received_time": "2021-11-29T18:16:24.000Z",
        "expected_completion_time": "2021-12-09T00:00:00.000Z",
        "encoded_request": base64.b64encode(b"{}").decode(),
    }
    assert cancelled(3622, ID, 1_638_209_784_000)["expected_completion_time"] is None


def test_the_discovery_names_what_is_understood() -> None:
    """Each identity that it names can be asked for, in each format that it names."""
    told: Any = discovery("https://privacy.example/opendsr_cert.pem")
    assert told["processor_certificate"] == "https://privacy.example/opendsr_cert.pem"
    assert told["supported_subject_request_types"] == ["access", "erasure", "portability"]
    for one in told["supported_identities"]:
        value = (
            hashlib.new(one["identity_format"], b"v", usedforsecurity=False).hexdigest()
            if one["identity_format"] != "raw"
            else "v"
        )
        extension = extended(
            subject_identities={one["identity_type"]: {"value": value, "encoding": one["identity_format"]}}
        )
        assert request_of(asked(subject_identities=None, extensions=extension)).subject.identities
