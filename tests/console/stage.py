"""Runs the application with its console for tests, without a socket, and signs people in."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import httpx
from argon2 import PasswordHasher

from knownas.api.app import Application
from knownas.config.console_access import ConsoleRole, ConsoleSettings, ConsoleUser, OpenIdConnect
from knownas.config.values import Configuration, Secret
from knownas.console.app import open_console
from knownas.console.page import Page
from knownas.console.pages import PAGES
from knownas.service.audience.catalogue import Destinations
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import NO_DESTINATIONS, Service, open_service, system_clock
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.api.access_world import configured

ADDRESS: Final = "http://id.example.com"
TOKEN: Final = "admin-token-for-tests"
PASSWORD: Final = "correct horse battery staple"
HASH: Final = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
USERS: Final = tuple(ConsoleUser(role.value, Secret(HASH), role) for role in ConsoleRole)
PAGE: Final = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin"}
"""What a browser sends when somebody goes from page to page."""


@dataclass
class Clock:
    """The time, which a test can let go on."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return system_clock() + self.ahead_ms


@dataclass
class Stage:
    """A running application, and browsers that look at it."""

    app: Application
    service: Service
    clock: Clock
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    browsers: list[httpx.AsyncClient] = field(default_factory=list[httpx.AsyncClient])

    def browser(self, address: str = ADDRESS) -> httpx.AsyncClient:
        """Return a browser in which nobody is signed in."""
        made = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=address, headers=PAGE)
        self.browsers.append(made)
        return made

    async def signed_in(self, name: str | ConsoleRole = "admin") -> httpx.AsyncClient:
        """Return a browser in which a user has signed in by the password."""
        browser = self.browser()
        answer = await browser.post("/sign-in", data={"name": name, "secret": PASSWORD})
        assert answer.status_code == 303, answer.text
        return browser

    async def audited(self) -> list[tuple[int, str, str, int]]:
        """Return what was noted of whom: MPID, who, what, status."""
        found, _ = await self.service.auditing.page(None, None, 0, 1_000)
        return [(one.mpid, one.who, one.what, one.status) for one in found]


def form_token(page: str) -> str:
    """Return the token that the forms of a page carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


async def post(browser: httpx.AsyncClient, path: str, data: Mapping[str, Any] | None = None) -> httpx.Response:
    """Send a form as a page would: with the token that the first page carries."""
    home = await browser.get("/")
    return await browser.post(path, data={"csrf": form_token(home.text), **(data or {})})


def with_users(*users: ConsoleUser, oidc: OpenIdConnect | None = None, base_url: str | None = None) -> Configuration:
    """Return the configuration of the tests of access, with users."""
    return replace(configured(), console=ConsoleSettings(base_url, users, oidc))


@asynccontextmanager
async def running(
    configuration: Configuration | None = None,
    pages: Sequence[Page] = (),
    store: Store | None = None,
    change: Callable[[Service], None] = lambda _: None,
    secret_keys: SecretKeys | None = None,
    own: Sequence[Page] = PAGES,
    destinations: Destinations = NO_DESTINATIONS,
) -> AsyncIterator[Stage]:
    """Run the application, with its `own` pages and further ones, and with kinds of outputs."""
    clock, held = Clock(), store or MemoryStore()

    async def opened() -> Service:
        service = await open_service(
            configuration or with_users(*USERS),
            held,
            clock=clock,
            secret_keys=secret_keys,
            destinations=destinations,
        )
        change(service)
        return service

    app = Application(opened, partial(open_console, pages=(*own, *pages)))
    await app._start()
    assert app._service is not None
    stage = Stage(app, app._service, clock)
    try:
        yield stage
    finally:
        for browser in stage.browsers:
            await browser.aclose()
        await app._stop()
