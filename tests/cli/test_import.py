"""`knownas import`: what it shows and refuses, and that neither a kill nor a second run makes a row count twice."""

import asyncio
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from knownas.core.identity.record import Record
from knownas.service.profile.sections import Sections
from knownas.store.opening import open_store
from knownas.store.port import Pool
from tests.batch.dying import BESIDE, OTHER_KILLED
from tests.batch.files import Cells, people, write_csv, write_json_lines
from tests.served import FEED_KEY, configuration, served

COMMAND = ("people.csv", "--input", "crm")
RUNS_MAX = 40


def run(folder: Path, *arguments: str, dying: tuple[str, int] = ("", 0)) -> subprocess.CompletedProcess[str]:
    """Run `knownas import` in a folder, with chunks of 40 rows; it may die at a step (`tests.batch.dying`)."""
    return subprocess.run(
        _command(dying, arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=_environment(),
        check=False,
    )


def _environment() -> dict[str, str]:
    """Return an environment in which the tests' own modules are found from any folder."""
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def _command(dying: tuple[str, int], arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "tests.batch.dying", dying[0], str(dying[1]), *arguments]


def prepared(folder: Path, rows: list[dict[str, str]], **settings: Any) -> Path:
    """Make a folder with a configuration and a file of people."""
    folder.mkdir(exist_ok=True)
    (folder / "knownas.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(configuration(settings or None)))))
    write_csv(folder / "people.csv", rows)
    return folder


@dataclass(frozen=True)
class State:
    """All that an import leaves, with rows in the place of MPIDs, which are random."""

    rows: list[tuple[str, str, str]]
    """Row, outcome and the first row of the same profile."""
    records: Mapping[str, Any]
    sections: Mapping[str, Any]
    logged: int


def state_of(folder: Path) -> State:
    """Read the result file and the database."""
    return asyncio.run(_state(folder))


async def _state(folder: Path) -> State:
    results = _results(folder)
    first: dict[str, str] = {}
    for result in results:
        first.setdefault(result["mpid"], result["row"])
    store = open_store(f"sqlite:///{folder / 'knownas.db'}")
    try:
        pool = Pool("shop", "production")
        records = await store.records(pool, None, 100_000)
        logged = await store.log(pool, 0, 100_000)
        known = {one["decision_id"] for one in results} - {""}
        assert known == {entry.decision_id for entry in logged}
        sections: dict[str, Any] = {}
        for record in records:
            (section,) = (await Sections(store.user_data).of_profile(record.mpid)).values()
            sections[first[str(record.mpid)]] = {name: one.value for name, one in section.attributes.items()}
        rows = [(one["row"], one["outcome"], first[one["mpid"]]) for one in results]
        return State(rows, {first[str(one.mpid)]: _shown(one) for one in records}, sections, len(logged))
    finally:
        await store.close()


def _results(folder: Path) -> list[dict[str, str]]:
    with (folder / "people.csv.results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _shown(record: Record) -> dict[str, list[str]]:
    return {kind.value: list(values) for kind, values in record.identities.items()}


def newest_write(folder: Path) -> int:
    """Return when an import has last written down how far it is, in nanoseconds."""
    kept = [*folder.glob("*.progress"), *folder.glob("*.work/done-*")]
    times = [0]
    for file in kept:
        with suppress(FileNotFoundError):
            times.append(file.stat().st_mtime_ns)
    return max(times)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Six hundred rows about two hundred people."""
    return people(600)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> State:
    """What an import leaves that nobody killed."""
    folder = prepared(tmp_path_factory.mktemp("import") / "whole", rows)
    done = run(folder, *COMMAND)
    assert done.returncode == 0, done.stderr
    return state_of(folder)


@pytest.mark.parametrize("often", [3, pytest.param(10, marks=pytest.mark.soak)])
def test_killed_again_and_again_it_ends_as_if_nobody_had(
    tmp_path: Path, rows: list[dict[str, str]], uninterrupted: State, often: int
) -> None:
    """Killed at random moments: the same rows in the result file, each once, the same profiles, the same log."""
    folder = prepared(tmp_path / "killed", rows)
    chance, kills = random.Random(7), 0
    for _ in range(RUNS_MAX):
        if kills == often:
            break
        before = newest_write(folder)
        process = subprocess.Popen(
            _command(("beside-step", 0), COMMAND),
            cwd=folder,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and newest_write(folder) == before:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.2))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
            kills += 1
        else:
            break
    assert kills >= 3
    done = run(folder, *COMMAND)
    assert done.returncode == 0, done.stderr
    assert state_of(folder) == uninterrupted


STEPS: list[tuple[str, tuple[int, ...]]] = [
    ("checkpoint", (1, 2)),
    ("append", (1, 1)),
    ("arrange", (1,)),
    ("remove", (1,)),
    ("step", (2, 4)),
    ("commit", (1, 4)),
    ("sections", (1, 4)),
    ("beside-step", (1, 2)),
    ("beside-commit", (1,)),
    ("beside-sections", (2,)),
    ("beside-append", (1,)),
]
WITHIN_MINUTES = {("before-", name) for name in ("checkpoint", "arrange", "commit", "sections", "beside-commit")} | {
    ("", name) for name in ("append", "remove", "step", "commit", "beside-step", "beside-sections", "beside-append")
}
"""The moments of `make test`: each step once, and what is durable before and after."""


@pytest.mark.parametrize(
    ("moment", "step", "counts"),
    [
        pytest.param(moment, step, counts, marks=[] if (moment, step) in WITHIN_MINUTES else [pytest.mark.soak])
        for step, counts in STEPS
        for moment in ("before-", "")
    ],
)
def test_killed_at_any_step_it_ends_as_if_nobody_had(
    tmp_path: Path,
    rows: list[dict[str, str]],
    uninterrupted: State,
    step: str,
    counts: tuple[int, ...],
    moment: str,
) -> None:
    """Before and after each thing that is made durable: the first time, and later ones, one after the other.

    In one process, and in several, of which each takes pieces.
    """
    folder = prepared(tmp_path / "killed", rows)
    beside = BESIDE if step.startswith(BESIDE) else ""
    for count in counts:
        died = run(folder, *COMMAND, dying=(beside + moment + step.removeprefix(beside), count))
        assert died.returncode == -signal.SIGKILL, died.stderr
    done = run(folder, *COMMAND, dying=(f"{beside}commit", 0))
    assert done.returncode == 0, done.stderr
    assert state_of(folder) == uninterrupted
    assert not list(folder.glob("*.work"))


def test_another_process_that_is_killed_ends_the_import(
    tmp_path: Path, rows: list[dict[str, str]], uninterrupted: State
) -> None:
    """With a sentence about it; the same command goes on, and ends as if nobody had been killed."""
    folder = prepared(tmp_path / "killed", rows)
    died = run(folder, *COMMAND, dying=(OTHER_KILLED, 0))
    assert died.returncode == 1
    assert "a process of the import is gone" in died.stderr
    assert "the same command goes on from there" in died.stderr
    assert run(folder, *COMMAND).returncode == 0
    assert state_of(folder) == uninterrupted


def test_run_twice_it_does_nothing_the_second_time(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    """And says so."""
    folder = prepared(tmp_path, rows)
    assert run(folder, *COMMAND).returncode == 0
    before = state_of(folder)
    again = run(folder, *COMMAND)
    assert "imported before" in again.stdout
    assert state_of(folder) == before


def test_it_tells_how_many_rows_came_to_what(tmp_path: Path) -> None:
    """With the reasons of refusals, and where each row's outcome stands; standard error is silent in a pipe."""
    folder = prepared(tmp_path, [*people(6), {"customer_id": "", "email": "", "plan": "x"}])
    done = run(folder, *COMMAND, "--results", "out.csv")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "7 rows: 2 created" in done.stdout
    assert "refused 1: no_identities" in done.stdout
    lines = (folder / "out.csv").read_text().splitlines()
    assert lines[0] == "row,outcome,mpid,reason,message,decision_id"
    assert lines[7].startswith("7,refused,,no_identities,")
    assert (folder / "out.csv").stat().st_mode & 0o077 == 0


def test_a_preview_shows_columns_and_outcomes_and_makes_nothing(tmp_path: Path) -> None:
    """Not even the database, where there is none yet."""
    folder = prepared(tmp_path, [*people(6), {"customer_id": "", "email": "", "plan": "x"}])
    before = {one.name for one in folder.iterdir()}
    looked = run(folder, *COMMAND, "--preview")
    assert looked.returncode == 0, looked.stderr
    assert "customer_id  identity customerid" in looked.stdout
    assert "plan         attribute plan" in looked.stdout
    assert "2 created" in looked.stdout
    assert "row 7: no_identities" in looked.stdout
    assert {one.name for one in folder.iterdir()} == before


def test_all_faults_of_a_mapping_file_are_told_with_their_lines(tmp_path: Path) -> None:
    """And nothing is imported."""
    folder = prepared(tmp_path, people(6))
    (folder / "map.yaml").write_text("columns:\n  plan: {identity: emial}\n  email: drop\n")
    refused = run(folder, *COMMAND, "--mapping", "map.yaml")
    assert refused.returncode == 1
    assert "map.yaml:2: columns.plan.identity: " in refused.stderr
    assert "map.yaml:3: columns.email: " in refused.stderr
    assert "2 faults in map.yaml; nothing was imported." in refused.stderr
    assert not (folder / "knownas.db").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("people.csv", "--input", "nobody"), "no input has this key or name"),
        (("people.csv",), "Missing option '--input'"),
        (("none.csv", "--input", "crm"), "does not exist"),
        (("knownas.yaml", "--input", "crm"), "a name ends with .csv"),
        (("nobody.csv", "--input", "crm"), "no column says whom a row is about"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_its_reason(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """Before anything is written."""
    folder = prepared(tmp_path, people(6))
    write_csv(folder / "nobody.csv", [{"plan": "gold"}])
    refused = run(folder, *arguments)
    assert refused.returncode != 0
    assert sentence in refused.stderr


def test_profiles_come_over_with_their_mpids(tmp_path: Path) -> None:
    """A file of them in the shape that our own API takes."""
    folder = prepared(tmp_path, people(3))
    over: list[Cells] = [{"mpid": "-77", "identities": {"customerid": ["a"], "email": ["a@x.org", "b@x.org"]}}]
    write_json_lines(folder / "over.jsonl", over)
    done = run(folder, "over.jsonl", "--input", FEED_KEY, "--seed")
    assert done.returncode == 0, done.stderr
    assert (folder / "over.jsonl.results.csv").read_text().splitlines()[1].startswith("1,created,-77,")


def test_a_server_on_the_same_database_sees_what_is_imported(tmp_path: Path) -> None:
    """The import runs beside it; who was imported is found at once."""
    with served(tmp_path) as server:
        write_csv(tmp_path / "people.csv", people(600))
        done = run(tmp_path, *COMMAND)
        assert done.returncode == 0, done.stderr
        found = server.ask("login", {"customerid": "c3"})
        assert found.json()["mpid"] in {one["mpid"] for one in _results(tmp_path)}
