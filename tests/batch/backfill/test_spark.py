"""On Spark, and on what speaks its protocol, a backfill comes to the same as one observation after the other."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.properties.trials import seed_of_this_run
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
PACKAGES = {
    # Sail's client and Spark can't be in one environment; both are too large for every run of the tests.
    "sail": ("pysail==0.7.2", "pyspark-client==4.2.0"),
    "spark": ("pyspark==4.3.0",),
}
INSTALL_SECONDS, PLAY_SECONDS, START_SECONDS = 900, 7_200, 120

pytestmark = pytest.mark.soak


def brought(name: str) -> Path:
    """Return a folder with an engine's packages, which is made once."""
    folder = ROOT / ".tools" / name
    if not (folder / "ready").exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            str(folder),
            *PACKAGES[name],
            "pandas<3",
        ]
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
        (folder / "ready").touch()
    return folder


def environment_with(folder: Path) -> dict[str, str]:
    """Return an environment in which an engine, knownas and the tests are found, by Spark's own processes too."""
    path = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", ""), str(folder)]
    home = {"SPARK_HOME": str(folder / "pyspark")} if (folder / "pyspark" / "bin").exists() else {}
    inherited = {name: value for name, value in os.environ.items() if name != "SPARK_HOME"}
    return {**inherited, **home, "PYTHONPATH": os.pathsep.join(filter(None, path)), "SPARK_LOCAL_IP": "127.0.0.1"}


@contextmanager
def started(command: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a group of its own, and end the whole group."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, cwd=ROOT, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def differing(engine: str, environment: dict[str, str], log: Path, *, runs: int, histories: int) -> list[str]:
    """Play histories on an engine, and return what differed."""
    played = [
        sys.executable,
        "-m",
        "tests.batch.backfill.on_spark",
        engine,
        str(seed_of_this_run()),
        str(runs),
        str(histories),
    ]
    with started(played, environment, log) as process:
        assert process.wait(PLAY_SECONDS) == 0, log.read_text()[-3_000:]
    lines = [line for line in log.read_text().splitlines() if line.startswith("[") and line.endswith("]")]
    found: list[str] = json.loads(lines[-1])
    return found


def test_a_thousand_histories_on_sail(tmp_path: Path) -> None:
    """A thousand histories, in forty runs under a policy each, come out of Sail as one by one."""
    environment = environment_with(brought("sail"))
    assert differing("sail", environment, tmp_path / "log", runs=40, histories=25) == []


def test_a_thousand_histories_on_spark(tmp_path: Path) -> None:
    """A thousand histories, in ten runs under a policy each, come out of Spark as one by one."""
    environment = environment_with(brought("spark"))
    assert differing("local[2]", environment, tmp_path / "log", runs=10, histories=100) == []


def test_two_workers_of_a_cluster_come_to_the_same(tmp_path: Path) -> None:
    """A master and two workers, processes of their own, fold what one process would."""
    environment = environment_with(brought("spark"))
    launcher = str(Path(environment["SPARK_HOME"]) / "bin" / "spark-class")
    deploy = "org.apache.spark.deploy"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"spark://127.0.0.1:{port}"
    head = [launcher, f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0"]
    worker = [
        launcher,
        f"{deploy}.worker.Worker",
        "--host",
        "127.0.0.1",
        "--webui-port",
        "0",
        "-c",
        "1",
        "-m",
        "1g",
        url,
    ]
    log = tmp_path / "master"
    with started(head, environment, log):
        wait_until(lambda: "Starting Spark master" in log.read_text(), START_SECONDS, log.read_text)
        with started(worker, environment, tmp_path / "one"), started(worker, environment, tmp_path / "two"):
            wait_until(lambda: log.read_text().count("Registering worker") == 2, START_SECONDS, log.read_text)
            assert differing(url, environment, tmp_path / "log", runs=2, histories=25) == []
