"""Says of every route who may reach it, and what each other caller is told (design §8-5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tests.api.listed_routes import Route


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


PERSON = {"customerid": "c-own"}
WRONG_GROUP = {"id": "a household", "source_user_attribute": "$address", "attributes": []}
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
        table["POST", f"{prefix}/v1/identity/{{key}}/alias"] = Line(Auth.PATH_KEY, 202, ALIAS, elsewhere=400)
    for prefix in ("", "/tags", "/webevents"):
        table["GET", f"{prefix}/JS/v2/{{key}}/config"] = Line(Auth.PATH_KEY)
    table["GET", "/api/openapi.json"] = Line(Auth.OPEN)
    for path in ("profiles/{mpid}", "profiles/{mpid}/history", "decisions/{id}", "profiles/{mpid}/sections"):
        table["GET", f"/api/{path}"] = Line(Auth.ADMIN)
    seeded = {"environment": "production", "identities": {"customerid": ["c-seeded"]}}
    explained = {"endpoint": "identify", **ASKED}
    for path in ("scopes/{scope}", "profiles/{mpid}"):
        table["GET", f"/api/{path}/identity-changes"] = Line(Auth.ADMIN)
    table["POST", "/api/scopes/{scope}/profiles"] = Line(Auth.ADMIN, 201, seeded)
    table["POST", "/api/scopes/{scope}/explain"] = Line(Auth.ADMIN, body=explained)
    return table | own_lines() | activation_lines() | token_lines() | privacy_lines()


SUBJECT_REQUEST = {
    "regulation": "gdpr",
    "subject_request_id": "11111111-2222-4333-8444-555555555555",
    "subject_request_type": "access",
    "submitted_time": "2026-05-03T12:00:00Z",
    "extensions": {"opendsr.mparticle.com": {"subject_identities": {"mpid": {"value": "{mpid}"}}}},
}


def privacy_lines() -> dict[Route, Line]:
    """Return the lines of the surfaces of privacy. The person's own workspace has a request; to others it is unknown."""
    table: dict[Route, Line] = {}
    unknown = {Case.OTHER_WORKSPACE: 404, Case.OTHER_SCOPE: 404}
    for version in ("v3", "v2"):
        for path in ("discovery", "opendsr_cert.pem"):
            table["GET", f"/{version}/{path}"] = Line(Auth.OPEN)
        requests = f"/{version}/requests"
        table["POST", requests] = Line(Auth.WORKSPACE, 201, SUBJECT_REQUEST)
        table["GET", requests] = Line(Auth.WORKSPACE, query="?group_id=own-group")
        table["GET", f"{requests}/{{request_id}}"] = Line(Auth.WORKSPACE, foreign=unknown)
        table["DELETE", f"{requests}/{{request_id}}"] = Line(Auth.WORKSPACE, 202, foreign=unknown)
        table["GET", f"{requests}/{{request_id}}/results"] = Line(Auth.WORKSPACE, 404)
    deletion = [{"environment_type": "production", "action": "delete", "mpid": "{mpid}"}]
    for prefix in ("", "/s2s"):
        for path in ("bulkdelete", "experimental/bulkdelete"):
            # What is not there is fine: who asks from elsewhere is told the same, and nothing changes.
            table["POST", f"{prefix}/userprofile/{path}"] = Line(Auth.INPUT, 202, deletion, foreign=WRONG_KEY_403)
    return table


PREVIEWED = {"subject_identities": {"controller_customer_id": {"value": "c-own"}}}
TOXIC = {"type": "email", "value": "nobody@example.com"}


def own_lines() -> dict[Route, Line]:
    """Return the lines of our own API's newer calls."""
    return {
        ("GET", "/api/batches"): Line(Auth.ADMIN, query="?source_request_id=own-request"),
        ("GET", "/api/batches/{id}"): Line(Auth.ADMIN, 404),
        ("GET", "/api/aliases/{request_id}"): Line(Auth.ADMIN, 404),
        ("GET", "/api/profiles/{mpid}/events"): Line(Auth.ADMIN, query="?workspace=100"),
        ("GET", "/api/profiles/{mpid}/consent"): Line(Auth.ADMIN, query="?workspace=100"),
        ("GET", "/api/evidence"): Line(Auth.ADMIN),
        ("GET", "/api/evidence/head"): Line(Auth.ADMIN),
        ("GET", "/api/privacy/requests"): Line(Auth.ADMIN),
        ("GET", "/api/privacy/requests/{request_id}"): Line(Auth.ADMIN),
        ("GET", "/api/privacy/requests/{request_id}/certificate"): Line(Auth.ADMIN, 404),
        ("GET", "/api/retention"): Line(Auth.ADMIN),
        ("GET", "/api/audit"): Line(Auth.ADMIN),
        ("GET", "/api/live"): Line(Auth.ADMIN),
        ("GET", "/api/self-check"): Line(Auth.ADMIN),
        ("POST", "/api/self-check"): Line(Auth.ADMIN, 202),
        ("GET", "/api/scopes/{scope}/policy"): Line(Auth.ADMIN),
        ("PUT", "/api/scopes/{scope}/policy"): Line(Auth.ADMIN, 409, {"policy": {}, "after_version": 999}),
        ("GET", "/api/scopes/{scope}/health"): Line(Auth.ADMIN),
        ("POST", "/api/scopes/{scope}/rehearsals"): Line(Auth.ADMIN, 202, {"policy": {}}),
        ("GET", "/api/scopes/{scope}/rehearsals"): Line(Auth.ADMIN),
        ("GET", "/api/scopes/{scope}/rehearsals/{id}"): Line(Auth.ADMIN, 404),
        ("POST", "/api/scopes/{scope}/resolutions"): Line(Auth.ADMIN, 202),
        ("GET", "/api/scopes/{scope}/resolutions"): Line(Auth.ADMIN),
        ("GET", "/api/scopes/{scope}/resolutions/{id}"): Line(Auth.ADMIN, 404),
        ("GET", "/api/scopes/{scope}/toxic"): Line(Auth.ADMIN),
        ("POST", "/api/scopes/{scope}/toxic/release"): Line(Auth.ADMIN, body=TOXIC, query="?preview=true"),
        ("POST", "/api/scopes/{scope}/toxic/block"): Line(Auth.ADMIN, body=TOXIC, query="?preview=true"),
        ("POST", "/api/scopes/{scope}/let-in"): Line(Auth.ADMIN, 404, TOXIC),
        ("POST", "/api/workspaces/{workspace}/privacy/preview"): Line(Auth.ADMIN, body=PREVIEWED),
        ("POST", "/api/decisions/{id}/undo"): Line(Auth.ADMIN, query="?preview=true"),
    }


def activation_lines() -> dict[Route, Line]:
    """Return the lines of audiences and outputs. None is there yet but those that the lines make themselves."""
    audiences, outputs = "/api/workspaces/{workspace}/audiences", "/api/workspaces/{workspace}/outputs"
    one, connection, output = (
        f"{audiences}/{{audience}}",
        f"{audiences}/{{audience}}/connections",
        f"{outputs}/{{output}}",
    )
    groups = "/api/workspaces/{workspace}/groups"
    inputs = "/api/workspaces/{workspace}/connections"
    definition = {"schema_version": "1", "audience": {"operator": "exists", "operand": {"model": "user"}}}
    defined = {"name": "everybody", "definition": definition}
    absent = Line(Auth.ADMIN, 404)
    return {
        ("POST", audiences): Line(Auth.ADMIN, 201, defined),
        ("GET", audiences): Line(Auth.ADMIN),
        ("POST", "/api/workspaces/{workspace}/audience-preview"): Line(Auth.ADMIN, body={"definition": definition}),
        ("PUT", one): Line(Auth.ADMIN, 404, defined),
        ("PUT", output): Line(Auth.ADMIN, 404, {"name": "nowhere"}),
        ("POST", connection): Line(Auth.ADMIN, 404, {"output": "1"}),
        ("POST", outputs): Line(Auth.ADMIN, 400, {"name": "nowhere", "type": "nothing"}),
        ("GET", outputs): Line(Auth.ADMIN),
        ("POST", inputs): Line(Auth.ADMIN, 400, {"input": "nowhere", "output": "1"}),
        ("GET", inputs): Line(Auth.ADMIN),
        ("GET", f"{inputs}/{{connection}}"): absent,
        ("DELETE", f"{inputs}/{{connection}}"): absent,
        ("GET", "/api/output-types"): Line(Auth.ADMIN),
        ("POST", groups): Line(Auth.ADMIN, 400, WRONG_GROUP),
        ("GET", groups): Line(Auth.ADMIN),
        ("PUT", f"{groups}/{{group}}"): Line(Auth.ADMIN, 404, WRONG_GROUP),
        **{("GET", f"{groups}/{{group}}{path}"): absent for path in ("", "/members", "/too-large")},
        ("DELETE", f"{groups}/{{group}}"): absent,
        ("GET", "/api/workspaces/{workspace}/profiles/{mpid}/told"): Line(Auth.ADMIN),
        **{
            ("GET", path): absent
            for path in (one, f"{one}/members", f"{one}/members/{{mpid}}", f"{one}/changes", f"{one}/download")
        },
        ("GET", connection): absent,
        **{
            ("GET", path): absent
            for path in (f"{connection}/{{connection}}/passed-over", output, f"{output}/deliveries")
        },
        **{("DELETE", path): absent for path in (one, f"{connection}/{{connection}}", output)},
        **{("POST", f"{output}/{path}"): absent for path in ("pause", "resume", "deliveries/resend")},
        ("POST", f"{output}/deliveries/{{delivery}}/resend"): absent,
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
        ("GET", "/.well-known/openid-configuration"): Line(Auth.OPEN),
    }  # fmt: skip
    place = "{organization}/{account}/{workspace}"
    for method in ("GET", "POST"):
        table[method, f"/userprofile/v1/{place}/{{mpid}}"] = Line(Auth.READER, query=FIELDS)
    resolve = {"environment_type": "production", "identity": {"type": "customer_id", "value": "c-own"}}
    table["POST", f"/userprofile/v1/resolve/{place}"] = Line(Auth.READER, body=resolve, query=FIELDS)
    for prefix in ("/platform/workspaces", "/platform/experimental/workspaces"):
        for slash in ("", "/"):
            every, one = f"{prefix}/{{workspace}}/groups{slash}", f"{prefix}/{{workspace}}/groups/{{group}}{slash}"
            table["GET", every] = Line(Auth.ADMINISTRATOR)
            table["POST", every] = Line(Auth.ADMINISTRATOR, 400, WRONG_GROUP)
            table["PUT", one] = Line(Auth.ADMINISTRATOR, 404, WRONG_GROUP)
            table |= {(method, one): Line(Auth.ADMINISTRATOR, 404) for method in ("GET", "DELETE")}
    for method, ok in (("GET", 200), ("HEAD", 204)):
        for path, status in PLATFORM.items():
            near = {Case.OTHER_WORKSPACE: ok} if status == "list" else {}
            for prefix in ("/platform/v2",) if "calculated" in path else ("/platform/v2", "/v1"):
                table[method, prefix + path] = Line(
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
    "/workspaces/{workspace}/calculatedattributes": "",
    "/workspaces/{workspace}/calculatedattributes/{id}": "absent",
    "/workspaces/{workspace}/calculatedattributes/{id}/activation": "absent",
    "/workspaces/{workspace}/calculatedattributes/{id}/calculation": "absent",
    "/workspaces/{workspace}/calculatedattributes/{id}/draft": "absent",
    "/users": "list",
    "/users/{email}": "absent",
}
"""The Platform API's resources: what another workspace of the account sees too (its own share), and what is nowhere."""

LINES: Final = lines()
