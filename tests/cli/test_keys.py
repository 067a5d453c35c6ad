"""`knownas keys`: a key changes under a running server, and nobody is locked out meanwhile."""

import base64
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from knownas.config.template import generate_configuration
from knownas.service.security.keys import TAKEN_UP_WITHIN_SECONDS
from knownas.store.opening import open_store
from tests.cli.test_commands import run
from tests.served import KEY, SECRET, Served, configuration, served, stop
from tests.waiting import wait_until

SECRET_KEY = base64.b64encode(b"s" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """A file with a secret key, as a configuration names it."""
    (tmp_path / "at-rest.key").write_text(f"{SECRET_KEY}\n")
    return "at-rest.key"


def rotated(folder: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """Rotate and return the new key and secret."""
    done = run(folder, "keys", "rotate", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    found = re.search(r"key +(\S+)\n +secret +(\S+)", done.stdout)
    assert found is not None, done.stdout
    return found[1], found[2]


def status(server: Served, pair: tuple[str, str]) -> int:
    """Ask with a pair."""
    body = {"environment": "production", "known_identities": {"customerid": "c-1"}}
    return httpx.post(f"{server.url}/v1/identify", json=body, auth=pair, timeout=30).status_code


def within(server: Served, pair: tuple[str, str], wanted: int) -> None:
    """Wait until a pair is answered so, for as long as a change may take."""
    told = f"{pair[0]} is not answered {wanted} in time"
    wait_until(lambda: status(server, pair) == wanted, TAKEN_UP_WITHIN_SECONDS, lambda: told)


def test_rotation_reaches_a_running_server(tmp_path: Path, key_file: str) -> None:
    """The new pair opens within the named time, the old one until it is revoked, and a restart changes nothing."""
    document = configuration(secrets={"key_file": key_file})
    old = (KEY, SECRET)
    with served(tmp_path, document) as server:
        new = rotated(tmp_path, "--input", "app")
        within(server, new, 200)
        assert [status(server, pair) for pair in (old, (new[0], SECRET), (KEY, new[1]))] == [200, 401, 401]
        assert run(tmp_path, "keys", "revoke", KEY).returncode == 0
        within(server, old, 401)
        assert status(server, new) == 200
    with served(tmp_path, document) as server:
        assert [status(server, pair) for pair in (old, new)] == [401, 200]
    assert new[1].encode() not in (tmp_path / "knownas.db").read_bytes()


def test_an_input_is_found_by_name_and_by_any_key(tmp_path: Path, key_file: str) -> None:
    """A name, the first key and the newest one lead to the same input; a workspace alone to its own pair."""
    document = configuration(secrets={"key_file": key_file})
    with served(tmp_path, document):
        pass
    first, _ = rotated(tmp_path, "--input", "app", "--valid-for", "0s")
    second, _ = rotated(tmp_path, "--input", first, "--workspace", "Shop", "--valid-for", "0s")
    third, _ = rotated(tmp_path, "--input", KEY)
    own, _ = rotated(tmp_path, "--workspace", "100")
    listed = run(tmp_path, "keys", "list").stdout
    assert re.search(rf"input app of workspace Shop \(100\)\n +{second} +until \S+Z\n +{third} +newest", listed)
    assert re.search(rf"^workspace Shop \(100\)\n +ws-key-for-tests +until \S+Z\n +{own} +newest", listed)
    assert first not in listed
    assert "secret" not in listed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--input NAME_OR_KEY"),
        (("--input", "nobody"), "no input nobody"),
        (("--input", "app", "--workspace", "nowhere"), "no workspace nowhere"),
        (("--input", "app", "--valid-for", "a week"), "a number with s, m, h or d"),
        (("--input", "app", "--valid-for", "366d"), "at most 365d"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, key_file: str, arguments: tuple[str, ...], words: str) -> None:
    """What can't be done is said in a sentence, and nothing is changed."""
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration(secrets={"key_file": key_file})))
    open_store_once(tmp_path)
    refused = run(tmp_path, "keys", "rotate", *arguments)
    assert refused.returncode != 0
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def open_store_once(folder: Path) -> None:
    """Make an empty database."""
    (folder / "make.py").write_text(
        "import asyncio; from knownas.store.opening import open_store\n"
        "async def made():\n    await open_store('sqlite:///knownas.db').close()\nasyncio.run(made())\n"
    )
    subprocess.run([sys.executable, "make.py"], cwd=folder, check=True, timeout=60)


def test_rotation_needs_a_secret_key(tmp_path: Path) -> None:
    """Without a secret key nothing is rotated; with one of the environment it is, also where no file is named."""
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration()))
    open_store_once(tmp_path)
    refused = run(tmp_path, "keys", "rotate", "--input", "app")
    assert refused.returncode != 0
    assert "KNOWNAS_SECRET_KEY" in refused.stderr
    rotated(tmp_path, "--input", "app", KNOWNAS_SECRET_KEY=SECRET_KEY)
    again = run(tmp_path, "keys", "rotate", "--input", "app", KNOWNAS_SECRET_KEY=SECRET_KEY)
    assert "--now" in again.stderr


def test_start_stops_with_a_sentence_at_a_wrong_or_missing_secret_key(tmp_path: Path) -> None:
    """The server does not start, names the secret key it needs, and shows none; the old key behind a new one helps."""
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration()))
    open_store_once(tmp_path)
    rotated(tmp_path, "--input", "app", KNOWNAS_SECRET_KEY=SECRET_KEY)
    for given, words in (("", "there is none"), (OTHER_KEY, "not among those given"), ("a-phrase", "base64")):
        refused = run(tmp_path, "serve", "--port", "0", KNOWNAS_SECRET_KEY=given)
        assert refused.returncode != 0
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not given or given not in refused.stderr
    with unconfigured(tmp_path, KNOWNAS_SECRET_KEY=f"{OTHER_KEY},{SECRET_KEY}") as lines:
        assert any("answers at" in line for line in lines)


@contextmanager
def unconfigured(folder: Path, **environment: str) -> Iterator[list[str]]:
    """Run `knownas serve` without arguments but a free port; yield what it printed until it answered."""
    process = subprocess.Popen(
        [sys.executable, "-m", "knownas", "serve", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "answers at" in line:
                break
        yield lines
    finally:
        stop(process)


def test_a_server_without_configuration_keeps_no_secret_plain(tmp_path: Path) -> None:
    """Its keys stand sealed in the database; the key to them in a private file beside it, made once."""
    with unconfigured(tmp_path) as lines:
        text = "".join(lines)
    shown = re.findall(r"^  (?:admin token|workspace|input).* (\S+)$", text, re.MULTILINE)
    assert len(shown) == 4
    database = b"".join(one.read_bytes() for one in tmp_path.glob("knownas.db*") if one.suffix != ".secret-key")
    assert [secret for secret in shown if secret.encode() in database] == []
    file = tmp_path / "knownas.db.secret-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = file.read_bytes()
    assert made.strip() not in database
    with unconfigured(tmp_path) as lines:
        assert "Using the keys made when knownas.db was" in "".join(lines)
    assert file.read_bytes() == made
    rotated(tmp_path, "--input", "web")
    file.unlink()
    refused = run(tmp_path, "serve", "--port", "0")
    assert refused.returncode != 0
    assert "knownas.db.secret-key" in refused.stderr
    assert not file.exists(), "a fresh key would hide that the old one is lost"


def test_the_environment_takes_the_place_of_the_key_file(tmp_path: Path) -> None:
    """With a secret key of the environment, a server without configuration makes no key file."""
    with unconfigured(tmp_path, KNOWNAS_SECRET_KEY=SECRET_KEY):
        pass
    assert not (tmp_path / "knownas.db.secret-key").exists()
    with unconfigured(tmp_path, KNOWNAS_SECRET_KEY=f"{OTHER_KEY},{SECRET_KEY}") as lines:
        assert any("answers at" in line for line in lines)


def stands_in_database(folder: Path, text: bytes) -> bool:
    """Whether a text can be found in the files of the database."""
    return any(text in one.read_bytes() for one in folder.glob("knownas.db*"))


async def test_a_plain_configuration_of_an_older_version_is_sealed(tmp_path: Path) -> None:
    """A database that an older knownas made serves with the keys it has, and from then on they stand sealed in it."""
    numbers = iter(range(99))
    text = generate_configuration(lambda nbytes: f"token-{next(numbers)}-of-{nbytes}-bytes")
    store = open_store(f"sqlite:///{tmp_path / 'knownas.db'}")
    await store.keep("first_configuration", text.encode())
    await store.close()
    assert stands_in_database(tmp_path, b"token-1-of-")
    with unconfigured(tmp_path) as lines:
        assert "plain" in "".join(lines)
        assert "Using the keys made" in "".join(lines)
    assert not stands_in_database(tmp_path, b"token-1-of-")
    with unconfigured(tmp_path) as lines:
        assert "plain" not in "".join(lines)
    rotated(tmp_path, "--input", "web")


def test_after_resealing_the_old_secret_key_is_not_needed(tmp_path: Path) -> None:
    """Everything opens with the new key alone, whichever way the old one was given; a second time changes nothing."""
    with unconfigured(tmp_path, KNOWNAS_SECRET_KEY=SECRET_KEY):
        pass
    rotated(tmp_path, "--input", "web", KNOWNAS_SECRET_KEY=SECRET_KEY)
    (tmp_path / "old.key").write_text(SECRET_KEY)
    refused = run(tmp_path, "keys", "reseal", KNOWNAS_SECRET_KEY=OTHER_KEY)
    assert refused.returncode != 0
    assert "not among those given" in refused.stderr
    resealed = run(tmp_path, "keys", "reseal", "--old-key", "old.key", KNOWNAS_SECRET_KEY=OTHER_KEY)
    assert resealed.returncode == 0, resealed.stderr
    for what in ("1 secrets of rotated pairs", "the key that signs tokens", "the first configuration"):
        assert what in resealed.stdout
    with unconfigured(tmp_path, KNOWNAS_SECRET_KEY=OTHER_KEY) as lines:
        assert any("answers at" in line for line in lines)
    again = run(tmp_path, "keys", "reseal", KNOWNAS_SECRET_KEY=f"{OTHER_KEY},{SECRET_KEY}")
    assert "0 secrets of rotated pairs. " in again.stdout
    back = run(tmp_path, "serve", "--port", "0", KNOWNAS_SECRET_KEY=SECRET_KEY)
    assert back.returncode != 0
    assert "not among those given" in back.stderr


def test_there_is_nothing_to_rotate_before_the_first_start(tmp_path: Path) -> None:
    """Neither without a configuration, nor without a database, nor in memory; and nothing is made."""
    assert "start the server once" in run(tmp_path, "keys", "list").stderr
    for database, words in (("sqlite:///absent.db", "no database"), ("memory://", "keeps nothing")):
        (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration(database=database)))
        assert words in run(tmp_path, "keys", "list").stderr
    assert [one.name for one in tmp_path.iterdir()] == ["knownas.yaml"]


def test_a_lost_secret_key_is_told_before_anything_was_rotated(tmp_path: Path) -> None:
    """The key that signs tokens is sealed too: a start with another secret key stops with a sentence."""
    (tmp_path / "knownas.yaml").write_text(yaml.safe_dump(configuration()))
    with unconfigured(tmp_path, KNOWNAS_SECRET_KEY=SECRET_KEY) as lines:
        assert any("answers at" in line for line in lines)
    refused = run(tmp_path, "serve", "--port", "0", KNOWNAS_SECRET_KEY=OTHER_KEY)
    assert refused.returncode != 0
    assert "not among those given" in refused.stderr
    assert "Traceback" not in refused.stderr
