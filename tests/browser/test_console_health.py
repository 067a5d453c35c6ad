"""The health of identity in a browser, after some days like the demo's hour: wide and narrow, light and dark, with and without scripts."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, Look, console_served, for_every_eye
from tests.served import Served

FEED = ("demo-crm-key", "demo-crm-secret")
DEVICE = "6F9619FF-8B86-D011-B42D-00C04FC964FF"
VISITS = 8
SHOWN_PIXELS = 1_690


def populate(server: Served) -> None:
    """Share a tablet in a shop, forget a secret, and name nobody."""
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for number in range(VISITS):
            known = {"customerid": f"c-{number}"}
            for call, asked in (("login", known), ("logout", {"ios_idfv": DEVICE})):
                body = {"environment": "production", "known_identities": asked}
                assert http.post(f"/v1/{call}", json=body, auth=FEED).status_code == 200
        for auth in ((FEED[0], "guessed"), ("nobody", "guessed")):
            assert http.post("/v1/identify", json={}, auth=auth).status_code == 401
        assert http.post("/v1/identify", json={"environment": "production"}, auth=FEED).status_code == 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with some days and some trouble."""
    with console_served(tmp_path_factory.mktemp("health"), "tests.browser.health_server") as running:
        populate(running)
        yield running


@for_every_eye
def test_the_health_of_identity_can_be_read_by_everybody(looking: Look, window: str, scheme: Any) -> None:
    """From the navigation, each time by itself: no fault of access, nothing wider than the window."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in()
    page = visitor.page

    def check(name: str) -> None:
        page.set_viewport_size({**WINDOWS[window], "height": SHOWN_PIXELS})
        visitor.shoot(f"{name}-{window}-{scheme}", whole=False)
        page.set_viewport_size(WINDOWS[window])
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"{name}-whole-{window}-{scheme}")

    page.get_by_role("link", name="Health", exact=True).first.click()
    expect(page.get_by_role("heading", name="What decisions came to")).to_be_visible()
    expect(page.get_by_role("heading", name="Anonymous profiles by device")).to_be_visible()
    check("health")
    page.get_by_label("Time").select_option("month")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("img", name="Decisions, by day (UTC)")).to_be_visible()
    check("health-month")


def test_the_numbers_are_read_without_scripts(looking: Look) -> None:
    """Every chart is a table too; a refusal is told with its reason and its input, also where that had only claimed to be it."""
    visitor = looking(scripts=False)
    page = visitor.page
    visitor.sign_in()
    visitor.go("/health")
    for summary in page.get_by_text("As a table").all():
        summary.click()
    decisions = page.get_by_role("region", name="Decisions, by hour (UTC), as a table")
    expect(decisions.get_by_role("row")).to_have_count(25)
    refused = page.get_by_role("region", name="Refusals by input and reason")
    expect(refused.get_by_role("row", name="wrong_secret idsync crm")).to_be_visible()
    expect(refused.get_by_role("row", name="unknown_key idsync any scope")).to_be_visible()
    page.get_by_label("Environment").select_option("development")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("of development; imports")).to_be_visible()


def test_a_reader_sees_which_devices_are_shared_and_not_their_values(looking: Look) -> None:
    """The values are masked; one of the profiles can be opened."""
    visitor = looking()
    visitor.sign_in("reader")
    visitor.go("/health")
    shared = visitor.page.get_by_role("region", name="Devices with the most anonymous profiles")
    shared.get_by_role("link").first.click()
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    assert "/people/" in visitor.page.url
