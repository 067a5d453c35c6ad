"""The promises of what the demo's apps send: it can be taken, it says who somebody is only where they log in, and it is the same again."""

import json
from collections import Counter

from knownas.api.batch_wire import event_batch
from knownas.core.profile.event import Channel
from knownas.demo.shopping import BUYING, MARKETING, batch_of
from knownas.demo.traffic import Visit, traffic

START_MS = 1_767_225_600_000
VISITS = list(traffic(12, 200, START_MS))
SENT = [(visit, body) for visit in VISITS if (body := batch_of(visit, 7, 12)) is not None]


def test_what_is_sent_is_taken_whole() -> None:
    """The Events API leaves nothing of it out, and knows the device that it came from."""
    for visit, body in SENT:
        batch = event_batch(body, visit.at_ms, visit.input, Channel.SERVER)
        assert batch.notes == ()
        assert batch.mpid == 7
        assert batch.device is not None
        assert batch.device.platform
        assert batch.events


def test_people_do_what_the_audiences_ask_about() -> None:
    """Some buy, most don't; who logs in has agreed to marketing or has not, and has a plan."""
    bodies = [json.loads(body) for _, body in SENT]
    names = Counter(event["data"].get("event_name") for body in bodies for event in body["events"])
    assert 0 < names[BUYING] < names["added to basket"] < names["product viewed"]
    told = [body for body in bodies if "user_attributes" in body]
    assert {body["user_attributes"]["plan"] for body in told} == {"plus", "free"}
    assert {body["consent_state"]["gdpr"][MARKETING]["consented"] for body in told} == {True, False}


def test_only_a_login_tells_who_somebody_is() -> None:
    """Attributes and consent come with it; a visit of nobody has neither, and a search or modify sends nothing."""
    for visit, body in SENT:
        assert ("user_attributes" in json.loads(body)) is (visit.call == "login")
    assert {visit.call for visit, _ in SENT} == {"identify", "login"}


def test_the_same_visit_sends_the_same() -> None:
    """In whatever order visits are answered; a person's plan is the same in each session."""
    again = [(visit, batch_of(visit, 7, 12)) for visit, _ in reversed(SENT)]
    assert again[::-1] == SENT
    plans: dict[int, set[str]] = {}
    for visit, body in SENT:
        told = json.loads(body).get("user_attributes")
        if told is not None:
            plans.setdefault(visit.person, set()).add(told["plan"])
    assert {len(one) for one in plans.values()} == {1}


def test_another_seed_sends_something_else() -> None:
    """What people do is drawn."""
    visit: Visit = SENT[0][0]
    assert len({batch_of(visit, 7, seed) for seed in range(10)}) > 1
