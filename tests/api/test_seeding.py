"""The seeding API: its paths, credentials, bodies and answers, over a real service (platform §8)."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from knownas.api.seeding import ROUTES, Amount, SeedingSurface
from knownas.api.seeding_wire import SEEDS_A_USER_MAX, USERS_A_REQUEST_MAX
from knownas.api.telemetry import Telemetry
from knownas.core.identity.observation import Environment
from knownas.store.errors import StoreBusy, StoreFull
from knownas.store.memory.store import MemoryStore
from knownas.store.user_data import UserDataCommit
from tests.api.surface_app import app_of
from tests.service.seeding_stage import APP, CUTOFF, SHOP, Stage, stage

ONE, MANY = "/v2/calculatedattributes", "/v2/bulkcalculatedattributes"
AUTH = ("ws-100", "secret-100")


class Desk:
    """A client of the surface, and the service behind it."""

    def __init__(self, world: Stage) -> None:
        self.world = world
        self.surface = SeedingSurface(world.seeding, world.service.directory, Telemetry())
        transport = httpx.ASGITransport(app_of(self.surface, ROUTES))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://knownas.test")

    async def post(self, body: Any, path: str = ONE, auth: Any = AUTH, **more: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(path, content=content, auth=auth, **more)

    async def mpids(self) -> list[int]:
        pool = self.world.place().rules.pool(Environment.PRODUCTION)
        return [record.mpid for record in await self.world.service.store.records(pool, None, 1_000)]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """The surface over a service in memory."""
    world = await stage(MemoryStore())
    opened = Desk(world)
    yield opened
    await opened.client.aclose()
    await world.service.close()


def ltv(value: Any = 100.5, name: str = "LTV") -> dict[str, Any]:
    return {"attribute_name": name, "calculation_type": "sum", "cutoff_date": CUTOFF, "seed": {"value": value}}


def body(*seeds: Any, **members: Any) -> dict[str, Any]:
    named = {} if "mpid" in members or "identities" in members else {"identities": {"customer_id": "123xyz"}}
    return {"environment": "production", **named, "calculated_attributes": {"workspace": list(seeds)}, **members}


def nested(depth: int) -> bytes:
    """Return a body with lists inside one another."""
    text = json.dumps(body(ltv(), x=0))
    return text.replace('"x": 0', f'"x": {"[" * depth}{"]" * depth}').encode()


@pytest.mark.parametrize("prefix", ["", "/s2s"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_paths(prefix: str, slash: str) -> None:
    """With and without the prefix and the slash of the vendor's examples."""
    assert ROUTES.find(f"{prefix}{ONE}{slash}") == (("POST",), Amount.ONE)
    assert ROUTES.find(f"{prefix}{MANY}{slash}") == (("POST",), Amount.MANY)
    assert ROUTES.find(f"{prefix}/v2/events{slash}") is None


async def test_an_accepted_seed_is_there(desk: Desk) -> None:
    """202, no body, and every reader sees it at once; device identities are named as in profiles."""
    who = {"customer_id": "123xyz", "google_advertising_id": "82416a37-84d7-417f-84f3-a5b5c6a9c570", "email": None}
    tier = {"attribute_name": "User Tier", "attribute_value": "Free"}
    answer = await desk.post(body(ltv(), identities=who, user_attributes={"workspace": [tier]}))
    assert (answer.status_code, answer.content) == (202, b"")
    (mpid,) = await desk.mpids()
    assert await desk.world.values(mpid) == {"LTV": "100.5"}


async def test_an_mpid_wins_over_identities(desk: Desk) -> None:
    """They are not looked at, not even for their names."""
    await desk.post(body(ltv(1)))
    (mpid,) = await desk.mpids()
    for given in (mpid, str(mpid)):
        answer = await desk.post(body(ltv(2), mpid=given, identities={"nonsense": "somebody else"}))
        assert answer.status_code == 202
    assert await desk.mpids() == [mpid]
    assert await desk.world.values(mpid) == {"LTV": "2"}


async def test_a_bulk_request_is_whole_or_nothing(desk: Desk) -> None:
    """One fault refuses all users, and every fault is told by the attribute's name."""
    users = [body(ltv(), identities={"customer_id": "a"}), body(ltv(name="test sum"), identities={"customer_id": "b"})]
    answer = await desk.post([*users, body(ltv("many"), identities={"customer_id": "c"})], MANY)
    assert answer.status_code == 400
    assert answer.json() == {
        "errors": [
            {
                "code": "BAD_REQUEST",
                "message": "test sum: No matching calculated attribute definition found",
                "reason": "unknown_calculated_attribute",
            },
            {"code": "BAD_REQUEST", "message": "LTV: Seed value must be numeric", "reason": "invalid_seed"},
        ]
    }
    assert answer.headers["x-refusal-reason"] == "unknown_calculated_attribute"
    assert await desk.mpids() == []
    assert (await desk.post(users[:1], MANY)).status_code == 202
    assert len(await desk.mpids()) == 1


@pytest.mark.parametrize(
    ("auth", "status", "reason"),
    [
        (None, 401, "no_credentials"),
        (("ws-100", "wrong"), 403, "wrong_secret"),
        (("ws-100", "secret-101"), 403, "wrong_secret"),
        (("web-key", "secret-100"), 403, "unknown_key"),
    ],
)
async def test_only_the_workspaces_own_key_opens(desk: Desk, auth: Any, status: int, reason: str) -> None:
    """A missing header is 401, credentials that are not valid are 403; nothing is kept."""
    answer = await desk.post(body(ltv()), auth=auth)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (status, reason)
    assert await desk.mpids() == []


@pytest.mark.parametrize(
    "header",
    ["Bearer abc", "Basic ???", "Basic", "", "Basic " + base64.b64encode(b"ws-100").decode()],
)
async def test_malformed_credentials_are_401(desk: Desk, header: str) -> None:
    """They can't be understood."""
    answer = await desk.post(body(ltv()), auth=None, headers={"authorization": header})
    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (401, "malformed_credentials")


async def test_two_authorization_headers_are_refused(desk: Desk) -> None:
    """Whatever is in between may have looked at the other one."""
    basic = "Basic " + base64.b64encode(b"ws-100:secret-100").decode()
    headers = [("authorization", basic), ("authorization", "Basic x")]
    assert (await desk.post(body(ltv()), auth=None, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"{", "malformed_json"),
        (nested(50_000), "too_deep"),
        (nested(2_000), "too_deep"),
        (b"[]", "invalid_member"),
        ({}, "invalid_member"),
        ({"environment": "staging"}, "invalid_member"),
        (body(ltv(), identities={}), "nobody_named"),
        (body(ltv(), mpid=0), "nobody_named"),
        (body(ltv(), mpid="x"), "invalid_mpid"),
        (body(ltv(), mpid=2**64), "invalid_mpid"),
        (body(ltv(), identities={"shoe_size": "42"}), "unknown_identity_type"),
        (body(ltv(), identities={"email": "x" * 300}), "invalid_identity"),
        (body(ltv(), identities={"customer_id": "a", "customerid": "b"}), "identity_type_twice"),
        (body(), "nothing_to_seed"),
        (body({**ltv(), "seed": 5}), "invalid_member"),
        (body({"attribute_name": "LTV"}), "invalid_member"),
        (body(*[ltv()] * (SEEDS_A_USER_MAX + 1)), "too_many_seeds"),
        (body(user_attributes={"workspace": [{"attribute_name": "a", "attribute_value": {}}]}), "invalid_attribute"),
        (body(user_attributes={"workspace": [{"attribute_name": "", "attribute_value": "v"}]}), "invalid_attribute"),
        (body(ltv(), mpid=5), "unknown_mpid"),
        (b'{"environment": "production", "mpid": 1, "mpid": 2, "calculated_attributes": {}}', "duplicate_key"),
    ],
)
async def test_what_can_not_be_understood_is_named(desk: Desk, given: Any, reason: str) -> None:
    """With 400 and a stable reason; nothing is kept."""
    answer = await desk.post(given)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (400, reason)
    assert await desk.mpids() == []


async def test_a_bulk_request_has_a_limit(desk: Desk) -> None:
    """As many users as batches of events."""
    one = {"environment": "production", "mpid": 5, "user_attributes": {"workspace": []}}
    answer = await desk.post([one] * (USERS_A_REQUEST_MAX + 1), MANY)
    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (400, "too_many_users")
    too_long = await desk.post(b" " * (256 * 1024 + 1))
    assert too_long.status_code == 413


async def test_other_methods_are_refused(desk: Desk) -> None:
    """With the one that is allowed."""
    answer = await desk.client.get(ONE, auth=AUTH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_workspace_that_asks_too_much_has_to_wait(desk: Desk) -> None:
    """429 names the workspace and the seconds; others are not held up."""
    limited = (f"ws-{APP}", f"secret-{APP}")
    answers = [await desk.post(body(ltv()), auth=limited) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[0].headers["x-mp-rate-limit-percentage-used"] == "50"
    assert answers[2].headers["x-mp-rate-limit-exceeded"] == "workspace"
    assert int(answers[2].headers["retry-after"]) > 0
    assert (await desk.post(body(ltv()), auth=AUTH)).status_code == 202


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (StoreBusy("locked"), 503, "store_busy"),
        (StoreFull("full"), 500, "store_full"),
        (KeyError("x"), 500, "internal_error"),
    ],
)
async def test_a_store_in_trouble_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, reason: str
) -> None:
    """202 is never answered for what is not durable."""

    async def commit(_commit: UserDataCommit) -> bool:
        raise error

    monkeypatch.setattr(desk.world.data, "commit", commit)
    answer = await desk.post(body(ltv()))
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (status, reason)
    assert answer.json()["errors"][0]["code"] == "INTERNAL_ERROR"
    assert ("retry-after" in answer.headers) is (status == 503)


def test_the_stage_has_the_workspaces() -> None:
    """The numbers of the credentials above are those of the stage."""
    assert (f"ws-{SHOP}", f"secret-{SHOP}") == AUTH
