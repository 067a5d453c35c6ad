"""Somebody who was erased and had to stay out is let in again by an administrator, which the evidence and the ledger tell."""

import time
from pathlib import Path
from typing import Any

import httpx

from knownas.core.privacy.evidence import Head
from knownas.service.evidence.ledger_reading import ledger_after
from tests.cli.test_commands import run
from tests.served import TOKEN, configuration, served

WORKSPACE = ("ws-key-for-tests", "ws-secret-for-tests")
EMAIL = "ann@example.com"


def kept_out() -> dict[str, Any]:
    """Return a configuration whose erasures are carried out at once, and keep people out."""
    document = configuration(privacy={"ledger": "erased.ledger"})
    workspace = document["organization"]["accounts"][0]["workspaces"][0]
    workspace["settings"] = {"privacy": {"waiting_days": 0, "stays_out": "users"}}
    return document


def test_who_is_let_in_may_come_back(tmp_path: Path) -> None:
    """By that identity they come in and by no other; asked again, nobody stays out by it."""
    with served(tmp_path, kept_out()) as server, server.api as api:
        server.ask("login", {"customerid": "ann", "email": EMAIL})
        asked = {
            "regulation": "gdpr",
            "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
            "subject_request_type": "erasure",
            "submitted_time": "2026-05-03T12:00:00Z",
            "subject_identities": {"controller_customer_id": {"value": "ann", "encoding": "raw"}},
        }
        assert httpx.post(f"{server.url}/v3/requests", json=asked, auth=WORKSPACE).status_code == 201
        until = time.monotonic() + 30
        while server.ask("identify", {"email": EMAIL}).status_code != 403:
            assert time.monotonic() < until
            time.sleep(0.1)
        options = ("--scope", "shop", "-i", f"email={EMAIL}", "--server", server.url, "--token", TOKEN)
        done = run(tmp_path, "privacy", "let-in", *options)
        assert (done.returncode, done.stdout) == (0, "This email may come in again.\n"), done.stderr
        assert server.ask("identify", {"email": EMAIL}).status_code == 200
        assert server.ask("identify", {"customerid": "ann"}).status_code == 403
        again = api.post("/api/scopes/shop/let-in", json={"type": "email", "value": EMAIL})
        assert (again.status_code, again.json()["error"]["code"]) == (404, "nobody_stays_out")
        chain = api.get("/api/evidence").text
        assert '"let_in"' in chain
        assert EMAIL not in chain
    ledger = ledger_after([tmp_path / "erased.ledger"], Head())
    assert (len(ledger.let_in), len(ledger.suppressions)) == (1, 1)
