"""Opens a service with two workspaces of one scope and one of another, on a clock that the test moves, to erase people."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import cast

from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.core.privacy.evidence import Happening, Step
from knownas.core.privacy.request import (
    Encoding,
    Regulation,
    RequestType,
    Subject,
    SubjectIdentity,
    SubjectRequest,
)
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.question import Answer
from knownas.service.privacy.subject_request_form import KeptRequest, stored
from knownas.service.profile.ingest import Arrival, Receipted
from knownas.service.security.directory import Door, Place
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import LogEntry, Pool, Store
from knownas.store.privacy import PrivacyCommit, RequestWrite, StoredRequest
from tests.config.texts import read
from tests.store.world import EVERYTHING, START_MS, RepeatingChance

PRODUCTION, DEVELOPMENT = Environment.PRODUCTION, Environment.DEVELOPMENT
SHOP, APP, OTHER = 100, 101, 200


def _workspace(number: int, scope: str, feed: str, stays_out: str) -> str:
    return (
        f"    - id: {number}\n      scope: {scope}\n      key: ws-{number}\n      secret: secret-{number}\n"
        f"      settings: {{privacy: {{stays_out: {stays_out}}}}}\n"
        f"      inputs:\n      - {{name: {feed}, platform: web, key: key-{number}, secret: s-{number}}}\n"
    )


def text(capture: str = "changes", stays_out: str = "nobody") -> str:
    """Return the configuration."""
    return (
        f"scopes:\n- name: shop\n  strategy: profile_conversion\n  settings: {{capture: {capture}}}\n- {{name: other}}\n"
        "organization:\n  accounts:\n  - id: 10\n    workspaces:\n"
        + _workspace(SHOP, "shop", "web", stays_out)
        + _workspace(APP, "shop", "app", stays_out)
        + _workspace(OTHER, "other", "elsewhere", stays_out)
    )


@dataclass
class ErasingStage:
    """A service over a store, and people who come."""

    store: Store = field(default_factory=MemoryStore)
    capture: str = "changes"
    stays_out: str = "nobody"
    keys: SecretKeys | None = None
    further: str = ""
    """Further lines of the configuration."""
    now_ms: int = START_MS
    chance: RepeatingChance = field(default_factory=lambda: RepeatingChance(1))

    async def open(self) -> "ErasingStage":
        """Start the server."""
        self.service: Service = await open_service(
            read(self.further + text(self.capture, self.stays_out)),
            self.store,
            clock=self.clock,
            chance=self.chance,
            secret_keys=self.keys,
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


async def asked(
    at: ErasingStage, whom: Subject, workspace: int = SHOP, request_id: str = "11111111-1111-4111-8111-111111111111"
) -> StoredRequest:
    """Keep a request to erase somebody that is due, and return its row."""
    request = SubjectRequest(
        request_id, workspace, Regulation.GDPR, RequestType.ERASURE, whom, at.now_ms, at.now_ms, at.now_ms
    )
    row = stored(KeptRequest(request))
    received = Happening(at.now_ms, request_id, Step.RECEIVED, {"type": "erasure"})
    assert await Evidence(at.store.privacy).write([received], PrivacyCommit(requests=[RequestWrite(row, None)]))
    return row


async def erase(
    at: ErasingStage, whom: Subject, workspace: int = SHOP, request_id: str = "11111111-1111-4111-8111-111111111111"
) -> list[tuple[str, dict[str, object]]]:
    """Erase somebody; returns the steps of the evidence with their facts."""
    row = await asked(at, whom, workspace, request_id)
    await at.service.erasing.carry_out(row)
    return await told(at, request_id)


async def told(at: ErasingStage, request_id: str) -> list[tuple[str, dict[str, object]]]:
    """Return what the evidence tells of a request."""
    entries = await Evidence(at.store.privacy).of_request(request_id)
    return [(one.happening.step.value, dict(one.happening.facts)) for one in entries]


def texts_in(thing: object, seen: set[int] | None = None) -> Iterator[bytes]:
    """Yield everything that is written anywhere in an object, for as long as it is of this project or of Python's own."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, bytes):
        yield thing
    elif isinstance(thing, str):
        yield thing.encode()
    elif isinstance(thing, Mapping):
        for key, value in list(cast("Mapping[object, object]", thing).items()):
            yield from texts_in(key, seen)
            yield from texts_in(value, seen)
    elif isinstance(thing, list | tuple | set | frozenset | deque):
        for one in list(cast("Iterable[object]", thing)):
            yield from texts_in(one, seen)
    elif type(thing).__module__.startswith("knownas.store."):
        names = list(getattr(thing, "__dict__", {})) or list(getattr(type(thing), "__slots__", ()))
        for name in names:
            yield from texts_in(getattr(thing, name, None), seen)


def holds(store: object, *words: str) -> list[str]:
    """Return which of some words stand anywhere in what a memory store keeps."""
    everything = b"\n".join(texts_in(store))
    return [word for word in words if word.encode() in everything]
