"""The pages of outputs: how each stands, what is set for it, what it was told, and what can be done about dead letters."""

from knownas.config.console_access import ConsoleRole
from knownas.service.delivery.outputs import OutputState
from tests.console.audience_world import EMAIL, SECRET, shop
from tests.console.stage import post


async def test_an_output_is_set_up_and_changed_and_its_secret_never_shown() -> None:
    """What a destination declares becomes a form; a secret that is not given again stays; what is wrong is told at its place."""
    async with shop() as world:
        browser = await world.stage.signed_in()
        assert "has no output yet" in (await browser.get("/outputs")).text
        assert "Partner" in (await browser.get("/outputs/new")).text
        form = (await browser.get("/outputs/new?type=partner")).text
        assert 'type="password"' in form
        given = {
            "workspace": "100",
            "type": "partner",
            "name": "CRM",
            "setting-url": "https://crm.test",
            "setting-size": "x",
        }
        wrong = await post(browser, "/outputs/new", given)
        assert wrong.status_code == 400
        assert "wanted is a whole number" in wrong.text
        assert "this is needed" in wrong.text
        made = await post(
            browser, "/outputs/new", given | {"setting-token": SECRET, "setting-size": "7", "setting-plain": "on"}
        )
        assert made.status_code == 303, made.text
        path = made.headers["location"]
        changed = await post(browser, f"{path}/change", {"name": "CRM 2", "setting-url": "https://other.test"})
        assert changed.headers["location"] == path
        output = await world.stage.service.activation.outputs.output(int(path.rpartition("/")[2]))
        assert output is not None
        assert output.settings == {"url": "https://other.test", "token": SECRET, "size": 10, "plain": False}
        for page in (path, f"{path}/change", "/outputs"):
            shown = (await browser.get(page)).text
            assert "CRM 2" in shown
            assert SECRET not in shown


async def test_an_output_is_paused_and_resumed_by_whoever_may() -> None:
    """The page says what it is; a reader has no button."""
    async with shop() as world:
        output = await world.output()
        browser = await world.stage.signed_in(ConsoleRole.OPERATOR)
        for verb, state in (("pause", OutputState.PAUSED), ("resume", OutputState.ACTIVE)):
            assert (await post(browser, f"/outputs/{output}/{verb}")).headers["location"] == f"/outputs/{output}"
            known = await world.stage.service.activation.outputs.output(output)
            assert known is not None
            assert known.state is state
        reader = await world.stage.signed_in(ConsoleRole.READER)
        page = (await reader.get(f"/outputs/{output}")).text
        assert "/pause" not in page
        assert "/change" not in page


async def test_a_faulted_output_says_why() -> None:
    """In the list and on its page, with what to do."""
    async with shop() as world:
        world.partner.answer = "faults"
        await world.happen(EMAIL)
        output = await world.output()
        await world.connected(await world.audience(), output)
        browser = await world.stage.signed_in()
        page = ""
        for _ in range(500):
            page = (await browser.get(f"/outputs/{output}")).text
            if "It has stopped" in page:
                break
        assert "It has stopped: answered 401" in page
        assert "answered 401" in (await browser.get("/outputs")).text


async def test_dead_letters_are_looked_at_and_sent_again() -> None:
    """Each with the reason; one or all; whoever may not see identities sees none."""
    async with shop() as world:
        world.partner.answer = "refuses"
        await world.happen("bob@example.com")
        ann = await world.happen(EMAIL)
        output = await world.output()
        await world.connected(await world.audience(), output)
        dead = await world.settled(output, "dead")
        browser, reader = await world.stage.signed_in(), await world.stage.signed_in(ConsoleRole.READER)
        for path in (f"/outputs/{output}/deliveries?state=dead", f"/deliveries/{dead}", f"/outputs/ledger?mpid={ann}"):
            shown, masked = (await browser.get(path)).text, (await reader.get(path)).text
            assert EMAIL in shown, path
            assert "is no address" in shown
            assert EMAIL not in masked, path
            assert "a•••@e•••.com" in masked
        assert (ann, "console:reader", "showLedger", 200) in await world.stage.audited()
        assert (
            "There is no delivery in this state"
            in (await browser.get(f"/outputs/{output}/deliveries?state=dropped")).text
        )
        world.partner.answer = "takes"
        again = await post(browser, f"/deliveries/{dead}/resend")
        assert again.headers["location"] == f"/outputs/{output}/deliveries"
        sent = await world.settled(output, "sent")
        refused = await post(browser, f"/deliveries/{sent}/resend")
        assert "It was sent" in (await browser.get(refused.headers["location"])).text
        everything = await post(browser, f"/outputs/{output}/resend")
        assert "0 wait to be sent again" in (await browser.get(everything.headers["location"])).text


async def test_an_output_is_deleted_after_it_was_said_what_depends_on_it() -> None:
    """The connections that are gone with it are named."""
    async with shop() as world:
        output = await world.output()
        await world.connected(await world.audience("Gold"), output)
        browser = await world.stage.signed_in()
        assert "The connection with the audience Gold is gone" in (await browser.get(f"/outputs/{output}/delete")).text
        assert (await post(browser, f"/outputs/{output}/delete")).headers["location"] == "/outputs?workspace=100"
        assert (await browser.get(f"/outputs/{output}")).status_code == 404


async def test_what_is_no_answer_of_ours_is_refused() -> None:
    """A state, a cursor, an MPID, a kind of output, and a workspace that there are none of."""
    async with shop() as world:
        output = await world.output()
        browser = await world.stage.signed_in()
        for path in (
            f"/outputs/{output}/deliveries?state=lost",
            f"/outputs/{output}/deliveries?before=x",
            "/outputs/ledger?mpid=0",
            "/outputs/new?type=pigeon",
            "/outputs?workspace=7",
        ):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["x-refusal-reason"]) == (400, "invalid_field"), path
        for path in ("/deliveries/99", "/outputs/99", "/audience-connections/99", "/audiences/x"):
            assert (await browser.get(path)).status_code == 404, path
