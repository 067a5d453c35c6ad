"""Alias requests over HTTP, as the web SDK and the native SDKs send them (idsync §4.7, platform §3.5)."""

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from knownas.api.alias import ROUTES, AliasSurface
from knownas.api.alias_wire import alias_request
from knownas.api.limits import BODY_BYTES_MAX
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from knownas.api.wire import Malformed
from knownas.config.values import AliasSettings, RateLimits
from knownas.core.identity.observation import Environment
from knownas.core.identity.policy import Strategy
from knownas.core.profile.alias import AliasRequest
from knownas.service.identity.aliasing import Aliasing
from knownas.store.errors import StoreFull, StoreUnavailable
from tests.api.surface_app import app_of
from tests.service.alias_stage import DAY, SECRET, SHOP, TV, AliasStage, opened
from tests.store.world import START_MS

KEY = f"key-{SHOP}"
PATH = f"/v1/identity/{KEY}/Alias"
NATIVE = f"/v1/identity/{KEY}/alias"
DATE = "20240102T030405Z"


class Surface:
    """The surface over a stage, with a client that asks it."""

    def __init__(self, stage: AliasStage) -> None:
        self.stage = stage
        self.telemetry = Telemetry()
        self.surface = AliasSurface(stage.aliasing, stage.directory, Throttle(), self.telemetry)
        self.source = self.destination = 0

    def body(self, request_id: str = "the-request", **data: Any) -> dict[str, Any]:
        """Return what the web SDK sends."""
        named = {"source_mpid": str(self.source), "destination_mpid": str(self.destination), **data}
        return {
            "request_id": request_id,
            "request_type": "alias",
            "environment": "production",
            "api_key": KEY,
            "data": {name: value for name, value in named.items() if value is not None},
        }

    async def ask(self, path: str = PATH, method: str = "POST", **request: Any) -> httpx.Response:
        """Send a request; without content it is a whole one."""
        if "content" not in request and "json" not in request:
            request["json"] = self.body()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app_of(self.surface, ROUTES)), base_url="http://server"
        ) as client:
            return await client.request(method, path, **request)

    async def sign(self, path: str, *, signed: str | None = None, secret: str = SECRET, **request: Any) -> Any:
        """Send what a native SDK sends: signed over method, date, path and the plain body."""
        body = json.dumps(self.body()).encode()
        text = f"POST\n{DATE}\n{signed or path}".encode() + body
        signature = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
        headers = {"Date": DATE, "x-mp-signature": signature, **request.pop("headers", {})}
        content = gzip.compress(body) if headers.get("Content-Encoding") == "gzip" else body
        return await self.ask(path, content=content, headers=headers, **request)


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Surface]:
    """Serve a workspace with these settings and two profiles."""
    surface = Surface(await opened(**settings))
    surface.source, surface.destination = await surface.stage.profile(), await surface.stage.profile()
    yield surface
    await surface.stage.store.close()


@pytest.fixture
async def surface() -> AsyncIterator[Surface]:
    """Serve a workspace that has aliases."""
    async with serving() as running:
        yield running


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and reason of a refusal that has a body."""
    body = answer.json()
    assert body["message"]
    assert answer.headers["x-refusal-reason"] == body["reason"]
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.status_code, body["code"], body["reason"]


@pytest.mark.parametrize("prefix", ["", "/webevents", "/nativeevents"])
@pytest.mark.parametrize("last", ["Alias", "alias", "ALIAS"])
async def test_every_spelling_of_the_path_is_served(prefix: str, last: str, surface: Surface) -> None:
    """The last part is matched whatever its case, with and without the prefixes of custom domains."""
    answer = await surface.ask(f"{prefix}/v1/identity/{KEY}/{last}?cb=1")
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert await surface.stage.state("the-request") == ("queued", None)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/identity/k/aliases",
        "/v1/identity//alias",
        "/v1/identity/alias",
        "/v1/identity/k/alias/",
        "/v2/identity/k/alias",
        "/v1/k/modify",
        "/identity/v1/identity/k/alias",
        "/webeventsv1/identity/k/alias",
        "/v1/Identity/k/alias",
        "",
        "/",
    ],
)
def test_other_paths_are_not_ours(path: str) -> None:
    """Nothing else is taken for an alias request."""
    assert ROUTES.find(path) is None


async def test_a_browser_may_ask(surface: Surface) -> None:
    """The preflight allows what the web SDK sends."""
    answer = await surface.ask(method="OPTIONS")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert "Access-Control-Request-Headers" in answer.headers["vary"]


async def test_mpids_are_text_or_numbers(surface: Surface) -> None:
    """Both spellings name the same profiles, and no digit is lost on the way."""
    assert (await surface.ask(json=surface.body("text"))).status_code == 202
    numbers = surface.body("numbers", source_mpid=surface.source, destination_mpid=surface.destination)
    assert (await surface.ask(json=numbers)).status_code == 202
    for name in ("text", "numbers"):
        row = await surface.stage.store.user_data.alias(name)
        assert row is not None
        assert (row.source_mpid, row.destination_mpid) == (surface.source, surface.destination)
    near = await surface.ask(json=surface.body("near", source_mpid=surface.source + 1))
    assert refused(near) == (400, "INVALID_DATA", "unknown_mpid")


@pytest.mark.parametrize(("number", "text"), [("9007199254740993", "9007199254740993"), ("-5", '"-5"')])
def test_no_mpid_goes_through_a_float(number: str, text: str) -> None:
    """An MPID beyond 53 bits is read to the last digit, as a number and as text."""
    body = (
        f'{{"request_id":"r","environment":"production","data":{{"source_mpid":{number},"destination_mpid":{text}}}}}'
    )
    request = alias_request(body.encode())
    assert request.source_mpid == request.destination_mpid == int(number)


@pytest.mark.parametrize(
    ("members", "stamp"),
    [
        ({"scope": "device", "device_application_stamp": "s"}, "s"),
        ({"device_application_stamp": "s"}, "s"),
        ({"scope": None, "device_application_stamp": "s"}, "s"),
        ({"scope": "mpid", "device_application_stamp": "s"}, None),
        ({"scope": "device"}, None),
        ({"device_application_stamp": ""}, None),
        ({}, None),
    ],
)
def test_the_scope_says_whether_the_device_counts(members: dict[str, Any], stamp: str | None) -> None:
    """A stamp chooses its device's events unless the scope is mpid; without a stamp all events are meant."""
    data = {"source_mpid": 1, "destination_mpid": "2", "start_unixtime_ms": 3, "end_unixtime_ms": 4, **members}
    body = json.dumps({"request_id": "r", "environment": "development", "data": data}).encode()
    assert alias_request(body) == AliasRequest("r", Environment.DEVELOPMENT, 1, 2, 3, 4, stamp)


@pytest.mark.parametrize("name", ["request_id", "environment", "data", "source_mpid", "destination_mpid"])
@pytest.mark.parametrize("empty", [None, "absent"])
async def test_a_missing_field_is_named(name: str, empty: str | None, surface: Surface) -> None:
    """What must be there and is not, or is null, is refused with its name."""
    body = surface.body()
    holder = body["data"] if name.endswith("mpid") else body
    holder.pop(name)
    if empty is None:
        holder[name] = None
    answer = await surface.ask(json=body)
    assert refused(answer) == (400, "INVALID_DATA", "missing_field")
    assert name in answer.json()["message"]


@pytest.mark.parametrize("none", ["", "0", 0])
async def test_no_user_is_no_mpid(none: str | int, surface: Surface) -> None:
    """The SDKs say with an empty MPID or 0 that there is no user."""
    answer = await surface.ask(json=surface.body(source_mpid=none))
    assert refused(answer) == (400, "INVALID_DATA", "missing_field")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"\xff{}", "malformed_json"),
        (b'{"x":' * 50_000, "too_deep"),
        (b"[]", "invalid_member"),
        (b'{"environment":"staging"}', "invalid_member"),
        (b'{"request_id":"r","request_id":"q"}', "duplicate_key"),
        (b'{"request_type":"merge"}', "invalid_member"),
        (b'{"data":{"source_mpid":1.5}}', "invalid_member"),
        (b'{"data":{"source_mpid":1e3}}', "invalid_member"),
        (b'{"data":{"source_mpid":true}}', "invalid_member"),
        (b'{"data":{"start_unixtime_ms":"1"}}', "invalid_member"),
    ],
)
async def test_a_body_that_can_not_be_read_is_refused(content: bytes, reason: str, surface: Surface) -> None:
    """Whatever is wrong with the body is a 400 with the vendor's code and a reason of ours."""
    answer = await surface.ask(content=content)
    assert refused(answer) == (400, "INVALID_DATA", reason)


@pytest.mark.parametrize(
    "members",
    [
        {"source_mpid": "1.0"},
        {"source_mpid": "9223372036854775808"},
        {"destination_mpid": 9223372036854775808},
        {"destination_mpid": "me"},
        {"scope": "all"},
        {"device_application_stamp": "s" * 1000},
    ],
)
async def test_a_wrong_member_is_refused(members: dict[str, Any], surface: Surface) -> None:
    """MPIDs, scope and stamp are what they must be."""
    assert refused(await surface.ask(json=surface.body(**members))) == (400, "INVALID_DATA", "invalid_member")


async def test_a_wrong_id_is_refused(surface: Surface) -> None:
    """The id can be asked for in a path, so it has none of a path's characters."""
    answer = await surface.ask(json=surface.body("a/b"))
    assert refused(answer) == (400, "INVALID_DATA", "invalid_member")


async def test_a_wrong_window_is_refused(surface: Surface) -> None:
    """The rules for what shows at once reach the wire."""
    answer = await surface.ask(json=surface.body(start_unixtime_ms=START_MS, end_unixtime_ms=START_MS - DAY))
    assert refused(answer) == (400, "INVALID_DATA", "inverted_window")


async def test_a_repeat_is_accepted(surface: Surface) -> None:
    """An SDK that heard no answer sends the request again, and hears the same."""
    assert [(await surface.ask()).status_code for _ in range(3)] == [202] * 3
    assert await surface.stage.run() == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"settings": AliasSettings()}, "alias_not_provisioned"),
        ({"strategy": Strategy.PROFILE_ISOLATION}, "strategy_without_alias"),
    ],
)
async def test_where_there_is_no_alias_it_is_forbidden(settings: dict[str, Any], reason: str) -> None:
    """A workspace that is not provisioned, or whose strategy has no alias, answers 403 with the reason."""
    async with serving(**settings) as surface:
        assert refused(await surface.ask()) == (403, "ALIAS_ERROR", reason)


@pytest.mark.parametrize("key", ["nobody", "ws-100", "key-100%20", "%00"])
async def test_an_unknown_key_is_not_let_in(key: str, surface: Surface) -> None:
    """Without an input's key in the path nothing is taken, and the browser may read the answer."""
    answer = await surface.ask(f"/v1/identity/{key}/alias")
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["x-refusal-reason"] == "unknown_key"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", [NATIVE, f"/nativeevents{NATIVE}", f"/webevents{NATIVE}"])
@pytest.mark.parametrize("signs_prefix", [False, True])
async def test_a_native_sdk_signs(path: str, *, signs_prefix: bool, surface: Surface) -> None:
    """The signature is over the path that is asked, or over the one without a custom domain's prefix."""
    assert (await surface.sign(path, signed=path if signs_prefix else NATIVE)).status_code == 202


async def test_a_native_sdk_compresses(surface: Surface) -> None:
    """A gzip body is signed before it is compressed."""
    assert (await surface.sign(NATIVE, headers={"Content-Encoding": "gzip"})).status_code == 202


async def test_the_key_may_be_repeated(surface: Surface) -> None:
    """A header with the same key as the path does no harm; with another one nobody knows who asks."""
    assert (await surface.sign(NATIVE, headers={"x-mp-key": KEY})).status_code == 202
    answer = await surface.sign(NATIVE, headers={"x-mp-key": f"key-{TV}"})
    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (401, "malformed_credentials")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"secret": "another"}, "wrong_signature"),
        ({"signed": "/v1/identity/key-200/alias"}, "wrong_signature"),
        ({"headers": {"x-mp-signature": ""}}, "wrong_signature"),
        ({"headers": {"Date": "20240102T030406Z"}}, "wrong_signature"),
    ],
)
async def test_a_wrong_signature_is_not_let_in(request_: dict[str, Any], reason: str, surface: Surface) -> None:
    """Where a signature is given it must be right, although none is needed."""
    answer = await surface.sign(NATIVE, **request_)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["x-refusal-reason"] == reason
    assert await surface.stage.aliasing.show("the-request") is None


async def test_a_signature_needs_its_date(surface: Surface) -> None:
    """The date is signed, so that it must be there; and each of the two stands there once."""
    answer = await surface.ask(headers={"x-mp-signature": "0" * 64})
    assert answer.headers["x-refusal-reason"] == "signature_without_date"
    twice = [("x-mp-signature", "0" * 64), ("x-mp-signature", "1" * 64), ("date", DATE)]
    answer = await surface.ask(headers=twice)
    assert answer.headers["x-refusal-reason"] == "malformed_credentials"


async def test_basic_credentials_must_be_those_of_the_path(surface: Surface) -> None:
    """Key and secret of the input are fine; another input's say somebody else than the path does."""
    for key, secret, status in ((KEY, SECRET, 202), (KEY, "x", 401), (f"key-{TV}", SECRET, 401)):
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        assert (await surface.ask(headers={"Authorization": f"Basic {basic}"})).status_code == status


async def test_only_post_is_served(surface: Surface) -> None:
    """Another method is told which one is."""
    answer = await surface.ask(method="GET")
    assert refused(answer) == (405, "BAD_REQUEST", "method_not_allowed")
    assert answer.headers["allow"] == "POST, OPTIONS"


async def test_a_body_has_a_limit(surface: Surface) -> None:
    """One that is longer is refused, compressed or not."""
    long = b" " * (BODY_BYTES_MAX + 1)
    assert refused(await surface.ask(content=long)) == (413, "BAD_REQUEST", "body_too_long")
    compressed = await surface.ask(content=gzip.compress(long), headers={"Content-Encoding": "gzip"})
    assert refused(compressed) == (413, "BAD_REQUEST", "body_too_long")
    broken = await surface.ask(content=b"no gzip", headers={"Content-Encoding": "gzip"})
    assert refused(broken) == (400, "INVALID_DATA", "malformed_gzip")


async def test_an_input_has_a_rate() -> None:
    """Beyond its input's limit a request is told to wait, and below it how much is used."""
    async with serving(limits=RateLimits(requests_per_second=0.5, burst_seconds=2)) as surface:
        first, second = await surface.ask(), await surface.ask()
        assert (first.status_code, first.headers["x-mp-rate-limit-percentage-used"]) == (202, "100")
        assert (second.status_code, second.content) == (429, b"")
        assert second.headers["x-mp-rate-limit-exceeded"] == "app"
        assert 1 <= int(second.headers["retry-after"]) <= 2
        assert second.headers["access-control-allow-origin"] == "*"


class Failing:
    """Aliasing whose store fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def request(self, *_: object) -> Any:
        """Fail."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (StoreUnavailable("away"), 503, "store_unavailable"),
        (StoreFull("full"), 500, "store_full"),
        (RuntimeError("a fault of ours"), 500, "internal_error"),
    ],
)
async def test_a_fault_is_told(error: Exception, status: int, reason: str, surface: Surface) -> None:
    """Nothing is accepted that was not kept: the SDK hears of an error, and sends the request again."""
    failing: Any = Failing(error)
    assert not isinstance(failing, Aliasing)
    surface.surface = AliasSurface(failing, surface.stage.directory, Throttle(), surface.telemetry)
    answer = await surface.ask()
    assert refused(answer) == (status, "INTERNAL_ERROR", reason)
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_refusals_are_counted(surface: Surface) -> None:
    """Each refusal shows in the metrics, by its reason."""
    await surface.ask("/v1/identity/nobody/alias")
    await surface.ask(content=b"{")
    text = surface.telemetry.exposition().decode()
    assert 'knownas_refusals_total{reason="unknown_key",surface="alias"} 1.0' in text
    assert 'knownas_refusals_total{reason="malformed_json",surface="alias"} 1.0' in text


def test_what_is_too_deep_is_malformed() -> None:
    """A body that nobody can follow is refused like any other."""
    with pytest.raises(Malformed):
        alias_request(b'{"x":' * 50_000 + b"1" + b"}" * 50_000)
