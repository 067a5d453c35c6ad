"""Assesses users: in which audiences they are by what a store has of them, why, and until when nothing changes by time alone.

It is the part of judging that takes the processor and asks nobody anything. So another process may do it, and the one that answers
requests reads and writes only; what goes between the two are the bytes that the store keeps.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, Protocol

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.judging import Criteria
from knownas.core.audience.membership import Audiences, Change, Judged, Standings
from knownas.core.audience.reasons import Reason
from knownas.core.audience.subject import Subject
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.service.audience.catalogue import Catalogue
from knownas.service.audience.reason_form import reason_documents
from knownas.service.audience.standing_form import standings_bytes, standings_from
from knownas.service.audience.subjects import KeptUser, subject_of

ASSESSED_AT_ONCE: Final = 32
"""Users who are assessed here before anything else gets its turn."""

_ENCODER: Final = msgspec.json.Encoder()


class ToAssess(msgspec.Struct, frozen=True, array_like=True):
    """A user of a workspace (None: it knows them no more), how they stood, and which audiences are concerned, by id (None: all)."""

    workspace: int
    user: KeptUser | None
    standing: bytes | None
    concerned: tuple[str, ...] | None


class ChangeFound(NamedTuple):
    """A user joined an audience, or left it; the document says why."""

    audience: int
    is_member: bool
    reasons: bytes


class Assessed(msgspec.Struct, frozen=True, array_like=True):
    """How a user stands now, as it is kept; whether that is as before; when they are due; what changed; and all that they are in."""

    standings: bytes | None
    is_as_before: bool
    due_ms: int | None
    changes: tuple[ChangeFound, ...]
    members: frozenset[int]


class WorkspaceDefinitions(NamedTuple):
    """What the audiences of a workspace ask for, by id; and the audiences themselves, but for those that ask for ones that are not there."""

    audiences: Audiences
    criteria: Mapping[int, Criteria]


class Assesses(Protocol):
    """Assesses users by the audiences of a catalogue."""

    async def assess(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        """Return what came of each, in their order.

        Raises:
            Exception: one of them breaks a rule of ours.
        """
        ...

    async def close(self) -> None:
        """Stop; nothing is under way any more."""
        ...


class AssessesHere:
    """Assesses in this process, a few at a time: requests are served between."""

    def __init__(self, calculations: Mapping[int, WorkspaceCalculations]) -> None:
        self._calculations = calculations

    async def assess(self, catalogue: Catalogue, asked: Sequence[ToAssess], now_ms: int) -> Sequence[Assessed]:
        """See `Assesses.assess`."""
        definitions = {
            workspace: WorkspaceDefinitions(catalogue.of(workspace).audiences, catalogue.of(workspace).criteria)
            for workspace in {one.workspace for one in asked}
        }
        found: list[Assessed] = []
        everybody = iter(asked)
        while some := list(islice(everybody, ASSESSED_AT_ONCE)):
            for one in some:
                own = definitions[one.workspace]
                found.append(assessed(own, self._calculations.get(one.workspace), one, now_ms))
            await asyncio.sleep(0)
        return found

    async def close(self) -> None:
        """See `Assesses.close`."""


def assessed(
    own: WorkspaceDefinitions, calculations: WorkspaceCalculations | None, asked: ToAssess, now_ms: int
) -> Assessed:
    """Return how a user stands in the audiences of their workspace."""
    before = standings_from(asked.standing)
    if asked.user is None:
        subject, judged = None, _left(before, now_ms)
    else:
        subject = subject_of(asked.user, calculations, now_ms)
        concerned = None if asked.concerned is None else frozenset(asked.concerned)
        judged = own.audiences.judge(subject, before, now_ms, concerned)
    return Assessed(
        standings_bytes(judged.standings),
        judged.standings == before,
        None if judged.due_ms == NEVER else judged.due_ms,
        tuple(_found(own, subject, judged, one, now_ms) for one in judged.changes),
        frozenset(int(one) for one, standing in judged.standings.items() if standing.is_member),
    )


def _left(before: Standings, now_ms: int) -> Judged:
    """Return that somebody who is not known any more has left everything."""
    changes = tuple(Change(one, is_member=False, at_ms=now_ms) for one, was in sorted(before.items()) if was.is_member)
    return Judged({}, changes, NEVER)


def _found(
    own: WorkspaceDefinitions, subject: Subject | None, judged: Judged, change: Change, now_ms: int
) -> ChangeFound:
    """Return a change with its reasons."""
    told: Sequence[Reason] = ()
    criteria = own.criteria.get(int(change.audience))
    if criteria is not None and subject is not None:
        members = frozenset(one for one, standing in judged.standings.items() if standing.is_member)
        told = criteria.reasons(subject._replace(audiences=members), now_ms)
    return ChangeFound(int(change.audience), change.is_member, _ENCODER.encode(reason_documents(told)))
