"""Tells in plain words which single identity decided: what would have been answered without it, or with another.

Only what would have changed the answer is told, the highest types first; if nothing would, one sentence says so. The
sentences hold identity values whole and as they came; whoever shows them escapes and shortens them.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, assert_never

from knownas.core.history.counterfactual import Case, Counterfactual, HadBeen, Over
from knownas.core.history.recollection import Untold
from knownas.core.identity.decision import (
    Corrected,
    Created,
    Erased,
    Modified,
    NotFound,
    Outcome,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.phrases import (
    REFUSALS,
    anonymity,
    named,
    profiles_named,
    sentence,
)
from knownas.core.identity.policy import Policy

COUNTERFACTUALS_TOLD_MAX: Final = 4
"""Identities of which a story tells what would have been answered without them; all are among the cases."""

_UNTOLD: Final = {
    Untold.CROWDED: "more profiles hold one of the other identities than a lookup considers, and which of them were active last is not logged",
    Untold.TOO_MUCH_SINCE: "too much has happened since to look for everybody who held the other identities",
    Untold.TOO_MANY_TIES: "too many profiles would have been left to tell which of them was active last",
    Untold.TOO_LONG_A_HISTORY: "the histories of the profiles that took part are too long to go through",
    Untold.RECORDS_CHANGED: "the decision changed nothing, so it is not in the log, and the profiles have changed since",
    Untold.NOT_REPRODUCED: "the log alone does not come to this decision again",
}
"""Why something is not told, after a colon. A test keeps it complete."""


def counterfactual_story(told: Counterfactual, policy: Policy | None = None) -> tuple[str, ...]:
    """Tell a counterfactual in a few sentences; none if the request had nothing that could be left out.

    `policy` orders the identities by its priority.
    """
    if told.untold is not None:
        return (f"What another request would have been answered is not told: {_UNTOLD[told.untold]}.",)
    cases = [case for case in told.cases if not _is_empty(case)]
    if not cases:
        return ()
    groups = [tuple(group) for _, group in groupby(cases, key=lambda case: case.supposed[1:])]
    if policy is not None:
        places = policy.places
        last = len(places)
        groups.sort(key=lambda group: places.get(one.type, last) if (one := group[0].supposed.identity) else last + 1)
    sentences = [_told(group) for group in groups if any(case.changes_answer is not False for case in group)]
    more = len(sentences) - COUNTERFACTUALS_TOLD_MAX
    if more > 0:
        sentences[COUNTERFACTUALS_TOLD_MAX:] = [
            f"{more} more of what the request named could have changed the answer too."
        ]
    since = ["This is over the profiles as they are now."] if told.over is Over.NOW else []
    return (*(sentences or [_nothing_changes(groups)]), *since)


def case_sentence(case: Case) -> str:
    """Tell one case in one sentence."""
    return sentence(f"{_condition(case)}, {_consequence(case)}")


def _is_empty(case: Case) -> bool:
    """Whether nothing would have been asked: that a request without its only identity is refused says nothing."""
    return any(isinstance(one, Refused) and one.reason is Refusal.NO_IDENTITIES for one in case.answers)


def _nothing_changes(groups: Sequence[Sequence[Case]]) -> str:
    if len(groups[0]) == 1:
        # The only identity, and perhaps the previous MPID.
        firsts = [group[0] for group in groups]
        either = " or ".join(map(_condition, firsts))
        return sentence(f"{either}, {_consequence(firsts[0])}")
    any_one = "any one of what the request named, or with another in its place"
    return f"No single identity decided: without {any_one}, the answer would have been the same."


def _told(group: Sequence[Case]) -> str:
    """Tell what becomes of the answer with one identity absent, and with another in its place."""
    telling = [case for case in group if case.changes_answer is not False]
    first, *rest = telling
    if rest and rest[0][1:] == first[1:]:
        return sentence(f"{_condition(first)}, or with another in its place, {_consequence(first)}")
    others = "".join(f"; with another in its place, {_consequence(case)}" for case in rest)
    return sentence(f"{_condition(first)}, {_consequence(first)}{others}")


def _condition(case: Case) -> str:
    one = case.supposed.identity
    if one is None:
        return f"without the previous MPID {case.supposed.previous_mpid}"
    match case.supposed.had_been:
        case HadBeen.ABSENT:
            return f"without {named(one)}"
        case HadBeen.DIFFERENT:
            return f"with another {one.type.value} than {one.value}"


def _consequence(case: Case) -> str:
    if case.untold is not None:
        why = _UNTOLD[case.untold]
        if case.changes_answer:
            return f"the answer would have been another one; which is not told: {why}"
        return f"what would have been answered is not told: {why}"
    if case.changes_answer is False:
        return "the answer would have been the same"
    if len(case.answers) == 1:
        return _answer(case.answers[0])
    return f"{_either(case.answers)}, whichever was active last"


def _either(answers: Iterable[Outcome]) -> str:
    """Tell several answers, of which it is not known which."""
    existing: dict[int, None] = {}
    others: dict[str, None] = {}
    for outcome in answers:
        if isinstance(outcome, Returned):
            existing[outcome.mpid] = None
        else:
            others[_answer(outcome)] = None
    profiles = f"one of the {profiles_named(list(existing))} would have answered" if len(existing) > 1 else ""
    if len(existing) == 1:
        (mpid,) = existing
        profiles = f"profile {mpid} would have answered"
    return " or ".join([*([profiles] if profiles else []), *others])


def _answer(outcome: Outcome) -> str:
    match outcome:
        case Returned(mpid, known, became_known):
            was, becomes = ("", ", and become known") if became_known else (f" ({anonymity(known=known)})", "")
            return f"profile {mpid}{was} would have answered{becomes}"
        case Created(_, known, source_mpid):
            linked = "" if source_mpid is None else f", linked from profile {source_mpid}"
            return f"a new {anonymity(known=known)} profile would have been made{linked}"
        case NotFound():
            return "nobody would have been found"
        case Refused(reason, _):
            return f"the request would have been refused: {REFUSALS[reason]}"
        case Modified(mpid, _, _):
            return f"profile {mpid} would have been changed"
        case Seeded() | Corrected() | Erased():
            # Nobody supposes anything of a correction or an erasure, which name what they are about.
            return "the profile would have come over"
        case _:
            assert_never(outcome)
