"""The pages of audiences: who is in one and why, what it takes to connect it, and what is hidden of whom."""

from knownas.config.console_access import ConsoleRole
from tests.console.audience_world import EMAIL, PLAN, WORKSPACE, shop
from tests.console.stage import post

IS_ANN = {"operator": "equals", "left": {"model": "user_identities", "path": "email"}, "right": EMAIL}


async def test_a_list_says_how_many_are_in_each() -> None:
    """With the outputs that are told of them; without any audience, it says what to do."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        assert "has no audience yet" in (await browser.get("/audiences")).text
        await world.happen(EMAIL)
        await world.happen("bob@example.com", "tin")
        audience, output = await world.audience("Gold & <b>more</b>"), await world.output("CRM")
        await world.connected(audience, output)
        page = (await browser.get("/audiences")).text
        assert "Gold &amp; &lt;b&gt;more&lt;/b&gt;" in page
        assert '<td class="number">1</td>' in page
        assert "1&nbsp;joined, 0&nbsp;left" in page
        assert "CRM" in page


async def test_an_audience_tells_what_it_asks_for_and_who_joined_and_left() -> None:
    """In words and as JSON; charts say in which days and hours, and so do tables. Without any change it says what to do."""
    async with shop() as world:
        await world.happen(EMAIL)
        browser = await world.stage.signed_in()
        nobody = await world.audience("Nobody", PLAN | {"right": "none"})
        assert "Nobody has joined or left in the last 30 days." in (await browser.get(f"/audiences/{nobody}")).text
        assert "no change" in (await browser.get("/audiences")).text
        audience = await world.audience()
        page = (await browser.get(f"/audiences/{audience}")).text
        for length in ("30 days", "24 hours"):
            assert f"In the last {length}, 1 joined and 0 left." in page
        assert page.count('<td class="number">1</td><td class="number">0</td>') == 2
        assert "plan is &#39;gold&#39;" in page
        assert "&#34;user_attributes&#34;" in page
        assert "joined: 1" in page
        assert "No output is told of its members." in page


async def test_members_are_told_with_reasons_on_request_and_noted() -> None:
    """By MPID; whoever looks is noted for each that was shown."""
    async with shop() as world:
        ann = await world.happen(EMAIL)
        audience = await world.audience()
        browser = await world.stage.signed_in()
        plain = (await browser.get(f"/audiences/{audience}/members")).text
        assert str(ann) in plain
        assert "gold" not in plain
        reasoned = (await browser.get(f"/audiences/{audience}/members?reasons=on")).text
        assert "plan is &#39;gold&#39;" in reasoned
        assert (ann, "console:admin", "showMembers", 200) in await world.stage.audited()


async def test_it_is_told_why_somebody_is_not_in_an_audience() -> None:
    """Condition by condition, and when they have joined and left."""
    async with shop() as world:
        bob = await world.happen("bob@example.com", "tin")
        audience = await world.audience()
        page = (await (await world.stage.signed_in()).get(f"/audiences/{audience}/members/{bob}")).text
        assert "not a member" in page
        assert "does not hold" in page
        assert "found: tin" in page


async def test_whoever_may_not_see_identities_sees_none() -> None:
    """Neither in the definition, nor in its words, nor in what was found; a privacy officer sees them."""
    async with shop() as world:
        ann = await world.happen(EMAIL)
        audience = await world.audience("Ann", IS_ANN)
        for role, is_shown in ((ConsoleRole.READER, False), (ConsoleRole.PRIVACY_OFFICER, True)):
            browser = await world.stage.signed_in(role)
            for path in ("", "/members?reasons=on", f"/members/{ann}"):
                page = (await browser.get(f"/audiences/{audience}{path}")).text
                assert str(audience) in page
                assert (EMAIL in page) is is_shown, (role, path)


async def test_an_audience_that_others_ask_for_is_not_deleted() -> None:
    """The page says which ask for it; one that nobody asks for is deleted."""
    async with shop() as world:
        audience = await world.audience()
        inner = {"operator": "in", "left": {"model": "user"}, "right": {"audience": str(audience)}}
        other = await world.audience("Others", inner)
        browser = await world.stage.signed_in()
        assert "Others" in (await browser.get(f"/audiences/{audience}/delete")).text
        refused = await post(browser, f"/audiences/{audience}/delete")
        assert refused.headers["location"] == f"/audiences/{audience}/delete"
        assert "It is not deleted" in (await browser.get(f"/audiences/{audience}/delete")).text
        for one in (other, audience):
            assert (await post(browser, f"/audiences/{one}/delete")).headers["location"] == "/audiences?workspace=100"
        assert world.stage.service.activation.audiences.known(WORKSPACE) == {}
        gone = await browser.get(f"/audiences/{audience}")
        assert (gone.status_code, gone.headers["x-refusal-reason"]) == (404, "unknown_audience")


async def test_a_connection_is_looked_at_before_it_is_made() -> None:
    """The preview says what would go out of whom, and who is passed over for which reason; then nothing is kept yet."""
    async with shop() as world:
        ann = await world.happen(EMAIL)
        audience, output = (
            await world.audience("All", {"operator": "not", "expression": PLAN | {"right": "none"}}),
            await world.output(),
        )
        browser = await world.stage.signed_in()
        assert "CRM" in (await browser.get(f"/audiences/{audience}/connect")).text
        assert "Show what would be sent" in (await browser.get(f"/audiences/{audience}/connect?output={output}")).text
        form = {"output": str(output), "environments": "production", "users": "all", "do": "preview"}
        shown = (
            await post(browser, f"/audiences/{audience}/connect", form | {"identities": ["email", "customerid"]})
        ).text
        assert EMAIL in shown
        assert str(ann) in shown
        known = (
            await post(browser, f"/audiences/{audience}/connect", form | {"identities": "email", "users": "known"})
        ).text
        assert "is anonymous, and only known users are sent" in known
        audiences = world.stage.service.activation.audiences
        assert not audiences.connections(audiences.known(WORKSPACE)[audience])
        made = await post(browser, f"/audiences/{audience}/connect", form | {"identities": "email", "do": "connect"})
        assert made.status_code == 303, made.text
        assert "is told of the members" in (await browser.get(made.headers["location"])).text
        await world.settled(output, "sent")
        [told] = [one for one in world.partner.taken if getattr(one, "mpid", None) == ann]
        assert [one.value for one in told.identities] == [EMAIL]  # type: ignore[union-attr] - it is a membership


async def test_what_is_wrong_with_a_connection_is_told_at_its_place() -> None:
    """No identity where one is needed, a purpose of no law, and JSON that is none."""
    async with shop() as world:
        audience, output = await world.audience(), await world.output()
        browser = await world.stage.signed_in()
        form = {"output": str(output), "environments": "production", "identities": "email", "do": "connect"}
        for more, said in (
            ({"consents": "nolaw.ads"}, "gdpr"),
            ({"more": "{"}, "an object of JSON is wanted"),
            ({"more": '{"strange": 1}'}, "/strange: there is no such member here"),
        ):
            answer = await post(browser, f"/audiences/{audience}/connect", form | more)
            assert answer.status_code == 400, more
            assert said in answer.text, more


async def test_who_is_passed_over_is_listed_by_reason() -> None:
    """And a connection can be taken away."""
    async with shop() as world:
        ann = await world.happen(EMAIL)
        audience, output = await world.audience(), await world.output()
        connection = await world.connected(audience, output, users="known")
        browser = await world.stage.signed_in()
        page = ""
        for _ in range(200):
            page = (await browser.get(f"/audience-connections/{connection}?reason=anonymous")).text
            if str(ann) in page:
                break
        assert "is anonymous, and only known users are sent" in page
        assert str(ann) in page
        away = await post(browser, f"/audience-connections/{connection}/delete")
        assert away.headers["location"] == f"/audiences/{audience}"
        assert (await browser.get(f"/audience-connections/{connection}")).status_code == 404
