"""Plays histories on Spark or Sail, in a process of its own: `python -m tests.batch.backfill.on_spark ENGINE SEED RUNS HISTORIES`.

ENGINE is `sail`, or a master as Spark takes it. The last line that is printed is a JSON list of what differed.
"""

import importlib
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from knownas.batch.backfill.spark import SparkEngine
from tests.batch.backfill.histories import differences
from tests.batch.backfill.junk import draw_with_junk
from tests.store.places import PLACES

STEPS = 40
QUIET = {
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def main(engine: str, seed: str, runs: str, histories: str) -> int:
    """Play so many runs, each under a policy of its own, and tell what differed."""
    session, _server = _session(engine)
    chance, found = random.Random(int(seed)), list[str]()
    for number in range(int(runs)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            policy, rows, listed = draw_with_junk(chance, histories=int(histories), steps=STEPS)
            with PLACES["sqlite"](folder) as place:
                found += [
                    f"run {number}, {policy}: {one}"
                    for one in differences(
                        place, policy, rows, folder, lambda work, job: SparkEngine(work, job, session), listed
                    )
                ]
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    if engine == "sail":
        # Its server, in this process, waits for a client whose thread has ended with the interpreter: for ever.
        os._exit(0)
    return 0


def _session(engine: str) -> tuple[Any, Any]:
    """Return a session, and what has to live as long: Sail's server stops when nobody holds it."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder: Any = importlib.import_module("pyspark.sql").SparkSession.builder
    if engine == "sail":
        server: Any = importlib.import_module("pysail.spark").SparkConnectServer()
        server.start(background=True)
        _, port = server.listening_address
        return builder.remote(f"sc://127.0.0.1:{port}").getOrCreate(), server
    for name, value in QUIET.items():
        builder = builder.config(name, value)
    return builder.master(engine).getOrCreate(), None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
