"""Writes who holds which value: a row for each identity, and where several hold it, a row for each of them.

Most values have one holder. It stands in the identity's own row, so that finding it takes no further table, and a new
profile no further rows. The second holder moves both to the table `holding`, which keeps a crowd in its order; whoever
is left alone moves back.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from knownas.core.identity.record import Record
from knownas.store.sqlite.connection import Binding, Connection, LostRace, Row, first_row
from knownas.store.sqlite.loading import IdentityRow, Key
from knownas.store.sqlite.statements import statements

NUMBERS_A_COMMIT_BITS: Final = 20
"""An identity's number is the version of the commit that saw it first, and its place among those of the commit."""


class HolderWrites:
    """Gathers what one commit changes about holders, and writes it, a table at a time.

    `asked` are the identities that were looked up, `found` those of them that there are.
    """

    def __init__(self, connection: Connection, asked: set[Key], found: Mapping[Key, IdentityRow]) -> None:
        self._connection = connection
        self._asked = asked
        self._rows: dict[Key, IdentityRow] = dict(found)
        self._sql: Final = statements()
        self._released: dict[Key, list[Record]] = {}
        self._taken: dict[Key, list[Record]] = {}
        self._moved: dict[Key, list[tuple[Record, Record]]] = {}

    def release(self, key: Key, before: Record) -> None:
        """A profile, as it was, gives a value up."""
        self._released.setdefault(key, []).append(before)

    def take(self, key: Key, after: Record) -> None:
        """A profile, as it is now, gets a value."""
        taken = self._taken.get(key)
        if taken is None:
            self._taken[key] = [after]
        else:
            taken.append(after)

    def keep(self, key: Key, before: Record, after: Record) -> None:
        """A profile keeps a value, and its place in a crowd has changed."""
        self._moved.setdefault(key, []).append((before, after))

    def write(self, version: int, exclusive: Mapping[int, frozenset[int]]) -> None:
        """Write everything, after the profiles. `exclusive` has the codes of the unique types of each pool.

        Raises:
            LostRace: somebody was faster.
            apsw.ConstraintError: somebody was faster, and a constraint says so.
        """
        identities: list[Sequence[Binding]] = []
        holdings: list[Sequence[Binding]] = []
        changed: dict[Key, object] = {**self._released, **self._moved}
        for key, taken in self._taken.items():
            if self._row(key) is not None:
                changed[key] = taken
            else:
                # Absent when it was looked up: if somebody was faster, identity_once says so.
                number = (version << NUMBERS_A_COMMIT_BITS) + len(identities)
                holder = taken[0].mpid if len(taken) == 1 else None
                identities.append((*key, number, version, len(taken), holder, key[1] in exclusive[key[0]]))
                if holder is None:
                    holdings += [_holding(number, record) for record in taken]
        for key in changed:
            row = self._row(key)
            if row is not None:
                holdings += self._change(key, row, version, is_exclusive=key[1] in exclusive[key[0]])
        self._connection.executemany(self._sql["insert_identity"], identities)
        self._connection.executemany(self._sql["insert_holding"], holdings)

    def _row(self, key: Key) -> IdentityRow | None:
        """Return the row of an identity, looking for it if nobody has asked for its holders."""
        row = self._rows.get(key)
        if row is None and key not in self._asked:
            found = self._one("find_identity", *key)
            self._asked.add(key)
            if found is not None:
                row = self._rows[key] = IdentityRow(*found)
        if row is None and key in self._released:
            raise LostRace(f"{key} is gone")
        return row

    def _change(self, key: Key, row: IdentityRow, version: int, *, is_exclusive: bool) -> list[Sequence[Binding]]:
        """Change the row of an identity that there is, and return the holdings to insert."""
        released, taken = self._released.get(key, ()), self._taken.get(key, ())
        if row.holders > 1:
            for before in released:
                self._changes_one("delete_holding", _holding(row.identity, before))
            for before, after in self._moved.get(key, ()):
                self._changes_one("move_holding", (*_place(after), *_holding(row.identity, before)))
        elif any(before.mpid != row.holder for before in released):
            raise LostRace(f"{key} has another holder")
        if not released and not taken:
            return []
        number = row.holders - len(released) + len(taken)
        staying = self._staying(row, len(released), alone=number == 1)
        holder = (taken[0].mpid if taken else staying) if number == 1 else None
        unique = is_exclusive if taken else None
        self._connection.execute(self._sql["update_identity"], (version, number, holder, unique, *key))
        if number <= 1:
            return []
        holdings: list[Sequence[Binding]] = [_holding(row.identity, record) for record in taken]
        if staying is not None:
            place = self._one("place", staying)
            if place is None:
                raise LostRace(f"profile {staying} is gone")
            holdings.append((row.identity, *place, staying))
        return holdings

    def _staying(self, row: IdentityRow, released: int, *, alone: bool) -> int | None:
        """Return the holder that stays and stands, or is to stand, in the row; a crowd's is taken out of `holding`."""
        if row.holders <= 1:
            return None if released else row.holder
        if not alone:
            return None
        left = self._one("any_holding", row.identity)
        self._connection.execute(self._sql["delete_holdings"], (row.identity,))
        return None if left is None else left[0]

    def _changes_one(self, statement: str, bindings: Sequence[Binding]) -> None:
        self._connection.execute(self._sql[statement], bindings)
        if self._connection.changes() != 1:
            raise LostRace(f"{statement}: {bindings} is not there")

    def _one(self, statement: str, *bindings: int | str) -> Row | None:
        return first_row(self._connection, self._sql[statement], bindings)


def _place(record: Record) -> tuple[int, int]:
    """Return where a record stands among the holders of its identities: (known, active_ms)."""
    return (1, 0) if record.known else (0, record.active_ms)


def place_changed(before: Record, after: Record) -> bool:
    """Whether a profile stands elsewhere among the holders of its identities than before."""
    return _place(before) != _place(after)


def _holding(identity: int, record: Record) -> tuple[int, int, int, int]:
    return (identity, *_place(record), record.mpid)
