"""Finds profiles by what somebody has in hand, an identity or an MPID, and says of each why it was found.

Three things lead to a profile: its MPID, an identity that it has, and one that it had. Those it has are found as resolution finds
them; those that it had, and those that no lookup uses, are told by the log, whose lines stand under the values that they name
(`service.history.subjects`). Guards play no part: whoever asks here is to see everybody who could be meant, and no answer is given
to a request. Nothing is written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.kinds import DEVICE_TYPES, PHONE_TYPES, Identity, IdentityType, value_fault
from knownas.core.identity.record import Record, parse_mpid
from knownas.service.history.origins import gained_by, lost_by
from knownas.service.history.subjects import subject_of
from knownas.service.identity.receipts import changes_of
from knownas.service.limits import PAGE_MAX
from knownas.service.profile.profiles import Profiles
from knownas.store.port import LogEntry, Pool, Store

PEOPLE_FOUND_MAX: Final = 24
"""Profiles that are shown for one search; that there are more is said."""

HOLDERS_READ_MAX: Final = 50
"""Holders of one value that are looked at: a device can sit on a hundred thousand."""

_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{5,24}")
_DEVICE: Final = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64}")
_NAMES: Final = frozenset(set(IdentityType) - DEVICE_TYPES - PHONE_TYPES - {IdentityType.EMAIL})
"""Types whose values can look like anything: a customer ID may be an e-mail address or a number."""

_ANYTHING: Final = frozenset({IdentityType.DEVICE_APPLICATION_STAMP, IdentityType.PUSH_TOKEN, IdentityType.AMP_ID})
"""Device types whose values have no form of their own."""


class Lead(StrEnum):
    """What led to a profile, the surest first."""

    MPID = "mpid"
    HAS = "has"
    CARRIES = "carries"
    """It has the identity, but the scope's priority does not name the type: no lookup uses it."""
    HAD = "had"


class Why(NamedTuple):
    """Why a profile was found. Of an identity that it had, when it went (Unix milliseconds), and by which decision."""

    lead: Lead
    identity: Identity | None = None
    went_ms: int | None = None
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class FoundProfile:
    """A profile, and why it was found. Of one that was erased `erased_by` names the request, and the record is empty."""

    pool: Pool
    record: Record
    last_active_ms: int
    whys: Sequence[Why]
    erased_by: str | None = None


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """Who was found, the surest first, and what was looked at: which types and values in which pool, and whether as an MPID too.

    `more`: there are further ones that are not shown.
    """

    people: Sequence[FoundProfile]
    pool: Pool
    types: Sequence[IdentityType]
    values: Sequence[str]
    as_mpid: bool
    more: bool = False


@dataclass(slots=True)
class _Found:
    """What was found so far."""

    whys: dict[int, dict[tuple[Lead, Identity | None], Why]] = field(
        default_factory=dict[int, dict[tuple[Lead, Identity | None], Why]]
    )
    more: bool = False

    def add(self, mpid: int, why: Why) -> None:
        self.whys.setdefault(mpid, {})[why.lead, why.identity] = why

    def says(self, mpid: int, lead: Lead, identity: Identity) -> bool:
        return (lead, identity) in self.whys.get(mpid, {})


def types_like(value: str) -> Sequence[IdentityType]:
    """Return the types that a value can be of by its looks, in the order of the types."""
    if "@" in value:
        kinds = _NAMES | {IdentityType.EMAIL}
    elif _DEVICE.fullmatch(value) is not None:
        kinds = _NAMES | DEVICE_TYPES
    elif _PHONE.fullmatch(value) is not None:
        kinds = _NAMES | PHONE_TYPES | _ANYTHING
    else:
        kinds = _NAMES | _ANYTHING
    return [kind for kind in IdentityType if kind in kinds]


def values_like(value: str) -> Sequence[str]:
    """Return how a value may have been sent: as it is, without the blanks around it, and an e-mail address in lower case.

    Identities are compared to the byte, so these are different ones; whoever searches by hand means any of them.
    """
    bare = value.strip()
    ways = (value, bare, bare.lower()) if "@" in value else (value, bare)
    return [one for one in dict.fromkeys(ways) if value_fault(one) is None]


class PeopleFinding:
    """Finds people over one store. Reads only."""

    def __init__(self, store: Store, profiles: Profiles) -> None:
        self._store = store
        self._profiles = profiles

    async def find(self, pool: Pool, value: str, types: Sequence[IdentityType], *, as_mpid: bool) -> FoundPeople:
        """Return who is meant by a value of any of some types, or by an MPID, which names a profile in whatever pool.

        Raises:
            StoreError: the store does not answer.
        """
        found = _Found()
        mpid = parse_mpid(value.strip()) if as_mpid else None
        if mpid is not None:
            found.add(mpid, Why(Lead.MPID))
        values = values_like(value)
        for one in (Identity(kind, each) for each in values for kind in types):
            await self._hold(pool, one, found)
            await self._held(pool, one, found)
        people = await self._shown(found)
        more = found.more or len(people) > PEOPLE_FOUND_MAX
        return FoundPeople(people[:PEOPLE_FOUND_MAX], pool, types, values, mpid is not None, more)

    async def _hold(self, pool: Pool, identity: Identity, found: _Found) -> None:
        holders = await self._store.holders(pool, identity, HOLDERS_READ_MAX + 1)
        found.more = found.more or len(holders) > HOLDERS_READ_MAX
        for mpid in sorted(holders)[:HOLDERS_READ_MAX]:
            found.add(mpid, Why(Lead.HAS, identity))

    async def _held(self, pool: Pool, identity: Identity, found: _Found) -> None:
        """Look through the lines that name a value which the profile of the line does not have afterwards, or not to be looked up by."""
        lines = await self._store.history(subject_of(pool, identity), 0, PAGE_MAX)
        found.more = found.more or len(lines) == PAGE_MAX
        gone: dict[int, Why] = {}
        carrying: dict[int, None] = {}
        for entry in lines:
            for mpid, has in _turns(entry, identity):
                if has:
                    carrying[mpid] = None
                    gone.pop(mpid, None)
                else:
                    gone[mpid] = Why(Lead.HAD, identity, entry.at_ms, entry.decision_id)
        for mpid, why in gone.items():
            if not found.says(mpid, Lead.HAS, identity):
                found.add(mpid, why)
        for mpid in carrying:
            stored = await self._store.profile(mpid)
            if stored is not None and identity.value in stored.record.carried.get(identity.type, ()):
                found.add(mpid, Why(Lead.CARRIES, identity))

    async def _shown(self, found: _Found) -> list[FoundProfile]:
        shown: list[FoundProfile] = []
        for mpid, whys in found.whys.items():
            stored = await self._store.profile(mpid)
            if stored is None:
                continue
            told = sorted(whys.values(), key=_sureness)
            erased_by = await self._profiles.erased_by(mpid)
            if erased_by is not None:
                # Which identities it had is not told of somebody who was erased.
                told = [Why(Lead.MPID)] if told[0].lead is Lead.MPID else []
            if told:
                last_ms = self._profiles.last_active_ms(stored.record)
                shown.append(FoundProfile(stored.pool, stored.record, last_ms, told, erased_by))
        return sorted(shown, key=lambda one: (_sureness(one.whys[0]), not one.record.known, -one.last_active_ms))


_ORDER: Final[Mapping[Lead, int]] = {lead: place for place, lead in enumerate(Lead)}


def _sureness(why: Why) -> int:
    return _ORDER[why.lead]


def _turns(entry: LogEntry, identity: Identity) -> Iterable[tuple[int, bool]]:
    """Yield which profiles an identity came to (True) or left by a line of the log."""
    if not entry.touched:
        return
    for change in changes_of(entry):
        if change.identity == identity:
            lost, gained = lost_by(change), gained_by(change)
            if lost is not None:
                yield lost, False
            if gained is not None:
                yield gained, True
