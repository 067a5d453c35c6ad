"""Says what a commit comes to in rows: what must still be so, what is new, what changes.

Most values have one holder, which stands in the value's own row. The second moves both to the table `holding`; whoever
is left alone moves back. All of it is worked out here, over what was loaded; the database only has to find that still so.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.record import Record
from knownas.store.port import Commit, LogEntry, Pool, PoolWrites
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.loading import IdentityRow, Key, PostgresSnapshot
from knownas.store.postgres.rows import code_of, encode_mpids, encode_values
from knownas.store.postgres.trouble import LostRace

NOT_LOGGED: Final = 0
"""Stands for the line that made a profile where no line did; lines are counted from 1."""

_Rows = list[tuple[object, ...]]


def unseen(commit: Commit, snapshot: PostgresSnapshot, pools: Mapping[Pool, int]) -> list[Key]:
    """Return the values that a commit gives or takes although nobody has looked whose they are."""
    asked = snapshot.asked
    found: dict[Key, None] = {}
    for pool, changed in commit.pools.items():
        for before, after in changed.writes:
            for record in (after,) if before is None else (before, after):
                for key in _keys(record, pools[pool]):
                    if key not in asked:
                        found[key] = None
    return list(found)


def _keys(record: Record, pool: int) -> list[Key]:
    return [(value, code_of(kind), pool) for kind, value in record.lookups()]


class Plan:
    """The rows of one commit over a snapshot that has seen everything it concerns."""

    def __init__(self, commit: Commit, snapshot: PostgresSnapshot, pools: Mapping[Pool, int]) -> None:
        """Work everything out.

        Raises:
            LostRace: what was loaded contradicts what is to be written.
        """
        self._snapshot = snapshot
        self._pools = pools
        self._after: dict[int, Record] = {}
        self._released: dict[Key, list[Record]] = {}
        self._taken: dict[Key, list[Record]] = {}
        self._placed: dict[Key, list[tuple[Record, Record]]] = {}
        self._seen = {one.mpid: (one.version, one.active_ms) for one in snapshot.records()}
        self._new: _Rows = []
        self._moved: _Rows = []
        self._made: _Rows = []
        self._changed: _Rows = []
        self._revised: _Rows = []
        self._gone: _Rows = []
        self._come: _Rows = []
        self._lines: _Rows = []
        self._touched: _Rows = []
        first_line = self._write_lines(commit.log)
        exclusive: dict[int, frozenset[int]] = {}
        for pool, changed in commit.pools.items():
            exclusive[pools[pool]] = frozenset(map(code_of, changed.exclusive))
            self._write_records(pools[pool], changed, first_line)
        self._write_touched(commit.log, first_line)
        self._write_values(exclusive)

    @property
    def rows(self) -> int:
        """About how many rows are looked at or written."""
        return len(self._snapshot.asked) + len(self._seen) + len(self._made) + len(self._lines)

    @property
    def revisions(self) -> Sequence[object]:
        """What the function `revise_1` takes: nothing, but for a correction that says when and whence a profile is."""
        return self.revised() if self._revised else ()

    def revised(self) -> Sequence[object]:
        """Return the arguments of the function `revise_1`."""
        return columns_text(self._revised, 3)

    def arguments(self) -> list[object]:
        """Return the arguments of the function `commit_1` after its token."""
        identities = self._snapshot.identities
        held = [(*key, row.version) for key, row in identities.items()]
        seen = [(mpid, *state) for mpid, state in self._seen.items()]
        return [
            *columns_text(held, 4),
            *columns_text(self._new, 6),
            *columns_text(self._moved, 7),
            *columns_text(seen, 3),
            *columns_text(self._made, 9, {7, 8}),
            *columns_text(self._changed, 5, {3, 4}),
            *columns_text(self._gone, 6),
            *columns_text(self._come, 6),
            *columns_text(self._lines, 8, {0, 5, 6, 7}),
            *columns_text(self._touched, 2),
        ]

    def _write_lines(self, log: Sequence[LogEntry]) -> dict[int, int]:
        """Write the lines of the log; return for each profile the first that touches it."""
        first_line: dict[int, int] = {}
        for number, entry in enumerate(log, start=1):
            for mpid in entry.touched:
                first_line.setdefault(mpid, number)
            self._lines.append(
                (
                    bytes.fromhex(entry.decision_id),
                    self._pools[entry.pool],
                    entry.at_ms,
                    entry.policy_version,
                    entry.created_mpid,
                    encode_mpids(entry.touched),
                    entry.observation,
                    entry.decision,
                )
            )
        return first_line

    def _write_touched(self, log: Sequence[LogEntry], first_line: Mapping[int, int]) -> None:
        made = {row[0] for row in self._made}
        for number, entry in enumerate(log, start=1):
            for mpid in dict.fromkeys(entry.touched):
                # The line that made a profile is named by the profile's own row.
                if mpid not in made or number != first_line[mpid]:
                    self._touched.append((mpid, number))
            self._touched += [(one, number) for one in dict.fromkeys(entry.subjects) if one not in entry.touched]

    def _write_records(self, pool: int, changed: PoolWrites, first_line: Mapping[int, int]) -> None:
        taken = self._taken
        for write in changed.writes:
            before, after = write
            self._after[after.mpid] = after
            if before is None:
                self._write_profile(pool, after, first_line)
                for key in _keys(after, pool):
                    taken.setdefault(key, []).append(after)
            else:
                self._change_profile(before, after)
                self._change_holdings(pool, write, before)

    def _write_profile(self, pool: int, after: Record, first_line: Mapping[int, int]) -> None:
        self._made.append(
            (
                after.mpid,
                pool,
                after.known,
                after.created_ms,
                after.active_ms,
                after.source_mpid,
                first_line.get(after.mpid, NOT_LOGGED),
                encode_values(after.identities),
                encode_values(after.carried),
            )
        )

    def _change_profile(self, before: Record, after: Record) -> None:
        state = (before.version, before.active_ms)
        if self._seen.setdefault(before.mpid, state) != state:
            raise LostRace(f"profile {before.mpid} changed")
        identities, carried = encode_values(after.identities), encode_values(after.carried)
        self._changed.append((before.mpid, after.known, after.active_ms, identities, carried))
        if (before.created_ms, before.source_mpid) != (after.created_ms, after.source_mpid):
            self._revised.append((before.mpid, after.created_ms, after.source_mpid))

    def _change_holdings(self, pool: int, write: RecordWrite, before: Record) -> None:
        after = write.after
        had, has = dict.fromkeys(_keys(before, pool)), dict.fromkeys(_keys(after, pool))
        has_moved = _place(before) != _place(after)
        for key in had:
            if key not in has:
                self._released.setdefault(key, []).append(before)
            elif has_moved:
                self._placed.setdefault(key, []).append((before, after))
        for key in has:
            if key not in had:
                self._taken.setdefault(key, []).append(after)

    def _write_values(self, exclusive: Mapping[int, frozenset[int]]) -> None:
        identities = self._snapshot.identities
        for key in {**self._released, **self._taken, **self._placed}:
            row = identities.get(key)
            if row is None:
                if key in self._released or key in self._placed:
                    raise LostRace(f"{key} is gone")
                self._make_value(key, is_exclusive=key[1] in exclusive[key[2]])
            else:
                self._change_value(key, row, is_exclusive=key[1] in exclusive[key[2]])
        for key in self._snapshot.asked:
            if key not in identities and key not in self._taken:
                # Nobody may take it before this commit is done.
                self._new.append((*key, 0, None, False))

    def _make_value(self, key: Key, *, is_exclusive: bool) -> None:
        """Make the row of a value that was absent: if somebody was faster, identity_once says so."""
        taken = self._taken[key]
        holder = taken[0].mpid if len(taken) == 1 else None
        self._new.append((*key, len(taken), holder, is_exclusive))
        if holder is None:
            self._come += [_holding(key, one) for one in taken]

    def _change_value(self, key: Key, row: IdentityRow, *, is_exclusive: bool) -> None:
        released, taken = self._released.get(key, ()), self._taken.get(key, ())
        number = row.holders - len(released) + len(taken)
        placed: Sequence[tuple[Record, Record]] = ()
        if row.holders > 1:
            placed = self._placed.get(key, ())
            self._gone += [_holding(key, before) for before in (*released, *(before for before, _ in placed))]
            if number > 1:
                self._come += [_holding(key, after) for _, after in placed]
        elif any(before.mpid != row.holder for before in released):
            raise LostRace(f"{key} has another holder")
        if not released and not taken:
            return
        alone = [*taken, *(after for _, after in placed)] if number == 1 else []
        # Whoever stays without being written stands among the holdings, where the database finds them.
        left_alone = row.holders > 1 and number == 1 and not alone
        holder = alone[0].mpid if alone else None
        self._moved.append((*key, number, holder, is_exclusive if taken else None, left_alone))
        if number > 1:
            self._come += [_holding(key, one) for one in self._joining(row, released, taken)]

    def _joining(self, row: IdentityRow, released: Sequence[Record], taken: Sequence[Record]) -> Iterable[Record]:
        """Return who is to stand among a value's several holders and did not: those who get it, and a lone one."""
        if row.holders == 1 and not released and row.holder is not None:
            return (*taken, self._standing(row.holder))
        return taken

    def _standing(self, mpid: int) -> Record:
        """Return a profile as this commit leaves it."""
        after = self._after.get(mpid)
        if after is not None:
            return after
        for view in self._snapshot.views.values():
            loaded = view.by_mpid.get(mpid)
            if loaded is not None:
                return loaded
        raise LostRace(f"profile {mpid} is gone")


def _place(record: Record) -> tuple[bool, int]:
    """Return where a record stands among the holders of its identities: (known, active_ms)."""
    return (True, 0) if record.known else (False, record.active_ms)


def _holding(key: Key, record: Record) -> tuple[object, ...]:
    return (*key, *_place(record), record.mpid)
