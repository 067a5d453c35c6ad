"""Says what a correction's change of user data comes to in rows: the arguments of the function `rearrange_1`."""

from knownas.store.postgres.arrays import columns_text
from knownas.store.user_data import Rearrangement, SectionKey

_Rows = list[tuple[object, ...]]


def rearranged_rows(change: Rearrangement) -> int:
    """Return about how many rows are written."""
    return (
        len(change.sections) + len(change.removed) + 2 * len(change.moved) + len(change.events) + len(change.messages)
    )


def rearrangement_arguments(change: Rearrangement) -> list[object]:
    """Return the arguments of the function `rearrange_1`."""
    changed: _Rows = []
    new: _Rows = []
    for key, version, document, last_seen_ms in change.sections:
        if version is None:
            new.append((*_key(key), last_seen_ms, document))
        else:
            changed.append((*_key(key), version, last_seen_ms, document))
    removed = [(*_key(one.key), one.version) for one in change.removed]
    moved = [(*_key(one.key), one.seq, one.mpid, one.document) for one in change.moved]
    events = [(*_key(one.key), *one[1:]) for one in change.events]
    messages = [(mpid, key, name, at_ms) for (key, mpid, name), at_ms in change.messages.items()]
    turns = [(one.request_id, one.was.value, one.state.value) for one in change.aliases]
    return [
        *columns_text(changed, 6, {5}),
        *columns_text(new, 5, {4}),
        *columns_text(removed, 4),
        *columns_text(moved, 6, {5}),
        *columns_text(events, 7, {6}),
        *columns_text(messages, 4),
        *columns_text(turns, 3),
    ]


def _key(key: SectionKey) -> tuple[int, int, str]:
    return key.mpid, key.workspace, key.environment
