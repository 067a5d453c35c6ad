"""The console in a browser: what every page has in common, the way in, and the parts of which pages are made."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.console import PHONE, PLAIN_HOST, WINDOWS, WITHIN_MS, Look, console_served, for_every_eye
from tests.served import Served

PAGES = ("/sign-in", "/", "/parts", "/nowhere")
"""Pages that are looked at in every way. Those of a place are walked in that place's own tests too."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the demo's hour."""
    with console_served(tmp_path_factory.mktemp("console")) as running:
        yield running


@for_every_eye
def test_every_page_can_be_used_by_everybody(looking: Look, window: str, scheme: Any) -> None:
    """No serious fault of accessibility, nothing wider than the window, in light and dark; and nothing breaks the policy."""
    visitor = looking(window=WINDOWS[window], scheme=scheme)
    visitor.go("/sign-in")
    visitor.shoot(f"sign-in-{window}-{scheme}")
    assert visitor.faults_of_access() == []
    visitor.sign_in()
    for path in PAGES[1:]:
        visitor.go(path)
        assert visitor.faults_of_access() == [], path
        assert visitor.overflow() <= 0, path
        visitor.shoot(f"{path.strip('/') or 'overview'}-{window}-{scheme}")


def test_a_page_looks_as_the_system_or_as_somebody_wants_it(looking: Look) -> None:
    """Dark or light by the system; one's own choice goes before it, stays, and can be taken back."""
    visitor = looking(scheme="dark")
    visitor.go("/sign-in")

    def ground() -> str:
        return visitor.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    dark = ground()
    visitor.page.get_by_role("button", name="Light").click()
    light = ground()
    visitor.go("/nowhere")
    assert ground() == light != dark
    visitor.page.get_by_role("button", name="As the system").click()
    assert ground() == dark


def test_somebody_signs_in_and_out_with_the_keyboard_alone(looking: Look) -> None:
    """The focus is seen at each step, the way to the page's content is the first one, and nothing needs a mouse."""
    visitor = looking()
    keyboard, page = visitor.page.keyboard, visitor.page
    visitor.go("/sign-in")
    keyboard.press("Tab")
    assert visitor.focused()["says"] == "Skip to the page"
    seen = [visitor.focused()]
    keyboard.press("Enter")
    for text in ("admin", "correct horse battery staple"):
        keyboard.press("Tab")
        seen.append(visitor.focused())
        keyboard.type(text)
    keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()
    said: list[str] = []
    while "Sign out" not in said and len(said) < 30:
        keyboard.press("Tab")
        seen.append(visitor.focused())
        said.append(seen[-1]["says"])
    keyboard.press("Enter")
    page.get_by_role("heading", name="Sign in").wait_for()
    visitor.go("/")
    assert "/sign-in" in page.url
    assert [one for one in seen if not (one["outline"] and one["seen"])] == []


def test_every_part_is_reached_with_the_keyboard(looking: Look) -> None:
    """From the first to the last, in the order in which they stand there, with the focus seen; a table scrolls with keys."""
    visitor = looking(window=PHONE)
    visitor.sign_in("reader")
    visitor.go("/parts")
    said: list[str] = []
    for _ in range(60):
        visitor.page.keyboard.press("Tab")
        one = visitor.focused()
        assert one["outline"], one
        said.append(one["says"])
        if one["says"] == "Inputs":
            break
    wanted = [
        "Skip to the page",
        "knownas",
        "Sign out",
        "Here",
        "Elsewhere",
        "Send",
        "Take it back",
        "Inputs",
    ]
    assert [one for one in said if one in wanted and said.count(one) == 1] == wanted


def test_without_scripts_everything_is_there(looking: Look) -> None:
    """Signing in, reading, choosing, sending, and what is under way by looking again; a button that needs a script is not shown."""
    visitor = looking(scripts=False)
    page = visitor.page
    visitor.sign_in_by_token()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    visitor.go("/parts?again=1")
    expect(page.locator("#job")).to_contain_text("0 of 3 shares")
    for step in (1, 2, 3):
        page.get_by_role("link", name="Look again").click()
        expect(page.locator("#job")).to_contain_text(f"{step} of 3 shares")
    assert page.get_by_role("link", name="Look again").count() == 0
    assert page.locator(".copy").first.is_hidden()
    page.get_by_label("Name", exact=True).fill("<b>somebody</b>")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("Entered: <b>somebody</b>")
    page.locator("summary").first.click()
    page.get_by_role("region", name="Observations a day, as a table").wait_for()


def test_what_is_under_way_goes_on_by_itself(looking: Look) -> None:
    """A script shows the part anew until it is done, and nothing else of the page; copying copies."""
    visitor = looking()
    page = visitor.page
    visitor.sign_in()
    visitor.go("/parts?again=1")
    page.get_by_label("Name", exact=True).fill("half an entry")
    expect(page.locator("#job")).to_contain_text("3 of 3 shares", timeout=WITHIN_MS)
    expect(page.locator("#job progress")).to_have_count(0)
    assert page.get_by_label("Name", exact=True).input_value() == "half an entry"
    page.locator(".copy").first.click()
    expect(page.locator(".copy").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "ann@example.com"


def test_naughty_strings_are_text(looking: Look) -> None:
    """Each of the big list, as text, as identity and in an attribute: none becomes mark-up, and no script runs."""
    visitor = looking()
    visitor.sign_in()
    visitor.go("/parts")
    rows = visitor.page.get_by_role("region", name="Naughty strings").locator("tbody tr")
    assert rows.count() > 480
    for element in (
        "script:not([src])",
        "iframe",
        "img:not([src^='/static/'])",
        "svg:not([viewBox])",
        "style",
        "marquee",
        "object",
    ):
        assert visitor.page.locator(element).count() == 0, element
    assert visitor.page.locator("td *").evaluate_all("all => new Set(all.map(one => one.tagName)).size") <= 5


def test_a_reader_sees_identities_masked(looking: Look) -> None:
    """On the page and in its source."""
    reader, operator = looking(), looking()
    reader.sign_in("reader")
    operator.sign_in("operator")
    for one, shown in ((reader, False), (operator, True)):
        one.go("/parts")
        assert ("ann@example.com" in one.page.content()) is shown
        assert ("a•••@e•••.com" in one.page.content()) is not shown


def test_it_works_where_nothing_is_safe(looking: Look) -> None:
    """By plain HTTP and a name, where browsers tell less of where a form comes from: forms are taken all the same."""
    visitor = looking(host=PLAIN_HOST)
    visitor.sign_in()
    assert visitor.page.evaluate("isSecureContext") is False
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.get_by_role("heading", name="Sign in").wait_for()


def test_a_form_of_another_site_does_nothing(looking: Look) -> None:
    """A page elsewhere that sends a form here, with the visitor's cookies as the browser lets it, is refused."""
    visitor = looking()
    visitor.sign_in()
    other = looking(host=PLAIN_HOST)
    other.page.goto(f"{other.url}/sign-in")
    visitor.faults.clear()
    page = visitor.context.new_page()
    page.goto(f"{other.url}/sign-in")
    # What an attacker's page would have, and ours may not: a form to another origin. The policy holds it back before it is sent.
    held = page.evaluate(
        """async (target) => {
          const form = document.createElement("form");
          form.method = "post"; form.action = target; document.body.append(form);
          const held = new Promise((resolve) => document.addEventListener("securitypolicyviolation",
            (event) => resolve(event.violatedDirective), {once: true}));
          form.submit();
          return await held;
        }""",
        f"{visitor.url}/sign-out",
    )
    assert held == "form-action"
    page.close()
    visitor.go("/")
    assert visitor.page.get_by_role("heading", name="Overview").is_visible()


def test_no_page_can_be_framed(looking: Look) -> None:
    """What another site shows in a frame of its own is nothing of ours."""
    visitor = looking()
    visitor.sign_in()
    elsewhere = visitor.context.new_page()
    elsewhere.set_content(f'<iframe src="{visitor.url}/"></iframe>')
    frame = elsewhere.frames[1]
    frame.wait_for_load_state()
    assert "Overview" not in frame.content()
    assert frame.evaluate("document.URL").startswith("chrome-error:")
    elsewhere.close()


def test_screenshots_of_the_documentation_are_there() -> None:
    """Each picture that a page of the documentation shows of the console is one that the tests make."""
    docs = Path(__file__).parents[2] / "docs"
    shown = {
        name for page in docs.rglob("*.md") for name in re.findall(r"images/console/([\w-]+\.png)", page.read_text())
    }
    assert {name for name in shown if not (docs / "images" / "console" / name).is_file()} == set()
