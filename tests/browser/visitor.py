"""Plays a person in a browser: a page with the web SDK, what it asked the server, and what it was told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request

from tests.browser.shop import Shop
from tests.browser.storefront import Storefront
from tests.served import WEB_KEY

NEVER_MS = "3600000"
PAGE_WITHIN_MS = 30_000

ACTIVE_SESSION = -3
"""What the SDK tells its callback when it starts within a session, and so asks nothing."""
NOT_ANSWERED = -1
"""What the SDK tells its callback for a network failure, 401, 403, 404, 429 and 5xx."""


@dataclass(frozen=True)
class Answer:
    """What the SDK's callback was told, and whom the SDK holds for the current user then."""

    code: int
    body: Any
    mpid: str | None
    logged_in: bool
    previous_mpid: str | None


class Visitor:
    """A person with a browser profile of their own, on the storefront's page."""

    def __init__(self, context: BrowserContext, storefront: Storefront) -> None:
        self._storefront = storefront
        self._host = ""
        self.page = context.new_page()
        self.page.set_default_timeout(PAGE_WITHIN_MS)
        self.asked: list[str] = []
        """The paths of the requests that reached out for the server, in order."""
        self.console: list[str] = []
        self.crashes: list[str] = []
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.crashes.append(str(error)))

    def enter(self, shop: Shop, key: str = WEB_KEY, **config: Any) -> Answer:
        """Open the page, its SDK pointed at a server, and return what the start told."""
        self._host = shop.host
        pointed = {"identityUrl": f"{shop.host}/v1/"} if "domain" not in config else {}
        self.page.goto(self._storefront.address(key, {**_aside(self._storefront.host), **pointed, **config}))
        return self._told("started")

    def enter_whole(self, shop: Shop, key: str = WEB_KEY) -> Answer:
        """Open the page with every surface of its SDK pointed at a server that has a domain of its own."""
        self._host = shop.host
        self.page.goto(self._storefront.address(key, {"domain": shop.host, "requestConfig": True}))
        return self._told("started")

    def reload(self) -> Answer:
        """Load the page again."""
        self.page.reload()
        return self._told("started")

    def ask(self, call: str, **identities: str | None) -> Answer:
        """Call identify, login, logout or modify."""
        return self._told("([call, identities]) => ask(call, identities)", [call, identities])

    def search(self, key: str = WEB_KEY, **identities: str) -> Answer:
        """Call search."""
        return self._told("([key, identities]) => search(key, identities)", [key, identities])

    def wait(self, seconds: int) -> None:
        """Let time pass on the page. Needs `page.clock.install()` before the page was entered."""
        self.page.clock.fast_forward(seconds * 1_000)

    @property
    def stamp(self) -> str:
        """The device application stamp that the SDK made."""
        return self.page.evaluate("mParticle.getDeviceId()")

    @property
    def cross_origin_failures(self) -> list[str]:
        """What the console says of answers that the browser kept from the page."""
        return [line for line in self.console if "CORS" in line or "Access-Control" in line]

    def _told(self, expression: str, argument: object = None) -> Answer:
        return Answer(**self.page.evaluate(expression, argument))

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc == self._host:
            self.asked.append(urlsplit(request.url).path)

    def _note_console(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)


def _aside(host: str) -> Mapping[str, Any]:
    """Return the configuration that keeps the SDK's other surfaces away from the server under test."""
    surfaces = ("aliasUrl", "configUrl", "userAudienceUrl", *(f"v{number}SecureServiceUrl" for number in (1, 2, 3)))
    return {
        "requestConfig": False,
        "workspaceToken": "shop",
        "flags": {"eventBatchingIntervalMillis": NEVER_MS},
        **dict.fromkeys(surfaces, f"{host}/not-here/"),
    }
