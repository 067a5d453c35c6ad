"""Promises about Iterable: each request is as its API describes it, and who failed is told by name of the message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.delivery.message import MembershipMessage, Message, Subscription
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing, Translated
from knownas.core.translation.place import Wish, rule_of
from knownas.core.translation.telling import Action
from knownas.core.translation.translate import translate
from knownas.outputs import iterable
from knownas.outputs.iterable import DESTINATION
from tests.core.translation.profiles import user
from tests.outputs.iterable_contract import DONE, KEY, LIST, LISTED, Came, read
from tests.outputs.messages import (
    NOW_MS,
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
ADA, BOB = (outgoing(T.EMAIL, f"{name}@example.com", slot="user") for name in ("ada", "bob"))
CUSTOMER = outgoing(T.CUSTOMER_ID, "customer-42", slot="user")
KEPT = {"made_list_id": LIST}


def told(*identities: Outgoing, **about: Any) -> MembershipMessage:
    """Return a change of a membership of an audience that has a list."""
    return membership(*(identities or (ADA,)), settings={**KEPT, **about.pop("settings", {})}, **about)


async def sent(
    *messages: Message, script: tuple[Behaviour, ...] = (), otherwise: Behaviour = LISTED, **settings: str | bool
) -> tuple[Outcome, list[Came]]:
    """Send messages to a server that checks each request; return what came of it, and what came."""
    async with receiving(*script, otherwise=otherwise) as server:
        sender = DESTINATION.open({"url": f"{server.url}/", "api_key": KEY, **settings}, surroundings())
        outcome = await sender.send(messages)
        await sender.close()
    return outcome, [read(one) for one in server.requests]


async def test_users_are_added_and_removed_in_one_call_each() -> None:
    """Of one list all removals are one call and all additions another, and the removals come first."""
    outcome, came = await sent(
        told(ADA, id="m-1", mpid=1), told(BOB, id="m-2", mpid=2, action=Action.REMOVE), told(CUSTOMER, id="m-3", mpid=3)
    )
    assert outcome == Taken()
    assert [(one.path, one.body) for one in came] == [
        ("/api/lists/unsubscribe", {"listId": LIST, "subscribers": [{"email": "bob@example.com"}]}),
        (
            "/api/lists/subscribe",
            {
                "listId": LIST,
                "subscribers": [{"email": "ada@example.com"}, {"userId": "customer-42", "preferUserId": True}],
                "updateExistingUsersOnly": False,
            },
        ),
    ]


async def test_users_need_not_be_made() -> None:
    """With create_users off nobody is made at Iterable."""
    _, [came] = await sent(told(CUSTOMER), create_users=False)
    assert came.body["updateExistingUsersOnly"] is True
    assert came.body["subscribers"] == [{"userId": "customer-42", "preferUserId": False}]


async def test_a_user_is_told_by_one_identity() -> None:
    """Usually by the address, or by the first that somebody has named: never by two, which could be one user there."""
    ada = user(1, email=(" Ada@Example.com", "ada@example.org"), customerid="c")
    for wish, going in (
        (Wish(), ("email", "ada@example.org")),
        (Wish(places={"user": (T.OTHER2, T.CUSTOMER_ID, T.EMAIL)}), ("userId", "c")),
    ):
        translated = translate(ada, rule_of(wish, DESTINATION.places, DESTINATION.keeps))
        assert isinstance(translated, Translated)
        _, [came] = await sent(told(*translated.identities))
        assert came.users == (going,)


async def test_calls_keep_to_the_limit_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """More users than go into a request are several, and what was taken before a failure is told."""
    monkeypatch.setattr(iterable, "ITERABLE_SUBSCRIBERS_MAX", 2)
    messages = [
        told(outgoing(T.EMAIL, f"{number}@example.com"), id=f"m-{number}", mpid=number + 1) for number in range(5)
    ]
    outcome, came = await sent(*messages)
    assert outcome == Taken()
    assert [len(one.users) for one in came] == [2, 2, 1]
    outcome, _ = await sent(*messages, script=(LISTED, answering(429)))
    assert outcome == Taken(again=dict.fromkeys(("m-2", "m-3", "m-4"), "answered 429 Too Many Requests"))


def failed(count: int, **failures: list[str]) -> Behaviour:
    """Return an answer that names users who could not be taken."""
    return answering(200, {"successCount": 0, "failCount": count, "failedUpdates": failures})


@pytest.mark.parametrize(
    "member",
    ["invalidEmails", "invalidDataEmails", "forgottenEmails", "notFoundEmails", "conflictEmails"],
)
async def test_who_could_not_be_added_is_refused(member: str) -> None:
    """Each way in which Iterable names a user who failed refuses that user's message, and no other; in capitals or not."""
    two = (told(ADA, id="m-1", mpid=1), told(CUSTOMER, id="m-2", mpid=2))
    outcome, _ = await sent(*two, otherwise=failed(1, **{member: ["Ada@example.com"]}))
    assert isinstance(outcome, Taken)
    assert list(outcome.refused) == ["m-1"]
    assert "ada" not in outcome.refused["m-1"].lower()
    ids = member.replace("Emails", "UserIds")
    outcome, _ = await sent(*two, otherwise=failed(2, **{ids: ["customer-42"], member: ["ada@example.com"]}))
    assert isinstance(outcome, Taken)
    assert sorted(outcome.refused) == ["m-1", "m-2"]


async def test_who_could_not_be_removed_is_not_there() -> None:
    """Somebody whom Iterable does not find, can't read or has forgotten is on no list."""
    outcome, _ = await sent(told(action=Action.REMOVE), otherwise=failed(1, notFoundEmails=["ada@example.com"]))
    assert outcome == Taken()


async def test_a_failure_of_nobody_in_particular_is_looked_for() -> None:
    """If it is not said who failed, the request is refused as a whole, so that it is sent again in halves."""
    two = (told(ADA, id="m-1", mpid=1), told(BOB, id="m-2", mpid=2))
    for answer in (failed(1), failed(2, invalidEmails=["ada@example.com"]), failed(1, surprises=["bob@example.com"])):
        assert isinstance((await sent(*two, otherwise=answer))[0], NotThis)


async def test_a_list_is_made_and_its_id_kept() -> None:
    """A connected audience becomes a static list; it is not renamed, and stays when it is no longer connected."""
    outcome, [came] = await sent(subscription(), otherwise=answering(200, {"listId": LIST}))
    assert outcome == Taken(kept=KEPT)
    assert came.body == {"name": "Eager shoppers", "description": "knownas audience 7"}
    for what, settings in (
        (Subscription.UPDATE, KEPT),
        (Subscription.REMOVE, KEPT),
        (Subscription.ADD, {"list_id": 12}),
    ):
        assert await sent(subscription(what, settings=settings)) == (Taken(), [])
    for members in ({}, {"listId": "7"}, [], {"listId": 0}):
        assert isinstance((await sent(subscription(), otherwise=answering(200, members)))[0], NotNow)


async def test_a_list_that_somebody_has_named_is_used() -> None:
    """A list of one's own goes before one that was made; without any nothing is told."""
    _, [came] = await sent(told(settings={"list_id": 12}))
    assert came.body["listId"] == 12
    outcome, came_of_none = await sent(membership(ADA))
    assert outcome == Taken({"m-1": "it is not known which list at Iterable the audience is connected with"})
    assert came_of_none == []


def happened(*listed: dict[str, Any]) -> dict[str, Any]:
    """Return a raw output batch."""
    return {
        "events": [{"event_type": kind, "data": one} for one in listed for kind in [one.pop("kind", "custom_event")]]
    }


async def test_events_and_purchases_are_told() -> None:
    """A purchase is one call with its items; other events go together, each with an id by which it counts once."""
    play = {"event_name": "Play", "timestamp_unixtime_ms": NOW_MS, "custom_attributes": {"song": "Help!"}}
    cart = {"kind": "commerce_event", "product_action": {"action": "add_to_cart", "products": [{"id": "sku-1"}]}}
    screen = {"kind": "screen_view", "screen_name": "Home"}
    outcome, came = await sent(
        events(ADA, id="e-1", mpid=1),
        events(CUSTOMER, id="e-2", mpid=2, batch=happened(play, cart, screen)),
    )
    assert outcome == Taken()
    bought, told_of = came
    assert bought.body == {
        "id": "e-1:0",
        "user": {"email": "ada@example.com"},
        "items": [{"id": "sku-1", "name": "Loom", "price": 99.5, "quantity": 1}],
        "total": 99.5,
        "createdAt": (NOW_MS - 2_000) // 1000,
        "dataFields": {"transaction_id": "order-1"},
    }
    assert told_of.body["events"] == [
        {
            "userId": "customer-42",
            "eventName": "Play",
            "id": "e-2:0",
            "createdAt": NOW_MS // 1000,
            "dataFields": {"song": "Help!"},
        },
        {
            "userId": "customer-42",
            "eventName": "add_to_cart",
            "id": "e-2:1",
            "createdAt": (NOW_MS - 1_000) // 1000,
            "dataFields": {"products": [{"id": "sku-1", "name": "sku-1", "price": 0.0, "quantity": 1}]},
        },
    ]


async def test_screens_are_told_if_somebody_wants_them() -> None:
    """Views of screens are events by the screen's name where that is set."""
    message = events(ADA, batch=happened({"kind": "screen_view", "screen_name": "Home"}))
    assert await sent(message) == (Taken(), [])
    _, [came] = await sent(message, screen_views=True)
    assert came.body["events"][0]["eventName"] == "Home"


async def test_part_of_a_thing_is_bought_at_its_price() -> None:
    """A quantity that is no whole number is told as one, at the price of all of it."""
    action = {
        "action": "purchase",
        "products": [{"id": "cheese", "price": 10, "quantity": 0.5}, {"id": "b", "price": 2, "quantity": 2}],
    }
    _, [came] = await sent(events(ADA, batch=happened({"kind": "commerce_event", "product_action": action})))
    assert came.body["total"] == 9
    assert came.body["items"][0] == {
        "id": "cheese",
        "name": "cheese",
        "price": 5.0,
        "quantity": 1,
        "dataFields": {"quantity": 0.5},
    }


async def test_events_that_a_project_does_not_allow_are_told() -> None:
    """Names that the project has barred, and users who fail, refuse the messages that they are in."""
    messages = [
        events(ADA, id="e-1", mpid=1, batch=happened({"event_name": "Play"})),
        events(CUSTOMER, id="e-2", mpid=2, batch=happened({"event_name": "Stop"})),
    ]
    barred = {"successCount": 1, "failCount": 1, "disallowedEventNames": ["Stop"]}
    outcome, _ = await sent(*messages, otherwise=answering(200, barred))
    assert outcome == Taken({"e-2": "the project does not allow events of this name"})
    outcome, _ = await sent(*messages, otherwise=failed(1, forgottenEmails=["ada@example.com"]))
    assert isinstance(outcome, Taken)
    assert list(outcome.refused) == ["e-1"]


async def test_a_message_is_taken_when_all_its_calls_are() -> None:
    """If the purchase was taken and the other events were not, all of it is sent again; ids make it count once."""
    batch = happened(
        {"kind": "commerce_event", "product_action": {"action": "purchase", "products": [{"id": "1"}]}},
        {"event_name": "Play"},
    )
    outcome, _ = await sent(events(ADA, batch=batch), script=(DONE, answering(503)))
    assert isinstance(outcome, NotNow)
    outcome, _ = await sent(events(ADA, batch=batch), script=(DONE, answering(400)))
    assert isinstance(outcome, Taken)
    assert list(outcome.refused) == ["e-1"]


async def test_what_was_taken_of_a_message_is_not_sent_twice() -> None:
    """A message of many calls goes on where it was: what was taken of it before a failure is not told again by the same sender."""
    action = {"action": "purchase", "products": [{"id": "1"}]}
    batch = happened(*({"kind": "commerce_event", "product_action": action} for _ in range(3)), {"event_name": "Play"})
    async with receiving(DONE, DONE, answering(503), DONE, answering(503), LISTED) as server:
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, surroundings())
        outcomes = [await sender.send([events(ADA, batch=batch)]) for _ in range(3)]
        await sender.close()
    assert [type(one) for one in outcomes] == [NotNow, NotNow, Taken]
    told_ids = [came.body.get("id", "events") for came in map(read, server.requests)]
    assert told_ids == ["e-1:0", "e-1:1", "e-1:2", "e-1:2", "events", "events"]


async def test_what_was_refused_is_told_again_if_somebody_says_so() -> None:
    """A dead letter that waits again is sent again, whole."""
    message = events(ADA, batch=happened({"event_name": "Play"}))
    async with receiving(failed(1, forgottenEmails=["ada@example.com"]), LISTED) as server:
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, surroundings())
        outcomes = [await sender.send([message]) for _ in range(2)]
        await sender.close()
    assert outcomes == [Taken({"e-1": "Iterable was asked to forget the user"}), Taken()]
    assert len(server.requests) == 2


async def test_an_erased_user_is_forgotten() -> None:
    """Each identity is told to be forgotten; a project that knows users by one kind refuses the other, and that is enough."""
    outcome, came = await sent(
        erasure(ADA, CUSTOMER), script=(DONE, answering(400, {"code": "BadParams", "msg": "no"}))
    )
    assert outcome == Taken()
    assert [(one.path, one.users) for one in came] == [
        ("/api/users/forget", (("email", "ada@example.com"),)),
        ("/api/users/forget", (("userId", "customer-42"),)),
    ]
    assert isinstance((await sent(erasure(ADA), otherwise=answering(400)))[0], NotThis)
    assert isinstance((await sent(erasure(ADA, CUSTOMER), script=(DONE, answering(429))))[0], NotNow)


async def test_a_digest_is_nobody_at_iterable() -> None:
    """Iterable knows users by what they are; of a digest nothing is told."""
    digest = outgoing(T.EMAIL, "ada@example.com", Encoding.SHA256)
    why = "has no identity by which Iterable knows users"
    for message in (told(digest), events(digest), erasure(digest)):
        outcome, came = await sent(message)
        assert outcome in (Taken({message.id: why}), NotThis(why))
        assert came == []


async def test_check_tells_of_nobody() -> None:
    """A check asks for the lists."""
    async with receiving(answering(200, {"lists": []}), answering(401)) as server:
        sender = DESTINATION.open({"url": server.url, "api_key": KEY}, surroundings())
        assert await sender.check() == Taken()
        assert isinstance(await sender.check(), NotAtAll)
        await sender.close()
    assert [(one.method, one.target, one.body) for one in server.requests] == [("GET", "/api/lists", b"")] * 2


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_each_refusal_means_the_same_as_elsewhere(how: str) -> None:
    """Whatever a server does instead of taking users, it is asked again, or it stops, as everywhere."""
    outcome, _ = await sent(told(ADA), otherwise=REFUSALS[how])
    assert_means(outcome, how)


@pytest.mark.parametrize("body", [[], {}, {"failCount": "1"}, None])
async def test_a_success_that_says_nothing_is_none(body: Any) -> None:
    """An answer of 200 without the counts came from something in between."""
    assert isinstance((await sent(told(), otherwise=answering(200, body)))[0], NotNow)


identities = st.builds(
    outgoing, st.sampled_from([T.EMAIL, T.CUSTOMER_ID, T.OTHER2]), VALUES, st.sampled_from([Encoding.RAW, Encoding.MD5])
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
    for path, action in (("/api/lists/subscribe", Action.ADD), ("/api/lists/unsubscribe", Action.REMOVE)):
        assert sorted(one for each in came if each.path == path for one in each.users) == sorted(
            ("email" if one.target is T.EMAIL else "userId", one.value)
            for message in messages
            if message.action is action
            for one in message.identities
            if one.encoding is Encoding.RAW
        )


@pytest.mark.parametrize(
    ("settings", "faulty"),
    [({"api_key": "k"}, []), ({"api_key": "k "}, ["api_key"]), ({"api_key": "k", "url": "http://a.example"}, ["url"])],
    ids=range(3),
)
def test_settings_that_can_not_work_are_told(settings: dict[str, str], faulty: list[str]) -> None:
    """What is wrong with a setting is said when it is set."""
    assert [name for name, _ in DESTINATION.faults(settings)] == faulty
