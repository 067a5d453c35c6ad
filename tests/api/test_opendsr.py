"""The surface of OpenDSR: its paths, credentials, bodies, signatures and refusals, over a real service (platform §5)."""

import base64
import io
import json
import uuid
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from knownas.api.opendsr import ROUTES, OpenDsr
from knownas.api.opendsr_answers import IN_MEMORY_BYTES_MAX
from knownas.api.opendsr_results import ROUTES as RESULT_ROUTES
from knownas.api.opendsr_results import Results
from knownas.api.telemetry import Telemetry
from knownas.core.privacy.evidence import Happening, Step
from knownas.core.privacy.request import DAY_MS
from knownas.service.privacy.processor import is_signed
from knownas.service.privacy.subject_request_form import KeptRequest
from knownas.store.errors import StoreUnavailable
from tests.api.surface_app import app_of
from tests.served import KEY
from tests.service.erasure.test_bulk_deletion import arrive
from tests.service.privacy_stage import Stage, processor, stage

AUTH = ("ws-key-for-tests", "ws-secret-for-tests")
OTHER = ("other-ws-key", "other-ws-secret")
BASE = "http://privacy.test"


class Desk:
    """A client of the surface that checks the signature of everything it is answered."""

    def __init__(self, world: Stage) -> None:
        self.world = world
        self.surface = OpenDsr(world.privacy, world.service.directory, world.clock, Telemetry())
        self.results = self.fetching(world.privacy)
        self.http = self._client(app_of(self.surface, ROUTES))

    def fetching(self, privacy: Any) -> httpx.AsyncClient:
        """Return a client of the results."""
        surface = Results(privacy, self.world.service.directory, self.world.clock, Telemetry())
        return self._client(app_of(surface, RESULT_ROUTES))

    @staticmethod
    def _client(app: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)

    async def ask(self, method: str, path: str, *, auth: Any = AUTH, **more: Any) -> httpx.Response:
        """Ask, and check who says the answer."""
        return checked(await self.http.request(method, path, auth=auth, **more))

    async def fetch(self, request_id: str, auth: Any = AUTH, client: Any = None) -> httpx.Response:
        """Fetch results."""
        return checked(await (client or self.results).get(f"/v3/requests/{request_id}/results", auth=auth))

    async def take(self, path: str = "/v3/requests", **members: Any) -> str:
        """Send a request that is taken; returns its id."""
        body = asked(**members)
        answer = await self.ask("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        return body["subject_request_id"]


def checked(answer: httpx.Response) -> httpx.Response:
    """Hold an answer against its signature."""
    assert answer.headers["x-opendsr-processor-domain"] == "localhost"
    assert is_signed(answer.content, answer.headers["x-opendsr-signature"], processor().certificates)
    assert answer.headers.get("cache-control", "no-store") == "no-store"
    return answer


def asked(**members: Any) -> dict[str, Any]:
    """Return a request; None leaves a member out."""
    document = {
        "regulation": "gdpr",
        "subject_request_id": str(uuid.uuid4()),
        "subject_request_type": "erasure",
        "submitted_time": "2021-11-01T15:00:00Z",
        "subject_identities": {"email": {"value": "a@example.com", "encoding": "raw"}},
        "api_version": "3.0",
        **members,
    }
    return {name: value for name, value in document.items() if value is not None}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """The surface over a service in memory."""
    opened = Desk(await stage(waiting_days=0))
    yield opened
    await opened.http.aclose()
    await opened.results.aclose()
    await opened.world.service.close()


def refused(answer: httpx.Response, status: int, reason: str) -> None:
    """Hold a refusal against the form that the specification has for it."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert answer.headers["x-refusal-reason"] == reason
    assert body["code"] == status
    assert body["message"]
    assert [(one["reason"], one["message"]) for one in body["errors"]] == [(reason, body["message"])]
    assert body["errors"][0]["domain"]


async def test_a_request_is_taken(desk: Desk) -> None:
    """201, with the request's own bytes in it."""
    body = json.dumps(asked()).encode()
    answer = await desk.ask("POST", "/v3/requests", content=body)
    assert answer.status_code == 201
    told = answer.json()
    assert told["controller_id"] == "100"
    assert base64.b64decode(told["encoded_request"]) == body
    assert set(told) == {
        "controller_id",
        "subject_request_id",
        "received_time",
        "expected_completion_time",
        "encoded_request",
    }


async def test_a_request_is_shown_in_a_group_and_taken_back(desk: Desk) -> None:
    """Erasures wait here for the part that erases, so they can be taken back."""
    request_id = await desk.take(group_id="my group")
    shown = await desk.ask("GET", f"/v3/requests/{request_id}")
    assert (shown.status_code, shown.json()["request_status"]) == (200, "pending")
    listed = await desk.ask("GET", "/v3/requests", params={"group_id": "my group"})
    assert listed.json() == [shown.json()]
    cancelled = await desk.ask("DELETE", f"/v3/requests/{request_id}")
    assert cancelled.status_code == 202
    assert set(cancelled.json()) == {
        "controller_id",
        "subject_request_id",
        "received_time",
        "expected_completion_time",
    }
    assert cancelled.json()["expected_completion_time"] is None
    after = await desk.ask("GET", f"/v3/requests/{request_id}")
    assert (after.json()["request_status"], after.json()["expected_completion_time"]) == ("cancelled", None)
    refused(await desk.ask("DELETE", f"/v3/requests/{request_id}"), 400, "request_not_pending")


async def test_the_same_id_or_the_same_person_is_not_taken_twice(desk: Desk) -> None:
    """With the messages of the specification."""
    request_id = await desk.take()
    again = await desk.ask("POST", "/v3/requests", json=asked(subject_request_id=request_id))
    refused(again, 400, "request_exists")
    assert again.json()["message"] == "Subject request already exists."
    refused(await desk.ask("POST", "/v3/requests", json=asked()), 409, "request_in_progress")


async def test_a_request_of_another_workspace_is_unknown(desk: Desk) -> None:
    """To every route."""
    request_id = await desk.take(group_id="g")
    for method in ("GET", "DELETE"):
        refused(await desk.ask(method, f"/v3/requests/{request_id}", auth=OTHER), 404, "unknown_request")
        refused(await desk.ask(method, f"/v3/requests/{uuid.uuid4()}"), 404, "unknown_request")
        refused(await desk.ask(method, "/v3/requests/nonsense"), 404, "unknown_request")
    refused(await desk.fetch(request_id, OTHER), 404, "unknown_request")
    refused(await desk.fetch("nonsense"), 404, "unknown_request")
    assert (await desk.ask("GET", "/v3/requests?group_id=g", auth=OTHER)).json() == []


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        (None, "no_credentials"),
        (("nobody", AUTH[1]), "unknown_key"),
        ((AUTH[0], "guessed"), "wrong_secret"),
        (("example-api-key", "example-api-secret"), "unknown_key"),
    ],
)
async def test_whoever_has_not_the_workspaces_key_is_told_so(desk: Desk, auth: Any, reason: str) -> None:
    """401, signed like every answer."""
    request_id = str(uuid.uuid4())
    for method, path in (("POST", ""), ("GET", "?group_id=g"), ("GET", f"/{request_id}"), ("DELETE", f"/{request_id}")):
        refused(await desk.ask(method, f"/v3/requests{path}", auth=auth), 401, reason)
    refused(await desk.fetch(request_id, auth), 401, reason)


@pytest.mark.parametrize(
    "query", ["", "?group_id=", "?group=g", "?group_id=a&group_id=b", f"?group_id={'x' * 257}", "?group_id=%FF"]
)
async def test_a_list_is_asked_for_by_a_group(desk: Desk, query: str) -> None:
    """One, that can be one."""
    refused(await desk.ask("GET", f"/v3/requests{query}"), 400, "invalid_group")


async def test_what_is_wrong_with_a_request_is_told(desk: Desk) -> None:
    """Which what stands in the tests of its decoding."""
    refused(await desk.ask("POST", "/v3/requests", json=asked(regulation="hipaa")), 400, "invalid_member")
    refused(await desk.ask("POST", "/v3/requests", content=b"{"), 400, "malformed_json")
    refused(await desk.ask("POST", "/v3/requests", content=b" " * 300_000), 413, "body_too_long")
    many = asked(status_callback_urls=["https://10.0.0.1/"])
    refused(await desk.ask("POST", "/v3/requests", json=many), 400, "callback_not_allowed")
    refused(await desk.ask("PUT", "/v3/requests", json={}), 405, "method_not_allowed")


async def test_anybody_may_know_what_can_be_asked_for(desk: Desk) -> None:
    """Discovery names where the certificate is, which verifies what is said."""
    for version, named in (("v3", "3.0"), ("v2", "2.0")):
        told = await desk.ask("GET", f"/{version}/discovery", auth=None)
        assert told.json()["api_version"] == named
        url = told.json()["processor_certificate"]
        assert url == f"{BASE}/{version}/opendsr_cert.pem"
        certificate = await desk.ask("GET", url.removeprefix(BASE), auth=None)
        assert certificate.content == processor().certificates
        assert certificate.headers["content-type"] == "application/x-pem-file"


async def test_addresses_are_below_the_configured_one() -> None:
    """However the server was reached."""
    opened = Desk(await stage(base_url="https://privacy.example.com"))
    told = await opened.ask("GET", "/v3/discovery", auth=None)
    assert told.json()["processor_certificate"] == "https://privacy.example.com/v3/opendsr_cert.pem"


async def test_the_second_version_differs_where_the_specification_says(desk: Desk) -> None:
    """Identities are lists, and answers name the version."""
    listed = [{"identity_type": "email", "identity_value": "b@example.com", "identity_format": "raw"}]
    request_id = await desk.take("/v2/requests", subject_identities=listed, api_version="2.0", group_id="old")
    shown = await desk.ask("GET", f"/v2/requests/{request_id}")
    assert (shown.json()["api_version"], shown.json()["request_status"]) == ("2.0", "pending")
    assert (await desk.ask("GET", "/v2/requests?group_id=old")).json() == [shown.json()]
    mpids = asked(subject_identities=None, extensions={"opendsr.mparticle.com": {"mpids": ["1", "2"]}})
    assert (await desk.ask("POST", "/v2/requests", json=mpids)).status_code == 201
    again = {**mpids, "subject_request_id": asked()["subject_request_id"]}
    again["extensions"] = {"opendsr.mparticle.com": {"mpids": [2, 1, 1]}}
    refused(await desk.ask("POST", "/v2/requests", json=again), 409, "request_in_progress")
    refused(await desk.ask("POST", "/v3/requests", json=again), 400, "several_mpids")
    assert (await desk.ask("DELETE", f"/v2/requests/{request_id}")).status_code == 202


async def test_too_many_requests_are_told_when_to_come_back(desk: Desk) -> None:
    """With a number of seconds, and signed."""
    path = f"/v3/requests/{uuid.uuid4()}"
    slow = ("slow-ws-key", "slow-ws-secret")
    for _ in range(2):
        refused(await desk.ask("GET", path, auth=slow), 404, "unknown_request")
    answer = await desk.ask("GET", path, auth=slow)
    refused(answer, 429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await desk.ask("GET", path)).headers["x-mp-rate-limit-percentage-used"] == "1"


class Prepared:
    """Results that are there: some bytes."""

    def __init__(self, *parts: bytes, fails: bool = False) -> None:
        self.parts, self.fails = parts, fails

    async def open(self, kept: KeptRequest) -> AsyncIterator[bytes]:
        assert kept.request.ended_ms is not None
        return self._parts()

    async def _parts(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.fails:
            raise StoreUnavailable("gone")


@pytest.mark.parametrize("parts", [(b"PK", b"rest"), (b"x" * IN_MEMORY_BYTES_MAX, b"y" * 100_000), (b"",)])
async def test_results_are_fetched_and_signed(desk: Desk, parts: tuple[bytes, ...]) -> None:
    """Where the status says, as a whole, however long they are."""
    request_id = await desk.take(subject_request_type="access")
    await desk.world.privacy.work.work_off()
    status = (await desk.ask("GET", f"/v3/requests/{request_id}")).json()
    assert status["results_url"] == f"{BASE}/v3/requests/{request_id}/results"
    async with desk.fetching(replace(desk.world.privacy, results=Prepared(*parts))) as client:
        answer = await desk.fetch(request_id, client=client)
    assert (answer.status_code, answer.content) == (200, b"".join(parts))
    assert answer.headers["content-type"] == "application/zip"


async def test_results_are_not_there_before_and_gone_later(desk: Desk) -> None:
    """404 for a request that has none or found nobody, 410 when the link is too old; the status then names none."""
    erasure, access = await desk.take(), await desk.take(subject_request_type="access")
    for request_id in (erasure, access):
        refused(await desk.fetch(request_id), 404, "no_results")
    await desk.world.privacy.work.work_off()
    refused(await desk.fetch(access), 404, "no_results")
    desk.world.clock.now_ms += 7 * DAY_MS - 1
    refused(await desk.fetch(access), 404, "no_results")
    desk.world.clock.now_ms += 1
    refused(await desk.fetch(access), 410, "results_expired")
    assert (await desk.ask("GET", f"/v3/requests/{access}")).json()["results_url"] is None


async def test_the_results_of_somebody_are_an_archive(desk: Desk) -> None:
    """It can be fetched up to a limit, which callbacks do not count towards; then it is told when to stop."""
    mpid = await arrive(desk.world, KEY, "ann", 1)
    extension = {"opendsr.mparticle.com": {"subject_identities": {"mpid": {"value": str(mpid)}}}}
    request_id = await desk.take(subject_request_type="access", subject_identities=None, extensions=extension)
    await desk.world.privacy.work.work_off()
    told = [Happening(1, request_id, Step.DELIVERED, {"what": "callback"})] * 200
    assert await desk.world.privacy.evidence.write(told)
    answer = await desk.fetch(request_id)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert "profile.jsonl" in names
    fetched = [Happening(1, request_id, Step.DELIVERED, {"what": "results"})] * 200
    assert await desk.world.privacy.evidence.write(fetched)
    often = await desk.fetch(request_id)
    refused(often, 429, "fetched_too_often")
    assert int(often.headers["retry-after"]) == 7 * 24 * 3600


async def test_results_that_break_off_are_a_refusal(desk: Desk) -> None:
    """Nothing half is sent: what is signed is whole."""
    request_id = await desk.take(subject_request_type="portability")
    await desk.world.privacy.work.work_off()
    async with desk.fetching(replace(desk.world.privacy, results=Prepared(b"half", fails=True))) as client:
        refused(await desk.fetch(request_id, client=client), 503, "store_unavailable")
