"""A file of customer rows becomes durable profiles, beside DuckDB and Splink on the same rows in the same run.

The rows are those of `gen_identities.py` (e-mail, phone, loyalty id, device, in the strategy best_match): made anew here by the same
rules, since the generator itself is no part of the product. The other side reads the same file, counts the distinct
values of each column with DuckDB, and links and clusters the rows with Splink. A tenth of the rows is imported too, to
see how the time grows. Needs duckdb, pyarrow and splink.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any, Final

from bench.contest import Say
from bench.load import LoadFailed
from bench.report import Finding, Goal

TIMES_THE_OTHERS: Final = 8.0
TIMES_FOR_TENFOLD: Final = 12.0
TENTH: Final = 10
LOOK_SECONDS: Final = 0.2
KEY: Final = "import-bench-key"
MAPPING: Final = """
columns:
  customer_id: ignore
  created_at: ignore
  truth: ignore
  phone: {identity: mobile_number}
  loyalty_id: {identity: other}
  device_id: {identity: mp_deviceid}
"""
_ROWS: Final = """
create table people as select i as pid,
  'user'||i||'@example.com' as e1, case when random() < 0.35 then 'alt'||i||'@example.org' end as e2,
  '+1555'||lpad((i % greatest(1, {people} * 19 // 20))::varchar, 8, '0') as phone, 'L'||i as loy
from range({people}) t(i);
create table drawn as select r as customer_id, floor(random() * {people})::bigint as pid, random() a, random() b,
  random() c2, random() d, random() e, timestamp '2026-01-01' + to_seconds((random() * 2e7)::bigint) as created_at
from range({rows}) t(r);
create table ident as select r.customer_id::varchar customer_id, r.created_at,
  case when a < 0.70 then case when e2 is not null and e < 0.3 then e2 else e1 end end as email,
  case when b < 0.45 then phone end as phone, case when c2 < 0.30 then loy end as loyalty_id,
  'dev'||(r.pid * 3 + (d * 3)::int) as device_id, r.pid as truth
from drawn r join people using (pid) order by r.customer_id;
"""
_COLUMNS: Final = ("email", "phone", "loyalty_id", "device_id")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file (%(default)s)")
    parser.add_argument("--file", type=Path, help="a Parquet file of such rows, instead of one made here")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Import a tenth, then all, and let the others do their part."""
    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="import-") as name:
        folder = Path(name)
        whole = options.file or generated(folder / "whole.parquet", options.rows)
        rows = count_rows(whole)
        tenth = _head(whole, folder / "tenth.parquet", rows // TENTH)
        small = _imported(folder / "small", tenth, say)
        large = _imported(folder / "large", whole, say)
        others = others_on(whole, folder, say)
    times = large["seconds"] / others["seconds"]
    growth = large["seconds"] / small["seconds"]
    return Finding(
        goals=[
            Goal("import_time_over_duckdb_and_splink", [times], at_most=TIMES_THE_OTHERS),
            Goal("time_for_ten_times_the_rows", [growth], at_most=TIMES_FOR_TENFOLD),
        ],
        measured={"rows": rows, "import": large, "import_of_a_tenth": small, "others": others},
    )


def generated(file: Path, rows: int) -> Path:
    """Make a Parquet file of so many rows."""
    import duckdb  # noqa: PLC0415 - only this benchmark needs it

    connection = duckdb.connect()
    connection.execute("set threads = 1; select setseed(0.42)")
    connection.execute(_ROWS.format(rows=rows, people=max(1, int(rows * 0.22))))
    connection.execute(f"copy ident to '{file}' (format parquet)")
    connection.close()
    return file


def count_rows(file: Path) -> int:
    """Return the rows of a Parquet file."""
    from pyarrow import parquet  # noqa: PLC0415 - likewise

    return int(parquet.ParquetFile(file).metadata.num_rows)


def _head(file: Path, to: Path, rows: int) -> Path:
    """Write the rows of a tenth of the people, so that the small file is like the large one."""
    import duckdb  # noqa: PLC0415 - likewise

    connection = duckdb.connect()
    query = f"select * from '{file}' where truth < (select (max(truth) + 1) // {TENTH} from '{file}') limit {rows * 2}"
    connection.execute(f"copy ({query}) to '{to}' (format parquet)")
    connection.close()
    return to


def _imported(folder: Path, file: Path, say: Say) -> Mapping[str, Any]:
    """Import a file by the command line into a new database, and measure the process as a whole."""
    folder.mkdir()
    (folder / "knownas.yaml").write_text(json.dumps(configuration()))
    (folder / "mapping.yaml").write_text(MAPPING)
    command = [sys.executable, "-m", "knownas", "import", str(file.resolve()), "--input", KEY]
    command += ["--mapping", "mapping.yaml", "--results", "results.csv"]
    began = perf_counter()
    with (folder / "told").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, env=environment())
        ended, memory = 0, Memory(process.pid)
        while not ended:
            memory.look()
            sleep(LOOK_SECONDS)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    if process.returncode:
        raise LoadFailed(f"the import ended with {process.returncode}: {told}")
    rows = count_rows(file)
    say(f"import of {rows} rows: {seconds:.1f} s, {rows / seconds:.0f} rows/s, {memory.megabytes:.0f} MB")
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "memory_megabytes": round(memory.megabytes, 1),
        "database_bytes": (folder / "knownas.db").stat().st_size,
        "told": told.splitlines(),
    }


class Memory:
    """The memory of a process and its children, the most that each ever had, added up."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most: dict[str, int] = {}

    @property
    def megabytes(self) -> float:
        """The sum."""
        return sum(self._most.values()) / 1024

    def look(self) -> None:
        """Ask Linux once more."""
        try:
            children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
            for pid in (str(self._pid), *children):
                status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
                self._most[pid] = max(self._most.get(pid, 0), int(status.get("VmHWM", "0").split()[0]))
        except OSError:
            # One of them has ended meanwhile.
            return


def configuration() -> Mapping[str, Any]:
    """Return the configuration of the server that rows are imported into."""
    feed = {"name": "crm", "feed": "custom", "key": KEY, "secret": "import-bench-secret"}
    workspace = {"id": 100, "name": "Shop", "scope": "shop", "key": "workspace-key", "secret": "workspace-secret"}
    return {
        "database": "sqlite:///knownas.db",
        "scopes": [{"name": "shop", "strategy": "best_match"}],
        "organization": {
            "id": 1,
            "name": "Bench",
            "accounts": [{"id": 10, "name": "Retail", "workspaces": [{**workspace, "inputs": [feed]}]}],
        },
    }


def environment() -> dict[str, str]:
    """Return the environment in which another Python finds what this one does."""
    """Return the environment in which another Python finds what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def others_on(file: Path, folder: Path, say: Say) -> Mapping[str, Any]:
    """Let DuckDB count and Splink link and cluster, in a process of their own."""
    command = [sys.executable, "-m", "bench.import_file", str(file.resolve())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise LoadFailed(f"DuckDB and Splink failed: {done.stderr[-2_000:]}")
    others: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    say(f"DuckDB and Splink: {others['seconds']} s ({others})")
    return others


def _count_and_link(file: str) -> Mapping[str, Any]:
    """Count distinct values, then train, link and cluster the usual way: exact comparisons, one block a column."""
    import duckdb  # noqa: PLC0415 - likewise
    import splink.comparison_library as comparisons  # noqa: PLC0415 - likewise
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # noqa: PLC0415 - likewise

    began, began_processor = perf_counter(), process_time()
    connection = duckdb.connect()
    names = [name for name, *_ in connection.execute(f"describe select * from '{file}'").fetchall()]
    counts = ", ".join(f"count(distinct {name})" for name in names)
    connection.execute(f"select {counts} from '{file}'").fetchall()
    counted, counted_processor = perf_counter(), process_time()
    connection.execute(f"create table ident as select customer_id, {', '.join(_COLUMNS)} from '{file}'")
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="customer_id",
        comparisons=[comparisons.ExactMatch(name) for name in _COLUMNS],
        blocking_rules_to_generate_predictions=[block_on(name) for name in _COLUMNS],
        max_iterations=10,
    )
    linker = Linker(DuckDBAPI(connection=connection).register("ident"), settings)
    linker.training.estimate_probability_two_random_records_match([block_on("email")], recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("email"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("device_id"))
    trained, trained_processor = perf_counter(), process_time()
    pairs = linker.inference.predict(threshold_match_probability=0.5)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, 0.5)
    found = connection.execute(f"select count(distinct cluster_id) from {clusters.physical_name}").fetchall()[0][0]
    ended, ended_processor = perf_counter(), process_time()
    return {
        # Training is no part of linking; its time is told and not counted.
        "seconds": round(ended - trained + counted - began, 2),
        "processor_seconds": round(ended_processor - trained_processor + counted_processor - began_processor, 2),
        "count_seconds": round(counted - began, 2),
        "training_seconds": round(trained - counted, 2),
        "link_and_cluster_seconds": round(ended - trained, 2),
        "clusters": found,
    }


if __name__ == "__main__":
    print(json.dumps(_count_and_link(sys.argv[1])))
