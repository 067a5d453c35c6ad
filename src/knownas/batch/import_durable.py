"""Writes an import's own files so that they survive a loss of power: whole, or not at all."""

import os
from pathlib import Path


def write_durably(file: int, content: bytes, offset: int) -> int:
    """Cut an open file to a length, append to it, wait until it is on the disk, and return the new length."""
    os.ftruncate(file, offset)
    done = 0
    while done < len(content):
        done += os.pwrite(file, content[done:], offset + done)
    os.fsync(file)
    return offset + len(content)


def replace_durably(path: Path, content: bytes) -> None:
    """Put a file that only its owner may read in the place of another or of none, and wait until it is on the disk."""
    unfinished = path.with_name(path.name + ".new")
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        write_durably(file, content, 0)
    finally:
        os.close(file)
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
