"""Assesses users: in which audiences they are by what a store has of them, why, and until when nothing changes by time alone.

It is the part of judging that takes the processor: it reads users, and decides. It writes nothing. So another process may do it, and the one that
answers requests only writes down what came of it. Whoever writes names the version of the standing that was read here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.judging import Criteria
from knownas.core.audience.membership import Audiences, Change, Judged, Standings
from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.reasons import Reason
from knownas.core.audience.subject import Subject
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.service.audience.catalogue import Catalogue, WorkspaceAudiences
from knownas.service.audience.limits import EVENT_BATCHES_MAX
from knownas.service.audience.reason_form import reason_documents
from knownas.service.audience.standing_form import standings_bytes, standings_from
from knownas.service.audience.subjects import Logins, Subjects, kept_user, subject_of
from knownas.store.audiences import AudienceStore, StoredSubject
from knownas.store.user_data import SectionKey, StoredEvents

ASSESSED_AT_ONCE: Final = 32
"""Users who are read and assessed before anything else gets its turn: the events of no more are in memory."""

_ENCODER: Final = msgspec.json.Encoder()


class ToAssess(msgspec.Struct, frozen=True, array_like=True):
    """A user of a workspace, which audiences are concerned, by id (None: all), and what the user's groups have come to."""

    workspace: int
    environment: str
    mpid: int
    concerned: tuple[str, ...] | None
    grouped: Mapping[str, AttributeValue] = {}

    @property
    def key(self) -> SectionKey:
        """Where the workspace keeps what it knows of the user."""
        return SectionKey(self.workspace, self.environment, self.mpid)


class ChangeFound(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A user joined an audience, or left it; the document says why."""

    audience: int
    is_member: bool
    reasons: bytes


class Assessed(msgspec.Struct, frozen=True, array_like=True):
    """How a user stands now, as it is kept; whether that is as before; when they are due; what changed; and all that they are in.

    `version` is that of the standing before, and `section` that of the section that was read; None if there was none.
    """

    section: int | None
    version: int | None
    standings: bytes | None
    is_as_before: bool
    due_ms: int | None
    changes: tuple[ChangeFound, ...]
    members: frozenset[int]


class WorkspaceDefinitions(NamedTuple):
    """What the audiences of a workspace ask for, by id; and the audiences themselves, but for those that ask for ones that are not there."""

    audiences: Audiences
    criteria: Mapping[int, Criteria]


@dataclass(frozen=True, slots=True)
class Understanding:
    """What users are understood by: the definitions and the calculated attributes of workspaces, and their login types."""

    definitions: Mapping[int, WorkspaceDefinitions]
    calculations: Mapping[int, WorkspaceCalculations]
    logins: Logins


class Assesses(Protocol):
    """Assesses users by the audiences of a catalogue."""

    async def assess(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        """Return what came of each, in their order.

        Raises:
            StoreError: the store does not answer.
            Exception: one of them breaks a rule of ours.
        """
        ...

    async def close(self) -> None:
        """Stop; nothing is under way any more."""
        ...


Assessing = Callable[[Subjects, Mapping[int, WorkspaceCalculations]], Assesses]
"""Returns who assesses users, by whom these are understood and the calculated attributes of workspaces."""


class AssessesHere:
    """Assesses in this process, a few at a time: requests are served between."""

    def __init__(
        self, store: AudienceStore, subjects: Subjects, calculations: Mapping[int, WorkspaceCalculations]
    ) -> None:
        self._assessor = Assessor(store)
        self._subjects = subjects
        self._calculations = calculations

    async def assess(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        """See `Assesses.assess`."""
        definitions = {one: definitions_of(catalogue.of(one)) for one in {one.workspace for one in asked}}
        by = Understanding(definitions, self._calculations, self._subjects.logins)
        return await self._assessor.assess(by, asked, now_ms)

    async def close(self) -> None:
        """See `Assesses.close`."""


def definitions_of(own: WorkspaceAudiences) -> WorkspaceDefinitions:
    """Return what users of a workspace are assessed by."""
    return WorkspaceDefinitions(own.audiences, own.criteria)


NOTHING_DEFINED: Final = WorkspaceDefinitions(Audiences({}), {})
"""What a workspace asks for in which nobody has defined anything."""


class Assessor:
    """Reads users from a store, and assesses them."""

    def __init__(self, store: AudienceStore) -> None:
        self._store = store

    async def assess(self, by: Understanding, asked: Sequence[ToAssess], now_ms: int) -> list[Assessed]:
        """Return what came of each, in their order.

        Raises:
            StoreError: the store does not answer.
        """
        found: list[Assessed] = []
        for start in range(0, len(asked), ASSESSED_AT_ONCE):
            some = asked[start : start + ASSESSED_AT_ONCE]
            stored = await self._store.subjects([one.key for one in some])
            before = {one.key: standings_from(stored[one.key].standing_document) for one in some}
            since_ms = {one.key: _lookback(by, one, stored[one.key], before[one.key], now_ms) for one in some}
            eventful = [key for key, one in since_ms.items() if one < NEVER]
            events: Mapping[SectionKey, Sequence[StoredEvents]] = {}
            if eventful:
                earliest_ms = min(since_ms[key] for key in eventful)
                events = await self._store.newest_events(eventful, EVENT_BATCHES_MAX, earliest_ms)
            found += [
                _assessed(by, one, stored[one.key], before[one.key], events.get(one.key, ()), now_ms) for one in some
            ]
            await asyncio.sleep(0)
        return found


def _lookback(by: Understanding, asked: ToAssess, stored: StoredSubject, before: Standings, now_ms: int) -> int:
    """Return the time before which no event of a user has to be looked at; `NEVER` if none has to be."""
    if asked.key not in stored.sections:
        return NEVER
    audiences = by.definitions.get(asked.workspace, NOTHING_DEFINED).audiences
    return audiences.lookback(_concerned(asked), before, now_ms)


def _concerned(asked: ToAssess) -> frozenset[str] | None:
    return None if asked.concerned is None else frozenset(asked.concerned)


def _assessed(
    by: Understanding,
    asked: ToAssess,
    stored: StoredSubject,
    before: Standings,
    events: Sequence[StoredEvents],
    now_ms: int,
) -> Assessed:
    """Return how a user stands in the audiences of their workspace; somebody whom it knows no more is in none."""
    own = by.definitions.get(asked.workspace, NOTHING_DEFINED)
    user = kept_user(asked.key, stored, events, by.logins.get(asked.workspace), asked.grouped)
    if user is None:
        subject, judged = None, _left(before, now_ms)
    else:
        subject = subject_of(user, by.calculations.get(asked.workspace), now_ms)
        judged = own.audiences.judge(subject, before, now_ms, _concerned(asked))
    mine = stored.sections.get(asked.key)
    members = frozenset(one for one, standing in judged.standings.items() if standing.is_member)
    told = None
    if judged.changes and subject is not None:
        told = subject._replace(audiences=members), NamedEvents(subject.events)
    return Assessed(
        None if mine is None else mine.version,
        None if stored.standing is None else stored.standing.version,
        standings_bytes(judged.standings),
        judged.standings == before,
        None if judged.due_ms == NEVER else judged.due_ms,
        tuple(_found(own, told, one, now_ms) for one in judged.changes),
        frozenset(map(int, members)),
    )


def _left(before: Standings, now_ms: int) -> Judged:
    """Return that somebody who is not known any more has left everything."""
    changes = tuple(Change(one, is_member=False, at_ms=now_ms) for one, was in sorted(before.items()) if was.is_member)
    return Judged({}, changes, NEVER)


def _found(
    own: WorkspaceDefinitions, told_of: tuple[Subject, NamedEvents] | None, change: Change, now_ms: int
) -> ChangeFound:
    """Return a change with its reasons, told of a user as they are with all changes, if they are still known."""
    told: Sequence[Reason] = ()
    criteria = own.criteria.get(int(change.audience))
    if criteria is not None and told_of is not None:
        subject, events = told_of
        told = criteria.reasons(subject, now_ms, events)
    return ChangeFound(int(change.audience), change.is_member, _ENCODER.encode(reason_documents(told)))
