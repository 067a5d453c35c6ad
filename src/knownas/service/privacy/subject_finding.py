"""Finds whom a request of a data subject reaches, and says why (platform §5.6).

That is one profile or nobody, unless a request of the second version names several (platform §5.8). An MPID names its profile. Identities lead where an IDSync search leads in the workspace's scope, guards and all: a device
alone never reaches a known user, and a quarantined value nobody. It is the same decision over the same records; nothing is
written for it and nothing captured.

A digest stands for the value whose digest it is. No store can be asked for that, so the values of the pool are gone through,
page by page, and each is hashed: a minute for some ten million profiles, during which the server goes on answering. That is
paid once for a request, and only by those that give digests.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision, Guard, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.privacy.request import Encoding, Subject, SubjectIdentity
from knownas.service.history.successors import named_now
from knownas.service.identity.knowing import Knowing, knowing_among
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import PAGE_MAX
from knownas.service.security.directory import Directory, Place
from knownas.store.port import Pool, Store

PRIVACY_INPUT: Final = "privacy"
"""The name under which data subjects' requests ask, and under which erasures are logged."""

_DIGESTS: Final[Mapping[Encoding, Callable[[bytes], str]]] = {
    Encoding.SHA1: lambda value: hashlib.sha1(value, usedforsecurity=False).hexdigest(),
    Encoding.SHA256: lambda value: hashlib.sha256(value).hexdigest(),
    Encoding.MD5: lambda value: hashlib.md5(value, usedforsecurity=False).hexdigest(),
}


class Why(StrEnum):
    """Why a request reaches whom it reaches, or nobody."""

    NAMED = "named_by_mpid"
    SEARCHED = "found_by_identities"
    NOBODY = "nobody_found"
    GUARDED = "protected_by_a_guard"
    UNKNOWN_MPID = "unknown_mpid"
    ERASED = "erased"


class Unreached(NamedTuple):
    """A profile that holds an identity of the request and may not be reached by it, and the guard that keeps it."""

    type: IdentityType
    mpid: int
    guard: Guard


@dataclass(frozen=True, slots=True)
class Found:
    """Whom an MPID or the identities of a request lead to: `mpid` in `environment`, both None for nobody.

    `named` are the identities of the request as values; a digest that is nobody's is not among them, but counted in
    `unmatched`. `unreached` are profiles that a guard keeps from being reached. `knowing` are the other workspaces of the scope that
    know the profile.
    """

    mpid: int | None
    environment: Environment | None
    why: Why
    named: tuple[Identity, ...] = ()
    unmatched: int = 0
    unreached: tuple[Unreached, ...] = ()
    knowing: tuple[Knowing, ...] = ()


class SubjectFinding:
    """Finds people over one store. Reads only."""

    def __init__(self, store: Store, directory: Directory, resolver: Resolver, clock: Callable[[], int]) -> None:
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._clock = clock

    async def find(self, place: Place, subject: Subject) -> Sequence[Found]:
        """Return whom a request of a workspace reaches: for each MPID that it names, and for its identities, where these lead.

        A profile is there once, however often it is named. Identities are looked for in production first, and if there is nobody,
        in development.

        Raises:
            Overloaded: too many look at records at once.
            StoreError: the store does not answer.
        """
        found = [await self._searched(place, subject)] if subject.identities else []
        found += [await self._named(place, mpid) for mpid in subject.named]
        reached: dict[int | None, None] = {}
        each: list[Found] = []
        for one in found:
            if one.mpid is None:
                each.append(one)
            elif one.mpid not in reached:
                knowing = await knowing_among(self._store, self._directory, place, one.mpid)
                each.append(replace(one, knowing=tuple(knowing)))
            reached[one.mpid] = None
        return each

    async def search(self, place: Place, environment: Environment, named: Sequence[Identity]) -> Decision:
        """Decide what a search for identities is answered now; of a type named twice, the first counts. Writes nothing.

        Raises:
            Overloaded: too many look at records at once.
            StoreError: the store does not answer.
        """
        given = {one.type: one.value for one in reversed(named)}
        request = IdentityRequest(Endpoint.SEARCH, self._clock(), environment, PRIVACY_INPUT, identities(given))
        question = place.rules.ask(request, may_create=False, writes=False)
        records = await self._resolver.look(question.wanted())
        return decide(question.observation, question.policy, records, NOT_MADE, may_create=False)

    async def _named(self, place: Place, mpid: int) -> Found:
        stored = await named_now(self._store, mpid)
        if stored is None or stored.pool.scope != place.rules.scope:
            return Found(None, None, Why.UNKNOWN_MPID)
        if not stored.record.size and await self._store.privacy.tombstones([mpid]):
            return Found(None, None, Why.ERASED)
        return Found(stored.record.mpid, environment_of(stored.pool), Why.NAMED)

    async def _searched(self, place: Place, subject: Subject) -> Found:
        unreached: dict[Unreached, None] = {}
        named: tuple[Identity, ...] = ()
        unmatched = 0
        for environment in _environments(place):
            named, unmatched = await self._values(place.rules.pool(environment), subject.identities)
            if not named:
                continue
            decision = await self.search(place, environment, named)
            for step in decision.receipt.steps:
                for one in step.rejected:
                    unreached[Unreached(step.identity.type, one.mpid, one.guard)] = None
            if isinstance(decision.outcome, Returned):
                mpid = decision.outcome.mpid
                others = tuple(one for one in unreached if one.mpid != mpid)
                return Found(mpid, environment, Why.SEARCHED, named, unmatched, others)
        why = Why.GUARDED if unreached else Why.NOBODY
        return Found(None, None, why, named, unmatched, tuple(unreached))

    async def _values(self, pool: Pool, given: Iterable[SubjectIdentity]) -> tuple[tuple[Identity, ...], int]:
        """Return the identities that a request names as values, and how many digests are of nobody's."""
        wanted = [(one.identity.type, one.encoding, one.identity.value) for one in given]
        digests = {one for one in wanted if one[1] is not Encoding.RAW}
        matched = await self._matched(pool, digests) if digests else {}
        values = [
            Identity(kind, given) if encoding is Encoding.RAW else matched.get((kind, encoding, given))
            for kind, encoding, given in wanted
        ]
        named = tuple(one for one in values if one is not None)
        return named, len(values) - len(named)

    async def _matched(
        self, pool: Pool, digests: set[tuple[IdentityType, Encoding, str]]
    ) -> dict[tuple[IdentityType, Encoding, str], Identity]:
        """Go through the pool's values for those that have these digests."""
        ways = {(kind, encoding) for kind, encoding, _ in digests}
        found: dict[tuple[IdentityType, Encoding, str], Identity] = {}
        after: int | None = None
        while len(found) < len(digests) and (page := await self._store.records(pool, after, PAGE_MAX)):
            after = page[-1].mpid
            for record in page:
                for kind, encoding in ways:
                    for value in record.identities.get(kind, ()):
                        key = kind, encoding, _DIGESTS[encoding](value.encode())
                        if key in digests:
                            found.setdefault(key, Identity(kind, value))
            # Whoever waits for an answer comes first.
            await asyncio.sleep(0)
        return found


def environment_of(pool: Pool) -> Environment:
    """Return the environment of a pool; production for one that all environments share."""
    return Environment(pool.environment or Environment.PRODUCTION)


def _environments(place: Place) -> list[Environment]:
    """Return the environments to look in, in order; one where they share a pool."""
    pools = {place.rules.pool(one): one for one in reversed((Environment.PRODUCTION, Environment.DEVELOPMENT))}
    return [one for one in (Environment.PRODUCTION, Environment.DEVELOPMENT) if pools[place.rules.pool(one)] is one]
