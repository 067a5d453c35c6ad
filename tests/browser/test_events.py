"""What the official web SDK sends beside identity calls arrives on the right profile (platform §3)."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Response

from tests.browser.conftest import Visit
from tests.browser.shop import Certificates, Shop, shop
from tests.served import WEB_KEY


@pytest.fixture(scope="module")
def store(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server under profile conversion."""
    with shop(tmp_path_factory.mktemp("events"), certificates, {"strategy": "profile_conversion"}) as running:
        yield running


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
    custom = store.wait_for(mpid, "custom_event")
    assert (custom[0]["data"]["event_name"], custom[0]["data"]["custom_attributes"]) == ("Searched", {"query": "tea"})
    assert store.wait_for(mpid, "screen_view")[0]["data"]["screen_name"] == "Front page"
    action = store.wait_for(mpid, "commerce_event")[0]["data"]["product_action"]
    assert (action["action"], action["transaction_id"], action["total_amount"]) == ("purchase", "order-1", 9)
    store.wait_for(mpid, "user_attribute_change", 4)
    known = store.section(mpid)
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
    store.wait_for(start.mpid, "custom_event")
    known = visitor.ask("login", customerid="signed-up")
    visitor.page.evaluate("() => { mParticle.logEvent('Signed up'); mParticle.upload() }")
    assert known.mpid == start.mpid
    names = [event["data"]["event_name"] for event in store.wait_for(known.mpid, "custom_event", 2)]
    assert names == ["Looked around", "Signed up"]


def test_audiences_are_answered(store: Shop, visit: Visit) -> None:
    """A page that asks for its user's audiences gets a list, an empty one, through the SDK's own callback."""
    visitor = visit()
    visitor.enter(store, flags={"audienceAPI": "True"}, userAudienceUrl=f"{store.host}/v1/")
    told = visitor.page.evaluate(
        "() => new Promise(done => mParticle.Identity.getCurrentUser().getUserAudiences(done))"
    )
    assert told == {"currentAudienceMemberships": []}
    assert visitor.asked[-1] == f"/v1/{WEB_KEY}/audience"
    assert visitor.cross_origin_failures == []


@pytest.mark.parametrize(("batching", "version"), [(True, "v2"), (False, "v1")])
def test_statistics_of_a_kit_are_taken(store: Shop, visit: Visit, *, batching: bool, version: str) -> None:
    """What a kit on the page reports of its events is accepted, gathered or one by one, so that the SDK lets go of it."""
    visitor = visit()
    own = {f"{one}SecureServiceUrl": f"{store.host}/webevents/{one}/JS/" for one in ("v1", "v2", "v3")}
    visitor.enter(store, flags={"reportBatching": batching}, kit=True, **own)

    def is_report(told: Response) -> bool:
        return told.url.endswith("/Forwarding") and "Handed on" in (told.request.post_data or "")

    with visitor.page.expect_response(is_report) as answered:
        visitor.page.evaluate("mParticle.logEvent('Handed on')")
    assert (answered.value.status, answered.value.request.method) == (202, "POST")
    assert answered.value.url == f"https://{store.host}/webevents/{version}/JS/{WEB_KEY}/Forwarding"
    assert visitor.cross_origin_failures == []
