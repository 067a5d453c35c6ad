"""What holds for every page: headers, who is asked for, errors, time, and the audit."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from knownas.config.console_access import ConsoleRole
from knownas.console import headers as console_headers
from knownas.console.home import PAGES as HOME_PAGES
from knownas.console.page import NOBODY, Answer, Asked, Moved, Page, Sent, Shown, done, not_done
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.service.history.components import TooLarge
from knownas.service.identity.resolver import Overloaded
from knownas.store.errors import StoreDamaged, StoreFull, StoreUnavailable, UnknownOutcome
from tests.console.stage import post, running


async def nothing(asked: Asked) -> Answer:
    """Show a page that says who asks."""
    return Shown("error.html", "Nothing", NOBODY, {"refusal": not_taken(asked.who.name)})


def page(serve: Any, method: str = "GET", path: str = "/tried", right: Right | None = Right.READ, **more: Any) -> Page:
    """Return a page of a test."""
    return Page(method, path, "try", right, serve, **more)


def reason(answer: httpx.Response) -> tuple[int, str | None]:
    """Return the status and the stable code of an answer."""
    return answer.status_code, answer.headers.get("x-refusal-reason")


async def test_the_root_is_a_page_for_people_only() -> None:
    """A browser is sent to sign in, and a program is shown the way as ever."""
    async with running() as stage:
        browser = stage.browser()
        assert (await browser.get("/")).headers["location"] == "/sign-in?to=/"
        for accept in ("*/*", "application/json", ""):
            told = await browser.get("/", headers={"accept": accept})
            assert told.json()["api"] == "/api/openapi.json"
        assert reason(await browser.post("/"))[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        *("/api", "/api/", "/api/profiles/1", "/healthz", "/metrics", "/v1/identify", "/v3/discovery"),
        *("/identity/v1/login", "/oauth/token", "/.well-known/jwks.json", "/JS/v2/k/config", "/platform/v2/x"),
        *("/v2/events", "/v2/nothing"),
    ],
)
async def test_what_a_program_is_answered_stays_as_it_is(path: str) -> None:
    """No path of an API is a page, and what is not there is told to a program as before."""
    async with running() as stage:
        for accept in ("*/*", "application/json"):
            answer = await stage.browser().get(path, headers={"accept": accept})
            assert "text/html" not in answer.headers.get("content-type", ""), path
        if path != "/api":
            asked = await stage.browser().get(path)
            assert "content-security-policy" not in asked.headers, path


async def test_an_unknown_address_is_told_in_the_way_it_is_asked_for() -> None:
    """A person reads a page with the code, and what to do; a program gets the 404 that it always got."""
    async with running() as stage:
        browser = stage.browser()
        shown = await browser.get("/nowhere")
        assert reason(shown) == (404, "unknown_path")
        assert "Begin at the first page" in shown.text
        program = await browser.get("/nowhere", headers={"accept": "*/*"})
        assert (program.status_code, program.json()["error"]["code"]) == (404, "unknown_path")
        for method in ("POST", "PUT", "DELETE"):
            assert (await browser.request(method, "/nowhere")).json()["error"]["code"] == "unknown_path"


async def test_another_method_is_refused_with_those_there_are() -> None:
    """The address is told by which methods it is asked."""
    async with running() as stage:
        answer = await stage.browser().get("/theme")
        assert reason(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
        assert (await stage.browser().head("/sign-in")).status_code == 200


async def test_every_answer_says_what_a_browser_may_do_with_it() -> None:
    """Pages, errors, ways elsewhere and files: nothing inline, nothing from elsewhere, no cache but for files."""
    async with running(pages=[page(broken)]) as stage:
        browser = await stage.signed_in()
        answers = [await browser.get(path) for path in ("/", "/sign-in", "/nowhere", "/tried", "/theme")]
        answers += [
            await stage.browser().get("/"),
            await post(browser, "/theme", {"to": "/"}),
            await browser.post("/theme"),
        ]
        for answer in answers:
            for name, value in console_headers.PRIVATE.items():
                assert answer.headers[name] == value, answer.request.url
        policy = dict(one.split(" ", 1) for one in console_headers.CONTENT_SECURITY_POLICY.split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"


async def broken(_asked: Asked) -> Answer:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (Overloaded(), 503, "overloaded"),
        (StoreUnavailable("gone"), 503, "store_unavailable"),
        (UnknownOutcome("cut"), 503, "unknown_outcome"),
        (StoreFull("full"), 500, "store_full"),
        (StoreDamaged("torn"), 500, "store_damaged"),
        (TooLarge(), 409, "too_many_lines_to_fold"),
        (RuntimeError("a fault of ours"), 500, "internal_error"),
    ],
)
async def test_what_goes_wrong_is_told(raised: Exception, status: int, code: str) -> None:
    """With a stable code, a sentence and what to do; what exactly went wrong stands in the log only."""

    async def serve(_asked: Asked) -> Answer:
        raise raised

    async with running(pages=[page(serve)]) as stage:
        answer = await (await stage.signed_in()).get("/tried")
        assert reason(answer) == (status, code)
        assert f"<code>{code}</code>" in answer.text
        assert "fault of ours" not in answer.text


async def test_a_template_that_fails_is_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """A name that no page has given is told in the log, and as an error; no half page is shown."""

    async def serve(_asked: Asked) -> Answer:
        return Shown("home.html", "Half", NOBODY)

    async with running(pages=[page(serve)]) as stage:
        with caplog.at_level(logging.ERROR, "knownas.console.serving"):
            answer = await (await stage.signed_in()).get("/tried")
    assert reason(answer) == (500, "internal_error")
    assert "'is_new' is undefined" in caplog.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_whoever_waits_too_long_is_told(method: str) -> None:
    """That there is no answer yet; of a change, that nobody knows. What was begun goes on."""
    ended = asyncio.Event()

    async def slow(_asked: Asked) -> Answer:
        await asyncio.sleep(0.3)
        ended.set()
        return Moved("/", NOBODY)

    async with running(pages=[page(slow, method, seconds=0.05)]) as stage:
        browser = await stage.signed_in()
        answer = await (browser.get("/tried") if method == "GET" else post(browser, "/tried"))
        assert reason(answer) == (503, "store_unavailable" if method == "GET" else "unknown_outcome")
        await asyncio.wait_for(ended.wait(), 10)


async def test_whose_data_a_page_shows_is_noted() -> None:
    """The profile of the address and those that the page names, once each, with who, the page and the status; refusals too."""

    async def shows(asked: Asked) -> Answer:
        if asked.mpid == 13:
            raise not_taken("No.")
        return Shown("error.html", "Two", (7, 7, 8), {"refusal": not_taken("x")})

    async def sends(_asked: Asked) -> Answer:
        return Sent(b"{}", "application/json", "a file é.json", (9,))

    async def moves(_asked: Asked) -> Answer:
        return Moved("/", (10,))

    pages = [
        Page("GET", "/tried/{mpid}", "showTried", Right.READ, shows),
        Page("GET", "/sent", "sendTried", Right.READ, sends),
        Page("POST", "/moved", "moveTried", Right.UNDO, moves),
    ]
    async with running(pages=pages) as stage:
        browser = await stage.signed_in("privacy_officer")
        reader = await stage.signed_in("reader")
        for path in ("/tried/5", "/tried/13", "/tried/none"):
            await browser.get(path)
        sent = await browser.get("/sent")
        await post(browser, "/moved")
        await reader.get("/tried/5")
        await post(reader, "/moved")
        await stage.browser().get("/tried/5")
        found = [one for one in await stage.audited() if one[0] != 0]
    assert sent.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20file%20%C3%A9.json"
    officer, masked = "console:privacy_officer", "console:reader"
    assert sorted(found) == sorted(
        [
            *((mpid, officer, "showTried", 200) for mpid in (5, 7, 8)),
            (13, officer, "showTried", 400),
            (9, officer, "sendTried", 200),
            (10, officer, "moveTried", 200),
            *((mpid, masked, "showTried", 200) for mpid in (5, 7, 8)),
        ]
    )


async def test_what_was_done_is_told_once() -> None:
    """On the next page, even if another way lies between; it can't be made up, and a part that is shown anew leaves it."""

    async def does(asked: Asked) -> Answer:
        told = not_done("<b>No</b>") if asked.form.is_on("bad") else done("x" * 1_000)
        return Moved("/tried", NOBODY, told)

    async def goes_on(_asked: Asked) -> Answer:
        return Moved("/", NOBODY)

    async with running(pages=[page(does, "POST", "/do"), page(goes_on)]) as stage:
        browser = await stage.signed_in()
        await post(browser, "/do", {"bad": "on"})
        await browser.get("/tried")
        part = await browser.get("/", headers={"hx-request": "true"})
        assert "&lt;b&gt;No&lt;/b&gt;" in part.text
        first, second = await browser.get("/"), await browser.get("/")
        assert 'role="alert">&lt;b&gt;No&lt;/b&gt;' in first.text
        assert "told" not in second.text
        await post(browser, "/do")
        assert f'role="status">{"x" * 300}<' in (await browser.get("/")).text


async def test_only_places_that_are_there_and_allowed_are_shown() -> None:
    """The navigation has the places whose pages are served and that the visitor may see, and the one where they are."""
    from knownas.console.places import POLICIES, PRIVACY, SETUP  # noqa: PLC0415 - three of many

    async def show(_asked: Asked) -> Answer:
        return Shown("error.html", "Desk", NOBODY, {"refusal": not_taken("x")})

    pages = [
        Page("GET", PRIVACY.path, "tryPrivacy", Right.PRIVACY, show, PRIVACY),
        Page("GET", POLICIES.path, "tryPolicies", Right.READ, show, POLICIES),
        Page("GET", f"{SETUP.path}/keys", "tryKeys", Right.READ, show, SETUP),
    ]
    async with running(pages=pages, own=HOME_PAGES) as stage:
        reader, officer = await stage.signed_in("reader"), await stage.signed_in("privacy_officer")
        of_reader, of_officer = (await reader.get("/")).text, (await officer.get(PRIVACY.path)).text
        lost = (await stage.browser().get("/nowhere")).text
        below = (await reader.get(f"{SETUP.path}/keys")).text
    assert '<a href="/policies">' in of_reader
    assert PRIVACY.path not in of_reader
    assert SETUP.path not in of_reader
    assert f'<a href="{PRIVACY.path}" aria-current="page">' in of_officer
    assert "Places" not in lost
    assert 'aria-label="Breadcrumb"' in below


async def test_how_it_looks_is_remembered() -> None:
    """Light or dark, also of somebody who is not signed in; anything else is what the browser likes."""
    async with running() as stage:
        browser = stage.browser()
        for theme, shown in (("dark", ' data-theme="dark"'), ("light", ' data-theme="light"'), ("x", ""), ("", "")):
            moved = await browser.post("/theme", data={"theme": theme, "to": "/sign-in?to=/people"})
            assert moved.headers["location"] == "/sign-in?to=/people"
            assert f'<html lang="en"{shown}>' in (await browser.get("/sign-in")).text
        browser.cookies.set("knownas_theme", '"><script>')
        assert '<html lang="en">' in (await browser.get("/sign-in")).text


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/a\nb"])
async def test_nobody_is_sent_elsewhere(to: str) -> None:
    """Where to go on is an address of this console, whatever was asked."""
    async with running() as stage:
        browser = stage.browser()
        assert (await browser.post("/theme", data={"to": to})).headers["location"] == "/"
        shown = await browser.get("/sign-in", params={"to": to})
        assert '<input type="hidden" name="to" value="/">' in shown.text
        browser = await stage.signed_in(ConsoleRole.READER)
        assert (await browser.get("/sign-in", params={"to": to})).headers["location"] == "/"


async def test_a_form_has_limits() -> None:
    """Too long, too many fields, another encoding, a field twice, or no text: each is told, and nothing is done."""
    async with running() as stage:
        browser = stage.browser()
        form = {"content-type": "application/x-www-form-urlencoded"}
        told = [
            reason(await browser.post("/theme", content=body, headers=headers))
            for body, headers in (
                (b"to=" + b"x" * 300_000, form),
                (b"to=/&to=/", form),
                (b"a=&" * 201, form),
                (b"to=%ff", form),
                (b"to=%00", form),
                (b"to=\xff", form),
                (b"to=" + b"x" * 2_000, form),
                (b"{}", {"content-type": "application/json"}),
                (b"--x", {"content-type": "multipart/form-data; boundary=x"}),
                (b"", {}),
            )
        ]
        assert told == [
            (413, "body_too_long"),
            *[(400, "invalid_field")] * 6,
            *[(415, "unknown_encoding")] * 3,
        ]
        assert reason(await browser.get("/sign-in?to=" + "x" * 9_000)) == (414, "query_too_long")


async def test_a_page_that_is_not_for_a_role_says_for_whom_it_is() -> None:
    """The code, and the roles that may."""
    async with running(pages=[page(nothing, right=Right.PRIVACY)]) as stage:
        answer = await (await stage.signed_in("operator")).get("/tried")
        assert reason(answer) == (403, "right_missing")
        assert "These may: privacy officer, admin." in answer.text
        assert (await (await stage.signed_in("admin")).get("/tried")).status_code == 200


async def test_refusals_are_counted() -> None:
    """In the metrics, as those of every surface."""
    async with running() as stage:
        await stage.browser().get("/nowhere")
        metrics = (await stage.browser().get("/metrics")).text
    assert 'knownas_refusals_total{reason="unknown_path",surface="console"} 1.0' in metrics
