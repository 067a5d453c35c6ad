"""The demo: a newcomer's first minute."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.served import stop


def test_demo_prints_three_commands_that_work(tmp_path: Path) -> None:
    """Each of the three commands can be copied as it stands, and one of them shows a receipt to read; nothing is left when it stops."""
    process = subprocess.Popen(
        [sys.executable, "-m", "knownas", "demo", "--port", "0", "--people", "150"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        commands = re.findall(r"^   (knownas .*|curl .*)$", printed, re.MULTILINE)
        assert len(commands) == 3, printed
        shown = [_run(command, tmp_path) for command in commands]
    finally:
        stop(process)
    assert list(tmp_path.glob("knownas-demo-*")) == []
    assert "looked up in priority order" in shown[0]
    assert '"items"' in shown[1]
    assert '"mpid"' in shown[2]


def _run(command: str, folder: Path) -> str:
    words = shlex.split(command)
    if words[0] == "knownas":
        words[:1] = [sys.executable, "-m", "knownas"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
