"""Reads a phone number and writes it in E.164: `+`, the calling code of its country, the number, at most 15 digits.

Two spellings of one number have to become one text, or its digests meet nobody. What is decided here is which number a text *means*: what
is punctuation, where the calling code is, which digit is only dialled inside the country. Whether somebody has that number is
not: a number that nobody has meets nobody. So these few facts of numbering plans, which hardly ever change, are enough (decision 44).

A text that may mean two numbers is refused: the other one is somebody else's.
"""

import re
from dataclasses import dataclass
from typing import Final
from unicodedata import category, decimal, normalize

from knownas.core.translation.limits import PHONE_CHARACTERS_MAX
from knownas.core.translation.numbering_plans import (
    ABROAD,
    CALLING_CODE_DIGITS_MAX,
    CALLING_CODES,
    DIGITS_OF,
    TRUNK_0,
    TRUNK_OTHER,
    ZERO_STAYS,
)
from knownas.core.translation.reason import Reason


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a number is read that does not begin with `+` or the prefix of calls abroad.

    With `calling_code` (digits) it is one as it is dialled in that country. With `plus_left_out` it begins with its country's calling
    code. With neither it is refused: it names no country.
    """

    calling_code: str | None = None
    plus_left_out: bool = False


NO_COUNTRY: Final = Numbering()
"""Numbers are not read that do not say their country."""


E164_DIGITS_MAX: Final = 15
"""Digits of a number in E.164, its country's calling code included."""

E164_DIGITS_MIN: Final = 7
"""Digits below which no number with its calling code is a person's."""

LOCAL_DIGITS_MAX: Final = 9
"""Digits of a number that may be dialled within its own area only; a longer one names its area."""

_NANP: Final = re.compile(r"1[2-9]\d\d[2-9]\d{6}", re.ASCII)
_SHAPE: Final = re.compile(r"\(?\+?[\d\s().\-/\u2010-\u2015\u2212]*\d\)?", re.ASCII)
_OPTIONAL_TRUNK: Final = re.compile(r"\(0\)")


def e164(text: str, numbering: Numbering) -> str | Reason:
    """Return the number that a text means, in E.164, or why there is none."""
    told = _plain(text)
    if len(told) > PHONE_CHARACTERS_MAX or _SHAPE.fullmatch(told) is None:
        return Reason.NO_PHONE
    digits = _digits(told)
    if told.lstrip("(").startswith("+"):
        return _international(_without_optional_trunk(told, digits))
    here = numbering.calling_code
    abroad = ABROAD.get(here or "", "00")
    for prefix in (abroad, "00"):
        if digits.startswith(prefix):
            return _international(_without_optional_trunk(told, digits).removeprefix(prefix))
    if numbering.plus_left_out:
        return _international(digits)
    return Reason.NO_COUNTRY if here is None else _national(digits, here)


def _plain(text: str) -> str:
    """Write a text with ASCII digits, without compatibility forms and the invisible marks that address books add."""
    visible = (one for one in normalize("NFKC", text) if category(one) != "Cf")
    return "".join(str(decimal(one)) if one.isdecimal() else one for one in visible).strip().removeprefix("tel:")


def _digits(told: str) -> str:
    return "".join(filter(str.isdigit, told))


def _without_optional_trunk(told: str, digits: str) -> str:
    """Leave out the (0) of `+49 (0)30 …`, which is dialled inside the country only, unless numbers there begin with it."""
    without = _digits(_OPTIONAL_TRUNK.sub("", told, count=1))
    return digits if _calling_code(without.removeprefix("00")) in ZERO_STAYS else without


def _calling_code(digits: str) -> str | None:
    """Return the calling code that digits begin with; no code begins with another one."""
    codes = (digits[:length] for length in range(1, CALLING_CODE_DIGITS_MAX + 1))
    return next((code for code in codes if code in CALLING_CODES), None)


def _international(digits: str) -> str | Reason:
    code = _calling_code(digits)
    if code is None:
        return Reason.NO_SUCH_COUNTRY if len(digits) >= E164_DIGITS_MIN else Reason.NO_PHONE
    fewest, most = DIGITS_OF.get(code, (E164_DIGITS_MIN - len(code), E164_DIGITS_MAX - len(code)))
    if not fewest <= len(digits) - len(code) <= most or (code == "1" and _NANP.fullmatch(digits) is None):
        return Reason.NO_PHONE
    if digits[len(code)] == "0" and code not in ZERO_STAYS:
        # Nobody's number begins with it there: it is one that is dialled inside the country, or abroad from it.
        return Reason.NO_PHONE
    return f"+{digits}"


def _national(digits: str, code: str) -> str | Reason:
    trunk = TRUNK_OTHER.get(code, "0" if code in TRUNK_0 else "")
    fewest, most = DIGITS_OF.get(code, (0, 0))
    if fewest == most > 0:
        if trunk and digits.startswith(trunk) and len(digits) == most + len(trunk):
            return _international(code + digits.removeprefix(trunk))
        if len(digits) == most:
            return _international(code + digits)
        # One that is longer by its calling code is complete; any other is no number of this country, nor of another one.
        is_complete = digits.startswith(code) and len(digits) == most + len(code)
        return _international(digits) if is_complete else Reason.NO_PHONE
    if trunk and digits.startswith(trunk):
        return _international(code + digits.removeprefix(trunk))
    if digits.startswith(code) or (trunk and len(digits) <= LOCAL_DIGITS_MAX):
        # It may lack its + or its area.
        return Reason.READS_TWO_WAYS
    return _international(code + digits)
