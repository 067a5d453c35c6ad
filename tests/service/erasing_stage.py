"""Opens a service with two workspaces of one scope and one of another, on a clock that the test moves, to erase people."""

from dataclasses import dataclass, field
from hashlib import sha256

from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.privacy.request import Encoding, Subject, SubjectIdentity
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.directory import Door, Place
from knownas.service.ingest import Arrival, Receipted
from knownas.service.question import Answer
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import LogEntry, Pool, Store
from tests.config.texts import read
from tests.store.world import EVERYTHING, START_MS, RepeatingChance

PRODUCTION, DEVELOPMENT = Environment.PRODUCTION, Environment.DEVELOPMENT
SHOP, APP, OTHER = 100, 101, 200


def _workspace(number: int, scope: str, feed: str) -> str:
    return (
        f"    - id: {number}\n      scope: {scope}\n      key: ws-{number}\n      secret: secret-{number}\n"
        f"      inputs:\n      - {{name: {feed}, platform: web, key: key-{number}, secret: s-{number}}}\n"
    )


def text(capture: str = "changes") -> str:
    """Return the configuration."""
    return (
        f"scopes:\n- name: shop\n  strategy: profile_conversion\n  settings: {{capture: {capture}}}\n- {{name: other}}\n"
        "organization:\n  accounts:\n  - id: 10\n    workspaces:\n"
        + _workspace(SHOP, "shop", "web")
        + _workspace(APP, "shop", "app")
        + _workspace(OTHER, "other", "elsewhere")
    )


@dataclass
class ErasingStage:
    """A service over a store, and people who come."""

    store: Store = field(default_factory=MemoryStore)
    capture: str = "changes"
    now_ms: int = START_MS
    chance: RepeatingChance = field(default_factory=lambda: RepeatingChance(1))

    async def open(self) -> "ErasingStage":
        """Start the server."""
        self.service: Service = await open_service(
            read(text(self.capture)), self.store, clock=self.clock, chance=self.chance
        )
        return self

    def clock(self) -> int:
        """Return the time."""
        return self.now_ms

    def place(self, workspace: int = SHOP) -> Place:
        """Return a workspace."""
        place = self.service.directory.workspace(f"ws-{workspace}")
        assert place is not None
        return place

    def door(self, workspace: int = SHOP) -> Door:
        """Return the input of a workspace."""
        door = self.service.directory.door(f"key-{workspace}")
        assert door is not None
        return door

    async def ask(
        self,
        endpoint: Endpoint = Endpoint.LOGIN,
        /,
        workspace: int = SHOP,
        environment: Environment = PRODUCTION,
        previous: int | None = None,
        **named: str,
    ) -> Answer:
        """Ask who somebody is, a millisecond after the last time."""
        self.now_ms += 1
        door = self.door(workspace)
        given = identities({IdentityType(name): value for name, value in named.items()})
        request = IdentityRequest(endpoint, self.now_ms, environment, door.input.name, given, previous)
        return await self.service.resolver.answer(door.rules.ask(request))

    async def login(
        self, /, workspace: int = SHOP, environment: Environment = PRODUCTION, previous: int | None = None, **named: str
    ) -> int:
        """Log somebody in, and return who that is."""
        answer = await self.ask(
            Endpoint.LOGIN, workspace=workspace, environment=environment, previous=previous, **named
        )
        outcome = answer.decision.outcome
        assert isinstance(outcome, Created | Returned), outcome
        return outcome.mpid

    async def modify(self, mpid: int, *changes: tuple[str, str | None, str | None]) -> Answer:
        """Change identities of somebody: (type, old value, new value) each."""
        self.now_ms += 1
        door = self.door()
        listed = tuple(IdentityChange(IdentityType(name), old, new) for name, old, new in changes)
        request = ModifyRequest(self.now_ms, PRODUCTION, door.input.name, mpid, listed)
        return await self.service.resolver.answer(door.rules.ask(request))

    async def buy(
        self,
        mpid: int | None = None,
        *messages: str,
        workspace: int = SHOP,
        request_id: str | None = None,
        **named: str,
    ) -> Receipted:
        """Take a batch with an event for each message."""
        self.now_ms += 1
        events = tuple(
            Event("custom_event", self.now_ms, one, {"event_name": f"buy {one}"}) for one in messages or ("m",)
        )
        batch = EventBatch(
            PRODUCTION,
            self.now_ms,
            self.door(workspace).input.name,
            Channel.SERVER,
            mpid=mpid,
            identities=identities({IdentityType(name): value for name, value in named.items()}),
            source_request_id=request_id,
            attributes={"seen": self.now_ms},
            events=events,
        )
        return await self.service.ingest.submit(Arrival(self.door(workspace), batch))

    async def log(self, scope: str = "shop", environment: str = "production") -> list[LogEntry]:
        """Return the whole log of a pool."""
        return list(await self.store.log(Pool(scope, environment), 0, EVERYTHING))


def subject(mpid: int | None = None, **named: str) -> Subject:
    """Name somebody by identities as they are, or by an MPID."""
    return Subject(tuple(raw(name, value) for name, value in named.items()), mpid)


def raw(name: str, value: str) -> SubjectIdentity:
    """Return an identity of a request as it is."""
    return SubjectIdentity(Identity(IdentityType(name), value))


def digested(name: str, value: str) -> SubjectIdentity:
    """Return an identity of a request as a digest."""
    return SubjectIdentity(Identity(IdentityType(name), sha256(value.encode()).hexdigest()), Encoding.SHA256)
