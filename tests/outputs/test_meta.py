"""Promises about Meta: each request is as the Marketing API documents it, and nothing goes out that should be a digest and is none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.delivery.message import MembershipMessage, Message, Subscription, SubscriptionMessage
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing, Translated
from knownas.core.translation.phone import Numbering
from knownas.core.translation.place import Wish, rule_of
from knownas.core.translation.telling import Action
from knownas.core.translation.translate import translate
from knownas.outputs import meta
from knownas.outputs.meta import DESTINATION
from tests.core.translation.profiles import hashed, idfa, phone, user
from tests.outputs.messages import VALUES, erasure, events, membership, outgoing, subscription, surroundings
from tests.outputs.meta_contract import ACCOUNT, AUDIENCE, RECEIVED, SECRET, TOKEN, Made, People, read
from tests.outputs.receiving import Behaviour, answering, receiving
from tests.outputs.refusals import REFUSALS, assert_means, each_refusal, short_of_time  # noqa: F401 - a fixture

T = IdentityType
KEPT = {"audience_id": AUDIENCE}
EMAIL = outgoing(T.EMAIL, "ada@example.com", Encoding.SHA256, "EMAIL")
OTHER_EMAIL = outgoing(T.EMAIL, "ada@example.org", Encoding.SHA256, "EMAIL")
PHONE = outgoing(T.MOBILE_NUMBER, "4930123456", Encoding.SHA256, "PHONE")
MADID = outgoing(T.IOS_IDFA, "6d92078a-8246-4ba4-ae5b-76104861e7dc", slot="MADID")
EXTERN = outgoing(T.CUSTOMER_ID, "customer-42", slot="EXTERN_ID")


def told(*identities: Outgoing, **about: Any) -> MembershipMessage:
    """Return a change of a membership of an audience that was made at Meta."""
    return membership(*(identities or (EMAIL,)), settings={**KEPT, **about.pop("settings", {})}, **about)


async def sent(
    *messages: Message, script: tuple[Behaviour, ...] = (), otherwise: Behaviour = RECEIVED, **settings: str | bool
) -> tuple[Outcome, list[People | Made]]:
    """Send messages to a server that checks each request; return what came of it, and what came."""
    async with receiving(*script, otherwise=otherwise) as server:
        given = {"url": server.url, "ad_account_id": ACCOUNT, "access_token": TOKEN, **settings}
        sender = DESTINATION.open(given, surroundings())
        outcome = await sender.send(messages)
        await sender.close()
    return outcome, [read(one, proven="app_secret" in settings) for one in server.requests]


async def test_people_are_added_and_removed_in_one_call_each() -> None:
    """Of one audience all removals are one call and all additions another, and the removals come first."""
    outcome, came = await sent(
        told(EMAIL, PHONE, id="m-1", mpid=1),
        told(OTHER_EMAIL, id="m-2", mpid=2, action=Action.REMOVE),
        told(MADID, id="m-3", mpid=3),
    )
    assert outcome == Taken()
    removed, added = came
    assert isinstance(removed, People)
    assert isinstance(added, People)
    assert (removed.method, removed.edge) == ("DELETE", f"{AUDIENCE}/users")
    assert removed.rows == ({"EMAIL": OTHER_EMAIL.value},)
    assert (added.method, added.edge) == ("POST", f"{AUDIENCE}/users")
    assert added.rows == ({"EMAIL": EMAIL.value, "PHONE": PHONE.value}, {"MADID": MADID.value})


async def test_one_person_is_one_row_as_far_as_values_go() -> None:
    """A user's own id is told together with an address, so that Meta can learn whose it is; a second address is a row of its own."""
    _, [added] = await sent(told(EMAIL, OTHER_EMAIL, EXTERN))
    assert isinstance(added, People)
    assert added.rows == ({"EMAIL": EMAIL.value, "EXTERN_ID": "customer-42"}, {"EMAIL": OTHER_EMAIL.value})


async def test_digests_are_those_that_meta_documents() -> None:
    """What the usual rule makes of a profile is what the documentation prints for it."""
    rule = rule_of(Wish(numbering=Numbering("1")), DESTINATION.places, DESTINATION.keeps)
    mary = user(
        1, phone((T.IOS_IDFA, idfa(1))), email=" Mary@Example.com", mobile_number="(555) 987-6543", customerid="c"
    )
    translated = translate(mary, rule)
    assert isinstance(translated, Translated)
    _, [added] = await sent(told(*translated.identities))
    assert isinstance(added, People)
    assert added.rows == (
        {
            "EMAIL": "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79",
            "PHONE": "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e",
            "MADID": idfa(1).lower(),
        },
    )


async def test_each_audience_has_calls_of_its_own() -> None:
    """An audience of the account that somebody has named is used instead of one that was made."""
    outcome, came = await sent(
        told(id="m-1", mpid=1), told(id="m-2", mpid=2, settings={"custom_audience_id": AUDIENCE})
    )
    assert outcome == Taken()
    assert len(came) == 1
    unknown = await sent(membership(EMAIL), membership(EMAIL, id="m-2", settings={"custom_audience_id": "1/users?x="}))
    assert unknown == (
        Taken(dict.fromkeys(("m-1", "m-2"), "it is not known which audience at Meta this one is connected with")),
        [],
    )


async def test_calls_keep_to_the_limit_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """More people than Meta takes at once are several calls, and a message is taken when all its rows are."""
    monkeypatch.setattr(meta, "META_ROWS_MAX", 3)
    many = [outgoing(T.EMAIL, f"{number}@example.com", Encoding.SHA256, "EMAIL") for number in range(7)]
    outcome, came = await sent(told(*many[:2], id="m-1", mpid=1), told(*many[2:], id="m-2", mpid=2))
    assert outcome == Taken()
    assert [len(one.rows) for one in came if isinstance(one, People)] == [3, 3, 1]
    assert len({one.session for one in came if isinstance(one, People)}) == 3
    script = (RECEIVED, answering(500))
    outcome, _ = await sent(told(*many[:2], id="m-1", mpid=1), told(*many[2:], id="m-2", mpid=2), script=script)
    assert outcome == Taken(again={"m-2": "answered 500 Internal Server Error"})


async def test_the_same_call_has_the_same_session() -> None:
    """What is sent again after an answer was lost is known by its number; another call has another."""
    sessions = [one.session for _ in range(2) for one in (await sent(told()))[1] if isinstance(one, People)]
    [other] = (await sent(told(id="m-2")))[1]
    assert sessions[0] == sessions[1]
    assert isinstance(other, People)
    assert other.session not in sessions


async def test_an_audience_is_made_and_its_id_kept() -> None:
    """A connected audience is made in the ad account, is called otherwise when it is, and stays when it is no longer connected."""
    outcome, [made] = await sent(subscription(), otherwise=answering(200, {"id": AUDIENCE}))
    assert outcome == Taken(kept=KEPT)
    assert made == Made(
        f"act_{ACCOUNT}/customaudiences",
        {
            "name": "Eager shoppers",
            "subtype": "CUSTOM",
            "description": "knownas audience 7",
            "customer_file_source": "USER_PROVIDED_ONLY",
        },
    )
    renamed = await sent(subscription(Subscription.UPDATE, settings=KEPT), otherwise=answering(200, {"success": True}))
    assert renamed == (Taken(), [Made(AUDIENCE, {"name": "Eager shoppers"})])
    assert await sent(subscription(Subscription.REMOVE, settings=KEPT)) == (Taken(), [])


async def test_an_audience_that_is_there_is_left_as_it_is() -> None:
    """Of an audience that somebody has named nothing is made or renamed; what is no id is refused."""
    there = {"custom_audience_id": AUDIENCE}
    for what in Subscription:
        assert await sent(subscription(what, settings=there)) == (Taken(), [])
    outcome, came = await sent(subscription(settings={"custom_audience_id": "12a"}))
    assert isinstance(outcome, NotThis)
    assert came == []


async def test_an_answer_without_an_id_makes_nothing() -> None:
    """Without the id of the audience that was made there is nothing to go on with, so it is asked again."""
    for members in ({}, {"id": 7}, {"id": "x"}, []):
        outcome, _ = await sent(subscription(), otherwise=answering(200, members))
        assert isinstance(outcome, NotNow)


async def test_an_erased_person_is_taken_out_of_all_audiences() -> None:
    """An erasure removes from every audience of the ad account."""
    outcome, [removed] = await sent(erasure(EMAIL, MADID))
    assert outcome == Taken()
    assert removed == People(
        "DELETE",
        f"act_{ACCOUNT}/usersofanyaudience",
        ({"EMAIL": EMAIL.value, "MADID": MADID.value},),
        None,
        is_limited=False,
    )


async def test_limited_data_use_is_said_of_each_row() -> None:
    """Where it is set everybody is added with it, and removed without."""
    _, [added] = await sent(told(EMAIL, OTHER_EMAIL), limited_data_use=True)
    _, [removed] = await sent(told(action=Action.REMOVE), limited_data_use=True)
    assert isinstance(added, People)
    assert isinstance(removed, People)
    assert (added.is_limited, removed.is_limited) == (True, False)


async def test_calls_prove_that_they_have_the_secret() -> None:
    """With the app's secret each call has the proof, and never the secret."""
    for message in (told(), told(action=Action.REMOVE), subscription(Subscription.UPDATE, settings=KEPT)):
        outcome, [_] = await sent(message, app_secret=SECRET)
        assert outcome == Taken()


async def test_check_tells_of_nobody() -> None:
    """A check asks for the ad account, and for nothing else."""
    async with receiving(otherwise=answering(200, {"id": f"act_{ACCOUNT}"})) as server:
        given = {"url": server.url, "ad_account_id": ACCOUNT, "access_token": TOKEN}
        sender = DESTINATION.open(given, surroundings())
        assert await sender.check() == Taken()
        await sender.close()
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("GET", f"/v25.0/act_{ACCOUNT}?fields=id", b"")


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_each_refusal_means_the_same_as_elsewhere(how: str) -> None:
    """Whatever a server in between does instead of answering, it is asked again, or it stops, as everywhere."""
    outcome, _ = await sent(told(EMAIL), otherwise=REFUSALS[how])
    assert_means(outcome, how)


def error(
    code: int, status: int = 400, subcode: int | None = None, *, transient: bool = False, **headers: str
) -> Behaviour:
    """Return an error as the Graph API tells it."""
    told_of = {"message": "(#1) ada@example.com did not do", "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    if subcode is not None:
        told_of["error_subcode"] = subcode
    return answering(status, {"error": {**told_of, "is_transient": transient}}, **headers)


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80000, 80003, 80004, 80014, 2650])
async def test_too_many_calls_are_made_later(code: int) -> None:
    """Limits of calls, in Meta's many codes, pass; the time that it names is waited."""
    usage = '{"1": [{"type": "custom_audience", "call_count": 100, "estimated_time_to_regain_access": 19}]}'
    outcome, _ = await sent(told(), otherwise=error(code, X_Business_Use_Case_Usage=usage))
    assert isinstance(outcome, NotNow)
    assert (outcome.trouble, outcome.wait_seconds) == (Trouble.BUSY, 19 * 60.0)
    outcome, _ = await sent(told(), otherwise=error(code, X_Business_Use_Case_Usage="{"))
    assert isinstance(outcome, NotNow)
    assert outcome.wait_seconds is None


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (error(190, subcode=463), NotAtAll),
        (error(102, 401), NotAtAll),
        (error(200, 403, 1870090), NotAtAll),
        (error(294), NotAtAll),
        (error(10), NotAtAll),
        (error(100, subcode=1713230), NotThis),
        (error(100, 404, 33), NotThis),
        (error(1, 500), NotNow),
        (error(2, 503), NotNow),
        (error(99, transient=True), NotNow),
        (error(99, 500), NotNow),
        (answering(200, {"error": {"code": 190}}), NotAtAll),
        (answering(200, {"error": "?"}), NotNow),
        (answering(200, {"num_received": "many"}), NotNow),
        (answering(200, []), NotNow),
        (answering(200), NotNow),
    ],
    ids=range(16),
)
async def test_errors_mean_what_their_codes_say(behaviour: Behaviour, kind: type[Outcome]) -> None:
    """A bad token or permission stops, what is wrong with the request is refused, what passes is sent again; and nobody is named."""
    outcome, _ = await sent(told(id="m-1", mpid=1), told(OTHER_EMAIL, id="m-2", mpid=2), otherwise=behaviour)
    assert isinstance(outcome, kind)
    assert isinstance(outcome, NotNow | NotThis | NotAtAll)
    assert "ada" not in outcome.detail


async def test_what_meta_shows_as_unreadable_is_refused() -> None:
    """Whose value is among the samples is refused; if all are unreadable and nobody knows why, all are."""
    samples = {"audience_id": AUDIENCE, "num_received": 2, "num_invalid_entries": 1}
    two = (told(id="m-1", mpid=1), told(OTHER_EMAIL, id="m-2", mpid=2))
    for shown in (
        {"x": OTHER_EMAIL.value},
        {OTHER_EMAIL.value: "malformed"},
        [OTHER_EMAIL.value],
        [[OTHER_EMAIL.value]],
    ):
        outcome, _ = await sent(*two, otherwise=answering(200, {**samples, "invalid_entry_samples": shown}))
        assert outcome == Taken({"m-2": "Meta can't read its value"})
    outcome, _ = await sent(*two, otherwise=answering(200, {**samples, "num_invalid_entries": 2}))
    assert isinstance(outcome, NotThis)
    outcome, _ = await sent(two[0], otherwise=answering(200, {**samples, "num_received": 0}))
    assert isinstance(outcome, NotThis)


async def test_what_was_taken_before_a_failure_is_told() -> None:
    """If additions fail after removals were taken, only the additions are sent again."""
    script = (RECEIVED, error(17))
    outcome, _ = await sent(told(id="m-1", mpid=1), told(OTHER_EMAIL, id="m-2", action=Action.REMOVE), script=script)
    assert isinstance(outcome, Taken)
    assert (dict(outcome.refused), list(outcome.again)) == ({}, ["m-1"])


async def test_without_a_value_for_meta_nobody_is_told_of() -> None:
    """An address that is no digest, or an identity that has no place, never leaves; the message is refused."""
    plain = outgoing(T.EMAIL, "ada@example.com", slot="EMAIL")
    nowhere = outgoing(T.TWITTER, "@ada")
    outcome, came = await sent(told(plain, nowhere), told(EMAIL, plain, id="m-2", mpid=2))
    assert outcome == Taken({"m-1": "has no identity that Meta matches people by"})
    [added] = came
    assert isinstance(added, People)
    assert added.rows == ({"EMAIL": EMAIL.value},)


some_identities = st.lists(
    st.builds(
        outgoing,
        st.sampled_from([T.EMAIL, T.MOBILE_NUMBER, T.IOS_IDFA, T.CUSTOMER_ID]),
        VALUES.map(str.lower),
        st.sampled_from([Encoding.RAW, Encoding.SHA256]),
        st.sampled_from(["EMAIL", "PHONE", "MADID", "EXTERN_ID", "email"]),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(some_identities, st.sampled_from(Action)), min_size=1, max_size=4))
async def test_nothing_leaves_but_what_messages_say(drawn: list[tuple[list[Outgoing], Action]]) -> None:
    """Every value that goes out is one of a message's, at its place, in an encoding of the place; and each such value goes out."""
    messages = [
        told(*identities, id=f"m-{number}", mpid=number + 1, action=action)
        for number, (identities, action) in enumerate(drawn)
    ]
    _, came = await sent(*messages)
    encodings = {place.name: place.encodings for place in DESTINATION.places}
    for method, action in (("POST", Action.ADD), ("DELETE", Action.REMOVE)):
        left = {
            (key, value)
            for one in came
            if isinstance(one, People) and one.method == method
            for row in one.rows
            for key, value in row.items()
        }
        assert left == {
            (one.slot, one.value)
            for message in messages
            if message.action is action
            for one in message.identities
            if one.encoding in encodings.get(one.slot, ())
        }


async def test_events_are_not_for_meta() -> None:
    """Nothing about events is ever written for it."""
    assert DESTINATION.takes == {SubscriptionMessage, MembershipMessage, type(erasure())}
    with pytest.raises(TypeError):
        await sent(events())


@pytest.mark.parametrize(
    ("settings", "faulty"),
    [
        ({"ad_account_id": "1", "access_token": "t"}, []),
        ({"ad_account_id": "act_1", "access_token": "t"}, ["ad_account_id"]),
        ({"ad_account_id": "1", "access_token": "t\n"}, ["access_token"]),
        ({"ad_account_id": "1", "access_token": "t", "api_version": "25"}, ["api_version"]),
        ({"ad_account_id": "1", "access_token": "t", "api_version": "v25.0/x"}, ["api_version"]),
        ({"ad_account_id": "1", "access_token": "t", "url": "http://graph.example"}, ["url"]),
    ],
    ids=range(6),
)
def test_settings_that_can_not_work_are_told(settings: dict[str, str], faulty: list[str]) -> None:
    """What is wrong with a setting is said when it is set."""
    assert [name for name, _ in DESTINATION.faults(settings)] == faulty


def test_a_digest_can_be_of_an_own_type() -> None:
    """Addresses that arrive as digests fill the place of addresses, if they are of the right kind."""
    rule = rule_of(Wish(places={"EMAIL": (T.OTHER,)}), DESTINATION.places)
    translated = translate(user(1, other=hashed("ada@example.com").upper()), rule)
    assert isinstance(translated, Translated)
    assert [one.value for one in translated.identities] == [hashed("ada@example.com")]
