"""Sets up servers that watch for toxic values over one store, and plays visits at them."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Capture, Settings, Strategy, policy
from knownas.core.identity.toxic_limits import MetLimits, ToxicLimit, ToxicMode, ToxicSettings
from knownas.service.history.correcting import Correcting
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Answer, screened_rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.security.directory import Directory
from knownas.service.toxic.deciding import ToxicIdentities
from knownas.service.toxic.list import ToxicValue
from knownas.service.toxic.watch import ToxicWatch
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool, Store
from tests.store.world import START_MS, RepeatingChance

SHOP = Pool("shop", "production")
EMAIL, STAMP = IdentityType.EMAIL, IdentityType.DEVICE_APPLICATION_STAMP
DESK = Identity(EMAIL, "frontdesk@hotel.example")
GUEST = Identity(EMAIL, "guest@example.com")


def settings(mode: ToxicMode = ToxicMode.QUARANTINE, **limits: ToxicLimit) -> ToxicSettings:
    """Return settings with some limits, by the types' IDSync names."""
    return ToxicSettings(mode, limits={IdentityType(name): limit for name, limit in limits.items()})


FEW_DEVICES = ToxicLimit(MetLimits(devices=4))


class Desk:
    """One server over a store, with one scope. Its clock stands still between visits."""

    def __init__(self, toxic: ToxicSettings, store: Store | None = None, *, seed: int = 1) -> None:
        self.store = store or MemoryStore()
        rules = policy(Strategy.BEST_MATCH, settings=Settings(toxic=toxic, capture=Capture.ALL))
        self.rules = screened_rules(SHOP.scope, rules)
        self.chance = RepeatingChance(seed)
        self.now_ms = START_MS
        self.resolver = Resolver(self.store, self.chance, RecentDecisions(), ActivityMemory())
        clock: Callable[[], int] = lambda: self.now_ms  # noqa: E731 - a clock in a line
        correcting = Correcting(self.store, Directory([self.rules], []), self.resolver, self.chance, clock)
        self.toxic = ToxicIdentities(self.store, {SHOP.scope: self.rules}, correcting, clock)
        self.watch = ToxicWatch(self.store, self.toxic, self.resolver, clock)

    async def start(self) -> "Desk":
        """Keep the policy, and take up what is on the list."""
        kept = await policy_in_force(self.store, SHOP.scope, self.rules.policy, START_MS)
        assert replace(kept, version=self.rules.policy.version) == self.rules.policy
        await self.toxic.following.take_up()
        return self

    async def visit(self, **named: str) -> Answer:
        """Let somebody visit, one millisecond after the last."""
        self.now_ms += 1
        given = identities({IdentityType(name): value for name, value in named.items()})
        request = IdentityRequest(Endpoint.IDENTIFY, self.now_ms, Environment.PRODUCTION, "test", given)
        return await self.resolver.answer(self.rules.ask(request))

    async def visits(self, numbers: Iterable[int], email: str = DESK.value) -> None:
        """Let people with a device and a number each be named with one address."""
        for number in numbers:
            await self.visit(mobile_number=f"+49301234{number:04}", device_application_stamp=f"d{number}", email=email)

    def listed(self, identity: Identity = DESK) -> ToxicValue | None:
        """Return a value as this server has it on the list."""
        return self.toxic.listed.find(SHOP, identity)
