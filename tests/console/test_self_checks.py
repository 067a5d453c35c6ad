"""The check of the database, begun in the console: how far it is, what it found, and that it is begun once."""

from typing import Any

import msgspec
import pytest

from knownas.config.console_access import ConsoleRole
from knownas.core.identity.document import Document
from knownas.service.jobs import EVERY_SCOPE, Job, JobKind, JobState
from tests.console.people_stage import identify
from tests.console.stage import Stage, post, running

EMAIL = "ann@example.com"


async def begun(stage: Stage, name: str = "operator") -> str:
    """Begin a check; return the address of its page."""
    answer = await post(await stage.signed_in(name), "/health/checks")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def report_of(mpid: str, wrong: int = 2) -> Document:
    """Return what a check found: a profile that differs, and a row."""
    stored = {"known": False, "created_at": "", "source_mpid": None, "identities": {"email": [EMAIL]}, "carried": {}}
    difference = {
        "mpid": mpid,
        "why": "changed_past_log",
        "more": "an index has another value",
        "stored": stored,
        "folded": None,
        "first_observation": {"seq": 7, "decision_id": "d" * 32, "at": "", "endpoint": "identify"},
    }
    pool = {
        "scope": "shop",
        "environment": None,
        "observations": 1_000,
        "profiles": 12,
        "wrong": wrong,
        "differences": [difference] if wrong else [],
        "contradictions": [{"what": "a lookup leads nowhere", "mpid": mpid}] if wrong else [],
    }
    return {"observations": 1_000, "profiles": 12, "differing": wrong, "seconds": 1.25, "pools": [pool]}


async def ended(stage: Stage, monkeypatch: pytest.MonkeyPatch, report: Document | None, why: str | None = None) -> str:
    """Return the address of a check that has come to its end."""
    way = await begun(stage)
    found = await stage.service.jobs.find(JobKind.SELF_CHECK, EVERY_SCOPE, way.rpartition("/")[2])
    assert found is not None
    state = JobState.DONE if why is None else JobState.FAILED
    job = msgspec.structs.replace(found[0], state=state, why=why, finished_ms=1_779_000_000_000)

    async def find(*_: Any) -> tuple[Job, Document | None]:
        return job, report

    monkeypatch.setattr(stage.service.jobs, "find", find)
    return way


async def test_a_check_is_begun_once_and_followed() -> None:
    """Whoever asks again comes to the one that is under way; the page of health leads there too."""
    async with running() as stage:
        way = await begun(stage)
        assert await begun(stage, "admin") == way
        reader = await stage.signed_in(ConsoleRole.READER)
        text = (await reader.get(way)).text
        assert 'hx-trigger="every 2s"' in text
        assert "Waits for its turn" in text
        health = (await reader.get("/health")).text
        assert way in health
        assert "Begin a self-check" not in health
        assert "Begin a self-check" in (await (await stage.signed_in("operator")).get("/health")).text


async def test_what_differs_is_told_and_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which profiles, how, and since which decision; looks are noted with the profiles."""
    async with running() as stage:
        mpid = await identify(stage, email=EMAIL)
        way = await ended(stage, monkeypatch, report_of(mpid))
        told = (await (await stage.signed_in("admin")).get(way)).text
        for one in (
            "2 differ", mpid, EMAIL, "it was changed, and no line says so", "not there", f"/decisions/{'d' * 32}",
            "a lookup leads nowhere", "1.2 seconds",
        ):  # fmt: skip
            assert one in told, one
        assert 'hx-trigger="every 2s"' not in told
        assert EMAIL not in (await (await stage.signed_in(ConsoleRole.READER)).get(way)).text
        assert (int(mpid), "console:reader", "showCheck", 200) in await stage.audited()


async def test_a_check_that_found_nothing_or_failed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that failed says why, and that nothing is known by it."""
    async with running() as stage:
        way = await ended(stage, monkeypatch, report_of("1", wrong=0))
        assert "nothing differs" in (await (await stage.signed_in("admin")).get(way)).text
        monkeypatch.undo()
        way = await ended(stage, monkeypatch, None, why="out of disk")
        assert "The check failed: out of disk" in (await (await stage.signed_in("admin")).get(way)).text


async def test_jobs_that_wait_and_checks_that_are_not_there() -> None:
    """When as many wait as may, a further one is not taken, and the page of health says so."""
    async with running() as stage:
        browser = await stage.signed_in("operator")
        assert (await browser.get("/health/checks/none")).status_code == 404
        for _ in range(10):
            await stage.service.jobs.add(JobKind.REHEARSAL, "shop", {})
        assert await begun(stage) == "/health"
