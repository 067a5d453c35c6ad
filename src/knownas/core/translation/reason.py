"""Lists why a user, or a value of a user, is not sent to a destination, and says each reason in words.

The words are stable: they are counted and listed. Nothing that is said of a user here holds a value of an identity.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final


class Reason(Enum):
    """Why something is not sent. No text, so that a type checker tells it from a value that is."""

    # Of a user.
    ANONYMOUS = "anonymous"
    MPID_ONLY = "known_by_mpid_only"
    OPTED_OUT = "opted_out"
    CONSENT_MISSING = "consent_missing"
    CONSENT_REFUSED = "consent_refused"
    SALE_OPTED_OUT = "opted_out_of_sale"
    NO_IDENTITY = "no_identity"
    # Of a value.
    WITHHELD = "withheld_by_data_filter"
    AD_TRACKING_LIMITED = "ad_tracking_limited"
    UNLIKE_A_PERSON = "unlike_a_person"
    EMPTY = "empty"
    NO_EMAIL = "not_an_email_address"
    NO_PHONE = "not_a_phone_number"
    NO_COUNTRY = "phone_without_country"
    NO_SUCH_COUNTRY = "phone_of_no_country"
    READS_TWO_WAYS = "phone_reads_two_ways"
    HASHED_OTHERWISE = "hashed_otherwise"
    NO_DIGEST = "not_a_digest"


SENTENCES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.ANONYMOUS: "is anonymous, and only known users are sent",
        Reason.MPID_ONLY: "would be sent by the MPID alone",
        Reason.OPTED_OUT: "has opted out",
        Reason.CONSENT_MISSING: "has not said anything about consent to {}",
        Reason.CONSENT_REFUSED: "has not consented to {}",
        Reason.SALE_OPTED_OUT: "has opted out of the sale of data",
        Reason.NO_IDENTITY: "has no {}",
        Reason.WITHHELD: "has {}, which the data filter holds back",
        Reason.AD_TRACKING_LIMITED: "has {} only on devices on which ad tracking is limited",
        Reason.UNLIKE_A_PERSON: "has no {} that could be a person's",
        Reason.EMPTY: "has an empty {}",
        Reason.NO_EMAIL: "has no {} that is an e-mail address",
        Reason.NO_PHONE: "has no {} that is a phone number",
        Reason.NO_COUNTRY: "has a {} without the calling code of its country",
        Reason.NO_SUCH_COUNTRY: "has a {} with the calling code of no country",
        Reason.READS_TWO_WAYS: "has a {} that may be two numbers, since it may lack its + or its area",
        Reason.HASHED_OTHERWISE: "has {} only as a digest that is not the one to be sent",
        Reason.NO_DIGEST: "has no {} that is the digest to be sent",
    }
)
"""What is said of a user, after whose name it stands; `{}` is what it is about."""


def sentence(reason: Reason, about: str) -> str:
    """Say a reason in words. `about` names what it is about: an identity type, a place at the destination, a purpose."""
    return SENTENCES[reason].format(about)
