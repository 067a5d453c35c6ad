"""Which number a text means, and which texts mean none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.translation.numbering_plans import (
    ABROAD,
    CALLING_CODE_DIGITS_MAX,
    CALLING_CODES,
    DIGITS_OF,
    TRUNK_0,
    TRUNK_OTHER,
)
from knownas.core.translation.phone import E164_DIGITS_MAX, NO_COUNTRY, Numbering, e164
from knownas.core.translation.reason import Reason

GERMANY, UNITED_STATES, ITALY, RUSSIA, DENMARK = map(Numbering, ("49", "1", "39", "7", "45"))
HUNGARY, AUSTRALIA, BRITAIN, SPAIN = map(Numbering, ("36", "61", "44", "34"))
WITHOUT_PLUS = Numbering(plus_left_out=True)


@pytest.mark.parametrize(
    ("text", "numbering", "number"),
    [
        ("+49 30 123456", NO_COUNTRY, "+4930123456"),
        ("+49 (0)30 / 123-456", NO_COUNTRY, "+4930123456"),
        ("0049 30 123456", NO_COUNTRY, "+4930123456"),
        ("0049 (0)30 123456", GERMANY, "+4930123456"),
        ("(030) 123456", GERMANY, "+4930123456"),
        ("0170.1234567", GERMANY, "+491701234567"),
        ("1701234567", GERMANY, "+491701234567"),
        ("tel:+1-202-555-0123", NO_COUNTRY, "+12025550123"),
        ("(202) 555-0123", UNITED_STATES, "+12025550123"),
        ("1 202 555 0123", UNITED_STATES, "+12025550123"),
        ("011 49 30 123456", UNITED_STATES, "+4930123456"),
        ("0011 49 30 123456", AUSTRALIA, "+4930123456"),
        ("+39 06 1234567", NO_COUNTRY, "+39061234567"),
        ("06 1234567", ITALY, "+39061234567"),
        ("8 912 345-67-89", RUSSIA, "+79123456789"),
        ("7 912 345-67-89", RUSSIA, "+79123456789"),
        ("9123456789", RUSSIA, "+79123456789"),
        ("45 12 34 56", DENMARK, "+4545123456"),
        ("45 45 12 34 56", DENMARK, "+4545123456"),
        ("06 1 234 5678", HUNGARY, "+3612345678"),
        ("07911 123456", BRITAIN, "+447911123456"),
        ("612 34 56 78", SPAIN, "+34612345678"),
        ("4930123456", WITHOUT_PLUS, "+4930123456"),
        ("\u202a+49\u00a030\u2011123456\u202c", NO_COUNTRY, "+4930123456"),
        ("\uff0b\uff14\uff19 30 123456", NO_COUNTRY, "+4930123456"),
        ("+\u0664\u0669 \u0663\u0660 \u0661\u0662\u0663\u0664\u0665\u0666", NO_COUNTRY, "+4930123456"),
    ],
)
def test_a_number_has_one_spelling(text: str, numbering: Numbering, number: str) -> None:
    """However it is written, with which punctuation, prefix or script, a number comes out the same."""
    assert e164(text, numbering) == number


@pytest.mark.parametrize(
    ("text", "numbering", "reason"),
    [
        ("030 123456", NO_COUNTRY, Reason.NO_COUNTRY),
        ("4930123456", NO_COUNTRY, Reason.NO_COUNTRY),
        ("+999 123456", NO_COUNTRY, Reason.NO_SUCH_COUNTRY),
        ("+049 30 123456", NO_COUNTRY, Reason.NO_SUCH_COUNTRY),
        ("", GERMANY, Reason.NO_PHONE),
        ("call me", GERMANY, Reason.NO_PHONE),
        ("1-800-FLOWERS", UNITED_STATES, Reason.NO_PHONE),
        ("030 123456 ext. 12", GERMANY, Reason.NO_PHONE),
        ("+49 30 123456 +49 30 654321", GERMANY, Reason.NO_PHONE),
        ("555-0123", UNITED_STATES, Reason.NO_PHONE),
        ("+1 123 555 0123", NO_COUNTRY, Reason.NO_PHONE),
        ("+49", NO_COUNTRY, Reason.NO_PHONE),
        ("+49 030 123456", NO_COUNTRY, Reason.NO_PHONE),
        ("+49 30 1234567890123", NO_COUNTRY, Reason.NO_PHONE),
        ("+" + "49 " * 40, NO_COUNTRY, Reason.NO_PHONE),
        ("011 15-2345-6789", Numbering("54"), Reason.NO_PHONE),
        ("2010000", DENMARK, Reason.NO_PHONE),
        ("123456", GERMANY, Reason.READS_TWO_WAYS),
        ("4930123456", GERMANY, Reason.READS_TWO_WAYS),
        ("392 1234567", ITALY, Reason.READS_TWO_WAYS),
    ],
)
def test_what_is_no_number_has_a_reason(text: str, numbering: Numbering, reason: Reason) -> None:
    """A text that is no number, of no country, or that may be two numbers is refused, and it is said why."""
    assert e164(text, numbering) is reason


SPELLINGS = (
    "+{}{}",
    "+{} {}",
    "00{}{}",
    "00 {} ({})",
    "+{}-{}",
    " +{}.{} ",
)


@given(
    st.sampled_from(sorted(CALLING_CODES)),
    st.from_regex(r"[1-9][0-9]{6,9}", fullmatch=True),
    st.sampled_from(SPELLINGS),
)
def test_all_international_spellings_agree(code: str, rest: str, spelling: str) -> None:
    """A number with its calling code comes out the same in every spelling, and as itself when it comes back."""
    number = e164(f"+{code}{rest}", NO_COUNTRY)
    assert e164(spelling.format(code, rest), NO_COUNTRY) == number
    if isinstance(number, str):
        assert number == f"+{code}{rest}"
        assert e164(number, Numbering("44")) == number


@given(st.sampled_from(sorted(CALLING_CODES)), st.from_regex(r"[2-9][0-9]{6,9}", fullmatch=True))
def test_a_number_dialled_inside_its_country_is_the_same(code: str, rest: str) -> None:
    """With what is dialled before it inside the country, a number that is long enough there is the one that it is from abroad."""
    fewest, most = DIGITS_OF.get(code, (0, 0))
    if code in DIGITS_OF and not fewest <= len(rest) <= most:
        return
    trunk = TRUNK_OTHER.get(code, "0" if code in TRUNK_0 else "")
    inside, outside = e164(trunk + rest, Numbering(code)), e164(f"+{code}{rest}", NO_COUNTRY)
    assert inside == outside or (inside is Reason.READS_TWO_WAYS and not trunk)


@given(st.text(max_size=80), st.sampled_from([NO_COUNTRY, GERMANY, UNITED_STATES, ITALY, WITHOUT_PLUS]))
def test_any_text_is_a_number_in_e164_or_has_a_reason(text: str, numbering: Numbering) -> None:
    """Whatever stands where a number should, what comes out is + and 7 to 15 digits of a country, or a reason."""
    number = e164(text, numbering)
    if isinstance(number, str):
        assert number[0] == "+"
        assert number[1:].isascii()
        assert number[1:].isdecimal()
        assert 7 <= len(number) - 1 <= E164_DIGITS_MAX


@given(st.sampled_from(sorted(CALLING_CODES)), st.from_regex(r"[0-9]{5,15}", fullmatch=True))
def test_a_number_without_its_country_is_one_of_the_country_that_is_named(code: str, digits: str) -> None:
    """What does not say that it is from abroad never becomes a number of another country."""
    number = e164(digits, Numbering(code))
    abroad = ABROAD.get(code, "00")
    if isinstance(number, str) and not digits.startswith((abroad, "00")):
        assert number.startswith(f"+{code}")


def test_no_calling_code_begins_with_another() -> None:
    """So digits tell where the calling code of a number ends."""
    for code in CALLING_CODES:
        assert 1 <= len(code) <= CALLING_CODE_DIGITS_MAX
        assert all(code[:length] not in CALLING_CODES for length in range(1, len(code)))
    assert TRUNK_0.isdisjoint(TRUNK_OTHER)
    assert DIGITS_OF.keys() <= CALLING_CODES
