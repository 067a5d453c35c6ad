"""Carries out a step of an erasure in a SQLite file, inside a transaction that its caller has begun.

Everything is found through indexes that begin with the profile, or with the moment of a batch: what a step costs does not
grow with how many others there are.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from knownas.store.privacy import Counts, Holding, RedactedLine
from knownas.store.sqlite.connection import Binding, Connection, LostRace, Row
from knownas.store.sqlite.marking import mark_erased, note_removal
from knownas.store.sqlite.statements import statements

_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])


def erase(connection: Connection, holding: Holding, limit: int) -> Counts:
    """Remove at most `limit` things of a holding: events with the receipts of their batches first, sections last."""
    mark_erased(connection, holding.workspace, holding.mpid)
    step = _Step(connection, holding, limit)
    events, receipts = step.events()
    messages = step.rows("messages_held", "erase_message", holding.mpid, step.input_keys)
    aliases = step.rows("aliases_held", "erase_alias", holding.mpid, holding.workspace)
    sections = step.rows("sections_held", "erase_section", holding.mpid, holding.workspace)
    if sections:
        note_removal(connection)
    return Counts(sections, events, messages, aliases, receipts)


class _Step:
    """Counts how much of a step is left."""

    def __init__(self, connection: Connection, holding: Holding, limit: int) -> None:
        self._connection = connection
        self._holding = holding
        self._left = limit
        self.input_keys: Final = msgspec.json.encode(holding.input_keys).decode()

    def events(self) -> tuple[int, int]:
        """Remove batches of events and the receipts that came with them; return how many of each."""
        held = self._find("events_held", self._holding.mpid, self._holding.workspace, self._left)
        receipts: list[Row] = []
        for at_ms in dict.fromkeys(at_ms for _, at_ms in held):
            receipts += self._find("receipts_of_batch", at_ms, self.input_keys, self._holding.mention)
        self._remove("erase_receipt", receipts)
        self._remove("erase_events", [(seq,) for seq, _ in held])
        self._left -= len(held)
        return len(held), len(receipts)

    def rows(self, found_by: str, removed_by: str, *bindings: Binding) -> int:
        """Remove rows of a kind, as many as are left; return how many."""
        held = self._find(found_by, *bindings, self._left)
        self._remove(removed_by, held)
        self._left -= len(held)
        return len(held)

    def _find(self, statement: str, *bindings: Binding) -> list[Row]:
        return self._connection.execute(statements()[statement], bindings).fetchall()

    def _remove(self, statement: str, rows: Sequence[Row]) -> None:
        if rows:
            self._connection.executemany(statements()[statement], rows)


def redact(connection: Connection, lines: Sequence[RedactedLine]) -> None:
    """Let lines of the log say something else, and be found under other numbers.

    Raises:
        LostRace: one of them says something else by now; nothing may be kept.
    """
    sql = statements()
    for line in lines:
        connection.execute(sql["redact_line"], (line.observation, line.decision, line.seq, line.was))
        if connection.changes() != 1:
            raise LostRace("a line of the log says something else")
        ((touched,),) = connection.execute(sql["touched_by_line"], (line.seq,)).fetchall()
        # What a line changed it is found under in any case.
        lasting = set(_MPIDS.decode(touched))
        dropped = [(one, line.seq) for one in line.dropped if one not in lasting]
        if dropped:
            connection.executemany(sql["drop_subject"], dropped)
        added = [(one, line.seq) for one in line.subjects if one not in lasting]
        if added:
            connection.executemany(sql["add_subject"], added)
