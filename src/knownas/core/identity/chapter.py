"""Tells what a decision was for one profile, in one plain sentence: a line of the story of its life.

`story` tells how an answer came about; this tells somebody who looks at a person what happened to them. A sentence comes in
pieces, so that whoever shows it can mask an identity and link a profile without looking for them in the text.
"""

from collections.abc import Iterator, Sequence
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
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, Endpoint, Observation, TakeBack
from knownas.core.identity.phrases import REFUSALS, plural

IDENTITIES_TOLD_MAX: Final = 6
"""Identities that one clause names; of further ones it says how many there are."""

DECISIONS_TOLD_MAX: Final = 4
"""Decisions that the line of a correction names; of further ones it says how many there are."""


class Profile(NamedTuple):
    """A profile, named in a sentence."""

    mpid: int


class Earlier(NamedTuple):
    """Another decision, named in a sentence by its id."""

    decision_id: str


Piece = str | Identity | Profile | Earlier
"""A part of a sentence: words, or something that is shown in a way of its own."""


def chapter(mpid: int, observation: Observation, decision: Decision) -> tuple[Piece, ...]:
    """Tell one decision from the view of one profile, in one sentence that ends with a full stop.

    The decision is one that changed the profile, was answered with it, or names it.
    """
    clauses = [_happened(mpid, observation, decision), *_changed(mpid, observation, decision)]
    told: list[Piece] = []
    for place, clause in enumerate(clauses):
        told += clause if place == 0 else ("; ", *clause)
    return (*told, ".")


def text_of(pieces: Sequence[Piece]) -> str:
    """Return a sentence as text, with every value whole."""
    return "".join(map(_text, pieces))


def _text(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case Identity(kind, value):
            return f"{kind.value} {value}"
        case Profile(mpid):
            return f"profile {mpid}"
        case Earlier(decision_id):
            return f"decision {decision_id}"


def _happened(mpid: int, observation: Observation, decision: Decision) -> Sequence[Piece]:
    """Tell what was asked and answered."""
    outcome, told = decision.outcome, list[Piece]()
    match outcome:
        case Returned() | Created():
            told += _answered(mpid, observation, decision, outcome)
        case Modified(changed):
            told += (
                ["Changed on request"]
                if changed == mpid
                else [_VERBS[observation.endpoint], " of another profile, ", Profile(changed)]
            )
        case Seeded(brought):
            whose = "Came over" if brought == mpid else "Another profile came over"
            told += [f"{whose} from another system"]
        case NotFound():
            told += [_VERBS[observation.endpoint], ", and nobody was found"]
        case Refused(reason, _):
            told += [f"A {observation.endpoint.value} was refused: {REFUSALS[reason]}"]
        case Corrected():
            told += _corrected(observation)
        case Erased():
            told += ["Erased: nothing leads here any more, and what was held is not kept"]
        case _:
            assert_never(outcome)
    return told


def _answered(mpid: int, observation: Observation, decision: Decision, outcome: Returned | Created) -> Sequence[Piece]:
    """Tell a request that was answered with a profile, this one or another."""
    if outcome.mpid == mpid:
        match outcome:
            case Returned(_, _, became_known):
                return _returned(observation, decision, mpid, became_known=became_known)
            case Created(_, known, source):
                return _created(observation, known=known, source=source)
    if isinstance(outcome, Created) and outcome.source_mpid == mpid:
        return ["The user went on as ", Profile(outcome.mpid), ", which remembers this one as where it came from"]
    return [_VERBS[observation.endpoint], " of another profile, ", Profile(outcome.mpid)]


_VERBS: Final = {
    Endpoint.IDENTIFY: "A visit",
    Endpoint.LOGIN: "A login",
    Endpoint.LOGOUT: "A logout",
    Endpoint.SEARCH: "A search",
    Endpoint.MODIFY: "A change",
    Endpoint.SEED: "An import",
    Endpoint.CORRECT: "A correction",
    Endpoint.ERASE: "An erasure",
}
_CAME: Final = {
    Endpoint.LOGIN: "Logged in",
    Endpoint.LOGOUT: "Went on after a logout",
    Endpoint.SEARCH: "Was found by a search",
}


def _returned(observation: Observation, decision: Decision, mpid: int, *, became_known: bool) -> Sequence[Piece]:
    if became_known:
        gained = [one.identity for one in decision.changes if one.mpid == mpid and one.kind is ChangeKind.ADDED]
        return ["Signed up with ", *_listed(gained), "; the anonymous profile became known"]
    led = [step.identity for step in decision.receipt.steps if mpid in step.left]
    by: Sequence[Piece] = [" with ", *_listed(led)] if led else []
    return [_CAME.get(observation.endpoint, "Came back"), *by]


def _created(observation: Observation, *, known: bool, source: int | None) -> Sequence[Piece]:
    named = _given(observation)
    by: Sequence[Piece] = [" with ", *_listed(named)] if named else []
    origin: Sequence[Piece] = [] if source is None else [", and remembers where it came from, ", Profile(source)]
    if observation.endpoint is Endpoint.LOGOUT:
        return ["Began with a logout, as a new anonymous profile", *by, *origin]
    state = "a new known profile" if known else "a new anonymous profile"
    began = {Endpoint.LOGIN: "Signed up"}.get(observation.endpoint, "First seen") if known else "First seen"
    return [began, *by, f": {state}", *origin]


def _given(observation: Observation) -> Sequence[Identity]:
    match observation.endpoint:
        case Endpoint.IDENTIFY | Endpoint.LOGIN | Endpoint.LOGOUT | Endpoint.SEARCH:
            return getattr(observation, "identities", ())
        case _:
            return ()


def _corrected(observation: Observation) -> Sequence[Piece]:
    """Tell what counts no longer, or again."""
    if not isinstance(observation, Correction):
        return ["The history was corrected"]
    told: list[Sequence[Piece]] = [_taken_back(one) for one in observation.take_back[:DECISIONS_TOLD_MAX]]
    further = len(observation.take_back) - DECISIONS_TOLD_MAX
    if further > 0:
        told.append([f"{further} more decisions were taken back or count again"])
    told += [
        [f"an alias request was {'carried out again' if one.counts_again else 'taken back'}"]
        for one in observation.aliases
    ]
    told += [
        [one.identity, " counts again" if one.counts else " was quarantined, and leads nowhere"]
        for one in observation.quarantine[:DECISIONS_TOLD_MAX]
    ]
    if observation.policy_version is not None:
        told.append([f"everything before was resolved under policy version {observation.policy_version}"])
    pieces: list[Piece] = ["Corrected: "]
    for place, words in enumerate(told):
        pieces += [", ", *words] if place else words
    return pieces if told else ["The history was corrected"]


def _taken_back(one: TakeBack) -> list[Piece]:
    what: list[Piece] = [] if one.identity is None else [one.identity, " of "]
    return [*what, Earlier(one.decision_id), " counts again" if one.counts_again else " was taken back"]


def _changed(mpid: int, observation: Observation, decision: Decision) -> Iterator[Sequence[Piece]]:
    """Tell what the profile got and lost, unless the first clause has told it."""
    if isinstance(observation, Correction):
        gone = dict(observation.gone)
        if mpid in gone:
            now = gone[mpid]
            yield ["this profile went"] if now is None else ["this profile went, and ", Profile(now), " answers for it"]
    outcome, changes = decision.outcome, decision.changes
    tells_all = isinstance(outcome, Created) and outcome.mpid == mpid
    tells_added = isinstance(outcome, Returned) and outcome.became_known and outcome.mpid == mpid
    for kind, words in _GAINS:
        hidden = tells_all or (tells_added and kind is ChangeKind.ADDED)
        some = [] if hidden else [one.identity for one in changes if one.mpid == mpid and one.kind is kind]
        if some:
            yield [*_listed(some), " ", plural(some, f"was {words}", f"were {words}")]
    yield from _moves(mpid, changes)
    left_out = [one.identity for one in decision.skipped] if decision.answered == mpid else []
    if left_out:
        yield [*_listed(left_out), " ", plural(left_out, "was", "were"), " left out"]
    if not changes and isinstance(outcome, Returned | Modified):
        yield ["nothing changed"]


_GAINS: Final = (
    (ChangeKind.ADDED, "added"),
    (ChangeKind.CARRIED, "noted, without leading here"),
    (ChangeKind.REMOVED, "removed"),
    (ChangeKind.DROPPED, "struck"),
)


def _moves(mpid: int, changes: Sequence[Change]) -> Iterator[Sequence[Piece]]:
    """Tell what came from other profiles and what went to them."""
    moves = [one for one in changes if one.from_mpid is not None]
    for donor in dict.fromkeys(one.from_mpid for one in moves if one.mpid == mpid):
        if donor is not None:
            taken = [one.identity for one in moves if one.mpid == mpid and one.from_mpid == donor]
            yield [*_listed(taken), " came from ", Profile(donor)]
    for taker in dict.fromkeys(one.mpid for one in moves if one.from_mpid == mpid):
        given = [one.identity for one in moves if one.mpid == taker and one.from_mpid == mpid]
        yield [*_listed(given), " went to ", Profile(taker)]


def _listed(some: Sequence[Identity]) -> list[Piece]:
    """Join identities the way a sentence lists them, and say of how many it names none."""
    shown: list[Piece] = list(some[:IDENTITIES_TOLD_MAX])
    further = len(some) - len(shown)
    if further > 0:
        shown.append(f"{further} more")
    pieces: list[Piece] = []
    for place, one in enumerate(shown):
        if place:
            pieces.append(" and " if place == len(shown) - 1 else ", ")
        pieces.append(one)
    return pieces
