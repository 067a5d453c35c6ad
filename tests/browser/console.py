"""Looks at the console in a browser: wide and narrow, light and dark, with and without scripts; and notes everything that must not be."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

from tests.console.stage import HASH, PASSWORD, USERS
from tests.served import TOKEN, Served, configuration, served
from tools import provision

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
WINDOWS = {"wide": WIDE, "phone": PHONE}
for_every_eye = pytest.mark.parametrize(
    ("window", "scheme"),
    [
        ("wide", "light"),
        ("phone", "dark"),
        pytest.param("wide", "dark", marks=pytest.mark.soak),
        pytest.param("phone", "light", marks=pytest.mark.soak),
    ],
)
"""Both windows and both schemes; what is wrong in only one of the other two pairs is found before a release."""
WITHIN_MS = 20_000
CONSOLE_SERVER = "tests.browser.console_server"
SCREENSHOTS = "KNOWNAS_SCREENSHOTS"
"""The environment variable that names the folder into which screenshots are written; without it there are none."""

PLAIN_HOST = "plain.test"
"""A name of the server that the browser does not take for this machine (see `conftest`)."""

_WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
_FOCUSED = """() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {
    says: (one.getAttribute("aria-label") || one.textContent || one.name || "").trim().slice(0, 40),
    tag: one.tagName.toLowerCase(),
    outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.right > 0 && box.left < innerWidth,
  };
}"""


@contextmanager
def console_served(folder: Path, module: str = CONSOLE_SERVER, /, **members: Any) -> Iterator[Served]:
    """Run a server with the demo's hour and users of every role, named after it. `module` is the program that does it."""
    demo = yaml.safe_load((Path(__file__).parents[2] / "src/knownas/demo/demo.yaml").read_text())
    users = [{"name": one.name, "password_hash": HASH, "role": one.role.value} for one in USERS]
    document = {
        **configuration(),
        "scopes": demo["scopes"],
        "organization": demo["organization"],
        "console": {"users": users},
        **members,
    }
    with served(folder, document, module=module) as running:
        yield running


class Addressed(Protocol):
    """Something that is served."""

    url: str


@dataclass
class Looker:
    """Somebody who looks at the console, and what happened that must not."""

    server: Addressed
    context: BrowserContext
    page: Page
    host: str
    faults: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        """The address of the server, as this browser calls it."""
        return self.server.url.replace("127.0.0.1", self.host)

    def go(self, path: str) -> None:
        """Open a page."""
        self.page.goto(f"{self.url}{path}")

    def sign_in(self, name: str = "admin") -> None:
        """Sign in with the password."""
        self.go("/sign-in")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def sign_in_by_token(self) -> None:
        """Sign in with the admin token."""
        self.go("/sign-in")
        self.page.get_by_text("With the admin token").click()
        self.page.get_by_label("Admin token", exact=True).fill(TOKEN)
        self.page.get_by_role("button", name="Sign in with the token").click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def focused(self) -> dict[str, Any]:
        """Tell what has the focus, and whether that can be seen."""
        return self.page.evaluate(_FOCUSED)

    def faults_of_access(self) -> list[str]:
        """Return what axe finds that is serious or worse: the rule, and where."""
        # Brought in past the policy, as a tester's own tool: the page's scripts could not do that.
        self.page.evaluate(provision.axe())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']} ({one['impact']}): {node['html'][:120]} — {node['failureSummary'][:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def shoot(self, name: str, *, whole: bool = True) -> None:
        """Write a screenshot of the page, or of what of it is in the window, if somebody wants them."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)

    def leave(self) -> None:
        """Close the browser's profile, and tell what happened that must not."""
        violations: list[str] = []
        if not self.page.is_closed():
            violations = self.page.evaluate("window.__violations ?? []")
        self.context.close()
        assert self.faults + violations == [], json.dumps(self.faults + violations, indent=1)


Look = Callable[..., Looker]
"""Opens a browser profile, as `look` does."""


def look(
    browser: Browser,
    server: Addressed,
    *,
    window: Any = WIDE,
    scheme: Literal["light", "dark"] = "light",
    scripts: bool = True,
    host: str = "127.0.0.1",
) -> Looker:
    """Open a browser's profile in which nobody is signed in."""
    context = browser.new_context(
        viewport=window,
        color_scheme=scheme,
        java_script_enabled=scripts,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"] if host == "127.0.0.1" else [],
    )
    context.set_default_timeout(WITHIN_MS)
    context.add_init_script(_WATCH)
    page = context.new_page()
    looker = Looker(server, context, page, host)
    own = f"{looker.url}/"

    def asked(request: Request) -> None:
        if not request.url.startswith((own, "data:")):
            looker.faults.append(f"asked elsewhere: {request.url}")

    def said(message: ConsoleMessage) -> None:
        # Chromium tells of each answer with an error status by itself, and that no HTTPS is there for one header.
        if message.type == "error" and not message.text.startswith(
            ("Failed to load resource", "The Cross-Origin-Opener")
        ):
            looker.faults.append(f"console: {message.text}")

    def opened(dialog: Dialog) -> None:
        looker.faults.append(f"a script has run: {dialog.message}")
        dialog.dismiss()

    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: looker.faults.append(f"error: {error}"))
    page.on("dialog", opened)
    return looker
