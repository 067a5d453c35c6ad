"""The core stays pure: no I/O, no clock, no randomness, no logging, nobody else's code (design §4)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import knownas.core
from tests.parsed import parsed

CORE = Path(knownas.core.__file__).parent
MODULES = sorted(CORE.rglob("*.py"))

IMPURE = {
    "asyncio",
    "concurrent",
    "ctypes",
    "datetime",
    "http",
    "importlib",
    "io",
    "locale",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
    "warnings",
    "zoneinfo",
}
"""Modules of the standard library through which a rule could see or change the world."""

IMPURE_BUILTINS = {
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "globals",
    "hash",
    "id",
    "input",
    "open",
    "print",
}
"""Built-in functions that do so; `hash` and `id` differ from one process to the next."""


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of every module that some code imports, wherever in it that stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the core imports by full names"
            assert node.module is not None
            yield node.module


def faults(source: str) -> list[str]:
    """Say what makes some code impure."""
    tree = parsed(source)
    found: list[str] = []
    for name in imported(tree):
        top = name.partition(".")[0]
        if top == "knownas":
            if name != "knownas.core" and not name.startswith("knownas.core."):
                found.append(f"imports {name}, which is not of the core")
        elif top not in sys.stdlib_module_names:
            found.append(f"imports {name}, which is not of the standard library")
        elif top in IMPURE:
            found.append(f"imports {name}")
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    found += [f"calls {name}" for name in sorted(called & IMPURE_BUILTINS)]
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_imports_nothing_impure(module: Path) -> None:
    """Every module of the core imports the standard library's pure parts and the core, and nothing else."""
    assert faults(module.read_text()) == []


def test_every_module_of_the_core_is_looked_at() -> None:
    """The walk reaches the modules below `identity` and `history`."""
    names = {str(path.relative_to(CORE)) for path in MODULES}
    assert {"limits.py", "identity/resolve.py", "history/fold.py"} <= names


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os.path",
        "from datetime import UTC",
        "import json, random",
        "def f():\n    import secrets",
        "if True:\n    from uuid import uuid4",
        "import msgspec",
        "from knownas.store import port",
        "import knownas.service",
        "from knownas import core, store",
        "open('log')",
        "print(1)",
        "hash('a')",
    ],
)
def test_what_is_impure_is_caught(source: str) -> None:
    """Control: each of these would let the world into the core."""
    assert faults(source)


@pytest.mark.parametrize(
    "source", ["import heapq", "from knownas.core.identity import kinds", "import collections.abc"]
)
def test_what_is_pure_is_let_through(source: str) -> None:
    """Control: what the core needs is not mistaken for the world."""
    assert faults(source) == []
