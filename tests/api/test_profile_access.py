"""Who may read a profile: tokens, roles, workspaces and scopes (platform §1.4, §4.1, §4.3)."""

from collections.abc import Sequence
from typing import Any

import pytest
from joserfc.jwk import ECKey

from knownas.config.values import Configuration
from knownas.core.identity.kinds import IdentityType
from knownas.service.security.tokens import LIFETIME_SECONDS, Issued, Tokens, open_tokens
from tests.api.profile_stage import (
    ADMIN,
    APP,
    BANK,
    BANKER,
    CONFIGURATION,
    EVERYWHERE,
    LIMITED,
    NOT_ALLOWED,
    NOWHERE,
    OTHER_APP,
    READER,
    SECRET,
    SHOP,
    UNKNOWN,
    Stage,
    refusal,
    subject,
)
from tests.store.world import START_MS

_T = IdentityType


@pytest.mark.parametrize(
    ("client", "workspace", "wanted"),
    [
        (READER, SHOP, 200),
        (READER, APP, NOT_ALLOWED),
        (READER, BANK, NOT_ALLOWED),
        (OTHER_APP, APP, 200),
        (OTHER_APP, SHOP, NOT_ALLOWED),
        (BANKER, BANK, UNKNOWN),
        (BANKER, SHOP, NOT_ALLOWED),
        (EVERYWHERE, SHOP, 200),
        (EVERYWHERE, APP, 200),
        (EVERYWHERE, BANK, UNKNOWN),
        (NOWHERE, SHOP, NOT_ALLOWED),
        (ADMIN, SHOP, (403, "FORBIDDEN", "role_not_allowed")),
        ("user", SHOP, (403, "FORBIDDEN", "role_not_allowed")),
        (ADMIN, BANK, (403, "FORBIDDEN", "role_not_allowed")),
    ],
)
@pytest.mark.parametrize("call", ["read", "post", "resolve"])
async def test_a_credential_reads_its_workspaces_only(
    stage: Stage, client: str, workspace: int, wanted: Any, call: str
) -> None:
    """A profile is read by readers of the workspaces of its scope: nothing of one scope is seen from another."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    if call == "resolve":
        answer = await stage.resolve(subject("c-1"), workspace, client)
    else:
        answer = await stage.read(mpid, workspace, client, {"read": "GET", "post": "POST"}[call])

    assert (200 if answer.status_code == 200 else refusal(answer)) == wanted


@pytest.mark.parametrize(
    "place",
    [
        f"2/10/{SHOP}",
        f"1/11/{SHOP}",
        f"1/20/{BANK}",
        "1/10/999",
        "1/10/0",
        f"1/10/-{SHOP}",
        "1/10/x",
        f"x/10/{SHOP}",
        f"1/10/{'9' * 5_000}",
        f"1/10/{SHOP} ",
        "1/10/\u0661\u0660\u0660",
    ],
)
async def test_what_may_not_be_reached_looks_like_what_is_not_there(stage: Stage, place: str) -> None:
    """Another workspace, none, and a wrong account or organization get one and the same answer."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    headers = {"Authorization": f"Bearer {stage.bearer(READER)}"}
    known = await stage.read(mpid, APP, READER)

    for answer in (
        await stage.client.get(f"/userprofile/v1/{place}/{mpid}?fields=attribution", headers=headers),
        await stage.client.post(f"/userprofile/v1/resolve/{place}?fields=attribution", headers=headers),
    ):
        assert refusal(answer) == NOT_ALLOWED
        assert answer.content == known.content


async def unauthorized(stage: Stage, *headers: tuple[str, str]) -> tuple[str, str]:
    """Ask both calls with headers that open nothing; return the reason and the challenge."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    answers = [
        await stage.client.get(f"/userprofile/v1/1/10/{SHOP}/{mpid}?fields=attribution", headers=headers),
        await stage.client.post(
            f"/userprofile/v1/resolve/1/10/{SHOP}?fields=attribution", json=subject("c-1"), headers=headers
        ),
        await stage.client.get("/userprofile/v1/1/10/999/x", headers=headers),
    ]
    assert {answer.content for answer in answers} == {answers[0].content}
    status, code, reason = refusal(answers[0])
    assert (status, code) == (401, "UNAUTHORIZED")
    return reason, answers[0].headers["www-authenticate"]


async def test_without_a_token_nothing_is_told(stage: Stage) -> None:
    """A request without a token is told where tokens come from, whatever it asks for."""
    assert await unauthorized(stage) == ("no_token", "Bearer")


def _tampered(token: str) -> str:
    header, claims, signature = token.split(".")
    return f"{header}.{claims[:-2]}{'A' if claims[-2] != 'A' else 'B'}{claims[-1]}.{signature}"


def _unsigned(token: str) -> str:
    return f"eyJhbGciOiJub25lIn0.{token.split('.')[1]}."


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (_tampered, {"wrong_token_signature"}),
        (_unsigned, {"wrong_token_signature"}),
        (lambda token: token[:-4], {"wrong_token_signature", "malformed_token"}),
        (lambda _: "nonsense", {"malformed_token"}),
        (lambda _: "", {"no_token"}),
        (lambda token: f"{token} {token}", {"malformed_token"}),
        (lambda _: "x" * 10_000, {"malformed_token"}),
    ],
)
async def test_a_token_that_is_not_ours_opens_nothing(stage: Stage, make: Any, reasons: set[str]) -> None:
    """A token that was changed, cut or made up is refused with its reason."""
    reason, challenge = await unauthorized(stage, ("Authorization", f"Bearer {make(stage.bearer(READER))}"))

    assert reason in reasons
    assert challenge.startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Basic cmVhZGVyOnNlY3JldA==")],
        [("Authorization", "Bearer")],
        [("Authorization", "")],
        [("Authorization", "TOKEN")],
        [("Authorization", "Bearer TOKEN"), ("Authorization", "Bearer TOKEN")],
        [("X-Authorization", "Bearer TOKEN")],
        [("x-mp-key", "ws-100")],
    ],
)
async def test_only_one_bearer_token_opens(stage: Stage, headers: Sequence[tuple[str, str]]) -> None:
    """Other credentials, or two at once, are no token."""
    token = stage.bearer(READER)
    given = [(name, value.replace("TOKEN", token)) for name, value in headers]

    assert (await unauthorized(stage, *given))[0] in ("malformed_token", "no_token")


async def test_a_token_of_another_server_opens_nothing(stage: Stage) -> None:
    """A token that another key signed for a credential of the same name is refused."""
    credentials = CONFIGURATION.credentials
    issued = Tokens(credentials, ECKey.generate_key("P-256", auto_kid=True), lambda: START_MS).issue(
        READER, SECRET.reveal()
    )
    assert isinstance(issued, Issued)

    reason, challenge = await unauthorized(stage, ("Authorization", f"Bearer {issued.access_token}"))

    assert reason == "wrong_token_signature"
    assert challenge.startswith('Bearer error="invalid_token"')


async def test_an_expired_token_opens_nothing(stage: Stage) -> None:
    """A token that was good, and used, is refused after its eight hours."""
    mpid = await stage.seed((_T.CUSTOMER_ID, "c-1"))
    assert (await stage.read(mpid, client=READER)).status_code == 200
    stage.now_ms += LIFETIME_SECONDS * 1_000

    assert refusal(await stage.read(mpid, client=READER)) == (401, "UNAUTHORIZED", "token_expired")


async def test_a_revoked_credential_opens_nothing(stage: Stage) -> None:
    """A server that was started without a credential refuses the tokens that it has."""
    token = stage.bearer(READER)
    stage.tokens = await open_tokens(Configuration(), stage.store, lambda: START_MS)
    stage.open()

    assert (await unauthorized(stage, ("Authorization", f"Bearer {token}")))[0] == "credential_revoked"


async def test_a_client_that_asks_too_much_has_to_wait(stage: Stage) -> None:
    """429 in the vendor's envelope with the seconds to wait, whatever is asked for; others are not held up."""
    mpid = await stage.seed((IdentityType.CUSTOMER_ID, "often"))
    first = await stage.read(mpid, client=LIMITED)
    resolved = await stage.resolve(subject("often"), client=LIMITED)
    refused = [await stage.read(mpid, client=LIMITED), await stage.resolve(subject("often"), client=LIMITED)]
    assert [answer.status_code for answer in (first, resolved, *refused)] == [200, 200, 429, 429]
    assert (first.headers["x-mp-rate-limit-percentage-used"], resolved.headers["x-mp-rate-limit-percentage-used"]) == (
        "50",
        "100",
    )
    for answer in refused:
        assert refusal(answer)[2] == "rate_limited"
        assert answer.headers["x-mp-rate-limit-exceeded"] == "org"
        assert int(answer.headers["retry-after"]) > 0
    other = await stage.read(mpid, client=READER)
    assert other.status_code == 200
    assert "x-mp-rate-limit-percentage-used" not in other.headers
