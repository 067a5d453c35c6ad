"""Deletes what a workspace has of many profiles, fast and without ceremony (platform §5.10).

It is no erasure: identity records and the log stay, so whoever comes back has the same MPID and starts with nothing. For what
a law asks, there are privacy requests. Deleting again finds nothing, so a request that was cut off is sent once more.

What goes can be more than one transaction takes. So before anything goes it is written down what is to go, with an entry of the
evidence; and that it is gone together with another one. If the process dies in between, whoever carries out
requests of data subjects completes it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

from knownas.core.identity.decision import Corrected, Created, Erased, Modified, NotFound, Refused, Returned, Seeded
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.privacy.evidence import Fact, Happening, Step
from knownas.service.erasure.bulk_deletion_form import KeptDeletion, begun, drawn_id, ended, kept_deletion
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.knowing import holding_of, place_of
from knownas.service.identity.resolver import Resolver
from knownas.service.privacy.limits import DELETED_A_STEP, DELETION_STEPS_MAX, DELETION_TAKEN_UP_MS
from knownas.service.privacy.subject_counting import counted_of
from knownas.service.security.directory import Directory, Door
from knownas.store.errors import StoreBusy, StoreUnavailable
from knownas.store.port import Store
from knownas.store.privacy import Counts, Holding, PrivacyCommit, RequestWrite, StoredRequest


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
        mpids = tuple(dict.fromkeys(mpid for mpid in found if mpid is not None))
        place = place_of(self._directory, door.workspace.id)
        if place is None:
            raise AssertionError("an input is one of a workspace that is there")
        each = [await counted_of(self._store, self._directory, [place], mpid) for mpid in mpids]
        there = Counts(*map(sum, zip(*each, strict=True))) if each else Counts()
        kept = KeptDeletion(door.workspace.id, len(deletions), len(mpids), mpids, there._asdict())
        if not mpids:
            await self._evidence.write([self._told(kept, Step.ERASED)])
            return Counts()
        row = begun(drawn_id(), kept, now_ms := self._clock(), now_ms + DELETION_TAKEN_UP_MS)
        if not await self._evidence.write([self._told(kept, Step.STARTED)], PrivacyCommit([RequestWrite(row, None)])):
            raise StoreBusy("somebody else has drawn the same id")
        return await self._carry_out(row, kept)

    async def carry_out(self, row: StoredRequest) -> None:
        """Complete a deletion that was begun, wherever it was interrupted; one that somebody else completes meanwhile is told once.

        Raises:
            StoreError: the store could not do all of it, or the workspace is not configured any more.
        """
        kept = kept_deletion(row)
        if place_of(self._directory, kept.workspace) is None:
            raise StoreUnavailable(f"there is no workspace {kept.workspace} in the configuration")
        await self._carry_out(row, kept)

    async def _carry_out(self, row: StoredRequest, kept: KeptDeletion) -> Counts:
        gone = Counts()
        for mpid in kept.mpids:
            gone = added(gone, await self._erase(holding_of(self._directory, kept.workspace, mpid)))
        done = RequestWrite(ended(row, kept, self._clock()), row.document)
        # If it is not as it was, somebody else has completed it, and told so.
        await self._evidence.write([self._told(kept, Step.ERASED)], PrivacyCommit([done]))
        return gone

    def _told(self, kept: KeptDeletion, step: Step) -> Happening:
        """Say what is there before it goes, or what was there when it is gone; of whom, only of how many."""
        facts: dict[str, Fact] = {
            "how": "bulk_deletion",
            "workspace": kept.workspace,
            "items": kept.items,
            "profiles": kept.profiles,
            **kept.there,
        }
        return Happening(self._clock(), "", step, facts)

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
