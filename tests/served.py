"""Starts real knownas servers for tests: a process of its own, a private folder, a free port on loopback."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

START_WITHIN_SECONDS = 60
STOP_WITHIN_SECONDS = 30
CHILD_LOOK_SECONDS = 0.02
TOKEN = "a-token-for-tests-only"
KEY, SECRET = "example-api-key", "example-api-secret"
WEB_KEY, WEB_SECRET = "web-key-for-tests", "web-secret-for-tests"
FEED_KEY, FEED_SECRET = "crm-key-for-tests", "crm-secret-for-tests"


@dataclass
class Served:
    """A running server."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    clients: list[httpx.Client] = field(default_factory=list[httpx.Client])
    """The clients that were made, which are closed when the server is stopped at the latest."""

    @property
    def api(self) -> httpx.Client:
        """A client of our own API."""
        made = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        self.clients.append(made)
        return made

    def ask(self, endpoint: str, identities: Mapping[str, Any], **members: Any) -> httpx.Response:
        """Ask IDSync with Basic credentials."""
        body = {"environment": "production", "known_identities": identities, **members}
        return httpx.post(f"{self.url}/v1/{endpoint}", json=body, auth=(KEY, SECRET), timeout=30)

    def kill(self) -> None:
        """End the server the hard way, and wait until the processes that it had started have ended by themselves."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [child for one in tasks for child in one.read_text().split()]
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_WITHIN_SECONDS)
        until = time.monotonic() + STOP_WITHIN_SECONDS
        for child in children:
            while Path(f"/proc/{child}").exists():
                assert time.monotonic() < until, f"process {child} outlives the server"
                time.sleep(CHILD_LOOK_SECONDS)


def configuration(settings: Mapping[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """Return a configuration with one scope (`shop`), an app that signs, a web app with its key only, and a feed."""
    scope = {"name": "shop", **(settings or {"strategy": "profile_conversion"})}
    inputs = [
        {"name": "app", "platform": "ios", "key": KEY, "secret": SECRET},
        {"name": "web", "platform": "web", "key": WEB_KEY, "secret": WEB_SECRET, "allow_key_only": True},
        {"name": "crm", "feed": "custom", "key": FEED_KEY, "secret": FEED_SECRET},
    ]
    workspace = {"id": 100, "name": "Shop", "scope": "shop", "key": "ws-key-for-tests", "secret": "ws-secret-for-tests"}
    return {
        "database": "sqlite:///knownas.db",
        "admin_token": TOKEN,
        "scopes": [scope],
        "organization": {
            "id": 1,
            "name": "Acme",
            "accounts": [{"id": 10, "name": "Retail", "workspaces": [{**workspace, "inputs": inputs}]}],
        },
        **members,
    }


@contextmanager
def served(
    folder: Path, document: Mapping[str, Any] | None = None, *options: str, module: str = "knownas"
) -> Iterator[Served]:
    """Run a server in a folder until the block ends. A folder that was served before keeps its database."""
    server = start(folder, document, *options, module=module)
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        stop(server.process)


def start(folder: Path, document: Mapping[str, Any] | None = None, *options: str, module: str = "knownas") -> Served:
    """Start a server and wait until it answers. `module` is a program like knownas, which does something else as well."""
    file = folder / "knownas.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(document or configuration()))))
    log = (folder / "server.log").open("a")
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--config", str(file), "--port", "0", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": _path()},
    )
    log.close()
    return Served(_address(process, folder), folder, process)


def _path() -> str:
    """Return a path on which the tests' own modules are found from any folder."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def _address(process: subprocess.Popen[str], folder: Path) -> str:
    assert process.stdout is not None
    too_late = threading.Timer(START_WITHIN_SECONDS, process.kill)
    too_late.start()
    try:
        for line in iter(process.stdout.readline, ""):
            found = re.search(r"answers at (\S+)", line)
            if found:
                return found[1]
    finally:
        too_late.cancel()
    raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()}")


def stop(process: subprocess.Popen[str]) -> None:
    """Stop a server that these tests started, gently if it lets us."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_WITHIN_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
