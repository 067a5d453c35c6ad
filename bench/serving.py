"""Starts the servers that are compared, each a process of its own on loopback.

Both run what `knownas serve` runs, down to uvicorn's settings, the listener and the interpreter's switch interval;
the no-op only has another application in the place of ours. `python -m bench.serving ours|noop` is the process.
"""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Final

import yaml

from knownas.cli import serve

ROOT: Final = Path(__file__).resolve().parent.parent
START_WITHIN_SECONDS: Final = 60
STOP_WITHIN_SECONDS: Final = 60
SCOPE: Final = "shop"
WEB_KEY: Final = "bench-web-key"
WEB_SECRET: Final = "bench-web-secret"
WORKSPACE: Final = 100
CREDENTIAL: Final = {"client_id": "bench", "client_secret": "bench-client-secret"}
_DECISIONS: Final = re.compile(r'^knownas_decisions_total\{.*outcome="(\w+)".*\} (\S+)$', re.MULTILINE)
_REFUSALS: Final = re.compile(r'^knownas_refusals_total\{.*reason="(\w+)".*\} (\S+)$', re.MULTILINE)


class Kind(StrEnum):
    """Which application a server runs."""

    OURS = "ours"
    NOOP = "noop"


class ServerFailed(Exception):
    """A server did not start, or has gone."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    kind: Kind
    url: str
    process: subprocess.Popen[str]

    def cpu_seconds(self) -> float:
        """Return the processor time that the process has used so far, all threads together."""
        # The name of the program, in parentheses, may hold blanks; the fields are counted from behind it.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Return the memory that the process holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def token(self) -> str:
        """Return an access token of the bench's client."""
        asked = {**CREDENTIAL, "audience": "https://api.mparticle.com", "grant_type": "client_credentials"}
        request = urllib.request.Request(
            f"{self.url}/oauth/token", json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["access_token"]

    def outcomes(self) -> Mapping[str, int]:
        """Return how our server has decided so far, by outcome; refusals by their reason."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        outcomes: dict[str, int] = {}
        for name, count in (*_DECISIONS.findall(text), *_REFUSALS.findall(text)):
            outcomes[name] = outcomes.get(name, 0) + int(float(count))
        return outcomes


def configuration(database: str) -> Mapping[str, object]:
    """Return the configuration that is measured: the defaults, with an input that a browser could ask."""
    web = {"name": "web", "platform": "web", "key": WEB_KEY, "secret": WEB_SECRET, "allow_key_only": True}
    workspace = {"id": WORKSPACE, "name": "Shop", "scope": SCOPE, "key": "bench-key", "secret": "bench-secret"}
    return {
        "database": database,
        "credentials": [{**CREDENTIAL, "role": "read_only", "workspaces": [WORKSPACE]}],
        "scopes": [{"name": SCOPE, "strategy": "profile_conversion", "settings": {"max_values": {"email": 1}}}],
        "organization": {
            "id": 1,
            "name": "Bench",
            "accounts": [{"id": 10, "name": "Bench", "workspaces": [{**workspace, "inputs": [web]}]}],
        },
    }


@contextmanager
def serving(kind: Kind, folder: Path, database: Path | str) -> Iterator[Server]:
    """Run a server until the block ends; its configuration and its log are kept in the folder.

    Raises:
        ServerFailed: it did not start; the message holds its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, log = folder / "knownas.yaml", folder / "server.log"
    url = database if isinstance(database, str) else f"sqlite:///{database.absolute()}"
    file.write_text(yaml.safe_dump(configuration(url)))
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.serving", kind, "--config", str(file), "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield Server(kind, _address(process, log), process)
    finally:
        _stop(process)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    output: IO[str] | None = process.stdout
    if output is None:
        raise AssertionError("the process was started with a pipe")
    too_late = threading.Timer(START_WITHIN_SECONDS, process.kill)
    too_late.start()
    try:
        for line in iter(output.readline, ""):
            found = re.search(r"answers at (\S+)", line)
            if found:
                return found[1]
    finally:
        too_late.cancel()
    raise ServerFailed(f"the server did not start: {log.read_text()}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_WITHIN_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def main() -> None:
    """Be one of the servers: `ours` or `noop`, then the arguments of `knownas serve`."""
    kind, *arguments = sys.argv[1:]
    if Kind(kind) is Kind.NOOP:
        from bench.noop import NoOp  # noqa: PLC0415 - ours runs without it

        serve.Application = NoOp
    serve.serve.main(arguments, prog_name="knownas serve")


if __name__ == "__main__":
    main()
