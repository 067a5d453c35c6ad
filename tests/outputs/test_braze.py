"""Promises about Braze: each request is as its API documents it, and an audience is a switch that nothing else touches."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.delivery.message import AudienceName, MembershipMessage, Message, Subscription
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing, Translated
from knownas.core.translation.phone import Numbering
from knownas.core.translation.place import Wish, rule_of
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.core.translation.translate import translate
from knownas.outputs import braze
from knownas.outputs.braze import DESTINATION, NOBODY, attribute_of
from tests.core.translation.profiles import user
from tests.outputs.braze_contract import DELETED, KEY, TAKEN, Deletion, Object, read
from tests.outputs.messages import (
    NOW_MS,
    SHOPPERS,
    VALUES,
    erasure,
    events,
    membership,
    outgoing,
    subscription,
    surroundings,
)
from tests.outputs.receiving import Behaviour, answering, receiving
from tests.outputs.refusals import REFUSALS, assert_means, each_refusal, short_of_time  # noqa: F401 - a fixture

T = IdentityType
CUSTOMER = outgoing(T.CUSTOMER_ID, "customer-42", slot="user")
OTHER = outgoing(T.CUSTOMER_ID, "customer-43", slot="user")
EMAIL = outgoing(T.EMAIL, "ada@example.com", slot="user")
SWITCH = "Eager shoppers (audience 7)"


def told(*identities: Outgoing, **about: Any) -> MembershipMessage:
    """Return a change of a membership of an audience that is connected."""
    return membership(*(identities or (CUSTOMER,)), settings={"attribute": SWITCH}, **about)


async def sent(
    *messages: Message, script: tuple[Behaviour, ...] = (), otherwise: Behaviour = TAKEN, **settings: str | bool
) -> tuple[Outcome, list[list[Object] | Deletion]]:
    """Send messages to a server that checks each request; return what came of it, and what came."""
    async with receiving(*script, otherwise=otherwise) as server:
        sender = DESTINATION.open({"url": f"{server.url}/", "api_key": KEY, **settings}, surroundings())
        outcome = await sender.send(messages)
        await sender.close()
    return outcome, [read(one) for one in server.requests]


async def test_an_audience_is_a_switch() -> None:
    """Who joins has it on, who leaves has it no more; those who leave come first, and nobody is made only to have none."""
    outcome, came = await sent(told(id="m-1", mpid=1), told(OTHER, id="m-2", mpid=2, action=Action.REMOVE))
    assert outcome == Taken()
    assert came == [
        [Object("attributes", ("external_id", "customer-43"), {"_update_existing_only": True, SWITCH: None})],
        [Object("attributes", ("external_id", "customer-42"), {"_update_existing_only": False, SWITCH: True})],
    ]
    _, [[object_of]] = await sent(told(), update_existing_only=True)
    assert isinstance(object_of, Object)
    assert object_of.members["_update_existing_only"] is True


async def test_a_switch_keeps_its_name() -> None:
    """The name is settled when the audience is connected, and stays whatever it is called later."""
    assert await sent(subscription()) == (Taken(kept={"attribute": SWITCH}), [])
    for what in (Subscription.UPDATE, Subscription.REMOVE):
        assert await sent(subscription(what, settings={"attribute": SWITCH})) == (Taken(), [])
    _, [[object_of]] = await sent(told(audience=AudienceName(7, "Keen shoppers")))
    assert isinstance(object_of, Object)
    assert SWITCH in object_of.members


@given(st.integers(0, 2**63), st.text(max_size=300), st.integers(0, 2**63), st.text(max_size=300))
def test_no_two_audiences_share_a_switch(one: int, name: str, other: int, other_name: str) -> None:
    """Whatever audiences are called, their attributes differ, are no longer than allowed, and are none of Braze's own."""
    attribute = attribute_of(AudienceName(one, name))
    assert len(attribute) <= 255
    assert not attribute.startswith("$")
    assert " " in attribute
    assert one == other or attribute != attribute_of(AudienceName(other, other_name))


@pytest.mark.parametrize(
    ("wish", "going"),
    [
        (Wish(), ("external_id", "c")),
        (Wish(places={"user": (T.EMAIL,)}), ("email", "ada@example.org")),
        (
            Wish(places={"user": (T.OTHER3, T.MOBILE_NUMBER, T.EMAIL)}, numbering=Numbering("49")),
            ("phone", "+4930123456"),
        ),
        (Wish(places={"user": (T.DEVICE_APPLICATION_STAMP, MPID)}), ("external_id", "1")),
        (Wish(places={"user": (T.OTHER,)}), ("braze_id", "b-1")),
        (Wish(places={"user": (T.OTHER2,)}), ("user_alias", {"alias_name": "a-1", "alias_label": "shop"})),
    ],
    ids=range(6),
)
async def test_a_user_is_told_by_one_identity(wish: Wish, going: tuple[str, Any]) -> None:
    """By the customer id, or the first of what somebody has named: never by two, which could be one user there."""
    view = user(
        1,
        email=("ada@example.com", " Ada@Example.org"),
        customerid="c",
        mobile_number="030 123456",
        other="b-1",
        other2="a-1",
    )
    translated = translate(view, rule_of(wish, DESTINATION.places, DESTINATION.keeps))
    assert isinstance(translated, Translated)
    _, came = await sent(told(*translated.identities), alias_type="other2", alias_label="shop", braze_id_type="other")
    [[object_of]] = came
    assert isinstance(object_of, Object)
    assert object_of.user == going


async def test_calls_keep_to_the_limit_of_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """More objects than go into a request are several, and what was taken before a failure is told."""
    monkeypatch.setattr(braze, "BRAZE_OBJECTS_MAX", 2)
    messages = [told(outgoing(T.CUSTOMER_ID, f"c{number}"), id=f"m-{number}", mpid=number + 1) for number in range(5)]
    outcome, came = await sent(*messages)
    assert outcome == Taken()
    assert [len(one) for one in came if isinstance(one, list)] == [2, 2, 1]
    outcome, _ = await sent(*messages, script=(TAKEN, answering(429)))
    assert outcome == Taken(again=dict.fromkeys(("m-2", "m-3", "m-4"), "answered 429 Too Many Requests"))


async def pauses(monkeypatch: pytest.MonkeyPatch, *told_at: tuple[Message, int]) -> list[float]:
    """Return the pauses that are made for messages that are sent one after the other, each at a time (milliseconds)."""
    made: list[float] = []
    now_ms = NOW_MS

    async def pause(seconds: float) -> None:
        made.append(round(seconds, 3))

    monkeypatch.setattr(braze, "sleep", pause)
    async with receiving(otherwise=answering(201, {"message": "success", "deleted": 1})) as server:
        clock = replace(surroundings(), now_ms=lambda: now_ms)
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, clock)
        for message, at_ms in told_at:
            now_ms = NOW_MS + at_ms
            assert await sender.send([message]) == Taken()
        await sender.close()
    return made


async def test_what_contradicts_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Braze keeps no order between requests, so who joins and leaves is told of with a pause; the same again, or others, are not kept waiting."""
    joins, leaves = told(id="m-1", mpid=1), told(id="m-2", mpid=1, action=Action.REMOVE)
    elsewhere = told(id="m-3", mpid=1, action=Action.REMOVE, audience=AudienceName(8, "Others"))
    other = told(OTHER, id="m-4", mpid=2, action=Action.REMOVE)
    assert await pauses(monkeypatch, (joins, 0), (joins, 1), (elsewhere, 2), (other, 3)) == []
    assert await pauses(monkeypatch, (joins, 0), (leaves, 4_000), (joins, 4_001)) == [6.0, 9.999]
    assert await pauses(monkeypatch, (joins, 0), (leaves, 10_000)) == []
    assert await pauses(monkeypatch, (joins, 10**9), (leaves, 0)) == [10.0]
    by_address = told(EMAIL, id="m-5", mpid=1, action=Action.REMOVE)
    assert await pauses(monkeypatch, (by_address, 0), (joins, 0)) == [10.0]
    somebody_else = told(id="m-6", mpid=3)
    assert await pauses(monkeypatch, (leaves, 0), (somebody_else, 0)) == [10.0]


async def test_who_is_deleted_is_not_made_again_by_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between what makes a user at Braze and what deletes the user there is a pause, whichever comes first."""
    for message in (told(), events(CUSTOMER)):
        assert await pauses(monkeypatch, (message, 0), (erasure(CUSTOMER), 0)) == [10.0]
        assert await pauses(monkeypatch, (erasure(CUSTOMER), 0), (message, 0)) == [10.0]
        assert await pauses(monkeypatch, (message, 0), (erasure(OTHER), 0)) == []


async def test_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more users than there is room for, those who were told of first are forgotten."""
    monkeypatch.setattr(braze, "BRAZE_RECENT_MAX", 3)
    joins, leaves = told(id="m-1", mpid=1), told(id="m-2", mpid=1, action=Action.REMOVE)
    assert await pauses(monkeypatch, (joins, 0), (told(OTHER, id="m-3", mpid=2), 0), (leaves, 0)) == []


def happened(*listed: dict[str, Any]) -> dict[str, Any]:
    """Return a raw output batch."""
    return {
        "events": [{"event_type": kind, "data": one} for one in listed for kind in [one.pop("kind", "custom_event")]]
    }


async def test_events_and_purchases_are_told() -> None:
    """Each product that was bought is a purchase; other events have their names and what was said of them."""
    play = {"event_name": "Play", "timestamp_unixtime_ms": NOW_MS, "custom_attributes": {"song": "Help!"}}
    cart = {"kind": "commerce_event", "product_action": {"action": "add_to_cart", "products": [{"id": "sku-1"}]}}
    outcome, [came] = await sent(
        events(CUSTOMER, id="e-1", mpid=1),
        events(OTHER, id="e-2", mpid=2, batch=happened(play, cart, {"kind": "screen_view", "screen_name": "Home"})),
        app_id="app-1",
    )
    assert outcome == Taken()
    about = {"_update_existing_only": False, "app_id": "app-1"}
    assert came == [
        Object(
            "events",
            ("external_id", "customer-43"),
            {**about, "name": "Play", "time": "2025-11-23T08:00:00.000Z", "properties": {"song": "Help!"}},
        ),
        Object(
            "events",
            ("external_id", "customer-43"),
            {
                **about,
                "name": "add_to_cart",
                "time": "2025-11-23T07:59:59.000Z",
                "properties": {"products": [{"id": "sku-1", "name": "sku-1", "price": 0.0, "quantity": 1}]},
            },
        ),
        Object(
            "purchases",
            ("external_id", "customer-42"),
            {
                **about,
                "product_id": "sku-1",
                "currency": "USD",
                "price": 99.5,
                "quantity": 1,
                "time": "2025-11-23T07:59:58.000Z",
                "properties": {"transaction_id": "order-1"},
            },
        ),
    ]


async def test_screens_are_told_if_somebody_wants_them() -> None:
    """Views of screens are events by the screen's name where that is set."""
    message = events(CUSTOMER, batch=happened({"kind": "screen_view", "screen_name": "Home"}))
    assert await sent(message) == (Taken(), [])
    _, [[came]] = await sent(message, screen_views=True)
    assert isinstance(came, Object)
    assert came.members["name"] == "Home"


async def test_what_was_taken_of_a_message_does_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of a request that was taken are not told again when their message is, for what failed after them."""
    monkeypatch.setattr(braze, "BRAZE_OBJECTS_MAX", 2)
    batch = happened(*({"event_name": f"Play {number}"} for number in range(3)))
    async with receiving(TAKEN, answering(429), TAKEN) as server:
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, surroundings())
        outcomes = [await sender.send([events(CUSTOMER, batch=batch)]) for _ in range(2)]
        await sender.close()
    assert [type(one) for one in outcomes] == [NotNow, Taken]
    names = [[one.members["name"] for one in came] for came in map(read, server.requests) if isinstance(came, list)]
    assert names == [["Play 0", "Play 1"], ["Play 2"], ["Play 2"]]


async def test_what_was_refused_is_told_again_if_somebody_says_so() -> None:
    """A dead letter that waits again is sent again, whole."""
    message = events(CUSTOMER, batch=happened({"event_name": "Play"}))
    async with receiving(errors({"input_array": "events", "index": 0}), TAKEN) as server:
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, surroundings())
        outcomes = [await sender.send([message]) for _ in range(2)]
        await sender.close()
    assert outcomes == [Taken({"e-1": "Braze refused what is told in events"}), Taken()]
    assert len(server.requests) == 2


@pytest.mark.parametrize(("quantity", "price"), [(0.5, 5.0), (101, 1010), (0, 0), (-1, -10)])
async def test_what_braze_can_not_count_is_told_at_its_price(quantity: float, price: float) -> None:
    """More than a hundred pieces, or a part of one, are one purchase at the price of all, with the quantity beside it."""
    action = {"action": "purchase", "products": [{"id": "cheese", "price": 10, "quantity": quantity}]}
    batch = happened({"kind": "commerce_event", "product_action": action, "currency_code": "EUR"})
    _, [[came]] = await sent(events(CUSTOMER, batch=batch))
    assert isinstance(came, Object)
    assert (came.members["price"], came.members["quantity"], came.members["currency"]) == (price, 1, "EUR")
    assert came.members["properties"] == {"quantity": quantity}


facts = st.dictionaries(
    st.text(max_size=4) | st.sampled_from(["time", "event_name", "$City", "a" * 256]),
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=4)
    | st.just("x" * 256)
    | st.lists(st.text()),
    max_size=6,
)


@hypothesis_settings(max_examples=50, deadline=None)
@given(facts, st.text(max_size=300))
async def test_properties_are_such_as_braze_takes(said: dict[str, Any], name: str) -> None:
    """Whatever an event says, what Braze would refuse is left out of it, and the rest goes."""
    outcome, came = await sent(events(CUSTOMER, batch=happened({"event_name": name, "custom_attributes": said})))
    assert outcome == Taken()
    for one in came:
        assert isinstance(one, list)
        assert one[0].members["properties"].items() <= said.items()
    assert bool(came) == bool(name)


@pytest.mark.parametrize(
    ("identities", "deletions"),
    [
        ((CUSTOMER,), [Deletion("external_ids", ("customer-42",))]),
        (
            (CUSTOMER, EMAIL),
            [
                Deletion("external_ids", ("customer-42",)),
                Deletion("email_addresses", ({"email": "ada@example.com", "prioritization": ["unidentified"]},)),
            ],
        ),
        (
            (EMAIL, outgoing(T.MOBILE_NUMBER, "+4930123456")),
            [
                Deletion(
                    "email_addresses",
                    ({"email": "ada@example.com", "prioritization": ["identified", "most_recently_updated"]},),
                ),
                Deletion(
                    "phone_numbers",
                    ({"phone": "+4930123456", "prioritization": ["identified", "most_recently_updated"]},),
                ),
            ],
        ),
        ((outgoing(T.OTHER2, "a-1"),), [Deletion("user_aliases", ({"alias_name": "a-1", "alias_label": "shop"},))]),
        ((outgoing(T.OTHER, "b-1"),), [Deletion("braze_ids", ("b-1",))]),
    ],
    ids=range(5),
)
async def test_an_erased_user_is_deleted(identities: tuple[Outgoing, ...], deletions: list[Deletion]) -> None:
    """By each way to name the user a call; by an address beside an id only somebody without one."""
    settings = {"alias_type": "other2", "alias_label": "shop", "braze_id_type": "other"}
    assert await sent(erasure(*identities), otherwise=DELETED, **settings) == (Taken(), deletions)
    assert isinstance((await sent(erasure(*identities), otherwise=TAKEN, **settings))[0], NotNow)


async def test_several_erased_users_share_a_call() -> None:
    """Users that are named alike are deleted in one call."""
    _, came = await sent(erasure(CUSTOMER), erasure(OTHER, id="d-2", mpid=2), otherwise=answering(201, {"deleted": 0}))
    assert came == [Deletion("external_ids", ("customer-42", "customer-43"))]


def errors(*listed: Any) -> Behaviour:
    """Return a success with errors of single objects."""
    return answering(201, {"message": "success", "errors": list(listed)})


async def test_an_object_that_is_refused_refuses_its_message() -> None:
    """Where Braze says which object it is about, that message is refused, without what Braze says of its value."""
    error = {"type": "customer-43 is blacklisted and disallowed", "input_array": "attributes", "index": 1}
    outcome, _ = await sent(told(id="m-1", mpid=1), told(OTHER, id="m-2", mpid=2), otherwise=errors(error))
    assert outcome == Taken({"m-2": "Braze refused what is told in attributes"})
    outcome, _ = await sent(
        events(OTHER, id="e-1", mpid=1, batch=happened({"event_name": "Play"})),
        events(CUSTOMER, id="e-2", mpid=2),
        otherwise=errors({**error, "input_array": "purchases", "index": 0}),
    )
    assert outcome == Taken({"e-2": "Braze refused what is told in purchases"})


@pytest.mark.parametrize(
    "error", ["nope", {}, {"input_array": "attributes", "index": 2}, {"input_array": "x", "index": 0}], ids=str
)
async def test_an_error_of_nothing_in_particular_is_looked_for(error: Any) -> None:
    """Switches are sent again in halves; events are not, since they would count twice, and become dead letters."""
    outcome, _ = await sent(told(id="m-1", mpid=1), told(OTHER, id="m-2", mpid=2), otherwise=errors(error))
    assert isinstance(outcome, NotThis)
    outcome, _ = await sent(
        events(CUSTOMER, id="e-1", mpid=1), events(OTHER, id="e-2", mpid=2), otherwise=errors(error)
    )
    assert isinstance(outcome, Taken)
    assert sorted(outcome.refused) == ["e-1", "e-2"]


@pytest.mark.parametrize("body", [[], {}, {"message": 7}, None])
async def test_a_success_that_says_nothing_is_none(body: Any) -> None:
    """An answer of 2xx without Braze's own word came from something in between."""
    assert isinstance((await sent(told(), otherwise=answering(201, body)))[0], NotNow)


async def test_a_limit_of_requests_is_waited_for() -> None:
    """Braze says when its limit begins anew, as a Unix time in seconds."""
    for reset, seconds in (
        (str(NOW_MS // 1000 + 90), 90.0),
        (str(NOW_MS // 1000 - 90), 0.0),
        ("soon", None),
        ("9" * 12, None),
    ):
        outcome, _ = await sent(told(), otherwise=answering(429, {"message": "no"}, X_RateLimit_Reset=reset))
        assert isinstance(outcome, NotNow)
        assert (outcome.trouble, outcome.wait_seconds) == (Trouble.BUSY, seconds)


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_each_refusal_means_the_same_as_elsewhere(how: str) -> None:
    """Whatever a server does instead of taking users, it is asked again, or it stops, as everywhere."""
    outcome, _ = await sent(told(EMAIL), otherwise=REFUSALS[how])
    assert_means(outcome, how)


async def test_a_digest_is_nobody_at_braze() -> None:
    """Braze knows users by what they are; of a digest nothing is told, and whoever shares the request is."""
    digest = outgoing(T.EMAIL, "ada@example.com", Encoding.SHA256)
    for message in (told(digest), events(digest), erasure(digest)):
        assert await sent(message) == (Taken({message.id: NOBODY}), [])
    outcome, came = await sent(told(digest, id="m-1", mpid=1), told(id="m-2", mpid=2))
    assert outcome == Taken({"m-1": NOBODY})
    assert len(came) == 1


async def test_check_tells_of_nobody() -> None:
    """A check is a request without anybody in it: refused as such, the key is good."""
    async with receiving(answering(400), answering(201, {"message": "success"}), answering(401)) as server:
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, surroundings())
        assert await sender.check() == Taken()
        assert await sender.check() == Taken()
        assert isinstance(await sender.check(), NotAtAll)
        await sender.close()
    assert [(one.target, one.json) for one in server.requests] == [("/users/track", {"attributes": []})] * 3


identities = st.builds(
    outgoing,
    st.sampled_from([T.EMAIL, T.CUSTOMER_ID, T.MOBILE_NUMBER, MPID]),
    VALUES,
    st.sampled_from([Encoding.RAW, Encoding.MD5]),
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(identities, min_size=1, max_size=3, unique=True), st.sampled_from(Action)),
        min_size=1,
        max_size=4,
    )
)
async def test_nothing_leaves_but_what_messages_say(drawn: list[tuple[list[Outgoing], Action]]) -> None:
    """Every value that goes out is one of a message's that is no digest, and each such value goes out."""
    messages = [
        told(*who, id=f"m-{number}", mpid=number + 1, action=action) for number, (who, action) in enumerate(drawn)
    ]
    _, came = await sent(*messages)
    for switch, action in ((True, Action.ADD), (None, Action.REMOVE)):
        assert sorted(
            one.user[1] for each in came if isinstance(each, list) for one in each if one.members[SWITCH] is switch
        ) == sorted(
            one.value
            for message in messages
            if message.action is action
            for one in message.identities
            if one.encoding is Encoding.RAW
        )
    assert attribute_of(SHOPPERS) == SWITCH


GOOD = {"url": "https://rest.fra-01.braze.eu", "api_key": KEY}


@pytest.mark.parametrize(
    ("settings", "faulty"),
    [
        ({}, []),
        ({"url": "rest.fra-01.braze.eu"}, ["url"]),
        ({"api_key": "k\n"}, ["api_key"]),
        ({"alias_type": "other2"}, ["alias_label"]),
        ({"alias_label": "shop"}, ["alias_label"]),
        ({"alias_type": "other", "alias_label": "shop", "braze_id_type": "other"}, ["braze_id_type"]),
        ({"currency": "euro"}, ["currency"]),
    ],
    ids=range(7),
)
def test_settings_that_can_not_work_are_told(settings: dict[str, str], faulty: list[str]) -> None:
    """What is wrong with a setting is said when it is set."""
    assert [name for name, _ in DESTINATION.faults({**GOOD, **settings})] == faulty
