"""Keeps who is in which audience, as things become known of a user and as time goes on (platform §6.4).

A user's standing in an audience is kept with the moment until which it holds. So when something becomes known, only the
audiences that mention it are judged anew, and those whose moment has come; when nothing becomes known, nobody is judged before the
first of these moments. What comes of it is what judging everybody in everything at every moment would.

An audience may ask for membership in others, one level deep: those are judged first, and who joins or leaves one of them has learnt
of that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Judge
from knownas.core.audience.mentions import Mentions, mentions
from knownas.core.audience.subject import Subject


class Standing(NamedTuple):
    """Whether a user is in an audience, since when that is so, and until when it can't change by time alone (Unix milliseconds)."""

    is_member: bool
    since_ms: int
    until_ms: int = NEVER


class Change(NamedTuple):
    """A user joined an audience, or left it, at a time (Unix milliseconds)."""

    audience: str
    is_member: bool
    at_ms: int


Standings = Mapping[str, Standing]
"""How a user stands in each audience that they were ever judged for."""


class Judged(NamedTuple):
    """How a user stands after something became known, what changed by it, and when they have to be judged again."""

    standings: Standings
    changes: tuple[Change, ...]
    due_ms: int


class Nesting(StrEnum):
    """Why an audience can't ask for membership in another one."""

    ITSELF = "an audience can't ask for membership in itself"
    UNKNOWN = "there is no such audience"
    TOO_DEEP = "an audience that others ask for can't ask for others: there is one level only"


class Audiences:
    """The audiences of a workspace, by id.

    Raises:
        ValueError: one asks for another in a way that `nesting_fault` tells of.
    """

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self._definitions: Final = definitions
        self._mentions: Final = {one: mentions(definition) for one, definition in definitions.items()}
        for one in definitions:
            fault = nesting_fault(one, self._mentions)
            if fault is not None:
                raise ValueError(f"{one}: {fault}")
        self._in_order: Final = sorted(definitions, key=lambda one: (bool(self._mentions[one].audiences), one))
        """Those that are asked for come before those that ask."""

    def judge(self, subject: Subject, standings: Standings, now_ms: int, learnt: Mentions) -> Judged:
        """Judge a user of whom something became known; the audiences that `subject` is in are those of its standings.

        Of an audience that is new since, and of one that is gone, nothing has to be told: the one is judged, the other left.
        """
        after = {one: standing for one, standing in standings.items() if one in self._definitions}
        changes = [Change(one, is_member=False, at_ms=now_ms) for one in _left(standings, after)]
        changed = frozenset(change.audience for change in changes)
        for one in self._in_order:
            standing = after.get(one)
            known = replace(learnt, audiences=learnt.audiences | changed)
            if not self._is_due(one, standing, now_ms, known):
                continue
            seen = subject._replace(audiences=frozenset(_members(after)))
            held = Judge(seen, now_ms).judge(self._definitions[one])
            was_member = standing is not None and standing.is_member
            if held.holds is not was_member:
                changes.append(Change(one, held.holds, now_ms))
                changed |= {one}
            since_ms = standing.since_ms if standing is not None and held.holds is was_member else now_ms
            after[one] = Standing(held.holds, since_ms, held.until_ms)
        due_ms = min((standing.until_ms for standing in after.values()), default=NEVER)
        return Judged(MappingProxyType(after), tuple(changes), due_ms)

    def _is_due(self, one: str, standing: Standing | None, now_ms: int, learnt: Mentions) -> bool:
        return standing is None or standing.until_ms <= now_ms or self._mentions[one].concerned_by(learnt)


def nesting_fault(audience: str, all_mentions: Mapping[str, Mentions]) -> Nesting | None:
    """Say why an audience can't ask for those that it asks for; None if it can. It is among all of them."""
    own = all_mentions[audience].audiences
    if audience in own:
        return Nesting.ITSELF
    if not own <= all_mentions.keys():
        return Nesting.UNKNOWN
    asks_deeper = any(all_mentions[one].audiences for one in own)
    is_asked_for = bool(own) and any(audience in one.audiences for one in all_mentions.values())
    return Nesting.TOO_DEEP if asks_deeper or is_asked_for else None


def _members(standings: Standings) -> Iterator[str]:
    return (one for one, standing in standings.items() if standing.is_member)


def _left(before: Standings, after: Standings) -> Iterable[str]:
    """Yield the audiences that are gone with the user in them."""
    return (one for one in sorted(_members(before)) if one not in after)
