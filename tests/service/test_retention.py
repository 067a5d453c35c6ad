"""Retention over real stores: what goes and what stays, dry runs, and that requests are not held up (platform §13)."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from knownas.config.values import Configuration, RetentionSettings
from knownas.service import retention
from knownas.service.retention import DAY_MS, FORGOTTEN_A_STEP, Retention, forget, report_document
from knownas.store.audiences import AudienceCommit
from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import (
    BatchReceipt,
    EventsWrite,
    MessageKey,
    RequestKey,
    SectionKey,
    SectionWrite,
    UserDataCommit,
)
from tests.waiting import until

NOW_MS = 1_000 * DAY_MS
SETTINGS = RetentionSettings(events_days=100, profiles_days=200, requests_days=45, deliveries_days=30)
OLD, RECENT = SectionKey(100, "production", 1), SectionKey(100, "production", 2)


PATIENCE_SECONDS = 10


def clock() -> int:
    return NOW_MS


async def has_run(job: Retention) -> bool:
    """Whether a job has come to the end of a run."""
    return job.last is not None


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each store, empty."""
    opened = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "knownas.db")
    yield opened
    asyncio.run(opened.close())


def days_ago(days: float) -> int:
    return NOW_MS - int(days * DAY_MS)


async def fill(store: Store, batches: int = 1) -> None:
    """Keep of everything something that is just too old and something that is just young enough."""
    events = [EventsWrite(OLD, days_ago(1), days_ago(150), days_ago(100.1), b"{}")] * batches
    commit = UserDataCommit(
        sections=[
            SectionWrite(OLD, None, b"{}", days_ago(200.1)),
            SectionWrite(RECENT, None, b"{}", days_ago(199.9)),
        ],
        events=[*events, EventsWrite(OLD, days_ago(99), days_ago(150), days_ago(99.9), b"{}")],
        receipts=[
            BatchReceipt("r1", "key", "old", days_ago(45.1), b"{}"),
            BatchReceipt("r2", "key", "young", days_ago(44.9), b"{}"),
        ],
        messages={MessageKey("key", 1, "old"): days_ago(45.1), MessageKey("key", 1, "young"): days_ago(44.9)},
    )
    assert await store.user_data.commit(commit)
    told = [NewDelivery(name, 1, 0, 100, "production", 1, days_ago(300), b"{}") for name in ("old", "young", "waits")]
    assert await store.audiences.commit(AudienceCommit(deliveries=told))
    waiting = await store.deliveries.waiting(1, 0, 10)
    settled = zip(waiting, (days_ago(30.1), days_ago(29.9)), strict=False)
    await store.deliveries.settle([Settlement(one.seq, DeliveryState.SENT, at_ms) for one, at_ms in settled])


async def left(store: Store) -> tuple[int, int, int, int, int]:
    """Return how many sections, event batches, request ids, message ids and deliveries there are."""
    data = store.user_data
    snapshot = await data.load(
        [OLD, RECENT],
        [RequestKey("key", "old"), RequestKey("key", "young")],
        [MessageKey("key", 1, "old"), MessageKey("key", 1, "young")],
    )
    events = await data.events(OLD, from_ms=0, to_ms=NOW_MS, after_seq=0, limit=10_000)
    told = await store.deliveries.deliveries(1, None, None, 10)
    return len(snapshot.sections), len(events), len(snapshot.requests), len(snapshot.messages), len(told)


async def test_a_dry_run_counts_and_removes_nothing(store: Store) -> None:
    """So that one can look before."""
    await fill(store)
    report = await Retention(store, SETTINGS, clock).run(dry_run=True)
    assert (report.events, report.requests, report.sections, report.deliveries) == (1, 2, 1, 1)
    assert (report.removed, report.finished, report.dry_run) == (0, True, True)
    assert await left(store) == (2, 2, 2, 2, 3)


async def test_what_is_too_old_goes_and_the_rest_stays(store: Store) -> None:
    """Each kind by its own days; a second run finds nothing."""
    await fill(store)
    job = Retention(store, SETTINGS, clock)
    report = await job.run(dry_run=False)
    assert (report.events, report.requests, report.sections, report.deliveries, report.removed) == (1, 2, 1, 1, 5)
    assert await left(store) == (1, 1, 1, 1, 2)
    assert [one.delivery_id for one in await store.deliveries.waiting(1, 0, 10)] == ["waits"]
    again = await job.run(dry_run=False)
    assert (again.events, again.requests, again.sections, again.deliveries, again.removed) == (0, 0, 0, 0, 0)


async def test_profiles_are_kept_as_long_as_events_by_default(store: Store) -> None:
    """Unless the settings say otherwise."""
    await fill(store)
    report = await Retention(store, RetentionSettings(events_days=150), clock).run(dry_run=True)
    assert report.sections == 2


async def test_much_goes_in_small_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are served between two steps, and closing ends the run after the step under way."""
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.01)
    await fill(store, batches=2 * FORGOTTEN_A_STEP + 1)
    job = Retention(store, SETTINGS, clock)
    running = asyncio.create_task(job.run(dry_run=False))
    seen: set[int] = set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not running.done():
            seen.add((await left(store))[1])
            await asyncio.sleep(0.001)
    assert len(seen) > 2
    assert (await running).removed == 2 * FORGOTTEN_A_STEP + 5


async def test_closing_ends_a_run_early(store: Store) -> None:
    """What is left goes with the next run."""
    await fill(store, batches=3 * FORGOTTEN_A_STEP)
    job = Retention(store, SETTINGS, clock)
    await job.close()
    report = await job.run(dry_run=False)
    assert (report.removed, report.finished) == (FORGOTTEN_A_STEP, False)


async def test_a_run_has_a_bounded_number_of_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is."""
    monkeypatch.setattr(retention, "STEPS_A_RUN_MAX", 1)
    await fill(store, batches=FORGOTTEN_A_STEP + 1)
    report = await Retention(store, SETTINGS, clock).run(dry_run=False)
    assert (report.removed, report.finished) == (FORGOTTEN_A_STEP, False)


async def test_the_job_runs_by_itself_and_tells(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A while after the start, then again and again, until it is closed."""
    monkeypatch.setattr(retention, "FIRST_RUN_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(retention, "RUN_EVERY_SECONDS", 0.01)
    caplog.set_level(logging.INFO)
    await fill(store)
    job = Retention(store, SETTINGS, clock)
    job.start()
    job.start()
    await until(partial(has_run, job), PATIENCE_SECONDS)
    await job.close()
    await job.close()
    assert await left(store) == (1, 1, 1, 1, 2)
    assert "found 1 event batches, 2 ids of requests, 1 sections and 1 deliveries too old; removed 5" in caplog.text


async def test_a_store_in_trouble_does_not_end_the_job(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and tried again."""
    monkeypatch.setattr(retention, "FIRST_RUN_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(retention, "RUN_EVERY_SECONDS", 0.01)
    failures = [StoreUnavailable("away"), RuntimeError("a fault of ours")]

    class Troubled(Retention):
        async def run(self, *, dry_run: bool) -> retention.Report:
            if failures:
                raise failures.pop(0)
            return await super().run(dry_run=dry_run)

    await fill(store)
    job = Troubled(store, SETTINGS, clock)
    job.start()
    await until(partial(has_run, job), PATIENCE_SECONDS)
    await job.close()
    assert job.last is not None
    assert "away" in caplog.text
    assert "a fault of ours" in caplog.text


async def test_settings_can_ask_for_dry_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the job counts and removes nothing."""
    monkeypatch.setattr(retention, "FIRST_RUN_AFTER_SECONDS", 0.0)
    await fill(store)
    job = Retention(store, replace(SETTINGS, dry_run=True), clock)
    job.start()
    await until(partial(has_run, job), PATIENCE_SECONDS)
    await job.close()
    assert job.last is not None
    assert job.last.dry_run
    assert await left(store) == (2, 2, 2, 2, 3)


async def test_the_command_line_runs_it_once(store: Store) -> None:
    """With a configuration's settings."""
    await fill(store)
    configuration = Configuration(retention=SETTINGS)
    assert (await forget(configuration, store, clock, dry_run=True)).removed == 0
    assert (await forget(configuration, store, clock, dry_run=False)).removed == 5


async def test_the_api_shows_settings_and_what_would_go(store: Store) -> None:
    """And the last run, once there was one."""
    await fill(store)
    job = Retention(store, SETTINGS, clock)
    document = await job.document()
    assert document["settings"] == {
        "events_days": 100,
        "profiles_days": 200,
        "requests_days": 45,
        "deliveries_days": 30,
        "dry_run": False,
    }
    assert document["last_run"] is None
    now = document["now"]
    assert isinstance(now, dict)
    assert now["found"] == {"events": 1, "requests": 2, "profiles": 1, "deliveries": 1}
    assert now["older_than"]["events"] == "1972-06-19T00:00:00.000Z"
    job.last = await job.run(dry_run=False)
    assert (await job.document())["last_run"] == report_document(job.last)
