"""Carries out what a correction changes of user data, inside the transaction that corrects the records."""

from collections.abc import Sequence
from typing import Final

from knownas.store.sqlite.connection import Binding, Connection, LostRace
from knownas.store.sqlite.marking import mark_concerned, note_removal
from knownas.store.sqlite.statements import statements
from knownas.store.user_data import Rearrangement


def rearrange(connection: Connection, change: Rearrangement) -> None:
    """Write everything, a statement for each kind of row.

    Raises:
        LostRace: something is no longer as it was when it was loaded; nothing may be kept.
    """
    _Rearranging(connection).write(change)


class _Rearranging:
    def __init__(self, connection: Connection) -> None:
        self._connection: Final = connection

    def write(self, change: Rearrangement) -> None:
        ((version,),) = self._connection.execute(statements()["tick_sections"]).fetchall()
        if change.removed:
            self._change("remove_section", [(*one.key, one.version) for one in change.removed])
            note_removal(self._connection)
        new: list[Sequence[Binding]] = []
        changed: list[Sequence[Binding]] = []
        for key, was, document, last_seen_ms in change.sections:
            if was is None:
                new.append((*key, version, document, last_seen_ms))
            else:
                changed.append((version, document, last_seen_ms, *key, was))
        self._change("update_section", changed)
        self._change("insert_section", new)
        self._change("move_events", [(one.mpid, one.document, one.seq, *one.key) for one in change.moved])
        events = [(*one.key, one.at_ms, one.first_ms, one.last_ms, one.document) for one in change.events]
        self._change("insert_events", events)
        messages = [(*key, at_ms) for key, at_ms in change.messages.items()]
        if messages:
            self._connection.executemany(statements()["insert_message"], messages)
        self._change("turn_alias", [(one.state, one.request_id, one.was) for one in change.aliases])
        mark_concerned(self._connection, change.concerned())

    def _change(self, statement: str, rows: Sequence[Sequence[Binding]]) -> None:
        """Run a statement for each of the rows, of which each must change one."""
        if rows:
            before = self._connection.total_changes()
            self._connection.executemany(statements()[statement], rows)
            if self._connection.total_changes() - before != len(rows):
                raise LostRace(statement)
