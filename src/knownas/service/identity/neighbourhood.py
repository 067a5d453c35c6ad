"""Gathers who is around a person: their values, who else holds one of these, and what those hold, as a graph.

Three steps are gone from the profile, each in the order of the one before, until `NEIGHBOURS_MAX` nodes are there: its own
values, the profiles that share one, and the values of these. What is left out is counted. Every value and every profile
among the nodes costs one read, so the reads are as limited as the nodes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from knownas.core.identity.kinds import DEVICE_TYPES, Identity
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, held_by, is_known
from knownas.service.history.successors import gone_among
from knownas.service.limits import NEIGHBOURS_COUNTED_MAX, NEIGHBOURS_MAX, NEIGHBOURS_OF_VALUE_MAX
from knownas.service.security.directory import Directory
from knownas.store.port import Pool, Store
from knownas.store.user_data import AliasRow


class ProfileState(StrEnum):
    """What a profile of a neighbourhood is."""

    KNOWN = "known"
    ANONYMOUS = "anonymous"
    EMPTY = "empty"
    """Nothing leads to it: it holds nothing, has gone, or was erased."""


class LinkKind(StrEnum):
    """What ties two nodes."""

    HOLDS = "holds"
    CARRIES = "carries"
    """The profile has the value noted, and is not found by it."""

    ALIAS = "alias"
    CAME_FROM = "came_from"
    LEADS_TO = "leads_to"


@dataclass(frozen=True, slots=True)
class NearProfile:
    """A profile of a neighbourhood, `step` 0, 2 or further steps from the person; `more_values` of it are left out."""

    mpid: int
    state: ProfileState
    step: int
    more_values: int = 0


@dataclass(frozen=True, slots=True)
class NearValue:
    """A value of a neighbourhood. `more_holders` further profiles hold it, at least so many if `is_crowded`."""

    identity: Identity
    step: int
    more_holders: int = 0
    is_crowded: bool = False

    @property
    def is_device(self) -> bool:
        """Whether it tells a device and not a user."""
        return self.identity.type in DEVICE_TYPES


@dataclass(frozen=True, slots=True)
class Holding:
    """A profile holds a value."""

    mpid: int
    identity: Identity
    kind: LinkKind


@dataclass(frozen=True, slots=True)
class Link:
    """Two profiles are tied. `says` is the state of an alias request."""

    from_mpid: int
    to_mpid: int
    kind: LinkKind
    says: str = ""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Who is around a person, the nearest first, and what is left out for want of room."""

    pool: Pool
    profiles: Sequence[NearProfile]
    values: Sequence[NearValue]
    holdings: Sequence[Holding]
    links: Sequence[Link]

    @property
    def is_whole(self) -> bool:
        """Whether nothing within three steps is left out."""
        return not any(one.more_values for one in self.profiles) and not any(one.more_holders for one in self.values)


class Neighbourhoods:
    """Neighbourhoods over one store."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def around(self, mpid: int) -> Neighbourhood | None:
        """Return who is around a profile; None if there is none with this MPID.

        Raises:
            StoreError: the store does not answer.
        """
        stored = await self._store.profile(mpid)
        if stored is None:
            return None
        rules = self._directory.rules(stored.pool.scope)
        gathering = _Gathering(self._store, stored.pool, None if rules is None else rules.policy)
        await gathering.begin(stored.record, await self._aliases(stored.pool, mpid))
        await gathering.share(mpid)
        return gathering.done()

    async def _aliases(self, pool: Pool, mpid: int) -> Sequence[AliasRow]:
        environments = [pool.environment] if pool.environment else list(map(str, Environment))
        return [
            row
            for place in self._directory.places
            if place.workspace.scope == pool.scope
            for one in environments
            for row in await self._store.user_data.aliases_about(place.workspace.id, one, [mpid])
        ]


@dataclass(slots=True)
class _Gathering:
    """A neighbourhood that grows."""

    store: Store
    pool: Pool
    policy: Policy | None
    records: dict[int, Record] = field(default_factory=dict[int, Record])
    steps: dict[int, int] = field(default_factory=dict[int, int])
    values: dict[Identity, NearValue] = field(default_factory=dict[Identity, NearValue])
    links: dict[Link, None] = field(default_factory=dict[Link, None])

    @property
    def room(self) -> int:
        """How many nodes more there may be."""
        return NEIGHBOURS_MAX - len(self.records) - len(self.values)

    async def begin(self, record: Record, aliases: Sequence[AliasRow]) -> None:
        """Take the person in, with those who are tied to them otherwise than by a value, and with their values."""
        self._add(record, 0)
        leads_to = (await gone_among(self.store, [record])).get(record.mpid)
        tied = [Link(record.mpid, leads_to, LinkKind.LEADS_TO)] if leads_to is not None else []
        if record.source_mpid is not None:
            tied.append(Link(record.mpid, record.source_mpid, LinkKind.CAME_FROM))
        tied += [Link(one.source_mpid, one.destination_mpid, LinkKind.ALIAS, one.state.value) for one in aliases]
        self._take_values(record, 1)
        for link in tied:
            other = link.to_mpid if link.from_mpid == record.mpid else link.from_mpid
            if other in self.records or await self._take(other, 2):
                self.links[link] = None

    async def share(self, mpid: int) -> None:
        """Take in who shares the person's values, the values that fewest share first, and then what these hold."""
        holders: dict[Identity, Sequence[int]] = {}
        for one in self.values:
            found = await self.store.holders(self.pool, one, NEIGHBOURS_COUNTED_MAX + 1)
            holders[one] = sorted(other for other in found if other != mpid)
        for one in sorted(holders, key=lambda one: len(holders[one])):
            for other in holders[one][:NEIGHBOURS_OF_VALUE_MAX]:
                if other not in self.records:
                    await self._take(other, 2)
        for one, found in holders.items():
            missing = len([other for other in found if other not in self.records])
            is_crowded = len(found) > NEIGHBOURS_COUNTED_MAX
            self.values[one] = NearValue(one, 1, missing, is_crowded)
        for record in [one for at, one in self.records.items() if self.steps[at] > 0]:
            self._take_values(record, 3)

    def done(self) -> Neighbourhood:
        """Return what there is."""
        holdings = list(self._holdings())
        shown = {(one.mpid, one.identity) for one in holdings}
        profiles = [
            NearProfile(
                mpid, self._state(record), self.steps[mpid], sum((mpid, one) not in shown for one in held_by(record))
            )
            for mpid, record in self.records.items()
        ]
        values = sorted(self.values.values(), key=lambda one: one.step)
        return Neighbourhood(self.pool, profiles, values, holdings, list(self.links))

    def _holdings(self) -> Iterator[Holding]:
        for mpid, record in self.records.items():
            looked_up = set(record.lookups())
            for one in sorted(held_by(record)):
                if one in self.values:
                    yield Holding(mpid, one, LinkKind.HOLDS if one in looked_up else LinkKind.CARRIES)

    async def _take(self, mpid: int, step: int) -> bool:
        """Take a profile in if there is room and it is of this pool; whether it was."""
        if self.room <= 0:
            return False
        stored = await self.store.profile(mpid)
        if stored is None or stored.pool != self.pool:
            return False
        self._add(stored.record, step)
        return True

    def _add(self, record: Record, step: int) -> None:
        self.records[record.mpid] = record
        self.steps[record.mpid] = step

    def _take_values(self, record: Record, step: int) -> None:
        """Take in what a profile holds, as far as there is room: what tells users first, then devices.

        The person's own values leave half of the room to others.
        """
        room = self.room - (NEIGHBOURS_MAX // 2 if step == 1 else 0)
        for one in sorted(held_by(record), key=lambda one: (one.type in DEVICE_TYPES, one)):
            if one not in self.values and room > 0:
                self.values[one] = NearValue(one, step)
                room -= 1

    def _state(self, record: Record) -> ProfileState:
        if record.size == 0:
            return ProfileState.EMPTY
        known = record.known if self.policy is None else is_known(record.identities, self.policy)
        return ProfileState.KNOWN if known else ProfileState.ANONYMOUS
