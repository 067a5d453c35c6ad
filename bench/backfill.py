"""A history becomes durable profiles in a new pool, beside DuckDB and Splink on the same rows in the same run.

The rows are those of `bench.import_file`, each an observation of its time. `--growth` backfills ten times as many rows too, to
see how time and memory grow; that takes a while, and about ten gigabytes of disk. Besides the time by the clock, which
depends on what else the machine does, the processor's time is told of both sides. Needs duckdb, pyarrow and splink.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

from bench.contest import Say
from bench.import_file import configuration, count_rows, environment, generated, others_on
from bench.load import LoadFailed
from bench.report import Finding, Goal

TIMES_THE_OTHERS: Final = 5.0
TIMES_FOR_TENFOLD: Final = 12.0
TENFOLD: Final = 10
LOOK_SECONDS: Final = 0.5
_MAPPING: Final = """
columns:
  customer_id: ignore
  created_at: time
  truth: ignore
  phone: {identity: mobile_number}
  loyalty_id: {identity: other}
  device_id: {identity: mp_deviceid}
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file (%(default)s)")
    parser.add_argument("--growth", action="store_true", help="backfill ten times as many rows as well")
    parser.add_argument("--file", type=Path, help="a Parquet file of such rows, instead of one made here")
    parser.add_argument("--large-file", type=Path, help="likewise, with ten times as many")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Backfill, let the others do their part, and backfill more."""
    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="backfill-") as name:
        folder = Path(name)
        file = options.file or generated(folder / "rows.parquet", options.rows)
        mine = _backfilled(folder / "one", file, say)
        others = others_on(file, folder, say)
        goals = [
            Goal(
                "backfill_time_over_duckdb_and_splink", [mine["seconds"] / others["seconds"]], at_most=TIMES_THE_OTHERS
            )
        ]
        measured: dict[str, Any] = {"rows": count_rows(file), "backfill": mine, "others": others}
        measured["processor_time_over_the_others"] = round(mine["processor_seconds"] / others["processor_seconds"], 2)
        if options.growth or options.large_file:
            large = options.large_file or generated(folder / "many.parquet", options.rows * TENFOLD)
            ten = _backfilled(folder / "ten", large, say)
            measured["backfill_of_ten_times_the_rows"] = ten
            measured["processor_time_for_ten_times_the_rows"] = round(
                ten["processor_seconds"] / mine["processor_seconds"], 2
            )
            growth = ten["seconds"] / mine["seconds"]
            goals.append(Goal("time_for_ten_times_the_rows", [growth], at_most=TIMES_FOR_TENFOLD))
    return Finding(goals=goals, measured=measured)


def _backfilled(folder: Path, file: Path, say: Say) -> Mapping[str, Any]:
    """Backfill a file by the command line into a new database, and measure its processes together."""
    folder.mkdir()
    (folder / "knownas.yaml").write_text(json.dumps(configuration()))
    (folder / "mapping.yaml").write_text(_MAPPING)
    command = [sys.executable, "-m", "knownas", "backfill", str(file.resolve()), "--input", "crm"]
    command += ["--mapping", "mapping.yaml"]
    began = perf_counter()
    with (folder / "told").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, env=environment())
        memory, disk = _Memory(process.pid), 0
        ended = 0
        while not ended:
            memory.look()
            disk = max(disk, _bytes_in(folder))
            sleep(LOOK_SECONDS)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    if process.returncode:
        raise LoadFailed(f"the backfill ended with {process.returncode}: {told}")
    rows = count_rows(file)
    report = json.loads((folder / "backfill.report.json").read_text())
    size = (folder / "knownas.db").stat().st_size
    for part in folder.glob("knownas.db*"):
        part.unlink()
    say(f"backfill of {rows} rows: {seconds:.1f} s, {memory.megabytes:.0f} MB")
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "processor_microseconds_a_row": round((usage.ru_utime + usage.ru_stime) / rows * 1e6, 1),
        "memory_megabytes_at_once": round(memory.megabytes, 1),
        "disk_bytes_at_once": disk,
        "database_bytes": size,
        "profiles": report["profiles"],
        "decisions": report["log"],
        "seconds_of_steps": report["seconds"],
        "told": told.splitlines(),
    }


def _bytes_in(folder: Path) -> int:
    total = 0
    # Files and folders go while they are looked at: what was there a moment ago is passed over.
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(Path(place) / name).st_size
    return total


class _Memory:
    """The memory that a process and its children had at one moment, shared pages counted once: the most so far."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.megabytes = 0.0

    def look(self) -> None:
        """Ask Linux once more."""
        try:
            children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
            for task in Path(f"/proc/{self._pid}/task").iterdir():
                children += (task / "children").read_text().split()
        except OSError:
            return
        total = sum(map(_proportional_kilobytes, {str(self._pid), *children})) / 1024
        self.megabytes = max(self.megabytes, total)


def _proportional_kilobytes(pid: str) -> int:
    try:
        lines: Sequence[str] = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        # It has ended meanwhile.
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
