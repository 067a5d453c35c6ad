"""Runs the shell commands of a page, in a folder of their own, against the knownas of this tree.

A page's `console` blocks hold commands, on lines that start with `$ `, each with what it prints below it. A comment
above a block says more: `<!-- file: NAME -->` above any block makes its content a file; `<!-- serves -->` says that
the command goes on running while the page is read; `<!-- fails -->` that it ends with an error. Commands share one
shell. Blocks of other languages are not run.

`python -m tests.docs.console PAGE` runs a page and writes what came out into it.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.pages import Block, blocks
from tests.docs.volatile import ANYTHING, VOLATILE, Bindings
from tests.served import stop

ANSWER_WITHIN_SECONDS = 60
DONE = "-- the command has ended: "
SERVING = re.compile(r"^knownas (?P<verb>serve|demo)\b")
LAST_LINE = {"serve": "answers at", "demo": "Ctrl-C stops it"}
"""What is in the last line that a serving command prints."""


@dataclass
class Command:
    """A command of a page: the text after `$ `, and what the page says it prints."""

    text: str
    expected: list[str] = field(default_factory=list)


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block."""
    found: list[Command] = []
    continued = False
    for line in block.lines:
        if continued:
            found[-1].text += f"\n{line}"
        elif line.startswith("$ "):
            found.append(Command(line.removeprefix("$ ")))
        else:
            found[-1].expected.append(line)
            continue
        continued = line.endswith("\\") or _is_open(found[-1].text)
    return found


def _is_open(text: str) -> bool:
    """Whether a quotation in a command has not ended yet."""
    try:
        shlex.split(text)
    except ValueError:
        return True
    return False


class Shell:
    """A shell in a folder in which `knownas` is the one of this tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binary = folder / ".bin" / "knownas"
        binary.parent.mkdir()
        binary.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m knownas "$@"\n')
        binary.chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KNOWNAS_")},
            "PATH": f"{binary.parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }
        self._shell = self._start(["bash", "--noprofile", "--norc"])
        self._serving: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in [*reversed(self._serving), self._shell]:
            stop(process)
            if process.stdin is not None:
                process.stdin.close()

    def run(self, command: str) -> tuple[str, int]:
        """Run a command; return what it printed and its exit status."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n{DONE}%s\\n' $?\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._lines(self._shell):
            if line.startswith(DONE):
                return printed.removesuffix("\n"), int(line.removeprefix(DONE))
            printed += line
        raise AssertionError(f"the shell ended at {command!r}: {printed}")

    def serve(self, command: str) -> str:
        """Start a command that goes on running, on a free port; return what it prints until it serves."""
        serving = SERVING.match(command)
        assert serving, f"{command!r} does not serve"
        process = self._start(["bash", "-c", f"exec {command} --port 0"])
        self._serving.append(process)
        printed = ""
        for line in self._lines(process):
            printed += line
            if LAST_LINE[serving["verb"]] in line:
                return printed
        raise AssertionError(f"{command!r} does not serve: {printed}")

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @staticmethod
    def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
        assert process.stdout is not None
        deadline = time.monotonic() + ANSWER_WITHIN_SECONDS
        while time.monotonic() < deadline:
            line = process.stdout.readline()
            if not line:
                return
            yield line


@dataclass(frozen=True)
class Ran:
    """A command that was run: its block, what the page says, and what came out."""

    block: Block
    command: Command
    printed: str
    status: int

    @property
    def fails(self) -> bool:
        """Whether the page says that the command fails."""
        return self.block.note == "fails"


def run_page(page: Path, folder: Path, bindings: Bindings) -> Iterator[Ran]:
    """Run a page's commands in order. `bindings` are asked before each command, so the caller may add to them."""
    with Shell(folder) as shell:
        for block in blocks(page):
            if block.note.startswith("file: "):
                (folder / block.note.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
            elif block.language == "console":
                for command in commands(block):
                    text = bindings.filled(command.text)
                    if block.note == "serves":
                        yield Ran(block, command, shell.serve(text), 0)
                    else:
                        yield Ran(block, command, *shell.run(text))


class _Draft(Bindings):
    """Bindings that also know the marks of a draft."""

    def filled(self, text: str) -> str:
        """Return a text with the values of this run."""
        for mark in ("@mpid@", "@id@"):
            text = text.replace(mark, self.actual.get(mark, mark))
        return super().filled(text)


def _rewritten(page: Path, folder: Path) -> str:
    """Run a page and return it with what came out; `@mpid@` and `@id@` in a draft mean the last one printed."""
    lines = page.read_text(encoding="utf-8").splitlines()
    bindings = _Draft()
    written: dict[int, list[str]] = {}
    for ran in run_page(page, folder, bindings):
        expected, printed = "\n".join(ran.command.expected), ran.printed
        for old, new in zip(VOLATILE.finditer(expected), VOLATILE.finditer(printed), strict=False):
            if old.lastgroup != "time":
                bindings.actual.setdefault(old[0], new[0])
        for found in VOLATILE.finditer(printed):
            bindings.actual[f"@{found.lastgroup}@"] = found[0]
        shown = bindings.filled(ran.command.text).splitlines()
        kept = bindings.filled(expected) if ANYTHING in expected else printed
        output = kept.splitlines()
        written.setdefault(ran.block.first, []).extend([f"$ {shown[0]}", *shown[1:], *output])
        if "@address@" in bindings.actual:
            bindings.actual.setdefault("127.0.0.1:8080", bindings.actual["@address@"])
    for block in reversed(list(blocks(page))):
        if block.first in written:
            lines[block.first : block.first + len(block.lines)] = [block.indent + line for line in written[block.first]]
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return text.replace(bindings.actual.get("127.0.0.1:8080", "127.0.0.1:8080"), "127.0.0.1:8080")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as temporary:
            rewritten = _rewritten(Path(name), Path(temporary))
        Path(name).write_text(rewritten, encoding="utf-8")
