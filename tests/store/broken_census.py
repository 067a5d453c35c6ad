"""Memory stores whose seventh part is broken in one way each, to show that the conformance suite notices."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.store.census import Crowd, CrowdCounts, ProfileCounts
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.census import Everybody, MemoryCensus
from knownas.store.port import Pool


class OrphansAreAnonymous(MemoryCensus):
    """Takes empty profiles for anonymous ones."""

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        found = await super().profiles(first_mpid, last_mpid)
        return {pool: ProfileCounts(one.known, one.anonymous + one.orphans, 0) for pool, one in found.items()}


class CountsAll(MemoryCensus):
    """Counts everybody whatever part is asked for."""

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        del first_mpid, last_mpid
        return await super().profiles(MPID_MIN, MPID_MAX)


class LastOneOut(MemoryCensus):
    """Leaves the last MPID out."""

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        return await super().profiles(first_mpid, last_mpid - 1)


class OnePool(MemoryCensus):
    """Takes the environments of a scope together."""

    def __init__(self, everybody: Everybody) -> None:
        def together() -> Mapping[Pool, Collection[Record]]:
            found: dict[Pool, list[Record]] = {}
            for pool, records in everybody().items():
                found.setdefault(Pool(pool.scope, "production"), []).extend(records)
            return found

        super().__init__(together)


class EverybodyIsACrowd(MemoryCensus):
    """Counts known holders too."""

    def _holders(self, types: Collection[IdentityType]) -> Iterator[tuple[Pool, Mapping[Identity, Sequence[Record]]]]:
        for pool, holders in super()._holders(types):
            yield pool, {one: [who._replace(known=False) for who in of] for one, of in holders.items()}


class AnyType(MemoryCensus):
    """Looks at identities of all types."""

    def _holders(self, types: Collection[IdentityType]) -> Iterator[tuple[Pool, Mapping[Identity, Sequence[Record]]]]:
        del types
        return super()._holders(list(IdentityType))


class OneMore(MemoryCensus):
    """Counts only the crowds that are larger than that."""

    async def crowds(self, types: Collection[IdentityType]) -> Mapping[Pool, CrowdCounts]:
        found = await super().crowds(types)
        return {pool: CrowdCounts(one.held, (*one.at_least[1:], 0)) for pool, one in found.items()}


class SmallestFirst(MemoryCensus):
    """Names the crowds in the wrong order."""

    async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping[Pool, Sequence[Crowd]]:
        return {pool: list(reversed(of)) for pool, of in (await super().largest(types, limit)).items()}


class AllOfThem(MemoryCensus):
    """Names as many as there are."""

    async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping[Pool, Sequence[Crowd]]:
        return await super().largest(types, limit + 1)


class OpenForEver(MemoryCensus):
    """Answers after it was closed."""

    def __init__(self, everybody: Everybody) -> None:
        last: list[Mapping[Pool, Collection[Record]]] = [{}]

        def remembered() -> Mapping[Pool, Collection[Record]]:
            with suppress(StoreUnavailable):
                last[0] = everybody()
            return last[0]

        super().__init__(remembered)


BROKEN = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, MemoryCensus) and one is not MemoryCensus
]
