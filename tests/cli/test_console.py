"""`knownas console`: what the console's configuration needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.config.texts import read

PASSWORD = "correct horse battery staple"


def hash_password(folder: Path, typed: str) -> subprocess.CompletedProcess[str]:
    """Run the verb with a password on its standard input."""
    command = [sys.executable, "-m", "knownas", "console", "hash-password"]
    return subprocess.run(
        command, cwd=folder, input=typed, capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False
    )


def test_a_hash_is_one_that_the_configuration_takes(tmp_path: Path) -> None:
    """It is of the password to the letter, another one each time, and the password is not printed."""
    first, second = (hash_password(tmp_path, f"{PASSWORD}\n") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout != second.stdout
    assert PASSWORD not in first.stdout
    hashed = first.stdout.strip()
    text = f"console: {{users: [{{name: ann, password_hash: {hashed}, role: reader}}]}}"
    (user,) = read(text).console.users
    assert PasswordHasher().verify(user.password_hash.reveal(), PASSWORD)
    assert not PasswordHasher().check_needs_rehash(user.password_hash.reveal())


@pytest.mark.parametrize("typed", ["", "short\n", "x" * 1_025 + "\n"])
def test_a_password_has_a_length(tmp_path: Path, typed: str) -> None:
    """Too short is guessed, too long is looked at by nobody; the error does not show it."""
    refused = hash_password(tmp_path, typed)
    assert refused.returncode != 0
    assert "12 to 1,024 characters" in refused.stderr
    assert refused.stdout == ""
