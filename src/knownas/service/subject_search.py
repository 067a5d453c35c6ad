"""Finds whom a request of a data subject is about by what it names as it is: an MPID, or identities, as a search would.

Digests are left aside here: whose digest one is takes a look at everybody.
"""

from collections.abc import Callable
from typing import NamedTuple

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Returned
from knownas.core.identity.kinds import identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.privacy.request import Encoding, Subject
from knownas.service.directory import Place
from knownas.service.resolver import Resolver
from knownas.store.port import Store

SEARCH_INPUT = "privacy"
"""The input name under which the search is decided; nothing keeps it."""


class Led(NamedTuple):
    """Where a request leads: a profile in an environment; None to nobody."""

    mpid: int | None = None
    environment: Environment | None = None


class SubjectSearch:
    """Finds people over one store. Implements `access_work.Finding`."""

    def __init__(self, store: Store, resolver: Resolver, clock: Callable[[], int]) -> None:
        self._store = store
        self._resolver = resolver
        self._clock = clock

    async def find(self, place: Place, subject: Subject) -> Led:
        """Return the one profile that a request reaches: in production first, then in development (platform §5.6).

        Raises:
            Overloaded: too many look at records at once.
            StoreError: the store does not answer.
        """
        for environment in Environment:
            if subject.mpid is not None:
                mpid = await self._named(place, environment, subject.mpid)
            else:
                mpid = await self._searched(place, environment, subject)
            if mpid is not None:
                return Led(mpid, environment)
        return Led()

    async def _named(self, place: Place, environment: Environment, mpid: int) -> int | None:
        stored = await self._store.profile(mpid)
        if stored is None or stored.pool != place.rules.pool(environment):
            return None
        return None if await self._store.privacy.tombstones([mpid]) else mpid

    async def _searched(self, place: Place, environment: Environment, subject: Subject) -> int | None:
        raw = {one.identity.type: one.identity.value for one in subject.identities if one.encoding is Encoding.RAW}
        request = IdentityRequest(Endpoint.SEARCH, self._clock(), environment, SEARCH_INPUT, identities(raw))
        question = place.rules.ask(request, may_create=False, writes=False)
        records = await self._resolver.look(question.wanted())
        decision = decide(question.observation, place.rules.policy, records, NOT_MADE, may_create=False)
        return decision.outcome.mpid if isinstance(decision.outcome, Returned) else None
