"""Keeps who is in which audience, as things become known of a user and as time goes on (platform §6.4).

A user's standing in an audience is kept with the moment until which it holds. So when something becomes known, only the
audiences that mention it are judged anew, and those whose moment has come; when nothing becomes known, nobody is judged before the
first of these moments. What comes of it is what judging everybody in everything at every moment would.

An audience may ask for membership in others, one level deep: those are judged first, and who joins or leaves one of them has learnt
of that.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from knownas.core.audience.concerning import Concerning
from knownas.core.audience.dates import NEVER
from knownas.core.audience.judging import Criteria
from knownas.core.audience.lookback import EVER, lookback
from knownas.core.audience.mentions import NONE, Mentions, mentions
from knownas.core.audience.named_events import NamedEvents
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
"""How a user stands in each audience that they are in, or may be in by time alone. In every other one they are not, until they learn of
something: most users are in few of a hundred audiences, and nothing is kept of the rest."""

EVERYTHING: Final = None
"""Said of somebody of whom anything may have become known."""


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

    def __init__(self, criteria: Mapping[str, Criteria]) -> None:
        self._criteria: Final = criteria
        self._mentions: Final = {one: mentions(asked.definition) for one, asked in criteria.items()}
        for one in criteria:
            fault = nesting_fault(one, self._mentions)
            if fault is not None:
                raise ValueError(f"{one}: {fault}")
        self._concerning: Final = Concerning(self._mentions)
        in_order = sorted(criteria, key=lambda one: (bool(self._mentions[one].audiences), one))
        self._places: Final = {one: place for place, one in enumerate(in_order)}
        """Those that are asked for come before those that ask."""
        self._asking: Final = frozenset(one for one in criteria if self._mentions[one].audiences)
        self._of_events: Final = frozenset(one for one in criteria if self._mentions[one].events != NONE)
        self._of_ever: Final = frozenset(
            one for one in self._of_events if lookback(criteria[one].definition.criteria, 0) == EVER
        )
        """Those that ask for events of any age, whatever time it is."""

    def concerned_by(self, learnt: Mentions) -> frozenset[str]:
        """Return the audiences for which what became known of a user can change the answer."""
        return self._concerning.concerned_by(learnt)

    def lookback(self, concerned: frozenset[str] | None, standings: Standings, now_ms: int) -> int:
        """Return the time before which no event matters to any of the audiences that would be judged (see `lookback`).

        `NEVER` if none of them asks for events; `concerned` as in `judge`.
        """
        first = self._looked_at(concerned, standings, now_ms)
        # If one of these changes, those that ask for it are judged, too.
        judged = first | {one for one in self._asking if not self._mentions[one].audiences.isdisjoint(first)}
        of_events = self._of_events & judged
        if not of_events.isdisjoint(self._of_ever):
            return EVER
        return min((lookback(self._criteria[one].definition.criteria, now_ms) for one in of_events), default=NEVER)

    def _looked_at(self, concerned: frozenset[str] | None, standings: Standings, now_ms: int) -> frozenset[str]:
        """Return the audiences that are judged whatever comes of it: those concerned and those due."""
        if concerned is None:
            return frozenset(self._criteria)
        due = (one for one, standing in standings.items() if standing.until_ms <= now_ms)
        return frozenset(self._places.keys() & concerned.union(due))

    def judge(self, subject: Subject, standings: Standings, now_ms: int, concerned: frozenset[str] | None) -> Judged:
        """Judge a user of whom something became known, in the audiences that are `concerned` and those that are due.

        None stands for all of them. The audiences that `subject` is in are those of its standings. An audience that is new is judged once by
        whoever made it, for everybody, as a concerned one; one that is gone is left.
        """
        after = {one: standing for one, standing in standings.items() if one in self._criteria}
        changes = [Change(one, is_member=False, at_ms=now_ms) for one in _left(standings, after)]
        changed = frozenset(change.audience for change in changes)
        first, events = self._looked_at(concerned, standings, now_ms), NamedEvents(subject.events)
        for one in sorted(first | self._asking, key=self._places.__getitem__):
            if one not in first and self._mentions[one].audiences.isdisjoint(changed):
                continue
            standing = after.get(one)
            seen = subject._replace(audiences=frozenset(_members(after))) if one in self._asking else subject
            held = self._criteria[one].judge(seen, now_ms, events)
            was_member = standing is not None and standing.is_member
            if held.holds is not was_member:
                changes.append(Change(one, held.holds, now_ms))
                changed |= {one}
            since_ms = standing.since_ms if standing is not None and held.holds is was_member else now_ms
            if held.holds or held.until_ms < NEVER:
                after[one] = Standing(held.holds, since_ms, held.until_ms)
            else:
                after.pop(one, None)
        due_ms = min((standing.until_ms for standing in after.values()), default=NEVER)
        return Judged(MappingProxyType(after), tuple(changes), due_ms)


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
