"""The command line: each verb does what its help says, and says what is wrong."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from knownas.service.privacy.processor import make_authority
from tests.served import TOKEN, Served, configuration, served


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "knownas", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one known user on a device."""
    with served(tmp_path_factory.mktemp("cli")) as running:
        running.ask("identify", {"customerid": "c-1", "device_application_stamp": "d-1"})
        yield running


def test_init_writes_a_file_that_check_accepts(tmp_path: Path) -> None:
    """The file has fresh keys, nobody else may read it, and it is sound as it stands."""
    assert run(tmp_path, "init").returncode == 0
    first = (tmp_path / "knownas.yaml").read_text()
    assert stat.S_IMODE((tmp_path / "knownas.yaml").stat().st_mode) == 0o600
    checked = run(tmp_path, "check")
    assert checked.returncode == 0, checked.stderr
    assert "is sound" in checked.stdout
    assert run(tmp_path, "init", "other.yaml").returncode == 0
    assert (tmp_path / "other.yaml").read_text() != first


def test_init_never_replaces_a_file_unasked(tmp_path: Path) -> None:
    """Keys in use are not lost to a second init."""
    (tmp_path / "knownas.yaml").write_text("mine")
    refused = run(tmp_path, "init")
    assert refused.returncode != 0
    assert "exists" in refused.stderr
    assert (tmp_path / "knownas.yaml").read_text() == "mine"
    assert run(tmp_path, "init", "--force").returncode == 0


def test_bad_file_is_refused_with_every_fault_and_its_line(tmp_path: Path) -> None:
    """Check and serve tell all faults at once, each with its line and what is allowed, and serve starts nothing."""
    (tmp_path / "knownas.yaml").write_text(
        "database: sqlite:///x.db\n"
        "scopes:\n"
        "- name: shop\n"
        "  strategy: profile_conversio\n"
        "  priority: [customerid, shoe_size]\n"
        "  immutable_ids: [email]\n"
    )
    for verb in ("check", "serve"):
        refused = run(tmp_path, verb)
        assert refused.returncode != 0
        for line in (4, 5):
            assert re.search(rf"knownas\.yaml:{line}: ", refused.stderr), refused.stderr
        assert "profile_conversion" in refused.stderr
    assert not (tmp_path / "x.db").exists()


def test_a_certificate_that_does_not_fit_starts_nothing(tmp_path: Path) -> None:
    """Check and serve say so before anything is opened: the domain is another one."""
    made = make_authority("privacy.example.com", int(time.time() * 1000))
    (tmp_path / "cert.pem").write_text(made.certificates)
    (tmp_path / "key.pem").write_text(made.key)
    privacy = "privacy: {domain: DOMAIN, certificate: cert.pem, key: key.pem}\ndatabase: sqlite:///x.db\n"
    (tmp_path / "knownas.yaml").write_text(privacy.replace("DOMAIN", "other.example.com"))
    for verb in ("check", "serve"):
        refused = run(tmp_path, verb)
        assert refused.returncode != 0
        assert "the certificate is not of other.example.com" in refused.stderr
    assert not (tmp_path / "x.db").exists()
    (tmp_path / "knownas.yaml").write_text(privacy.replace("DOMAIN", "privacy.example.com"))
    assert run(tmp_path, "check").returncode == 0


def test_explain_shows_a_stored_decision(server: Served) -> None:
    """A decision that changed something is told by a running server, as a picture and as JSON."""
    made = server.ask("login", {"customerid": "c-2", "device_application_stamp": "d-1"})
    decision = made.headers["x-decision-id"]
    shown = run(server.folder, "explain", decision, "--server", server.url, KNOWNAS_TOKEN=TOKEN)
    assert shown.returncode == 0, shown.stderr
    assert made.json()["mpid"] in shown.stdout
    as_json = run(server.folder, "explain", decision, "--server", server.url, "--token", TOKEN, "--json")
    assert json.loads(as_json.stdout)["decision_id"] == decision


def test_explain_foretells_and_writes_nothing(server: Served) -> None:
    """A request that nobody made is explained, and leaves no trace."""
    arguments = ("explain", "-i", "device_application_stamp=d-never", "--scope", "shop")
    for _ in range(2):
        told = run(server.folder, *arguments, "--server", server.url, "--token", TOKEN, "--json")
        receipt = json.loads(told.stdout)
        assert receipt["outcome"]["kind"] == "created"
        assert receipt["outcome"]["mpid"] is None


def test_explain_reads_the_database_without_a_server(tmp_path: Path) -> None:
    """With the configuration alone, the database is read directly."""
    with served(tmp_path) as running:
        known = running.ask("identify", {"customerid": "c-1"}).json()["mpid"]
    told = run(tmp_path, "explain", "-i", "customerid=c-1", "--json", "--config", "knownas.yaml")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["outcome"]["mpid"] == known


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain",), "decision id"),
        (("explain", "xyz"), "32 lower-case hex digits"),
        (("explain", "-i", "shoe_size=44", "--server", "http://127.0.0.1:1"), "TYPE=VALUE"),
        (("explain", "-i", "email=", "--server", "http://127.0.0.1:1"), "empty"),
        (("explain", "0" * 32, "--server", "http://127.0.0.1:1"), "does not answer"),
        (("explain", "0" * 32, "--server", "file:///etc/passwd"), "URL"),
        (("serve", "--config", "absent.yaml"), "can't be read"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """A mistake on the command line ends with a sentence that names it, never with a traceback."""
    refused = run(tmp_path, *arguments)
    assert refused.returncode != 0
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_wrong_token_is_told(server: Served) -> None:
    """The server's own sentence reaches the terminal."""
    refused = run(server.folder, "explain", "0" * 32, "--server", server.url, "--token", "wrong")
    assert refused.returncode != 0
    assert "admin_token" in refused.stderr


def test_serve_tells_that_its_port_is_taken(server: Served, tmp_path: Path) -> None:
    """Two servers can't share a port, and the second says so."""
    port = server.url.rpartition(":")[2]
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration()))
    refused = run(tmp_path, "serve", "--port", port)
    assert refused.returncode != 0
    assert "can't listen" in refused.stderr


def test_policy_change_makes_a_new_version(tmp_path: Path) -> None:
    """After a restart under other rules, new receipts name the new version and old ones keep theirs."""
    with served(tmp_path) as running:
        old = running.ask("identify", {"customerid": "c-1"}).headers["x-decision-id"]
    changed = configuration({"strategy": "profile_link"})
    with served(tmp_path, changed) as running, running.api as api:
        new = running.ask("identify", {"email": "a@example.com"}).headers["x-decision-id"]
        assert api.get(f"/api/decisions/{old}").json()["policy_version"] == 1
        assert api.get(f"/api/decisions/{new}").json()["policy_version"] == 2
