"""Promises about what a destination with named events is told of a raw output batch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knownas.outputs.activity import Did, Kind, Product, done
from tests.outputs.messages import NOW_MS, events

AT = NOW_MS - 2_000
SAID_AT = NOW_MS - 1_000


def read(*happened: tuple[str, Mapping[str, Any]]) -> list[Did]:
    """Return what is told of events with these types and data."""
    listed = [{"event_type": kind, "data": data} for kind, data in happened]
    return list(done(events(batch={"events": listed})))


def test_a_purchase_has_its_products_and_total() -> None:
    """What was bought is told with the order, each product by its id."""
    [did] = done(events())
    assert did == Did(
        Kind.PURCHASE,
        "e-1:0",
        "purchase",
        AT,
        {"transaction_id": "order-1"},
        (Product("sku-1", "Loom", 99.5, 1),),
        99.5,
    )
    assert did.time == "2025-11-23T07:59:58.000Z"


def test_events_are_named_as_whoever_sent_them_named_them() -> None:
    """Custom events and screens by their names, commerce events by what was done; everything else is nobody's business."""
    told = read(
        ("session_start", {}),
        (
            "custom_event",
            {"event_name": "Play", "timestamp_unixtime_ms": AT, "custom_attributes": {"a": 1, "b": None, "c": [1]}},
        ),
        ("custom_event", {"event_name": ""}),
        ("screen_view", {"screen_name": "Home"}),
        ("user_attribute_change", {"user_attribute_name": "age", "new": 7}),
        (
            "commerce_event",
            {
                "product_action": {"action": "add_to_cart", "products": [{"name": "Loom"}, {}, 7]},
                "currency_code": "EUR",
            },
        ),
        ("commerce_event", {"promotion_action": {"action": "click"}}),
        ("commerce_event", {"product_impressions": [{}]}),
        ("commerce_event", {}),
    )
    assert told == [
        Did(Kind.CUSTOM, "e-1:1", "Play", AT, {"a": 1}),
        Did(Kind.SCREEN, "e-1:3", "Home", SAID_AT, {}),
        Did(Kind.COMMERCE, "e-1:5", "add_to_cart", SAID_AT, {}, (Product("Loom", "Loom", 0.0, 1),), None, "EUR"),
        Did(Kind.COMMERCE, "e-1:6:promotion", "promotion_click", SAID_AT, {}),
        Did(Kind.COMMERCE, "e-1:7", "impression", SAID_AT, {}),
    ]


def test_times_that_are_none_are_that_of_the_message() -> None:
    """Texts, truths and times that no calendar has are replaced by when the message says that it was."""
    for at_ms in ("9", True, -1, 253_402_300_800_000, 10**400, None):
        [did] = read(("custom_event", {"event_name": "Play", "timestamp_unixtime_ms": at_ms}))
        assert did.at_ms == SAID_AT
    [did] = read(("custom_event", {"event_name": "Play", "timestamp_unixtime_ms": 253_402_300_799_999}))
    assert did.time == "9999-12-31T23:59:59.999Z"


def test_amounts_that_are_none_are_left_out() -> None:
    """Texts, truths and numbers beyond all measure are no amounts."""
    for amount in ("9", True, 10**400, None):
        action = {
            "action": "purchase",
            "total_amount": amount,
            "products": [{"id": "1", "price": amount, "quantity": amount}],
        }
        [did] = read(("commerce_event", {"product_action": action}))
        assert (did.total, did.products) == (None, (Product("1", "1", 0.0, 1),))


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        "event_name",
        "screen_name",
        "timestamp_unixtime_ms",
        "custom_attributes",
        "product_action",
        "promotion_action",
        "products",
    ]
)
kinds = st.sampled_from(["custom_event", "screen_view", "commerce_event"]) | json


@given(
    st.lists(st.fixed_dictionaries({"event_type": kinds, "data": st.dictionaries(names, json) | json}), max_size=4)
    | json
)
def test_whatever_a_batch_holds_is_read(listed: Any) -> None:
    """A batch can hold anything; each of what is told has a name, a time and a key of its own, the same each time."""
    message = replace(events(), batch={"events": listed})
    told = list(done(message))
    assert told == list(done(message))
    assert len({did.key for did in told}) == len(told)
    assert all(did.name and did.time.endswith("Z") for did in told)
