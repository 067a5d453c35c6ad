"""What the official web SDK sends beside identity calls arrives on the right profile (platform §3)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.shop import Certificates, Shop, shop
from tests.served import TOKEN

ARRIVES_WITHIN_SECONDS = 20
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def store(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server under profile conversion."""
    with shop(tmp_path_factory.mktemp("events"), certificates, {"strategy": "profile_conversion"}) as running:
        yield running


def events(store: Shop, mpid: str | None) -> list[dict[str, Any]]:
    """Return all events that the workspace keeps of a profile."""
    answer = store.client.get(f"/api/profiles/{mpid}/events", params={"workspace": 100}, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return [event for batch in answer.json()["items"] for event in batch["events"]]


def section(store: Shop, mpid: str | None) -> dict[str, Any]:
    """Return what the workspace knows of a profile."""
    return store.client.get(f"/api/profiles/{mpid}/sections", headers=ADMIN).json()["items"][0]


def wait_for(store: Shop, mpid: str | None, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many events of a type have arrived, and return these."""
    deadline = time.monotonic() + ARRIVES_WITHIN_SECONDS
    while True:
        found = [event for event in events(store, mpid) if event["type"] == kind]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, [event["type"] for event in events(store, mpid)]
        time.sleep(0.1)


def test_what_happens_on_a_page_arrives(store: Shop, visit: Visit) -> None:
    """Page views, custom and commerce events, attributes and consent of a visitor are kept on that visitor's profile."""
    visitor = visit()
    visitor.enter_whole(store)
    mpid = visitor.ask("login", customerid="shopper").mpid
    visitor.page.evaluate(
        """() => {
          const user = mParticle.Identity.getCurrentUser()
          user.setUserAttribute("tier", "gold")
          user.setUserAttributeList("likes", ["tea", "cake"])
          user.setUserAttribute("gone", "soon")
          user.removeUserAttribute("gone")
          const state = mParticle.Consent.createConsentState()
          state.addGDPRConsentState("analytics", mParticle.Consent.createGDPRConsent(true, Date.now(), "v4"))
          user.setConsentState(state)
          mParticle.logPageView("Front page", { section: "top" })
          mParticle.logEvent("Searched", mParticle.EventType.Search, { query: "tea" })
          const product = mParticle.eCommerce.createProduct("Tea", "sku-1", 4.5, 2)
          mParticle.eCommerce.logProductAction(mParticle.ProductActionType.Purchase, product, {}, null,
            { Id: "order-1", Revenue: 9 })
          mParticle.upload()
        }"""
    )
    custom = wait_for(store, mpid, "custom_event")
    assert (custom[0]["data"]["event_name"], custom[0]["data"]["custom_attributes"]) == ("Searched", {"query": "tea"})
    assert wait_for(store, mpid, "screen_view")[0]["data"]["screen_name"] == "Front page"
    action = wait_for(store, mpid, "commerce_event")[0]["data"]["product_action"]
    assert (action["action"], action["transaction_id"], action["total_amount"]) == ("purchase", "order-1", 9)
    wait_for(store, mpid, "user_attribute_change", 4)
    known = section(store, mpid)
    attributes = {name: one["value"] for name, one in known["attributes"].items()}
    assert attributes == {"tier": "gold", "likes": ["tea", "cake"], "gone": None}
    assert [(one["purpose"], one["consented"], one["document"]) for one in known["consents"]] == [
        ("analytics", True, "v4")
    ]
    assert known["devices"][0]["identities"]["device_application_stamp"] == visitor.stamp
    assert visitor.cross_origin_failures == []


def test_the_sdk_takes_its_configuration_from_the_server(store: Shop, visit: Visit) -> None:
    """Left to itself, the SDK asks for its configuration first, keeps what it stores under the workspace's token."""
    visitor = visit()
    visitor.enter_whole(store)
    assert visitor.asked[0].endswith("/config")
    names = visitor.page.evaluate("Object.keys(localStorage)")
    token = store.client.get("/JS/v2/web-key-for-tests/config", params={"env": 0}).json()["workspaceToken"]
    assert any(token in name for name in names), names


def test_anonymous_events_stay_when_the_visitor_signs_up(store: Shop, visit: Visit) -> None:
    """Under conversion, what a visitor did before the sign-up is on the same profile after it."""
    visitor = visit()
    start = visitor.enter_whole(store)
    visitor.page.evaluate("() => { mParticle.logEvent('Looked around'); mParticle.upload() }")
    wait_for(store, start.mpid, "custom_event")
    known = visitor.ask("login", customerid="signed-up")
    visitor.page.evaluate("() => { mParticle.logEvent('Signed up'); mParticle.upload() }")
    assert known.mpid == start.mpid
    names = [event["data"]["event_name"] for event in wait_for(store, known.mpid, "custom_event", 2)]
    assert names == ["Looked around", "Signed up"]
