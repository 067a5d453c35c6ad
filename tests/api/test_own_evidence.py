"""The evidence of a started server, its certificates and anchors can be fetched and checked by somebody who trusts nobody else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from knownas.cli.main import main
from tests.served import Served, configuration, served

REQUEST = "a7551968-d5d6-44b2-9831-815ac9017798"
OTHER = "b7551968-d5d6-44b2-9831-815ac9017798"
WAITING = "c7551968-d5d6-44b2-9831-815ac9017798"
RESIDENCY = "EU (Frankfurt)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two requests that have ended, and one that waits."""
    document = configuration()
    (workspace,) = document["organization"]["accounts"][0]["workspaces"]
    workspace |= {"key": "ws-key", "secret": "ws-secret"}
    workspace["settings"] = {"privacy": {"waiting_days": 7, "residency": RESIDENCY}}
    with served(tmp_path_factory.mktemp("evidence"), document) as running:
        for request_id in (REQUEST, OTHER, WAITING):
            asked = httpx.post(f"{running.url}/v3/requests", json=wanted(request_id), auth=("ws-key", "ws-secret"))
            assert asked.status_code == 201, asked.text
        for request_id in (REQUEST, OTHER):
            taken = httpx.delete(f"{running.url}/v3/requests/{request_id}", auth=("ws-key", "ws-secret"))
            assert taken.status_code == 202, taken.text
        yield running


def wanted(request_id: str) -> dict[str, Any]:
    """Return a request of a data subject who is somebody else each time."""
    return {
        "regulation": "gdpr",
        "subject_request_id": request_id,
        "subject_request_type": "erasure",
        "submitted_time": "2026-11-01T15:00:00Z",
        "subject_identities": {"email": {"value": f"{request_id}@example.com", "encoding": "raw"}},
    }


def verified(folder: Path, *arguments: str | Path) -> tuple[int, str]:
    """Run `knownas verify-evidence` on files of a folder; returns its status and what it says."""
    named = [str(one) if str(one).startswith("--") else str(folder / one) for one in arguments]
    ran = CliRunner().invoke(main, ["verify-evidence", *named])
    return ran.exit_code, ran.output


def certificate_of_the_processor(server: Served, folder: Path) -> Path:
    """Fetch the certificate that controllers fetch."""
    path = folder / "processor.pem"
    path.write_bytes(httpx.get(f"{server.url}/v3/opendsr_cert.pem").content)
    return path


def test_a_certificate_can_be_fetched_and_checked(server: Served, tmp_path: Path) -> None:
    """JSON and PDF are whole for who trusts the processor; altered they are not; who trusts nobody is told so."""
    trusted = certificate_of_the_processor(server, tmp_path)
    path = f"/api/privacy/requests/{REQUEST}/certificate"
    with server.api as api:
        head = api.get("/api/evidence/head").json()
        as_json = api.get(path, params={"anchor": head["head"]["number"]})
        as_pdf = api.get(path, params={"format": "pdf"})
    assert as_pdf.headers["content-type"] == "application/pdf"
    document = as_json.json()
    assert document["residency"] == RESIDENCY
    assert [one["step"] for one in document["entries"]] == ["received", "verified", "cancelled"]
    for name, text in (("c.json", as_json.content), ("c.pdf", as_pdf.content)):
        (tmp_path / name).write_bytes(text)
        status, told = verified(tmp_path, name, "--certificate", trusted)
        assert (status, told.splitlines()[-1]) == (0, "everything is as it was signed"), told
        assert f"request {REQUEST}: 3 entries" in told
        assert verified(tmp_path, name)[0] == 2
    (tmp_path / "head.json").write_text(json.dumps(head))
    assert verified(tmp_path, "c.json", "--certificate", trusted, "--anchor", "head.json")[0] == 0
    document["entries"][1]["facts"]["by"] = "nobody"
    (tmp_path / "c.json").write_text(json.dumps(document))
    status, told = verified(tmp_path, "c.json", "--certificate", trusted)
    assert status == 1
    assert f"entry {document['entries'][1]['number']}: altered" in told
    assert "the file: not_signed" in told


def test_requests_are_listed_and_told(server: Served) -> None:
    """Each request stands there with its state; one tells its steps in sentences; nothing tells who asked."""
    with server.api as api:
        first = api.get("/api/privacy/requests?limit=2").json()
        second = api.get("/api/privacy/requests", params={"limit": "2", "next": first["next"]}).json()
        listed = [*first["items"], *second["items"]]
        assert {one["request_id"]: one["state"] for one in listed} == {
            REQUEST: "cancelled",
            OTHER: "cancelled",
            WAITING: "pending",
        }
        assert second["next"] is None
        assert api.get("/api/privacy/requests?workspace=7").json()["items"] == []
        told = api.get(f"/api/privacy/requests/{REQUEST}")
        assert "example.com" not in told.text
        assert told.json()["steps"][-1]["sentence"].startswith("The request was cancelled")
        for path, status, code in (
            ("requests/nobody", 404, "unknown_request"),
            ("requests/nobody/certificate", 404, "not_certified"),
            (f"requests/{WAITING}/certificate", 404, "not_certified"),
            (f"requests/{REQUEST}/certificate?format=doc", 400, "invalid_format"),
            (f"requests/{REQUEST}/certificate?anchor=0", 400, "invalid_anchor"),
            ("requests?workspace=x", 400, "invalid_workspace"),
            ("requests?next=!", 400, "malformed_next"),
        ):
            refused = api.get(f"/api/privacy/{path}")
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


def test_a_whole_chain_is_written_out_and_checked(server: Served, tmp_path: Path) -> None:
    """`knownas evidence` writes the same chain as the API shows; with an anchor, its loss of an entry is named."""
    trusted = certificate_of_the_processor(server, tmp_path)
    configured = ("--config", str(next(server.folder.glob("*.yaml"))))
    for name, arguments in (
        ("chain.jsonl", []),
        ("anchor.json", ["--anchor"]),
        ("c.pdf", ["--request", REQUEST, "--pdf"]),
    ):
        command = [
            sys.executable,
            "-m",
            "knownas",
            "evidence",
            *configured,
            "--output",
            str(tmp_path / name),
            *arguments,
        ]
        ran = subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        assert verified(tmp_path, name, "--certificate", trusted)[0] == 0
    *entries, _ = (tmp_path / "chain.jsonl").read_text().splitlines()
    with server.api as api:
        first = api.get("/api/evidence?limit=5").json()
        rest = api.get("/api/evidence", params={"next": first["next"]}).json()
    assert [json.loads(one) for one in entries] == [*first["items"], *rest["items"]]
    assert rest["next"] is None
    cut = (tmp_path / "chain.jsonl").read_text().splitlines(keepends=True)
    del cut[3]
    (tmp_path / "cut.jsonl").write_text("".join(cut))
    status, told = verified(tmp_path, "cut.jsonl", "--certificate", trusted, "--anchor", "anchor.json")
    assert (status, "entry 5: missing" in told) == (1, True), told


def test_what_could_not_be_checked_is_not_called_wrong(tmp_path: Path) -> None:
    """A file or a certificate that is not there ends with another status than a file in which something is wrong."""
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "x.pem").write_text("no certificate")
    assert verified(tmp_path, "x.json", "--certificate", "x.pem")[0] == 2
    status, told = verified(tmp_path, "x.json")
    assert (status, "unreadable" in told) == (1, True)
    assert verified(tmp_path, "nothing.json")[0] == 2
