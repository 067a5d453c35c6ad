"""Runs every benchmark at a tiny size: what it measures then means nothing, but that it can be measured does."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.contest import Contender, Contest, Plan, Sample, contest
from bench.load import Load, LoadFailed, Question, load, load_from
from bench.population import CROWDED_STAMP, PROFILES_MAX, Population, identities_of, mpid_of, user
from bench.report import Goal
from bench.seeding import CROWD_IDENTITY, POOL, SeedingFailed, copied, seed_through_resolver, seeded
from bench.served import arena, crowded_device, known_users
from bench.serving import ROOT, WEB_KEY, Kind
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.store.port import Wanted
from knownas.store.sqlite.store import SqliteStore

pytestmark = pytest.mark.xdist_group("bench")
"""Two loads at once would take each other's processor: then a server can have no time to answer at all."""

SHORT = ("--rounds", "1", "--seconds", "1", "--warm-up", "1")
TOLD = {
    "requests": 7,
    "duration_us": 2_000_000,
    "p50_us": 1_500,
    "p90_us": 2_000,
    "p99_us": 9_000,
    "max_us": 9_500,
    "errors": {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0},
    "statuses": None,
}


def run(name: str, cache: Path, options: Sequence[str]) -> dict[str, Any]:
    """Run a benchmark the way a person does, and return its report."""
    file = cache / "reports" / f"{name}.json"
    finished = subprocess.run(
        [sys.executable, "-m", "bench", name, "--json", str(file), "--cache", str(cache), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["benchmark"] == name
    return report


@pytest.mark.parametrize(
    ("name", "options", "contenders"),
    [
        ("known_user", ("--profiles", "300"), {"noop", "ours"}),
        pytest.param("known_user", ("--profiles", "300", "--stale"), {"noop", "ours"}, marks=pytest.mark.soak),
        pytest.param("new_profile", ("--profiles", "300"), {"noop", "ours"}, marks=pytest.mark.soak),
        ("new_profile", ("--profiles", "300", "--store", "postgres", "--seconds", "3"), {"noop", "ours"}),
        ("crowded_device", ("--profiles", "300", "--crowd", "50"), {"noop", "known_user", "crowded_device"}),
        ("hot_users", ("--profiles", "300"), {"noop", "hot", "anybody"}),
        ("growth", ("--small", "200", "--large", "400"), {"noop", "small", "large"}),
    ],
)
def test_measures_beside_a_server_that_does_nothing(
    name: str, options: Sequence[str], contenders: set[str], tmp_path: Path
) -> None:
    """Each benchmark over HTTP measures every contender in the same run, and holds the result against its goal."""
    report = run(name, tmp_path, (*SHORT, *options))
    goal, *bare = report["goals"]
    assert goal["result"] > 0
    assert len(goal["samples"]) == 1
    assert [one["result"] > 0 for one in bare] == [True] * ("postgres" in options)
    for contender in contenders:
        measured = report["measured"][contender]
        assert measured["rate"] > 0
        assert 0 < measured["p50_ms"] <= measured["p99_ms"]
        assert len(measured["samples"]) == 1


def test_measures_the_decision_alone(tmp_path: Path) -> None:
    """The decision's benchmark tells its time, and what a million profiles take in memory and on the disk."""
    report = run("decision", tmp_path, ("--profiles", "300", "--stored", "300", "--decisions", "50", "--rounds", "2"))
    times = report["measured"]["us_per_decision"]
    assert set(times) == {"known_user_returns", "new_profile", "conversion", "crowded_device"}
    assert all(one["median"] > 0 and len(one["samples"]) == 2 for one in times.values())
    assert report["measured"]["memory"]["bytes_per_million"] > 0
    assert report["measured"]["sqlite"]["bytes_per_million"] > 0


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def test_measures_an_erasure(store: str, tmp_path: Path) -> None:
    """Erasures of few and of many events, and of lines, are completed in each round, and what free space takes is told apart."""
    sizes = ("--others", "200", "--events", "200", "--lines", "200", "--rounds", "2")
    report = run("erasure", tmp_path, (*sizes, "--store", store))
    (goal,) = report["goals"]
    assert len(goal["samples"]) == 2
    for name in ("few", "many", "few_lines", "many_lines"):
        taken = report["measured"][name]
        assert 0 < taken["free_space_seconds"] < taken["seconds"]
        assert len(taken["samples"]) == 2


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def test_measures_deliveries(store: str, tmp_path: Path) -> None:
    """Messages reach outputs, and questions are answered, in each round, beside outputs that hang and that take."""
    sizes = ("--messages", "500", "--asks", "200", "--rounds", "2")
    report = run("deliveries", tmp_path, (*sizes, "--store", store))
    (goal,) = report["goals"]
    assert len(goal["samples"]) == 2
    assert all(value > 0 for value in report["measured"].values())


def test_measures_events_beside_a_hundred_audiences(tmp_path: Path) -> None:
    """Batches are accepted and everybody is judged in the end, in each round."""
    report = run("audiences_events", tmp_path, (*SHORT, "--profiles", "40"))
    accepted, judged = report["goals"]
    assert accepted["result"] >= judged["result"] > 0
    assert len(report["measured"]["samples"]) == 1


def test_measures_the_backfill_of_an_audience(tmp_path: Path) -> None:
    """Ours and DuckDB find the same members, of attributes and of events."""
    report = run("audiences_backfill", tmp_path, ("--profiles", "3000", "--rounds", "1"))
    assert [one["result"] > 0 for one in report["goals"]] == [True, True]
    assert all(0 < report["measured"][name]["members"] < 3000 for name in ("attributes", "events"))


def test_measures_beside_a_webhook_that_hangs(tmp_path: Path) -> None:
    """Known users are answered while messages wait for it."""
    report = run("audiences_dead_output", tmp_path, (*SHORT, "--profiles", "300"))
    (goal,) = report["goals"]
    assert goal["result"] > 0
    assert report["measured"]["waiting_at_least"] > 0


def test_a_seeded_database_holds_what_was_asked_for(tmp_path: Path) -> None:
    """Every seeded user and the whole crowd are found through the store; a second call finds the file again."""
    population = Population(60, crowd=HOLDERS_CONSIDERED_MAX + 4)
    file = seeded(population, tmp_path)
    changed = file.stat().st_mtime_ns

    async def found() -> None:
        store = SqliteStore(copied(file, tmp_path / "copy.db"))
        try:
            everybody = list(range(1, 61))
            loaded = await store.load([Wanted(POOL, identities_of(number)) for number in everybody])
            records = {record.mpid: record for record in loaded.pools[POOL].records}
            assert set(records) == {mpid_of(number) for number in everybody}
            assert all(records[mpid_of(n)].identities == user(n, 0).identities for n in everybody)
            crowd = (await store.load([Wanted(POOL, (CROWD_IDENTITY,))])).pools[POOL]
            assert crowd.crowded == [CROWD_IDENTITY]
            assert len(list(crowd.records)) == HOLDERS_CONSIDERED_MAX
        finally:
            await store.close()

    asyncio.run(found())
    assert seeded(population, tmp_path) == file
    assert file.stat().st_mtime_ns == changed


def test_seeding_through_the_resolver_keeps_a_log(tmp_path: Path) -> None:
    """Users made the way of a server are in the log, each with the decision that made it."""
    file = tmp_path / "made.db"
    asyncio.run(seed_through_resolver(file, 20))

    async def logged() -> int:
        store = SqliteStore(file)
        try:
            return len(await store.log(POOL, 0, 100))
        finally:
            await store.close()

    assert asyncio.run(logged()) == 20


def test_a_population_has_a_limit() -> None:
    """More users than the load generator can count exactly are refused."""
    with pytest.raises(ValueError, match="profiles"):
        Population(PROFILES_MAX + 1)


@pytest.mark.parametrize(
    "told",
    [
        {**TOLD, "errors": {**TOLD["errors"], "status": 1}},
        {**TOLD, "errors": {**TOLD["errors"], "timeout": 1}},
        {**TOLD, "statuses": {"200": 6, "503": 1}},
        {**TOLD, "statuses": {"204": 7}},
        {**TOLD, "requests": 0},
    ],
)
def test_any_answer_but_200_ends_a_benchmark(told: dict[str, Any]) -> None:
    """An error, another status, or no answer at all is a failure and not a fast result."""
    with pytest.raises(LoadFailed):
        load_from(told)


def test_a_load_is_read_in_seconds_and_milliseconds() -> None:
    """What the load generator tells in microseconds is reported as a rate and in milliseconds."""
    read = load_from(TOLD)
    assert (read.rate, read.p50_ms, read.p99_ms) == (3.5, 1.5, 9.0)


def test_a_refusing_server_fails_the_load(tmp_path: Path) -> None:
    """A server that answers 401 is not measured; the failure counts its answers by status."""
    with arena(tmp_path, lambda _: None) as place:
        server = place.ours("ours", Population(5), writes=True)
        with pytest.raises(LoadFailed, match="401"):
            load(server.url, "a key of nobody", known_users(5), 1, connections=2, look=True)


def test_another_decision_than_meant_ends_a_benchmark(tmp_path: Path) -> None:
    """Users who should come back and are new instead are noticed, although every answer is 200."""
    with arena(tmp_path, lambda _: None) as place:
        server = place.ours("ours", Population(5), writes=True)
        strangers = Contender("ours", [server], known_users(5_000), "known")
        with pytest.raises(LoadFailed, match="created"):
            contest([strangers], Plan(1, 1, 1, connections=2), lambda _: None)


def test_servers_tell_what_they_use(tmp_path: Path) -> None:
    """Processor time, memory and decisions of a server can be read while it runs."""
    with arena(tmp_path, lambda _: None) as place:
        noop = place.noop()
        server = place.ours("ours", Population(5, crowd=50), writes=False)
        assert (noop.servers[0].kind, server.kind) == (Kind.NOOP, Kind.OURS)
        before = server.cpu_seconds()
        answered = load(server.url, WEB_KEY, crowded_device(), 1, connections=2, look=True)
        assert answered.statuses == {"200": answered.requests}
        # Those under way when the load ended are decided too.
        decided = server.outcomes()
        assert set(decided) == {"anonymous"}
        assert answered.requests <= decided["anonymous"] <= answered.requests + 2
        assert server.cpu_seconds() > before
        assert server.resident_bytes() > 0


def test_a_crowded_question_names_the_crowd() -> None:
    """The device that is asked about is the one that was seeded."""
    assert crowded_device() == Question("device", {"stamp": CROWDED_STAMP})
    assert CROWD_IDENTITY.value == CROWDED_STAMP


def test_ratios_compare_contenders_within_a_round() -> None:
    """Each round's samples are compared with each other, by rate and by processor time."""

    def sample(requests: int, cpu_us: float) -> Sample:
        return Sample(Load(requests, 1.0, 1, 1, 1, 1, None), cpu_us)

    result = Contest({"noop": [sample(100, 20), sample(50, 40)], "ours": [sample(50, 50), sample(10, 100)]})
    assert result.ratios("ours", "noop") == [0.5, 0.2]
    assert result.cpu_ratios("ours", "noop") == [0.4, 0.4]


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("rate", (0.1, 0.5, 0.9), at_least=0.5), True),
        (Goal("rate", (0.1, 0.4, 0.9), at_least=0.5), False),
        (Goal("time", (1.0, 1.3, 9.0), at_most=1.3), True),
        (Goal("time", (1.0, 1.4, 9.0), at_most=1.3), False),
    ],
)
def test_the_median_decides_whether_a_goal_is_met(goal: Goal, *, met: bool) -> None:
    """One noisy round changes nothing: the median is held against the goal, from either side."""
    assert goal.met is met


def test_a_wrong_seed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in which a user can't be found is not kept."""
    monkeypatch.setattr("bench.seeding.identities_of", lambda number: identities_of(number + 1_000))
    with pytest.raises(SeedingFailed):
        seeded(Population(5), tmp_path)
    assert list(tmp_path.iterdir()) == []
