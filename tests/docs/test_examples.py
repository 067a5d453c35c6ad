"""The examples on the project's pages do what the pages say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from knownas.batch.backing_up import check_backup
from knownas.batch.import_mapping import HISTORY_WORDS, IMPORT_WORDS, ColumnMapping, read_mapping
from knownas.config.policies import read_policy
from knownas.config.reader import read_configuration
from knownas.config.values import Configuration
from knownas.core.identity.policy import Policy
from tests.docs.console import run_page
from tests.docs.pages import ROOT, Block, blocks, name_of, pages
from tests.docs.volatile import Bindings
from tests.served import served

RUN_WITHIN_SECONDS = 60
TOLD = [page for page in pages() if any(block.language == "console" for block in blocks(page))]


def blocks_in(language: str) -> list[object]:
    """Return every block of a language, named by its page and line."""
    found = [(page, block) for page in pages() for block in blocks(page) if block.language == language]
    return [pytest.param(block, id=f"{name_of(page)}:{block.first}") for page, block in found]


@pytest.mark.parametrize("page", TOLD, ids=name_of)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Each command of a page prints what stands below it, and ends the way the page says."""
    bindings = Bindings()
    ran = 0
    for one in run_page(page, tmp_path, bindings):
        expected = "\n".join(one.command.expected)
        assert bindings.matches(expected, one.printed), (
            f"{one.command.text}\n--- the page says\n{bindings.filled(expected)}\n--- it prints\n{one.printed}\n"
            f"--- `python -m tests.docs.console {name_of(page)}` writes that into the page"
        )
        assert (one.status != 0) is one.fails, f"{one.command.text} ended with status {one.status}"
        ran += 1
    assert ran > 0


def test_the_front_page_and_the_tutorial_are_run() -> None:
    """The pages that a stranger reads first are among those that are run."""
    assert {"README.md", "docs/tutorial/first-decision.md"} <= {name_of(page) for page in TOLD}


@pytest.mark.parametrize("block", blocks_in("yaml"))
def test_configurations_are_sound(block: Block) -> None:
    """Each YAML example is a configuration that `knownas check` has nothing against, or a sound mapping of columns or policy."""
    if block.note in ("mapping", "history"):
        mapping = read_mapping(block.text, HISTORY_WORDS if block.note == "history" else IMPORT_WORDS)
        assert isinstance(mapping, ColumnMapping), mapping
        return
    if block.note == "policy":
        assert isinstance(read_policy(block.text), Policy), block.text
        return
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block.text), "a-secret-of-the-environment")
    configuration = read_configuration(block.text, environment=environment)
    assert isinstance(configuration, Configuration), configuration


@pytest.mark.parametrize("block", blocks_in("python"))
def test_programs_run(block: Block, tmp_path: Path) -> None:
    """Each Python example runs. One that is made a file is run by its page's commands; here it is only read."""
    if block.note.startswith("file: "):
        compile(block.text, block.note, "exec")
        return
    path = os.pathsep.join(one for one in sys.path if one)
    ran = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("block", blocks_in("sh"))
def test_shell_examples_can_be_read(block: Block) -> None:
    """Each shell example that is not run is at least one that a shell can read."""
    read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=10, check=False)
    assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_blocks_name_their_language(page: Path) -> None:
    """Each block says what language it is in, and a console block starts with a command."""
    for block in blocks(page):
        assert block.language, f"{page}:{block.first}"
        if block.language == "console":
            assert block.lines[0].startswith("$ "), f"{page}:{block.first}"


def test_the_backup_command_copies_a_database(tmp_path: Path) -> None:
    """The command that the operator's page gives for backups makes one of a database in use that is what its manifest says."""
    page = ROOT / "docs" / "how-to" / "run-in-production.md"
    script = next(block.text for block in blocks(page) if "knownas backup" in block.text)
    with served(tmp_path):
        command = script.replace("knownas backup", f"{sys.executable} -m knownas backup")
        ran = subprocess.run(
            [
                "bash",
                "-c",
                command.replace("/var/backups/knownas.db", "knownas-monday.db").replace("/etc/knownas/", ""),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert check_backup(tmp_path / "knownas-monday.db").rows
