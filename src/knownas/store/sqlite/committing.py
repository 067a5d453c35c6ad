"""Writes what a batch decided: first checks that what it relied on still stands, then changes rows.

All statements of a commit run inside one `BEGIN IMMEDIATE`; the caller ends it. A lost race shows in three ways:
a version that moved (presence), the constraint `identity_once` (absence), the constraint `identity_exclusive` (a
unique value). Each raises `LostRace`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import apsw

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity
from knownas.store.port import Commit, LogEntry, Pool
from knownas.store.sqlite.connection import Binding, Connection, LostRace, Row, first_row
from knownas.store.sqlite.holders import HolderWrites, place_changed
from knownas.store.sqlite.loading import Key, SqliteSnapshot, clock
from knownas.store.sqlite.rows import code_of, encode_mpids, encode_values
from knownas.store.sqlite.statements import statements

NOT_LOGGED: Final = 0
"""Stands for the line that made a profile where no line did; seqs begin at 1."""


class Writer:
    """Carries one commit out on a connection that is inside its transaction."""

    def __init__(self, connection: Connection, pools: Mapping[Pool, int], snapshot: SqliteSnapshot) -> None:
        self._connection = connection
        self._pools = pools
        self._snapshot = snapshot
        self._holders = HolderWrites(connection, snapshot.asked, snapshot.identities)
        self._sql: Final = statements()
        self._version = 0
        self._new_profiles: list[Sequence[Binding]] = []
        self._first_seq: dict[int, int] = {}
        """The first of the commit's lines that touches a profile."""
        self._made: set[int] = set()

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
        for number, entry in enumerate(commit.log, start=seq + 1):
            for mpid in entry.touched:
                self._first_seq.setdefault(mpid, number)
        exclusive: dict[int, frozenset[int]] = {}
        try:
            for pool, changed in commit.pools.items():
                exclusive[self._pools[pool]] = frozenset(map(code_of, changed.exclusive))
                self._write_records(self._pools[pool], changed.writes)
            self._connection.executemany(self._sql["insert_profile"], self._new_profiles)
            self._holders.write(self._version, exclusive)
        except apsw.ConstraintError as error:
            raise LostRace(str(error)) from error
        self._write_log(seq, commit.log)

    def _check_reliance(self, commit: Commit) -> None:
        """Compare every loaded row with what it is now; only needed when somebody has written since.

        What was absent must still be, too. But what the commit itself takes is left to the unique constraint, which
        decides it in any case.
        """
        for key, row in self._snapshot.identities.items():
            if self._one("identity_version", *key) != (row.version,):
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
            for one in _gained(write)
        }

    def _one(self, statement: str, *bindings: int | str) -> Row | None:
        return first_row(self._connection, self._sql[statement], bindings)

    def _write_records(self, pool: int, writes: Iterable[RecordWrite]) -> None:
        holders = self._holders
        for write in writes:
            before, after = write
            self._write_profile(pool, write)
            if before is None:
                for kind, value in after.lookups():
                    holders.take((pool, code_of(kind), value), after)
                continue
            lost = {(pool, code_of(kind), value) for kind, value in before.lookups_beyond(after)}
            for key in lost:
                holders.release(key, before)
            if place_changed(before, after):
                for kind, value in before.lookups():
                    key = (pool, code_of(kind), value)
                    if key not in lost:
                        holders.keep(key, before, after)
            for kind, value in after.lookups_beyond(before):
                holders.take((pool, code_of(kind), value), after)

    def _write_profile(self, pool: int, write: RecordWrite) -> None:
        before, after = write
        identities, carried = encode_values(after.identities), encode_values(after.carried)
        if before is None:
            created = (after.mpid, pool, after.known, after.created_ms, after.active_ms, after.source_mpid)
            first_seq = self._first_seq.get(after.mpid, NOT_LOGGED)
            self._new_profiles.append((*created, self._version, first_seq, identities, carried))
            self._made.add(after.mpid)
            return
        was = (before.mpid, before.version, before.active_ms)
        changed = (
            after.known,
            after.created_ms,
            after.active_ms,
            after.source_mpid,
            self._version,
            identities,
            carried,
            *was,
        )
        self._connection.execute(self._sql["update_profile"], changed)
        if self._connection.changes() != 1:
            raise LostRace(f"profile {before.mpid} changed")

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
        touched = [
            (mpid, number)
            for number, entry in numbered
            for mpid in dict.fromkeys(entry.touched)
            # The line that made a profile is named by the profile's own row.
            if mpid not in self._made or number != self._first_seq[mpid]
        ]
        touched += [
            (subject, number)
            for number, entry in numbered
            for subject in dict.fromkeys(entry.subjects)
            if subject not in entry.touched
        ]
        self._connection.executemany(self._sql["insert_touched"], touched)


def _gained(write: RecordWrite) -> Iterable[Identity]:
    """Return the identities that a profile gets."""
    before, after = write
    return after.lookups() if before is None else after.lookups_beyond(before)
