"""Counts how much the log has of a person, for previews and for the evidence of access."""

from typing import NamedTuple

from knownas.service.limits import LINES_COUNTED_MAX, PAGE_MAX
from knownas.store.port import Store


class Lines(NamedTuple):
    """How many lines of the log are about a profile. `is_all` False: there are more than are counted."""

    total: int
    is_all: bool


async def lines_about(store: Store, mpid: int) -> Lines:
    """Count the lines of the log that changed a profile or were answered with it.

    Raises:
        StoreError: the store does not answer.
    """
    counted, after = 0, 0
    while page := await store.history(mpid, after, PAGE_MAX):
        after = page[-1].seq
        counted += len(page)
        if counted >= LINES_COUNTED_MAX:
            return Lines(counted, is_all=False)
    return Lines(counted, is_all=True)
