"""Compares the records that a log folds to with those that are kept: profile by profile, what a lookup or an answer shows."""

from collections.abc import Iterable, Iterator

from knownas.core.identity.record import Record, lasts_as
from knownas.core.identity.records import Records


def differing(folded: Records, kept: Iterable[Record]) -> Iterator[int]:
    """Yield the MPIDs of profiles that are not kept as they fold, or only one of the two.

    When a profile was last active is not compared: visits that change nothing are not in the log. Nor is the version,
    which is a store's own.
    """
    seen: set[int] = set()
    for record in kept:
        seen.add(record.mpid)
        if not lasts_as(record, folded.record(record.mpid)):
            yield record.mpid
    for record in folded:
        if record.mpid not in seen:
            yield record.mpid
