"""The page of the health of identity: the numbers of our own API, masked where they must be, for each scope and environment by itself."""

import base64
import re
from typing import Any

import pytest

from knownas.config.console_access import ConsoleRole
from knownas.console.charts import Chart
from knownas.console.health_charts import device_classes, percent_words, refusals_chart
from knownas.core.health.intervals import Span
from knownas.core.health.tally import NOWHERE, RefusedFor, Source
from knownas.core.health.traffic import traffic_of
from knownas.service.health.standing import Interval, Period
from knownas.service.jobs import EVERY_SCOPE, JobKind
from knownas.store.census import CrowdCounts
from tests.console.people_stage import OWN, identify, sender
from tests.console.stage import Stage, running

DEVICE = "a-shared-tablet"
API = {"authorization": "Bearer admin-token-for-tests"}
SHARERS = 6


async def populate(stage: Stage) -> None:
    """Let people share a tablet and somebody guess keys; then count."""
    for number in range(SHARERS):
        await identify(stage, "login", customerid=f"c-{number}")
        await identify(stage, "logout", ios_idfv=DEVICE)
    await identify(stage, customerid="c-1")
    async with sender(stage) as http:
        for auth in ((OWN[0], "guessed"), ("nobody", "guessed")):
            assert (await http.post("/v1/identify", json={}, auth=auth)).status_code == 401
        assert (await http.post("/v1/identify", json={"environment": "development"}, auth=OWN)).status_code == 400
        assert (await http.post("/v1/identify", json={}, headers={"x-mp-key": OWN[0]})).status_code == 401
        assert (await http.post("/v2/events", json={}, auth=OWN)).status_code == 202
    await stage.service.health.census.take()


async def api(stage: Stage, query: str = "", scope: str = "shop") -> dict[str, Any]:
    async with sender(stage) as http:
        answer = await http.get(f"/api/scopes/{scope}/health{query}", headers=API)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


async def page(stage: Stage, query: str = "", name: str | ConsoleRole = "admin") -> str:
    answer = await (await stage.signed_in(name)).get(f"/health{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def rows(text: str, table: str) -> list[list[str]]:
    """Return what a table of a page says."""
    found = re.search(rf'aria-label="{table}".*?</table>', text, re.DOTALL)
    assert found is not None, table
    lines = re.findall(r"<tr>(.*?)</tr>", found[0].split("<tbody>")[1], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in lines]
    return [[re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", cell)).strip() for cell in line] for line in cells]


async def test_the_page_shows_the_numbers_of_the_api() -> None:
    """Decisions, matches, new profiles and refusals of the last hours; profiles and devices as they were counted last."""
    async with running() as stage:
        await populate(stage)
        told, text = await api(stage), await page(stage)
        assert len(told["intervals"]) == 24
        whole = told["whole"]
        assert whole["decisions"]["created_known"] + whole["decisions"]["became_known"] == SHARERS
        assert sum(whole["decisions"].values()) == 2 * SHARERS + 1
        assert whole["matches"]["customerid"] >= 1
        assert sum(one["count"] for one in whole["new_profiles"]) == sum(
            whole["decisions"][one] for one in ("created", "created_known", "created_without_identities")
        )
        assert {(one["workspace"], one["input"]) for one in whole["new_profiles"]} == {("100", "app")}
        reasons = {(one["surface"], one["reason"], one["input"]): one["count"] for one in whole["refusals"]}
        assert reasons["idsync", "wrong_secret", "app"] == 1
        assert reasons["idsync", "key_only_not_allowed", "app"] == 1
        assert [one["surface"] for one in whole["refusals"]].count("events") == 1
        assert told["refused_before_scope"] == [{"surface": "idsync", "reason": "unknown_key", "count": 1}]
        assert told["profiles"]["known"] == SHARERS
        assert told["devices"]["largest"][0]["anonymous_profiles"] == SHARERS
        refused = rows(text, "Refusals by input and reason")
        assert ["wrong_secret", "idsync", "app (Own shop)", "1"] in refused
        assert ["unknown_key", "idsync", "any scope: it was not known", "1"] in refused
        assert sum(int(line[-1]) for line in refused) == sum(reasons.values()) + 1
        ended = rows(text, r"Decisions, by hour \(UTC\), as a table")[-1]
        assert sum(int(cell) for cell in ended[1:]) == 2 * SHARERS + 1
        assert len(rows(await page(stage, "?time=month"), r"Decisions, by day \(UTC\), as a table")) == 30


async def test_each_scope_and_environment_stands_for_itself() -> None:
    """Nothing of one is told of another, but what was refused before anybody knew which it was."""
    async with running() as stage:
        await populate(stage)
        elsewhere = await api(stage, scope="tv")
        assert elsewhere["whole"]["requests"] == 0
        assert elsewhere["profiles"]["known"] == 0
        assert elsewhere["refused_before_scope"][0]["count"] == 1
        development = await api(stage, "?environment=development")
        assert sum(development["whole"]["decisions"].values()) <= 1
        assert "Far TV" not in await page(stage)
        assert DEVICE not in await page(stage, "?scope=tv")


async def test_identities_are_masked_and_looks_are_noted() -> None:
    """A reader sees that a device is shared, not which one; whose profiles were shown is noted."""
    async with running() as stage:
        await populate(stage)
        assert DEVICE in await page(stage)
        text = await page(stage, name=ConsoleRole.READER)
        assert DEVICE not in text
        assert "masked for your role" in text
        noted = [(who, what) for _, who, what, _ in await stage.audited()]
        assert len([one for one in noted if one[1] == "showIdentityHealth"]) == 2


async def test_a_crowd_that_is_gone_is_not_shown() -> None:
    """What was counted names no value: it is looked up, and says nothing where it is so no longer."""
    async with running() as stage:
        await populate(stage)
        told = await api(stage)
        mpid = told["devices"]["largest"][0]["mpid"]
        async with sender(stage) as http:
            changes = [{"identity_type": "ios_idfv", "old_value": DEVICE, "new_value": "another"}]
            body = {"environment": "production", "identity_changes": changes}
            assert (await http.post(f"/v1/{mpid}/modify", json=body, auth=OWN)).status_code == 200
        text = await page(stage)
        assert "it has no longer so many" in text
        assert DEVICE not in text


async def test_jobs_under_way_and_toxic_values_are_told() -> None:
    """A check that waits, and a value that was blocked in this scope and environment."""
    async with running() as stage:
        job = await stage.service.self_check.ask()
        async with sender(stage) as http:
            body = {"type": "email", "value": "nobody@example.com"}
            assert (await http.post("/api/scopes/shop/toxic/block", json=body, headers=API)).status_code == 200
        told, elsewhere = await api(stage), await api(stage, scope="tv")
        assert [(one["id"], one["kind"], one["state"]) for one in told["jobs_under_way"]] == [
            (job, "self_check", "queued")
        ]
        assert elsewhere["jobs_under_way"] == told["jobs_under_way"]
        assert told["toxic"] == {"watched": 0, "quarantined": 1, "released": 0}
        assert elsewhere["toxic"]["quarantined"] == 0
        text = await page(stage)
        assert "self check" in text
        assert "none has been done yet" in text
        assert told["self_check"] is None


async def test_a_check_that_failed_is_told() -> None:
    """With why, until one comes to its end."""
    async with running() as stage:
        jobs = stage.service.jobs
        job = await jobs.add(JobKind.SELF_CHECK, EVERY_SCOPE, {})
        await jobs._end(job, "the disk was full")
        told = (await api(stage))["self_check_failed"]
        assert told["why"] == "the disk was full"
        text = await page(stage)
        assert "the last one failed" in text
        assert "the disk was full" in text


async def test_who_brings_profiles_over_is_refused_by_scope() -> None:
    """And a page's batch that is refused after all, by its input."""
    async with running() as stage:
        async with sender(stage) as http:
            seeded = await http.post("/v2/calculatedattributes", json={}, auth=("ws-own-key", "own-secret"))
            assert seeded.status_code == 400
            assert (await http.post(f"/v3/JS/{OWN[0]}/events", content=b"no JSON")).status_code == 202
        refusals = (await api(stage))["whole"]["refusals"]
        assert {(one["surface"], one["workspace"], one["input"]) for one in refusals} == {
            ("seeding", None, None),
            ("websdk", "100", "app"),
        }


async def test_what_is_not_known_is_said() -> None:
    """Before anything was counted, and for times that there are not."""
    async with running() as stage:
        text = await page(stage)
        assert "Profiles have not been counted yet." in text
        assert "No request came in this time." in text
        told = await api(stage)
        assert told["profiles"] is None
        assert told["devices"] is None
        assert all(one["traffic"] is None for one in told["intervals"])
        browser = await stage.signed_in()
        for query in ("?time=ever", "?scope=nowhere", "?environment=test"):
            assert (await browser.get(f"/health{query}")).status_code == 400


@pytest.mark.parametrize(
    ("query", "code"),
    [("?by=week", "invalid_by"), ("?from=today", "invalid_time"), ("?to=2026-13-01T00:00:00Z", "invalid_time")],
)
async def test_a_question_that_makes_no_sense_is_refused(query: str, code: str) -> None:
    """With a stable reason."""
    async with running() as stage, sender(stage) as http:
        answer = await http.get(f"/api/scopes/shop/health{query}", headers=API)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_a_time_is_cut_out() -> None:
    """From the hour that has one time to the last that begins before another; of what is not kept any more nothing is told."""
    async with running() as stage:
        await populate(stage)
        last = (await api(stage))["intervals"][-1]["at"]
        stage.clock.ahead_ms += 3 * Span.HOUR.length_ms
        told = await api(stage, f"?from={last}")
        assert [bool(one["traffic"]["requests"]) for one in told["intervals"]] == [True, False, False, False]
        told = await api(stage, f"?from={last}&to={told['intervals'][1]['at']}")
        assert [one["at"] for one in told["intervals"]] == [last]
        assert len((await api(stage, "?from=1999-01-01T00:00:00Z"))["intervals"]) == Span.HOUR.kept
        assert len((await api(stage, "?by=day&from=1999-01-01T00:00:00%2B01:00"))["intervals"]) == Span.DAY.kept
        assert (await api(stage, "?from=2999-01-01T00:00:00Z"))["intervals"] == []


async def test_a_batch_that_is_refused_after_all_is_counted() -> None:
    """Its sender was told 202; the decision about it counts like that of any other request."""
    async with running() as stage:
        async with sender(stage) as http:
            for batch in (
                {"environment": "production", "user_identities": {"customer_id": "c"}, "events": []},
                {"environment": "production", "mpid": "17", "events": []},
            ):
                answer = await http.post("/v2/events", json=batch, auth=OWN)
                assert answer.status_code == 202, answer.text
        whole = (await api(stage))["whole"]
        assert whole["decisions"]["created_known"] == 1
        (refused,) = whole["refusals"]
        assert (refused["surface"], refused["reason"], refused["input"]) == ("events", "unknown_mpid", "app")


async def test_aliases_that_are_refused_are_counted() -> None:
    """By the input whose key is in the path, whoever asks."""
    async with running() as stage:
        async with sender(stage) as http:
            path = f"/v1/identity/{OWN[0]}/alias"
            assert (await http.post(path, json={}, auth=OWN)).status_code == 400
            wrong = base64.b64encode(b"old-key:guessed").decode()
            assert (await http.post(path, json={}, headers={"authorization": f"Basic {wrong}"})).status_code == 401
        refusals = (await api(stage))["whole"]["refusals"]
        assert {(one["surface"], one["input"]) for one in refusals} == {("alias", "app")}
        assert sum(one["count"] for one in refusals) == 2


def test_more_reasons_than_colours_are_drawn_together() -> None:
    """The most frequent by themselves; where nothing was counted, nothing is known."""
    tally = {(Source("shop"), RefusedFor("idsync", f"reason-{number}")): number for number in range(1, 12)}
    tally[NOWHERE, RefusedFor("idsync", "unknown_key")] = 1_000
    traffic = traffic_of([tally], "shop", "production")
    period = Period(Span.DAY, [Interval(0, None), Interval(Span.DAY.length_ms, traffic)], traffic, {})
    chart: Chart = refusals_chart(period)
    assert [one.name for one in chart.series] == [f"reason-{number}" for number in range(11, 4, -1)] + ["all others"]
    assert [one.values[1] for one in chart.series] == [*range(11, 4, -1), 1 + 2 + 3 + 4]
    assert all(one.values[0] is None for one in chart.series)
    assert list(chart.labels) == ["01 Jan", "02 Jan"]


def test_devices_are_told_by_how_many_anonymous_profiles_they_have() -> None:
    """Each device once."""
    classes = device_classes(CrowdCounts(100, (40, 20, 8, 1)))
    assert classes == [("none or one", 60), ("2 to 5", 20), ("6 to 20", 12), ("21 to 100", 7), ("101 and more", 1)]
    assert sum(count for _, count in device_classes(CrowdCounts(0, ()))) == 0
    assert (percent_words(None), percent_words(0.1234)) == ("not known", "12.3\N{NO-BREAK SPACE}%")
