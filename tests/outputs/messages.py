"""Messages for the tests of destinations: short to write, and drawn at random."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from knownas.core.delivery.message import (
    AudienceName,
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Origin,
    Settings,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.privacy.request import Regulation
from knownas.core.translation.encoding import Encoding, encoded
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.target import MPID, Target
from knownas.core.translation.telling import Action
from knownas.service.delivery.destination import Surroundings

NOW_MS = 1_763_884_800_000
"""23 November 2025, 08:00 UTC."""

ORIGIN = Origin(100, "production")
SHOPPERS = AudienceName(7, "Eager shoppers")
MPID_OF_ADA = -4611686018427387904


def surroundings(now_ms: int = NOW_MS) -> Surroundings:
    """Return a clock that stands still, and ids that count."""
    numbers = itertools.count(1)
    return Surroundings(lambda: now_ms, lambda: f"00000000-0000-4000-8000-{next(numbers):012d}")


def outgoing(
    target: Target, value: str, encoding: Encoding = Encoding.RAW, slot: str | None = None, **about: str
) -> Outgoing:
    """Return an identity; it is encoded here."""
    return Outgoing(target.value if slot is None else slot, target, encoding, encoded(value, encoding), **about)


EMAIL = outgoing(IdentityType.EMAIL, "ada@example.com")
CUSTOMER = outgoing(IdentityType.CUSTOMER_ID, "customer-42")
IDFA = outgoing(IdentityType.IOS_IDFA, "6D92078A-8246-4BA4-AE5B-76104861E7DC", platform="iOS")


def membership(
    *identities: Outgoing,
    action: Action = Action.ADD,
    id: str = "m-1",  # noqa: A002 - the name that it has
    mpid: int = MPID_OF_ADA,
    at_ms: int = NOW_MS - 1_000,
    is_member: bool | None = None,
    audience: AudienceName = SHOPPERS,
    settings: Settings | None = None,
    origin: Origin = ORIGIN,
) -> MembershipMessage:
    """Return a change of a membership, of a customer with an address if nothing else is said."""
    member = action is Action.ADD if is_member is None else is_member
    who = identities or (EMAIL, CUSTOMER)
    return MembershipMessage(id, origin, mpid, at_ms, audience, action, who, member, settings or {})


def subscription(
    what: Subscription = Subscription.ADD,
    id: str = "s-1",  # noqa: A002 - the name that it has
    audience: AudienceName = SHOPPERS,
    settings: Settings | None = None,
) -> SubscriptionMessage:
    """Return a change of an audience's connection."""
    return SubscriptionMessage(id, ORIGIN, NOW_MS - 1_000, audience, what, settings or {})


def events(
    *identities: Outgoing,
    id: str = "e-1",  # noqa: A002 - the name that it has
    batch: Mapping[str, Any] | None = None,
    mpid: int = MPID_OF_ADA,
) -> EventsMessage:
    """Return what a user did: a purchase, if nothing else is said."""
    who = identities or (EMAIL, CUSTOMER)
    return EventsMessage(id, ORIGIN, mpid, NOW_MS - 1_000, purchase(mpid) if batch is None else batch, who)


def purchase(mpid: int = MPID_OF_ADA) -> dict[str, Any]:
    """Return a raw output batch (platform §7.7)."""
    return {
        "schema_version": 2,
        "environment": "production",
        "batch_id": 8234567890123456789,
        "mpid": mpid,
        "timestamp_unixtime_ms": NOW_MS - 1_500,
        "source_info": {"channel": "server_to_server"},
        "user_identities": [
            {"identity_type": "email", "identity": "ada@example.com", "timestamp_unixtime_ms": NOW_MS - 90_000},
            {"identity_type": "customer_id", "identity": "customer-42", "timestamp_unixtime_ms": NOW_MS - 90_000},
        ],
        "user_attributes": {"$FirstName": "Augusta", "favourite_colours": ["blue", "green"]},
        "events": [
            {
                "event_type": "commerce_event",
                "data": {
                    "event_id": 5234567890123456789,
                    "message_id": "a-shop-order-1",
                    "message_type": "commerce_event",
                    "timestamp_unixtime_ms": NOW_MS - 2_000,
                    "product_action": {
                        "action": "purchase",
                        "transaction_id": "order-1",
                        "total_amount": 99.5,
                        "products": [{"id": "sku-1", "name": "Loom", "price": 99.5, "quantity": 1}],
                    },
                },
            }
        ],
    }


def erasure(
    *identities: Outgoing,
    id: str = "d-1",  # noqa: A002 - the name that it has
    mpid: int | None = MPID_OF_ADA,
    regulation: Regulation = Regulation.GDPR,
) -> ErasureMessage:
    """Return the forwarding of an erasure."""
    who = identities or (EMAIL, CUSTOMER)
    request = "a7551968-d5d6-44b2-9831-815ac9017798"
    return ErasureMessage(id, ORIGIN, mpid, NOW_MS - 1_000, request, regulation, NOW_MS - 60_500, who)


MPIDS = st.integers(-(2**63), 2**63 - 1).filter(bool)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
"""What can be the value of an identity."""


def some_identities(*targets: Target) -> st.SearchStrategy[tuple[Outgoing, ...]]:
    """Draw identities of some types, none twice, at least one."""
    kinds = st.sampled_from(targets or (*IdentityType, MPID))
    one = kinds.flatmap(
        lambda target: st.builds(
            outgoing, st.just(target), MPIDS.map(str) if target is MPID else VALUES, st.sampled_from(Encoding)
        )
    )
    return st.lists(one, min_size=1, max_size=12, unique=True).map(tuple)


def some_memberships(*targets: Target) -> st.SearchStrategy[tuple[MembershipMessage, ...]]:
    """Draw changes of memberships, each with an id of its own."""
    audiences = st.sampled_from((SHOPPERS, AudienceName(8, "Lost, and \u201cmissed\u201d")))
    one = st.builds(
        lambda who, mpid, action, audience: membership(*who, mpid=mpid, action=action, audience=audience),
        some_identities(*targets),
        MPIDS,
        st.sampled_from(Action),
        audiences,
    )
    return st.lists(one, min_size=1, max_size=6).map(lambda many: tuple(_numbered(many)))


def _numbered(many: list[MembershipMessage]) -> Iterator[MembershipMessage]:
    for number, one in enumerate(many):
        yield membership(*one.identities, action=one.action, id=f"m-{number}", mpid=one.mpid, audience=one.audience)
