"""Says which rows a visit that changed nothing moves: the profile's activity, and its places in crowds."""

from collections.abc import Iterable, Mapping, Sequence

from knownas.store.port import Activity
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.rows import Row, code_of, record_of


def latest(activities: Iterable[Activity]) -> dict[int, int]:
    """Return the latest activity of each profile."""
    found: dict[int, int] = {}
    for mpid, at_ms in activities:
        found[mpid] = max(at_ms, found.get(mpid, at_ms))
    return found


def moves(rows: Iterable[Row], wanted: Mapping[int, int]) -> list[Sequence[object]]:
    """Return the arguments of the function `touch_1`, for the loaded profiles that were active later than they say.

    Empty if there are none.
    """
    profiles: list[tuple[object, ...]] = []
    places: list[tuple[object, ...]] = []
    for pool, *held in rows:
        record = record_of(*held)
        at_ms = wanted[record.mpid]
        if at_ms <= record.active_ms:
            continue
        profiles.append((record.mpid, record.version, record.active_ms, at_ms))
        if not record.known:
            places += [
                (value, code_of(kind), pool, record.mpid, record.active_ms, at_ms) for kind, value in record.lookups()
            ]
    return [*columns_text(profiles, 4), *columns_text(places, 6)] if profiles else []
