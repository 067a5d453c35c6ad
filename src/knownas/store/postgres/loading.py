"""Says what a batch wants to see, and makes a snapshot of the rows: enough of it to notice a change before the commit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from knownas.core.identity.kinds import TYPE_OF_CODE, Identity
from knownas.core.identity.record import Record
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.store.port import Loaded, Pool, Wanted
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.limits import CALL_SECONDS, CALL_SECONDS_A_ROW
from knownas.store.postgres.rows import Row, code_of, record_of

Key = tuple[str, int, int]
"""A row of the identity table, in the order in which rows are locked: value, type code, pool."""


class IdentityRow(NamedTuple):
    """What the identity table says of a value: when its holders changed last, how many there are, the only one."""

    version: int
    holders: int
    holder: int | None


@dataclass(slots=True)
class PoolView:
    """What one pool holds of what was wanted."""

    by_mpid: dict[int, Record] = field(default_factory=dict[int, Record])
    crowded: list[Identity] = field(default_factory=list[Identity])


@dataclass(slots=True)
class PostgresSnapshot:
    """What was loaded, with the versions it was loaded at.

    `asked` are the values looked up: one of them that is not among `identities` was absent.
    """

    views: dict[Pool, PoolView] = field(default_factory=dict[Pool, PoolView])
    identities: dict[Key, IdentityRow] = field(default_factory=dict[Key, IdentityRow])
    asked: dict[Key, None] = field(default_factory=dict[Key, None])

    @property
    def pools(self) -> Mapping[Pool, Loaded]:
        """What each wanted pool holds."""
        return {pool: Loaded(view.by_mpid.values(), view.crowded) for pool, view in self.views.items()}

    def records(self) -> Iterable[Record]:
        """Yield everything that was loaded of profiles."""
        for view in self.views.values():
            yield from view.by_mpid.values()

    def add(self, later: "PostgresSnapshot") -> None:
        """Take over what was loaded after it; what was there stands."""
        self.asked.update(later.asked)
        for key, row in later.identities.items():
            self.identities.setdefault(key, row)
        for pool, view in later.views.items():
            mine = self.views.setdefault(pool, PoolView())
            for mpid, record in view.by_mpid.items():
                mine.by_mpid.setdefault(mpid, record)


class Question(NamedTuple):
    """What the statement `load` is asked: the values, each once, and the profiles wanted by their MPID."""

    keys: Sequence[Key]
    mpids: Sequence[tuple[int, int]]

    def arguments(self) -> tuple[Sequence[object], ...]:
        """Return the statement's arguments."""
        return (*columns_text(self.keys, 3), *columns_text(self.mpids, 2))

    @property
    def seconds(self) -> float:
        """How long the answer may take."""
        return CALL_SECONDS + CALL_SECONDS_A_ROW * (len(self.keys) + len(self.mpids))


def question_of(wanted: Sequence[Wanted], pools: Mapping[Pool, int]) -> Question:
    """Gather what a batch wants to see, each of it once."""
    keys: dict[Key, None] = {}
    mpids: dict[tuple[int, int], None] = {}
    for pool, identities, of_mpids in wanted:
        number = pools[pool]
        for kind, value in identities:
            keys[value, code_of(kind), number] = None
        for mpid in of_mpids:
            mpids[mpid, number] = None
    return Question(list(keys), list(mpids))


def snapshot_of(
    question: Question, pools: Mapping[Pool, int], asked: Collection[Pool], rows: Iterable[Row]
) -> PostgresSnapshot:
    """Make a snapshot of the rows that the statement `load` returned. `asked` are the pools of the question."""
    snapshot = PostgresSnapshot(asked=dict.fromkeys(question.keys))
    view_of = {pools[pool]: snapshot.views.setdefault(pool, PoolView()) for pool in asked}
    keys, identities = question.keys, snapshot.identities
    for place, version, mpid, holders, pool, known, created_ms, active_ms, source_mpid, held, carried in rows:
        if place is None:
            by_mpid = view_of[pool].by_mpid
            if mpid not in by_mpid:
                by_mpid[mpid] = record_of(mpid, held, carried, known, created_ms, active_ms, source_mpid, version)
            continue
        number: int = place
        key = keys[number - 1]
        identities[key] = IdentityRow(version, holders, mpid)
        if holders > HOLDERS_CONSIDERED_MAX:
            value, code, of_pool = key
            view_of[of_pool].crowded.append(Identity(TYPE_OF_CODE[code], value))
    return snapshot


def columns(rows: Collection[tuple[object, ...]], width: int) -> Sequence[Sequence[object]]:
    """Turn rows into the columns that an array argument each takes."""
    return list(zip(*rows, strict=True)) if rows else [()] * width
