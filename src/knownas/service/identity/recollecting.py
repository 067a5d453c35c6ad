"""Finds out what the records were when a logged decision was made, as far as that decision and others like it need.

The receipt names who held the identities that were looked up, and the log says when those it met were last active. Who
held the others is searched: who holds them now, and who has lost them since, as the log's later lines tell. The
history of each profile so found tells what it held then. Each search has a limit; beyond it the answer is "untold",
never a guess.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from knownas.core.history.rebuild import PastDecision, rebuilt
from knownas.core.history.recollection import Recollection, Untold
from knownas.core.identity.decision import Change, ChangeKind, Decision
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction, IdentityRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.service.identity.log_form import decision_from, erased_in, observation_from, value_bytes
from knownas.service.identity.question import Rules
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import (
    HISTORY_LINES_RECOLLECTED_MAX,
    LATER_LINES_READ_MAX,
    LATER_LINES_SECONDS,
    PAGE_MAX,
    PROFILES_RECOLLECTED_MAX,
)
from knownas.store.port import LogEntry, Store, Wanted


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A line of the log, read, with all versions of its scope's policy."""

    entry: LogEntry
    observation: Observation
    decision: Decision
    policies: Mapping[int, Policy]

    @property
    def policy(self) -> Policy:
        """The version that it was decided under."""
        return self.policies[self.entry.policy_version]

    @property
    def may_create(self) -> bool:
        """Whether a profile might be made for it."""
        return not isinstance(self.observation, IdentityRequest) or self.observation.may_create

    def wanted(self) -> Wanted:
        """Say what the decision needed to see."""
        rules = Rules(self.entry.pool.scope, self.policy)
        return rules.ask(self.observation).wanted()._replace(pool=self.entry.pool)


class Recollecting:
    """Rebuilds records of past moments, in part."""

    def __init__(self, store: Store, resolver: Resolver) -> None:
        self._store = store
        self._resolver = resolver

    async def before(self, line: LoggedDecision) -> Recollection | Untold:
        """Return the records that a logged decision was made over, all that leaving out an identity could need.

        Raises:
            StoreError: the store does not answer.
        """
        wanted = line.wanted()
        steps = {step.identity: step for step in line.decision.receipt.steps}
        unseen = [one for one in wanted.identities if one not in steps]
        met = {mpid for step in steps.values() for mpid in (*step.returnable, *(one.mpid for one in step.rejected))}
        met.update(wanted.mpids)
        untold: dict[Identity, Untold] = {}
        if unseen:
            untold = await self._holders(line, wanted, unseen, met)
        records = await self._rebuilt(line, met)
        if records is None:
            return Untold.TOO_LONG_A_HISTORY
        for one in unseen:
            if sum(record.holds(one) for record in records) > HOLDERS_CONSIDERED_MAX:
                untold.setdefault(one, Untold.CROWDED)
        crowded = [one for one, step in steps.items() if step.more]
        observation = line.observation
        recency = observation.recency if isinstance(observation, IdentityRequest) else ()
        return Recollection(records, recency, crowded=crowded, untold=untold)

    async def _holders(
        self, line: LoggedDecision, wanted: Wanted, unseen: Sequence[Identity], met: set[int]
    ) -> dict[Identity, Untold]:
        """Add to those met whoever can have held the unseen identities then; returns those it can't be told of."""
        now = await self._resolver.look(wanted._replace(identities=unseen, mpids=()))
        untold: dict[Identity, Untold] = {}
        for one in unseen:
            holders = now.holders(one)
            met.update(holders.mpids)
            if holders.more:
                untold[one] = Untold.CROWDED
        met.update(_losers(line.decision.changes, unseen))
        # Read after looking: whoever was not there any more has lost it in a line that is there by now.
        after_seq, pool = line.entry.seq, line.entry.pool
        values = [value_bytes(one.value) for one in unseen]
        loop = asyncio.get_running_loop()
        until = loop.time() + LATER_LINES_SECONDS
        for _ in range(0, LATER_LINES_READ_MAX, PAGE_MAX):
            page = await self._store.log(pool, after_seq, PAGE_MAX)
            for entry in page:
                erased = erased_in(entry.observation)
                if erased is not None:
                    # What it held is not told, so it may have held any of them.
                    met.add(erased)
                # Few lines are about one of these values; only those are read whole.
                if any(value in entry.decision for value in values):
                    met.update(_losers(decision_from(entry.decision).changes, unseen))
            if len(page) < PAGE_MAX:
                return untold
            after_seq = page[-1].seq
            await asyncio.sleep(0)
            if loop.time() > until:
                break
        return dict.fromkeys(unseen, Untold.TOO_MUCH_SINCE) | untold

    async def _rebuilt(self, line: LoggedDecision, mpids: Collection[int]) -> list[Record] | None:
        """Return the records of profiles as they were before the line; None if that is too much to read."""
        if len(mpids) > PROFILES_RECOLLECTED_MAX:
            return None
        records: list[Record] = []
        left = HISTORY_LINES_RECOLLECTED_MAX
        for mpid in sorted(mpids):
            history: list[PastDecision] = []
            after_seq, more = 0, True
            while more:
                if left <= 0:
                    return None
                limit = min(left, PAGE_MAX)
                page = await self._store.history(mpid, after_seq, limit)
                left -= max(1, len(page))
                before = [entry for entry in page if entry.seq < line.entry.seq and entry.pool == line.entry.pool]
                # Lines that changed nothing of the profile are kept under it too.
                history += (_past(entry, line.policies) for entry in before if mpid in entry.touched)
                more = len(before) == limit
                after_seq = page[-1].seq if page else 0
            record = rebuilt(mpid, history)
            if record is not None:
                records.append(record)
        return records


def _losers(changes: Iterable[Change], unseen: Collection[Identity]) -> Iterator[int]:
    """Yield the profiles that lost one of the identities by these changes."""
    for change in changes:
        if change.identity in unseen:
            if change.kind is ChangeKind.REMOVED:
                yield change.mpid
            elif change.from_mpid is not None:
                yield change.from_mpid


def _past(entry: LogEntry, policies: Mapping[int, Policy]) -> PastDecision:
    observation = observation_from(entry.observation)
    became = observation.records if isinstance(observation, Correction) else ()
    return PastDecision(entry.at_ms, policies[entry.policy_version], decision_from(entry.decision), became)
