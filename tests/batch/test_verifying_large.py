"""`knownas verify` finds the one row that was altered in a large database, names it, and takes no more memory for a larger log."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from bench.import_file import KEY, MAPPING, configuration

ROWS = 3_000
MANY_ROWS = 1_250_000
"""So many that a million of them change something."""
MEGABYTES_MAX = 300
"""What a process may take at most, however long the log is: Python and numpy, 128 of the database's pages, and a range or a
share of the log. It was 237; with all of the log in one share for each process it was 390, in one range 1,140."""
GROWTH_MAX = 1.5
"""Times the memory for a fifth of the log, which does not fill those pages: it was 1.3, and 2 and 3.1 of those two."""
_MEASURED = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)"
)


def imported(folder: Path, rows: int) -> Path:
    """Make a database of so many rows of customers, some of whom share a phone; return its file."""
    chance = Random(rows)
    folder.mkdir()
    people = rows // 4
    with (folder / "rows.csv").open("w") as file:
        file.write("customer_id,created_at,truth,email,phone,loyalty_id,device_id\n")
        for number in range(rows):
            who = chance.randrange(people)
            email = f"user{who}@example.com" if chance.random() < 0.8 else ""
            phone = f"+1555{who % (people * 19 // 20):08d}" if chance.random() < 0.4 else ""
            file.write(f"{number},2026-01-01T00:00:00Z,{who},{email},{phone},,dev{number}\n")
    (folder / "knownas.yaml").write_text(json.dumps(configuration()))
    (folder / "mapping.yaml").write_text(MAPPING)
    arguments = ("rows.csv", "--input", KEY, "--mapping", "mapping.yaml", "--results", "results.csv")
    done = subprocess.run(
        [sys.executable, "-m", "knownas", "import", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "knownas.db"


def verified(folder: Path) -> tuple[int, str, float]:
    """Run the command; return its status, what it says, and the megabytes that its largest process took."""
    command = [sys.executable, "-m", "knownas", "verify", "--processes", "2", "--no-rows"]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, int(done.stderr.strip().splitlines()[-1]) / 1024


def altered(database: Path) -> tuple[int, int]:
    """Alter one record past the log; return its MPID, and the last line about it."""
    with sqlite3.connect(database) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM profile")
        ((mpid, seq),) = connection.execute(
            "SELECT mpid, max(first_seq, (SELECT coalesce(max(t.seq), 0) FROM touched AS t WHERE t.mpid = p.mpid)) "
            "FROM profile AS p ORDER BY first_seq LIMIT 1 OFFSET ?",
            (count * 2 // 3,),
        )
        connection.execute(
            "UPDATE profile SET identities = replace(identities, '[\"dev', '[\"DEV') WHERE mpid = ?", (mpid,)
        )
    connection.close()
    return int(mpid), int(seq)


def found_in(folder: Path, rows: int) -> float:
    """Check a database, alter a row, and check it again; return the megabytes that the first check took."""
    database = imported(folder, rows)
    status, said, megabytes = verified(folder)
    assert (status, said.splitlines()[-1]) == (0, "everything is as the log folds"), said
    mpid, seq = altered(database)
    status, said, _ = verified(folder)
    assert status == 1, said
    assert said.splitlines()[-1] == "1 differences"
    assert f"profile {mpid}: changed past the log" in said
    assert f"line {seq}\n" in said
    return megabytes


def test_an_altered_row_is_named_on_the_command_line(tmp_path: Path) -> None:
    """With the last observation of its profile; the status says that something differs."""
    found_in(tmp_path / "small", ROWS)


def test_a_database_that_is_not_there_can_not_be_checked(tmp_path: Path) -> None:
    """The status is neither that of a right database nor that of a wrong one."""
    (tmp_path / "knownas.yaml").write_text(json.dumps(configuration()))
    assert verified(tmp_path)[0] not in (0, 1)


@pytest.mark.soak
def test_an_altered_row_among_a_million_observations_is_named(tmp_path: Path) -> None:
    """And no process takes much more memory than for a fifth of the log."""
    fewer = found_in(tmp_path / "fifth", MANY_ROWS // 5)
    many = found_in(tmp_path / "million", MANY_ROWS)
    with sqlite3.connect(tmp_path / "million" / "knownas.db") as connection:
        ((lines,),) = connection.execute("SELECT count(*) FROM log")
    connection.close()
    assert lines >= 1_000_000
    assert many < MEGABYTES_MAX
    assert many < fewer * GROWTH_MAX
