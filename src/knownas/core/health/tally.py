"""Counts what came of requests: how decisions ended and which identity decided them, and why requests were refused.

A tally is a number of times for each thing that happened, by where it came from. Two of them are put together in any order, and any
grouping, with the same result; so many servers can count by themselves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from knownas.core.identity.decision import (
    Corrected,
    Created,
    DecidedBy,
    Decision,
    Erased,
    Modified,
    NotFound,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.kinds import IdentityType


class Came(StrEnum):
    """What a decision came to."""

    KNOWN = "known"
    BECAME_KNOWN = "became_known"
    ANONYMOUS = "anonymous"
    CREATED = "created"
    CREATED_KNOWN = "created_known"
    CREATED_WITHOUT_IDENTITIES = "created_without_identities"
    MODIFIED = "modified"
    NOT_FOUND = "not_found"
    REFUSED = "refused"


MATCHED: Final = frozenset({Came.KNOWN, Came.BECAME_KNOWN, Came.ANONYMOUS})
"""The decisions that found a profile."""

MADE: Final = frozenset({Came.CREATED, Came.CREATED_KNOWN, Came.CREATED_WITHOUT_IDENTITIES})
"""The decisions that made one."""

KNOWN: Final = frozenset({Came.KNOWN, Came.BECAME_KNOWN, Came.CREATED_KNOWN})
"""The decisions that a known profile answered."""


class Source(NamedTuple):
    """Where a request came from: the scope, the environment, and the input by its lasting key. What is not known is ""."""

    scope: str = ""
    environment: str = ""
    input: str = ""


NOWHERE: Final = Source()
"""A request of which nothing was known before it was refused."""


class Decided(NamedTuple):
    """How a decision ended, and which rule settled it over which type of identity; None where no type did."""

    came: Came
    rule: DecidedBy
    type: IdentityType | None


class RefusedFor(NamedTuple):
    """At which surface a request was refused, and for which reason."""

    surface: str
    reason: str


Happened = Decided | RefusedFor
Tally = Mapping[tuple[Source, Happened], int]
"""How often each thing happened."""

BEYOND: Final = (NOWHERE, RefusedFor("other", "other"))
"""Stands for all that is counted where there is no place for a further thing."""


def came_of(decision: Decision) -> Came:
    """Return what a decision came to, of those that requests ask for.

    Raises:
        ValueError: no request asks for such a decision: it seeds, corrects or erases.
    """
    outcome = decision.outcome
    match outcome:
        case Returned(_, known, became_known):
            return Came.BECAME_KNOWN if became_known else Came.KNOWN if known else Came.ANONYMOUS
        case Created(_, known):
            if decision.record is not None and decision.record.orphan:
                return Came.CREATED_WITHOUT_IDENTITIES
            return Came.CREATED_KNOWN if known else Came.CREATED
        case Modified():
            return Came.MODIFIED
        case NotFound():
            return Came.NOT_FOUND
        case Refused():
            return Came.REFUSED
        case Seeded() | Corrected() | Erased():
            raise ValueError("no request asks for this decision")
        case _:
            assert_never(outcome)


def merged(tallies: Iterable[Tally]) -> Tally:
    """Put tallies together: each thing happened as often as in all of them."""
    total: Counter[tuple[Source, Happened]] = Counter()
    for one in tallies:
        total.update(one)
    return total


def bounded(tally: Tally, most: int) -> Tally:
    """Return a tally of at most so many things: what happened least often is counted as one (`BEYOND`). The sum stays."""
    if len(tally) <= most:
        return tally
    often = sorted(tally.items(), key=lambda one: (one[0] != BEYOND, -one[1], repr(one[0])))
    kept = Counter(dict(often[: most - 1]))
    kept[BEYOND] += sum(count for _, count in often[most - 1 :])
    return kept


def decisions_of(tally: Tally) -> Iterator[tuple[Source, Decided, int]]:
    """Yield how decisions ended, and how often."""
    for (source, happened), count in tally.items():
        if isinstance(happened, Decided):
            yield source, happened, count


def refusals_of(tally: Tally) -> Iterator[tuple[Source, RefusedFor, int]]:
    """Yield why requests were refused, and how often."""
    for (source, happened), count in tally.items():
        if isinstance(happened, RefusedFor):
            yield source, happened, count
