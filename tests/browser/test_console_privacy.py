"""The privacy desk and the setup in a browser: a request from the form to its certificate, and an input that is connected."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, Look, Looker, console_served, for_every_eye
from tests.served import Served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the demo's hour."""
    with console_served(tmp_path_factory.mktemp("console-privacy")) as running:
        yield running


def somebody(server: Served, name: str) -> str:
    """Bring somebody in by the website; returns the MPID."""
    asked = urllib.request.Request(  # noqa: S310 - the server of this test
        f"{server.url}/v1/login",
        json.dumps({"environment": "production", "known_identities": {"customerid": name}}).encode(),
        {"x-mp-key": "demo-web-key", "content-type": "application/json"},
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - the server of this test
        return json.load(answer)["mpid"]


def make_request(visitor: Looker, kind: str, email: str) -> None:
    """Enter a request, look at what it would touch, and make it."""
    page = visitor.page
    visitor.go("/privacy/new")
    page.get_by_label("Type", exact=True).select_option(kind)
    page.get_by_label("Value 1").fill(email)
    page.get_by_role("button", name="Show what it would touch").first.click()
    page.get_by_role("heading", name="What it would touch").wait_for()


@for_every_eye
def test_a_request_goes_its_way(looking: Look, server: Served, window: str, scheme: Any) -> None:
    """From the form over the preview to the request, the evidence and who looked: usable by everybody, wide and narrow."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    page = visitor.page
    visitor.sign_in("privacy_officer")

    def seen(name: str) -> None:
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"{name}-{window}-{scheme}")

    visitor.go("/privacy/new")
    seen("privacy-new")
    visitor.go(f"/privacy/preview?mpid={somebody(server, window + scheme)}&type=erasure")
    page.get_by_role("region", name="What each workspace has").wait_for()
    seen("privacy-preview")
    page.get_by_role("button", name="Make the request").click()
    expect(page.get_by_role("status")).to_contain_text("The request is taken.")
    seen("privacy-request")
    make_request(visitor, "access", f"{window}-{scheme}@example.com")
    page.get_by_role("button", name="Make the request").click()
    visitor.go("/privacy")
    seen("privacy-desk")
    visitor.go("/privacy/evidence")
    page.get_by_role("button", name="Verify now").click()
    page.get_by_role("heading", name="The chain is whole").wait_for()
    seen("privacy-evidence")
    visitor.go("/privacy/looks")
    seen("privacy-looks")


@for_every_eye
def test_an_input_is_connected(looking: Look, window: str, scheme: Any) -> None:
    """The setup leads to an input, and its page to lines that can be copied; usable by everybody, wide and narrow."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in("operator")
    visitor.go("/setup")
    assert visitor.faults_of_access() == []
    assert visitor.overflow() <= 0
    visitor.shoot(f"setup-{window}-{scheme}")
    visitor.page.locator("main tbody a").first.click()
    visitor.page.locator("#checklist").wait_for()
    visitor.page.locator("summary").first.click()
    assert visitor.faults_of_access() == []
    assert visitor.overflow() <= 0
    visitor.shoot(f"setup-input-{window}-{scheme}")


def test_the_checklist_turns_green_by_itself(looking: Look, server: Served) -> None:
    """While the page stands there, the first request comes, and its decision can be reached; the copied line has the key."""
    visitor = looking()
    page = visitor.page
    visitor.sign_in("operator")
    visitor.go("/setup")
    rows = page.locator("main tbody tr").filter(has_text="allowed")
    rows.first.get_by_role("link").click()
    expect(page.locator("#checklist")).to_contain_text("The first events: a batch")
    key = page.locator("#keys ~ dl code, section[aria-labelledby=keys] code").first.inner_text()
    page.get_by_role("button", name="Copy: Try it: one request").click()
    assert key in page.evaluate("navigator.clipboard.readText()")
    asked = urllib.request.Request(  # noqa: S310 - the server of this test
        f"{server.url}/v1/identify",
        json.dumps({"environment": "development", "known_identities": {"customerid": "try-1"}}).encode(),
        {"x-mp-key": key, "content-type": "application/json"},
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - the server of this test
        decision = answer.headers["x-decision-id"]
    expect(page.locator("#checklist")).to_contain_text("Connected")
    expect(page.locator("#checklist a").first).to_have_attribute("href", f"/decisions/{decision}")


def test_without_scripts_a_request_is_made(looking: Look) -> None:
    """Every step is a page and a form of its own; and it can be cancelled."""
    visitor = looking(scripts=False)
    page = visitor.page
    visitor.sign_in("privacy_officer")
    make_request(visitor, "erasure", "without-scripts@example.com")
    page.get_by_role("button", name="Make the request").click()
    page.get_by_role("link", name="Cancel the request…").click()
    page.get_by_role("button", name="Cancel the request").click()
    expect(page.get_by_role("status")).to_contain_text("cancelled")
    expect(page.get_by_role("link", name="PDF")).to_be_visible()
