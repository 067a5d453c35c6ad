"""`knownas serve --workers`: several processes behind one address, over one PostgreSQL database."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served, stop
from tests.store.places import PLACES, Place
from tests.waiting import wait_until

WORKERS, CLIENTS, VALUES = 3, 12, 100
SOON_SECONDS = 20


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give an empty PostgreSQL database."""
    with PLACES["postgres"](tmp_path) as made:
        yield made


@pytest.fixture
def server(place: Place, tmp_path: Path) -> Iterator[Served]:
    """Run a server of several processes."""
    with served(tmp_path, configuration(database=place.url), "--workers", str(WORKERS)) as running:
        yield running


def workers(server: Served) -> set[int]:
    """Return the processes behind the address."""
    pid = server.process.pid
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def log_in(server: Served, value: str) -> str:
    """Log in over a connection of its own and return the MPID."""
    answer = server.ask("login", {"customerid": value})
    assert answer.status_code == 200, answer.text
    return answer.json()["mpid"]


def test_processes_share_the_work_and_agree(server: Served, place: Place) -> None:
    """Clients of several processes who log the same values in at once get one profile for each."""
    assert len(workers(server)) == WORKERS
    answers: defaultdict[str, set[str]] = defaultdict(set)

    def client(_: int) -> None:
        # A connection of its own leads to one of the processes.
        with httpx.Client(base_url=server.url, auth=(KEY, SECRET), timeout=60) as session:
            for number in range(VALUES):
                body = {"environment": "production", "known_identities": {"customerid": f"c{number}"}}
                answer = session.post("/v1/login", json=body)
                assert answer.status_code == 200, answer.text
                answers[f"c{number}"].add(answer.json()["mpid"])

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    assert {value: len(mpids) for value, mpids in answers.items()} == {f"c{number}": 1 for number in range(VALUES)}
    stop(server.process)
    assert place.contradictions() + place.unexplained() == []


def test_a_process_that_ends_is_replaced(server: Served) -> None:
    """One of the processes is killed: the others go on, another takes its place, and nothing is forgotten."""
    before = {str(number): log_in(server, str(number)) for number in range(10)}
    there = workers(server)
    victim = min(there)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(workers(server) - {victim}) == WORKERS, SOON_SECONDS)
    assert there - {victim} < workers(server)
    assert {value: log_in(server, value) for value in before} == before


def test_what_comes_through_any_process_is_followed(server: Served) -> None:
    """Each decision of any process comes once to whoever asks through a new connection each time, with the one place."""
    asked = {server.ask("login", {"customerid": f"c{number}"}).headers["x-decision-id"] for number in range(60)}
    place: dict[str, str] = {}
    seen: list[str] = []
    names: set[str] = set()

    def has_come() -> bool:
        with server.api as api:
            page = api.get("/api/live", params=place).raise_for_status().json()
        place["after"] = page["next"]
        seen.extend(line["decision_id"] for line in page["items"])
        names.update(line["server"] for line in page["items"])
        return set(seen) >= asked

    wait_until(has_come, SOON_SECONDS)
    assert len(seen) == len(asked)
    assert len(names) > 1


def test_all_processes_end_together(server: Served) -> None:
    """Told to stop, the command ends all processes and says that all went well; none stays when it is killed."""
    there = workers(server)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SOON_SECONDS) == 0
    assert not [one for one in there if _lives(one)]


def test_no_process_outlives_the_command(server: Served) -> None:
    """When the command itself is killed, its processes end."""
    there = workers(server)
    server.kill()
    wait_until(lambda: not [one for one in there if _lives(one)], SOON_SECONDS)


def test_a_file_has_one_process(tmp_path: Path) -> None:
    """Several processes over a SQLite file are refused with the reason."""
    said = _refused(tmp_path, "sqlite:///knownas.db")
    assert "--workers takes a PostgreSQL database" in said


def test_a_database_that_is_not_there_stops_the_start(place: Place, tmp_path: Path) -> None:
    """A start over a database that is not there ends with a sentence, and starts no process."""
    url = place.url.replace("/fresh_", "/missing_")
    assert "there is no database" in _refused(tmp_path, url)


def _refused(folder: Path, database: str) -> str:
    file = folder / "knownas.yaml"
    file.write_text(f"database: {database}\n")
    command = [sys.executable, "-m", "knownas", "serve", "--config", str(file), "--port", "0", "--workers", "2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    return done.stderr


def _lives(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
