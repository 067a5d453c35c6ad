"""The bulk deletion API: its paths, credentials, bodies and refusals, over a real service (platform §5.10)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from knownas.api.bulk_deletion import DELETIONS_A_REQUEST_MAX, ROUTES, BulkDeletionSurface
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from tests.api.surface_app import app_of
from tests.served import KEY, SECRET
from tests.service.erasure.test_bulk_deletion import arrive, left
from tests.service.privacy_stage import stage

AUTH, PATH = (KEY, SECRET), "/userprofile/bulkdelete"


@pytest.fixture
async def desk() -> AsyncIterator[Any]:
    """A client of the surface, and the service behind it."""
    world = await stage()
    surface = BulkDeletionSurface(world.privacy.deletion, world.service.directory, Throttle(), Telemetry())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app_of(surface, ROUTES)), base_url="http://knownas.test"
    ) as http:
        yield world, http
    await world.service.close()


def deletion(**members: Any) -> dict[str, Any]:
    """Return one item; None leaves a member out."""
    given = {"environment_type": "production", "action": "delete", "mpid": "7", **members}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize("path", [path for _, path in ROUTES])
async def test_an_accepted_request_has_no_body(desk: Any, path: str) -> None:
    """202, whether or not somebody is there, at each of the paths."""
    _, http = desk
    answer = await http.post(path, json=[deletion(), deletion(mpid=None, identities={"customerid": "x"})], auth=AUTH)
    assert (answer.status_code, answer.content) == (202, b"")


async def test_what_was_there_is_gone(desk: Any) -> None:
    """When the answer comes."""
    world, http = desk
    mpid = await arrive(world, KEY, "ann", 1)
    assert (await http.post(PATH, json=[deletion(mpid=str(mpid))], auth=AUTH)).status_code == 202
    assert (await left(world, 100, mpid, [KEY])).total == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[", "malformed_json"),
        (b"{}", "invalid_member"),
        ([deletion(action="erase")], "invalid_member"),
        ([deletion(action=None)], "invalid_member"),
        ([deletion(environment_type=None)], "invalid_member"),
        ([deletion(mpid="x")], "invalid_mpid"),
        ([deletion(mpid=None)], "nobody_named"),
        ([deletion(mpid="0")], "nobody_named"),
        ([deletion(mpid=None, identities={"email": ""})], "nobody_named"),
        ([deletion(mpid=None, identities={"customer_id": "x"})], "unknown_identity_type"),
        ([deletion(mpid=None, identities={"email": "x" * 257})], "invalid_identity"),
        (b'[{"environment_type":"production","action":"delete","mpid":"1","mpid":"2"}]', "duplicate_key"),
        ([deletion()] * (DELETIONS_A_REQUEST_MAX + 1), "too_many_deletions"),
    ],
)
async def test_what_can_not_be_meant_is_refused(desk: Any, body: Any, reason: str) -> None:
    """As a whole, by the envelope of the Events API."""
    _, http = desk
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await http.post(PATH, content=content, auth=AUTH)
    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (400, reason)
    assert answer.json()["errors"][0]["reason"] == reason


@pytest.mark.parametrize(
    ("auth", "status", "reason"),
    [
        (None, 401, "no_credentials"),
        (("nobody", SECRET), 403, "unknown_key"),
        ((KEY, "guessed"), 403, "wrong_secret"),
        (("ws-key-for-tests", "ws-secret-for-tests"), 403, "unknown_key"),
    ],
)
async def test_only_an_input_may_ask(desk: Any, auth: Any, status: int, reason: str) -> None:
    """With its key and its secret."""
    _, http = desk
    answer = await http.post(PATH, json=[deletion()], auth=auth)
    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (status, reason)
