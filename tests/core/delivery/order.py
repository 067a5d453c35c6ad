"""Says as plainly as it can be said which messages must stay in their order, and draws messages that often must."""

from dataclasses import replace

from hypothesis import strategies as st

from knownas.core.delivery.batching import Waiting
from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.privacy.request import Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from tests.core.delivery.messages import EMAIL, ORIGIN, joined, subscribed


def identity(number: int) -> Outgoing:
    """Return one of some e-mail addresses."""
    return Outgoing("email", IdentityType.EMAIL, Encoding.RAW, f"{number}@example.com")


_MPIDS = st.integers(1, 4)
_VALUES = st.lists(st.integers(1, 4).map(identity), max_size=2).map(tuple)
MESSAGES = st.one_of(
    st.builds(lambda mpid, own: replace(joined("m", mpid), identities=own), _MPIDS, _VALUES),
    st.builds(lambda mpid: EventsMessage("e", ORIGIN, mpid, 1, {}, (EMAIL,)), _MPIDS),
    st.builds(
        lambda mpid, own: ErasureMessage("x", ORIGIN, mpid, 1, "r", Regulation.GDPR, 1, own),
        st.none() | _MPIDS,
        _VALUES,
    ),
    st.sampled_from(Subscription).map(lambda one: replace(subscribed("s"), subscription=one)),
)
"""Messages of any kind, about few users with few identities."""


def must_stay(one: Waiting, other: Waiting) -> bool:
    """Whether two messages must be told in their order, as plainly as it can be said."""
    if one.mpid and one.mpid == other.mpid:
        return True
    if one.connection == other.connection and any(
        isinstance(each.message, SubscriptionMessage) or (each.message is None and not each.mpid)
        for each in (one, other)
    ):
        return True
    named = [
        set(each.message.identities)
        if isinstance(each.message, MembershipMessage | ErasureMessage)
        else set[Outgoing]()
        for each in (one, other)
    ]
    return not named[0].isdisjoint(named[1])
