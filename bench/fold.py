"""Folding the whole log again and comparing it with what is stored, as `knownas verify` does, on one core and on all.

The log is that of `gen_identities.py` rows that were imported, and of users who were identified for the first time. Told are
observations a second and the processor time of each, by one process and by as many as there are processors, the peak of
their memory, and the time that the database takes to compare its rows. Likewise of a rehearsal, as `knownas rehearse` does it: of the same rules with
the first two types of the priority in the other order.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

from bench.contest import Say
from bench.import_file import KEY, MAPPING, Memory, configuration, environment, generated
from bench.load import LoadFailed
from bench.report import Finding, Goal

OBSERVATIONS_A_SECOND: Final = 100_000.0
"""Wanted on two cores."""

LOOK_SECONDS: Final = 0.1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows that are imported (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times each is measured (%(default)s)")
    parser.add_argument("--database", type=Path, help="a SQLite file with a log, instead of one made here")
    parser.add_argument("--scope", default="shop", help="the scope that is folded (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Make a log unless there is one, and fold it by one process and by all, in turn."""
    options.cache.mkdir(parents=True, exist_ok=True)
    processors = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="fold-") as name:
        folder = Path(name)
        database = options.database or _imported(folder, options.rows, say)
        samples: dict[tuple[str, int], list[Mapping[str, Any]]] = {
            (what, processes): [] for what in _HERE for processes in (1, processors)
        }
        for number in range(options.rounds):
            for (what, processes), of_these in samples.items():
                rows = number == 0 and processes == processors
                sample = _measured(what, database.resolve(), options.scope, processes, folder, rows=rows)
                told = f"{sample['rate']:,.0f} a second, {sample['processor_us']:.1f} us each"
                say(f"{what}, {processes} processes: {told}")
                of_these.append(sample)
    return Finding(
        goals=[
            Goal(
                f"observations_a_second_on_all_cores_{what}",
                [sample["rate"] for sample in samples[what, processors]],
                at_least=OBSERVATIONS_A_SECOND,
            )
            for what in _HERE
        ],
        measured={"processors": processors, **{f"{what}_{count}": of for (what, count), of in samples.items()}},
    )


def _imported(folder: Path, rows: int, say: Say) -> Path:
    (folder / "knownas.yaml").write_text(json.dumps(configuration()))
    (folder / "mapping.yaml").write_text(MAPPING)
    file = generated(folder / "rows.parquet", rows)
    command = [sys.executable, "-m", "knownas", "import", str(file.resolve()), "--input", KEY]
    command += ["--mapping", "mapping.yaml", "--results", "results.csv"]
    say(f"importing {rows} rows")
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadFailed(f"the import ended with {done.returncode}: {done.stdout}{done.stderr}")
    return folder / "knownas.db"


def _measured(what: str, database: Path, scope: str, processes: int, folder: Path, *, rows: bool) -> Mapping[str, Any]:
    """Verify or rehearse in a process of its own, and look at what it and its children take."""
    command = [sys.executable, "-m", "bench.fold", what, str(database), scope, str(processes), str(int(rows))]
    began = perf_counter()
    with (folder / "told").open("w+") as output:
        process = subprocess.Popen(command, stdout=output, env=environment())
        memory = Memory(process.pid)
        while True:
            memory.look()
            sleep(LOOK_SECONDS)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    if process.returncode:
        raise LoadFailed(f"it ended with {process.returncode}: {told}")
    found: dict[str, Any] = json.loads(told)
    count = found["observations"]
    processor = usage.ru_utime + usage.ru_stime
    return {
        **found,
        "rate": round(count / found["seconds"], 1),
        "processor_us": round(processor / count * 1e6, 2),
        "whole_seconds": round(perf_counter() - began, 2),
        "memory_megabytes": round(memory.megabytes, 1),
    }


def _verify_here(database: str, scope: str, processes: str, rows: str) -> Mapping[str, Any]:
    from knownas.batch.verifying import How, pool_document, verify  # noqa: PLC0415 - only the process that is measured

    how = How(processes=int(processes), scope=scope, rows=rows == "1")
    (pool,) = asyncio.run(verify(f"sqlite:///{database}", how))
    document = pool_document(pool)
    return {
        name: document[name] for name in ("observations", "profiles", "components", "seconds", "rows_seconds", "wrong")
    }


def _rehearse_here(database: str, scope: str, processes: str, _rows: str) -> Mapping[str, Any]:
    # Only the process that is measured.
    from knownas.batch.rehearsing import RehearsingHow, rehearse  # noqa: PLC0415
    from knownas.service.history.folds import ToRehearse  # noqa: PLC0415
    from knownas.service.identity.policies import policies_of  # noqa: PLC0415
    from knownas.store.opening import open_store  # noqa: PLC0415

    async def rehearsed() -> Mapping[str, Any]:
        store = open_store(f"sqlite:///{database}")
        policies = await policies_of(store, scope)
        await store.close()
        policy = policies[max(policies)]
        first, second, *others = policy.priority
        other = replace(policy, priority=(second, first, *others))
        how = RehearsingHow(processes=int(processes))
        (pool,) = (await rehearse(f"sqlite:///{database}", ToRehearse(scope, other), how)).pools
        found = pool.found
        told = {"answered_otherwise": found.answered_otherwise, "joined": found.joined, "parted": found.parted}
        return {"observations": found.observations, "components": pool.components, "seconds": pool.seconds, **told}

    return asyncio.run(rehearsed())


_HERE: Final = {"verify": _verify_here, "rehearse": _rehearse_here}

if __name__ == "__main__":
    print(json.dumps(_HERE[sys.argv[1]](*sys.argv[2:])))
