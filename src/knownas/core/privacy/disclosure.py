"""Decides what of a decision may be told to the person whom a profile is about, without telling of anybody else.

A decision names others: who else holds a value, from whom one was taken, who was rejected by a guard. To whoever is
told of it these are other people. So values that are not the person's own are not shown, and other profiles are called A,
B, and so on, anew in each decision: that there was somebody can be told, who it was can't.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, assert_never

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    Corrected,
    Created,
    Decision,
    Erased,
    Modified,
    NotFound,
    Outcome,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import MPID_MIN
from knownas.core.identity.story import Story, story
from knownas.core.privacy.redaction import redacted, redacted_decision

NOT_SHOWN: Final = "(not shown)"
"""Stands in a sentence for a value that is somebody else's."""

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Told(NamedTuple):
    """A decision as the person may be told it: one sentence that answers who and why, and the way there."""

    headline: str
    sentences: tuple[str, ...]


def told_of_answer(
    observation: Observation, decision: Decision, policy: Policy | None, mpid: int, own: Callable[[Identity], bool]
) -> Told:
    """Tell a decision that a profile answered, or that was asked about it by its MPID. `own` are the person's values."""
    given = {one: Identity(one.type, NOT_SHOWN) for one in identities_in(decision) if not own(one)}
    given |= {one: Identity(one.type, NOT_SHOWN) for one in _asked_in(observation) if not own(one)}
    called = _stand_ins(decision, mpid)
    veiled = _renamed(redacted_decision(decision, given), called)
    made = story(redacted(observation, given), veiled, policy)
    return _with_letters(made, called)


def told_of_changes(changes: Iterable[Change], mpid: int, own: Callable[[Identity], bool], *, corrected: bool) -> Told:
    """Tell what a decision that was not this profile's changed of it."""
    sentences = [_change_told(one, mpid, own) for one in changes if mpid in (one.mpid, one.from_mpid)]
    if corrected:
        return Told("The history was corrected, and the profile with it.", tuple(sentences))
    return Told("A decision about another profile changed this one.", tuple(sentences))


def identities_in(decision: Decision) -> Iterator[Identity]:
    """Yield every identity that a decision which was read from the log names."""
    yield from (one.identity for one in decision.receipt.steps)
    yield from (one.identity for one in decision.changes)
    yield from (one.identity for one in decision.skipped)


def _asked_in(observation: Observation) -> Iterator[Identity]:
    """Yield every identity that an observation names, whichever it is: those that a redaction can meet."""
    found: dict[Identity, None] = {}
    redacted(observation, _Noting(found))
    yield from found


class _Noting(Mapping[Identity, Identity]):
    """Replaces nothing, and notes what it was asked for."""

    def __init__(self, found: dict[Identity, None]) -> None:
        self._found = found

    def __getitem__(self, key: Identity) -> Identity:
        self._found[key] = None
        return key

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _change_told(change: Change, mpid: int, own: Callable[[Identity], bool]) -> str:
    one = change.identity
    named = f"{one.type.value} {one.value if own(one) else NOT_SHOWN}"
    if change.from_mpid == mpid:
        return f"{named} moved from this profile to another one."
    match change.kind:
        case ChangeKind.ADDED | ChangeKind.CARRIED:
            return f"{named} was added to this profile."
        case ChangeKind.MOVED:
            return f"{named} moved from another profile to this one."
        case ChangeKind.REMOVED | ChangeKind.DROPPED:
            return f"{named} was removed from this profile."
        case _:
            assert_never(change.kind)


def _stand_ins(decision: Decision, mpid: int) -> dict[int, int]:
    """Give each other profile that a decision names a number that no profile of the decision has.

    The numbers have more digits than any text of ours beside an MPID, so that they are found again in the sentences.
    """
    others = list(dict.fromkeys(one for one in _mpids_in(decision) if one != mpid))
    taken = {mpid, *others}
    free = (number for number in range(MPID_MIN, 0) if number not in taken)
    return {other: next(free) for other in others}


def _mpids_in(decision: Decision) -> Iterator[int]:
    for step in decision.receipt.steps:
        yield from step.returnable
        yield from (one.mpid for one in step.rejected)
        yield from step.left
    yield from _mpids_of(decision.outcome)
    for change in decision.changes:
        yield change.mpid
        if change.from_mpid is not None:
            yield change.from_mpid
    yield from (one.holder for one in decision.skipped if one.holder is not None)


def _mpids_of(outcome: Outcome) -> Iterator[int]:
    match outcome:
        case Returned(mpid) | Seeded(mpid) | Erased(mpid):
            yield mpid
        case Created(mpid, _, source_mpid):
            yield mpid
            if source_mpid is not None:
                yield source_mpid
        case Modified(mpid, _, results):
            yield mpid
            yield from (whose for _, whose in results)
        case Corrected(mpids):
            yield from mpids
        case NotFound() | Refused():
            return
        case _:
            assert_never(outcome)


def _renamed(decision: Decision, called: Mapping[int, int]) -> Decision:
    """Return a decision with other numbers in the places of profiles."""

    def now(mpid: int) -> int:
        return called.get(mpid, mpid)

    def maybe(mpid: int | None) -> int | None:
        return None if mpid is None else now(mpid)

    steps = tuple(
        one._replace(
            returnable=tuple(map(now, one.returnable)),
            rejected=tuple(each._replace(mpid=now(each.mpid)) for each in one.rejected),
            left=tuple(map(now, one.left)),
        )
        for one in decision.receipt.steps
    )
    return decision._replace(
        outcome=_outcome_renamed(decision.outcome, called),
        receipt=decision.receipt._replace(steps=steps),
        changes=tuple(one._replace(mpid=now(one.mpid), from_mpid=maybe(one.from_mpid)) for one in decision.changes),
        skipped=tuple(one._replace(holder=maybe(one.holder)) for one in decision.skipped),
        record=None,
        writes=(),
    )


def _outcome_renamed(outcome: Outcome, called: Mapping[int, int]) -> Outcome:
    """Return an outcome with other numbers; a refusal's own message is left out, since it can name anybody."""
    match outcome:
        case Returned(mpid) | Seeded(mpid) | Erased(mpid):
            return outcome._replace(mpid=called.get(mpid, mpid))
        case Created(mpid, _, source_mpid):
            source = None if source_mpid is None else called.get(source_mpid, source_mpid)
            return outcome._replace(mpid=called.get(mpid, mpid), source_mpid=source)
        case Modified(mpid, _, results):
            whose = tuple((kind, called.get(one, one)) for kind, one in results)
            return outcome._replace(mpid=called.get(mpid, mpid), results=whose)
        case Corrected(mpids):
            return outcome._replace(mpids=tuple(called.get(one, one) for one in mpids))
        case Refused():
            return outcome._replace(message="")
        case NotFound():
            return outcome
        case _:
            assert_never(outcome)


def _with_letters(made: Story, called: Mapping[int, int]) -> Told:
    letters = {str(number): _letter(place) for place, number in enumerate(called.values())}

    def lettered(text: str) -> str:
        for number, letter in letters.items():
            text = text.replace(number, letter)
        return text

    return Told(lettered(made.headline), tuple(lettered(one) for one in made.sentences if one))


def _letter(place: int) -> str:
    again, which = divmod(place, len(_LETTERS))
    return f"{_LETTERS[which]}{again + 1}" if again else _LETTERS[which]
