"""Gathers all of a history that could have influenced some profiles: the lines of a component (`core.history.world`).

From profile to line, from line to value, from value to whoever holds it or is kept under it (`subjects`), until nothing new
is found. Who was active when a device was shared by thousands is a part of it, so a component can be large: there is a
limit, and beyond it nothing is gathered.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from knownas.core.history.conditions import Conditions, conditions_of
from knownas.core.history.world import Line, corrections_in
from knownas.core.identity.kinds import Identity
from knownas.service.history.subjects import named_in, profile_named_in, set_aside_in, subject_of
from knownas.service.identity.log_form import decision_from
from knownas.service.identity.receipts import logged
from knownas.service.limits import LINES_FOLDED_MAX, PAGE_MAX
from knownas.store.port import LogEntry, Pool, Store


class TooLarge(Exception):
    """More lines than `LINES_FOLDED_MAX` could have influenced each other."""


@dataclass(slots=True)
class Component:
    """Lines that could have influenced each other, in the log's order, with the profiles and identities they are about.

    `conditions` are what their corrections say counts of them.
    """

    lines: Sequence[Line]
    conditions: Conditions
    mpids: frozenset[int]
    identities: frozenset[Identity]
    decision_ids: Mapping[int, str]
    """The id of each line's decision, by the line's seq."""


async def component_of(
    store: Store,
    pool: Pool,
    mpids: Iterable[int],
    identities: Iterable[Identity] = (),
    quarantined: Mapping[Identity, int] = MappingProxyType({}),
    released: Collection[Identity] | None = None,
) -> Component:
    """Gather everything that could have influenced some profiles or holders of identities, or been influenced by them.

    `quarantined` are the pool's identities that do not count, each with the seq of the correction that said so: nothing
    influences anything by way of them. `released` are those that count although they were set aside of some lines when these
    came; None where any may.

    Raises:
        TooLarge: that is too much.
        StoreError: the store does not answer.
    """
    return await _Gathering(store, pool, quarantined, released).gather(mpids, identities)


class _Gathering:
    def __init__(
        self, store: Store, pool: Pool, quarantined: Mapping[Identity, int], released: Collection[Identity] | None
    ) -> None:
        self._store = store
        self._pool = pool
        self._quarantined = quarantined
        self._released = released
        self._mpids: set[int] = set()
        self._identities: set[Identity] = set()
        self._decision_ids: dict[int, str] = {}
        self._lines: dict[int, Line] = {}
        self._asked: set[int] = set()

    async def gather(self, start: Iterable[int], named: Iterable[Identity]) -> Component:
        waiting = list(dict.fromkeys(start))
        self._mpids.update(waiting)
        waiting += await self._name(named)
        while waiting:
            subject = waiting.pop()
            if subject not in self._asked:
                self._asked.add(subject)
                waiting += await self._follow(subject)
        lines = [self._lines[seq] for seq in sorted(self._lines)]
        conditions = conditions_of(corrections_in(lines), self._quarantined)
        mpids, identities = frozenset(self._mpids), frozenset(self._identities)
        return Component(lines, conditions, mpids, identities, self._decision_ids)

    async def _follow(self, subject: int) -> list[int]:
        """Take in all lines about a subject; return the subjects that they lead to."""
        found: list[int] = []
        after = 0
        while page := await self._store.history(subject, after, PAGE_MAX):
            after = page[-1].seq
            for entry in page:
                if entry.pool == self._pool and entry.seq not in self._lines:
                    found += await self._take(entry)
        return found

    async def _take(self, entry: LogEntry) -> list[int]:
        if len(self._lines) >= LINES_FOLDED_MAX:
            raise TooLarge
        decision = decision_from(entry.decision)
        line = Line(entry.seq, logged(entry), decision.answered)
        self._lines[entry.seq] = line
        self._decision_ids[entry.seq] = entry.decision_id
        changed_one = profile_named_in(line.logged.observation)
        mpids = {*entry.touched, *(mpid for mpid in (line.answered, changed_one) if mpid is not None)}
        found = list(mpids - self._mpids)
        self._mpids |= mpids
        changed = (change.identity for change in decision.changes)
        aside: Collection[Identity] = ()
        if self._released is not None:
            aside = [one for one in set_aside_in(line.logged.observation) if one not in self._released]
        named = [one for one in named_in(line.logged.observation) if one not in aside]
        return found + await self._name([*named, *changed])

    async def _name(self, identities: Iterable[Identity]) -> list[int]:
        """Take in identities; return the subjects that they lead to."""
        found: list[int] = []
        for one in dict.fromkeys(identities):
            if one in self._identities or one in self._quarantined:
                continue
            self._identities.add(one)
            found.append(subject_of(self._pool, one))
            holders = await self._store.holders(self._pool, one, LINES_FOLDED_MAX + 1)
            if len(holders) > LINES_FOLDED_MAX:
                raise TooLarge
            found += [mpid for mpid in holders if mpid not in self._mpids]
            self._mpids.update(holders)
        return found
