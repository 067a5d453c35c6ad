"""Finds the one profile that a request's identities lead to: steps 4 and 5 of the algorithm (idsync §3.2).

The lookup walks the policy's ranking. The first type with hits gives the candidates; each later type can only
narrow them, and one that matches nobody among them is ignored. It stops as soon as one candidate is left. If
several remain after the last type, the policy's tie-break decides: the previous MPID, then the most recently
active profile, then the smallest MPID.

Known beats anonymous: if the winner is anonymous although a login ID of the request belongs to a known profile
that may be returned, that profile wins. This matters only where a device type outranks a login type.

A value can be crowded: on more profiles than a lookup considers (`records.Holders`). Then whoever is met through
another identity of the request, or is the previous profile, and holds the value too, counts as well.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from knownas.core.identity.decision import NOT_CROWDED, DecidedBy, LookupEffect, LookupStep, Rejection
from knownas.core.identity.guards import Wanted, guard_against
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Recency
from knownas.core.identity.policy import Policy, TieBreak
from knownas.core.identity.record import Record, is_known
from knownas.core.identity.records import Records

_ALL_TYPES: Final = frozenset(IdentityType)


class Found(NamedTuple):
    """What a lookup came to: the steps, the winner if any, and the rule that chose it.

    `recency` tells when each profile met was last active, where that could decide.
    """

    steps: tuple[LookupStep, ...]
    record: Record | None
    decided_by: DecidedBy
    decided_at: IdentityType | None = None
    recency: Recency = ()


class _Search:
    """One lookup under way: what it may see, whom it has met, and how each was judged."""

    __slots__ = ("_activity", "_searching", "crowded", "judged", "met", "policy", "previous_mpid", "records", "wanted")

    def __init__(
        self, wanted: Wanted, policy: Policy, records: Records, previous_mpid: int | None, *, searching: bool
    ) -> None:
        self.wanted = wanted
        self.policy = policy
        self.records = records
        self.previous_mpid = previous_mpid
        self._searching = searching
        self.crowded = False
        self.met: dict[int, Record] = {}
        self.judged: dict[int, Rejection | None] = {}
        self._activity: Mapping[int, int] = {}

    def holders(self, one: Identity) -> tuple[Sequence[Record], bool]:
        """Return the considered holders of an identity by ascending MPID, and whether there are more."""
        (mpids, more), found = self.records.considered(one)
        if more:
            self.crowded = True
            further = [record for record in self._others_holding(one) if record.mpid not in mpids]
            if further:
                found = sorted((*found, *further), key=lambda record: record.mpid)
                mpids = [record.mpid for record in found]
        self.met.update(zip(mpids, found, strict=True))
        return found, more

    def _others_holding(self, one: Identity) -> list[Record]:
        """Return who holds a crowded identity among the holders of the request's others, and the previous profile."""
        mpids: set[int] = set()
        for kind, value in self.wanted.items():
            if kind in self.policy.ranked and kind is not one.type:
                mpids.update(self.records.holders(Identity(kind, value)).mpids)
        if self.previous_mpid is not None:
            mpids.add(self.previous_mpid)
        found = (self.records.record(mpid) for mpid in mpids)
        return [record for record in found if record is not None and record.holds(one)]

    def judge(self, holders: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Rejection]]:
        """Part the profiles that may be returned from those that a guard keeps out; each is judged once."""
        # Most holders of a crowded device are anonymous, and have nothing to guard.
        guarded = _ALL_TYPES if self._searching else self.policy.guarded
        hits: list[Record] = []
        rejected: list[Rejection] = []
        for record in holders:
            rejection = None if guarded.isdisjoint(record.identities) else self._verdict(record)
            if rejection is None:
                hits.append(record)
            else:
                rejected.append(rejection)
        return hits, rejected

    def _verdict(self, record: Record) -> Rejection | None:
        mpid, judged = record.mpid, self.judged
        if mpid in judged:
            return judged[mpid]
        guard = guard_against(record, self.wanted, self.policy, searching=self._searching)
        rejection = judged[mpid] = None if guard is None else Rejection(mpid, guard)
        return rejection

    def activity(self) -> Mapping[int, int]:
        """Return when everybody met so far was last active."""
        if len(self._activity) < len(self.met):
            self._activity = self.records.activity(self.met.values())
        return self._activity

    def recency(self) -> Recency:
        """Return when everybody met so far was last active, as the log keeps it."""
        return tuple(sorted(self.activity().items()))


def look_up(
    wanted: Wanted, policy: Policy, records: Records, previous_mpid: int | None, *, searching: bool = False
) -> Found:
    """Find the profile for the wanted identities; see the module's theory.

    Costs time in proportion to the considered holders, of which there are at most 20 an identity.
    """
    ranked = [Identity(kind, wanted[kind]) for kind in policy.ranking if kind in wanted]
    if not any(map(records.is_held, ranked)):
        return Found(tuple(map(_unmet, ranked)), None, DecidedBy.NO_CANDIDATE)
    search = _Search(wanted, policy, records, previous_mpid, searching=searching)
    steps: list[LookupStep] = []
    candidates: Sequence[Record] = ()
    for one in ranked:
        step, candidates = _step(one, search, candidates)
        steps.append(step)
        if len(candidates) == 1:
            break
    if not candidates:
        recency = search.recency() if search.crowded else ()
        return Found(tuple(steps), None, DecidedBy.NO_CANDIDATE, recency=recency)
    chosen, decided_by = candidates[0], DecidedBy.LAST_CANDIDATE
    if len(candidates) > 1:
        chosen, decided_by = _break_tie(candidates, search)
    decided_at: IdentityType = steps[-1].identity.type
    if not is_known(chosen.identities, policy):
        owner = _known_owner(search)
        if owner is not None:
            chosen, decided_at = owner
            decided_by = DecidedBy.KNOWN_BEATS_ANONYMOUS
    recency = search.recency() if search.crowded or len(search.met) > 1 else ()
    return Found(tuple(steps), chosen, decided_by, decided_at, recency)


def _unmet(one: Identity) -> LookupStep:
    """Return the step of an identity that nobody holds."""
    return LookupStep(one, (), (), NOT_CROWDED, LookupEffect.NONE, ())


def _step(one: Identity, search: _Search, candidates: Sequence[Record]) -> tuple[LookupStep, Sequence[Record]]:
    """Look one identity up and narrow the candidates by it."""
    holders, more = search.holders(one)
    hits, rejected = search.judge(holders)
    left = candidates
    if not hits:
        effect = LookupEffect.NONE
    elif not candidates:
        effect, left = LookupEffect.FIRST, hits
    else:
        both = [record for record in candidates if record.holds(one)]
        effect, left = (LookupEffect.NARROWED, both) if both else (LookupEffect.KEPT, candidates)
    returnable = tuple([record.mpid for record in hits])
    remaining = returnable if left is hits else tuple([record.mpid for record in left])
    return LookupStep(one, returnable, tuple(rejected), more, effect, remaining), left


def _break_tie(candidates: Sequence[Record], search: _Search) -> tuple[Record, DecidedBy]:
    """Pick one of several candidates; idsync §7-9."""
    left = list(candidates)
    for rule in search.policy.settings.tie_break:
        match rule:
            case TieBreak.PREVIOUS_MPID:
                previous = search.previous_mpid
                fitting = [record for record in left if record.mpid == previous] if previous in search.met else []
                decided_by = DecidedBy.PREVIOUS_MPID
            case TieBreak.MOST_RECENT:
                times = search.activity()
                latest = max([times[record.mpid] for record in left])
                fitting = [record for record in left if times[record.mpid] == latest]
                decided_by = DecidedBy.MOST_RECENT
            case TieBreak.SMALLEST_MPID:
                fitting = [min(left, key=lambda record: record.mpid)]
                decided_by = DecidedBy.SMALLEST_MPID
        left = fitting or left
        if len(left) == 1:
            return left[0], decided_by
    raise AssertionError("a valid policy ends its tie-break with smallest_mpid")


def _known_owner(search: _Search) -> tuple[Record, IdentityType] | None:
    """Find the returnable known profile of the highest login ID of the request; step 5."""
    for kind in search.policy.login_ranking:
        if kind in search.wanted:
            holders, _ = search.holders(Identity(kind, search.wanted[kind]))
            owners, _ = search.judge(holders)
            if owners:
                return (owners[0] if len(owners) == 1 else _break_tie(owners, search)[0]), kind
    return None
