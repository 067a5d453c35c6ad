"""`knownas backfill`: what it shows and refuses, and that a kill at any moment costs nothing but time."""

import asyncio
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from knownas.core.identity.observation import Environment
from knownas.core.identity.record import Record
from knownas.store.opening import open_store
from knownas.store.port import Pool
from tests.batch.files import write_csv
from tests.served import configuration
from tests.store.world import records_in

ROWS = 4_000
COMMAND = ("history.csv", "--input", "crm", "--mapping", "mapping.yaml")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `knownas backfill` in a folder."""
    return subprocess.run(_command(arguments), cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "knownas", "backfill", *arguments]


def prepared(folder: Path, rows: int = ROWS) -> Path:
    """Make a folder with a configuration and a history in which people come again and again."""
    folder.mkdir(exist_ok=True)
    (folder / "knownas.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(configuration()))))
    (folder / "mapping.yaml").write_text("columns: {seen: time, notes: ignore}\n")
    chance = random.Random(1)
    history = [
        {
            "seen": f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T12:00:00Z",
            "customer_id": f"c{person}" if chance.random() < 0.5 else "",
            "mp_deviceid": f"d{person}.{chance.randrange(3)}",
            "city": chance.choice(["Ghent", "Gdansk"]),
            "notes": "x",
        }
        for person in (chance.randrange(rows // 8) for _ in range(rows))
    ]
    write_csv(folder / "history.csv", history)
    return folder


def people_in(folder: Path) -> list[Any]:
    """Return what the profiles of the scope hold, without their names, which are drawn anew each time."""

    async def look() -> list[Record]:
        store = open_store(f"sqlite:///{folder / 'knownas.db'}")
        found = await records_in(store, Pool("shop", Environment.PRODUCTION))
        await store.close()
        return list(found.values())

    records = asyncio.run(look())
    return sorted(
        (one.created_ms, one.active_ms, one.known, sorted(one.identities.items()), sorted(one.carried.items()))
        for one in records
    )


def test_a_history_is_backfilled_once_and_reported(tmp_path: Path) -> None:
    """The command says what came of the rows and names the refused ones; a second run is refused, and changes nothing."""
    folder = prepared(tmp_path, rows=200)
    with (folder / "history.csv").open("a") as file:
        file.write("never,c1,d1,Ghent,x\n")
    done = run(folder, *COMMAND)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "backfill.report.json").read_text())
    assert report["rows"] == 201
    assert report["reasons"] == {"invalid_time": 1}
    assert report["profiles"] == len(people_in(folder))
    assert f"{report['profiles']:,} profiles" in done.stdout
    with (folder / "backfill.refused.csv").open() as file:
        assert [(row["file"], row["row"], row["reason"]) for row in csv.DictReader(file)] == [
            ("history.csv", "201", "invalid_time")
        ]
    assert not (folder / "backfill.work").exists()
    before = people_in(folder)
    again = run(folder, *COMMAND)
    assert again.returncode == 1
    assert "has been used: shop (production)" in again.stderr
    assert people_in(folder) == before


def test_a_quarantine_is_told_and_listed(tmp_path: Path) -> None:
    """Where the scope quarantines, junk of a history is set aside, told by the command, and on the list."""
    folder = prepared(tmp_path, rows=100)
    told = configuration()
    told["scopes"][0].setdefault("settings", {})["toxic"] = {"mode": "quarantine"}
    (folder / "knownas.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(told))))
    with (folder / "history.csv").open("a") as file:
        file.writelines(f"2025-01-01T12:00:00Z,,{device},Ghent,x\n" for device in ("null", "d1.1"))
    done = run(folder, *COMMAND)
    assert done.returncode == 0, done.stderr
    assert "quarantined: device_application_stamp 'null', in 1 rows" in done.stdout
    report = json.loads((folder / "backfill.report.json").read_text())
    assert report["reasons"] == {"no_identities": 1}
    listed = subprocess.run(
        [sys.executable, "-m", "knownas", "toxic", "list"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "null" in listed.stdout


def test_columns_that_cannot_be_a_history_stop_it_before_it_begins(tmp_path: Path) -> None:
    """Without a time, or with an MPID, nothing is read: all such faults are told at once."""
    folder = prepared(tmp_path, rows=10)
    (folder / "mapping.yaml").write_text("columns: {seen: ignore, notes: {attribute: notes}}\n")
    text = (folder / "history.csv").read_text().replace("city", "mpid")
    (folder / "history.csv").write_text(text)
    done = run(folder, *COMMAND)
    assert done.returncode == 1
    assert "no column says when" in done.stderr
    assert "nobody has an MPID yet" in done.stderr
    assert not (folder / "backfill.work").exists()


@pytest.mark.soak
def test_kills_cost_nothing_but_time(tmp_path: Path) -> None:
    """Killed again and again at any moment, the same command comes to the same as without; no process is left behind."""
    whole = prepared(tmp_path / "whole")
    began = time.monotonic()
    assert run(whole, *COMMAND).returncode == 0
    seconds = time.monotonic() - began
    killed, chance = prepared(tmp_path / "killed"), random.Random(2)
    for _ in range(3):
        process = subprocess.Popen(
            _command(COMMAND), cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(chance.uniform(0.3, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not people_in(killed) or people_in(killed) == people_in(whole)
        deadline = time.monotonic() + 60
        while _of_group(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _of_group(process.pid)
    last = run(killed, *COMMAND)
    assert last.returncode == 0 or "has been used" in last.stderr, last.stderr
    assert people_in(killed) == people_in(whole)


def _of_group(group: int) -> list[str]:
    """Return the processes of a group that still run."""
    found: list[str] = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(one.name)) == group and "Z" not in (one / "stat").read_text().rpartition(")")[2][:3]:
                found.append(one.name)
        except (OSError, ProcessLookupError):
            continue
    return found
