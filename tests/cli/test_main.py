"""The command line lists its verbs and loads the one that is used."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from knownas.cli.main import VERBS, main

HEAVY = ("numpy", "duckdb", "uvicorn", "starlette", "asyncpg", "reportlab", "pyarrow")
"""What only some verbs need, and what takes long to load."""


def loaded_by(*arguments: str) -> set[str]:
    """Return which of the heavy libraries a use of the command line loads."""
    program = (
        "import sys\n"
        "from knownas.cli.main import main\n"
        f"main({list(arguments)!r}, standalone_mode=False)\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("name", VERBS)
def test_the_list_says_of_a_verb_what_its_help_begins_with(name: str) -> None:
    """And the verb has the name under which it is listed."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert " ".join((command.help or "").split()).startswith(VERBS[name].sentence)


def test_all_verbs_are_listed_without_loading_them() -> None:
    """Whoever asks for help does not wait for what a server needs."""
    told = CliRunner().invoke(main, ["--help"]).output
    assert [line.split()[0] for line in told.partition("Commands:\n")[2].splitlines() if line[2:3].strip()] == list(
        VERBS
    )
    assert loaded_by("--help") == set()


def test_a_small_verb_loads_nothing_large() -> None:
    """A configuration is checked without a server, and without what folds a history."""
    assert loaded_by("init", "--help") == set()
    assert loaded_by("check", "--help") == set()


def test_a_verb_that_is_not_there_is_refused() -> None:
    """With the exit status of a wrong use."""
    told = CliRunner().invoke(main, ["serv"])
    assert told.exit_code == 2
    assert "No such command 'serv'" in told.output


def test_a_server_does_not_load_what_folds_histories() -> None:
    """Another program does it, when somebody asks for it; a server is up without."""
    assert "numpy" not in loaded_by("serve", "--help")
