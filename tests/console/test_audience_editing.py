"""The builder of criteria: rows and JSON are two ways to write the same, a count shows who would be in it, and faults stand at their place."""

import json
import re

from tests.console.audience_world import EMAIL, PLAN, WORKSPACE, shop
from tests.console.stage import post

ROW = {"0-join": "all", "0.0-kind": "attribute", "0.0-name": "plan", "0.0-operator": "equals", "0.0-value": "gold"}
FORM = {"workspace": "100", "number": "0", "name": "Gold", "external_name": "", "environment": "production"}
MATCHES = {"operator": "matches", "left": {"model": "user_attributes", "path": "plan"}, "right": "g.*"}


def definition(criteria: object) -> str:
    """Return a definition as somebody writes it."""
    return json.dumps({"schema_version": "1.6.0", "audience": criteria})


async def test_a_draft_is_counted_and_nothing_kept() -> None:
    """How many of how many, some of them with their reasons, each of them noted."""
    async with shop() as world:
        ann = await world.happen(EMAIL)
        await world.happen("bob@example.com", "tin")
        browser = await world.stage.signed_in()
        page = (await post(browser, "/audiences/draft", FORM | ROW | {"do": "count"})).text
        assert "of 2 profiles in production" in page
        assert str(ann) in page
        assert "plan is &#39;gold&#39;" in page
        assert (ann, "console:admin", "draftAudience", 200) in await world.stage.audited()
        assert world.stage.service.activation.audiences.known(WORKSPACE) == {}


async def test_buttons_change_the_rows() -> None:
    """A condition more, a group more, and one less."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        assert 'name="0.0-kind"' in (await browser.get("/audiences/new")).text
        more = (await post(browser, "/audiences/draft", FORM | ROW | {"do": "add:0"})).text
        assert 'name="0.1-kind"' in more
        assert 'name="0.1-join"' in (await post(browser, "/audiences/draft", FORM | ROW | {"do": "group:0"})).text
        assert (
            'name="0.0-kind"' not in (await post(browser, "/audiences/draft", FORM | ROW | {"do": "remove:0.0"})).text
        )


async def test_an_audience_is_saved_and_changed() -> None:
    """What was saved stands in the rows when it is changed; the change is kept under the same id."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        made = await post(browser, "/audiences/save", FORM | ROW)
        assert made.status_code == 303, made.text
        path = made.headers["location"]
        assert 'value="gold"' in (await browser.get(f"{path}/edit")).text
        number = path.rpartition("/")[2]
        changed = {**FORM, **ROW, "number": number, "name": "Tin", "0.0-value": "tin"}
        assert (await post(browser, "/audiences/save", changed)).headers["location"] == path
        [known] = world.stage.service.activation.audiences.known(WORKSPACE).values()
        assert (known.document.name, json.loads(bytes(known.document.definition))["audience"]) == (
            "Tin",
            PLAN | {"right": "tin"},
        )


async def test_what_is_wrong_stands_at_its_place() -> None:
    """A name that is missing, a value that is missing, and JSON that is none; nothing is kept."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        for more, said in (
            ({"name": ""}, "a name has 1 to 100 characters"),
            ({"0.0-value": ""}, "a value is missing"),
            ({"0.0-kind": "consent", "0.0-name": "nolaw.x", "0.0-operator": "true"}, "wanted is gdpr.PURPOSE"),
            ({"mode": "json", "text": "{"}, "This is no JSON"),
            ({"mode": "json", "text": definition({"operator": "x"})}, "/audience/operator: wanted is one of"),
            ({"mode": "json", "text": "[" * 20_000}, "This is"),
        ):
            answer = await post(browser, "/audiences/save", FORM | ROW | more)
            assert answer.status_code == 400, more
            assert said in answer.text, more
        assert world.stage.service.activation.audiences.known(WORKSPACE) == {}


async def test_json_that_was_changed_counts_before_the_rows() -> None:
    """It becomes rows where these can say it; where they can't, it stays JSON and the page says so."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        page = (await browser.get("/audiences/new")).text
        was = re.search(r'name="text_was" value="([0-9a-f]+)"', page)
        assert was is not None
        held = FORM | ROW | {"text_was": was[1]}
        rows = (
            await post(browser, "/audiences/draft", held | {"text": definition(PLAN | {"right": "tin"}), "do": "json"})
        ).text
        assert 'value="tin"' in rows
        only = await post(browser, "/audiences/draft", held | {"text": definition(MATCHES), "do": "json"})
        assert "edited as JSON" in only.text
        saved = await post(browser, "/audiences/save", FORM | {"mode": "json", "text": definition(MATCHES)})
        edited = (await browser.get(f"{saved.headers['location']}/edit")).text
        assert "This definition says things that rows can&#39;t" in edited
        assert "matches" in edited


async def test_one_that_nobody_knows_is_not_changed() -> None:
    """The id of a form counts only if there is such an audience; of another workspace, its own counts."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        answer = await post(browser, "/audiences/save", FORM | ROW | {"number": "77"})
        assert answer.headers["location"] == "/audiences/1"
        moved = await post(browser, "/audiences/save", FORM | ROW | {"number": "1", "workspace": "101", "name": "Here"})
        assert moved.headers["location"] == "/audiences/1"
        [known] = world.stage.service.activation.audiences.known(WORKSPACE).values()
        assert known.document.name == "Here"
