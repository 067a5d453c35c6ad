"""The form in which a value is compared, and hashed, by a destination."""

from hashlib import md5, sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import DEVICE_TYPES, PHONE_TYPES, IdentityType
from knownas.core.translation.encoding import Encoding, digest_in, encoded
from knownas.core.translation.form import EMAIL_FORMS, PHONE_FORMS, Form, form_of, forms_of, written
from knownas.core.translation.phone import NO_COUNTRY, Numbering
from knownas.core.translation.reason import SENTENCES, Reason, sentence
from knownas.core.translation.target import MPID
from tests.core.translation.profiles import hashed

T = IdentityType
RAW, SHA256 = Encoding.RAW, Encoding.SHA256


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (" c1 ", Form.EXACT, " c1 "),
        (" C1 ", Form.TRIMMED, "C1"),
        (" C1\n", Form.LOWER, "c1"),
        (" c1 ", Form.UPPER, "C1"),
        ("E\u0301mile", Form.LOWER, "\u00e9mile"),
        (" John_Smith@gmail.com ", Form.EMAIL, "john_smith@gmail.com"),
        ("john.smith+shop@Gmail.com", Form.EMAIL, "john.smith+shop@gmail.com"),
        ("john.smith+shop@Gmail.com", Form.EMAIL_GOOGLE, "johnsmith+shop@gmail.com"),
        ("j.s@googlemail.com", Form.EMAIL_GOOGLE, "js@googlemail.com"),
        ("john.smith@example.com", Form.EMAIL_GOOGLE, "john.smith@example.com"),
        ("+1 (650) 555-1212", Form.E164, "+16505551212"),
        ("+1 (650) 555-1212", Form.PHONE_DIGITS, "16505551212"),
    ],
)
def test_each_form_is_what_its_name_says(value: str, form: Form, text: str) -> None:
    """A value in the form of a rule is the text that the destination compares."""
    assert written(value, form, RAW, NO_COUNTRY) == text


@pytest.mark.parametrize(
    ("value", "form", "digest"),
    [
        # From the documentation of Meta's Conversions API.
        ("John_Smith@gmail.com", Form.EMAIL, "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ("+1 (650)555-1212", Form.PHONE_DIGITS, "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    ],
)
def test_digests_are_those_that_a_destination_publishes(value: str, form: Form, digest: str) -> None:
    """The examples of a destination's own documentation come out as it prints them."""
    assert written(value, form, SHA256, NO_COUNTRY) == digest


@pytest.mark.parametrize(
    ("value", "form", "reason"),
    [
        ("  ", Form.TRIMMED, Reason.EMPTY),
        ("  ", Form.LOWER, Reason.EMPTY),
        ("  ", Form.UPPER, Reason.EMPTY),
        ("ann", Form.EMAIL, Reason.NO_EMAIL),
        ("@example.com", Form.EMAIL, Reason.NO_EMAIL),
        ("ann@localhost", Form.EMAIL, Reason.NO_EMAIL),
        ("ann@example..com", Form.EMAIL, Reason.NO_EMAIL),
        ("Ann <ann@example.com>", Form.EMAIL, Reason.NO_EMAIL),
        ("a@b.example a@c.example", Form.EMAIL, Reason.NO_EMAIL),
        ("12", Form.E164, Reason.NO_COUNTRY),
        ("12", Form.PHONE_DIGITS, Reason.NO_COUNTRY),
        ("c1", Form.DIGEST, Reason.NO_DIGEST),
        (md5(b"a", usedforsecurity=False).hexdigest(), Form.DIGEST, Reason.NO_DIGEST),
        (md5(b"a", usedforsecurity=False).hexdigest(), Form.EMAIL, Reason.HASHED_OTHERWISE),
        (sha1(b"a", usedforsecurity=False).hexdigest(), Form.E164, Reason.HASHED_OTHERWISE),
    ],
)
def test_what_has_no_such_form_has_a_reason(value: str, form: Form, reason: Reason) -> None:
    """What is no address, number or digest is not sent, hashed or not, and it is said why."""
    assert written(value, form, SHA256, NO_COUNTRY) is reason


@pytest.mark.parametrize("form", [Form.DIGEST, Form.EMAIL, Form.E164])
def test_a_digest_is_not_hashed_again(form: Form) -> None:
    """Where the value is the digest that is to be sent already, in whatever case, it is sent as it is."""
    digest = hashed("ann@example.com")
    assert written(f" {digest.upper()} ", form, SHA256, NO_COUNTRY) == digest


def test_a_digest_is_no_address_in_plain_text() -> None:
    """A destination that wants addresses in plain text gets no digest of one."""
    assert written(hashed("ann@example.com"), Form.EMAIL, RAW, NO_COUNTRY) is Reason.HASHED_OTHERWISE


@given(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40), st.sampled_from(sorted(set(Form) - {Form.DIGEST}))
)
def test_a_form_is_final(value: str, form: Form) -> None:
    """A value that is in its form stays as it is, so two spellings of one value never differ by how often they were treated."""
    text = written(value, form, RAW, Numbering("49"))
    if isinstance(text, str) and form is not Form.PHONE_DIGITS:
        assert written(text, form, RAW, Numbering("49")) == text


@given(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=300),
    st.sampled_from(Form),
    st.sampled_from(Encoding),
)
def test_what_is_encoded_is_a_digest_of_its_kind(value: str, form: Form, encoding: Encoding) -> None:
    """A hashing rule lets nothing out but lower-case hexadecimal of the length of its digest."""
    text = written(value, form, encoding, NO_COUNTRY)
    if encoding is not RAW and isinstance(text, str):
        assert digest_in(text) is encoding
        assert text == text.lower()


def test_digests_are_of_utf8() -> None:
    """A value with letters beyond ASCII is hashed as UTF-8."""
    data = "\u00e9".encode()
    assert [encoded("\u00e9", encoding) for encoding in Encoding] == [
        "\u00e9",
        md5(data, usedforsecurity=False).hexdigest(),
        sha1(data, usedforsecurity=False).hexdigest(),
        hashed("\u00e9"),
    ]


@pytest.mark.parametrize("target", [*IdentityType, MPID])
def test_the_usual_form_is_one_of_those_that_a_type_has(target: IdentityType) -> None:
    """Every type has a form where a rule names none, hashed or not; addresses are no numbers, and devices neither."""
    for encoding in Encoding:
        assert form_of(target, encoding) in forms_of(target)
    assert form_of(T.EMAIL, RAW) is Form.EMAIL
    if target in PHONE_TYPES:
        assert form_of(target, SHA256) is Form.E164
        assert not forms_of(target) & EMAIL_FORMS
    if target in DEVICE_TYPES:
        assert form_of(target, SHA256) is Form.LOWER
        assert not forms_of(target) & (EMAIL_FORMS | PHONE_FORMS | {Form.DIGEST})


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_sentence(reason: Reason) -> None:
    """Each reason can be said of a user, and of what it is about."""
    told = sentence(reason, "email")
    assert told.startswith(("has ", "is ", "would "))
    assert ("{}" in SENTENCES[reason]) == ("email" in told)
