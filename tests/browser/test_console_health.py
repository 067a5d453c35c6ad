"""The health of identity in a browser, after some days like the demo's hour: wide and narrow, light and dark, with and without scripts."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, Look, console_served, for_every_eye
from tests.served import Served

FEED = ("demo-crm-key", "demo-crm-secret")
DEVICE = "6F9619FF-8B86-D011-B42D-00C04FC964FF"
DESK = "frontdesk@hotel.example"
VISITS = 8
SHOWN_PIXELS = 1_690
LOOKS_MAX, LOOK_MS = 60, 500


def populate(server: Served) -> None:
    """Share a tablet in a shop, forget a secret, and name nobody."""
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for number in range(VISITS):
            known = {"customerid": f"c-{number}"}
            for call, asked in (("login", known), ("logout", {"ios_idfv": DEVICE})):
                body = {"environment": "production", "known_identities": asked}
                assert http.post(f"/v1/{call}", json=body, auth=FEED).status_code == 200
        for number in range(3):
            body = {"environment": "production", "known_identities": {"email": DESK, "other": f"guest-{number}"}}
            assert http.post("/v1/identify", json=body, auth=FEED).status_code == 200
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
    expect(visitor.page).to_have_url(re.compile("/people/"))


@for_every_eye
def test_toxic_values_are_looked_through_and_blocked(looking: Look, window: str, scheme: Any) -> None:
    """The list, a value that somebody enters, what would change, the deed, the value's page, and its release."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in("operator")
    page = visitor.page
    shared = f"shared-{window}-{scheme}@hotel.example"
    with httpx.Client(base_url=visitor.server.url, timeout=30) as http:
        for number in range(3):
            known = {"email": shared, "other": f"{window}-{scheme}-{number}"}
            body = {"environment": "production", "known_identities": known}
            assert http.post("/v1/identify", json=body, auth=FEED).status_code == 200

    def check(name: str) -> None:
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"{name}-{window}-{scheme}")

    visitor.go("/health")
    page.get_by_role("link", name="Toxic values").click()
    expect(page.get_by_role("heading", name="Toxic values")).to_be_visible()
    check("toxic-list")
    page.get_by_label("Value", exact=True).fill(shared)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", name="would change")).to_be_visible()
    check("toxic-block")
    page.get_by_role("button", name="Block it").click()
    expect(page.get_by_role("status")).to_contain_text("The value is quarantined now")
    expect(page.get_by_text("somebody has said so")).to_be_visible()
    check("toxic-value")
    page.get_by_role("button", name="Release …").click()
    check("toxic-release")
    page.get_by_role("button", name="Release it").click()
    expect(page.get_by_role("status")).to_contain_text("The value is released now")


def test_toxic_values_and_checks_need_no_scripts(looking: Look) -> None:
    """A reader finds a value on the list by its state, masked; an operator begins a check and looks again until it is done."""
    keeper = looking(scripts=False)
    keeper.sign_in("operator")
    keeper.go("/health/toxic")
    keeper.page.get_by_label("Value", exact=True).fill("walk-in@hotel.example")
    keeper.page.get_by_role("button", name="Show what would change").click()
    keeper.page.get_by_role("button", name="Block it").click()
    expect(keeper.page.get_by_role("status")).to_contain_text("quarantined")
    visitor = looking(scripts=False)
    visitor.sign_in("reader")
    visitor.go("/health/toxic")
    visitor.page.get_by_label("State").select_option("quarantined")
    visitor.page.get_by_role("button", name="Show").click()
    visitor.page.get_by_role("region").get_by_role("link", name="w•••@h•••.example").click()
    expect(visitor.page.get_by_role("heading", name="Toxic value")).to_be_visible()
    expect(visitor.page.get_by_text("w•••@h•••.example")).to_be_visible()
    keeper.go("/health")
    keeper.page.get_by_role("button", name="Begin a self-check").click()
    # A click doesn't wait for the page it leads to: what is looked for is what only that page has.
    again, done = keeper.page.get_by_role("link", name="Look again"), keeper.page.get_by_text("nothing differs")
    for _ in range(LOOKS_MAX):
        expect(again.or_(done)).to_be_visible()
        if done.is_visible():
            break
        keeper.page.wait_for_timeout(LOOK_MS)
        again.click()
    expect(done).to_be_visible()


@for_every_eye
def test_a_self_check_is_begun_and_followed(looking: Look, window: str, scheme: Any) -> None:
    """By a button of the page of health; its progress is shown until it is done, and health leads to what it found."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in("operator")
    page = visitor.page
    visitor.go("/health")
    page.get_by_role("button", name="Begin a self-check").click()
    expect(page.get_by_role("heading", name="Self-check")).to_be_visible()
    visitor.shoot(f"check-under-way-{window}-{scheme}")
    expect(page.get_by_text("nothing differs")).to_be_visible(timeout=60_000)
    assert visitor.faults_of_access() == []
    assert visitor.overflow() <= 0
    visitor.shoot(f"check-{window}-{scheme}")
    page.get_by_role("link", name="Back to health").click()
    page.get_by_role("link", name="What it found").click()
    expect(page.get_by_text("nothing differs")).to_be_visible()
