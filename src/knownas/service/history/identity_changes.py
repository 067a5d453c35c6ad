"""Tells other systems what changed in identities, in the order in which it changed (platform §2.4, idsync §1.5).

The log is the truth, and this is a view of it: nothing is written for it, and it reaches back to the first decision.
Each change of a profile's identity is a `user_identity_change`, with what was there before and what is there now.
A value that moved is told twice: where it went away, then where it arrived. So whoever follows the changes and
applies them in order never sees a value of a unique type on two profiles.

Where a person was erased, that is told as a `profile_erased`: others are to forget what they were told of the profile. Whoever
reads from the beginning afterwards finds other values in the place of the person's (decision 35), and the same end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from knownas.core.identity.decision import Change, ChangeKind
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity, IdentityType, Surface, name_on
from knownas.service.identity.log_form import erased_in
from knownas.service.identity.receipts import changes_of, rfc3339
from knownas.store.port import LogEntry, Pool, Store

EVENT_TYPE: Final = "user_identity_change"
ERASED_TYPE: Final = "profile_erased"


@dataclass(frozen=True, slots=True)
class Passage:
    """One profile's value of a type was `old` and is `new`; None where nothing was, or is.

    `came_from` are the profiles that lost the new value by it, `went_to` is the one that got the old. `looked_up` says
    whether the profile is found by the value, which one outside the scope's priority does not do.
    """

    mpid: int
    type: IdentityType
    old: str | None
    new: str | None
    looked_up: bool = True
    came_from: tuple[int, ...] = ()
    went_to: int | None = None


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Some changes in the log's order, and the `seq` of the log up to which they tell everything.

    `more`: the log goes on already. A page may hold nothing and still not be the last.
    """

    items: Sequence[Document]
    told_seq: int
    more: bool


async def changes_in_pool(store: Store, pool: Pool, after_seq: int, limit: int) -> ChangesPage:
    """Return what changed in a pool after a `seq`: of at most `limit` decisions, and none more once it has so many.

    Raises:
        StoreError: the store does not answer.
    """
    return _page(await store.log(pool, after_seq, limit + 1), after_seq, limit, None)


async def changes_of_profile(store: Store, mpid: int, after_seq: int, limit: int) -> ChangesPage:
    """Return what changed of one profile, paged as `changes_in_pool`.

    Raises:
        StoreError: the store does not answer.
    """
    return _page(await store.history(mpid, after_seq, limit + 1), after_seq, limit, mpid)


def _page(entries: Sequence[LogEntry], after_seq: int, limit: int, mpid: int | None) -> ChangesPage:
    """Decisions are never torn apart: a page ends with the one that fills it."""
    items: list[Document] = []
    told = 0
    for entry in entries[:limit]:
        items += _items(entry, mpid)
        told += 1
        if len(items) >= limit:
            break
    return ChangesPage(items, entries[told - 1].seq if told else after_seq, more=told < len(entries))


def _items(entry: LogEntry, mpid: int | None) -> Iterator[Document]:
    if not entry.touched:
        return  # It was captured although it changed nothing.
    erased = erased_in(entry.observation)
    if erased is not None:
        yield {
            "at": rfc3339(entry.at_ms),
            "decision_id": entry.decision_id,
            "mpid": str(erased),
            "event_type": ERASED_TYPE,
            "data": {"timestamp_unixtime_ms": entry.at_ms, "source_message_id": f"{entry.decision_id}-0"},
        }
        return
    for place, one in enumerate(passages(changes_of(entry))):
        if mpid is None or one.mpid == mpid:
            yield {
                "at": rfc3339(entry.at_ms),
                "decision_id": entry.decision_id,
                "mpid": str(one.mpid),
                "from_mpids": [str(donor) for donor in one.came_from],
                "to_mpid": None if one.went_to is None else str(one.went_to),
                "looked_up": one.looked_up,
                "event_type": EVENT_TYPE,
                "data": {
                    "timestamp_unixtime_ms": entry.at_ms,
                    "source_message_id": f"{entry.decision_id}-{place}",
                    "old": _side(one.type, one.old, entry.at_ms, is_new=False),
                    "new": _side(one.type, one.new, entry.at_ms, is_new=one.new is not None),
                },
            }


def _side(kind: IdentityType, value: str | None, at_ms: int, *, is_new: bool) -> Document:
    """Write one side of a change; as the web SDK does, both bear the time of the change."""
    return {
        "identity_type": name_on(Surface.EVENTS, kind),
        "identity": value,
        "timestamp_unixtime_ms": at_ms,
        "created_this_batch": is_new,
    }


def passages(changes: Iterable[Change]) -> Sequence[Passage]:
    """Return what one decision's changes come to, in their order.

    A value that a profile gives up and the next one of the type that it gets are one passage: the replaced value and
    the one in its place.
    """
    done: list[Passage] = []
    for _, together in groupby(changes, key=_of_one_value):
        alike = list(together)
        first = alike[0]
        match first.kind:
            case ChangeKind.REMOVED | ChangeKind.DROPPED:
                done.append(_loss(first.mpid, first.identity, looked_up=first.kind is ChangeKind.REMOVED))
            case ChangeKind.ADDED | ChangeKind.CARRIED | ChangeKind.MOVED:
                donors = tuple(one.from_mpid for one in alike if one.from_mpid is not None)
                done += (replace(_loss(donor, first.identity), went_to=first.mpid) for donor in donors)
                done.append(_gain(first, donors, done))
    return [one for one in done if one.old != one.new]


def _of_one_value(change: Change) -> tuple[ChangeKind, int, Identity]:
    """A value of a type that became unique late can be taken from several profiles at once."""
    return change.kind, change.mpid, change.identity


def _loss(mpid: int, lost: Identity, *, looked_up: bool = True) -> Passage:
    return Passage(mpid, lost.type, lost.value, None, looked_up)


def _gain(change: Change, donors: tuple[int, ...], done: list[Passage]) -> Passage:
    """Return the arrival of a value. Takes the loss of the value that it replaces, if there is one, out of `done`."""
    old: str | None = None
    for place in range(len(done) - 1, -1, -1):
        before = done[place]
        if (before.mpid, before.type, before.new) == (change.mpid, change.identity.type, None):
            old = done.pop(place).old
            break
    looked_up = change.kind is not ChangeKind.CARRIED
    return Passage(change.mpid, change.identity.type, old, change.identity.value, looked_up, donors)
