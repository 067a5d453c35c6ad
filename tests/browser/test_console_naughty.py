"""Every page of the console in a browser, over a world in which everything that has a name would run as a script: none runs."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from knownas.console import app
from tests.browser.console import Looker, look
from tests.browser.naughty_server import Stood, naughty_served
from tests.console.broken_templates import with_broken
from tests.console.naughty_walk import WALK
from tests.console.naughty_world import SCOPE, scripted
from tests.console.people_stage import OWN

OPENED_MOST = 5
"""Events of a page that are opened: each asks for its own page by a script."""

PAGES = [
    visit.path
    for (method, _), visits in WALK.items()
    if method == "GET"
    for visit in visits
    if "certificate" not in visit.path
]


@pytest.fixture(scope="module")
def server() -> Iterator[Stood]:
    """The naughty world."""
    with naughty_served() as stood:
        yield stood


def seen(visitor: Looker, path: str) -> list[str]:
    """Open a page, and tell what happened on it that must not."""
    page = visitor.page
    visitor.go(path)
    if "/events" in path:
        for one in page.locator("details.event summary").all()[:OPENED_MOST]:
            one.click()
            page.locator("details.event[open] #event-data").first.wait_for()
    if path.startswith("/audiences/") and path.endswith("/edit"):
        page.locator("#count .figure").wait_for()
    violations: list[str] = page.evaluate("window.__violations")
    found = [f"{path}: {one}" for one in (*visitor.faults, *violations)]
    visitor.faults.clear()
    return found


def signed_in(browser: Browser, server: Stood) -> Looker:
    """Return somebody with a naughty name who may everything."""
    visitor = look(browser, server)
    visitor.sign_in(scripted("user"))
    return visitor


def test_no_script_runs_on_any_page(browser: Browser, server: Stood) -> None:
    """Nothing runs, nothing is asked of others, and nothing has to be held back by the policy: what somebody has named is text."""
    visitor, found = signed_in(browser, server), list[str]()
    for path in PAGES:
        if "evidence/head" not in path:
            found += seen(visitor, path.format(**server.at, scope=SCOPE))
    assert found == []
    visitor.leave()


def test_no_script_runs_in_what_a_page_brings_in_later(browser: Browser, server: Stood) -> None:
    """The live stream takes in lines while somebody looks."""
    visitor = signed_in(browser, server)
    visitor.go("/live")
    strange = {"environment": "production", "known_identities": {scripted("type that came later"): "x"}}
    assert httpx.post(f"{server.url}/v1/identify", json=strange, auth=OWN).status_code == 400
    visitor.page.get_by_text("type that came later").first.wait_for()
    assert seen(visitor, "/") == []
    visitor.leave()


@pytest.mark.parametrize(
    ("broken", "path"), [("setup.html", "/setup"), ("parts.html", "/people/{mpid}"), ("live.html", "/live")]
)
def test_a_template_that_takes_anything_as_mark_up_is_found(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, broken: str, path: str
) -> None:
    """One template says `safe` of all that stands in it: the policy holds the script back, and that is told."""
    monkeypatch.setattr(app, "Rendering", with_broken(broken))
    with naughty_served() as stood:
        visitor = signed_in(browser, stood)
        assert any("script-src" in one for one in seen(visitor, path.format(**stood.at)))
        visitor.context.close()
