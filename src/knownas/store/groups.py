"""Says what every store must keep of groups of users: who is in which one, and what each contributes to its attributes (platform §9).

This is the sixth part of the port. A *place* is a user's in a kind of groups: the digest of the value that they share with others, and a document with what
they contribute. It follows from the user's section. Whoever judges the user writes it, in the commit of that (`store.audiences.AudienceCommit`): a place names
the version that was read, and the commit names the watches by which it knows what kinds of groups there are. So of two who would write the same
place one starts again, and so does who works by definitions that are not the newest.

All methods are called from one event loop, any of them while others are under way. Every method raises only `store.errors`. Documents are
bytes that the store never looks into.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from knownas.store.user_data import SectionKey


class GroupName(NamedTuple):
    """Names a group: of which kind (the number of its document), in which environment, by the digest of what its members share."""

    kind: int
    environment: str
    value: str


class StoredPlace(NamedTuple):
    """A user's place in a kind of groups, with the version that a change of it must name."""

    kind: int
    value: str
    document: bytes
    version: int


class PlaceWrite(NamedTuple):
    """A user's new place in a kind of groups; `value` None if they have none any more. `version` is the one read, None for a place that must not exist yet."""

    key: SectionKey
    kind: int
    version: int | None
    value: str | None
    document: bytes = b""


class Contributed(NamedTuple):
    """What a member contributes to a group."""

    mpid: int
    document: bytes


class GroupCount(NamedTuple):
    """How many groups there are of a kind, and how many users are in one."""

    groups: int
    members: int


class LargeGroup(NamedTuple):
    """A group with more members than some: the digest of its value, how many, and one of them."""

    value: str
    members: int
    mpid: int


class GroupStore(Protocol):
    """A place to keep who is in which group. See the module for the contract."""

    async def places(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, Sequence[StoredPlace]]:
        """Return the places of users in their workspaces, by kind; of those who have any."""
        ...

    async def contributions(self, names: Sequence[GroupName], limit: int) -> Mapping[GroupName, Sequence[Contributed]]:
        """Return what the members of groups contribute, by MPID, at most `limit` of each; of groups that there are."""
        ...

    async def members(self, name: GroupName, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the members of a group by MPID, those after one, at most `limit`."""
        ...

    async def count(self, kind: int, environment: str) -> GroupCount:
        """Count the groups of a kind, and their members. Its time grows with them."""
        ...

    async def larger(
        self, kind: int, environment: str, members: int, after_value: str, limit: int
    ) -> Sequence[LargeGroup]:
        """Return the groups with more than so many members by value, those after one, at most `limit`. Its time grows with all of them."""
        ...
