"""Says what a store can count of its profiles: how many there are of which kind, and how crowded identities are.

This is the seventh part of the port, and reads only. What it counts is as of about now: a commit that ends meanwhile may be counted
or not. Every call looks through all that there is of something, beside what else the store does, and gives up after
`CENSUS_SECONDS` with `StoreUnavailable`: so it is for whoever asks now and then. All methods are called from one event loop,
any of them while others are under way. Every method raises only `store.errors`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from knownas.core.identity.kinds import IdentityType

if TYPE_CHECKING:
    from knownas.store.port import Pool

CENSUS_SECONDS: Final = 25.0
"""How long a store counts before it gives up."""

CROWD_SIZES: Final = (2, 6, 21, 101)
"""Identities are counted that at least so many anonymous profiles hold."""


class ProfileCounts(NamedTuple):
    """How many profiles are known, how many anonymous, and how many orphans, to which nothing leads."""

    known: int
    anonymous: int
    orphans: int


class CrowdCounts(NamedTuple):
    """Of how many identities there is a holder, and how many are held by at least as many anonymous profiles as `CROWD_SIZES` says."""

    held: int
    at_least: tuple[int, ...]


class Crowd(NamedTuple):
    """An identity that many anonymous profiles hold: its type, how many, and the one with the smallest MPID.

    The value is not told: whoever keeps this keeps nobody's identities.
    """

    type: IdentityType
    anonymous: int
    mpid: int


class CensusStore(Protocol):
    """A store that can be counted. See the module for the contract."""

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping["Pool", ProfileCounts]:
        """Count the profiles of every pool, of those with an MPID from one to another, both included; pools with none may be missing."""
        ...

    async def crowds(self, types: Collection[IdentityType]) -> Mapping["Pool", CrowdCounts]:
        """Count the identities of some types in every pool by how many anonymous profiles hold them; pools with none may be missing."""
        ...

    async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping["Pool", Sequence[Crowd]]:
        """Return of every pool the identities of some types that most anonymous profiles hold, at most `limit`, the largest crowd first.

        Only crowds of at least the second of `CROWD_SIZES`. Of two as large, the one whose type has the smaller code comes first, then
        the one with the smaller MPID.
        """
        ...
