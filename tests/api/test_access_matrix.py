"""Every route by every caller: who may reach what, and that nobody sees what is another's (design §8-5).

The routes come from the application itself: each surface that `api.app` and `api.surfaces` import lists its own, as
pairs of a method and a path, in `ROUTES`. A route without a line here fails, and so does a surface without a list.
"""

import ast
import base64
import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette

from knownas.api import app as application
from knownas.api import surfaces as dispatch
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
from knownas.service.keys import Holder, Holding, rotate
from knownas.service.sealing import SecretKeys
from knownas.service.server import Service, open_service, system_clock
from knownas.service.tokens import Issued, open_tokens
from knownas.store.memory.store import MemoryStore

Route = tuple[str, str]


class Case(StrEnum):
    """Who calls, seen from the profile and workspace that the call is about."""

    OWN = "own"
    OTHER_WORKSPACE = "other workspace"
    OTHER_SCOPE = "other scope"
    OTHER_ORGANIZATION = "other organization path"
    REVOKED = "revoked key"
    NONE = "no key"


class Auth(StrEnum):
    """What a route asks its callers for."""

    OPEN = "nothing"
    INPUT = "key and secret of an input"
    WORKSPACE = "key and secret of a workspace"
    PATH_KEY = "key of an input in the path"
    ADMIN = "admin token"
    READER = "token of a read_only client"
    ADMINISTRATOR = "token of an admin client"


EMAIL, MARK, NAME = "own@example.com", "mark-of-the-own-workspace", "Own shop"
ADMIN_TOKEN = "admin-token-for-tests"
KEYS = SecretKeys([b"k" * 32])
PERSON = {"customerid": "c-own"}
ASKED = {"environment": "production", "known_identities": PERSON}
BATCH = {"environment": "production", "user_identities": {"customer_id": "c-own"}, "events": []}
SEED = {
    "environment": "production",
    "mpid": "{mpid}",
    "user_attributes": {"workspace": [{"attribute_name": "seeded", "attribute_value": "yes"}]},
}
ALIAS = {
    "request_id": "alias-1",
    "request_type": "alias",
    "environment": "production",
    "data": {"source_mpid": "{mpid}", "destination_mpid": "{other}", "scope": "mpid"},
}


@dataclass(frozen=True)
class Line:
    """What a route answers: `ok` to whom it is meant for, `elsewhere` from another scope, `foreign` otherwise.

    `{mpid}` and `{decision}` in a body are filled in as in a path.
    """

    auth: Auth
    ok: int = 200
    body: Any = None
    elsewhere: int | None = None
    query: str = ""
    foreign: Mapping[Case, int] = field(default_factory=dict[Case, int])

    def expected(self, case: Case) -> int:
        """Return the status that a case is answered with."""
        if case in self.foreign:
            return self.foreign[case]
        if self.auth is Auth.OPEN or case is Case.OWN:
            return self.ok
        if case in (Case.REVOKED, Case.NONE) or self.auth is Auth.ADMIN:
            return 401
        if self.auth in (Auth.READER, Auth.ADMINISTRATOR):
            return 403 if self.auth is Auth.READER else 404
        return self.elsewhere if case is Case.OTHER_SCOPE and self.elsewhere is not None else self.ok


WRONG_KEY_403: Final = {Case.REVOKED: 403}
"""The Events and seeding APIs tell a wrong key (403) from none (401); platform §2.1."""


def lines() -> dict[Route, Line]:
    """Return the table."""
    table: dict[Route, Line] = {}
    for path in ("/", "/healthz", "/readyz", "/metrics"):
        table["GET", path] = Line(Auth.OPEN)
    for prefix in ("", "/identity"):
        for endpoint in ("identify", "login", "logout"):
            table["POST", f"{prefix}/v1/{endpoint}"] = Line(Auth.INPUT, body=ASKED)
        table["POST", f"{prefix}/v1/search"] = Line(Auth.INPUT, body=ASKED, elsewhere=404)
        change = {"identity_type": "email", "old_value": None, "new_value": "changed@example.com"}
        modify = {"environment": "production", "identity_changes": [change]}
        table["POST", f"{prefix}/v1/{{mpid}}/modify"] = Line(Auth.INPUT, body=modify, elsewhere=400)
    for prefix in ("", "/s2s"):
        for path, sent in (("events", BATCH), ("bulkevents", [BATCH]), ("bulkevents/historical", [BATCH])):
            table["POST", f"{prefix}/v2/{path}"] = Line(Auth.INPUT, 202, sent, foreign=WRONG_KEY_403)
        for name, sent in (("calculatedattributes", SEED), ("bulkcalculatedattributes", [SEED])):
            for slash in ("", "/"):
                line = Line(Auth.WORKSPACE, 202, sent, elsewhere=400, foreign=WRONG_KEY_403)
                table["POST", f"{prefix}/v2/{name}{slash}"] = line
    web = {"environment": "production", "mpid": "{mpid}", "user_attributes": {"x": "y"}, "events": []}
    # A browser can't be answered anything else: what is refused is kept as refused (platform §3.2).
    for prefix in ("", "/webevents"):
        for version in ("v1", "v2", "v3"):
            table["POST", f"{prefix}/{version}/JS/{{key}}/events"] = Line(Auth.PATH_KEY, 202, web)
        for version in ("v1", "v2"):
            table["POST", f"{prefix}/{version}/JS/{{key}}/Forwarding"] = Line(Auth.PATH_KEY, 202, {})
        table["GET", f"{prefix}/v1/{{key}}/audience"] = Line(Auth.PATH_KEY, query="?mpid={mpid}")
    for prefix in ("", "/webevents", "/nativeevents"):
        for last in ("alias", "Alias"):
            table["POST", f"{prefix}/v1/identity/{{key}}/{last}"] = Line(Auth.PATH_KEY, 202, ALIAS, elsewhere=400)
    for prefix in ("", "/tags"):
        table["GET", f"{prefix}/JS/v2/{{key}}/config"] = Line(Auth.PATH_KEY)
    table["GET", "/api/openapi.json"] = Line(Auth.OPEN)
    for path in ("profiles/{mpid}", "profiles/{mpid}/history", "decisions/{id}", "profiles/{mpid}/sections"):
        table["GET", f"/api/{path}"] = Line(Auth.ADMIN)
    seeded = {"environment": "production", "identities": {"customerid": ["c-seeded"]}}
    explained = {"endpoint": "identify", **ASKED}
    table["POST", "/api/scopes/{scope}/profiles"] = Line(Auth.ADMIN, 201, seeded)
    table["POST", "/api/scopes/{scope}/explain"] = Line(Auth.ADMIN, body=explained)
    return table | own_lines() | token_lines()


def own_lines() -> dict[Route, Line]:
    """Return the lines of our own API's newer calls."""
    return {
        ("GET", "/api/batches"): Line(Auth.ADMIN, query="?source_request_id=own-request"),
        ("GET", "/api/batches/{id}"): Line(Auth.ADMIN, 404),
        ("GET", "/api/aliases/{request_id}"): Line(Auth.ADMIN, 404),
        ("GET", "/api/profiles/{mpid}/events"): Line(Auth.ADMIN, query="?workspace=100"),
        ("GET", "/api/retention"): Line(Auth.ADMIN),
    }


def token_lines() -> dict[Route, Line]:
    """Return the lines of the surfaces that take tokens, and of the one that gives them."""
    table: dict[Route, Line] = {
        # Whoever asks: these don't look at who it is, but at what is asked.
        ("POST", "/oauth/token"): Line(Auth.OPEN, 401, {
            "client_id": "own", "client_secret": "guessed", "audience": "https://api.mparticle.com",
            "grant_type": "client_credentials",
        }),
        ("GET", "/.well-known/jwks.json"): Line(Auth.OPEN),
    }  # fmt: skip
    place = "{organization}/{account}/{workspace}"
    for method in ("GET", "POST"):
        table[method, f"/userprofile/v1/{place}/{{mpid}}"] = Line(Auth.READER, query=FIELDS)
    resolve = {"environment_type": "production", "identity": {"type": "customer_id", "value": "c-own"}}
    table["POST", f"/userprofile/v1/resolve/{place}"] = Line(Auth.READER, body=resolve, query=FIELDS)
    for method, ok in (("GET", 200), ("HEAD", 204)):
        for path, status in PLATFORM.items():
            near = {Case.OTHER_WORKSPACE: ok} if status == "list" else {}
            table[method, f"/platform/v2{path}"] = Line(
                Auth.ADMINISTRATOR, 404 if status == "absent" else ok, query="?accountId={account}", foreign=near
            )
    return table


FIELDS: Final = "?fields=user_identities,user_attributes"
PLATFORM: Final = {
    "/accounts": "list",
    "/accounts/{account}": "list",
    "/workspace": "list",
    "/apps": "list",
    "/apps/{app}": "",
    "/apps/{app}/platforms": "",
    "/apps/{app}/platforms/{os}": "",
    "/apps/{app}/platforms/{os}/services": "",
    "/apps/{app}/datapoints": "",
    "/apps/{app}/{service}": "absent",
    "/apps/{app}/{service}/datapoints": "absent",
    "/services": "list",
    "/services/{service}": "absent",
    "/workspace/{workspace}/partnerfeeds": "",
    "/partnerfeeds/{feed}": "",
    "/partnerfeeds/{workspace}/subscriptions": "",
    "/workspace/{workspace}/{module}/serviceconfigurations": "",
    "/audiences": "list",
    "/audiences/{audience}": "absent",
    "/workspace/{workspace}/audiences": "",
    "/users": "list",
    "/users/{email}": "absent",
}
"""The Platform API's resources: what another workspace of the account sees too (its own share), and what is nowhere."""

LINES: Final = lines()

MACHINERY: Final = frozenset({"exchange", "limits", "openapi", "refusals", "surfaces", "telemetry", "throttle"})
"""Modules that the application imports and that serve no route by themselves."""


def surfaces() -> list[str]:
    """Return the modules of `knownas.api` that the application imports to serve something."""
    nodes = [node for module in (application, dispatch) for node in ast.walk(ast.parse(inspect.getsource(module)))]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    names = {module.removeprefix("knownas.api.") for module in imported if module.startswith("knownas.api.")}
    return sorted(names - MACHINERY)


def routes_of(surface: str) -> tuple[Route, ...]:
    """Return a surface's own list of routes; until it has one, what its dispatch is made of."""
    module: Any = importlib.import_module(f"knownas.api.{surface}")
    if hasattr(module, "ROUTES"):
        return tuple(module.ROUTES)
    assert surface in UNLISTED, f"knownas.api.{surface} needs ROUTES: each of its routes as a method and a path"
    return tuple(UNLISTED[surface](module))


def _idsync(module: Any) -> list[Route]:
    return [("POST", path) for path in (*module._TARGETS, "/v1/{mpid}/modify", "/identity/v1/{mpid}/modify")]


def _own(module: Any) -> list[Route]:
    return [("GET", "/api/openapi.json"), *((one.method, one.path) for one in module.OPERATIONS)]


def _lines_that(matches: Callable[[str], bool]) -> list[Route]:
    return [route for route in LINES if matches(route[1])]


UNLISTED: Final[Mapping[str, Callable[[Any], Iterable[Route]]]] = {
    "idsync": _idsync,
    "events": lambda module: [("POST", path) for path in module.EVENT_PATHS],
    "seeding": lambda module: [("POST", path) for path in module._PATHS],
    "operations": lambda module: [("GET", path) for path in module.PATHS],
    "own": _own,
    "token": lambda module: [("POST", module.TOKEN_PATH), ("GET", module.KEYS_PATH)],
    "websdk": lambda module: _lines_that(lambda path: module.target_of(path) is not None),
    "profile": lambda module: _lines_that(lambda path: module.profile_target(path) is not None),
    "alias": lambda module: _lines_that(module.is_alias),
}
"""The surfaces without a list as yet, and what their dispatch is made of.

The last three can't be enumerated: they take paths apart. For them only `ROUTES` notices a route without a line.
"""


def routes() -> list[Route]:
    """Return every route of the application."""
    return sorted({route for surface in surfaces() for route in routes_of(surface)})


def cases(route: Route) -> Iterator[Case]:
    """Yield the cases there can be: only some paths name an organization or account."""
    line = LINES.get(route)
    named = line is not None and any(name in route[1] + line.query for name in ("{organization}", "{account}"))
    for case in Case:
        if case is not Case.OTHER_ORGANIZATION or named:
            yield case


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

    async def ask(self, route: Route, case: Case) -> httpx.Response:
        """Send what a line says in the name of a caller."""
        method, path = route
        line = LINES[route]
        values = self._values(case)
        url = path.format(**values) + line.query.format(**values)
        body = None if line.body is None else _filled(line.body, values)
        return await self.http.request(method, url, json=body, headers=self._headers(line.auth, case))

    def _values(self, case: Case) -> dict[str, str]:
        elsewhere = case is Case.OTHER_ORGANIZATION
        return {
            "mpid": self.mpid,
            "other": self.other,
            "id": self.decision,
            "request_id": "alias-1",
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

    app = Application(opened)
    await app._start()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://id.example.com") as http:
            world = World(http, tokens)
            await world.populate()
            yield world
    finally:
        await app._stop()


def test_every_route_has_a_line() -> None:
    """A route that the application serves stands in the table; whoever adds one decides who may reach it."""
    assert [route for route in routes() if route not in LINES] == []


def test_lists_of_routes_say_what_is_served() -> None:
    """Where a framework knows the routes, the surface's list is the same."""
    platform: Any = importlib.import_module("knownas.api.platform")
    served = {PATH for _, PATH in platform.ROUTES}
    api: Starlette = platform.platform_api(None, None, None)
    assert {getattr(one, "path", "") for one in api.routes} == served


@pytest.mark.parametrize(
    ("route", "case"),
    [
        pytest.param(route, case, id=f"{route[0]} {route[1]} / {case}")
        for route in routes()
        if route in LINES
        for case in cases(route)
    ],
)
async def test_each_caller_reaches_what_is_its_own(route: Route, case: Case) -> None:
    """Each caller gets the answer of the table, and none sees or changes what is another's."""
    line = LINES[route]
    async with running() as world:
        before, section = await world.state(), await world.section()
        answer = await world.ask(route, case)
        assert answer.status_code == line.expected(case), answer.text
        if case is Case.OWN or line.auth is Auth.OPEN:
            return
        hidden = [EMAIL, MARK, NAME, "own-secret", "own-feed-secret"]
        shares_the_scope = case is Case.OTHER_WORKSPACE and line.auth in (Auth.INPUT, Auth.PATH_KEY)
        sent = str(answer.request.url) + answer.request.content.decode()
        if world.mpid not in sent and not shares_the_scope:
            hidden.append(world.mpid)
        assert [mark for mark in hidden if mark in answer.text + str(answer.headers)] == []
        assert await world.section() == section
        if not shares_the_scope:
            assert await world.state() == before
