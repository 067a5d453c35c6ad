"""Holds the records of a past moment as far as the log tells them, and notes where a decision asks for more.

Two things can be missing. The holders of an identity, where too many profiles have it, or where finding them would
take too long. And when a profile was last active: visits that change nothing are not logged, but where they could
decide, so that of the others it is only known since when at least. A decision over a recollection that has noted
nothing is the one that would have been made then.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Recency
from knownas.core.identity.record import Record
from knownas.core.identity.records import NOBODY, Holders, Records


class Untold(StrEnum):
    """Why the log does not tell what would have been answered."""

    CROWDED = "too_many_holders"
    TOO_MUCH_SINCE = "too_much_happened_since"
    TOO_MANY_TIES = "too_many_ties"
    TOO_LONG_A_HISTORY = "too_long_a_history"
    RECORDS_CHANGED = "records_have_changed"
    NOT_REPRODUCED = "not_reproduced"


_BY_FAR: Final = 2**62
"""A time after all others."""


class Recollection(Records):
    """The records of one pool at a past moment, in part.

    `untold` are the identities whose holders are not known, with the reason. `recency` says of whom it is known when
    they were last active. `crowded` are the identities with more holders than are given.
    """

    __slots__ = ("_certain", "_favoured", "_untold", "compared", "missed")

    def __init__(
        self,
        records: Iterable[Record],
        recency: Recency,
        *,
        crowded: Iterable[Identity] = (),
        untold: Mapping[Identity, Untold] | None = None,
    ) -> None:
        super().__init__()
        self.recall(recency)
        self.load(records, crowded)
        self._certain: Final = frozenset(mpid for mpid, _ in recency)
        self._untold: Final = dict(untold or {})
        self._favoured: tuple[int, ...] = ()
        self.missed: list[Untold] = []
        """Why what decisions have asked for was not there."""
        self.compared: set[int] = set()
        """The profiles whose activity was compared with that of another."""

    @property
    def guesses(self) -> bool:
        """Whether the activity of a profile was compared that is not known for certain."""
        return not self._certain.issuperset(self.compared)

    def begin(self, favoured: tuple[int, ...] = ()) -> None:
        """Forget what was noted. From now on the favoured were active last, the first of them last of all."""
        self._favoured = favoured
        self.missed.clear()
        self.compared.clear()

    def is_held(self, wanted: Identity) -> bool:
        """Whether any profile holds an identity, or may."""
        return wanted in self._untold or super().is_held(wanted)

    def considered(self, wanted: Identity) -> tuple[Holders, tuple[Record, ...]]:
        """Return the considered holders; nobody, and a note, where they are not known."""
        reason = self._untold.get(wanted)
        if reason is None:
            return super().considered(wanted)
        self.missed.append(reason)
        return NOBODY, ()

    def activity(self, records: Iterable[Record]) -> dict[int, int]:
        """Return when each profile was last active, at least, or by favour. Whatever is looked up in it is noted."""
        told = super().activity(records)
        for place, mpid in enumerate(self._favoured):
            if mpid in told:
                told[mpid] = _BY_FAR - place
        return _Compared(told, self.compared)


class _Compared(dict[int, int]):
    """Times by MPID, which notes whose are looked up one by one."""

    def __init__(self, times: Mapping[int, int], noted: set[int]) -> None:
        super().__init__(times)
        self._noted = noted

    def __getitem__(self, mpid: int) -> int:
        self._noted.add(mpid)
        return super().__getitem__(mpid)
