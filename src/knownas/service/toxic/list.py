"""Keeps which values of a store are toxic: watched, quarantined or released, and why.

What is kept are changes: documents `toxic/000001` and up, of some changes each, which are never rewritten. Who has read up
to some number looks for the next one, so that many processes follow each other at the price of a look each second.
A change of a value is whole: the last one says how things stand.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.toxic_limits import Met, ToxicReason
from knownas.store.errors import StoreBusy, StoreDamaged
from knownas.store.port import Pool, Store

LISTED_MAX: Final = 20_000
"""Values on the list of a store; a further one is not listed, with a warning. Those that fit a pattern are set aside even so."""

DOCUMENTS_MAX: Final = 999_999
"""Documents of changes that a store keeps."""

CHANGES_A_DOCUMENT: Final = 500
"""Changes in one of them."""

_APPEND_ATTEMPTS_MAX: Final = 20


class ToxicState(StrEnum):
    """What is done about a value: it is only listed, it matches nothing and joins nobody, or it is a person's after all."""

    WATCHED = "watched"
    QUARANTINED = "quarantined"
    RELEASED = "released"


class Past(StrEnum):
    """What the state of a value has changed of the history.

    `pending`: nothing yet. `corrected`: earlier lines count as the state says. `too_many_lines_to_fold` and
    `history_does_not_explain_profiles`: it could not be, so earlier lines count as before. `erased`: nor could it, since it was
    on a profile that was erased. `untouched`: nothing was to be.
    """

    UNTOUCHED = "untouched"
    PENDING = "pending"
    CORRECTED = "corrected"
    TOO_LARGE = "too_many_lines_to_fold"
    UNEXPLAINED = "history_does_not_explain_profiles"
    ERASED = "erased"


class ToxicValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value of a pool as the list has it. `seq` and `decision_id` are those of the correction that judged it last.

    `would_join` are profiles that it held together, or would, some of them; `joined` is how many there were.
    """

    scope: str
    environment: str
    type: IdentityType
    value: str
    state: ToxicState
    reason: ToxicReason
    since_ms: int
    past: Past = Past.UNTOUCHED
    met: Met = Met()
    would_join: tuple[int, ...] = ()
    joined: int = 0
    decision_id: str | None = None
    seq: int = 0

    @property
    def pool(self) -> Pool:
        """Where it is toxic."""
        return Pool(self.scope, self.environment)

    @property
    def identity(self) -> Identity:
        """The value with its type."""
        return Identity(self.type, self.value)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(list[ToxicValue])
_Key = tuple[Pool, Identity]


@dataclass(frozen=True, slots=True)
class ToxicList:
    """The values of a store, in the order in which they were listed first, as of so many documents."""

    values: Mapping[_Key, ToxicValue]
    documents: int = 0

    def find(self, pool: Pool, identity: Identity) -> ToxicValue | None:
        """Return a value, if it is listed."""
        return self.values.get((pool, identity))

    def of(self, pool: Pool, state: ToxicState | None = None) -> Sequence[ToxicValue]:
        """Return a pool's values, those in a state or all."""
        return [one for one in self.values.values() if one.pool == pool and state in (None, one.state)]

    def apart(self, pool: Pool) -> Mapping[Identity, int]:
        """Return the values that no line counts as having named, each with the seq of the correction that said so."""
        return {
            one.identity: one.seq
            for one in self.of(pool, ToxicState.QUARANTINED)
            if one.past is Past.CORRECTED and one.seq
        }

    def quarantined(self) -> Mapping[Pool, Mapping[Identity, ToxicReason]]:
        """Return what is quarantined in each pool, and why."""
        found: dict[Pool, dict[Identity, ToxicReason]] = {}
        for one in self.values.values():
            if one.state is ToxicState.QUARANTINED:
                found.setdefault(one.pool, {})[one.identity] = one.reason
        return found

    def released(self) -> Mapping[Pool, Collection[Identity]]:
        """Return what somebody has released in each pool."""
        found: dict[Pool, set[Identity]] = {}
        for one in self.values.values():
            if one.state is ToxicState.RELEASED:
                found.setdefault(one.pool, set()).add(one.identity)
        return found

    def after(self, changes: Iterable[ToxicValue], documents: int) -> "ToxicList":
        """Return the list after some changes."""
        values = dict(self.values)
        for one in changes:
            values[one.pool, one.identity] = one
        return ToxicList(values, documents)

    def without(self, pool: Pool, identities: Collection[Identity]) -> "ToxicList":
        """Return the list without some values of a pool, as if they had never been listed."""
        kept = {key: one for key, one in self.values.items() if key[0] != pool or key[1] not in identities}
        return ToxicList(kept, self.documents)


NOTHING_LISTED: Final = ToxicList({})


async def read_list(store: Store, known: ToxicList = NOTHING_LISTED) -> ToxicList:
    """Return the list as it is now; the one that was given if nothing has changed since.

    Raises:
        StoreError: the store does not answer, or keeps something that is no list.
    """
    changes: list[ToxicValue] = []
    documents = known.documents
    async for number, some in _changes(store, documents):
        documents = number
        changes += some
    return known if documents == known.documents else known.after(changes, documents)


@dataclass(frozen=True, slots=True)
class ToxicThen:
    """The list as it was at a time, and the values that had been released at any time until then, by pool.

    What has become of the history (`past`, with its `seq` and `decision_id`) may have come a while after that time.
    """

    listed: ToxicList
    released: Collection[_Key]

    def ever_released(self, pool: Pool) -> Collection[Identity]:
        """Return the values of a pool that had been released, also if they were blocked again."""
        return frozenset(one for where, one in self.released if where == pool)


async def read_list_as_of(store: Store, at_ms: int) -> ToxicThen:
    """Return the list as it was at a time, in Unix milliseconds. Reads all documents, one after the other.

    Raises:
        StoreError: the store does not answer, or keeps something that is no list.
    """
    changes = [one async for _, some in _changes(store, 0) for one in some if one.since_ms <= at_ms]
    released = frozenset((one.pool, one.identity) for one in changes if one.state is ToxicState.RELEASED)
    return ToxicThen(NOTHING_LISTED.after(changes, 0), released)


async def ever_released(store: Store, pool: Pool) -> Collection[Identity]:
    """Return the values of a pool that have been released at any time, also if they were blocked again.

    Raises:
        StoreError: the store does not answer, or keeps something that is no list.
    """
    changes = [one async for _, some in _changes(store, 0) for one in some]
    return frozenset(one.identity for one in changes if one.state is ToxicState.RELEASED and one.pool == pool)


async def _changes(store: Store, after: int) -> AsyncIterator[tuple[int, Sequence[ToxicValue]]]:
    """Yield the documents after some number, each with its number and its changes."""
    number = after + 1
    while number <= DOCUMENTS_MAX and (kept := await store.kept(_name(number))) is not None:
        try:
            yield number, _DECODER.decode(kept)
        except msgspec.MsgspecError as error:
            raise StoreDamaged(f"{_name(number)} is no list of toxic values: {error}") from error
        number += 1


async def forget(store: Store, pool: Pool, identities: Collection[Identity]) -> int:
    """Take values out of all documents of the list, as if they had never been listed; returns out of how many.

    A document stays, with less in it or nothing: others count them. A process that knows the list already goes on knowing it until
    it is told (`Following.forget`) or ends.

    Raises:
        StoreError: the store could not do it, or others were faster every time.
    """
    number = changed = 0
    while number < DOCUMENTS_MAX and await store.kept(_name(number + 1)) is not None:
        number += 1
        for _ in range(_APPEND_ATTEMPTS_MAX):
            kept = await store.kept(_name(number))
            values = [] if kept is None else _DECODER.decode(kept)
            left = [one for one in values if one.pool != pool or one.identity not in identities]
            if kept is None or len(left) == len(values):
                break
            if await store.privacy.replace_or_drop(_name(number), kept, _ENCODER.encode(left)):
                changed += 1
                break
        else:
            raise StoreBusy(f"others were faster {_APPEND_ATTEMPTS_MAX} times")
    return changed


async def append(store: Store, known: ToxicList, changes: Sequence[ToxicValue]) -> ToxicList:
    """Keep changes, and return the list after them and whatever others have changed meanwhile.

    A change of a value that others have changed since `known` is left out: they knew more.

    Raises:
        StoreError: the store could not keep it, or others were faster every time.
    """
    now = known
    for _ in range(_APPEND_ATTEMPTS_MAX):
        now = await read_list(store, now)
        fresh = [one for one in changes if now.find(one.pool, one.identity) == known.find(one.pool, one.identity)]
        new = sum(now.find(one.pool, one.identity) is None for one in fresh)
        if len(now.values) + new > LISTED_MAX:
            fresh = [one for one in fresh if now.find(one.pool, one.identity) is not None]
        part = fresh[:CHANGES_A_DOCUMENT]
        if not part:
            return now
        if await store.keep(_name(now.documents + 1), _ENCODER.encode(part)):
            now = now.after(part, now.documents + 1)
            rest = fresh[CHANGES_A_DOCUMENT:]
            return await append(store, now, rest) if rest else now
    raise StoreBusy(f"others were faster {_APPEND_ATTEMPTS_MAX} times")


def toxic(
    pool: Pool, identity: Identity, state: ToxicState, reason: ToxicReason, since_ms: int, met: Met | None = None
) -> ToxicValue:
    """Return a value as it is put on the list: what is more than watched has a history to be corrected."""
    past = Past.UNTOUCHED if state is ToxicState.WATCHED else Past.PENDING
    return ToxicValue(*pool, *identity, state, reason, since_ms, past, met or Met())


def _name(number: int) -> str:
    return f"toxic/{number:06d}"
