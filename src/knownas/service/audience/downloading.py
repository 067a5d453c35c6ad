"""Reads the members of an audience with the identities that somebody wants to take away, page by page (platform §6.5).

All identities of a wanted type are told that the profile has, be it by what its workspaces know of its devices: as an output would be told.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.view import ProfileView
from knownas.service.audience.archive import MemberRow
from knownas.service.audience.catalogue import KnownAudience
from knownas.service.audience.limits import DOWNLOADED_A_PAGE
from knownas.service.audience.subjects import Subjects
from knownas.store.audiences import AudienceStore
from knownas.store.user_data import SectionKey


class Downloads:
    """What is downloaded of the audiences of a store. `clock` gives Unix milliseconds."""

    def __init__(self, store: AudienceStore, subjects: Subjects, clock: Callable[[], int]) -> None:
        self._store = store
        self._subjects = subjects
        self._clock = clock

    async def members(
        self,
        audience: KnownAudience,
        environment: str,
        types: Sequence[IdentityType],
        handed_out: Callable[[Sequence[int]], Awaitable[None]],
    ) -> AsyncGenerator[Sequence[MemberRow]]:
        """Yield the members by MPID, a row for each identity of one of the types, in pages; a member without any has none.

        Of each page `handed_out` is told first whom it is about. Somebody who joins or leaves meanwhile may be in it or not.

        Raises:
            StoreError: the store does not answer.
        """
        after: int | None = None
        while page := await self._store.members(audience.workspace, environment, audience.id, after, DOWNLOADED_A_PAGE):
            after, scanned_ms = page[-1].mpid, self._clock()
            keys = [SectionKey(audience.workspace, environment, one.mpid) for one in page]
            rows: list[MemberRow] = []
            for key, stored in (await self._store.subjects(keys)).items():
                view = self._subjects.view(key, stored)
                if view is not None:
                    rows += (MemberRow(key.mpid, scanned_ms, *one) for one in _identities(view, types))
            await handed_out(list(dict.fromkeys(one.mpid for one in rows)))
            yield rows


def _identities(view: ProfileView, types: Sequence[IdentityType]) -> Iterator[tuple[IdentityType, str]]:
    """Yield the identities of the types, each once."""
    for kind in types:
        of_devices = (value for device in view.devices if (value := device.id_of(kind)) is not None)
        for value in dict.fromkeys((*view.identities.get(kind, ()), *of_devices)):
            yield kind, value
