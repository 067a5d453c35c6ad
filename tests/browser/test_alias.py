"""The web SDK gives a new profile the past of an anonymous one: asked for on the page, done when it is due (idsync §4.7)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.shop import ADMIN, Certificates, Shop, shop
from tests.browser.visitor import Visitor
from tests.served import WEB_KEY
from tests.waiting import wait_until

DELAY_SECONDS = 3
DUE_WITHIN_SECONDS = 20


@pytest.fixture(scope="module")
def store(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server under profile link, where a sign-up makes a new profile, with a delay that a test can wait for."""
    settings = {"alias": {"provisioned": True, "delay_hours": DELAY_SECONDS / 3_600}}
    folder = tmp_path_factory.mktemp("alias")
    with shop(folder, certificates, {"strategy": "profile_link"}, settings) as running:
        yield running


def request_alias(visitor: Visitor) -> tuple[int, dict[str, Any]]:
    """Let the page alias its previous user to its current one; return what the SDK was told and what it sent."""
    with visitor.page.expect_request("**/Alias") as sent:
        code = visitor.page.evaluate(
            """() => new Promise(done => {
              const [current, previous] = mParticle.Identity.getUsers()
              const request = mParticle.Identity.createAliasRequest(previous, current)
              mParticle.Identity.aliasUsers(request, told => done(told.httpCode))
            })"""
        )
    return code, json.loads(sent.value.post_data or "")


def state(store: Shop, request_id: str) -> dict[str, Any]:
    """Return what has become of an alias request."""
    answer = store.client.get(f"/api/aliases/{request_id}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_was_done_before_the_sign_up_comes_after_it(store: Shop, visit: Visit) -> None:
    """A page aliases the anonymous profile to the new one: queued at first, then its events are there as well."""
    visitor = visit()
    anonymous = visitor.enter_whole(store)
    visitor.page.evaluate("() => { mParticle.logEvent('Looked around'); mParticle.upload() }")
    store.wait_for(anonymous.mpid, "custom_event")
    known = visitor.ask("login", customerid="linked")
    assert known.mpid != anonymous.mpid
    code, sent = request_alias(visitor)
    assert (code, visitor.asked[-1]) == (202, f"/webevents/v1/identity/{WEB_KEY}/Alias")
    assert (sent["data"]["source_mpid"], sent["data"]["destination_mpid"]) == (anonymous.mpid, known.mpid)
    assert (sent["data"]["scope"], sent["data"]["device_application_stamp"]) == ("device", visitor.stamp)
    assert state(store, sent["request_id"])["state"] == "queued"
    assert "custom_event" not in [event["type"] for event in store.events(known.mpid)]
    wait_until(lambda: state(store, sent["request_id"])["state"] != "queued", DUE_WITHIN_SECONDS)
    assert state(store, sent["request_id"])["state"] == "done"
    copied = store.wait_for(known.mpid, "custom_event")
    assert [event["data"]["event_name"] for event in copied] == ["Looked around"]
    assert [event["type"] for event in store.events(anonymous.mpid)].count("custom_event") == 1
    assert store.section(known.mpid)["first_seen_at"] == store.section(anonymous.mpid)["first_seen_at"]
    assert visitor.cross_origin_failures == []


def test_a_page_reads_why_an_alias_is_refused(store: Shop, visit: Visit) -> None:
    """An alias to a profile that nobody has is a 400, and its sentence reaches the page's callback."""
    visitor = visit()
    start = visitor.enter_whole(store)
    told = visitor.page.evaluate(
        """mpid => new Promise(done => mParticle.Identity.aliasUsers(
          { sourceMpid: mpid, destinationMpid: "77", startTime: Date.now() - 1000, endTime: Date.now() }, done))""",
        start.mpid,
    )
    assert (told["httpCode"], bool(told["message"])) == (400, True)
    assert visitor.cross_origin_failures == []
