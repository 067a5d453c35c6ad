"""Rehearsing rules and resolving a history on the command line, over the database of a server that is not running."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from knownas.cli.main import main
from knownas.config.reader import read_configuration
from knownas.config.values import Configuration
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.service.history import resolving
from knownas.service.server import open_service
from knownas.store.opening import open_store

CUSTOMER, EMAIL = IdentityType.CUSTOMER_ID, IdentityType.EMAIL
NEW_RULES = """
strategy: profile_conversion
priority: [email, customerid]
login_ids: [email]
unique_ids: [email]
settings: {tie_break: [most_recent]}
"""
FILE = """customerid,email,time
c-1,both@example.com,2026-05-01T12:00:00Z
c-2,both@example.com,2026-05-01T11:00:00Z
,,2026-05-01T10:00:00Z
"""


def written(folder: Path, rules: str = "strategy: profile_conversion") -> Path:
    """Write a configuration with one scope."""
    indented = rules.strip().replace("\n", "\n  ")
    (folder / "knownas.yaml").write_text(
        f"database: sqlite:///{folder}/knownas.db\nscopes:\n- name: shop\n  {indented}\n"
    )
    return folder / "knownas.yaml"


def configuration(file: Path) -> Configuration:
    """Read a configuration."""
    read = read_configuration(file.read_text(), environment={})
    assert isinstance(read, Configuration), read
    return read


async def _filled(file: Path) -> list[int]:
    opened = configuration(file)
    service = await open_service(opened, open_store(opened.database))
    mpids: list[int] = []
    try:
        rules = service.directory.rules("shop")
        assert rules is not None
        for number in (1, 2):
            given = (Identity(CUSTOMER, f"c-{number}"), Identity(EMAIL, "both@example.com"))
            at_ms = service.clock()
            asked = IdentityRequest(Endpoint.LOGIN, at_ms, Environment.PRODUCTION, "test", given)
            answer = await service.resolver.answer(rules.ask(asked))
            assert answer.decision.answered is not None
            mpids.append(answer.decision.answered)
    finally:
        await service.close()
    return mpids


def filled(file: Path) -> list[int]:
    """Let two customers log in who share an e-mail address; return their MPIDs."""
    return asyncio.run(_filled(file))


def run(*arguments: str | Path) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [str(one) for one in arguments])


def reported(result: Result) -> dict[str, Any]:
    """Return what a command has told as JSON."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def new_rules(tmp_path: Path) -> Path:
    """A file with rules under which an e-mail address makes a user."""
    file = tmp_path / "new.yaml"
    file.write_text(NEW_RULES)
    return file


def test_a_rehearsal_tells_people_who_would_be_one(tmp_path: Path, new_rules: Path) -> None:
    """It names how many, and both profiles with their identities."""
    file = written(tmp_path)
    mpids = filled(file)
    told = run("rehearse", "--config", file, "--policy", new_rules)
    assert told.exit_code == 0, told.output
    assert "2 would be joined into 1" in told.output
    assert all(f"- {mpid} (known, 1 observations)" in told.output for mpid in mpids)


def test_a_resolution_comes_to_what_was_rehearsed(tmp_path: Path, new_rules: Path) -> None:
    """Rehearsed, published and resolved: the same in numbers, and nothing is left when it is done again."""
    mpids = filled(written(tmp_path))
    rehearsed = reported(run("rehearse", "--config", written(tmp_path), "--policy", new_rules, "--json"))
    file = written(tmp_path, NEW_RULES)
    preview = reported(run("resolve", "--config", file, "--preview", "--json"))
    assert preview == rehearsed
    resolved = reported(run("resolve", "--config", file, "--json"))
    assert (resolved["finished"], resolved["corrections"], resolved["profiles_changed"]) == (True, 1, 2)
    again = run("resolve", "--config", file)
    assert "0 corrections" in again.output

    async def look() -> list[tuple[int, int]]:
        store = open_store(f"sqlite:///{tmp_path}/knownas.db")
        found = [await store.profile(mpid) for mpid in mpids]
        await store.close()
        return sorted((one.record.size, one.record.mpid) for one in found if one is not None)

    (gone, _), (kept, survivor) = asyncio.run(look())
    assert (gone, kept) == (0, 3)
    (after,) = rehearsed["pools"][0]["largest"]["after"]
    assert after["mpid"] == str(survivor)


def test_rules_are_rehearsed_on_a_file(tmp_path: Path, new_rules: Path) -> None:
    """Its rows count in the order of their times, what names nobody is told, and no database is made or needed."""
    rows = tmp_path / "rows.csv"
    rows.write_text(FILE)
    told = run("rehearse", "--config", written(tmp_path), "--policy", new_rules, "--file", rows, "--json")
    assert "1 rows are left out: no_identities" in told.stderr
    (pool,) = reported(told)["pools"]
    assert (pool["observations"], pool["profiles"]["before"], pool["profiles"]["after"]) == (2, 2, 1)
    assert not (tmp_path / "knownas.db").exists()


def test_junk_of_a_file_is_set_aside_as_the_scope_says(tmp_path: Path, new_rules: Path) -> None:
    """Where the scope quarantines, an address of nobody joins the rows of a file under neither of the rules."""
    rows = tmp_path / "rows.csv"
    rows.write_text("customer_id,email\n" + "".join(f"c-{number},guest@example.com\n" for number in range(5)))
    found: list[int] = []
    for mode in ("watch", "quarantine"):
        file = written(tmp_path, f"strategy: profile_conversion\nsettings: {{toxic: {{mode: {mode}}}}}\n")
        told = run("rehearse", "--config", file, "--policy", new_rules, "--file", rows, "--json")
        found.append(reported(told)["pools"][0]["profiles"]["after"])
    assert found == [1, 5]


def test_rules_with_faults_are_not_rehearsed(tmp_path: Path) -> None:
    """Every fault is told with its line, and nothing is folded."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("strategy: best\npriority: [e-mail]\n")
    told = run("rehearse", "--config", written(tmp_path), "--policy", bad)
    assert told.exit_code == 1
    assert "line 1: strategy" in told.stderr
    assert "line 2: priority[0]" in told.stderr


def test_other_pools_are_not_rehearsed(tmp_path: Path) -> None:
    """What decides which pools there are can't be compared pool by pool."""
    shared = tmp_path / "shared.yaml"
    shared.write_text("settings: {environment_pools: shared}\n")
    told = run("rehearse", "--config", written(tmp_path), "--policy", shared)
    assert told.exit_code == 1
    assert "environment_pools can't be rehearsed" in told.stderr


def test_what_is_too_large_is_left_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More lines than are folded at once are told with a profile of theirs; nothing of it is changed, and the status says so."""
    monkeypatch.setattr(resolving, "LINES_FOLDED_MAX", 1)
    mpids = filled(written(tmp_path))
    told = run("resolve", "--config", written(tmp_path, NEW_RULES))
    assert told.exit_code == 1
    assert (
        f"1 components (more lines than are folded at once could have influenced each other), such as that of {min(mpids)}"
        in told.output
    )

    async def sizes() -> list[int]:
        store = open_store(f"sqlite:///{tmp_path}/knownas.db")
        found = [await store.profile(mpid) for mpid in mpids]
        await store.close()
        return [one.record.size for one in found if one is not None]

    assert asyncio.run(sizes()) == [2, 2]
