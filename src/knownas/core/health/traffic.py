"""Tells from tallies how the requests of a scope fared: what decisions came to, what decided them, and what was refused."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from knownas.core.health.tally import (
    KNOWN,
    MADE,
    MATCHED,
    Came,
    RefusedFor,
    Tally,
    decisions_of,
    merged,
    refusals_of,
)
from knownas.core.identity.decision import DecidedBy
from knownas.core.identity.kinds import IdentityType

TIES: Final = frozenset({DecidedBy.PREVIOUS_MPID, DecidedBy.MOST_RECENT, DecidedBy.SMALLEST_MPID})
"""The rules that settle a match where the identities leave several profiles."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came of the requests of a scope and an environment in some time.

    `matches` are the decisions that found a profile, by the type of identity that decided, and `ties` those of them in which identities
    left several. `made` are new profiles, by input. `refusals` are by input too; those whose environment nobody knew are among them.
    """

    came: Mapping[Came, int]
    matches: Mapping[IdentityType, int]
    ties: int
    made: Mapping[str, int]
    refusals: Mapping[tuple[str, RefusedFor], int]

    @property
    def decisions(self) -> int:
        """Decisions there were."""
        return sum(self.came.values())

    @property
    def answered(self) -> int:
        """Decisions that a profile answered, one that was there or a new one."""
        return sum(self.came.get(one, 0) for one in MATCHED | MADE)

    @property
    def new_profiles(self) -> int:
        """Profiles that were made."""
        return sum(self.made.values())

    @property
    def refused(self) -> int:
        """Requests that were refused, before or by a decision."""
        return sum(self.refusals.values())

    @property
    def requests(self) -> int:
        """Requests there were, as far as they are counted: decisions, and what was refused before there was one."""
        return self.decisions + max(0, self.refused - self.came.get(Came.REFUSED, 0) - self.came.get(Came.NOT_FOUND, 0))

    @property
    def known_share(self) -> float | None:
        """Of the decisions that a profile answered, the share that a known one did; None if there were none."""
        return _share(sum(self.came.get(one, 0) for one in KNOWN), self.answered)

    @property
    def new_share(self) -> float | None:
        """Of the decisions that a profile answered, the share for which it was made; None if there were none."""
        return _share(self.new_profiles, self.answered)

    @property
    def tie_share(self) -> float | None:
        """Of the matches, the share in which identities left several profiles; None if there were none."""
        return _share(self.ties, sum(self.matches.values()))

    @property
    def refused_share(self) -> float | None:
        """Of the requests, the share that was refused; None if there were none."""
        return _share(self.refused, self.requests)


def traffic_of(tallies: Iterable[Tally], scope: str, environment: str) -> Traffic:
    """Return what tallies say of a scope and an environment together."""
    came: Counter[Came] = Counter()
    matches: Counter[IdentityType] = Counter()
    made: Counter[str] = Counter()
    refusals: Counter[tuple[str, RefusedFor]] = Counter()
    ties = 0
    tally = merged(tallies)
    for source, decided, count in decisions_of(tally):
        if source[:2] == (scope, environment):
            came[decided.came] += count
            if decided.came in MATCHED and decided.type is not None:
                matches[decided.type] += count
                ties += count if decided.rule in TIES else 0
            if decided.came in MADE:
                made[source.input] += count
    for source, why, count in refusals_of(tally):
        if source.scope == scope and source.environment in (environment, ""):
            refusals[source.input, why] += count
    return Traffic(came, matches, ties, made, refusals)


def refused_unplaced(tallies: Iterable[Tally]) -> Mapping[RefusedFor, int]:
    """Return what was refused before anybody knew for which scope it was."""
    found: Counter[RefusedFor] = Counter()
    for source, why, count in refusals_of(merged(tallies)):
        if not source.scope:
            found[why] += count
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
