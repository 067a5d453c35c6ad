"""Leaves marks of who has to be judged, and notes what those who judge must not miss, inside the transaction that changes what is known of them."""

from collections.abc import Iterable, Sequence

from knownas.store.audiences import EVERYBODY, EVERYWHERE
from knownas.store.sqlite.connection import Binding, Connection, first_row
from knownas.store.sqlite.statements import statements
from knownas.store.user_data import Marks, SectionKey

_ANYTHING = b""


def watch_of(connection: Connection, workspace: int) -> int | None:
    """Return how often documents of a workspace were written; None if it is not watched."""
    row = first_row(connection, statements()["is_watched"], (workspace,))
    return None if row is None else row[0]


def mark_committed(connection: Connection, marks: Marks, keys: Sequence[SectionKey]) -> None:
    """Leave the marks of a commit of batches: those that it gives, and of workspaces of which it knows too little everybody.

    Of these, marks that it gives are left if they last.
    """
    if not keys or watch_of(connection, EVERYWHERE) is None:
        return
    watches = {one: watch_of(connection, one) for one in {key.workspace for key in keys}}
    stale = {one for one, watch in watches.items() if watch is not None and watch != marks.known.get(one)}
    rows: list[Sequence[Binding]] = [
        (*key, document) for key, document, lasts in marks.marks if lasts or key.workspace not in stale
    ]
    rows += [(*key, _ANYTHING) for key in keys if key.workspace in stale]
    _add(connection, rows)


def mark_concerned(connection: Connection, keys: Iterable[SectionKey]) -> None:
    """Mark sections of watched workspaces, in which anything may have changed."""
    if watch_of(connection, EVERYWHERE) is not None:
        _add(connection, [(*key, _ANYTHING) for key in keys if watch_of(connection, key.workspace) is not None])


def mark_changed(connection: Connection, mpids: Sequence[int]) -> None:
    """Mark profiles whose record changed, if any workspace is watched."""
    if mpids and watch_of(connection, EVERYWHERE) is not None:
        _add(connection, [(EVERYWHERE, "", mpid, _ANYTHING) for mpid in mpids])


def mark_forgotten(connection: Connection, events_ms: int, sections_ms: int, limit: int) -> None:
    """Mark the profiles that may be the next to lose something for its age; it has not been removed yet."""
    if watch_of(connection, EVERYWHERE) is None:
        return
    sql = statements()
    keys = connection.execute(sql["events_growing_old"], (events_ms, limit)).fetchall()
    keys += connection.execute(sql["sections_growing_old"], (sections_ms, limit)).fetchall()
    mark_concerned(connection, map(SectionKey._make, dict.fromkeys(keys)))


def mark_erased(connection: Connection, workspace: int, mpid: int) -> None:
    """Mark a profile that a workspace loses something of; it has not been removed yet."""
    if watch_of(connection, workspace) is not None:
        connection.execute(statements()["mark_erased"], (workspace, mpid))


def note_removal(connection: Connection) -> None:
    """Note that sections were removed, so that nobody takes those that come for those that they have read."""
    connection.execute(statements()["tick_sections"]).fetchall()
    connection.execute(statements()["note_removal"])


def mark_everybody(connection: Connection) -> None:
    """Mark everybody, if any workspace is watched."""
    mark_changed(connection, [EVERYBODY])


def _add(connection: Connection, rows: Sequence[Sequence[Binding]]) -> None:
    if rows:
        connection.executemany(statements()["add_mark"], rows)
