"""Sets aliasing up over a real store with a clock that the test moves, and profiles with a past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from knownas.config.values import (
    Account,
    AliasSettings,
    Configuration,
    Input,
    InputPlatform,
    Organization,
    RateLimits,
    Scope,
    Secret,
    Workspace,
    WorkspaceSettings,
)
from knownas.core.identity.decision import Seeded
from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Environment, SeedRequest
from knownas.core.identity.policy import Strategy, policy
from knownas.core.profile.alias import AliasRequest
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Channel, Event, EventBatch
from knownas.core.profile.section import Section, fold
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.aliasing import Aliasing
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.profile.kept_batches import batch_write, shown_document
from knownas.service.profile.sections import read, written
from knownas.service.security.directory import Directory, Door, open_directory
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.user_data import SectionKey, SectionWrite, StoredEvents, UserDataCommit
from tests.store.world import START_MS, RepeatingChance

DAY = 86_400_000
PRODUCTION, DEVELOPMENT = Environment.PRODUCTION, Environment.DEVELOPMENT
SHOP, TV, OTHER = 100, 200, 300
SECRET = "secret-for-tests"
AT_ONCE = AliasSettings(provisioned=True, delay_hours=0)


def configuration(
    strategy: Strategy = Strategy.PROFILE_LINK, settings: AliasSettings | None = None, limits: RateLimits | None = None
) -> Configuration:
    """Return two workspaces that share a scope, and one with a scope of its own; inputs are keyed by workspace."""
    made = WorkspaceSettings(settings or AliasSettings(provisioned=True))

    def workspace(number: int, scope: str) -> Workspace:
        app = Input("app", InputPlatform.WEB, None, f"key-{number}", Secret(SECRET), limits=limits or RateLimits())
        return Workspace(number, scope, scope, f"ws-{number}", Secret(SECRET), (app,), made)

    workspaces = (workspace(SHOP, "family"), workspace(TV, "family"), workspace(OTHER, "other"))
    scopes = (Scope("family", policy(strategy)), Scope("other", policy(strategy)))
    return Configuration(scopes=scopes, organization=Organization(accounts=(Account(10, "Retail", workspaces),)))


@dataclass
class AliasStage:
    """A store with profiles in it, and aliasing at work over it."""

    store: Store = field(default_factory=MemoryStore)
    configuration: Configuration = field(default_factory=configuration)
    now_ms: int = START_MS
    made: int = 0
    chance: RepeatingChance = field(default_factory=lambda: RepeatingChance(1))

    async def open(self) -> "AliasStage":
        """Start the server, which remembers nothing but what the store has kept."""
        self.directory: Directory = await open_directory(self.configuration, self.store, self.now_ms)
        self.aliasing = Aliasing(self.store, self.clock)
        return self

    def clock(self) -> int:
        """Return the time."""
        return self.now_ms

    def door(self, workspace: int = SHOP) -> Door:
        """Return the input of a workspace."""
        door = self.directory.door(f"key-{workspace}")
        assert door is not None
        return door

    async def profile(
        self,
        workspace: int = SHOP,
        environment: Environment = PRODUCTION,
        held: Mapping[IdentityType, str] | None = None,
    ) -> int:
        """Make a profile that holds these identities, and return its MPID."""
        resolver = Resolver(self.store, self.chance, RecentDecisions(), ActivityMemory())
        request = SeedRequest(self.now_ms, environment, "test", None, identities(held or {}))
        answer = await resolver.answer(self.door(workspace).rules.ask(request))
        await resolver.close()
        assert isinstance(answer.decision.outcome, Seeded)
        return answer.decision.outcome.mpid

    async def visit(
        self, mpid: int, *at_ms: int, stamp: str | None = None, brought: str | None = None, workspace: int = SHOP
    ) -> None:
        """Keep a batch of a user's events of these times, the way a batch that arrives is kept."""
        events = tuple(Event("custom_event", one, None, {"event_name": f"e{one}"}) for one in at_ms)
        device = stamp and Device(stamp, "web", {}, {}, self.now_ms, self.now_ms)
        attribution = None if brought is None else Attribution(brought, "campaign", self.now_ms)
        batch = EventBatch(
            PRODUCTION,
            self.now_ms,
            "app",
            Channel.SERVER,
            attributes={"visitor": mpid},
            device=device or None,
            attribution=attribution,
            events=events,
        )
        key = SectionKey(workspace, PRODUCTION.value, mpid)
        data = self.store.user_data
        stored = (await data.load([key])).sections.get(key)
        section = fold(None if stored is None else read(stored), batch).section
        write = SectionWrite(key, None if stored is None else stored.version, written(section), section.last_seen_ms)
        assert await data.commit(UserDataCommit(sections=[write], events=[batch_write(key, batch)]))

    async def with_past(self) -> tuple[int, int]:
        """Return a source that was seen on three of the last days, and a destination that was seen today."""
        source = await self.profile()
        for days in (3, 2, 1):
            await self.visit(source, self.now_ms - days * DAY, stamp="phone", brought="ads")
        destination = await self.profile()
        await self.visit(destination, self.now_ms - 1)
        return source, destination

    def alias(self, source: int, destination: int, request_id: str | None = None, **members: Any) -> AliasRequest:
        """Return a request under a fresh id, or the one given."""
        self.made += 1
        name = request_id or f"request-{self.made}"
        return AliasRequest(name, members.pop("environment", PRODUCTION), source, destination, **members)

    async def ask(self, source: int, destination: int, request_id: str | None = None, **members: Any) -> str:
        """Make a request that is accepted, and return its id."""
        request = self.alias(source, destination, request_id, **members)
        outcome = await self.aliasing.request(self.door(), request)
        assert type(outcome).__name__ == "Queued", outcome
        return request.request_id

    async def run(self, after_ms: int = DAY) -> int:
        """Let time pass, and settle what is due then."""
        self.now_ms += after_ms
        return await self.aliasing.run_due(self.now_ms)

    async def state(self, request_id: str) -> tuple[str, str | None]:
        """Return what has become of a request, and why."""
        document = await self.aliasing.show(request_id)
        assert document is not None
        reason = document["reason"]
        return str(document["state"]), None if reason is None else str(reason)

    async def section(self, mpid: int, workspace: int = SHOP) -> Section | None:
        """Return what a workspace knows of a profile."""
        key = SectionKey(workspace, PRODUCTION.value, mpid)
        stored = (await self.store.user_data.load([key])).sections.get(key)
        return None if stored is None else read(stored)

    async def kept(self, mpid: int, workspace: int = SHOP) -> Sequence[StoredEvents]:
        """Return the batches of events that are kept of a profile."""
        key = SectionKey(workspace, PRODUCTION.value, mpid)
        found = await self.store.user_data.events(key, from_ms=0, to_ms=2**62, after_seq=0, limit=1_000_000)
        return [one for one in found if shown_document(one.document) is not None]

    async def times(self, mpid: int, workspace: int = SHOP) -> list[int]:
        """Return when the events that are kept of a profile happened."""
        return sorted(
            event["at_ms"]
            for one in await self.kept(mpid, workspace)
            for event in msgspec.json.decode(one.document)["events"]
        )


async def opened(make: Callable[[], Any] = MemoryStore, **settings: Any) -> AliasStage:
    """Open a stage over a store that is made for it."""
    return await AliasStage(make(), configuration(**settings)).open()
