"""What the Profile API refuses, under which reason, and what is counted and logged of it (platform §4)."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from knownas.api.profile import ROUTES
from knownas.api.profile_wire import QUERY_BYTES_MAX
from knownas.core.identity.kinds import IdentityType
from knownas.store.errors import StoreDamaged, StoreError, StoreUnavailable
from tests.api.profile_stage import (
    EVERYWHERE,
    READER,
    SHOP,
    Stage,
    refusal,
    subject,
)

_T = IdentityType


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", "BAD_REQUEST", "malformed_json"),
        (b"{", "BAD_REQUEST", "malformed_json"),
        (b'{"identity": "\xff"}', "BAD_REQUEST", "malformed_json"),
        (b'{"x":' * 10_000, "BAD_REQUEST", "malformed_json"),
        ([], "VALIDATION_ERROR", "invalid_member"),
        ({}, "VALIDATION_ERROR", "invalid_member"),
        (subject("c-1", environment_type="staging"), "VALIDATION_ERROR", "invalid_member"),
        (subject("c-1", environment_type=1), "VALIDATION_ERROR", "invalid_member"),
        ({"identity": [{"type": "customer_id", "value": "c-1"}]}, "VALIDATION_ERROR", "invalid_member"),
        ({"identity": {"type": "customer_id"}}, "VALIDATION_ERROR", "invalid_member"),
        ({"identity": {"type": "customer_id", "value": 1}}, "VALIDATION_ERROR", "invalid_member"),
        (subject("c-1", "CustomerId"), "VALIDATION_ERROR", "unknown_identity_type"),
        (subject("c-1", "x" * 500), "VALIDATION_ERROR", "unknown_identity_type"),
        (subject(""), "VALIDATION_ERROR", "invalid_identity"),
        (subject("x" * 257), "VALIDATION_ERROR", "invalid_identity"),
        (subject("a\0b"), "VALIDATION_ERROR", "invalid_identity"),
        (
            b'{"identity":{"type":"customer_id","value":"a","value":"b"}}',
            "VALIDATION_ERROR",
            "duplicate_key",
        ),
    ],
)
async def test_a_body_that_cant_be_understood_is_refused(stage: Stage, body: Any, code: str, reason: str) -> None:
    """Each fault of a resolve's body has its reason."""
    answer = await stage.resolve(body)

    assert answer.status_code == 400
    assert refusal(answer)[1:] in ((code, reason), ("BAD_REQUEST", "too_deep"))


async def test_a_body_has_a_limit(stage: Stage) -> None:
    """A body beyond the limit of all bodies is refused, on either call."""
    assert refusal(await stage.resolve(b" " * 300_000)) == (413, "BAD_REQUEST", "body_too_long")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"environment": "staging"}, "unknown_environment"),
        ({"environment_type": "Production"}, "unknown_environment"),
        ({"environment": "production", "environment_type": "development"}, "two_environments"),
    ],
)
async def test_an_environment_that_is_none_is_refused(stage: Stage, query: dict[str, str], reason: str) -> None:
    """A request that names no environment that there is, or two, is refused."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))

    assert refusal(await stage.read(mpid, **query)) == (400, "VALIDATION_ERROR", reason)


async def test_query_and_body_must_agree_on_the_environment(stage: Stage) -> None:
    """A resolve that names one environment in its query and another in its body is refused."""
    answer = await stage.resolve(subject("c-1"), environment="development")

    assert refusal(answer) == (400, "VALIDATION_ERROR", "two_environments")


@pytest.mark.parametrize(
    ("query", "status", "code", "reason"),
    [
        ("", 400, "VALIDATION_ERROR", "no_fields"),
        ("fields=", 400, "VALIDATION_ERROR", "no_fields"),
        ("fields=%20,,", 400, "VALIDATION_ERROR", "no_fields"),
        ("field=user_attributes", 400, "VALIDATION_ERROR", "no_fields"),
        ("fields=everything", 400, "VALIDATION_ERROR", "unknown_field"),
        ("fields=user_attributes,nonsense", 400, "VALIDATION_ERROR", "unknown_field"),
        ("fields=User_Attributes", 400, "VALIDATION_ERROR", "unknown_field"),
        ("fields=%ff", 400, "VALIDATION_ERROR", "unknown_field"),
        ("fields=user_attributes&" + "a=1&" * 40, 400, "BAD_REQUEST", "malformed_query"),
        ("fields=" + "x" * QUERY_BYTES_MAX, 414, "VALIDATION_ERROR", "query_too_long"),
    ],
)
async def test_fields_must_be_named(stage: Stage, query: str, status: int, code: str, reason: str) -> None:
    """Without a field that there is, there is no answer, and the refusal names those that there are."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    headers = {"Authorization": f"Bearer {stage.bearer(READER)}"}
    path = f"/userprofile/v1/1/10/{SHOP}/{mpid}"

    answer = await stage.client.get(f"{path}?{query}", headers=headers)

    assert refusal(answer) == (status, code, reason)
    assert status != 400 or code == "BAD_REQUEST" or "user_attributes" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("mpid", "reason"),
    [
        ("0", "malformed_mpid"),
        ("x", "malformed_mpid"),
        ("1.0", "malformed_mpid"),
        ("1e3", "malformed_mpid"),
        ("9223372036854775808", "malformed_mpid"),
        ("٣", "malformed_mpid"),
        ("12345", "unknown_profile"),
        ("-12345", "unknown_profile"),
    ],
)
async def test_an_unknown_mpid_has_its_own_code(stage: Stage, mpid: str, reason: str) -> None:
    """What is no MPID and what is an MPID of nobody are both 400, as the vendor has it, and told apart."""
    code = "BAD_REQUEST" if reason == "malformed_mpid" else "UNKNOWN_PROFILE"

    assert refusal(await stage.read(mpid)) == (400, code, reason)


@pytest.mark.parametrize(
    "path",
    [
        "/userprofile/v1",
        "/userprofile/v1/",
        "/userprofile/v1/1/10/100",
        "/userprofile/v1/1/10/100/5/6",
        "/userprofile/v1/1//100/5",
        "/userprofile/v1/resolve/1/10",
        "/userprofile/bulkdelete",
        "/userprofile/v2/1/10/100/5",
        "/api/userprofile/v1/1/10/100/5",
    ],
)
def test_other_paths_are_not_ours(path: str) -> None:
    """What has not the shape of a read or a resolve is left to others."""
    assert ROUTES.find(path) is None


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "1/10/100/5", "GET, POST"),
        ("DELETE", "1/10/100/5", "GET, POST"),
        ("OPTIONS", "1/10/100/5", "GET, POST"),
        ("GET", "resolve/1/10/100", "POST"),
    ],
)
async def test_another_method_is_refused(stage: Stage, method: str, path: str, allow: str) -> None:
    """The methods that are allowed are named."""
    answer = await stage.client.request(method, f"/userprofile/v1/{path}")

    assert refusal(answer) == (405, "BAD_REQUEST", "method_not_allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("fault", "wanted", "headers"),
    [
        (StoreUnavailable("away"), (503, "INTERNAL_ERROR", "store_unavailable"), {"retry-after": "1"}),
        (StoreDamaged("broken"), (500, "INTERNAL_ERROR", "store_damaged"), {}),
        (RuntimeError("a bug"), (500, "INTERNAL_ERROR", "internal_error"), {}),
    ],
)
async def test_trouble_is_told(
    stage: Stage, fault: StoreError, wanted: tuple[int, str, str], headers: Mapping[str, str]
) -> None:
    """A store that does not answer is no unknown profile: the client is told to come back, or that it is our fault."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    stage.store.fault = fault

    answer = await stage.read(mpid)

    assert refusal(answer) == wanted
    assert headers.items() <= dict(answer.headers).items()


async def test_refusals_are_counted(stage: Stage) -> None:
    """Each refusal counts in the metrics under its reason."""
    await stage.read(5)

    counted = stage.telemetry.exposition().decode()

    assert 'knownas_refusals_total{reason="unknown_profile",surface="profile"} 1.0' in counted


async def test_neither_tokens_nor_values_are_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of a request but its path is logged, whatever becomes of it."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "a-private-value"))
    with caplog.at_level(logging.DEBUG):
        await stage.resolve(subject("a-private-value"))
        await stage.resolve(subject("a-private-value", "email"))
        stage.store.fault = RuntimeError("a bug")
        await stage.read(mpid)

    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("knownas"))
    assert ours
    assert stage.bearer(EVERYWHERE) not in caplog.text
    assert "a-private-value" not in caplog.text
