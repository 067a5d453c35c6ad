"""Keeps histories that a test has recorded, where whoever runs the tests wants them kept."""

import os
from pathlib import Path
from typing import Final

from tests.concurrency.history import History, write_history

FOLDER: Final = "KNOWNAS_TEST_HISTORIES"
"""The environment variable that names the folder; without it nothing is kept."""


def keep(history: History, name: str) -> None:
    """Keep a history under a name."""
    folder = os.environ.get(FOLDER)
    if folder:
        write_history(Path(folder) / f"{name}.jsonl.gz", history)
