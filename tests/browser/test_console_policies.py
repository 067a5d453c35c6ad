"""The policy workshop in a browser: rules are edited and checked while somebody types, rehearsed, looked at, and published."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.console import WINDOWS, Look, Looker, console_served, for_every_eye
from tests.served import Served

REHEARSED_WITHIN_MS = 90_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the demo's hour."""
    with console_served(tmp_path_factory.mktemp("console-policies")) as running:
        yield running


def path_of(visitor: Looker) -> str:
    """Open the rules of the first scope; returns their address."""
    visitor.go("/policies")
    visitor.page.get_by_role("table").get_by_role("link").first.click()
    visitor.page.get_by_role("heading", name="Versions").wait_for()
    return visitor.page.url.removeprefix(visitor.url)


@for_every_eye
def test_rules_go_from_the_form_to_a_report(looking: Look, window: str, scheme: Any) -> None:
    """From what is in force over the check and the rehearsal to the question: usable by everybody, wide and narrow."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    page = visitor.page
    visitor.sign_in("operator")

    def seen(name: str) -> None:
        assert visitor.faults_of_access() == [], name
        assert visitor.overflow() <= 0, name
        visitor.shoot(f"{name}-{window}-{scheme}")

    visitor.go("/policies")
    seen("policies")
    path_of(visitor)
    seen("policy")
    page.get_by_role("link", name="Edit the rules").click()
    page.get_by_label("email is login").check()
    expect(page.locator("#check")).to_contain_text("login IDs")
    seen("policy-edit")
    page.get_by_role("button", name="Rehearse", exact=True).click()
    page.get_by_role("heading", name="Production").wait_for(timeout=REHEARSED_WITHIN_MS)
    expect(page.get_by_role("figure").first).to_contain_text("Profiles that would be others")
    seen("rehearsal")
    page.get_by_role("link", name="Publish these rules").click()
    page.get_by_role("button", name="Publish", exact=True).wait_for()
    seen("policy-publish")
    path_of(visitor)
    page.get_by_role("link", name="Resolve the history").click()
    seen("resolution-begin")
    page.get_by_role("button", name="Resolve the history").click()
    page.get_by_role("heading", name="All that is there is as the rules say").wait_for(timeout=REHEARSED_WITHIN_MS)
    seen("resolution")


def test_what_is_wrong_is_said_while_somebody_types(looking: Look) -> None:
    """And again that it is right, without a press of a button."""
    visitor = looking()
    visitor.sign_in("operator")
    visitor.go(f"{path_of(visitor)}/edit")
    place = visitor.page.get_by_label("Place of email")
    before = place.input_value()
    place.fill("99")
    expect(visitor.page.locator("#check")).to_contain_text("a place is a number from 1")
    place.fill(before)
    expect(visitor.page.locator("#check")).to_contain_text("Nothing differs")


def test_rules_are_published_by_keyboard_and_without_scripts(looking: Look) -> None:
    """The form, the question and the version work without any; a link leads from a version back into the form."""
    visitor = looking(scripts=False)
    page = visitor.page
    visitor.sign_in("operator")
    path = path_of(visitor)
    visitor.go(f"{path}/edit")
    page.get_by_label("Strategy").select_option("profile_link")
    page.get_by_role("button", name="Check").press("Enter")
    expect(page.locator("#check")).to_contain_text("profile_link")
    page.get_by_role("button", name="Publish …").press("Enter")
    page.get_by_label("Why").fill("a try")
    page.get_by_role("button", name="Publish", exact=True).press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is in force")
    expect(page.get_by_role("region", name="Versions of this policy")).to_contain_text("a try")
    page.get_by_role("link", name="Start from it").press("Enter")
    page.get_by_role("heading", name="Edit the rules").wait_for()


def test_a_reader_sees_and_changes_nothing(looking: Look) -> None:
    """There is no way into the form."""
    visitor = looking()
    visitor.sign_in("reader")
    path = path_of(visitor)
    assert visitor.page.get_by_role("link", name="Edit the rules").count() == 0
    visitor.go(f"{path}/edit")
    expect(visitor.page.get_by_role("main")).to_contain_text("Your role may not change policies")
