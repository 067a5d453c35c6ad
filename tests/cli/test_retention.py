"""`knownas retention`: what is too old goes when it is told to, and not before."""

import asyncio
import re
import time
from pathlib import Path

import pytest
import yaml

from knownas.service.retention import DAY_MS, FORGOTTEN_A_STEP
from knownas.store.audiences import AudienceCommit
from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import EventsWrite, MessageKey, SectionKey, SectionWrite, UserDataCommit
from tests.cli.test_commands import run
from tests.served import configuration, served

KEY = SectionKey(100, "production", 1)
BATCHES = FORGOTTEN_A_STEP + 5


def filled(folder: Path, **retention: object) -> Path:
    """Make a database with things that are 100 days old and one that is new, and a configuration that keeps 50 days."""
    settings = {"events_days": 50, "requests_days": 45, **retention}
    (folder / "knownas.yaml").write_text(yaml.safe_dump(configuration(retention=settings)))
    old, now = time.time_ns() // 1_000_000 - 100 * DAY_MS, time.time_ns() // 1_000_000

    async def fill() -> None:
        store = SqliteStore(folder / "knownas.db")
        events = [EventsWrite(KEY, at, at, at, b"{}") for at in (*[old] * BATCHES, now)]
        sections = [SectionWrite(KEY, None, b"{}", old)]
        messages = {MessageKey("key", 1, "old"): old, MessageKey("key", 1, "new"): now}
        assert await store.user_data.commit(UserDataCommit(sections=sections, events=events, messages=messages))
        told = NewDelivery("old", 1, 0, 100, "production", 1, old, b"{}")
        assert await store.audiences.commit(AudienceCommit(deliveries=[told]))
        await store.deliveries.settle([Settlement(1, DeliveryState.SENT, old)])
        await store.close()

    asyncio.run(fill())
    return folder


def found(printed: str) -> list[int]:
    """Return the last column of the table."""
    return [int(one.replace(",", "")) for one in re.findall(r"Z +([\d,]+)$", printed, re.MULTILINE)]


def test_a_dry_run_tells_and_removes_nothing(tmp_path: Path) -> None:
    """What would go stands in a table, as often as one asks."""
    filled(tmp_path)
    for _ in range(2):
        told = run(tmp_path, "retention", "--dry-run")
        assert told.returncode == 0, told.stderr
        assert found(told.stdout) == [BATCHES, 1, 1, 1]
        assert "nothing was removed" in told.stdout


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    """Everything that is too old goes, beside a running server, and what is young enough stays."""
    filled(tmp_path)
    with served(tmp_path, configuration(retention={"events_days": 50})) as server:
        gone = run(tmp_path, "retention", "--config", "knownas.yaml")
        assert gone.returncode == 0, gone.stderr
        assert f"{BATCHES + 3} removed." in gone.stdout
        assert set(server.api.get("/api/retention").json()["now"]["found"].values()) == {0}
    assert found(run(tmp_path, "retention").stdout) == [0, 0, 0, 0]


def test_a_configured_dry_run_counts_only(tmp_path: Path) -> None:
    """Where the configuration says that nothing may go, nothing goes, and the output says why."""
    filled(tmp_path, dry_run=True)
    told = run(tmp_path, "retention")
    assert (told.returncode, found(told.stdout)) == (0, [BATCHES, 1, 1, 1])
    assert "retention.dry_run" in told.stdout


@pytest.mark.parametrize(
    ("database", "words"), [("sqlite:///absent.db", "no database"), ("memory://", "keeps nothing")]
)
def test_there_must_be_something_to_look_at(tmp_path: Path, database: str, words: str) -> None:
    """Without a database the verb ends with a sentence, and makes none."""
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration(database=database)))
    refused = run(tmp_path, "retention")
    assert refused.returncode != 0
    assert words in refused.stderr
    assert not list(tmp_path.glob("*.db"))
