"""`knownas migrate`: says what it did to a database's layout, and refuses what can't be distributed with its reason."""

import asyncio
from pathlib import Path

import pytest
import yaml

from knownas.store.errors import StoreError
from knownas.store.opening import distribute, migrate
from knownas.store.postgres.statements import schema_steps
from knownas.store.sqlite.store import SqliteStore
from tests.cli.test_commands import run
from tests.postgres import ask, bare_database, key_by_key_database
from tests.served import configuration

NEWEST = schema_steps()[-1].version
SHARDS = 2


def told(database: str) -> str:
    """Bring a database up to date and return what is told of it."""
    lines: list[str] = []
    asyncio.run(migrate(database, lines.append))
    return "\n".join(lines)


def refusal(database: str) -> str:
    """Return why a database can't be distributed."""
    with pytest.raises(StoreError) as refused:
        asyncio.run(distribute(database, SHARDS, print))
    return str(refused.value)


def test_it_says_what_it_did(tmp_path: Path) -> None:
    """An empty database, which the configuration names, gets its layout; the second time there is nothing to do."""
    with bare_database() as url:
        (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration(database=url)))
        made = run(tmp_path, "migrate")
        assert made.returncode == 0, made.stderr
        assert made.stdout.endswith(f": layout {NEWEST} made.\n")
        assert told(url).endswith(f"has layout {NEWEST} already.")


def test_a_file_is_brought_up_to_date_too(tmp_path: Path) -> None:
    """A SQLite file says which layout it has."""
    file = tmp_path / "knownas.db"
    asyncio.run(SqliteStore(file).close())
    assert told(f"sqlite:///{file}").endswith("already.")


def test_it_says_that_a_database_is_distributed() -> None:
    """Who asks for nothing but the newest layout is told that the database is one of several servers."""
    with key_by_key_database() as url:
        assert told(url).endswith("It is distributed.")


def test_what_cannot_be_distributed_is_refused_with_its_reason(tmp_path: Path) -> None:
    """A file, memory, and a server that is not there."""
    refused = run(tmp_path, "migrate", "--database", "sqlite:///knownas.db", "--distributed")
    assert refused.returncode != 0
    assert "only PostgreSQL with the extension Citus can be distributed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "only PostgreSQL with the extension Citus" in refusal("memory://")
    assert "can't be reached" in refusal("postgresql://@/none?host=/nowhere")


def test_a_server_without_citus_is_refused_and_left_as_it_is() -> None:
    """PostgreSQL without the extension says what is missing and where it is told how to set it up; nothing is made."""
    with bare_database() as url:
        why = refusal(url)
        assert "can't be distributed" in why
        assert "extension" in why
        assert "docs/how-to/grow-past-one-machine.md" in why
        assert asyncio.run(ask(url, "SELECT 1 FROM pg_namespace WHERE nspname = 'knownas'")) == []


def test_a_missing_database_is_told(tmp_path: Path) -> None:
    """A file that is not there, and memory, have no layout to bring up to date."""
    for database, sentence in (
        (f"sqlite:///{tmp_path}/none.db", "there is no database"),
        ("memory://", "keeps nothing"),
    ):
        with pytest.raises(StoreError, match=sentence):
            told(database)
