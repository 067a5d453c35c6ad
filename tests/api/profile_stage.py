"""Sets the Profile API up over a store in memory: scopes, workspaces, credentials, and a time of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from knownas.api.profile import ROUTES, ProfileApi
from knownas.api.profile_wire import ProfileField
from knownas.api.telemetry import Telemetry
from knownas.config.values import Account, Configuration, Credential, Organization, RateLimits, Role, Secret, Workspace
from knownas.config.values import Scope as ConfiguredScope
from knownas.core.identity.decision import Seeded
from knownas.core.identity.kinds import IdentityType, identity
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest, SeedRequest
from knownas.core.identity.policy import EnvironmentPools, Settings, Strategy, policy
from knownas.core.profile.section import Section
from knownas.service.profile.sections import Sections, written
from knownas.service.security.tokens import Issued, Tokens, open_tokens
from knownas.service.server import Service, open_service
from knownas.store.memory.store import MemoryStore
from knownas.store.port import StoredProfile
from knownas.store.user_data import SectionKey, SectionWrite, UserDataCommit
from tests.api.surface_app import app_of
from tests.store.world import START_MS

SECRET = Secret("a-secret-for-tests")
SHOP, APP, BANK, POOLED, LOOSE = 100, 101, 200, 300, 400
"""Workspaces: two of one scope, one of another, one whose environments are one, one without immutable identities."""

READER, OTHER_APP, BANKER, ADMIN, EVERYWHERE, NOWHERE, LIMITED = (
    "reader",
    "other-app",
    "banker",
    "admin",
    "everywhere",
    "nowhere",
    "limited",
)
ALL_FIELDS = ",".join(ProfileField)


def _scopes() -> tuple[ConfiguredScope, ...]:
    immutable = [IdentityType.CUSTOMER_ID]
    conversion = policy(Strategy.PROFILE_CONVERSION, immutable_ids=immutable)
    pooled = Settings(environment_pools=EnvironmentPools.SHARED)
    shared = policy(Strategy.PROFILE_CONVERSION, immutable_ids=immutable, settings=pooled)
    loose = policy(Strategy.PROFILE_CONVERSION, immutable_ids=())
    return (
        ConfiguredScope("shop", conversion),
        ConfiguredScope("bank", conversion),
        ConfiguredScope("pooled", shared),
        ConfiguredScope("loose", loose),
    )


def _configuration() -> Configuration:
    def workspace(number: int, scope: str) -> Workspace:
        return Workspace(number, scope, scope, f"ws-{number}", SECRET)

    accounts = (
        Account(10, "Retail", (workspace(SHOP, "shop"), workspace(POOLED, "pooled"), workspace(LOOSE, "loose"))),
        Account(11, "Apps", (workspace(APP, "shop"),)),
        Account(20, "Money", (workspace(BANK, "bank"),)),
    )
    credentials = (
        Credential(READER, SECRET, Role.READ_ONLY, (SHOP,)),
        Credential(OTHER_APP, SECRET, Role.READ_ONLY, (APP,)),
        Credential(BANKER, SECRET, Role.READ_ONLY, (BANK,)),
        Credential(ADMIN, SECRET, Role.ADMIN, (SHOP,)),
        Credential("user", SECRET, Role.USER, (SHOP,)),
        Credential(EVERYWHERE, SECRET, Role.READ_ONLY, (SHOP, APP, BANK, POOLED, LOOSE)),
        Credential(NOWHERE, SECRET, Role.READ_ONLY, ()),
        Credential(LIMITED, SECRET, Role.READ_ONLY, (SHOP,), RateLimits(requests_per_second=1)),
    )
    return Configuration(scopes=_scopes(), organization=Organization(1, "Acme", accounts), credentials=credentials)


CONFIGURATION = _configuration()
ACCOUNT_OF = {SHOP: 10, POOLED: 10, LOOSE: 10, APP: 11, BANK: 20}


class Faulty(MemoryStore):
    """A store that fails where it is told to."""

    fault: Exception | None = None

    async def profile(self, mpid: int) -> StoredProfile | None:
        if self.fault is not None:
            raise self.fault
        return await super().profile(mpid)


class Stage:
    """The surface over a store in memory, with a time of its own."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.store = Faulty()
        self.telemetry = Telemetry()
        self.service: Service
        self.tokens: Tokens
        self.client: httpx.AsyncClient
        self._bearers: dict[str, str] = {}

    async def start(self) -> None:
        self.service = await open_service(CONFIGURATION, self.store, clock=lambda: self.now_ms)
        self.tokens = await open_tokens(CONFIGURATION, self.store, lambda: self.now_ms)
        self.sections = Sections(self.store.user_data)
        self.open()

    def open(self) -> None:
        """Serve with the tokens of now."""
        api = ProfileApi(self.service, self.tokens, self.telemetry)
        transport = httpx.ASGITransport(app_of(api, ROUTES))
        self.client = httpx.AsyncClient(transport=transport, base_url="https://id.example.com")

    async def close(self) -> None:
        await self.client.aclose()
        await self.service.close()

    def bearer(self, client_id: str) -> str:
        """Return a token of a credential."""
        if client_id not in self._bearers:
            issued = self.tokens.issue(client_id, SECRET.reveal())
            assert isinstance(issued, Issued)
            self._bearers[client_id] = issued.access_token
        return self._bearers[client_id]

    def forget_bearers(self) -> None:
        """Ask for new tokens from here on."""
        self._bearers.clear()

    async def seed(
        self,
        *pairs: tuple[IdentityType, str],
        mpid: int | None = None,
        scope: str = "shop",
        environment: Environment = Environment.PRODUCTION,
    ) -> int:
        """Bring a profile over and return its MPID."""
        held = tuple(identity(kind, value) for kind, value in pairs)
        answer = await self.service.profiles.seed(scope, SeedRequest(START_MS, environment, "test", mpid, held))
        assert answer is not None
        assert isinstance(answer.decision.outcome, Seeded)
        return answer.decision.outcome.mpid

    async def visit(self, *pairs: tuple[IdentityType, str]) -> None:
        """Let a user of the shop come back with identities."""
        rules = self.service.directory.rules("shop")
        assert rules is not None
        held = tuple(sorted(identity(kind, value) for kind, value in pairs))
        request = IdentityRequest(Endpoint.IDENTIFY, self.now_ms, Environment.PRODUCTION, "test", held)
        await self.service.resolver.submit(rules.ask(request))

    async def know(
        self, mpid: int, section: Section, workspace: int = SHOP, environment: Environment = Environment.PRODUCTION
    ) -> None:
        """Keep what a workspace knows of a profile."""
        key = SectionKey(workspace, environment.value, mpid)
        before = (await self.store.user_data.load([key])).sections.get(key)
        write = SectionWrite(key, None if before is None else before.version, written(section), section.last_seen_ms)
        assert await self.store.user_data.commit(UserDataCommit(sections=[write]))

    async def read(
        self, mpid: int | str, workspace: int = SHOP, client: str = EVERYWHERE, method: str = "GET", **query: str
    ) -> httpx.Response:
        """Read a profile by its MPID, all fields if the query names none."""
        path = f"/userprofile/v1/1/{ACCOUNT_OF[workspace]}/{workspace}/{mpid}"
        headers = {"Authorization": f"Bearer {self.bearer(client)}"}
        return await self.client.request(method, path, params={"fields": ALL_FIELDS, **query}, headers=headers)

    async def resolve(self, body: Any, workspace: int = SHOP, client: str = EVERYWHERE, **query: str) -> httpx.Response:
        """Read a profile by an identity."""
        path = f"/userprofile/v1/resolve/1/{ACCOUNT_OF[workspace]}/{workspace}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.bearer(client)}", "Content-Type": "application/json"}
        return await self.client.post(path, params={"fields": ALL_FIELDS, **query}, content=content, headers=headers)


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Start a fresh server without its socket."""
    made = Stage()
    await made.start()
    yield made
    await made.close()


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and reason of a refusal."""
    (error,) = answer.json()["errors"]
    assert list(error) == ["code", "message", "reason"]
    assert error["message"]
    assert answer.headers["x-refusal-reason"] == error["reason"]
    return answer.status_code, error["code"], error["reason"]


def subject(value: str, kind: str = "customer_id", **members: Any) -> dict[str, Any]:
    """Return the body of a resolve."""
    return {"environment_type": "production", "identity": {"type": kind, "value": value}, **members}


UNKNOWN = (400, "UNKNOWN_PROFILE", "unknown_profile")
NOT_ALLOWED = (403, "FORBIDDEN", "workspace_not_allowed")
