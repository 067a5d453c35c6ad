"""Decides whether a value is unlike any person's: a word for nothing, a role's address, a placeholder, a worn-out number.

**The theory.** An identity joins because few values are shared by chance. What people write where a form wants something
and they have nothing is shared by everybody who has nothing: `null`, `n/a`, `guest@…`, `+1 000 000 0000`, the advertising ID of
zeros that a phone gives whose owner said no. One such value makes one profile of strangers, and the harm grows with the
square of their number. So it pays to know the commonest by sight, before they have met anybody.

**What is not here.** A false alarm costs a person their history, so a pattern is only for values that a person could not
own: the *whole* local part of an address is `guest`, not a part of it (`gustav.guest@example.com` is a person), and a
domain tells nothing (people's own domains are stranger than any placeholder). A number is worn out only if all of it, or
all behind its country code, is one digit or counts. Identifiers that a business gives out (customer ids, `other`) may well
be `111111` or `12345678`: of these only words and zeros are taken. Hashed values are known by the hash of a word for
nothing. Whatever else is shared shows itself by whom it meets (`toxic_limits`), not by its looks.

Looks are compared without regard to case, surrounding blanks and compatibility forms of characters; matching of identities is not.
"""

import re
from enum import StrEnum
from functools import lru_cache
from hashlib import md5, sha1, sha256
from typing import Final
from unicodedata import normalize

from knownas.core.identity.kinds import DEVICE_TYPES, PHONE_TYPES, Identity, IdentityType

_T = IdentityType


class Unlike(StrEnum):
    """What makes a value unlike a person's. The value is a stable word."""

    NOTHING = "says_nothing"
    ROLE = "address_of_nobody"
    PLACEHOLDER = "placeholder"
    ONE_CHARACTER = "one_character"
    COUNTS = "counts_through"
    SHARED_DEVICE = "known_to_be_shared"


SEEN_MAX: Final = 8_192
"""Values of which the verdict is remembered, so that a value which comes again and again costs a look into a table."""

_NOTHING: Final = frozenset(
    {
        *("null", "nil", "none", "undefined", "unknown", "unspecified", "unavailable", "missing", "empty", "blank"),
        *("n/a", "n.a.", "n.a", "n\\a", "#n/a", "nan", "not available", "not applicable", "not provided", "not set"),
        *("notset", "not given", "no value", "novalue", "nothing", "no data", "nodata", "default", "[object object]"),
        *("redacted", "deleted", "removed", "anonymized", "anonymised", "anonymous", "invalid", "tbd", "todo"),
        *("optout", "opt-out", "opted-out", "opted out", "void", "false", "true"),
    }
)
"""Words that stand where a program or a person had nothing to say."""

_NO_ADDRESS: Final = frozenset({"noemail", "no email", "no-email", "nomail", "no mail", "no-mail", "none given", "no"})
_NO_NUMBER: Final = frozenset({"nophone", "no phone", "no-phone", "no number", "no"})
_NO_DEVICE: Final = frozenset(
    {
        *(
            "na",
            "limited",
            "idfa",
            "idfv",
            "gaid",
            "aaid",
            "device",
            "device_id",
            "deviceid",
            "android_id",
            "androidid",
        ),
        *("advertising_id", "advertisingid", "uuid"),
    }
)
"""What a program writes for a device that told it nothing, or its own name for what should stand there."""

_NO_ACCOUNT: Final = frozenset({"guest", "anon", "test", "testuser", "test user", "nobody", "-1"})

_NOBODYS: Final = frozenset(
    {
        *("guest", "anonymous", "anon", "nobody", "none", "null", "nil", "undefined", "unknown", "n/a", "nan", "empty"),
        *("noreply", "no-reply", "no_reply", "no.reply", "donotreply", "do-not-reply", "do_not_reply", "do.not.reply"),
        *("noemail", "no-email", "no_email", "no.email", "nomail", "no-mail", "noemailaddress", "notprovided"),
        *("notavailable", "not-available", "not.available", "notapplicable", "not-provided", "mailer-daemon"),
        *("postmaster", "hostmaster", "test", "tests", "testing", "testuser", "test.test", "testtest", "dummy", "fake"),
        *("fakeemail", "invalid", "asdf", "asdfasdf", "asdfgh", "qwerty", "xxx", "xxxx", "placeholder", "default"),
        *("declined", "refused", "notgiven", "not-given", "walkin", "walk-in", "cashcustomer", "cash-customer"),
        *("unsubscribe", "noone", "no-one", "no.one", "blank", "deleted", "redacted", "removed", "customer.guest"),
    }
)
"""Local parts that are nobody's whatever the domain."""

_STAND_INS: Final = frozenset(
    {
        *("user", "username", "name", "email", "mail", "me", "you", "your", "yourname", "your.name", "your-name"),
        *("youremail", "your.email", "firstname", "firstname.lastname", "first.last", "somebody", "someone", "foo"),
        *("bar", "foobar", "abc", "abcd", "example", "sample", "demo", "aaa", "123", "1234"),
        *("no", "na", "nope", "asd", "qwe", "temp", "cash", "decline", "info"),
    }
)
_STAND_IN_DOMAINS: Final = frozenset(
    {
        *("example", "test", "domain", "yourdomain", "your-domain", "mydomain", "email", "yourcompany", "company"),
        *(
            "invalid",
            "localhost",
            "fake",
            "none",
            "noemail",
            "nomail",
            "asdf",
            "abc",
            "aaa",
            "xxx",
            "foo",
            "bar",
            "123",
            "no",
            "na",
            "nope",
            "asd",
            "qwe",
            "temp",
            "decline",
            "nowhere",
        ),
    }
)
"""Local parts and first labels of domains that stand for nobody together, and for somebody apart."""

_SHARED_DEVICES: Final = frozenset(
    {
        # What a whole series of phones, and emulators after them, gave as their Android ID.
        *("9774d56d682e549c", "dead00beef", "0123456789abcdef", "123456789abcdef0", "1234567890abcdef"),
        *("12345678123412341234123456789012", "12345678123412341234123456789abc", "123e4567e89b12d3a456426614174000"),
        *("00000000000040008000000000000000", "123e4567e89b12d3a456426655440000", "aaaaaaaabbbbccccddddeeeeeeeeeeee"),
        # The address that Android tells of every phone's radio, and numbers that a series of phones had for all of them.
        *("020000000000", "004999010640000", "012345678912345", "123456789012345"),
    }
)

_PHONE_CHARACTERS: Final = re.compile(r"\+?[\d\s().\-/]+", re.ASCII)
_COUNTRY_DIGITS_MAX: Final = 3
_WORN_DIGITS_MIN: Final = 7
"""Digits behind a country code that tell that they are one digit or count; a shorter rest may be anybody's."""

_PHONE_DIGITS_MIN: Final = 4
_DEVICE_CHARACTERS_MIN: Final = 8
_UP: Final = "01234567890123456789"
_DOWN: Final = _UP[::-1]
_HASHED: Final = frozenset(
    hashed(word.encode(), usedforsecurity=False).hexdigest()
    for word in ("", *_NOTHING)
    for hashed in (md5, sha1, sha256)
)


@lru_cache(SEEN_MAX)
def unlike_a_person(one: Identity) -> Unlike | None:
    """Say what makes a value unlike a person's, None if nothing does. Costs a few microseconds, or a look into a table."""
    kind, value = one
    told = normalize("NFKC", value).strip().strip("\"'").strip().casefold()
    if told in _NOTHING or told.strip("()<>[]{}") in _NOTHING or told in _HASHED or not any(map(str.isalnum, told)):
        return Unlike.NOTHING
    if kind is _T.EMAIL:
        return _address(told)
    if kind in PHONE_TYPES:
        return _number(told)
    if kind in DEVICE_TYPES:
        return _device(told)
    if told in _NO_ACCOUNT:
        return Unlike.NOTHING
    return Unlike.ONE_CHARACTER if set(told) <= {"0", "-"} else None


def _address(told: str) -> Unlike | None:
    local, at, domain = told.rpartition("@")
    if not at:
        # Without an at sign it may be a hash, or whatever else a business keeps here.
        return Unlike.NOTHING if told in _NO_ADDRESS or told in _NOBODYS else None
    if not local or not domain:
        return Unlike.NOTHING
    if local in _NOBODYS:
        return Unlike.ROLE
    label = domain.partition(".")[0]
    if local in _STAND_INS and label in _STAND_IN_DOMAINS:
        return Unlike.PLACEHOLDER
    is_worn = len(set(local)) == 1 and len(local) > 1 and set(label) == set(local)
    return Unlike.ONE_CHARACTER if is_worn else None


def _number(told: str) -> Unlike | None:
    if told in _NO_NUMBER:
        return Unlike.NOTHING
    if _PHONE_CHARACTERS.fullmatch(told) is None:
        return None
    digits = "".join(filter(str.isdigit, told))
    if len(digits) < _PHONE_DIGITS_MIN:
        return Unlike.NOTHING
    rests = [digits] + [
        digits[code:] for code in range(1, _COUNTRY_DIGITS_MAX + 1) if len(digits) - code >= _WORN_DIGITS_MIN
    ]
    if any(len(set(rest)) == 1 for rest in rests):
        return Unlike.ONE_CHARACTER
    # Behind a country code it has to begin at the beginning: a run somewhere in a number is chance.
    counts = [rest for rest in rests if len(rest) >= _WORN_DIGITS_MIN and (rest in _UP or rest in _DOWN)]
    if any(rest is digits or (len(rest) > _WORN_DIGITS_MIN and rest[0] in "019") for rest in counts):
        return Unlike.COUNTS
    return None


def _device(told: str) -> Unlike | None:
    if told in _NO_DEVICE:
        return Unlike.NOTHING
    bare = "".join(filter(str.isalnum, told))
    if bare in _SHARED_DEVICES:
        return Unlike.SHARED_DEVICE
    is_worn = len(set(bare)) == 1 and (len(bare) >= _DEVICE_CHARACTERS_MIN or bare[0] == "0")
    return Unlike.ONE_CHARACTER if is_worn else None
