"""Collects the named limits of the code for the page of the limits.

A limit is a number that a module names: in a file of limits all of them, elsewhere those whose name ends like a limit. The
string below it, or below the last of several lines without a gap, says what it limits; one without such a string fails.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1] / "src"
PACKAGES: Final[Mapping[str, str]] = {
    "api": "Of a request",
    "batch": "Of an import",
    "cli": "Of the command line",
    "config": "Of a configuration file",
    "console": "Of the console",
    "core": "Of profiles and decisions",
    "outputs": "Of sending to destinations",
    "service": "Of queues, batches and memories",
    "store/sqlite": "Of the SQLite store",
    "store/postgres": "Of the PostgreSQL store",
}
"""The packages with limits, and the titles of their parts of the page."""

LEFT_OUT: Final = ("store/conformance/", "demo/")
"""What only tests and shows."""

ENDINGS: Final = re.compile(r"[A-Z]\w*(_MAX|_MIN|_SECONDS|_CACHED|_COUNTED|_SHOWN|_KIB|_AGE_MS|_BYTES|_A_[A-Z]+)")
"""How names of limits end."""

Limit = tuple[str, Any, str]
"""A name, its value, and what it limits."""


def limits_of(package: str) -> list[Limit]:
    """Return the limits of a package: those of its files of limits first, then those of its other modules."""
    files = sorted((ROOT / "knownas" / package).rglob("*.py"), key=lambda file: (not _is_list(file), file))
    return [
        limit
        for file in files
        if not str(file.relative_to(ROOT / "knownas")).startswith(LEFT_OUT)
        for limit in _limits(file)
    ]


def _is_list(file: Path) -> bool:
    return file.stem.endswith("limits")


def _is_number(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant | ast.BinOp | ast.UnaryOp)


def _limits(file: Path) -> Iterator[Limit]:
    """Yield the limits of a file. A string may be of several constants: those that stand right above it."""
    waiting: list[str] = []
    end = 0
    text = file.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if waiting and node.lineno > end + 1:
            raise SystemExit(f"{file}:{end}: {waiting[-1]} says nowhere what it limits")
        end = node.end_lineno or 0
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_number(node.value):
            if _is_list(file) or ENDINGS.fullmatch(node.target.id):
                waiting.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and waiting:
            module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
            for name in waiting:
                value = getattr(module, name)
                if isinstance(value, int | float):
                    yield name, value, str(node.value.value)
            waiting = []
