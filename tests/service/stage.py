"""Sets a resolver up over a real store that can be watched, held up and told to fail."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from knownas.core.identity.decision import Created, Modified, Returned, Seeded
from knownas.core.identity.kinds import Identity, IdentityType, identities, identity
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    SeedRequest,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.decisions import Decisions
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Answer, Question, Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.profile.profiles import Profiles
from knownas.service.security.directory import Directory
from knownas.store.errors import StoreError
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Activity, Commit, CommitOutcome, LogEntry, Pool, Snapshot, Store, Wanted
from tests.core.pool import Change
from tests.core.pool import rules as policy_of
from tests.store.world import EVERYTHING, START_MS, RepeatingChance
from tests.waiting import until

SCOPE = "shop"
PRODUCTION = Pool(SCOPE, "production")
DEVELOPMENT = Pool(SCOPE, "development")
PATIENCE_SECONDS = 10


class Watched:
    """Passes everything on to a real store, counts the round trips, and fails or waits where it is told to."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.loads = self.glances = self.commits = 0
        self.touches: list[Activity] = []
        self.refusal: StoreError | None = None
        """What each write fails with, while it is set."""
        self.before_commit: Callable[[], Awaitable[object]] | None = None
        """Is done once, between the next load and its commit."""
        self.open = asyncio.Event()
        """Loads wait until it is set."""
        self.open.set()

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        self.loads += 1
        await self.open.wait()
        return await self.store.load(wanted)

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        self.glances += 1
        await self.open.wait()
        return await self.store.sole_holders(wanted)

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        self.commits += 1
        if self.refusal is not None:
            raise self.refusal
        first, self.before_commit = self.before_commit, None
        if first is not None:
            await first()
        return await self.store.commit(snapshot, commit)

    async def touch(self, activities: Sequence[Activity]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.touches += activities
        await self.store.touch(activities)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def forget_counts(self) -> None:
        """Count from here on."""
        self.loads = self.glances = self.commits = 0


class Stage:
    """A resolver over a watched store, and one scope with its rules."""

    def __init__(self, store: Store | None = None, policy: Policy | None = None, *, seed: int = 1) -> None:
        self.store = Watched(store)
        self.rules = Rules(SCOPE, policy or policy_of())
        self.chance = RepeatingChance(seed)
        self.recent = RecentDecisions()
        self.activity = ActivityMemory()
        self.resolver = Resolver(self.store, self.chance, self.recent, self.activity)
        self.decisions = Decisions(self.store, self.recent, self.resolver)
        self.directory = Directory([self.rules], [])
        self.profiles = Profiles(self.store, self.directory, self.resolver, self.activity)
        self.now_ms = START_MS

    async def start(self) -> "Stage":
        """Keep the policy in the store, as a server does when it starts."""
        await policy_in_force(self.store, SCOPE, self.rules.policy, START_MS)
        return self

    def ask(
        self,
        endpoint: Endpoint = Endpoint.IDENTIFY,
        /,
        environment: Environment = Environment.PRODUCTION,
        previous: int | None = None,
        **named: str,
    ) -> Question:
        """Return a question one millisecond later than the last, identities by their IDSync names."""
        return self.rules.ask(self.request(endpoint, environment, previous, **named))

    def request(
        self,
        endpoint: Endpoint = Endpoint.IDENTIFY,
        /,
        environment: Environment = Environment.PRODUCTION,
        previous: int | None = None,
        **named: str,
    ) -> IdentityRequest:
        """Return a request for identities, one millisecond later than the last."""
        self.now_ms += 1
        given = identities({IdentityType(name): value for name, value in named.items()})
        return IdentityRequest(endpoint, self.now_ms, environment, "test", given, previous)

    def modify(self, mpid: int, *changes: Change) -> Question:
        """Return a question that modifies a profile: (type, old value, new value) each."""
        self.now_ms += 1
        listed = tuple(IdentityChange(IdentityType(name), old, new) for name, old, new in changes)
        return self.rules.ask(ModifyRequest(self.now_ms, Environment.PRODUCTION, "test", mpid, listed))

    def seed(
        self, *pairs: tuple[str, str], mpid: int | None = None, environment: Environment = Environment.PRODUCTION
    ) -> SeedRequest:
        """Return a request to bring a profile over."""
        self.now_ms += 1
        listed = tuple(identity(IdentityType(name), value) for name, value in pairs)
        return SeedRequest(self.now_ms, environment, "test", mpid, listed)

    async def answer(self, question: Question) -> Answer:
        """Ask one question."""
        return await asyncio.wait_for(self.resolver.answer(question), PATIENCE_SECONDS)

    async def together(self, *questions: Question) -> list[Answer | BaseException]:
        """Ask several questions at once, so that they are in flight together."""
        waiting = [self.resolver.submit(question) for question in questions]
        return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE_SECONDS)

    async def log(self, pool: Pool = PRODUCTION) -> Sequence[LogEntry]:
        """Return the whole log of a pool."""
        return await self.store.log(pool, 0, EVERYTHING)

    async def flushed(self) -> None:
        """Wait until nothing that was put off is left to be written down."""

        async def nothing_is_due() -> bool:
            return not (self.resolver._captured or self.activity.due or self.resolver._task is not None)

        await until(nothing_is_due, PATIENCE_SECONDS)


def mpid_of(answer: Answer | BaseException) -> int:
    """Return the profile that an answer names."""
    assert isinstance(answer, Answer), repr(answer)
    outcome = answer.decision.outcome
    assert isinstance(outcome, Created | Returned | Modified | Seeded), outcome
    return outcome.mpid


def held(values: Mapping[IdentityType, tuple[str, ...]]) -> dict[str, list[str]]:
    """Return values by the names of their types."""
    return {kind.value: list(of_kind) for kind, of_kind in values.items()}
