"""Gives the browser tests a browser, the published SDK, the page that loads it, and people who visit it.

A missing browser or SDK fails the tests; `python tools/provision.py` brings both.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.console import Look, Looker, look
from tests.browser.shop import Certificates, Shop, make_certificates, shop
from tests.browser.storefront import Storefront, storefront
from tests.browser.visitor import Visitor
from tests.served import Served
from tools import provision

CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is no loopback to the browser: what comes from it plain is not safe, as in a network of one's own.
    "--host-resolver-rules=MAP plain.test 127.0.0.1",
)

OpenShop = Callable[[Mapping[str, Any]], Shop]
Visit = Callable[[], Visitor]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One certificate for all that is served."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def page_host(certificates: Certificates) -> Iterator[Storefront]:
    """The host of the page, which is another origin than the server's."""
    with storefront(provision.web_sdk(), certificates.serving) as running:
        yield running


@pytest.fixture(scope="module")
def browser(certificates: Certificates) -> Iterator[Browser]:
    """One browser a module: while it lives, its driver occupies the thread's event loop, which other tests need.

    It trusts the one certificate of this run, since the authority that signed it is not in its store.
    """
    trusted = f"--ignore-certificate-errors-spki-list={certificates.key_digest}"
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=provision.chromium(), args=[*CHROMIUM_ARGUMENTS, trusted])
        yield launched
        launched.close()


@pytest.fixture
def open_shop(certificates: Certificates, tmp_path: Path) -> Iterator[OpenShop]:
    """Start a server with one scope for one test; when started again, it finds its database."""
    with ExitStack() as running:
        yield lambda scope: running.enter_context(shop(tmp_path, certificates, scope))


@pytest.fixture
def visit(
    browser: Browser,
    page_host: Storefront,
    open_shop: OpenShop,  # noqa: ARG001 - asked for so that all have left before its servers stop
) -> Iterator[Visit]:
    """Bring in a person with a fresh browser profile; at the end, no page may have thrown an error."""
    visitors: list[Visitor] = []

    def come() -> Visitor:
        visitors.append(Visitor(browser.new_context(), page_host))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.page.context.close()
        assert visitor.crashes == []


@pytest.fixture
def looking(browser: Browser, server: Served) -> Iterator[Look]:
    """Open browser profiles at the console of a module's server; at the end, nothing may have happened in them that must not."""
    opened: list[Looker] = []

    def open_one(**how: Any) -> Looker:
        opened.append(look(browser, server, **how))
        return opened[-1]

    yield open_one
    for one in opened:
        one.leave()
