"""Sets the interpreter up for what its processes do: many short-lived objects, hardly a cycle, and threads that wait for the disk."""

import gc
import sys
from typing import Final

GARBAGE_OBJECTS: Final = 100_000
"""Objects made and not freed, after which the interpreter looks for cycles."""

SWITCH_SECONDS: Final = 0.001
"""How long a thread that waited for the disk may have to wait for the interpreter."""


def look_for_cycles_rarely() -> None:
    """Let what is loaded alone, and look for cycles seldom. Called once, when a process has loaded what it needs.

    A request makes some hundred short-lived objects and no cycles; looking for them after every 700 of them took a third of the
    server's time.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 20, 100)


def switch_often() -> None:
    """Let threads that have waited for the disk go on soon, whatever else is computed."""
    sys.setswitchinterval(SWITCH_SECONDS)
