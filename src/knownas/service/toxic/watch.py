"""Watches the log for values that meet more than a person would, while it grows, whoever writes it.

What is read of the log is a sieve's share: lines in which identities may have met that were known before. A visitor who is
new in everything, and a user who comes back, are not among them and cost nothing but the database's look.

Of each value of such a line, the records tell first how many it could have met at most. Hardly ever is that beyond a limit; then
its own lines are read and counted exactly (`core.history.meetings`), once, and kept in memory as long as there is room. Nothing is
kept in the store but the place in the log up to which all this was done, and the list of those that went beyond a limit.
So a watch that is killed, at whatever moment, reads some lines again, and comes to the same counts.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from knownas.core.history.meetings import Meetings, Naming, most_met, naming_of
from knownas.core.identity.decision import LookupEffect
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, ModifyRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records
from knownas.core.identity.toxic import unlike_a_person
from knownas.core.identity.toxic_limits import ToxicLimit, ToxicMode, ToxicReason
from knownas.service.history.subjects import subject_of
from knownas.service.identity.log_form import observation_from
from knownas.service.identity.question import Rules
from knownas.service.identity.resolver import Resolver
from knownas.service.kept_document import put
from knownas.service.lately import Lately
from knownas.service.limits import PAGE_MAX
from knownas.service.toxic.deciding import ToxicIdentities, is_watched
from knownas.service.toxic.list import Past, ToxicState, ToxicValue, toxic
from knownas.service.turns import Turns
from knownas.store.errors import StoreError
from knownas.store.port import LogEntry, Pool, Sieve, Store, Wanted

log: Final = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""The pause between two looks at the list, and at the log once all of it was read."""

SHARE_PAUSE_SECONDS: Final = 0.01
"""The pause between two shares of the log, in which requests are served."""

SHARE_LINES: Final = 1_000
"""Lines of the log that the database looks through at a time."""

GROUP_LINES: Final = 50
"""Lines whose records are loaded together, between two batches of requests."""

MARK_AFTER_MS: Final = 10_000
"""How often the place in the log is written down: so much is read again after a kill."""

TURN_MS: Final = 30_000
"""How long a process that ended without giving its turn back keeps the others from it."""

MEETINGS_KEPT: Final = 20_000
"""Values whose meetings are kept in memory; those of others are read from the log when they matter."""

HOLDERS_FOLLOWED_MAX: Final = 100
"""Profiles whose histories are read to count a value's meetings; one beyond is over its limits by then."""

LINES_FOLLOWED_MAX: Final = 2_000
"""Lines read of each of them, the newest of a longer history left out."""

_JOB: Final = "toxic"
_MARK: Final = "toxic-mark/"
_SIEVE: Final = Sieve(
    (f'["{Endpoint.LOGOUT}",'.encode(), f'["{Endpoint.SEED}",'.encode()),
    (f'"{LookupEffect.FIRST}"'.encode(), b'_required"'),
)
"""A logout and a profile that comes over look nobody up; others met somebody only if a lookup or a guard says so."""


class ToxicWatch:
    """The job that watches. One event loop, one of these. With `turns`, one process at a time reads the log."""

    def __init__(
        self,
        store: Store,
        identities: ToxicIdentities,
        resolver: Resolver,
        clock: Callable[[], int],
        turns: Turns | None = None,
    ) -> None:
        self._store = store
        self._identities = identities
        self._resolver = resolver
        self._clock = clock
        self._turns = turns
        self._meetings: Lately[tuple[Pool, Identity], Meetings] = Lately(MEETINGS_KEPT)
        self._most: dict[tuple[str, IdentityType], tuple[Policy, Mapping[IdentityType, int]]] = {}
        self._marks: dict[Pool, int] = {}
        self._marked: dict[Pool, bytes | None] = {}
        self._marked_ms = 0
        self._turn_until_ms = 0
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Watch from now on, until `close`; nothing is done where no scope wants it."""
        if any(is_watched(rules) for rules in self._identities.scopes.values()):
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Finish what is under way, and stop."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait((task,))

    async def catch_up(self) -> None:
        """Read the log to its end, and settle what that comes to.

        Raises:
            StoreError: the store does not work now; what was read is not lost.
        """
        await self._identities.following.take_up()
        await self._identities.following.tell_noted()
        while await self.look():
            pass
        await self._write_marks()
        await self._identities.settle_pending()

    async def look(self) -> bool:
        """Read the next share of each pool's log. Returns whether there was anything.

        Raises:
            StoreError: the store does not work now.
        """
        await self._strengthen()
        found = False
        for rules in self._identities.scopes.values():
            if is_watched(rules):
                for pool in rules.pools:
                    found = await self._look_at(rules, pool) or found
        return found

    async def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._stopping.is_set():
            try:
                pause = await self._step()
            except StoreError as error:
                log.warning("toxic values are looked for again later: %s", error)
                pause = LOOK_SECONDS
            except Exception:
                log.exception("toxic values are looked for again later")
                pause = LOOK_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
        with suppress(StoreError):
            await self._write_marks()
            if self._turns is not None:
                await self._turns.give_back(_JOB)

    async def _step(self) -> float:
        """Follow the list, and read a share of the log if it is our turn. Returns the pause after it, in seconds."""
        await self._identities.following.take_up()
        await self._identities.following.tell_noted()
        if not await self._has_turn():
            self._marks.clear()
            self._marked.clear()
            return LOOK_SECONDS
        found = await self.look()
        await self._identities.settle_pending()
        if self._clock() - self._marked_ms >= MARK_AFTER_MS:
            await self._write_marks()
        return SHARE_PAUSE_SECONDS if found else LOOK_SECONDS

    async def _has_turn(self) -> bool:
        """Whether it is our turn; taken again only when half of it is over, since taking it is a write."""
        now_ms = self._clock()
        if self._turns is None or now_ms < self._turn_until_ms - TURN_MS // 2:
            return True
        is_ours = await self._turns.take(_JOB, TURN_MS) is not None
        self._turn_until_ms = now_ms + TURN_MS if is_ours else 0
        return is_ours

    async def _strengthen(self) -> None:
        """Quarantine what was only watched before the policy asked for more."""
        identities = self._identities
        changes: list[ToxicValue] = []
        for rules in identities.scopes.values():
            if rules.policy.settings.toxic.mode is ToxicMode.QUARANTINE:
                for pool in rules.pools:
                    for one in identities.listed.of(pool, ToxicState.WATCHED):
                        value = toxic(pool, one.identity, ToxicState.QUARANTINED, one.reason, self._clock(), one.met)
                        changes.append(await identities.with_joined(value))
        await identities.following.tell(changes)

    async def _look_at(self, rules: Rules, pool: Pool) -> bool:
        mark = await self._mark(pool)
        share = await self._store.sift(pool, mark, SHARE_LINES, _SIEVE)
        for start in range(0, len(share.lines), GROUP_LINES):
            await self._count(rules, pool, share.lines[start : start + GROUP_LINES])
        self._marks[pool] = share.until_seq
        return share.until_seq > mark

    async def _count(self, rules: Rules, pool: Pool, lines: Sequence[LogEntry]) -> None:
        """Count what some lines name, and list what has gone beyond a limit."""
        told = [(entry, observation_from(entry.observation)) for entry in lines]
        values = dict.fromkeys(
            one for entry, said in told for one in naming_of(said).identities if self._matters(rules, pool, entry, one)
        )
        mpids = {said.mpid for _, said in told if isinstance(said, ModifyRequest)}
        if not values:
            return
        records = await self._resolver.look(Wanted(pool, list(values), list(mpids)))
        over: dict[Identity, ToxicValue] = {}
        histories: dict[int, Sequence[Naming]] = {}
        for _, said in told:
            naming = naming_of(said, _whose(said, records, rules))
            for one in naming.identities:
                if one in values and one not in over:
                    value = await self._judged(rules, pool, one, naming, records, histories)
                    if value is not None:
                        over[one] = await self._identities.with_joined(value)
        await self._identities.following.tell(list(over.values()))

    def _matters(self, rules: Rules, pool: Pool, entry: LogEntry, one: Identity) -> bool:
        """Whether a value that a line names is to be looked at: it may match, and nobody has judged it."""
        if one.type not in rules.policy.ranked or (rules.screen is not None and rules.screen.is_allowed(pool, one)):
            return False
        listed = self._identities.listed.find(pool, one)
        if listed is None:
            return True
        # Somebody who did not know of the list yet has let it count again.
        return listed.state is ToxicState.QUARANTINED and listed.past is Past.CORRECTED and entry.seq > listed.seq

    async def _judged(
        self,
        rules: Rules,
        pool: Pool,
        one: Identity,
        naming: Naming,
        records: Records,
        histories: dict[int, Sequence[Naming]],
    ) -> ToxicValue | None:
        """Return a value as it is to be listed after a line that names it; None if it is a person's for all we know."""
        settings, policy = rules.policy.settings.toxic, rules.policy
        state = ToxicState.QUARANTINED if settings.mode is ToxicMode.QUARANTINE else ToxicState.WATCHED
        listed, now_ms = self._identities.listed.find(pool, one), self._clock()
        if listed is not None:
            return toxic(pool, one, listed.state, listed.reason, now_ms, listed.met)
        limit = settings.limit(one.type)
        looks_toxic = settings.patterns and unlike_a_person(one) is not None
        scopes = await self._scopes_of(pool, one, limit)
        meetings = self._meetings.find((pool, one))
        if meetings is None:
            if not looks_toxic and scopes == 1 and not could_exceed(one, records, self._most_met(rules, one.type)):
                return None
            meetings = await self._gathered(pool, one, records, histories, rules)
            self._meetings.note((pool, one), meetings)
        meetings.add(naming)
        reason = ToxicReason.PATTERN if looks_toxic else meetings.excess(limit, policy)
        if reason is None and limit.in_all.scopes is not None and scopes > limit.in_all.scopes:
            reason = ToxicReason.SCOPES
        if reason is None:
            return None
        return toxic(pool, one, state, reason, now_ms, meetings.met(policy)._replace(scopes=scopes))

    def _most_met(self, rules: Rules, kind: IdentityType) -> Mapping[IdentityType, int]:
        key, policy = (rules.scope, kind), rules.policy
        found = self._most.get(key)
        if found is None or found[0] is not policy:
            found = self._most[key] = policy, most_met(kind, policy)
        return found[1]

    async def _scopes_of(self, pool: Pool, one: Identity, limit: ToxicLimit) -> int:
        """Return in how many scopes a value is held, as far as that is limited."""
        most = limit.in_all.scopes
        scopes = self._identities.scopes
        if most is None or len(scopes) <= most:
            return 1
        others = [Pool(scope, pool.environment) for scope in scopes if scope != pool.scope]
        return 1 + sum([bool(await self._store.holders(other, one, 1)) for other in others])

    async def _gathered(
        self, pool: Pool, one: Identity, records: Records, histories: dict[int, Sequence[Naming]], rules: Rules
    ) -> Meetings:
        """Count a value's meetings from its own lines: those of its holders, and those that are kept under it."""
        meetings = Meetings(one)
        holders = dict.fromkeys(records.holders(one).mpids)
        holders.update(dict.fromkeys(await self._store.holders(pool, one, HOLDERS_FOLLOWED_MAX)))
        for subject in (*holders, subject_of(pool, one)):
            if subject not in histories:
                histories[subject] = await self._namings_of(subject, pool, records, rules)
            for naming in histories[subject]:
                meetings.add(naming)
        return meetings

    async def _namings_of(self, subject: int, pool: Pool, records: Records, rules: Rules) -> Sequence[Naming]:
        """Return what the lines of a history name that changed something, the oldest first."""
        found: list[Naming] = []
        after = read = 0
        while read < LINES_FOLLOWED_MAX and (page := await self._store.history(subject, after, PAGE_MAX)):
            after, read = page[-1].seq, read + len(page)
            for entry in page:
                if entry.touched and entry.pool == pool:
                    said = observation_from(entry.observation)
                    found.append(naming_of(said, _whose(said, records, rules)))
        return found

    async def _mark(self, pool: Pool) -> int:
        if pool not in self._marks:
            kept = await self._store.kept(_name(pool))
            self._marked[pool] = kept
            self._marks[pool] = 0 if kept is None else msgspec.json.decode(kept, type=int)
        return self._marks[pool]

    async def _write_marks(self) -> None:
        """Write down how far each pool's log was read; whoever was faster there keeps their mark."""
        self._marked_ms = self._clock()
        for pool, seq in self._marks.items():
            before, after = self._marked.get(pool), msgspec.json.encode(seq)
            if before == after or not seq:
                continue
            name = _name(pool)
            is_ours = await put(self._store, name, before, after)
            self._marked[pool] = after if is_ours else await self._store.kept(name)


def could_exceed(one: Identity, records: Records, most: Mapping[IdentityType, int]) -> bool:
    """Whether the profiles that hold a value hold so many of a type (`most_met`) that it may be over a limit."""
    holders, found = records.considered(one)
    if holders.more:
        return True
    counted: dict[IdentityType, int] = {}
    for record in found:
        for kind, values in record.identities.items():
            if kind in most:
                # One that several hold counts twice here; then its lines tell.
                counted[kind] = counted.get(kind, 0) + len(values)
                if counted[kind] > most[kind]:
                    return True
    return False


def _whose(said: Observation, records: Records, rules: Rules) -> tuple[Identity, ...]:
    """Return the login IDs of the profile that a modify names."""
    record = records.record(said.mpid) if isinstance(said, ModifyRequest) else None
    if record is None:
        return ()
    held: Mapping[IdentityType, Sequence[str]] = record.identities
    return tuple(Identity(kind, value) for kind in rules.policy.login_types for value in held.get(kind, ()))


def _name(pool: Pool) -> str:
    return f"{_MARK}{pool.scope}/{pool.environment}"
