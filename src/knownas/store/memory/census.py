"""The memory store's seventh part: how many profiles there are, and how crowded identities."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from knownas.core.identity.kinds import KIND_OF, Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.store.census import CROWD_SIZES, Crowd, CrowdCounts, ProfileCounts
from knownas.store.port import Pool

Everybody = Callable[[], Mapping[Pool, Collection[Record]]]
"""Returns the records of every pool; raises StoreUnavailable if the store is closed."""


class MemoryCensus:
    """Counts what is in memory. Implements `store.census.CensusStore`."""

    def __init__(self, everybody: Everybody) -> None:
        self._everybody = everybody

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        """Count the profiles of every pool with an MPID from one to another."""
        found: dict[Pool, ProfileCounts] = {}
        for pool, records in self._everybody().items():
            here = [one for one in records if first_mpid <= one.mpid <= last_mpid]
            orphans = sum(one.orphan for one in here)
            known = sum(one.known for one in here)
            found[pool] = ProfileCounts(known, len(here) - known - orphans, orphans)
        return found

    async def crowds(self, types: Collection[IdentityType]) -> Mapping[Pool, CrowdCounts]:
        """Count the identities of some types by how many anonymous profiles hold them."""
        found: dict[Pool, CrowdCounts] = {}
        for pool, holders in self._holders(types):
            sizes = [sum(not one.known for one in of) for of in holders.values()]
            found[pool] = CrowdCounts(len(sizes), tuple(sum(size >= least for size in sizes) for least in CROWD_SIZES))
        return found

    async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping[Pool, Sequence[Crowd]]:
        """Return the identities of some types that most anonymous profiles hold."""
        found: dict[Pool, Sequence[Crowd]] = {}
        for pool, holders in self._holders(types):
            crowds: list[Crowd] = []
            for identity, of in holders.items():
                anonymous = [one.mpid for one in of if not one.known]
                if len(anonymous) >= CROWD_SIZES[1]:
                    crowds.append(Crowd(identity.type, len(anonymous), min(anonymous)))
            crowds.sort(key=lambda one: (-one.anonymous, KIND_OF[one.type].code, one.mpid))
            found[pool] = crowds[:limit]
        return found

    def _holders(self, types: Collection[IdentityType]) -> Iterator[tuple[Pool, Mapping[Identity, Sequence[Record]]]]:
        """Yield who holds each identity of some types, by pool."""
        for pool, records in self._everybody().items():
            holders: dict[Identity, list[Record]] = {}
            for record in records:
                for identity in record.lookups():
                    if identity.type in types:
                        holders.setdefault(identity, []).append(record)
            yield pool, holders
