"""Sends the tables of bad bodies to a started server."""

import gzip
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.fuzz.bodies import DEPTH, NOT_JSON, SIZE, TEXT, TWICE
from tests.fuzz.lines import LIMIT, Line, ask, identify, modify, reason_of, refused
from tests.fuzz.members import MODIFY, OWN, TYPES
from tests.served import KEY, SECRET, TOKEN, Served

TABLES = {
    "json": NOT_JSON,
    "depth": DEPTH,
    "size": SIZE,
    "twice": TWICE,
    "text": TEXT,
    "types": TYPES,
    "modify": MODIFY,
    "own": OWN,
}
LINES = [pytest.param(line, id=f"{table}: {line.name}") for table, lines in TABLES.items() for line in lines]
GROWTH_BYTES_MAX = 32 * 1024 * 1024
RECURSION_LIMITS = range(900, 1_010)
"""The depths around which an interpreter gives up, by one way or another."""


def _made(sender: httpx.Client) -> str:
    """Return the MPID of a fresh profile."""
    body = identify(f'{{"other":"{uuid.uuid4()}"}}')
    return sender.post("/v1/identify", content=body, auth=(KEY, SECRET)).json()["mpid"]


@pytest.mark.parametrize("line", LINES)
def test_each_body_has_its_answer(line: Line, sender: httpx.Client) -> None:
    """Each body of the tables is answered with the status and reason that stand beside it."""
    if "MPID" in line.path:
        line = replace(line, path=line.path.replace("MPID", _made(sender)))
    answer = ask(sender, line)
    assert (answer.status_code, reason_of(answer)) == (line.status, line.reason), answer.text[:500]


def test_no_line_stands_twice() -> None:
    """Two lines of a table never have the same name, so that a failure names one."""
    assert [table for table, lines in TABLES.items() if len({line.name for line in lines}) < len(lines)] == []


@pytest.mark.parametrize("surface", ["identify", "modify"])
def test_no_depth_is_a_fault(surface: str, sender: httpx.Client) -> None:
    """Around the depth at which the interpreter gives up, a body is either read or refused as too deep."""
    path = "/v1/identify" if surface == "identify" else f"/v1/{_made(sender)}/modify"
    for depth in RECURSION_LIMITS:
        deep = f'"x":{"[" * depth + "]" * depth}'
        # The escape makes the server look at the keys of the whole body.
        body = identify(r'{"email":"\u0061"}', more=deep) if surface == "identify" else modify("[]", more=deep)
        answer = ask(sender, refused("", body, "", path=path))
        assert (answer.status_code, reason_of(answer)) in {(200, None), (400, "too_deep")}, depth


def _zeros(size: int) -> bytes:
    """Compress that many zeros without holding them."""
    packer = zlib.compressobj(9, wbits=31)
    part = bytes(1024 * 1024)
    return b"".join([*(packer.compress(part) for _ in range(size // len(part))), packer.flush()])


def _memory(server: Served, name: str) -> int:
    """Return a figure of the server's memory, in bytes: VmRSS now, VmHWM the most since it was last reset."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")))


def _bombs() -> Sequence[tuple[bytes, int]]:
    """Return compressed bodies with the bytes each would unpack to."""
    small, nested = _zeros(10 * 1024 * 1024), _zeros(240 * 1024 * 1024)
    assert len(small) < 11_000
    assert len(nested) < LIMIT
    return [(small, 413), (nested, 413), (_zeros(1024 * 1024 * 1024), 413), (gzip.compress(nested), 400)]


def test_a_bomb_costs_no_memory(server: Served, sender: httpx.Client) -> None:
    """What a small body would unpack to is never held: the server grows by less than 32 MB."""
    bombs = _bombs()
    ask(sender, refused("", bombs[0][0], "", content_encoding="gzip"))
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before = _memory(server, "VmRSS")
    for bomb, status in bombs * 3:
        answer = ask(sender, refused("", bomb, "", content_encoding="gzip"))
        assert answer.status_code == status
        assert reason_of(answer) in {"body_too_long", "malformed_json"}
    assert _memory(server, "VmHWM") - before < GROWTH_BYTES_MAX


def test_large_bodies_cost_no_memory(server: Served) -> None:
    """A body beyond the limit is not kept, whether its length is said or not: the server grows by less than 32 MB."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before = _memory(server, "VmRSS")
    for path in ("/v1/identify", "/api/scopes/shop/profiles"):
        for body in (b" " * 50_000_000, (b" " * 65_536 for _ in range(800))):
            with httpx.Client(base_url=server.url, timeout=60) as fresh:
                credentials = {"Authorization": f"Bearer {TOKEN}"} if path.startswith("/api") else {}
                auth = None if credentials else (KEY, SECRET)
                answer = fresh.post(path, content=body, headers=credentials, auth=auth)
            assert (answer.status_code, reason_of(answer)) == (413, "body_too_long")
    assert _memory(server, "VmHWM") - before < GROWTH_BYTES_MAX
