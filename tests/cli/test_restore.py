"""`knownas restore` and `knownas ledger`: what they tell and refuse, and that a server over the restored database forgets."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner, Result

from knownas.cli.main import main
from tests.cli.test_commands import run
from tests.served import configuration, served

WORKSPACE = ("ws-key-for-tests", "ws-secret-for-tests")
REQUEST = "a7551968-d5d6-44b2-9831-815ac9017798"
ANN = {"customerid": "ann-canary", "email": "ann-canary@example.com"}
DIES = """
import os, signal, sys
from knownas.service.erasure.erasing import Erasing
from knownas.cli.main import main

async def _log(*_):
    os.kill(os.getpid(), signal.SIGKILL)

Erasing._log = _log
main(sys.argv[1:])
"""


def written(database: str, **members: Any) -> dict[str, Any]:
    """Return a configuration whose requests don't wait, and which keeps a ledger."""
    document = configuration(database=database, privacy={"ledger": "erased.ledger"}, **members)
    workspace = document["organization"]["accounts"][0]["workspaces"][0]
    workspace["settings"] = {"privacy": {"waiting_days": 0, "stays_out": "users"}}
    return document


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a backup in which somebody is who was erased later, and their MPID."""
    folder = tmp_path_factory.mktemp("lost")
    with served(folder, written("sqlite:///knownas.db")) as server:
        mpid = server.ask("login", ANN).json()["mpid"]
        (folder / "processor.pem").write_text(httpx.get(f"{server.url}/v3/opendsr_cert.pem").text)
        made = run(folder, "backup", "--config", "knownas.yaml", "--output", "monday.db")
        assert made.returncode == 0, made.stderr
        asked = {
            "regulation": "gdpr",
            "subject_request_id": REQUEST,
            "subject_request_type": "erasure",
            "submitted_time": "2026-05-03T12:00:00Z",
            "subject_identities": {"controller_customer_id": {"value": ANN["customerid"], "encoding": "raw"}},
        }
        assert httpx.post(f"{server.url}/v3/requests", json=asked, auth=WORKSPACE).status_code == 201
        with server.api as api:
            until = time.monotonic() + 30
            while api.get(f"/api/profiles/{mpid}").status_code != 410 or not _has_ended(folder):
                assert time.monotonic() < until
                time.sleep(0.1)
    return folder, mpid


def _has_ended(folder: Path) -> bool:
    return '"step":"completed"' in (folder / "erased.ledger").read_text()


def restored_into(folder: Path, name: str) -> str:
    """Write a configuration for a new database, and return its file's name."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(written(f"sqlite:///{name}.db")))
    return f"{name}.yaml"


def bytes_of(folder: Path, name: str) -> bytes:
    """Return what all files of a database hold."""
    return b"".join(path.read_bytes() for path in folder.glob(f"{name}.db*"))


def test_a_restore_that_is_killed_goes_on(lost: tuple[Path, str]) -> None:
    """Killed amid an erasure, no server opens the database; run again, it comes to its end, and a server over it forgets."""
    folder, mpid = lost
    config = restored_into(folder, "killed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
    command = [sys.executable, "-c", DIES, "restore", "monday.db", "--config", config]
    died = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr
    refused = run(folder, "serve", "--config", config, "--port", "0")
    assert refused.returncode != 0
    assert "run the same `knownas restore` again" in refused.stderr
    done = run(folder, "restore", "monday.db", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "1 erasure carried out again; 2 identities stay out" in done.stdout
    assert b"ann-canary" not in bytes_of(folder, "killed")
    with served(folder, written("sqlite:///killed.db")) as server, server.api as api:
        assert api.get(f"/api/profiles/{mpid}").status_code == 410
        assert server.ask("identify", ANN).status_code == 403
        answer = httpx.get(f"{server.url}/v3/requests/{REQUEST}", auth=WORKSPACE)
        assert answer.json()["request_status"] == "completed"
    again = run(folder, "restore", "monday.db", "--config", config)
    assert "the target is not empty" in again.stderr
    # By the certificate that the lost server had.
    assert run(folder, "evidence", "--config", config, "--output", "chain").returncode == 0
    verified = run(folder, "verify-evidence", "chain", "--certificate", "processor.pem")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture
def verb(lost: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs a verb in this process, in the folder, and leaves the process as it was."""
    monkeypatch.chdir(lost[0])
    before = os.umask(0o022)
    yield lambda *arguments: CliRunner().invoke(main, list(arguments))
    os.umask(before)


def test_what_is_missing_is_asked_for(lost: tuple[Path, str], verb: Callable[..., Result]) -> None:
    """Without a ledger nothing is restored unless that is said; what can't be, has its reason and leaves no database."""
    folder, _ = lost
    config = restored_into(folder, "missing")
    document = written("sqlite:///missing.db")
    document["privacy"] = {}
    (folder / "bare.yaml").write_text(yaml.safe_dump(document))
    for options, sentence in (
        (("--config", "bare.yaml"), "give the ledger of erasures with --ledger"),
        (("--config", config, "--without-ledger"), "there is one"),
        (("--config", config, "--ledger", "monday.db.manifest.json"), "is no ledger"),
    ):
        refused = verb("restore", "monday.db", *options)
        assert refused.exit_code != 0
        assert sentence in " ".join(refused.output.split()), refused.output
    refused = verb("restore", "knownas.yaml", "--config", config)
    assert "no backup with its manifest beside it" in refused.output
    assert not (folder / "missing.db").exists()
    done = verb("restore", "monday.db", "--config", "bare.yaml", "--without-ledger")
    assert done.exit_code == 0, done.output
    assert b"ann-canary" in bytes_of(folder, "missing")


def test_where_the_key_is_sealed_the_secret_key_is_asked_for(tmp_path: Path, verb: Callable[..., Result]) -> None:
    """Without it the restore ends with a sentence that says so; with it the same command comes to its end."""
    (tmp_path / "at-rest.key").write_text(f"{base64.b64encode(b's' * 32).decode()}\n")
    secrets = {"key_file": str(tmp_path / "at-rest.key")}
    with served(tmp_path, written(f"sqlite:///{tmp_path}/knownas.db", secrets=secrets)) as server:
        assert server.ask("login", ANN).status_code == 200
        made = verb("backup", "--config", f"{tmp_path}/knownas.yaml", "--output", f"{tmp_path}/monday.db")
        assert made.exit_code == 0, made.output
    plain, sealed = tmp_path / "plain.yaml", tmp_path / "sealed.yaml"
    document = written(f"sqlite:///{tmp_path}/restored.db")
    plain.write_text(yaml.safe_dump(document))
    sealed.write_text(yaml.safe_dump({**document, "secrets": secrets}))
    asked = ("restore", f"{tmp_path}/monday.db", "--ledger", f"{tmp_path}/erased.ledger", "--config")
    refused = verb(*asked, str(plain))
    assert refused.exit_code == 1, refused.output
    assert "secret key" in refused.output
    done = verb(*asked, str(sealed))
    assert done.exit_code == 0, done.output
    assert "0 erasures carried out again" in done.output


def test_a_ledger_is_written_from_a_database(lost: tuple[Path, str], verb: Callable[..., Result]) -> None:
    """It says how much, is readable for its owner only, and never goes over a file that is there."""
    folder, _ = lost
    (folder / "live.yaml").write_text(yaml.safe_dump(written("sqlite:///knownas.db")))
    done = verb("ledger", "--config", "live.yaml", "--output", "written.ledger")
    assert done.exit_code == 0, done.output
    assert "entries of the evidence" in done.output
    assert (folder / "written.ledger").stat().st_mode & 0o077 == 0
    again = verb("ledger", "--config", "live.yaml", "--output", "written.ledger")
    assert "is there already" in again.output
    config = restored_into(folder, "second")
    assert verb("restore", "monday.db", "--config", config, "--ledger", "written.ledger").exit_code == 0
    assert b"ann-canary" not in bytes_of(folder, "second")
