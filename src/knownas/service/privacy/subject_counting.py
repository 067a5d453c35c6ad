"""Counts how much there is of a person: in the log, and in what workspaces have."""

from collections.abc import Sequence
from typing import NamedTuple

from knownas.service.identity.knowing import holding_of
from knownas.service.limits import LINES_COUNTED_MAX, PAGE_MAX
from knownas.service.security.directory import Directory, Place
from knownas.store.port import Store
from knownas.store.privacy import Counts


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


async def counted_of(store: Store, directory: Directory, places: Sequence[Place], mpid: int) -> Counts:
    """Count what workspaces have of a profile.

    Raises:
        StoreError: the store does not answer.
    """
    each = [await store.privacy.count(holding_of(directory, one.workspace.id, mpid)) for one in places]
    return Counts(*(sum(of) for of in zip(*each, strict=True)))
