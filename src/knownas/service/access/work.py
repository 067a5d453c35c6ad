"""Carries out a request of access or portability: finds the person, counts what there is, and completes (platform §5.5, §5.6).

Nothing is gathered: the results are made when they are fetched (`service.access.archive`). What is kept is whom they are about. Each
step is durable before the next one, so that a process which dies in between is followed by one that goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from knownas.core.identity.observation import Environment
from knownas.core.privacy.evidence import Fact, Happening, Step
from knownas.core.privacy.request import RequestState, Subject
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.knowing import place_of
from knownas.service.privacy.subject_counting import counted_of, lines_about
from knownas.service.privacy.subject_request_form import KeptRequest, Progress, kept_request, stored
from knownas.service.security.directory import Directory, Place
from knownas.store.port import Store
from knownas.store.privacy import PrivacyCommit, RequestWrite, StoredRequest

WORKSPACE_GONE: Final = "the workspace is not in the configuration any more"
"""Why nobody was found, where a request's workspace is gone."""


class Found(Protocol):
    """Whom a request is about: a profile and its environment; None if nobody was found."""

    @property
    def mpid(self) -> int | None:
        """The profile."""
        ...

    @property
    def environment(self) -> Environment | None:
        """Where it was found."""
        ...


class Finding(Protocol):
    """Finds whom a request is about. Implemented by `subject_finding.SubjectFinding`."""

    async def find(self, place: Place, subject: Subject) -> Sequence[Found]:
        """Return whom a request reaches, each profile once; those who were named and not found have none.

        Raises:
            StoreError: the store does not answer.
        """
        ...


class AccessWork:
    """The work of requests of access and portability, which are answered alike."""

    def __init__(self, store: Store, directory: Directory, finding: Finding, clock: Callable[[], int]) -> None:
        self._store = store
        self._directory = directory
        self._finding = finding
        self._clock = clock
        self._evidence = Evidence(store.privacy)

    async def carry_out(self, row: StoredRequest) -> None:
        """Begin a due request, and take it to its end; one that somebody else changes meanwhile is left to them.

        Raises:
            CantBe: it is not due.
            StoreError: the store could not do it; taken up again, it goes on with the step that was not kept.
        """
        kept = kept_request(row)
        if kept.request.state is RequestState.PENDING:
            begun = msgspec.structs.replace(kept, request=kept.request.begin(self._clock()))
            step = await self._write(row, begun, (Step.STARTED, {"type": kept.request.type.value}))
            if step is None:
                return
            row, kept = step, begun
        if kept.request.state is not RequestState.IN_PROGRESS:
            return
        if not kept.progress.is_sought:
            sought, told = await self._found(kept)
            step = await self._write(row, sought, *((Step.FOUND, facts) for facts in told))
            if step is None:
                return
            row, kept = step, sought
        completed = msgspec.structs.replace(kept, request=kept.request.complete(self._clock()))
        several: dict[str, Fact] = {"profiles": len(kept.mpids)} if kept.further else {}
        await self._write(row, completed, (Step.COMPLETED, {"found": bool(kept.mpids), **several}))

    async def _found(self, kept: KeptRequest) -> tuple[KeptRequest, Sequence[dict[str, Fact]]]:
        """Find the person, and say how much there is of them in the workspace, store by store, for each profile."""
        place = place_of(self._directory, kept.request.workspace)
        if place is None:
            progress = msgspec.structs.replace(kept.progress, is_sought=True)
            return msgspec.structs.replace(kept, progress=progress), [{"found": False, "why": WORKSPACE_GONE}]
        found = await self._finding.find(place, kept.request.subject)
        each: list[Progress] = []
        told: list[dict[str, Fact]] = []
        for one in found:
            facts: dict[str, Fact] = {"found": one.mpid is not None}
            if one.environment is not None:
                facts["environment"] = one.environment.value
            if one.mpid is not None:
                each.append(Progress(is_sought=True, mpid=one.mpid, environment=one.environment))
                facts |= (await counted_of(self._store, self._directory, [place], one.mpid))._asdict()
                facts["log_lines"] = (await lines_about(self._store, one.mpid)).total
                facts |= {"profile": len(each)} if len(found) > 1 else {}
            told.append(facts)
        return kept.changed(each or [Progress(is_sought=True)]), told

    async def _write(
        self, row: StoredRequest, kept: KeptRequest, *told: tuple[Step, Mapping[str, Fact]]
    ) -> StoredRequest | None:
        """Keep how far the request is, and tell of it. None if it is not as it was when it was loaded."""
        after = stored(kept)
        now_ms, workspace = self._clock(), row.workspace
        happened = [Happening(now_ms, row.request_id, step, {**facts, "workspace": workspace}) for step, facts in told]
        change = PrivacyCommit(requests=[RequestWrite(after, row.document)])
        return after if await self._evidence.write(happened, change) else None
