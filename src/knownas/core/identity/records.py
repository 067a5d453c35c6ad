"""Keeps identity records in memory and answers who holds an identity, the way every store must.

Used whole, it is the state that a fold of the log builds. Used in part, it is what a batch of requests loaded
from a store, on which the batch's decisions are applied in arrival order.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import nlargest, nsmallest
from typing import Final, NamedTuple

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, HOLDERS_SHOWN_MAX


class Holders(NamedTuple):
    """The profiles that hold an identity, as far as a lookup considers them, by ascending MPID.

    Up to 16 holders: all of them. Beyond, the value is crowded: `more` is true, and considered are the 16 most
    recently active anonymous ones (ties by the smaller MPID) and the 4 known ones with the smallest MPIDs,
    which only serve to show whom a guard rejected. Whoever is allowed to open a known profile names its login
    ID, and comes to it through that.
    """

    mpids: tuple[int, ...]
    more: bool


NOBODY = Holders((), more=False)


def considered(holders: Iterable[Record], active_ms: Callable[[Record], int], *, more: bool = False) -> Holders:
    """Reduce the holders of one identity to those a lookup considers; the rule of `Holders`.

    `more` says that even the holders given are not all there are.
    """
    records = list(holders)
    if len(records) <= HOLDERS_CONSIDERED_MAX and not more:
        return Holders(tuple(sorted(record.mpid for record in records)), more=False)
    anonymous = [record for record in records if not record.known]
    if len(anonymous) > HOLDERS_CONSIDERED_MAX:
        anonymous = nlargest(HOLDERS_CONSIDERED_MAX, anonymous, key=lambda record: (active_ms(record), -record.mpid))
    known = nsmallest(HOLDERS_SHOWN_MAX, (record.mpid for record in records if record.known))
    return Holders(tuple(sorted([*(record.mpid for record in anonymous), *known])), more=True)


class Records:
    """A mutable collection of the identity records of one pool (a scope and an environment)."""

    __slots__ = ("_considered", "_crowded", "_holders", "_recency", "_records", "crowded", "holding")

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._holders: dict[tuple[IdentityType, str], int | set[int]] = {}
        """Who holds an identity: one profile by its MPID, several as a set. Most have one, and sets are large."""
        self.holding: Final[Mapping[tuple[IdentityType, str], int | set[int]]] = self._holders
        """Who holds each identity that anybody holds: one profile by its MPID, or several."""
        self._crowded: set[Identity] = set()
        self.crowded: Final[Collection[Identity]] = self._crowded
        """The identities of which a store has said that more profiles hold them than are here."""
        self._recency: dict[int, int] = {}
        self._considered: dict[Identity, tuple[Holders, tuple[Record, ...]]] = {}
        """What is considered of crowded identities, as long as that stands: a batch often asks for one again."""

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def record(self, mpid: int) -> Record | None:
        """Return a profile's record, None if there is none here."""
        return self._records.get(mpid)

    def active_ms(self, record: Record) -> int:
        """Return when the profile was last active, visits that changed nothing included."""
        seen = self._recency.get(record.mpid)
        return record.active_ms if seen is None or seen < record.active_ms else seen

    def activity(self, records: Iterable[Record]) -> dict[int, int]:
        """Return when each profile was last active, visits that changed nothing included, by MPID."""
        seen = self._recency.get
        return {
            mpid: at_ms if (at_ms := seen(mpid, 0)) > active_ms else active_ms
            for mpid, _, _, _, _, active_ms, _, _ in records
        }

    def is_held(self, wanted: Identity) -> bool:
        """Whether any profile holds an identity."""
        return wanted in self._holders

    def holders(self, wanted: Identity) -> Holders:
        """Return the considered holders of an identity."""
        return self.considered(wanted)[0]

    def considered(self, wanted: Identity) -> tuple[Holders, tuple[Record, ...]]:
        """Return the considered holders of an identity, and their records."""
        mpids = self._holders.get(wanted)
        if mpids is None:
            return NOBODY, ()
        records = self._records
        if isinstance(mpids, int) and wanted not in self._crowded:
            return Holders((mpids,), more=False), (records[mpids],)
        found = self._considered.get(wanted)
        if found is None:
            crowd = [records[mpid] for mpid in ((mpids,) if isinstance(mpids, int) else mpids)]
            holders = considered(crowd, self.active_ms, more=wanted in self._crowded)
            found = holders, tuple([records[mpid] for mpid in holders.mpids])
            if holders.more:
                self._considered[wanted] = found
        return found

    def saw(self, mpid: int, at_ms: int) -> None:
        """Note that a profile was active, without changing its record."""
        if at_ms > self._recency.get(mpid, 0):
            self._recency[mpid] = at_ms
            # One that is considered stays so; another may have become one of the most recent.
            if any(mpid not in holders.mpids for holders, _ in self._considered.values()):
                self._considered.clear()

    def recall(self, recency: Iterable[tuple[int, int]]) -> None:
        """Know of visits just these; what was noted before is forgotten."""
        self._recency = dict(recency)
        self._considered.clear()

    def load(self, records: Iterable[Record], crowded: Iterable[Identity] = ()) -> None:
        """Take over records from a store; `crowded` are the identities with more holders than were loaded."""
        for record in records:
            if record.mpid not in self._records:
                self._put(record)
        self._crowded.update(crowded)
        self._considered.clear()

    def apply(self, writes: Iterable[RecordWrite]) -> None:
        """Take over what a decision changed."""
        for before, after in writes:
            if before is None:
                self._put(after)
                continue
            for lost in before.lookups_beyond(after):
                self._let_go(before.mpid, lost)
            self.extend(after, after.lookups_beyond(before))

    def extend(self, record: Record, gained: Iterable[tuple[IdentityType, str]]) -> None:
        """Take over a new record, or another state of one: it has lost no identity, and gained these."""
        mpid, holders = record.mpid, self._holders
        if self._considered:
            self._considered.clear()
        self._records[mpid] = record
        for held in gained:
            mpids = holders.setdefault(held, mpid)
            if mpids == mpid:
                continue
            if isinstance(mpids, int):
                holders[held] = {mpids, mpid}
            else:
                mpids.add(mpid)

    def replace(self, record: Record) -> None:
        """Take over another state of a record that holds the same identities."""
        self._considered.clear()
        self._records[record.mpid] = record

    def _put(self, record: Record) -> None:
        self.extend(record, record.lookups())

    def _let_go(self, mpid: int, lost: Identity) -> None:
        mpids = self._holders[lost]
        if isinstance(mpids, int):
            del self._holders[lost]
            return
        mpids.discard(mpid)
        if len(mpids) == 1:
            (self._holders[lost],) = mpids
