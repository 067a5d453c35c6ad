"""Decides what a destination is told when what it holds is not what it should hold: removals, then additions (platform §6.5).

**What is compared.** The *ledger* says what a destination holds of each member by what it has acknowledged. The translations of now say what
it should hold. Whatever made them differ, a changed e-mail, an undo, an erasure, a re-resolution that gave a value to another profile, the
difference is what is told. So there is no message for each cause, and none is forgotten.

**In which order.** All removals come before all additions, across members. So a value that moved is at no moment on both its old
and its new profile.

**Only adding.** A connection may leave old values of a member in place (`add_only`). Then they stay until the member leaves, and then they go too.
They do not stay where they are somebody else's now, nor where the difference is a correction: then they never were the member's.

**Bare sets.** Some destinations keep values and not whose they are. There a value that two members share goes only when the last of them
leaves, and one that moved between members is not touched at all; the ledger alone is brought up to date (`Reassigned`).

**After a crash** nothing has to be remembered but the ledger: each change is recorded when it is acknowledged, and telling again from there
tells what is missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple, assert_never

from knownas.core.translation.outcome import Outgoing, Skipped, Translated
from knownas.core.translation.rule import Keeps, OnIdentityChange

Ledger = Mapping[int, frozenset[Outgoing]]
"""What a destination holds of each member, by MPID; a member of whom it holds nothing is absent."""


class Gone(Enum):
    """Why somebody should not be at the destination any more."""

    NO_MEMBER = "no_member"
    ERASED = "erased"


Standing = Translated | Skipped | Gone
"""How a user stands to a destination now."""


class Cause(Enum):
    """Why a destination is told: identities changed in the course of things, or what was known of them was wrong.

    Corrections are what follows an undo, a re-resolution, or another rule of the connection.
    """

    CHANGE = "change"
    CORRECTION = "correction"


class Action(Enum):
    """What is to be done with an identity."""

    REMOVE = "remove"
    ADD = "add"


class Change(NamedTuple):
    """One thing to tell a destination. `mpids` are the members whose ledger it changes: one, unless the destination keeps bare values."""

    action: Action
    identity: Outgoing
    mpids: tuple[int, ...]


class Reassigned(NamedTuple):
    """A value that stays where it is, and is by now other members'. Nothing to tell; to be recorded at once."""

    identity: Outgoing
    losing: tuple[int, ...]
    gaining: tuple[int, ...]


class Told(NamedTuple):
    """What to tell, in this order, and what to record without telling it."""

    changes: tuple[Change, ...]
    reassigned: tuple[Reassigned, ...] = ()


NOTHING_TOLD: Final = Told(())


def tell(
    sent: Ledger,
    now: Mapping[int, Standing],
    keeps: Keeps = Keeps.PROFILES,
    on_change: OnIdentityChange = OnIdentityChange.REMOVE_OLD,
    cause: Cause = Cause.CHANGE,
) -> Told:
    """Return what to tell a destination about some users so that it holds what it should.

    `sent` is the ledger of these users and of every other member of whom it holds one of their values. Who is not in `now` stays as he is; so
    those who have what others `gain` should be in it, or a value that was theirs is told as the other's before it is taken from them.
    """
    wanted = {mpid: _wanted(standing) for mpid, standing in now.items()}
    if on_change is OnIdentityChange.ADD_ONLY and cause is Cause.CHANGE:
        wanted = _with_old_values(sent, now, wanted)
    after = {**sent, **wanted}
    match keeps:
        case Keeps.PROFILES:
            return Told((*_changes(Action.REMOVE, sent, after), *_changes(Action.ADD, after, sent)))
        case Keeps.VALUES:
            return _told_of_values(sent, after)
        case _:
            assert_never(keeps)


def gained(sent: Ledger, now: Mapping[int, Standing]) -> frozenset[Outgoing]:
    """Return the identities that some users gain: of whom a destination holds one of these already is asked about with them."""
    return frozenset(one for mpid, standing in now.items() for one in _wanted(standing) - sent.get(mpid, frozenset()))


def recorded(sent: Ledger, told: Iterable[Change | Reassigned]) -> Ledger:
    """Return the ledger after some of what was told has been acknowledged."""
    holds = {mpid: set(identities) for mpid, identities in sent.items()}
    for one in told:
        match one:
            case Change():
                losing = one.mpids if one.action is Action.REMOVE else ()
                gaining = one.mpids if one.action is Action.ADD else ()
            case Reassigned():
                losing, gaining = one.losing, one.gaining
            case _:
                assert_never(one)
        for mpid in losing:
            holds.get(mpid, set()).discard(one.identity)
        for mpid in gaining:
            holds.setdefault(mpid, set()).add(one.identity)
    return {mpid: frozenset(identities) for mpid, identities in holds.items() if identities}


def _wanted(standing: Standing) -> frozenset[Outgoing]:
    match standing:
        case Translated():
            return frozenset(standing.identities)
        case Skipped() | Gone():
            return frozenset()
        case _:
            assert_never(standing)


def _with_old_values(
    sent: Ledger, now: Mapping[int, Standing], wanted: Mapping[int, frozenset[Outgoing]]
) -> dict[int, frozenset[Outgoing]]:
    """Return what a destination that only adds should hold: of those who are still sent, old values too that nobody else has."""
    others = {mpid: identities for mpid, identities in sent.items() if mpid not in wanted}
    theirs = {one for identities in (*wanted.values(), *others.values()) for one in identities}
    return {
        mpid: identities | (sent.get(mpid, frozenset()) - theirs) if isinstance(now[mpid], Translated) else identities
        for mpid, identities in wanted.items()
    }


def _changes(action: Action, having: Ledger, lacking: Ledger) -> Iterator[Change]:
    """Yield what members have in one state and not in the other, in an order that depends on nothing else."""
    beyond = [
        (identity, mpid)
        for mpid, identities in having.items()
        for identity in identities - lacking.get(mpid, frozenset())
    ]
    for identity, mpid in sorted(beyond, key=lambda one: (one[0], one[1])):
        yield Change(action, identity, (mpid,))


def _told_of_values(sent: Ledger, after: Ledger) -> Told:
    before_of, after_of = _holders(sent), _holders(after)
    removals: list[Change] = []
    additions: list[Change] = []
    reassigned: list[Reassigned] = []
    for identity in sorted(before_of.keys() | after_of.keys()):
        was, becomes = before_of.get(identity, frozenset()), after_of.get(identity, frozenset())
        if not becomes:
            removals.append(Change(Action.REMOVE, identity, tuple(sorted(was))))
        elif not was:
            additions.append(Change(Action.ADD, identity, tuple(sorted(becomes))))
        elif was != becomes:
            reassigned.append(Reassigned(identity, tuple(sorted(was - becomes)), tuple(sorted(becomes - was))))
    return Told((*removals, *additions), tuple(reassigned))


def _holders(ledger: Ledger) -> Mapping[Outgoing, frozenset[int]]:
    holders: dict[Outgoing, set[int]] = defaultdict(set)
    for mpid, identities in ledger.items():
        for identity in identities:
            holders[identity].add(mpid)
    return {identity: frozenset(mpids) for identity, mpids in holders.items()}
