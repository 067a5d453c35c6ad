"""The wheel: built from the tree, installed into an empty environment, started there."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import httpx
import pytest

from tests.served import stop

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.xdist_group("wheel")
"""One worker builds the wheel and installs it, once."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)], check=True, capture_output=True
    )
    wheel = next(folder.glob("*.whl"))
    venv.create(folder / "venv", with_pip=True)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    return folder


def test_wheel_serves_with_no_configuration(installed: Path) -> None:
    """A fresh installation makes its database, prints its keys once, and answers with them."""
    folder = installed / "first"
    folder.mkdir()
    process, url, printed = _serve(installed, folder)
    try:
        keys = dict(re.findall(r"^  input (\w+) +(\S+) +\S+$", printed, re.MULTILINE))
        secrets = dict(re.findall(r"^  input (\w+) +\S+ +(\S+)$", printed, re.MULTILINE))
        body = {"environment": "production", "known_identities": {"email": "a@example.com"}}
        answer = httpx.post(f"{url}/v1/identify", json=body, auth=(keys["crm"], secrets["crm"]), timeout=30)
        assert answer.status_code == 200, answer.text
        mpid = answer.json()["mpid"]
    finally:
        stop(process)
    process, url, printed = _serve(installed, folder)
    try:
        assert not any(secret in printed for secret in secrets.values())
        again = httpx.post(f"{url}/v1/identify", json=body, auth=(keys["crm"], secrets["crm"]), timeout=30)
        assert again.json()["mpid"] == mpid
    finally:
        stop(process)


def test_wheel_has_its_data_files(installed: Path) -> None:
    """The SQL, the demo's configuration, the console's pages and the marker for type checkers come with the wheel."""
    code = (
        "import importlib.resources as r, json;"
        "names = ['py.typed', 'store/sqlite/sql/queries.sql', 'store/sqlite/sql/schema_0001.sql', 'demo/demo.yaml'];"
        "names += ['console/templates/layout.html', 'console/static/console.css', 'console/static/vendor/htmx.LICENSE'];"
        "print(json.dumps([(r.files('knownas') / name).is_file() for name in names]))"
    )
    found = subprocess.run(
        [str(installed / "venv/bin/python"), "-c", code], check=True, capture_output=True, text=True, cwd=installed
    )
    assert json.loads(found.stdout) == [True] * 7


def _serve(installed: Path, folder: Path) -> tuple[subprocess.Popen[str], str, str]:
    process = subprocess.Popen(
        [str(installed / "venv/bin/knownas"), "serve", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": ""},
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        found = re.search(r"answers at (\S+)", line)
        if found:
            return process, found[1], printed
    stop(process)
    raise AssertionError(f"the server did not start: {printed}")
