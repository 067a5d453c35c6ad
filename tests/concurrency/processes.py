"""Two server processes over one PostgreSQL database, asked over HTTP on connections that stay open.

Each is a `knownas serve` of its own. The client is as small as it can be: it must not be what limits how much happens at
the same time.
"""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from knownas.core.identity.kinds import IdentityType
from tests.concurrency.history import Answer, Call, Failed, Modified, Named, ScopeRules, Shown, Told, values_of
from tests.concurrency.households import SCOPES
from tests.served import TOKEN, Served, configuration, served

PROCESSES = 2
SECRET = "secret-for-histories"
ANSWER_SECONDS = 60
IDLE_SECONDS = 2.0
"""How long a connection may have been idle to be used again: servers close those that nobody uses."""


@contextmanager
def open_processes(folder: Path, database: str) -> Iterator[list[Served]]:
    """Start the processes, each with the scopes of the histories and with an app for each."""
    document = document_for(database)
    with ExitStack() as running:
        servers: list[Served] = []
        for number in range(PROCESSES):
            place = folder / f"server-{number}"
            place.mkdir()
            servers.append(running.enter_context(served(place, document)))
        yield servers


def document_for(database: str) -> dict[str, Any]:
    """Return the configuration of a process."""
    document = configuration(database=database)
    document["scopes"] = [scope_document(name, rules) for name, rules in SCOPES.items()]
    document["organization"]["accounts"][0]["workspaces"] = [
        {
            "id": 100 + number,
            "name": name,
            "scope": name,
            "key": f"{name}-workspace",
            "secret": SECRET,
            "inputs": [{"name": "app", "platform": "ios", "key": f"{name}-app", "secret": SECRET}],
        }
        for number, name in enumerate(SCOPES)
    ]
    return document


def scope_document(name: str, rules: ScopeRules) -> dict[str, Any]:
    """Write a scope down as the configuration takes it."""
    document: dict[str, Any] = {
        "name": name,
        "strategy": rules.strategy,
        "priority": rules.priority,
        "settings": {"max_values": rules.max_values, "tie_break": rules.tie_break},
    }
    flagged = {"login_ids": rules.login, "unique_ids": rules.unique, "immutable_ids": rules.immutable}
    return document | {member: sorted(kinds) for member, kinds in flagged.items() if rules.strategy != "best_match"}


class Clients:
    """Connections to the servers, of which any number may be in use at once."""

    def __init__(self, servers: Sequence[Served]) -> None:
        self._urls: list[str] = []
        self._there: list[int] = []
        self._free: dict[int, list[Connection]] = {}
        for server in servers:
            self.add(server)

    def add(self, server: Served) -> None:
        """Ask another server as well, under a number of its own: it knows of no visit."""
        number = len(self._urls)
        self._urls.append(server.url)
        self._free[number] = []
        self._there.append(number)

    def lose(self, number: int) -> None:
        """Ask a server no more."""
        self._there.remove(number)

    async def ask(self, call: Call, random: Random) -> tuple[int, Answer | None, str]:
        """Ask one of the servers."""
        number = random.choice(self._there)
        try:
            status, headers, body = await self._send(number, *_request(call))
        except ConnectionRefusedError:
            return number, Failed("refused"), ""
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return number, None, ""
        answer = _answer(call, status, body, headers.get("x-refusal-reason", ""))
        return number, answer, headers.get("x-decision-id", "")

    async def _send(
        self, number: int, method: str, path: str, key: str, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        free = self._free[number]
        while free and free[0].idle_seconds > IDLE_SECONDS:
            free.pop(0).close()
        connection = free.pop() if free else await Connection.open(self._urls[number])
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answered = await connection.send(method, path, key, body)
        except BaseException:
            connection.close()
            raise
        free.append(connection)
        return answered

    def close(self) -> None:
        """Close all connections."""
        for free in self._free.values():
            while free:
                free.pop().close()


class Connection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._answered_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """How long it has not been used."""
        return time.monotonic() - self._answered_at

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect to a server."""
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, method: str, path: str, key: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        """Send a request and return its answer."""
        head = f"{method} {path} HTTP/1.1\r\nhost: tests\r\nauthorization: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        said = await self._reader.readexactly(int(headers["content-length"]))
        self._answered_at = time.monotonic()
        return int(first.split()[1]), headers, json.loads(said) if said else {}

    def close(self) -> None:
        """Close it."""
        self._writer.close()


def _basic(scope: str) -> str:
    return "Basic " + b64encode(f"{scope}-app:{SECRET}".encode()).decode()


_KEYS = {scope: _basic(scope) for scope in SCOPES}


def _request(call: Call) -> tuple[str, str, str, bytes]:
    """Return the method, path, credentials and body of a call."""
    scope, environment = call.pool.split("/")
    if call.kind == "profile":
        return "GET", f"/api/profiles/{call.mpid}", f"Bearer {TOKEN}", b""
    if call.kind == "modify":
        changes = [{"identity_type": kind, "old_value": old, "new_value": new} for kind, old, new in call.changes]
        body: dict[str, Any] = {"environment": environment, "identity_changes": changes}
        return "POST", f"/v1/{call.mpid}/modify", _KEYS[scope], json.dumps(body).encode()
    body = {"environment": environment, "known_identities": dict(call.identities)}
    if call.previous is not None:
        body["previous_mpid"] = str(call.previous)
    return "POST", f"/v1/{call.kind}", _KEYS[scope], json.dumps(body).encode()


def _answer(call: Call, status: int, body: Mapping[str, Any], reason: str) -> Answer | None:
    """Read an answer. One that says that its outcome is not known is as good as none."""
    if reason == "unknown_outcome":
        return None
    if status == 503:
        return Failed(reason)
    assert status < 500, (status, body)
    if status != 200:
        return Told("unknown_profile" if call.kind == "profile" else reason)
    return _found(call, body)


def _found(call: Call, body: Mapping[str, Any]) -> Answer:
    if call.kind == "profile":
        return _shown(body)
    mpid, known = int(body["mpid"]), bool(body["is_logged_in"])
    if call.kind == "modify":
        results = [(IdentityType(one["identity_type"]), int(one["modified_mpid"])) for one in body["change_results"]]
        return Modified(mpid, known, frozenset(results))
    matched = sorted((IdentityType(kind), value) for kind, value in body["matched_identities"].items())
    return Named(mpid, known, tuple(matched))


def _shown(body: Mapping[str, Any]) -> Shown:
    held, carried = (
        values_of({IdentityType(kind): values for kind, values in body[member].items()})
        for member in ("identities", "carried_identities")
    )
    source = body["source_mpid"]
    return Shown(
        int(body["mpid"]),
        body["known"],
        None if source is None else int(source),
        _ms(body["created_at"]),
        _ms(body["last_active_at"]),
        held,
        carried,
    )


def _ms(written: str) -> int:
    return round(datetime.fromisoformat(written).timestamp() * 1_000)
