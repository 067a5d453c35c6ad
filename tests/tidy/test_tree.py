"""The house rules that no linter knows: sizes, names, and what may stand in the tree."""

import ast
import re
import subprocess
from os.path import normpath
from pathlib import Path, PurePath

from tests.parsed import parsed_file

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
        for node in ast.walk(parsed_file(path))
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
        for node in ast.walk(parsed_file(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]
    assert found == []


def test_every_test_states_its_promise() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(parsed_file(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_tree_names_no_path_beside_itself() -> None:
    """A clone has nothing beside it: paths upwards lead back into the tree, and none names the folder it lies in."""
    files = [PurePath(name) for name in _git("ls-files").split()]
    folders = {folder for file in files for folder in file.parents}
    known = {*files, *folders}
    place = Path(_git("rev-parse", "--path-format=absolute", "--git-common-dir").strip()).parent.parent
    # Right below the root it lies in no folder that a path could name.
    around = re.compile(rf"(?<![\w.}}]){re.escape(str(place))}/[\w.-]+" if place.name else r"(?!)")
    upwards = re.compile(r"[\w./-]*\.\./[\w./-]*")

    def beside(text: str) -> list[str]:
        paths = [path for path in upwards.findall(text) if path.startswith("/..") or not path.startswith("/")]
        lost = [path for path in paths if known.isdisjoint(_seen_from(folder, path) for folder in folders)]
        return lost + around.findall(text)

    found = {str(file): beside((ROOT / file).read_text(errors="replace")) for file in files if (ROOT / file).is_file()}
    assert {file: paths for file, paths in found.items() if paths} == {}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _seen_from(folder: PurePath, path: str) -> PurePath:
    return PurePath(normpath(folder / path.strip("/").rstrip(".")))
