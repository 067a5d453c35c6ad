"""Runs the application for the tests of access: a person of one workspace, and everybody else who may ask about it."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import httpx

from knownas.api.app import Application
from knownas.config.values import (
    Account,
    AliasSettings,
    Configuration,
    Credential,
    Input,
    InputPlatform,
    Organization,
    Role,
    Scope,
    Secret,
    Workspace,
    WorkspaceSettings,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.service.security.keys import Holder, Holding, rotate
from knownas.service.security.sealing import SecretKeys
from knownas.service.security.tokens import Issued, open_tokens
from knownas.service.server import Service, open_service, system_clock
from knownas.store.memory.store import MemoryStore
from tests.api.access_lines import ASKED, BATCH, LINES, PERSON, SUBJECT_REQUEST, Auth, Case
from tests.api.listed_routes import Route
from tests.service.privacy_stage import kept_processor

EMAIL, MARK, NAME = "own@example.com", "mark-of-the-own-workspace", "Own shop"
REQUEST_ID = "99999999-2222-4333-8444-555555555555"
ADMIN_TOKEN = "admin-token-for-tests"
KEYS = SecretKeys([b"k" * 32])
KEPT_PROCESSOR = kept_processor(KEYS)
"""Made once: it takes a second."""


class World:
    """A server with a person of the workspace "own", and three other workspaces."""

    def __init__(self, http: httpx.AsyncClient, tokens: Mapping[str, str]) -> None:
        self.http = http
        self._tokens = tokens
        self.mpid = self.other = self.decision = ""

    async def populate(self) -> None:
        """Make the person whom all calls are about."""
        pair = ("own-key", "own-secret")
        body = {**ASKED, "known_identities": {**PERSON, "email": EMAIL}}
        made = await self.http.post("/v1/identify", json=body, auth=pair)
        self.mpid, self.decision = made.json()["mpid"], made.headers["x-decision-id"]
        other = {**ASKED, "known_identities": {"customerid": "c-other"}}
        self.other = (await self.http.post("/v1/identify", json=other, auth=pair)).json()["mpid"]
        batch = {**BATCH, "user_attributes": {"mark": MARK}, "source_request_id": "own-request"}
        assert (await self.http.post("/v2/events", json=batch, auth=pair)).status_code == 202
        asked = {**SUBJECT_REQUEST, "subject_request_id": REQUEST_ID, "group_id": "own-group"}
        asked = _filled({**asked, "subject_request_type": "erasure"}, {"mpid": self.mpid})
        taken = await self.http.post("/v3/requests", json=asked, auth=WORKSPACE_PAIRS[Case.OWN])
        assert taken.status_code == 201, taken.text

    async def ask(self, route: Route, case: Case) -> httpx.Response:
        """Send what a line says in the name of a caller."""
        method, path = route
        line = LINES[route]
        values = self._values(case, path)
        url = path.format(**values) + line.query.format(**values)
        body = None if line.body is None else _filled(line.body, values)
        return await self.http.request(method, url, json=body, headers=self._headers(line.auth, case))

    def _values(self, case: Case, path: str) -> dict[str, str]:
        elsewhere = case is Case.OTHER_ORGANIZATION
        return {
            "mpid": self.mpid,
            "other": self.other,
            "id": self.decision,
            "request_id": "alias-1" if "alias" in path else REQUEST_ID,
            "scope": "shop",
            "key": PAIRS[case][0],
            "organization": "2" if elsewhere else "1",
            "account": "99" if elsewhere else "10",
            "workspace": "100",
            "app": "100",
            "os": "iOS",
            "feed": "own-feed",
            "module": "custom",
            "service": "braze",
            "audience": "1",
            "group": "household",
            "connection": "1",
            "output": "1",
            "delivery": "1",
            "email": "a@example.com",
        }

    def _headers(self, auth: Auth, case: Case) -> dict[str, str]:
        if auth in (Auth.OPEN, Auth.PATH_KEY) or case is Case.NONE:
            return {}
        key, secret = (WORKSPACE_PAIRS if auth is Auth.WORKSPACE else PAIRS)[case]
        if auth in (Auth.INPUT, Auth.WORKSPACE):
            return {"Authorization": f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}
        if auth is Auth.ADMIN:
            return {"Authorization": f"Bearer {ADMIN_TOKEN if case is Case.OWN else secret}"}
        role = "reader" if auth is Auth.READER else "admin"
        return {"Authorization": f"Bearer {self._tokens[f'{CLIENTS[case]}-{role}']}"}

    async def state(self) -> Any:
        """Return the person's identities, and how they came to be."""
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        profile = (await self.http.get(f"/api/profiles/{self.mpid}", headers=bearer)).json()
        history = (await self.http.get(f"/api/profiles/{self.mpid}/history", headers=bearer)).json()
        return {name: value for name, value in profile.items() if name != "last_active_at"}, history

    async def section(self) -> Any:
        """Return what the own workspace knows of the person."""
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        shown = (await self.http.get(f"/api/profiles/{self.mpid}/sections", headers=bearer)).json()
        (own,) = [one for one in shown["items"] if one["workspace"] == 100]
        return own


PAIRS: Final = {
    Case.OWN: ("own-key", "own-secret"),
    Case.OTHER_WORKSPACE: ("near-key", "near-secret"),
    Case.OTHER_SCOPE: ("far-key", "far-secret"),
    Case.OTHER_ORGANIZATION: ("own-key", "own-secret"),
    Case.REVOKED: ("old-key", "old-secret"),
    Case.NONE: ("nobody", ""),
}
WORKSPACE_PAIRS: Final = {
    **PAIRS,
    Case.OWN: ("ws-own-2", "own-secret"),
    Case.OTHER_WORKSPACE: ("ws-near-key", "near-secret"),
    Case.OTHER_SCOPE: ("ws-far-key", "far-secret"),
    Case.REVOKED: ("ws-own-key", "own-secret"),
}
CLIENTS: Final = {
    Case.OWN: "own",
    Case.OTHER_WORKSPACE: "near",
    Case.OTHER_SCOPE: "far",
    Case.OTHER_ORGANIZATION: "own",
    Case.REVOKED: "gone",
}


def _filled(body: Any, values: Mapping[str, str]) -> Any:
    match body:
        case dict():
            return {name: _filled(value, values) for name, value in body.items()}
        case list():
            return [_filled(value, values) for value in body]
        case str() if body.startswith("{"):
            return body.format(**values)
        case _:
            return body


def configured() -> Configuration:
    """Return two workspaces that share a scope, and one of another account and scope."""

    def workspace(number: int, name: str, scope: str, key: str, secret: str) -> Workspace:
        app = Input("app", InputPlatform.IOS, None, key, Secret(secret))
        short = name.split(maxsplit=1)[0].lower()
        feed = Input("feed", None, f"{short}-feed", f"{short}-feed-key", Secret(f"{short}-feed-secret"))
        settings = WorkspaceSettings(alias=AliasSettings(provisioned=True))
        return Workspace(number, name, scope, f"ws-{short}-key", Secret(f"{short}-secret"), (app, feed), settings)

    retail = (
        workspace(100, NAME, "shop", "old-key", "old-secret"),
        workspace(101, "Near shop", "shop", "near-key", "near-secret"),
    )
    media = (workspace(200, "Far TV", "tv", "far-key", "far-secret"),)
    clients = tuple(
        Credential(f"{name}-{suffix}", Secret("secret-of-a-client"), role, (number,))
        for name, number in (("own", 100), ("near", 101), ("far", 200))
        for suffix, role in (("reader", Role.READ_ONLY), ("admin", Role.ADMIN))
    )
    return Configuration(
        database="memory://",
        admin_token=Secret(ADMIN_TOKEN),
        scopes=(Scope("shop", _rules()), Scope("tv", _rules())),
        organization=Organization(1, "Acme", (Account(10, "Retail", retail), Account(20, "Media", media))),
        credentials=clients,
    )


def _rules() -> Policy:
    return replace(policy(Strategy.PROFILE_CONVERSION), immutable_ids=frozenset({IdentityType("customerid")}))


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    """Run the application without its socket, with a rotated key and a client that was taken out."""
    store, configuration = MemoryStore(), configured()
    for holding, old, new in ((Holding.INPUT, "old-key", "own-key"), (Holding.WORKSPACE, "ws-own-key", "ws-own-2")):
        holder = Holder(holding, 100, old, Secret("replaced"))
        await rotate(store, KEYS, holder, (new, Secret("own-secret")), system_clock(), 0)
    gone = [
        Credential(f"gone-{name}", Secret("secret-of-a-client"), role, (100,))
        for name, role in (("reader", Role.READ_ONLY), ("admin", Role.ADMIN))
    ]
    before = replace(configuration, credentials=(*configuration.credentials, *gone))
    issuing = await open_tokens(before, store, system_clock, keys=KEYS)
    tokens: dict[str, str] = {}
    for one in before.credentials:
        issued = issuing.issue(one.client_id, "secret-of-a-client")
        assert isinstance(issued, Issued)
        tokens[one.client_id] = issued.access_token

    async def opened() -> Service:
        return await open_service(configuration, store, secret_keys=KEYS)

    await store.keep(*KEPT_PROCESSOR)
    app = Application(opened)
    await app._start()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://id.example.com") as http:
            world = World(http, tokens)
            await world.populate()
            yield world
    finally:
        await app._stop()
