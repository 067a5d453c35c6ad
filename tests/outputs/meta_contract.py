"""What the Marketing API takes (v25.0), checked strictly: whatever its documentation does not name fails here."""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.outputs.receiving import Answering, Received, answering

ACCOUNT, AUDIENCE, TOKEN, SECRET = "1234567890", "23850000000000001", "EAAB-t0ken", "app-secret-1"
RECEIVED: Answering = answering(
    200,
    {
        "audience_id": AUDIENCE,
        "session_id": "1",
        "num_received": 10_000,
        "num_invalid_entries": 0,
        "invalid_entry_samples": {},
    },
)
DIGEST = re.compile(r"[0-9a-f]{64}")
KEYS = {
    "EMAIL": DIGEST,
    "PHONE": DIGEST,
    "MADID": re.compile(r"[^A-Z]+"),
    "EXTERN_ID": re.compile(r".+", re.DOTALL),
}
SOURCES = {"USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"}


@dataclass(frozen=True)
class People:
    """People that were added to an audience or removed: each by the values that were told, by key."""

    method: str
    edge: str
    rows: tuple[dict[str, str], ...]
    session: int | None
    is_limited: bool


@dataclass(frozen=True)
class Made:
    """An audience that was made or changed."""

    edge: str
    members: dict[str, Any]


def read(received: Received, *, proven: bool = False) -> People | Made:
    """Return what a request says; fails if it is not as it is documented."""
    matched = re.fullmatch(r"/v25\.0/(.+)", received.target)
    assert matched is not None
    edge = matched[1]
    assert received.headers["authorization"] == f"Bearer {TOKEN}"
    body = received.json
    proof = hmac.new(SECRET.encode(), TOKEN.encode(), sha256).hexdigest() if proven else None
    assert body.pop("appsecret_proof", None) == proof
    if edge == f"act_{ACCOUNT}/customaudiences":
        assert received.method == "POST"
        assert body.keys() == {"name", "subtype", "description", "customer_file_source"}
        assert body["subtype"] == "CUSTOM"
        assert body["customer_file_source"] in SOURCES
        return Made(edge, body)
    if edge == AUDIENCE:
        assert received.method == "POST"
        assert body.keys() == {"name"}
        return Made(edge, body)
    assert edge in {f"{AUDIENCE}/users", f"act_{ACCOUNT}/usersofanyaudience"}
    return _people(received.method, edge, body)


def _people(method: str, edge: str, body: dict[str, Any]) -> People:
    session = None
    if method == "POST":
        assert not edge.startswith("act_")
        session = _session(body.pop("session"))
    else:
        assert method == "DELETE"
    assert body.keys() == {"payload"}
    payload = body["payload"]
    assert payload.keys() == {"schema", "data"}
    schema, data = payload["schema"], payload["data"]
    assert isinstance(data, list)
    assert 1 <= len(data) <= 10_000
    is_limited = schema[-1] == "DATA_PROCESSING_OPTIONS"
    keys = schema[:-1] if is_limited else schema
    assert keys
    assert len(set(keys)) == len(keys)
    assert set(keys) <= KEYS.keys()
    if session is not None:
        assert session[1] == len(data)
    rows: list[dict[str, str]] = []
    for row in data:
        assert len(row) == len(schema)
        if is_limited:
            assert row[-1] == ["LDU"]
        told = {key: value for key, value in zip(keys, row, strict=False) if value != ""}
        assert told, "a row without a value is nobody"
        assert all(isinstance(value, str) and KEYS[key].fullmatch(value) for key, value in told.items())
        rows.append(told)
    return People(method, edge, tuple(rows), None if session is None else session[0], is_limited)


def _session(session: dict[str, Any]) -> tuple[int, int]:
    assert session.keys() == {"session_id", "batch_seq", "last_batch_flag", "estimated_num_total"}
    assert 0 < session["session_id"] < 2**63
    assert session["batch_seq"] == 1
    assert session["last_batch_flag"] is True
    return session["session_id"], session["estimated_num_total"]
