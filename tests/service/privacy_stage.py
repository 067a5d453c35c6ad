"""Holds what the tests of privacy requests share: a server's certificate, made once, and a service with its parts."""

import uuid
from functools import cache
from typing import Any

import msgspec
import yaml

from knownas.config.values import Configuration
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.privacy.evidence import Step
from knownas.core.privacy.request import Regulation, RequestType, Subject, SubjectIdentity
from knownas.service.privacy.assembly import Privacy
from knownas.service.privacy.processor import KEPT_AS, Kept, Processor, make_authority
from knownas.service.privacy.subject_requests import GivenRequest
from knownas.service.security.directory import Place
from knownas.service.security.kept_secret import sealed_name
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.config.texts import read
from tests.served import configuration
from tests.store.world import START_MS

DOMAIN = "localhost"
EMAIL = SubjectIdentity(Identity(IdentityType.EMAIL, "a@example.com"))


@cache
def authority() -> Kept:
    """The authority that all tests of a run share."""
    return make_authority(DOMAIN, START_MS)


@cache
def processor() -> Processor:
    """The processor of that authority."""
    kept = authority()
    return Processor(kept.domain, kept.key.encode(), kept.certificates.encode())


def kept_processor(keys: SecretKeys | None = None) -> tuple[str, bytes]:
    """Return the document by which a store has that authority, and its name."""
    name, document = f"{KEPT_AS}/{DOMAIN}", msgspec.json.encode(authority())
    return (name, document) if keys is None else (sealed_name(name), keys.seal(sealed_name(name), document).encode())


def configured(waiting_days: int = 7, **privacy: Any) -> Configuration:
    """Return a configuration of workspaces that share a scope, the first with this waiting period, the last with two requests."""
    document = configuration(database="memory://", privacy=privacy)
    workspaces = document["organization"]["accounts"][0]["workspaces"]
    workspaces[0]["settings"] = {"privacy": {"waiting_days": waiting_days}}
    other = {"id": 101, "scope": "shop", "key": "other-ws-key", "secret": "other-ws-secret"}
    feed = {"name": "feed", "feed": "custom", "key": "other-key", "secret": "other-secret"}
    workspaces.append({**other, "inputs": [feed]})
    limits = {"requests_per_second": 0.001, "burst_seconds": 2_000}
    slow = {"id": 102, "scope": "shop", "key": "slow-ws-key", "secret": "slow-ws-secret", "limits": limits}
    workspaces.append(slow)
    return read(yaml.safe_dump(document))


class Stage:
    """A service with its own time; its jobs are run by hand."""

    def __init__(self, service: Service, clock: "Hand") -> None:
        self.service = service
        self.privacy: Privacy = service.privacy
        self.store = service.store.privacy
        self.clock = clock

    def place(self, key: str = "ws-key-for-tests") -> Place:
        """Return a workspace by its key."""
        place = self.service.directory.workspace(key)
        assert place is not None
        return place

    async def steps(self, request_id: str) -> list[Step]:
        """Return what the evidence says of a request."""
        return [one.happening.step for one in await self.privacy.evidence.of_request(request_id)]


class Hand:
    """A clock that is moved by hand."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


async def stage(waiting_days: int = 7, *, store: Store | None = None, **privacy: Any) -> Stage:
    """Open a service whose certificate is there already."""
    kept = store or MemoryStore()
    await kept.keep(*kept_processor())
    clock = Hand()
    return Stage(await open_service(configured(waiting_days, **privacy), kept, clock=clock), clock)


def given(kind: RequestType = RequestType.ERASURE, /, **members: Any) -> GivenRequest:
    """Return a request for the one whose e-mail is `EMAIL`."""
    asked: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "regulation": Regulation.GDPR,
        "type": kind,
        "subject": Subject((EMAIL,)),
        "submitted_ms": START_MS - 1_000,
        "group": None,
        "callbacks": (),
        "skips_waiting": False,
    }
    return GivenRequest(**(asked | members))
