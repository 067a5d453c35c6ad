"""The house rules that no linter knows: sizes, names, and what may stand in the tree."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LINES_MAX = 500
FUNCTION_LINES_MAX = 60
NAMES_REFUSED = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def test_no_source_file_is_long() -> None:
    """A file of more than 500 lines has more than one reason to exist."""
    assert {str(path): count for path in SOURCES if (count := len(path.read_text().splitlines())) > LINES_MAX} == {}


def test_no_function_is_long() -> None:
    """A function fits on a screen."""
    long = {
        f"{path}:{node.name}": node.end_lineno - node.lineno
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_no_module_is_named_after_nothing() -> None:
    """A module is named after what it decides or does."""
    assert [path for path in SOURCES if path.stem in NAMES_REFUSED] == []


def test_sql_lives_in_sql_files() -> None:
    """No statement stands in Python, but for the words that begin and end a transaction, and pragmas."""
    statement = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\b")
    found = [
        f"{path.relative_to(ROOT)}: {node.value!r}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]
    assert found == []


def test_every_test_states_its_promise() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_tree_names_no_path_beside_itself() -> None:
    """A clone has nothing beside it."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    beside = re.compile(r"\.\./(shared|\.library)|/work/")
    found = [
        name
        for name in listed
        if name not in ("tests/tidy/test_tree.py", "tests/conformance/idsync.yaml")
        and (ROOT / name).is_file()
        and beside.search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []
