"""Every page and form by every role: who may reach what, and what others are told."""

import pytest

from knownas.config.console_access import ConsoleRole
from knownas.console.app import listed_pages
from knownas.console.page import NOBODY, Answer, Asked, Moved, Page
from knownas.console.rights import RIGHTS, Right
from tests.console.access_lines import LINES, MAY, PATH_VALUES
from tests.console.stage import PAGE, form_token, post, running


async def test_the_table_is_of_the_pages() -> None:
    """Each page that is served stands in the table with the right it needs, and no other."""
    async with running() as stage:
        served = {(page.method, page.path): page.right for page in listed_pages(stage.service)}
    assert served == LINES


def test_the_roles_are_what_the_table_says() -> None:
    """Each right belongs to these roles and no other."""
    assert {right: {role for role in ConsoleRole if right in RIGHTS[role]} for right in Right} == {
        right: set(roles) for right, roles in MAY.items()
    }


async def test_each_page_has_a_name_of_its_own() -> None:
    """By which the audit tells them apart."""
    async with running() as stage:
        names = [page.name for page in listed_pages(stage.service)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("role", [None, *ConsoleRole], ids=str)
async def test_every_route_by_every_role(role: ConsoleRole | None) -> None:
    """Whoever has the right gets past the door; others are told which roles do; nobody is sent to sign in."""
    async with running() as stage:
        for (method, path), right in LINES.items():
            browser = stage.browser() if role is None else await stage.signed_in(role)
            token = "" if role is None else form_token((await browser.get("/")).text)
            data = {"csrf": token} if method == "POST" else None
            answer = await browser.request(method, path.format(**PATH_VALUES), data=data)
            reason = answer.headers.get("x-refusal-reason")
            if right is not None and role is None:
                to_sign_in = answer.headers.get("location", "").startswith("/sign-in?to=")
                assert to_sign_in if method == "GET" else reason == "session_ended", (method, path)
            elif right is not None and role not in MAY[right]:
                assert (answer.status_code, reason) == (403, "right_missing"), (method, path)
            else:
                assert reason not in ("right_missing", "session_ended", "foreign_form"), (method, path)


async def answered(_asked: Asked) -> Answer:
    """Answer whoever gets past the door."""
    return Moved("/", NOBODY)


@pytest.mark.parametrize("role", list(ConsoleRole))
async def test_every_right_by_every_role(role: ConsoleRole) -> None:
    """A page and a form for each right that there is: only the roles of the table get past the door, and a page can ask for more."""

    async def asks_more(asked: Asked) -> Answer:
        asked.require(Right(asked.request.path_params["right"]))
        return Moved("/", NOBODY)

    pages = [Page("GET", f"/tried/{right.value}", f"get{right}", right, answered) for right in Right]
    pages += [Page("POST", f"/tried/{right.value}", f"post{right}", right, answered) for right in Right]
    pages.append(Page("GET", "/more/{right}", "more", Right.READ, asks_more))
    async with running(pages=pages) as stage:
        browser = await stage.signed_in(role)
        for right, roles in MAY.items():
            expected = 303 if role in roles else 403
            told = [
                await browser.get(f"/tried/{right.value}"),
                await post(browser, f"/tried/{right.value}"),
                await browser.get(f"/more/{right.value}"),
            ]
            assert [one.status_code for one in told] == [expected] * 3, right


@pytest.mark.parametrize("role", list(ConsoleRole))
async def test_no_form_is_taken_without_its_token(role: ConsoleRole) -> None:
    """Of somebody who is signed in, every form needs the token of the session; that of another session is none."""
    async with running() as stage:
        other = form_token((await (await stage.signed_in(role)).get("/")).text)
        browser = await stage.signed_in(role)
        for method, path in LINES:
            if method == "POST":
                for data in ({}, {"csrf": other}, {"csrf": ""}):
                    answer = await browser.post(path.format(**PATH_VALUES), data={"to": "/", **data})
                    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (403, "foreign_form"), path


async def test_no_form_is_taken_from_another_site() -> None:
    """Neither from another site, nor from another name of this one, nor from somebody who does not say."""
    async with running() as stage:
        browser = await stage.signed_in()
        token = form_token((await browser.get("/")).text)
        elsewhere = [
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "none"},
            {"sec-fetch-site": "cross-site", "origin": "http://id.example.com"},
            {"origin": "http://evil.example.com"},
            {"origin": "https://id.example.com"},
            {"origin": "null"},
            {},
        ]
        del browser.headers["sec-fetch-site"]
        for method, path in LINES:
            for headers in elsewhere if method == "POST" else ():
                answer = await browser.post(path.format(**PATH_VALUES), data={"csrf": token}, headers=headers)
                assert answer.headers.get("x-refusal-reason") == "foreign_form", (path, headers)
        here = await browser.post("/theme", data={"csrf": token}, headers={"origin": "http://id.example.com"})
        assert here.status_code == 303
        assert PAGE["sec-fetch-site"] == "same-origin"
