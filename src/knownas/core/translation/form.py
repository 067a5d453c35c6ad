"""Decides how a value is brought into the form in which a destination compares it, and what can't be.

A destination meets a digest only if it was made of the very same text. So each type has a normal form: e-mail addresses
trimmed and in lower case, numbers in E.164, other values as they are, or in lower case before they are hashed (platform §7.2, §7.6).
A rule may ask for another form where a destination does.
"""

import re
from enum import StrEnum
from typing import Final, assert_never
from unicodedata import normalize

from knownas.core.identity.kinds import DEVICE_TYPES, PHONE_TYPES, IdentityType
from knownas.core.translation.encoding import Encoding, digest_in, encoded
from knownas.core.translation.phone import Numbering, e164
from knownas.core.translation.reason import Reason
from knownas.core.translation.target import ProfileId, Target


class Form(StrEnum):
    """The form of a value that is sent, or hashed and sent."""

    EXACT = "exact"
    """As it was sent to us."""
    TRIMMED = "trimmed"
    """Without white space around it."""
    LOWER = "lower"
    """Trimmed and in lower case."""
    UPPER = "upper"
    """Trimmed and in upper case."""
    EMAIL = "email"
    """An e-mail address, trimmed and in lower case."""
    EMAIL_GOOGLE = "email_google"
    """Likewise, and without the dots before `@gmail.com` and `@googlemail.com`, which Google asks for in conversions."""
    E164 = "e164"
    """A phone number as `+` and digits."""
    PHONE_DIGITS = "phone_digits"
    """A phone number as the digits of E.164, without `+`, which Meta asks for."""
    DIGEST = "digest"
    """The digest itself, made by whoever sent us the value, such as the web SDK's `email_sha256`."""


EMAIL_FORMS: Final = frozenset({Form.EMAIL, Form.EMAIL_GOOGLE})
PHONE_FORMS: Final = frozenset({Form.E164, Form.PHONE_DIGITS})

_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+")
_DOTS_MEAN_NOTHING: Final = frozenset({"gmail.com", "googlemail.com"})
_PLAIN: Final = frozenset({Form.EXACT, Form.TRIMMED, Form.LOWER, Form.UPPER})


def forms_of(target: Target) -> frozenset[Form]:
    """Return the forms that values of a type can be brought into."""
    match target:
        case ProfileId.MPID:
            return frozenset({Form.EXACT})
        case IdentityType.EMAIL:
            return frozenset(Form) - PHONE_FORMS
        case IdentityType():
            if target in DEVICE_TYPES:
                return _PLAIN
            return frozenset(Form) - (EMAIL_FORMS if target in PHONE_TYPES else frozenset[Form]())
        case _:
            assert_never(target)


def form_of(target: Target, encoding: Encoding) -> Form:
    """Return the form of a type where a rule names none."""
    match target:
        case ProfileId.MPID:
            return Form.EXACT
        case IdentityType.EMAIL:
            return Form.EMAIL
        case IdentityType():
            if target in PHONE_TYPES:
                return Form.E164
            if encoding is not Encoding.RAW:
                return Form.LOWER
            return Form.TRIMMED if target in DEVICE_TYPES else Form.EXACT
        case _:
            assert_never(target)


def written(value: str, form: Form, encoding: Encoding, numbering: Numbering) -> str | Reason:
    """Return what a destination is sent for a value, or why there is nothing.

    A digest where an address or a number is expected was made by whoever sent it; it is sent as it is if it is of the kind that is to
    be sent, since the value behind it is not known.
    """
    if form is Form.DIGEST or form in EMAIL_FORMS or form in PHONE_FORMS:
        digest = digest_in(value.strip())
        if digest is not None and digest is encoding:
            return value.strip().lower()
        if form is Form.DIGEST:
            return Reason.NO_DIGEST
        if digest is not None:
            return Reason.HASHED_OTHERWISE
    normal = _normal(value, form, numbering)
    return normal if isinstance(normal, Reason) else encoded(normal, encoding)


def _normal(value: str, form: Form, numbering: Numbering) -> str | Reason:
    match form:
        case Form.EXACT:
            return value
        case Form.TRIMMED | Form.LOWER | Form.UPPER:
            return _cased(value, form) or Reason.EMPTY
        case Form.EMAIL | Form.EMAIL_GOOGLE:
            return _address(_lower(value), form)
        case Form.E164 | Form.PHONE_DIGITS:
            number = e164(value, numbering)
            return number if isinstance(number, Reason) or form is Form.E164 else number.removeprefix("+")
        case Form.DIGEST:
            return Reason.NO_DIGEST
        case _:
            assert_never(form)


def _cased(value: str, form: Form) -> str:
    if form is Form.LOWER:
        return _lower(value)
    return value.strip().upper() if form is Form.UPPER else value.strip()


def _lower(value: str) -> str:
    """Trim and lower, with letters and their accents as one character each, whichever way they were typed."""
    return normalize("NFC", value.strip().lower())


def _address(address: str, form: Form) -> str | Reason:
    if _EMAIL.fullmatch(address) is None:
        return Reason.NO_EMAIL
    local, _, domain = address.partition("@")
    left = local.replace(".", "")
    return f"{left}@{domain}" if form is Form.EMAIL_GOOGLE and domain in _DOTS_MEAN_NOTHING and left else address
