"""Counts who would be in an audience that is not defined yet, and shows some of them with the reasons, without keeping anything.

Everybody gets a first look, as for an audience that is new; whom that does not tell, and who is shown, is judged by all that is known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from time import monotonic
from typing import Final

from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Criteria
from knownas.core.audience.reasons import Reason
from knownas.core.audience.subject import Subject
from knownas.service.audience.first_look import FirstLook
from knownas.service.audience.limits import GLIMPSED_A_PAGE, PREVIEW_SECONDS, PREVIEWED_MEMBERS, SWEPT_A_PAGE
from knownas.service.audience.looking import found_on
from knownas.store.audiences import AudienceStore, Member, SectionPage
from knownas.store.user_data import SectionKey

Loads = Callable[[Sequence[SectionKey], int], Awaitable[Mapping[SectionKey, Subject]]]
"""Returns profiles as audiences are judged by them, without events from before a time (Unix milliseconds)."""

_ASKED: Final = 0
"""Stands for the audience that is not there yet."""


@dataclass(frozen=True, slots=True)
class Reasoned:
    """A member, and why it is one now."""

    member: Member
    reasons: Sequence[Reason]


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would be in an audience: how many of those that were looked at, some of them, and the share of all that was looked at."""

    members: int
    looked_at: int
    share: float
    shown: Sequence[Reasoned]


class Previewing:
    """Previews one definition for an environment of a workspace, at one time (Unix milliseconds).

    `derived` are the attributes that stand in no section.
    """

    def __init__(
        self,
        store: AudienceStore,
        loads: Loads,
        place: tuple[int, str],
        definition: Definition,
        now_ms: int,
        derived: frozenset[str],
    ) -> None:
        self._store: Final = store
        self._loads: Final = loads
        self._workspace, self._environment = place
        self._now_ms: Final = now_ms
        self._criteria: Final = Criteria(definition)
        self._first: Final = FirstLook({_ASKED: definition}, now_ms, derived)
        self._members = self._looked_at = 0
        self._shown: list[Reasoned] = []

    async def run(self) -> Preview:
        """Look at everybody, for `PREVIEW_SECONDS` at most. Whoever else runs on the event loop gets their turn between pages.

        Raises:
            StoreError: the store does not answer.
        """
        until, after, share = monotonic() + PREVIEW_SECONDS, None, 0.0
        while monotonic() < until:
            stretch = await self._store.stretch(self._workspace, after, SWEPT_A_PAGE)
            if stretch is None:
                share = 1.0
                break
            while page := await self._store.sections_in(self._workspace, after, stretch.until, GLIMPSED_A_PAGE):
                await self._look_at(_of(page, self._environment))
                after = page.last
                # No time passes: requests on the same event loop get their turn.
                await asyncio.sleep(0)
            after, share = stretch.until, stretch.share
        return Preview(self._members, self._looked_at, round(share, 4), self._shown)

    async def _look_at(self, page: SectionPage) -> None:
        self._looked_at += len(page.mpids)
        sure: list[SectionKey] = []
        unsure: list[SectionKey] = []
        for key, glimpse in await found_on(page, self._first, self._workspace, self._store):
            held = glimpse.held[_ASKED]
            if held is None:
                unsure.append(key)
            elif held.holds:
                sure.append(key)
        if sure:
            # A section may be left of a profile that is gone.
            there = await self._store.standings(sure)
            sure = [key for key in sure if key in there]
        near = sure[: PREVIEWED_MEMBERS - len(self._shown)]
        self._members += len(sure) - len(near)
        if near or unsure:
            for key, subject in (await self._loads([*near, *unsure], self._first.since_ms)).items():
                if self._criteria.judge(subject, self._now_ms).holds:
                    self._members += 1
                    if len(self._shown) < PREVIEWED_MEMBERS:
                        reasons = self._criteria.reasons(subject, self._now_ms)
                        self._shown.append(Reasoned(Member(key.mpid, self._now_ms), reasons))


def _of(page: SectionPage, environment: str) -> SectionPage:
    """Return what a page has of an environment."""
    here = [one == environment for one in page.environments]
    if all(here):
        return page
    mpids, documents = list(compress(page.mpids, here)), list(compress(page.documents, here))
    versions = list(compress(page.versions, here))
    return SectionPage(mpids, [environment] * len(mpids), documents, versions, page.last)
