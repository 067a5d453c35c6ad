"""`knownas copy`: what it shows and refuses, and that a server over the copy knows what the first one knew."""

from pathlib import Path

import yaml

from tests.cli.test_commands import run
from tests.served import configuration, served


def test_a_server_over_the_copy_knows_everybody(tmp_path: Path) -> None:
    """The same MPID and receipt, from a database that another command has made; the rows of each kind are told."""
    with served(tmp_path) as server:
        made = server.ask("login", {"customerid": "ann"})
    done = run(tmp_path, "copy", "--from", "sqlite:///knownas.db", "--to", "sqlite:///moved.db")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "profiles                1  the same" in done.stdout
    assert "the log folds to the 1 profiles that are there" in done.stdout
    assert (tmp_path / "moved.db").stat().st_mode & 0o077 == 0
    with served(tmp_path, configuration(database="sqlite:///moved.db")) as server:
        assert server.ask("login", {"customerid": "ann"}).json()["mpid"] == made.json()["mpid"]
        with server.api as api:
            assert api.get(f"/api/decisions/{made.headers['x-decision-id']}").status_code == 200


def test_what_cannot_be_copied_is_refused_with_its_reason(tmp_path: Path) -> None:
    """A file that is not there, one database as both, one that is no database, a target that is in use."""
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration()))
    with served(tmp_path):
        pass
    for source, target, sentence in (
        ("sqlite:///none.db", "sqlite:///moved.db", "--from: none.db is not there"),
        ("sqlite:///knownas.db", "sqlite:///knownas.db", "the same database"),
        ("memory://", "sqlite:///moved.db", "nothing can be copied from or to"),
        ("sqlite:///knownas.yaml", "sqlite:///moved.db", "--from: file is not a database"),
    ):
        refused = run(tmp_path, "copy", "--from", source, "--to", target)
        assert refused.returncode != 0
        assert sentence in refused.stderr
        assert "Traceback" not in refused.stderr
    assert run(tmp_path, "copy", "--from", "sqlite:///knownas.db", "--to", "sqlite:///moved.db").returncode == 0
    again = run(tmp_path, "copy", "--from", "sqlite:///moved.db", "--to", "sqlite:///knownas.db")
    assert "the target is not empty" in again.stderr
