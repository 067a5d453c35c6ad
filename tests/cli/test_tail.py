"""What comes through the inputs of a server is followed in a terminal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click
import pytest
from click.testing import CliRunner, Result

from knownas.cli import tail as tailing
from knownas.cli.asking import NoAnswer
from knownas.cli.main import main
from tests.served import TOKEN, Served, served

PERSON = {"customerid": "canary-1", "email": "canary@example.com"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server through which something has come."""
    with served(tmp_path_factory.mktemp("tail")) as running:
        running.ask("login", PERSON)
        running.ask("identify", {"shoe_size": "42"})
        running.ask("identify", {"\x1b[31mred": "x"})
        yield running


def run(server: Served, *arguments: str) -> Result:
    """Run the verb until it ends."""
    return CliRunner().invoke(main, ["tail", "--server", server.url, "--token", TOKEN, *arguments])


def test_what_came_before_is_shown(server: Served) -> None:
    """One line each, the oldest first, with the reason of a refusal; what a terminal would obey is escaped, and no value is there."""
    shown = run(server, "--once")
    assert shown.exit_code == 0, shown.output
    first, second, third = shown.output.splitlines()
    assert "login" in first
    assert "customerid, email" in first
    assert "refused" in second
    assert "unknown_identity_type: 'shoe_size' is not" in second
    assert "\x1b" not in third
    assert "canary" not in shown.output


def test_lines_are_chosen_and_written_as_json(server: Served) -> None:
    """By the filters of the API, as its documents."""
    shown = run(server, "--once", "--json", "--kind", "decision", "--input", "app", "--environment", "production")
    lines = [json.loads(one) for one in shown.output.splitlines()]
    assert [(one["asked"], one["outcome"], one["identity_types"]) for one in lines] == [
        ("login", "created", ["customerid", "email"])
    ]
    assert run(server, "--once", "--text", lines[0]["mpid"], "-n", "1").output.count("\n") == 1
    refused = run(server, "--once", "--scope", "shop", "--workspace", "101")
    assert (refused.exit_code, refused.output) == (0, "")


def read_line(stream: IO[str]) -> str:
    """Return the next line that a process prints."""
    return stream.readline()


def test_new_lines_come_until_it_is_stopped(server: Served) -> None:
    """A decision shows while the verb runs; Ctrl-C ends it without an error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "knownas", "tail", "--server", server.url, "-n", "1", "--kind", "decision"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KNOWNAS_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    try:
        assert " login " in read_line(process.stdout)
        decision = server.ask("logout", PERSON).headers["x-decision-id"]
        assert decision in read_line(process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_server_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there was an answer; then it goes on where it was. What it is refused ends it at once."""
    page = {"items": [], "next": "0000000a-1", "more": False, "missed": 3}
    asked: list[str] = []
    answers: list[object] = [page, NoAnswer("gone"), NoAnswer("gone"), page, click.ClickException("the token is wrong")]

    def answer(token: str, url: str, _body: object) -> object:
        assert token == "t"
        asked.append(url.partition("?")[2])
        following = answers.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    monkeypatch.setattr(tailing, "call", answer)
    monkeypatch.setattr(tailing.time, "sleep", lambda _: None)
    shown = CliRunner().invoke(main, ["tail", "--server", "http://x", "--token", "t", "--input", "web"])
    assert shown.exit_code == 1
    assert asked == ["input=web&limit=20", *["input=web&after=0000000a-1"] * 4]
    assert shown.output.count("gone; trying again") == 1
    assert shown.output.count("3 lines came faster") == 2
    assert "the token is wrong" in shown.output
    answers[:] = [NoAnswer("not there")]
    assert CliRunner().invoke(main, ["tail", "--server", "http://x", "--token", "t"]).exit_code == 1
