"""Messages for the tests of delivery: examples, and what Hypothesis draws."""

from typing import Any

from hypothesis import strategies as st

from knownas.core.delivery.message import (
    AudienceName,
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Origin,
    Settings,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.core.privacy.request import Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action

ORIGIN = Origin(100, "production")
AUDIENCE = AudienceName(7, "Buyers")
EMAIL = Outgoing("email", IdentityType.EMAIL, Encoding.RAW, "ann@example.com")


def joined(message_id: str, mpid: int = 1, at_ms: int = 1, settings: Settings | None = None) -> MembershipMessage:
    """Return that a user joined an audience."""
    return MembershipMessage(
        message_id, ORIGIN, mpid, at_ms, AUDIENCE, Action.ADD, (EMAIL,), is_member=True, settings=settings or {}
    )


def subscribed(message_id: str, at_ms: int = 1, settings: Settings | None = None) -> SubscriptionMessage:
    """Return that an audience was connected."""
    return SubscriptionMessage(message_id, ORIGIN, at_ms, AUDIENCE, Subscription.ADD, settings or {})


TEXTS = st.text(max_size=20)
TIMES = st.integers(0, 2**53)
MPIDS = st.integers(MPID_MIN, MPID_MAX).filter(bool)
SETTINGS = st.dictionaries(TEXTS, TEXTS | st.integers(-(2**53), 2**53) | st.booleans(), max_size=3)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
_IDS = st.uuids().map(str)
_ORIGINS = st.builds(Origin, st.integers(1, 10**6), st.sampled_from(["production", "development"]))
_AUDIENCES = st.builds(AudienceName, st.integers(1, 10**6), TEXTS)
_OUTGOING = st.builds(
    Outgoing,
    TEXTS,
    st.sampled_from([*IdentityType, MPID]),
    st.sampled_from(Encoding),
    TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
)
_IDENTITIES = st.lists(_OUTGOING, max_size=4).map(tuple)


def messages(settings: Settings) -> st.SearchStrategy[Message]:
    """Draw a message of any kind, whose connection has some settings if it is of one."""
    of = st.just(settings)
    return st.one_of(
        st.builds(SubscriptionMessage, _IDS, _ORIGINS, TIMES, _AUDIENCES, st.sampled_from(Subscription), of),
        st.builds(
            MembershipMessage,
            _IDS,
            _ORIGINS,
            MPIDS,
            TIMES,
            _AUDIENCES,
            st.sampled_from(Action),
            _IDENTITIES,
            st.booleans(),
            of,
        ),
        st.builds(EventsMessage, _IDS, _ORIGINS, MPIDS, TIMES, st.dictionaries(TEXTS, JSON, max_size=4), _IDENTITIES),
        st.builds(
            ErasureMessage,
            _IDS,
            _ORIGINS,
            st.none() | MPIDS,
            TIMES,
            _IDS,
            st.sampled_from(Regulation),
            TIMES,
            _IDENTITIES,
        ),
    )
