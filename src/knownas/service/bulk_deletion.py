"""Deletes what a workspace has of many profiles, fast and without ceremony (platform §5.10).

It is no erasure: identity records and the log stay, so whoever comes back has the same MPID and starts with nothing. For what
a law asks, there are privacy requests. Deleting again finds nothing, so a request that was cut off is sent once more.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

from knownas.core.identity.decision import Corrected, Created, Erased, Modified, NotFound, Refused, Returned, Seeded
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.privacy.evidence import Fact, Happening, Step
from knownas.service.directory import Directory, Door
from knownas.service.evidence import Evidence
from knownas.service.knowing import holding_of
from knownas.service.privacy_limits import DELETED_A_STEP, DELETION_STEPS_MAX
from knownas.service.resolver import Resolver
from knownas.store.port import Store
from knownas.store.privacy import Counts, Holding


class Deletion(NamedTuple):
    """Whose data is to go: an `mpid`, or whoever a search finds by the identities."""

    environment: Environment
    mpid: int | None
    identities: tuple[Identity, ...] = ()


class BulkDeletion:
    """Deletes over one store."""

    def __init__(self, store: Store, resolver: Resolver, directory: Directory, clock: Callable[[], int]) -> None:
        self._store = store
        self._privacy = store.privacy
        self._resolver = resolver
        self._directory = directory
        self._clock = clock
        self._evidence = Evidence(store.privacy)

    async def delete(self, door: Door, deletions: Sequence[Deletion]) -> Counts:
        """Delete what the input's workspace has of all these profiles, durably. Returns how much of each went.

        Raises:
            Overloaded: too many questions wait.
            StoreError: the store could not do all of it; what went is gone.
        """
        found = [await self._found(door, one) for one in deletions]
        mpids = dict.fromkeys(mpid for mpid in found if mpid is not None)
        gone = Counts()
        for mpid in mpids:
            gone = added(gone, await self._erase(holding_of(self._directory, door.workspace.id, mpid)))
        facts: dict[str, Fact] = {
            "how": "bulk_deletion",
            "workspace": door.workspace.id,
            "items": len(deletions),
            "profiles": len(mpids),
            **gone._asdict(),
        }
        await self._evidence.write([Happening(self._clock(), "", Step.ERASED, facts)])
        return gone

    async def _found(self, door: Door, one: Deletion) -> int | None:
        """Return the profile that is meant, if there is one in the workspace's scope and environment."""
        if one.mpid is not None:
            profile = await self._store.profile(one.mpid)
            is_here = profile is not None and profile.pool == door.rules.pool(one.environment)
            return one.mpid if is_here else None
        request = IdentityRequest(Endpoint.SEARCH, self._clock(), one.environment, door.input.name, one.identities)
        outcome = (await self._resolver.answer(door.rules.ask(request))).decision.outcome
        match outcome:
            case Returned(mpid):
                return mpid
            case NotFound() | Refused():
                return None
            case Created() | Modified() | Seeded() | Corrected() | Erased():
                raise AssertionError(f"a search never answers {outcome}")
            case _:
                assert_never(outcome)

    async def _erase(self, holding: Holding) -> Counts:
        gone = Counts()
        for _ in range(DELETION_STEPS_MAX):
            step = await self._privacy.erase(holding, DELETED_A_STEP)
            if not step.total:
                break
            gone = added(gone, step)
        return gone


def added(one: Counts, other: Counts) -> Counts:
    """Return the sum of what went in two steps."""
    return Counts(*(first + second for first, second in zip(one, other, strict=True)))
