"""Holds an erasure under way: its request as it is kept, and what has been told of it.

What a step has done is written with its evidence, in one transaction. So a step that was interrupted is taken again and told once;
what it tells is what is true after it, not what it happened to do in its last attempt: how much there was when the erasure
began, and that nothing is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from knownas.core.privacy.evidence import Fact, Happening, Step
from knownas.core.privacy.request import SubjectRequest
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_request_form import NOBODY, KeptRequest, Progress, Replay, kept_request, stored
from knownas.store.errors import StoreBusy
from knownas.store.privacy import PrivacyCommit, RequestWrite, StoredRequest, Suppression, Tombstone

Told = tuple[Step, Mapping[str, Fact]]
"""A step with its facts."""


class Case(NamedTuple):
    """An erasure as it is kept, and which of its profiles is erased at the moment."""

    row: StoredRequest
    kept: KeptRequest
    at: int = 0

    @property
    def request(self) -> SubjectRequest:
        """What was asked."""
        return self.kept.request

    @property
    def progress(self) -> Progress:
        """How far it is with the profile that is erased at the moment."""
        return self.kept.each[self.at]

    @property
    def mpid(self) -> int:
        """Whom it is about.

        Raises:
            AssertionError: nobody was found.
        """
        if self.progress.mpid is None:
            raise AssertionError("somebody was found")
        return self.progress.mpid

    def is_done(self, step: str) -> bool:
        """Whether a step need not be taken again, for the profile that is erased at the moment."""
        return step in self.progress.done

    def each(self) -> "list[Case]":
        """Return it once for each profile that it reaches."""
        return [self.of(number) for number, one in enumerate(self.kept.each) if one.mpid is not None]

    def of(self, number: int) -> "Case":
        """Return it with another of its profiles."""
        return self._replace(at=number)


def case_of(row: StoredRequest) -> Case:
    """Read an erasure.

    Raises:
        StoreDamaged: the row is no request.
    """
    return Case(row, kept_request(row))


class Cases:
    """Writes erasures and their evidence over one store."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence: Final = evidence

    async def write(
        self,
        case: Case,
        at_ms: int,
        *told: Told,
        request: SubjectRequest | None = None,
        tombstones: Sequence[Tombstone] = (),
        suppressed: Sequence[Suppression] = (),
        again_ms: int | None = None,
        each: Sequence[Progress] | None = None,
        of_all: bool = False,
        **progress: Any,
    ) -> Case:
        """Keep what has become of an erasure, with what is told of it; returns it as it is then.

        `progress` are members of the profile's progress that change, or `each` is put in the place of all. `again_ms` is when it is to
        be taken up again, if not at once. Where there are several profiles, what is told has the number of the one that it is about,
        unless it is told `of_all`. What is told of an erasure that is carried out again is gathered, and told when it is completed.

        Raises:
            StoreError: the store could not do it, or somebody else has changed the request (StoreBusy).
        """
        after = list(case.kept.each if each is None else each)
        after[case.at] = msgspec.structs.replace(after[case.at], **progress)
        tells: Sequence[Told] = told
        if after[case.at].replay is not None:
            is_over = request is not None and request.ended_ms is not None
            tells = _told_later(after, case.at, told, is_over=is_over)
        elif len(after) > 1 and not of_all:
            tells = [(step, {**facts, "profile": case.at + 1}) for step, facts in told]
        kept = case.kept.changed(after, request)
        row = stored(kept)
        if again_ms is not None:
            row = row._replace(due_ms=again_ms)
        happenings = [Happening(at_ms, row.request_id, step, facts) for step, facts in tells]
        change = PrivacyCommit(
            requests=[RequestWrite(row, case.row.document)], tombstones=tombstones, suppressed=suppressed
        )
        if not await self._evidence.write(happenings, change):
            raise StoreBusy("somebody else has changed the request")
        return Case(row, kept, case.at)

    async def done(self, case: Case, at_ms: int, step: str, *told: Told, **progress: Any) -> Case:
        """Note that a step need not be taken again; see `write`."""
        return await self.write(case, at_ms, *told, done=(*case.progress.done, step), **progress)


def _told_later(each: list[Progress], at: int, told: Iterable[Told], *, is_over: bool) -> Sequence[Told]:
    """Gather what is told of a profile that is erased again. When all is over, return it for each of them, else nothing."""
    replays = [one.replay or Replay() for one in each]
    replays[at] = msgspec.structs.replace(replays[at], facts={**replays[at].facts, **gathered(told)})
    last: list[Told] = []
    for number, one in enumerate(replays):
        kept = msgspec.structs.replace(one, facts={}) if is_over else one
        each[number] = msgspec.structs.replace(each[number], replay=kept)
        if is_over:
            last.append((Step.REPLAYED, {**one.facts, **({"profile": number + 1} if len(each) > 1 else {})}))
    return last


def gathered(told: Iterable[Told]) -> dict[str, Fact]:
    """Put what several entries would tell into the facts of one: of each store how many rows went, the others as they are."""
    facts: dict[str, Fact] = {}
    for _, one in told:
        store = one.get("store")
        if isinstance(store, str) and "rows" in one:
            facts[f"erased_{store}"] = one["rows"]
        elif isinstance(store, str):
            facts |= {f"{store}_{name}": fact for name, fact in one.items() if name != "store"}
        else:
            facts |= one
    return facts


def forgetful(case: Case) -> SubjectRequest:
    """Return the request as it is when it has forgotten whom it names."""
    return replace(case.request, subject=NOBODY)
