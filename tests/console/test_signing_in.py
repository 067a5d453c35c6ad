"""Who comes in: by the token, a name and a password; for how long; and how everybody else is kept out."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from knownas.config.console_access import ConsoleRole, ConsoleUser
from knownas.config.values import Secret
from knownas.console import passwords as passwords_module
from knownas.console import signing_in as module
from knownas.console.limits import HASHES_WAITING_MAX, NAME_FAILURES_IN_A_ROW_MAX, PASSWORD_CHARACTERS_MAX
from knownas.console.passwords import Passwords, hash_password, is_password
from knownas.console.refusal import Refusal
from knownas.service.security.failures import FAILURES_IN_A_ROW_MAX, SECONDS_A_FAILURE
from knownas.service.security.sessions import IDLE_SECONDS, SESSION_SECONDS
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from tests.api.access_world import configured
from tests.console.stage import HASH, PASSWORD, TOKEN, USERS, form_token, post, running, with_users

HOUR_MS = 3_600_000


class LastingStore(MemoryStore):
    """A store that is there again when the server starts again, as a database is."""

    async def close(self) -> None:
        """Stay open."""


async def sign_in(browser: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Send the form."""
    return await browser.post("/sign-in", data=fields)


async def is_in(browser: httpx.AsyncClient) -> bool:
    """Whether somebody is signed in."""
    return (await browser.get("/")).status_code == 200


async def test_the_token_opens_everything() -> None:
    """Whoever has it is an admin, and goes on to where they wanted to; that is noted."""
    async with running() as stage:
        browser = stage.browser()
        answer = await sign_in(browser, token="on", secret=TOKEN, to="/people?q=x")
        assert (answer.status_code, answer.headers["location"]) == (303, "/people?q=x")
        home = await browser.get("/")
        assert "Signed in as admin token, admin." in home.text
        assert await stage.audited() == [(0, "console:admin token", "signIn", 200)]


async def test_a_user_is_what_the_file_says() -> None:
    """By the name and the password; the role and the name stand on every page."""
    async with running() as stage:
        for user in USERS:
            home = (await (await stage.signed_in(user.name)).get("/")).text
            assert f"Signed in as {user.name}, {user.role.value.replace('_', ' ')}." in home
            assert ("Identities are masked" in home) is (user.role is ConsoleRole.READER)
        assert (0, "console:reader", "signIn", 200) in await stage.audited()


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "reader", "secret": "wrong"},
        {"name": "reader", "secret": ""},
        {"name": "nobody", "secret": PASSWORD},
        {"name": "", "secret": PASSWORD},
        {"name": "reader", "secret": HASH},
        {"name": "reader", "secret": TOKEN},
        {"token": "on", "secret": "wrong"},
        {"token": "on", "secret": ""},
        {"token": "on", "name": "reader", "secret": PASSWORD},
        {"name": "admin token", "secret": TOKEN},
    ],
)
async def test_nobody_else_comes_in(fields: dict[str, str]) -> None:
    """And what was wrong is not told apart, nor is what was typed in shown again but for the name."""
    async with running() as stage:
        browser = stage.browser()
        answer = await sign_in(browser, **fields)
        assert answer.status_code == 403
        assert "There is no user with this name and password." in answer.text or "not the admin token" in answer.text
        assert "set-cookie" not in answer.headers
        assert PASSWORD not in answer.text
        assert not await is_in(browser)
        assert await stage.audited() == []


async def test_a_session_ends_after_an_hour_of_rest_and_after_twelve() -> None:
    """A look keeps it, a part that a page shows anew by itself does not; the way back is remembered."""
    async with running() as stage:
        browser = await stage.signed_in()
        stage.clock.ahead_ms = IDLE_SECONDS * 1_000 - 10_000
        assert (await browser.get("/", headers={"hx-request": "true"})).status_code == 200
        stage.clock.ahead_ms += 20_000
        part = await browser.get("/?a=b%26c", headers={"hx-request": "true"})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in?to=/%3Fa%3Db%2526c")
        gone = await browser.get("/?a=b%26c")
        assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in?to=/%3Fa%3Db%2526c")
        browser = await stage.signed_in()
        for _ in range(2 * SESSION_SECONDS // IDLE_SECONDS - 1):
            stage.clock.ahead_ms += HOUR_MS // 2
            assert await is_in(browser)
        stage.clock.ahead_ms += HOUR_MS // 2
        assert not await is_in(browser)


async def test_signing_out_ends_every_copy() -> None:
    """Here and wherever somebody has the cookie; another session of the same user goes on."""
    async with running() as stage:
        browser, other, copy = await stage.signed_in(), await stage.signed_in(), stage.browser()
        copy.cookies.update(browser.cookies)
        assert await is_in(copy)
        out = await post(browser, "/sign-out")
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
        assert "knownas_session" not in browser.cookies
        assert [await is_in(one) for one in (browser, copy, other)] == [False, False, True]


async def test_a_change_of_the_file_counts_at_once() -> None:
    """Who was taken out is out, who has another password is out, and who has another role has its rights."""
    store = LastingStore()
    ann = ConsoleUser("ann", Secret(HASH), ConsoleRole.ADMIN)
    async with running(with_users(ann), store=store) as stage:
        user, token = await stage.signed_in("ann"), stage.browser()
        await sign_in(token, token="on", secret=TOKEN)
    rehashed = Secret(hash_password("another password"))
    for users, expected in (
        ((ann,), "admin"),
        ((replace(ann, role=ConsoleRole.READER),), "reader"),
        ((replace(ann, password_hash=rehashed),), None),
        ((), None),
    ):
        changed = replace(with_users(*users), admin_token=Secret("another-admin-token" if expected is None else TOKEN))
        async with running(changed, store=store) as stage:
            again, by_token = stage.browser(), stage.browser()
            again.cookies.update(user.cookies)
            by_token.cookies.update(token.cookies)
            home = await again.get("/")
            assert home.status_code == (303 if expected is None else 200)
            assert expected is None or f">{expected}</span>" in home.text
            assert await is_in(by_token) is (expected is not None)


async def test_a_forged_cookie_is_none() -> None:
    """Nor that of another server, whose key is another one."""
    async with running() as stage, running() as elsewhere:
        foreign = await elsewhere.signed_in()
        for value in ("", "x", "sealed1.0123456789ab.AAAA", foreign.cookies["knownas_session"], "x" * 20_000):
            browser = stage.browser()
            browser.cookies.set("knownas_session", value)
            assert not await is_in(browser)
        good = await stage.signed_in()
        sealed = good.cookies["knownas_session"]
        browser = stage.browser()
        browser.cookies.set("knownas_session", sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:])
        assert not await is_in(browser)


async def test_cookies_say_what_a_browser_may_do_with_them() -> None:
    """No script reads them, no other site sends them; by HTTPS they are for HTTPS and this host only."""
    async with running() as stage:
        plain = await sign_in(stage.browser(), name="admin", secret=PASSWORD)
        secure = await sign_in(stage.browser("https://id.example.com"), name="admin", secret=PASSWORD)
    behind = with_users(*USERS, base_url="https://id.example.com")
    async with running(behind) as stage:
        proxied = await sign_in(stage.browser(), name="admin", secret=PASSWORD)
    said = plain.headers["set-cookie"]
    assert said.startswith("knownas_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(said.split("; "))
    assert "Secure" not in said
    for answer in (secure, proxied):
        said = answer.headers["set-cookie"]
        assert said.startswith("__Host-knownas_session=")
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure"} <= set(said.split("; "))
        assert "domain" not in said.lower()


class Time:
    """Stands still until it is told to go on, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The clock by which attempts are counted."""
    stopped = Time()
    monkeypatch.setattr(module, "monotonic", stopped)
    return stopped


@pytest.mark.parametrize("fields", [{"name": "reader"}, {"name": "nobody"}, {"token": "on"}])
async def test_passwords_and_tokens_cant_be_guessed_quickly(time: Time, fields: dict[str, str]) -> None:
    """After some failures nothing is compared for a while, right or wrong; others are not held up."""
    async with running() as stage:
        browser = stage.browser()
        told = [
            (await sign_in(browser, **fields, secret="guess")).status_code for _ in range(FAILURES_IN_A_ROW_MAX + 1)
        ]
        assert told == [403] * FAILURES_IN_A_ROW_MAX + [429]
        right = TOKEN if "token" in fields else PASSWORD
        held_up = await sign_in(browser, **fields, secret=right)
        assert held_up.status_code == 429
        assert "Too many wrong attempts" in held_up.text
        assert (await sign_in(stage.browser(), name="operator", secret=PASSWORD)).status_code == 303
        time.now += SECONDS_A_FAILURE
        assert (await sign_in(browser, **fields, secret="guess")).status_code == 403


async def test_a_user_is_safe_from_many_addresses(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many machines guess, one user's password is compared so often in a row and no more."""
    monkeypatch.setattr(Passwords, "matches", lambda *_: asyncio.sleep(0, result=False))
    async with running() as stage:
        told: list[int] = []
        for number in range(NAME_FAILURES_IN_A_ROW_MAX + 1):
            transport = httpx.ASGITransport(stage.app, client=(f"10.0.{number // 9}.1", 1))
            headers = {"sec-fetch-site": "same-origin"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://id.example.com", headers=headers
            ) as client:
                told.append((await sign_in(client, name="reader", secret="guess")).status_code)
    assert told == [403] * NAME_FAILURES_IN_A_ROW_MAX + [429]
    assert time.now == 1_000.0


async def test_a_password_that_is_right_ends_the_count(time: Time) -> None:
    """Whoever mistypes now and then never waits."""
    async with running() as stage:
        browser = stage.browser()
        for _ in range(3):
            for _ in range(FAILURES_IN_A_ROW_MAX - 1):
                assert (await sign_in(browser, name="reader", secret="guess")).status_code == 403
            assert (await sign_in(stage.browser(), name="reader", secret=PASSWORD)).status_code == 303
        assert time.now == 1_000.0


async def test_only_so_many_passwords_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes memory and time, so beyond some the server says that it is busy; the loop goes on meanwhile."""
    release = asyncio.Event()

    async def held(*_: object) -> bool:
        await release.wait()
        return False

    monkeypatch.setattr(passwords_module.asyncio, "to_thread", held)
    passwords = Passwords()
    waiting = [asyncio.create_task(passwords.matches(None, "x")) for _ in range(HASHES_WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await passwords.matches(None, "x")
    assert refused.value.code == "overloaded"
    release.set()
    assert await asyncio.gather(*waiting) == [False] * HASHES_WAITING_MAX
    assert not await passwords.matches(None, "x")


async def test_nobodys_password_takes_as_long() -> None:
    """Where there is no user a hash is compared too, and never right."""
    assert not await Passwords().matches(None, "nobody has this password")
    assert not await Passwords().matches(HASH, PASSWORD + "x" * PASSWORD_CHARACTERS_MAX)
    assert await Passwords().matches(HASH, PASSWORD)
    assert not is_password("$argon2id$v=19$m=8,t=1,p=4$c29tZXNhbHQ$MDEyMzQ1Njc4OTAx", PASSWORD)
    assert not is_password("no hash", PASSWORD)


async def test_nobody_can_sign_in_where_nobody_is_configured() -> None:
    """Then the page says what to configure."""
    async with running(replace(configured(), admin_token=None)) as stage:
        for answer in (await stage.browser().get("/sign-in"), await sign_in(stage.browser(), token="on", secret="")):
            assert (answer.status_code, answer.headers["x-refusal-reason"]) == (403, "console_off")
            assert "admin_token" in answer.text


async def test_each_way_is_shown_where_it_is_configured() -> None:
    """The token's field alone where there are no users; beside the others where there are."""
    async with running(configured()) as stage:
        shown = (await stage.browser().get("/sign-in")).text
        assert ("Admin token" in shown, 'name="name"' in shown, "your organization" in shown) == (True, False, False)
    async with running(replace(with_users(*USERS), admin_token=None)) as stage:
        shown = (await stage.browser().get("/sign-in")).text
        assert ("Admin token" in shown, 'name="name"' in shown) == (False, True)


async def test_a_store_that_does_not_answer_lets_nobody_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a session was ended can't be seen then, so nobody is let in; whoever wants out is told that it was not done."""
    async with running() as stage:
        browser = await stage.signed_in()
        token = form_token((await browser.get("/")).text)

        async def gone(*_: object) -> None:
            raise StoreUnavailable("gone")

        monkeypatch.setattr(stage.service.store, "keep", gone)
        out = await browser.post("/sign-out", data={"csrf": token})
        assert (out.status_code, out.headers["x-refusal-reason"]) == (503, "store_unavailable")
        monkeypatch.setattr(stage.service.store, "kept", gone)
        answer = await browser.get("/")
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (503, "store_unavailable")
        monkeypatch.undo()
        assert await is_in(browser)
