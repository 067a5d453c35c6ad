"""A server without its HTTP surface: a resolver over a store, led through a history, and what came of it."""

import asyncio
from collections.abc import Iterable
from itertools import count
from random import Random

from knownas.core.history.fold import fold
from knownas.core.identity.kinds import identities
from knownas.core.identity.observation import IdentityChange, IdentityRequest, ModifyRequest, Observation, SeedRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policies_of, policy_in_force
from knownas.service.identity.question import Answer, Question, Rules
from knownas.service.identity.receipts import RecentDecisions, log_entry, logged
from knownas.service.identity.resolver import Resolver
from knownas.store.port import LogEntry, Pool, Store
from tests.store.histories import Ask, Call, Flush, Mode, Modify, Restart, Seed, Step, Together

START_MS = 1_700_000_000_000
EVERYTHING = 1_000_000


class RepeatingChance:
    """Gives out the same ids for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._numbers = count(1)

    def fresh_mpid(self) -> int:
        return self._random.getrandbits(62) + 1

    def decision_id(self, at_ms: int) -> str:
        return f"{at_ms:012x}{next(self._numbers):020x}"


class World:
    """A resolver over a store, its time, and the profiles it has answered with."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.chance = RepeatingChance(seed)
        self.now_ms = START_MS
        self.mpids: list[int] = []
        self.homes: dict[int, Pool] = {}
        self.answers: list[LogEntry] = []

    async def start(self, policies: dict[str, Policy]) -> None:
        """Start the server, which remembers nothing but what the store has kept."""
        self.rules = {
            scope: Rules(scope, await policy_in_force(self.store, scope, rules, self.now_ms))
            for scope, rules in policies.items()
        }
        self.resolver = Resolver(self.store, self.chance, RecentDecisions(), ActivityMemory())

    async def play(self, steps: Iterable[Step]) -> None:
        """Lead the server through a history and keep its answers."""
        for step in steps:
            match step:
                case Together(calls):
                    questions = [self.question(call) for call in calls]
                    answers = await asyncio.gather(*(self.resolver.answer(question) for question in questions))
                    for answer in answers:
                        self.note(answer)
                case Flush():
                    await self.flush()
                case Restart(policies):
                    await self.resolver.close()
                    await self.start(policies)
                case _:
                    self.note(await self.resolver.answer(self.question(step)))
        await self.resolver.close()

    async def flush(self) -> None:
        """Let the server write down what it has put off."""
        self.resolver._make_flush_due()
        while self.resolver._task is not None:
            await asyncio.wait((self.resolver._task,))

    def question(self, call: Call) -> Question:
        """Turn a drawn call into a question."""
        rules = self.rules[call.where.scope]
        self.now_ms += call.where.wait_ms
        mode = call.mode if isinstance(call, Ask) else Mode.NORMAL
        observation = self.observation(call)
        return rules.ask(observation, may_create=mode is Mode.NORMAL, writes=mode is not Mode.READ_ONLY)

    def observation(self, call: Call) -> Observation:
        """Turn a drawn call into an observation."""
        environment = call.where.environment
        match call:
            case Ask():
                held = identities(dict(call.identities))
                return IdentityRequest(call.endpoint, self.now_ms, environment, "test", held, self.mpid(call.previous))
            case Modify():
                changes = tuple(IdentityChange(*change) for change in call.changes)
                mpid = self.mpid(call.who) or 404
                return ModifyRequest(self.now_ms, environment, "test", mpid, changes, call.may_move_unique)
            case Seed():
                # Whoever names an MPID of another pool is refused before the resolver is asked (`Profiles.seed`).
                pool = self.rules[call.where.scope].pool(environment)
                here = [mpid for mpid in self.mpids if self.homes[mpid] == pool]
                mpid = None if call.who is None or not here else here[call.who % len(here)]
                return SeedRequest(self.now_ms, environment, "test", mpid, call.identities)

    def mpid(self, number: int | None) -> int | None:
        """Return one of the MPIDs answered so far."""
        return None if number is None or not self.mpids else self.mpids[number % len(self.mpids)]

    def note(self, answer: Answer) -> None:
        """Keep an answer with its whole receipt, and the profile it named."""
        self.answers.append(log_entry(answer))
        mpid = getattr(answer.decision.outcome, "mpid", None)
        if mpid is not None and mpid not in self.homes:
            self.mpids.append(mpid)
            self.homes[mpid] = answer.question.pool


async def records_in(store: Store, pool: Pool) -> dict[int, Record]:
    """Return all records of a pool, without their versions, which are the store's own affair."""
    return {one.mpid: one._replace(version=0) for one in await store.records(pool, None, EVERYTHING)}


async def fold_differs(store: Store, pool: Pool) -> list[str]:
    """Fold a pool's log from empty and say where that differs from the records.

    Activity moved by visits that changed nothing is not in the log: the records may be later than the fold.
    """
    lines = [logged(entry) for entry in await store.log(pool, 0, EVERYTHING)]
    folded = {one.mpid: one for one in fold(lines, await policies_of(store, pool.scope))}
    there = await records_in(store, pool)
    differences = [f"{mpid}: only in the fold or the records" for mpid in folded.keys() ^ there.keys()]
    for mpid in folded.keys() & there.keys():
        was, now = folded[mpid]._replace(version=0), there[mpid]
        if was.active_ms > now.active_ms or was._replace(active_ms=now.active_ms) != now:
            differences.append(f"{mpid}: folded {was}, kept {now}")
    return differences
