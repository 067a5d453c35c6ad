"""Remembers when profiles were last active without a durable write for each visit.

A known user who comes back changes nothing, and must not cost a write. So visits are kept in memory, exact, and
the store's `last active` follows behind: a visit is written down when the stored one is more than an hour older.
After a restart, an activity is thus known to the hour.
"""

from collections.abc import Iterable

from knownas.core.identity.record import Record
from knownas.service.lately import Lately
from knownas.service.limits import ACTIVITY_MAX, ACTIVITY_RESOLUTION_MS, TOUCHES_WAITING_MAX
from knownas.store.port import Activity


class ActivityMemory:
    """The last visits of the profiles seen lately."""

    def __init__(self) -> None:
        self._seen: Lately[int, int] = Lately(ACTIVITY_MAX)
        self._due: dict[int, int] = {}
        self._latest_ms = 0

    def last(self, mpid: int) -> int | None:
        """Return when a profile was last seen, if that is remembered."""
        return self._seen.find(mpid)

    def saw(self, record: Record, at_ms: int) -> None:
        """Remember a visit. `record` is the profile as stored."""
        if at_ms >= self._latest_ms:
            self._latest_ms = at_ms
        elif (self.last(record.mpid) or 0) > at_ms:
            # Clocks seldom go back, so that it is seldom looked up.
            return
        self._seen.note(record.mpid, at_ms)
        if at_ms - record.active_ms >= ACTIVITY_RESOLUTION_MS and len(self._due) < TOUCHES_WAITING_MAX:
            self._due[record.mpid] = at_ms

    def correct(self, mpid: int, at_ms: int) -> None:
        """Remember another last visit than before: a correction of the history has given the later ones to others."""
        if self.last(mpid) is not None:
            self._seen.note(mpid, at_ms)
            self._due.pop(mpid, None)

    @property
    def due(self) -> int:
        """The number of visits waiting to be written down."""
        return len(self._due)

    def take_due(self, limit: int) -> list[Activity]:
        """Take visits to write down, at most `limit`."""
        taken = [Activity(mpid, self._due[mpid]) for mpid in list(self._due)[:limit]]
        for activity in taken:
            del self._due[activity.mpid]
        return taken

    def give_back(self, activities: Iterable[Activity]) -> None:
        """Take back visits that could not be written down."""
        for activity in activities:
            self._due.setdefault(activity.mpid, activity.at_ms)
