"""Finds the one profile that a request's identities lead to: steps 4 and 5 of the algorithm (idsync §3.2).

The lookup walks the policy's ranking. The first type with hits gives the candidates; each later type can only
narrow them, and one that matches nobody among them is ignored. It stops as soon as one candidate is left. If
several remain after the last type, the policy's tie-break decides: the previous MPID, then the most recently
active profile, then the smallest MPID.

Known beats anonymous: if the winner is anonymous although a login ID of the request belongs to a known profile
that may be returned, that profile wins. This matters only where a device type outranks a login type.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knownas.core.identity.decision import DecidedBy, LookupEffect, LookupStep, Rejection
from knownas.core.identity.guards import Wanted, guard_against
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Recency
from knownas.core.identity.policy import Policy, TieBreak
from knownas.core.identity.record import Record, is_known
from knownas.core.identity.records import Records


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup came to: the steps, the winner if any, and the rule that chose it."""

    steps: tuple[LookupStep, ...]
    record: Record | None
    decided_by: DecidedBy
    decided_at: IdentityType | None = None
    recency: Recency = ()


@dataclass(frozen=True, slots=True)
class _View:
    """The profiles a request can see: all considered holders of its identities, each judged once."""

    records: Sequence[Record]
    verdicts: Sequence[Rejection | None]
    crowded: frozenset[Identity]


def look_up(
    wanted: Wanted, policy: Policy, records: Records, previous_mpid: int | None, *, searching: bool = False
) -> Found:
    """Find the profile for the wanted identities; see the module's theory.

    Costs time in proportion to the considered holders, of which there are at most 20 an identity.
    """
    looked_up = [Identity(kind, wanted[kind]) for kind in policy.ranking if kind in wanted]
    view = _view(looked_up, wanted, policy, records, previous_mpid, searching=searching)
    steps: list[LookupStep] = []
    candidates: list[Record] = []
    for one in looked_up:
        step, candidates = _step(one, view, candidates)
        steps.append(step)
        if len(candidates) == 1:
            break
    if not candidates:
        return Found(tuple(steps), None, DecidedBy.NO_CANDIDATE)
    recency: Recency = ()
    if len(candidates) > 1 or view.crowded:
        recency = tuple(sorted((record.mpid, records.active_ms(record)) for record in view.records))
    chosen, decided_by = _break_tie(candidates, policy, records, previous_mpid)
    decided_at = steps[-1].identity.type
    if not is_known(chosen.identities, policy):
        known = _known_owner(wanted, policy, view, records, previous_mpid)
        if known is not None:
            return Found(tuple(steps), known[0], DecidedBy.KNOWN_BEATS_ANONYMOUS, known[1], recency)
    return Found(tuple(steps), chosen, decided_by, decided_at, recency)


def _view(
    looked_up: Iterable[Identity],
    wanted: Wanted,
    policy: Policy,
    records: Records,
    previous_mpid: int | None,
    *,
    searching: bool,
) -> _View:
    seen: dict[int, Record] = {}
    crowded: list[Identity] = []
    for one in looked_up:
        holders = records.holders(one)
        for mpid in holders.mpids:
            if mpid not in seen:
                record = records.record(mpid)
                if record is not None:
                    seen[mpid] = record
        if holders.more:
            crowded.append(one)
    if crowded and previous_mpid is not None and previous_mpid not in seen:
        # The previous profile may be one of the many holders that a crowded lookup leaves out.
        previous = records.record(previous_mpid)
        if previous is not None and any(previous.holds(one) for one in crowded):
            seen[previous_mpid] = previous
    ordered = [seen[mpid] for mpid in sorted(seen)] if len(seen) > 1 else list(seen.values())
    verdicts: list[Rejection | None] = []
    for record in ordered:
        guard = guard_against(record, wanted, policy, searching=searching)
        verdicts.append(None if guard is None else Rejection(record.mpid, guard))
    return _View(ordered, verdicts, frozenset(crowded))


def _step(one: Identity, view: _View, candidates: list[Record]) -> tuple[LookupStep, list[Record]]:
    """Look one identity up and narrow the candidates by it."""
    hits: list[Record] = []
    rejected: list[Rejection] = []
    for record, rejection in zip(view.records, view.verdicts, strict=True):
        if record.holds(one):
            if rejection is None:
                hits.append(record)
            else:
                rejected.append(rejection)
    if not hits:
        effect, left = LookupEffect.NONE, candidates
    elif not candidates:
        effect, left = LookupEffect.FIRST, hits
    else:
        both = [record for record in candidates if record in hits]
        effect, left = (LookupEffect.NARROWED, both) if both else (LookupEffect.KEPT, candidates)
    step = LookupStep(
        identity=one,
        returnable=tuple(record.mpid for record in hits),
        rejected=tuple(rejected),
        more=one in view.crowded,
        effect=effect,
        left=tuple(record.mpid for record in left),
    )
    return step, left


def _break_tie(
    candidates: Sequence[Record], policy: Policy, records: Records, previous_mpid: int | None
) -> tuple[Record, DecidedBy]:
    """Pick one of the candidates, of which there is at least one; idsync §7-9."""
    left = list(candidates)
    if len(left) == 1:
        return left[0], DecidedBy.LAST_CANDIDATE
    for rule in policy.settings.tie_break:
        match rule:
            case TieBreak.PREVIOUS_MPID:
                fitting = [record for record in left if record.mpid == previous_mpid]
                decided_by = DecidedBy.PREVIOUS_MPID
            case TieBreak.MOST_RECENT:
                latest = max(records.active_ms(record) for record in left)
                fitting = [record for record in left if records.active_ms(record) == latest]
                decided_by = DecidedBy.MOST_RECENT
            case TieBreak.SMALLEST_MPID:
                fitting = [min(left, key=lambda record: record.mpid)]
                decided_by = DecidedBy.SMALLEST_MPID
        left = fitting or left
        if len(left) == 1:
            return left[0], decided_by
    raise AssertionError("a valid policy ends its tie-break with smallest_mpid")


def _known_owner(
    wanted: Wanted, policy: Policy, view: _View, records: Records, previous_mpid: int | None
) -> tuple[Record, IdentityType] | None:
    """Find the returnable known profile of the highest login ID of the request; step 5."""
    for kind in policy.login_ranking:
        if kind in wanted:
            one = Identity(kind, wanted[kind])
            owners = [
                record
                for record, rejection in zip(view.records, view.verdicts, strict=True)
                if rejection is None and record.holds(one)
            ]
            if owners:
                return _break_tie(owners, policy, records, previous_mpid)[0], kind
    return None
