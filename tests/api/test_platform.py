"""The Platform API reads what is configured, and only what the caller may see of it (platform §12)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from knownas.api.platform import RESOURCES, ROUTES, is_platform_path, platform_api
from knownas.api.platform_calculated import attribute_documents, attribute_id, calculation_document
from knownas.api.telemetry import Telemetry
from knownas.config.values import (
    Account,
    Configuration,
    Credential,
    Input,
    InputPlatform,
    Organization,
    RateLimits,
    Role,
    Scope,
    Secret,
    Workspace,
)
from knownas.core.identity.policy import Strategy, policy
from knownas.core.profile.conditions import Condition, ConditionType, Operator
from knownas.core.profile.definition import AttributeCategory, DataPoint, Definition
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import Window, WindowUnit
from knownas.service.security.keys import Holder, Holding, rotate
from knownas.service.security.sealing import SecretKeys
from knownas.service.security.tokens import Issued, Tokens, open_tokens
from knownas.service.server import open_service
from knownas.store.memory.store import MemoryStore
from tests.store.world import START_MS

KEYS = SecretKeys([b"k" * 32])
SECRET = "secret-of-a-client"


def app(name: str, key: str, platform: InputPlatform = InputPlatform.IOS) -> Input:
    """Return an app with a secret that must never show."""
    return Input(name, platform, None, key, Secret("hidden-secret"))


ORDERS = Definition(
    "orders",
    CalculationType.COUNT,
    DataPoint("commerce_event", custom_event_type="purchase"),
    since_ms=1_569_888_000_000,
)
SPENT = Definition(
    "spent",
    CalculationType.SUM,
    DataPoint("commerce_event", None, "purchase", "Total Amount", AttributeCategory.PRODUCT, use_product_quantity=True),
    (Condition(ConditionType.NUMBER, Operator.EQUALS, "Checkout Step", "22"),),
    cutoff_ms=1_569_974_400_000,
)


def workspace(number: int, *inputs: Input) -> Workspace:
    """Return a workspace of one scope, with two calculated attributes."""
    made = Workspace(number, f"W{number}", "shop", f"ws-{number}", Secret("hidden-secret"), inputs)
    return replace(made, calculated_attributes=(ORDERS, SPENT))


def configured() -> Configuration:
    """Return two accounts: the first with two workspaces, of which clients reach one."""
    feed = Input("crm", None, "custom", "crm-key", Secret("hidden-secret"))
    apps = (
        app("phone", "ios-1"),
        app("tablet", "ios-2"),
        app("web", "web-1", InputPlatform.WEB),
        app("tv", "tv-1", InputPlatform.SMART_TV),
        feed,
    )
    accounts = (
        Account(10, "Retail", (workspace(100, *apps), workspace(101, app("hidden", "ios-3")))),
        Account(20, "Media", (workspace(200, app("other", "ios-4")),)),
        Account(30, "Empty"),
    )
    clients = tuple(
        Credential(name, Secret(SECRET), role, workspaces)
        for name, role, workspaces in (
            ("admin", Role.ADMIN, (100,)),
            ("user", Role.USER, (100,)),
            ("reader", Role.READ_ONLY, (100,)),
            ("nobody", Role.ADMIN, ()),
            ("both", Role.ADMIN, (100, 200)),
        )
    )
    clients += (Credential("limited", Secret(SECRET), Role.USER, (100,), RateLimits(requests_per_second=1)),)
    scopes = (Scope("shop", policy(Strategy.DEFAULT)),)
    return Configuration("memory://", None, scopes, Organization(1, "Acme", accounts), clients)


class Caller:
    """Asks the Platform API in the name of a client."""

    def __init__(self, http: httpx.AsyncClient, tokens: Tokens) -> None:
        self.http = http
        self._tokens = tokens

    async def ask(
        self,
        path: str,
        client: str = "admin",
        account: str | None = "10",
        method: str = "GET",
        prefix: str = "/platform/v2",
    ) -> httpx.Response:
        """Send one request."""
        issued = self._tokens.issue(client, SECRET)
        assert isinstance(issued, Issued)
        params = None if account is None else {"accountId": account}
        headers = {"Authorization": f"Bearer {issued.access_token}"}
        return await self.http.request(method, f"{prefix}{path}", params=params, headers=headers)

    async def data(self, path: str, client: str = "admin", account: str = "10") -> list[Any]:
        """Return the data of an answer that must be 200."""
        answer = await self.ask(path, client, account)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["errors"] is None
        assert set(body) == {"data", "dataType", "errors"}
        return body["data"]


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """A caller of the application, in which the phone's key was rotated."""
    store, configuration = MemoryStore(), configured()
    phone = Holder(Holding.INPUT, 100, "ios-1", Secret("hidden-secret"))
    await rotate(store, KEYS, phone, ("ios-1-new", Secret("hidden-secret-2")), START_MS, 86_400_000)
    service = await open_service(configuration, store, clock=lambda: START_MS, secret_keys=KEYS)
    tokens = await open_tokens(configuration, store, lambda: START_MS)
    transport = httpx.ASGITransport(platform_api(service, tokens, Telemetry()))
    async with httpx.AsyncClient(transport=transport, base_url="https://id.example.com") as http:
        yield Caller(http, tokens)
    await service.close()


def filled(path: str) -> str:
    """Return a resource's path with ids that exist where there can be any."""
    values = {"account": 10, "app": 100, "os": "iOS", "workspace": 100, "feed": "crm", "module": "custom"}
    known = attribute_id(ORDERS)
    return path.format(**values, service="braze", audience=1, email="a@example.com", id=known)


async def test_what_is_configured_is_told(caller: Caller) -> None:
    """Accounts, workspaces, apps with their platforms, and feeds stand as the configuration has them."""
    account = {"id": 10, "name": "Retail", "created_on": None, "last_modified_on": None, "data_type": "account"}
    feed = {"module_name": "custom", "name": "crm", "os": None, "is_debug": False, "settings": []}
    assert await caller.data("/accounts") == await caller.data("/accounts/10") == [account]
    assert await caller.data("/workspace") == [{"id": 100, "name": "W100", "created_on": None}]
    assert [(one["id"], one["name"]) for one in await caller.data("/apps")] == [(100, "W100")]
    assert await caller.data("/apps/100") == await caller.data("/apps")
    platforms = await caller.data("/apps/100/platforms")
    assert [one["os"] for one in platforms] == ["iOS", "MobileWeb", "SmartTV"]
    assert await caller.data("/apps/100/platforms/smarttv") == [{"os": "SmartTV", "access_keys": [{"key": "tv-1"}]}]
    for path in ("/workspace/100/partnerfeeds", "/partnerfeeds/crm", "/partnerfeeds/custom"):
        assert await caller.data(path) == [feed]


async def test_a_rotated_input_has_two_keys(caller: Caller) -> None:
    """The keys of a platform are those that are valid now, of all its inputs."""
    (ios,) = await caller.data("/apps/100/platforms/iOS")
    assert [one["key"] for one in ios["access_keys"]] == ["ios-1", "ios-1-new", "ios-2"]


async def test_no_secret_ever_shows(caller: Caller) -> None:
    """Whatever is read, no answer holds a secret, nor the key of a workspace."""
    for one in RESOURCES:
        answer = await caller.ask(filled(one.path))
        assert "hidden-secret" not in answer.text
        assert "ws-100" not in answer.text


async def test_what_there_is_not_is_an_empty_list(caller: Caller) -> None:
    """Catalogues that this server lacks answer with nothing in them; audiences as bare lists, as the vendor does."""
    for path in (
        "/services",
        "/users",
        "/apps/100/datapoints",
        "/apps/100/platforms/iOS/services",
        "/partnerfeeds/100/subscriptions",
        "/workspace/100/custom/serviceconfigurations",
    ):
        assert await caller.data(path) == []
    for path in ("/audiences", "/workspace/100/audiences"):
        answer = await caller.ask(path)
        assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/20",
        "/accounts/99",
        "/apps/101",
        "/apps/200/platforms",
        "/apps/x",
        "/apps/100/platforms/Xbox",
        "/apps/100/platforms/CP/M",
        "/apps/100/braze",
        "/apps/100/braze/datapoints",
        "/services/braze",
        "/workspace/101/partnerfeeds",
        "/workspace/200/audiences",
        "/partnerfeeds/nobody",
        "/audiences/1",
        "/users/a@example.com",
        "/nothing",
        "/apps/",
        f"/apps/{'9' * 20}",
    ],
)
async def test_what_is_not_there_and_what_is_not_yours_are_the_same(caller: Caller, path: str) -> None:
    """Another account's, another workspace's, and what nobody has: 404 in the envelope, with a reason."""
    answer = await caller.ask(path)
    assert answer.status_code == 404
    body = answer.json()
    assert body["data"] is None
    assert body["errors"][0]["code"] == "NOT_FOUND"
    assert answer.headers["x-refusal-reason"] == body["errors"][0]["reason"]


@pytest.mark.parametrize(
    ("client", "account", "status"),
    [
        ("admin", "10", 200),
        ("user", "10", 200),
        ("admin", None, 401),
        ("admin", "", 401),
        ("admin", "20", 404),
        ("admin", "30", 404),
        ("admin", "ten", 404),
        ("nobody", "10", 404),
        ("reader", "10", 403),
        ("both", "20", 200),
    ],
)
async def test_every_resource_asks_who_and_about_which_account(
    caller: Caller, client: str, account: str | None, status: int
) -> None:
    """An account must be named and reachable, and the role must allow it, whatever the resource."""
    for one in (one for one in RESOURCES if one.asks_account):
        answer = await caller.ask(filled(one.path), client, account)
        if status == 200:
            assert answer.status_code in (200, 404), one.path
        else:
            assert answer.status_code == status, one.path
            assert answer.json()["errors"]


CALCULATED = "/workspaces/100/calculatedattributes"


@pytest.mark.parametrize(
    ("client", "account", "workspace_id", "status"),
    [
        ("admin", None, 100, 200),
        ("user", None, 100, 200),
        ("admin", "10", 100, 200),
        ("both", None, 200, 200),
        ("both", "10", 200, 404),
        ("admin", "20", 100, 404),
        ("admin", None, 101, 404),
        ("admin", None, 200, 404),
        ("nobody", None, 100, 404),
        ("reader", None, 100, 403),
    ],
)
async def test_a_workspace_is_named_without_its_account(
    caller: Caller, client: str, account: str | None, workspace_id: int, status: int
) -> None:
    """Calculated attributes need no account, and are told to nobody else; an account that is given must be theirs."""
    for one in RESOURCES:
        if not one.asks_account and not one.path.endswith("/draft"):
            path = filled(one.path).replace("/100/", f"/{workspace_id}/")
            assert (await caller.ask(path, client, account)).status_code == status, path


async def test_definitions_are_told_in_the_vendors_shape(caller: Caller) -> None:
    """A bare list of what the configuration defines, which can be narrowed to a name, and each by its id."""
    orders, spent = (await caller.ask(CALCULATED, account=None)).json()
    assert [orders["name"], spent["name"]] == ["orders", "spent"]
    assert orders["active_definition"]["time_period"] == {
        "type": "since",
        "date": "2019-10-01T00:00:00",
        "within": None,
        "within_unit": None,
    }
    assert spent["active_definition"] == {
        "recipe_type": "event",
        "datapoint": {
            "type": "event",
            "event_name": None,
            "attribute_name": "Total Amount",
            "event_type": "commerce_event",
            "custom_event_type": "purchase",
            "attribute_category": "product_attribute",
            "use_product_quantity": True,
        },
        "conditions": [
            {
                "type": "number",
                "operator": "equals",
                "attribute_name": "Checkout Step",
                "value": "22",
                "values": None,
                "min_value": None,
                "max_value": None,
            }
        ],
        "calculation_type": "sum",
        "time_period": None,
        "seeding": {"cutoff_date": "2019-10-02T00:00:00"},
    }
    assert (spent["draft_definition"], spent["audience_count"]) == (None, 0)
    assert (await caller.ask(f"{CALCULATED}?name=spent", account=None)).json() == [spent]
    assert (await caller.ask(f"{CALCULATED}?name=spend", account=None)).json() == []
    assert (await caller.ask(f"{CALCULATED}/{spent['id']}", account=None)).json() == spent


def test_a_window_is_told_as_it_was_given() -> None:
    """A time period that slides has its length in the unit of the definition, and no date."""
    sliding = replace(ORDERS, since_ms=None, window=Window(2, WindowUnit.WEEKS))
    (document,) = attribute_documents([sliding], None)
    assert document["active_definition"]["time_period"] == {
        "type": "within",
        "date": None,
        "within": 2,
        "within_unit": "weeks",
    }


async def test_what_is_defined_is_active_and_complete(caller: Caller) -> None:
    """Activation and calculation have nothing left to do, and there is no draft."""
    path = f"{CALCULATED}/{attribute_id(ORDERS)}"
    activation = (await caller.ask(f"{path}/activation", account=None)).json()
    assert (activation["calculated_attribute_id"], activation["is_active"]) == (attribute_id(ORDERS), True)
    calculation = (await caller.ask(f"{path}/calculation", account=None)).json()
    assert (calculation["name"], calculation["is_calculated"]) == ("orders", True)
    assert (calculation["calculation_percent_complete"], calculation["estimated_completion_time"]) == (100, None)
    assert (await caller.ask(f"{path}/draft", account=None)).status_code == 404


async def test_an_id_lasts_as_long_as_the_name(caller: Caller) -> None:
    """Another definition of the same name has the same id and another revision; numbers are exact in JavaScript."""
    changed = replace(ORDERS, since_ms=None)
    assert attribute_id(changed) == attribute_id(ORDERS) != attribute_id(SPENT)
    assert calculation_document(changed)["revision_id"] != calculation_document(ORDERS)["revision_id"]
    assert 0 < attribute_id(ORDERS) < 2**53
    for unknown in ("0", "orders", "9" * 20):
        assert (await caller.ask(f"{CALCULATED}/{unknown}", account=None)).status_code == 404


async def test_head_tells_whether_a_name_is_taken(caller: Caller) -> None:
    """204 for a name that is defined, 404 for one that is not."""
    taken, free = [
        await caller.ask(f"{CALCULATED}?name={name}", account=None, method="HEAD") for name in ("spent", "spend")
    ]
    assert (taken.status_code, free.status_code) == (204, 404)


async def test_several_accounts_are_listed_but_asked_about_one_by_one(caller: Caller) -> None:
    """A client that reaches two accounts sees both listed, and of each only what it reaches there."""
    assert [one["id"] for one in await caller.data("/accounts", "both")] == [10, 20]
    assert [one["id"] for one in await caller.data("/workspace", "both", "20")] == [200]
    assert (await caller.ask("/apps/200", "both")).status_code == 404


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic YTpi"}])
async def test_nobody_reads_without_a_token(caller: Caller, given: dict[str, str]) -> None:
    """Without a token of ours everything is 401, with a challenge and in the envelope."""
    for one in RESOURCES:
        answer = await caller.http.get(f"/platform/v2{filled(one.path)}?accountId=10", headers=given)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["errors"][0]["code"] == "UNAUTHORIZED"


async def test_head_is_answered_204(caller: Caller) -> None:
    """HEAD says that something is there, or is not, without a body."""
    there, absent = [await caller.ask(path, method="HEAD") for path in ("/apps/100", "/apps/101")]
    assert (there.status_code, there.content) == (204, b"")
    assert absent.status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_writing_is_sent_to_the_configuration(caller: Caller, method: str) -> None:
    """No verb changes anything: each is told where to change it."""
    for one in RESOURCES:
        answer = await caller.ask(filled(one.path), method=method)
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]
        assert "knownas.yaml" in answer.json()["errors"][0]["message"]


async def test_browsers_may_ask_from_anywhere(caller: Caller) -> None:
    """A preflight is answered, and every answer, a refusal too, can be read by a page of any origin."""
    preflight = await caller.http.options("/platform/v2/apps")
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    for answer in (preflight, await caller.ask("/apps"), await caller.ask("/apps", account=None)):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_the_routes_are_those_that_are_served() -> None:
    """The list of routes names each path of each resource with both verbs that read."""
    assert len(ROUTES) == len(set(ROUTES)) == 2 * sum(len(one.paths) for one in RESOURCES)


async def test_the_first_version_is_served_as_well(caller: Caller) -> None:
    """Clients that know the API below /v1 get the same there, but for what only the second version has."""
    for one in RESOURCES:
        path = filled(one.path)
        newer, older = [await caller.ask(path, prefix=prefix) for prefix in ("/platform/v2", "/v1")]
        if one.asks_account:
            assert (older.status_code, older.content) == (newer.status_code, newer.content)
        else:
            assert older.status_code == 404
    assert [is_platform_path(path) for path in ("/v1/apps", "/v1/apps/1", "/v1/identify", "/v1/7/modify")] == [
        True,
        True,
        False,
        False,
    ]


async def test_a_client_that_asks_too_much_has_to_wait(caller: Caller) -> None:
    """429 in the envelope with the seconds to wait; a client without a limit is told none."""
    answers = [await caller.ask("/apps", "limited") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["x-mp-rate-limit-percentage-used"] == "50"
    refused = answers[2]
    assert refused.json()["errors"][0]["reason"] == refused.headers["x-refusal-reason"] == "rate_limited"
    assert refused.headers["x-mp-rate-limit-exceeded"] == "org"
    assert int(refused.headers["retry-after"]) > 0
    assert "x-mp-rate-limit-percentage-used" not in (await caller.ask("/apps")).headers
