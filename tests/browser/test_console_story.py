"""A person's story, the receipt of a decision, undo, and the graph, in a browser."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, WITHIN_MS, Look, console_served, for_every_eye
from tests.served import TOKEN, Served

INPUT = ("demo-web-key", "demo-web-secret")
NAUGHTY = "<script>alert(1)</script>\"'>&amp;${7*7}<img src=x onerror=alert(2)>"
GUESTS, ROOMS = 70, 8


class Town:
    """People who were sent to the server: two who share a tablet, and a hotel's hub that many share rooms with."""

    def __init__(self, server: Served) -> None:
        self.server = server
        tablet = {"device_application_stamp": "das-tablet-1"}
        self.first, _ = self.ask("identify", tablet)
        self.ann, self.signed_up = self.ask("login", {**tablet, "customerid": "ann-17"}, self.first)
        self.ask("identify", {**tablet, "customerid": "ann-17", "email": "shared.ann@example.com"})
        self.bob, self.mistaken = self.ask(
            "login", {**tablet, "customerid": "bob-18", "email": "shared.ann@example.com"}
        )
        self.ask("identify", {**tablet, "customerid": "bob-18", "email": "bob@example.com"})
        rooms = [f"room-{one}" for one in range(ROOMS)]
        desk = {"customerid": ["hub"], "email": ["desk@hotel.example"], "other": [NAUGHTY]}
        self.hub = self.seed({**desk, "device_application_stamp": rooms})
        for one in range(GUESTS):
            room = rooms[one % ROOMS if one < GUESTS // 2 else 0]
            held = {
                "customerid": [f"guest-{one}"],
                "email": [f"g{one}@example.com"],
                "device_application_stamp": [room],
            }
            self.seed(held)

    def ask(self, endpoint: str, given: Mapping[str, str], previous: str | None = None) -> tuple[str, str]:
        """Ask who somebody is; return the MPID and the decision."""
        body = {"environment": "production", "known_identities": given, "previous_mpid": previous}
        answer = httpx.post(f"{self.server.url}/v1/{endpoint}", json=body, auth=INPUT, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["mpid"], answer.headers["x-decision-id"]

    def seed(self, held: Mapping[str, Any]) -> str:
        """Bring a profile over."""
        body = {"environment": "production", "identities": held}
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{self.server.url}/api/scopes/shop/profiles", json=body, headers=bearer, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer.json()["mpid"]

    @property
    def pages(self) -> dict[str, str]:
        """The pages of a person, by their names in screenshots."""
        return {
            "story": f"/people/{self.bob}/story",
            "receipt": f"/decisions/{self.mistaken}",
            "undo": f"/decisions/{self.mistaken}/undo",
            "graph": f"/people/{self.bob}/graph",
            "graph-crowded": f"/people/{self.hub}/graph",
        }


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server with some people."""
    with console_served(tmp_path_factory.mktemp("console")) as running:
        yield Town(running)


@pytest.fixture(scope="module")
def server(town: Town) -> Served:
    """The server that they were sent to."""
    return town.server


@for_every_eye
def test_every_page_of_a_person_can_be_used_by_everybody(looking: Look, town: Town, window: str, scheme: Any) -> None:
    """No serious fault of accessibility, nothing wider than the window; what was sent as mark-up is text."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in()
    for name, path in town.pages.items():
        visitor.go(path)
        if "graph" in name:
            visitor.page.locator("#graph[data-drawn]").wait_for(timeout=WITHIN_MS)
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"person-{name}-{window}-{scheme}")


def test_a_mistake_is_found_understood_and_taken_back(looking: Look, town: Town) -> None:
    """From the story to the receipt, to what undoing would change, to the correction, and back again; with the keyboard alone."""
    visitor = looking()
    page, keyboard = visitor.page, visitor.page.keyboard
    visitor.sign_in()
    visitor.go(f"/people/{town.bob}/story")
    expect(page.locator(".story-line").last).to_contain_text("Signed up with")
    page.get_by_role("link", name="Why").last.focus()
    keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Login at web")
    expect(page.locator(".holder-rejected").first).to_contain_text("whose login ID the request does not name")
    page.get_by_role("link", name="Take back…").focus()
    keyboard.press("Enter")
    expect(page.get_by_role("region", name="Profiles that would be others")).to_contain_text("shared.ann@example.com")
    page.get_by_role("button", name="Take it back").focus()
    keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("can be taken back in turn")
    visitor.go(f"/people/{town.bob}/story")
    expect(page.locator(".story-undone")).to_have_count(1)
    visitor.shoot("person-story-undone-wide-light")
    page.get_by_role("link", name="by this correction").click()
    page.get_by_role("link", name="Take this correction back…").click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("status")).to_contain_text("can be taken back in turn")
    visitor.go(f"/people/{town.bob}/story")
    expect(page.locator(".story-undone")).to_have_count(1)
    expect(page.locator(".story-undone")).to_contain_text("Corrected")


def test_without_scripts_the_graph_is_its_tables(looking: Look, town: Town) -> None:
    """The story, the receipt and undo are read as with them; the drawing is not there, and what it says is."""
    visitor = looking(scripts=False)
    visitor.sign_in_by_token()
    for path in town.pages.values():
        visitor.go(path)
        assert visitor.page.get_by_role("heading", level=1).is_visible(), path
    assert visitor.page.locator(".graph-frame").is_hidden()
    own = visitor.page.get_by_role("region", name="Values of the person")
    expect(own.locator("tbody tr").filter(has_text="room-0")).to_contain_text(re.compile(r"\d+ more"))


def test_a_click_on_a_profile_opens_it(looking: Look, town: Town) -> None:
    """In the drawing, where the node of a profile is."""
    visitor = looking()
    visitor.sign_in()
    visitor.go(f"/people/{town.bob}/graph")
    graph = visitor.page.locator("#graph[data-drawn]")
    graph.wait_for()
    drawn = graph.evaluate("one => JSON.parse(one.dataset.graph).nodes.filter(node => node.path !== '').at(-1)")
    graph.click(position={"x": drawn["x"], "y": drawn["y"]})
    visitor.page.wait_for_url(f"**{drawn['path']}")
