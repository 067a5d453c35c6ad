"""Decides what would have been answered, had one identity of a request been absent, or another.

Each identity in turn is left out, and then taken to be a value that nobody has; the previous MPID is left out too. The
rules are asked again over the records that the decision saw, so that guards, strategies, ties and crowded values count
as they did. What the answer is: which existing profile, or what would be made, or why nothing.

Of a decision made long ago the records may be known in part (`recollection`). Then a case is certain as long as the
rules ask for nothing that is missing. Where a tie was decided by who was active last, and that is not known, each of
those left is tried, and all answers that this can come to are given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice, permutations
from typing import Final, NamedTuple, TypeVar, assert_never

from knownas.core.history.recollection import Recollection, Untold
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import (
    Corrected,
    Created,
    Erased,
    Modified,
    NotFound,
    Outcome,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Erasure,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records

_T = TypeVar("_T")

CASES_MAX: Final = 200
"""Cases weighed for one decision; a request for identities has 67 at most, a modify or a seeding can have more."""

TIED_MAX: Final = 24
"""Profiles of which each could have been active last; beyond, it is not told what would have been answered."""

NOBODYS: Final = ""
"""A value that nobody has: no valid identity is empty."""


class HadBeen(StrEnum):
    """What is supposed of one identity."""

    ABSENT = "absent"
    DIFFERENT = "different"


class Supposition(NamedTuple):
    """What is supposed, and of which identity; of the previous MPID if `identity` is None."""

    had_been: HadBeen
    identity: Identity | None
    previous_mpid: int | None = None


class Case(NamedTuple):
    """What would have been answered under one supposition.

    `answers` has one outcome if that is certain, several if it is one of them, and none if it is not told; then
    `untold` says why. `changes_answer` is None if that is open; it can be known where the answer is not. A profile that would be made has the MPID `NOT_MADE`.
    """

    supposed: Supposition
    answers: tuple[Outcome, ...]
    changes_answer: bool | None
    untold: Untold | None = None


class Over(StrEnum):
    """Over which records the cases were decided."""

    DECISION = "records_of_the_decision"
    LINE = "records_at_its_line"
    NOW = "records_of_now"


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """All cases of one decision, or why there are none."""

    over: Over | None
    cases: tuple[Case, ...] = ()
    untold: Untold | None = None


def counterfactuals(
    observation: Observation, answered: Outcome, policy: Policy, records: Records, *, may_create: bool
) -> tuple[Case, ...]:
    """Return what would have been answered in each case, those of the first identity first.

    `records`, `policy` and `may_create` are those of the decision that came to `answered`. Costs as much as so many
    decisions, and many times that where a tie has to be tried out.
    """
    cases = islice(_supposed(observation), CASES_MAX)
    return tuple(
        _case(supposed, _Question(changed, policy, records, may_create), answered) for supposed, changed in cases
    )


def same_answer(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are the same answer to a client, changes left aside."""
    return _answer(one) == _answer(other)


def _answer(outcome: Outcome) -> tuple[object, ...]:
    match outcome:
        case Returned(mpid):
            return "profile", mpid
        case Created(_, known, source_mpid):
            # Nobody can tell profiles apart that are not made yet, but by what they would be.
            return "new", known, source_mpid
        case NotFound():
            return ("nobody",)
        case Refused(reason):
            return "refused", reason
        case Modified() | Seeded() | Corrected() | Erased():
            # The request names its profile.
            return ("done",)
        case _:
            assert_never(outcome)


class _Question(NamedTuple):
    """What to ask the rules once more."""

    observation: Observation
    policy: Policy
    records: Records
    may_create: bool

    def outcome(self) -> Outcome:
        return decide(self.observation, self.policy, self.records, NOT_MADE, may_create=self.may_create).outcome


def _case(supposed: Supposition, question: _Question, answered: Outcome) -> Case:
    records = question.records
    if isinstance(records, Recollection):
        answers = _recollected(question, records)
        if isinstance(answers, Untold):
            return Case(supposed, (), True if _barred(question, answered) else None, answers)
    else:
        answers = (question.outcome(),)
    changed = {not same_answer(one, answered) for one in answers}
    return Case(supposed, answers, changed.pop() if len(changed) == 1 else None)


def _barred(question: _Question, answered: Outcome) -> bool:
    """Whether a guard would have kept the profile that answered from doing so, whoever else there was."""
    request = question.observation
    if not isinstance(request, IdentityRequest) or not isinstance(answered, Returned):
        return False
    record = question.records.record(answered.mpid)
    searching = request.endpoint is Endpoint.SEARCH
    return record is not None and bool(
        guard_against(record, dict(request.identities), question.policy, searching=searching)
    )


def _recollected(question: _Question, records: Recollection) -> tuple[Outcome, ...] | Untold:
    """Return every answer that the records, as far as they are known, can come to."""
    records.begin()
    outcome = question.outcome()
    tied = set(records.compared)
    if records.missed:
        return records.missed[0]
    if not records.guesses:
        return (outcome,)
    while len(tied) <= TIED_MAX:
        # Two ties are broken at most: one between candidates, one between owners of a login ID. So whoever wins each,
        # some two that were active last make it so. Winning the first can be what it takes to meet the second.
        found: dict[Outcome, None] = {}
        met = set(tied)
        for favoured in permutations(sorted(tied), min(2, len(tied))):
            records.begin(favoured)
            found[question.outcome()] = None
            if records.missed:
                return records.missed[0]
            met |= records.compared
        if met == tied:
            return tuple(found)
        tied = met
    return Untold.TOO_MANY_TIES


def _supposed(observation: Observation) -> Iterator[tuple[Supposition, Observation]]:
    """Yield each supposition with the observation as it would have been."""
    match observation:
        case IdentityRequest():
            yield from _of_request(observation)
        case ModifyRequest():
            changes = observation.changes
            for place, change in enumerate(changes):
                one = Identity(change.type, change.new_value or change.old_value or NOBODYS)
                for had_been, other in ((HadBeen.ABSENT, ()), (HadBeen.DIFFERENT, (_another(change),))):
                    yield Supposition(had_been, one), replace(observation, changes=_put(changes, place, other))
        case SeedRequest():
            identities = observation.identities
            for place, one in enumerate(identities):
                for had_been, other in ((HadBeen.ABSENT, ()), (HadBeen.DIFFERENT, (Identity(one.type, NOBODYS),))):
                    yield Supposition(had_been, one), replace(observation, identities=_put(identities, place, other))
        case Correction() | Erasure():
            return
        case _:
            assert_never(observation)


def _of_request(request: IdentityRequest) -> Iterator[tuple[Supposition, Observation]]:
    identities = request.identities
    for place, one in enumerate(identities):
        for had_been, other in ((HadBeen.ABSENT, ()), (HadBeen.DIFFERENT, (Identity(one.type, NOBODYS),))):
            yield Supposition(had_been, one), request._replace(identities=_put(identities, place, other))
    if request.previous_mpid is not None:
        # One that nobody has is as good as none.
        supposed = Supposition(HadBeen.ABSENT, None, request.previous_mpid)
        yield supposed, request._replace(previous_mpid=None)


def _another(change: IdentityChange) -> IdentityChange:
    if change.new_value is not None:
        return IdentityChange(change.type, change.old_value, NOBODYS)
    return IdentityChange(change.type, NOBODYS, None)


def _put(some: Sequence[_T], place: int, other: Sequence[_T]) -> tuple[_T, ...]:
    """Return the sequence with others in one place."""
    return (*some[:place], *other, *some[place + 1 :])
