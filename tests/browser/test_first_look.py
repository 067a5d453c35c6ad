"""The first look at the console is walked as it is written: from an empty folder, by the words of its page alone."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console import Looker, look
from tests.served import stop
from tests.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs/tutorial/first-look-at-the-console.md"
START_WITHIN_SECONDS = 60
TURNS_GREEN_WITHIN_MS = 4_000
"""The page says two seconds; a machine that is busy may take twice as long."""


@dataclass
class First:
    """A server that was started in an empty folder: its address and what it printed."""

    url: str
    printed: str


@pytest.fixture
def server(tmp_path: Path) -> Iterator[First]:
    """Start a server as the page does, but on any free port."""
    log = tmp_path / "printed"
    folder = tmp_path / "empty"
    folder.mkdir()
    with log.open("w") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "knownas", "serve", "--port", "0"],
            cwd=folder,
            stdout=printed,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        wait_until(
            lambda: "knownas answers at" in log.read_text() or process.poll() is not None,
            START_WITHIN_SECONDS,
            log.read_text,
        )
        told = log.read_text()
        assert "knownas answers at" in told, told
        yield First(told.split("knownas answers at ")[1].split()[0], told)
    finally:
        stop(process)


def shape(printed: str) -> list[str]:
    """Return the lines of what a server prints at its first start, without keys, secrets and the port."""
    lines = [
        re.sub(r"\s{2,}\S{4,}…?", "", one) if re.match(r"  (admin|workspace|input) ", one) else one
        for one in printed.splitlines()
    ]
    return [re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", re.sub(r" +", " ", one)) for one in lines if one]


def test_what_is_printed_is_what_the_page_shows(server: First) -> None:
    """The first start prints the lines of the page, with keys of its own."""
    shown = re.search(r"```text\n(No configuration.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert shape(server.printed) == shape(shown[1])


def send_as_told(visitor: Looker, told: str) -> str:
    """Copy the lines that the page shows, and run them in a terminal; return the answer."""
    visitor.page.get_by_role("button", name=re.compile(r"Copy: Try it: one request")).click()
    lines: str = visitor.page.evaluate("navigator.clipboard.readText()")
    written = re.search(r"```sh\n(curl .*?)\n```", told, re.DOTALL)
    assert written is not None
    assert re.sub(r"'x-mp-key: [^']+'|127\.0\.0\.1:\d+", "…", lines) == re.sub(
        r"'x-mp-key: [^']+'|127\.0\.0\.1:\d+", "…", written[1]
    )
    return subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True, timeout=30).stdout


def test_the_first_decision_is_seen_after_three_steps(browser: Browser, server: First) -> None:
    """What the page says to press is there, in this order, and the lines that it says to run turn the page green."""
    told = PAGE.read_text()
    pressed = [
        "Sign in with the token",
        "Send the first request",
        "Connect web",
        "Try it: one request",
        "see its decision",
        "Live stream",
    ]
    assert [one for one in re.findall(r"\*([A-Za-z: ]+)\*", told) if one in pressed] == pressed
    token = re.search(r"admin token +(\S+)", server.printed)
    assert token is not None
    visitor = look(browser, server)
    page = visitor.page
    visitor.go("/")
    page.get_by_label("Admin token", exact=True).fill(token[1])
    page.get_by_role("button", name="Sign in with the token").click()
    assert visitor.faults_of_access() == []
    page.get_by_role("link", name="Send the first request").click()
    page.get_by_role("link", name="Connect web").click()
    expect(page.locator("#checklist")).to_contain_text("Waiting for the first request")
    answer = send_as_told(visitor, told)
    expect(page.locator("#checklist")).to_contain_text("Connected", timeout=TURNS_GREEN_WITHIN_MS)
    page.get_by_role("link", name="see its decision").click()
    mpid = re.search(r'"mpid":"(\d+)"', answer)
    assert mpid is not None
    expect(page.get_by_role("main")).to_contain_text(f"new profile {mpid[1]}")
    page.get_by_role("link", name="Live stream").click()
    expect(page.locator("#live-lines li")).to_have_count(1)
    visitor.go("/")
    assert page.get_by_role("link", name="Send the first request").count() == 0
    visitor.leave()
