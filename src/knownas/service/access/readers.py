"""Reads what is kept of somebody who read or changed what is known of a person."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import msgspec

from knownas.service.limits import PAGE_MAX
from knownas.store.errors import StoreDamaged
from knownas.store.privacy import PrivacyStore

_REFUSED_FROM: Final = 400
"""A status from which on nothing was read or changed."""


class Reading(NamedTuple):
    """Who read or changed it, by which operation, when (Unix milliseconds), and how many times."""

    at_ms: int
    who: str
    what: str
    times: int


class _Kept(msgspec.Struct, frozen=True):
    who: str
    what: str
    status: int
    times: int = 1


_DECODER: Final = msgspec.json.Decoder(_Kept)


async def readings_of(store: PrivacyStore, mpid: int) -> AsyncIterator[Reading]:
    """Yield who read or changed what is known of a profile, in the order in which it was kept; what was refused is left out.

    Raises:
        StoreError: the store does not answer, or what it keeps is no reading (StoreDamaged).
    """
    after = 0
    while page := await store.audited(mpid, after, PAGE_MAX):
        after = page[-1].seq
        for row in page:
            try:
                kept = _DECODER.decode(row.document)
            except msgspec.MsgspecError as error:
                raise StoreDamaged(f"not a row of the audit: {error}") from error
            if kept.status < _REFUSED_FROM:
                yield Reading(row.at_ms, kept.who, kept.what, kept.times)
