"""Keeps Python from looking for cyclic garbage in the middle of a chunk: its values hold none, and are very many."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collected_afterwards() -> Generator[None]:
    """Run what stands inside without looking for garbage, and look once when it has ended."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
            # Of what is young; the rest of the program is none of its business.
            gc.collect(1)
