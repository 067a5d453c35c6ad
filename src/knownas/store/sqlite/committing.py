"""Writes what a batch decided: first checks that what it relied on still stands, then changes rows.

All statements of a commit run inside one `BEGIN IMMEDIATE`; the caller ends it. A lost race shows in three ways:
a version that moved (presence), the constraint `identity_once` (absence), the constraint `holding_exclusive` (a
unique value). Each raises `LostRace`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import apsw

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.store.port import Commit, LogEntry, Pool
from knownas.store.sqlite.connection import Binding, Connection, Row
from knownas.store.sqlite.loading import Key, SqliteSnapshot, clock
from knownas.store.sqlite.rows import code_of, encode_mpids, encode_values
from knownas.store.sqlite.statements import statements

NUMBERS_A_COMMIT_BITS: Final = 20
"""An identity's number is the version of the commit that saw it first, and its place among those of the commit."""


class LostRace(Exception):
    """Somebody else changed what the commit relied on."""


class Writer:
    """Carries one commit out on a connection that is inside its transaction."""

    def __init__(self, connection: Connection, pools: Mapping[Pool, int], snapshot: SqliteSnapshot) -> None:
        self._connection = connection
        self._pools = pools
        self._snapshot = snapshot
        self._identities = {key: identity for key, (identity, _) in snapshot.identities.items()}
        self._sql: Final = statements()
        self._version = 0
        self._new_profiles: list[Sequence[Binding]] = []
        self._new_identities: dict[Key, int] = {}
        """How many holders each value has that this commit sees first."""
        self._new_holdings: list[Sequence[Binding]] = []

    def write(self, commit: Commit) -> None:
        """Check and write everything.

        Raises:
            LostRace: nothing of it may be kept.
        """
        if clock(self._connection) != self._snapshot.clock:
            self._check_reliance(commit)
        seq = next(iter(self._connection.execute(self._sql["last_seq"])))[0]
        # Every row changed by this commit gets the seq of its last entry as its version.
        self._version = seq + max(len(commit.log), 1)
        if not commit.log:
            self._connection.execute(self._sql["reserve_seq"], (self._version,))
            self._connection.execute(self._sql["use_seq"], (self._version,))
        try:
            for pool, changed in commit.pools.items():
                self._write_records(self._pools[pool], changed.writes, changed.exclusive)
            self._insert()
        except apsw.ConstraintError as error:
            raise LostRace(str(error)) from error
        self._write_log(seq, commit.log)

    def _check_reliance(self, commit: Commit) -> None:
        """Compare every loaded row with what it is now; only needed when somebody has written since.

        What was absent must still be, too. But what the commit itself takes is left to the unique constraint, which
        decides it in any case.
        """
        for key, (_, version) in self._snapshot.identities.items():
            if self._one("identity_version", *key) != (version,):
                raise LostRace(f"the holders of {key} changed")
        for key in self._snapshot.asked - self._snapshot.identities.keys() - self._taken(commit):
            if self._one("find_identity", *key) is not None:
                raise LostRace(f"{key} has a holder now")
        for view in self._snapshot.views.values():
            for record in view.by_mpid.values():
                if self._one("profile_state", record.mpid) != (record.version, record.active_ms):
                    raise LostRace(f"profile {record.mpid} changed")

    def _taken(self, commit: Commit) -> set[Key]:
        """Return the identities that profiles get by a commit."""
        return {
            (self._pools[pool], code_of(one.type), one.value)
            for pool, changed in commit.pools.items()
            for write in changed.writes
            for one in _held(write.after).keys() - _held(write.before).keys()
        }

    def _one(self, statement: str, *bindings: int | str) -> Row | None:
        return next(iter(self._connection.execute(self._sql[statement], bindings)), None)

    def _write_records(self, pool: int, writes: Iterable[RecordWrite], exclusive: frozenset[IdentityType]) -> None:
        held = [(write, _held(write.before), _held(write.after)) for write in writes]
        # A value that moves from one profile to another is given up before it is taken.
        for write, before, after in held:
            for one in before.keys() - after.keys():
                self._release(pool, write, one)
        for write, before, after in held:
            self._write_profile(pool, write)
            for one in before:
                if one in after:
                    self._keep(pool, write, one)
            for one in after:
                if one not in before:
                    self._take(pool, write.after, one, exclusive=one.type in exclusive)

    def _write_profile(self, pool: int, write: RecordWrite) -> None:
        before, after = write.before, write.after
        identities, carried = encode_values(after.identities), encode_values(after.carried)
        if before is None:
            created = (after.mpid, pool, after.known, after.created_ms, after.active_ms, after.source_mpid)
            self._new_profiles.append((*created, self._version, identities, carried))
            return
        changed = (after.known, after.active_ms, self._version, identities, carried)
        self._connection.execute(self._sql["update_profile"], (*changed, before.mpid, before.version, before.active_ms))
        if self._connection.changes() != 1:
            raise LostRace(f"profile {before.mpid} changed")

    def _release(self, pool: int, write: RecordWrite, one: Identity) -> None:
        if write.before is None:
            raise AssertionError("a new profile has nothing to give up")
        identity = self._find(pool, one)
        position = (identity, *_place(write.before), write.before.mpid)
        self._connection.execute(self._sql["delete_holding"], position)
        if self._connection.changes() != 1:
            raise LostRace(f"profile {write.before.mpid} no longer holds {one.type.value}")
        self._connection.execute(self._sql["update_identity"], (self._version, -1, pool, code_of(one.type), one.value))

    def _keep(self, pool: int, write: RecordWrite, one: Identity) -> None:
        if write.before is None:
            raise AssertionError("a new profile has nothing to keep")
        was, now = _place(write.before), _place(write.after)
        if was != now:
            self._connection.execute(self._sql["move_holding"], (*now, self._find(pool, one), *was, write.before.mpid))

    def _take(self, pool: int, record: Record, one: Identity, *, exclusive: bool) -> None:
        key: Key = (pool, code_of(one.type), one.value)
        identity = self._identities.get(key)
        if identity is None and key not in self._snapshot.asked:
            row = self._one("find_identity", *key)
            identity = None if row is None else self._remember(key, row)
        if identity is None:
            # Absent when it was looked up: if somebody was faster, identity_once says so.
            self._new_identities[key] = 1
            number = len(self._new_identities)
            identity = self._identities[key] = (self._version << NUMBERS_A_COMMIT_BITS) + number
        elif key in self._new_identities:
            self._new_identities[key] += 1
        else:
            self._connection.execute(self._sql["update_identity"], (self._version, 1, *key))
        self._new_holdings.append((identity, *_place(record), record.mpid, exclusive))

    def _insert(self) -> None:
        """Insert what is new, a table at a time: one call for many rows costs less than a call for each."""
        identities = [
            (*key, self._identities[key], self._version, holders) for key, holders in self._new_identities.items()
        ]
        self._connection.executemany(self._sql["insert_profile"], self._new_profiles)
        self._connection.executemany(self._sql["insert_identity"], identities)
        self._connection.executemany(self._sql["insert_holding"], self._new_holdings)

    def _find(self, pool: int, one: Identity) -> int:
        """Return the row of an identity that a loaded record holds, though nobody asked for its holders."""
        key: Key = (pool, code_of(one.type), one.value)
        identity = self._identities.get(key)
        if identity is None:
            row = self._one("find_identity", *key)
            if row is None:
                raise LostRace(f"{one.type.value} is gone")
            identity = self._remember(key, row)
        return identity

    def _remember(self, key: Key, row: Row) -> int:
        identity = self._identities[key] = row[0]
        return identity

    def _write_log(self, seq: int, entries: Iterable[LogEntry]) -> None:
        numbered = list(enumerate(entries, start=seq + 1))
        lines = [
            (
                number,
                bytes.fromhex(entry.decision_id),
                self._pools[entry.pool],
                entry.at_ms,
                entry.policy_version,
                entry.created_mpid,
                encode_mpids(entry.touched),
                entry.observation,
                entry.decision,
            )
            for number, entry in numbered
        ]
        self._connection.executemany(self._sql["insert_log"], lines)
        touched = [(mpid, number) for number, entry in numbered for mpid in dict.fromkeys(entry.touched)]
        self._connection.executemany(self._sql["insert_touched"], touched)


def _held(record: Record | None) -> dict[Identity, None]:
    return {} if record is None else dict.fromkeys(record.lookups())


def _place(record: Record) -> tuple[int, int]:
    """Return where a record stands among the holders of its identities: (known, active_ms)."""
    return (1, 0) if record.known else (0, record.active_ms)
