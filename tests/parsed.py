"""Parses Python text for tests that look at what is written."""

import ast
import gc
from functools import cache
from pathlib import Path


def parsed(text: str) -> ast.Module:
    """Parse a module's text.

    Python 3.11 fails now and then where rubbish is collected within (a SystemError about its recursion depth).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if collects:
            gc.enable()


@cache
def parsed_file(path: Path) -> ast.Module:
    """Parse a file, once."""
    return parsed(path.read_text(encoding="utf-8"))
