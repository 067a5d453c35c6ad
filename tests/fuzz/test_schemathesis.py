"""Holds a started server against its own OpenAPI document, with generated requests that fit it and that do not."""

import base64
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis import hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.case import Case
from schemathesis.schemas import BaseSchema

from knownas.api.platform_calculated import attribute_id
from knownas.core.profile.definition import DataPoint, Definition
from knownas.core.profile.tallies import CalculationType
from tests.fuzz.existing import SPARE_SCOPE, Existing
from tests.served import KEY, SECRET, TOKEN, WEB_KEY, Served, configuration, served

EXAMPLES = 100
EXAMPLES_BEHIND_PREFIX = 10
EXAMPLES_STATEFUL = 10
BODY_CHARACTERS_SHOWN = 20_000
WITHIN_SECONDS = 900
"""For one group of operations on a busy machine; an idle one takes a tenth of it."""

BASIC = "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
CHECKS = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
    "allow_header_conformance",
}
"""The checks that must have run: all that are on by default, but `object_level_authorization`.

That one compares what two sorts of credentials may see. It asks for a second admin; there is one admin token.
"""

# The same handlers serve the paths behind the prefix, which is why they get fewer examples.
GROUPS = {
    "identify-login": "^/v1/(identify|login)$",
    "logout-search": "^/v1/(logout|search)$",
    "modify-prefixed": "^/v1/{mpid}/modify$|^/identity/",
    "own-operations": "^/api/(?!workspaces/)|^/[a-z]*$",
    "own-workspaces": "^/api/workspaces/",
    "events-web": r"^/v2/(bulk)?events|^/v\d/JS/|^/JS/|^/v1/{key}/audience$",
    "alias-token": r"^/v1/identity/|^/oauth/|^/\.well-known/",
    "profiles-seeding": "^/userprofile/v1/|^/v2/(bulk)?calculatedattributes$",
    "privacy": "^/v3/(requests|discovery|opendsr)|^/userprofile/bulkdelete$",
    "platform": "^/platform/",
}
MANIFOLD = "/(audiences|audiences/{audience}|audience-preview|connections)$"
"""Paths of documents that are so manifold that the systematic phase, which tries each boundary within each form, takes hours.

What is drawn at random reaches all forms; that a definition's schema and its reader agree is tried in `tests/api/test_definition_schema.py`.
"""

SCOPE = {"strategy": "profile_conversion", "login_ids": ["customerid"], "immutable_ids": ["customerid"]}
CREDENTIALS = [
    {"client_id": role, "client_secret": f"{role}-secret", "role": role, "workspaces": [100]}
    for role in ("read_only", "admin")
]
WORKSPACE = "Basic " + base64.b64encode(b"ws-key-for-tests:ws-secret-for-tests").decode()
TIMES = ("start_unixtime_ms", "end_unixtime_ms")
SEED = {
    "environment": "production",
    "identities": {"customer_id": "seeded"},
    "user_attributes": {"workspace": [{"attribute_name": "colour", "attribute_value": "red"}]},
}
ORDERS = Definition("orders", CalculationType.COUNT, DataPoint("commerce_event"))
Loosening = Callable[[dict[str, Any]], None]
"""Makes named schemas promise more than the server takes."""


def _without(*steps: str) -> Loosening:
    """Return what takes away a keyword of the schemas; `steps` lead to it."""

    def loosen(schemas: dict[str, Any]) -> None:
        place: Any = schemas
        for step in steps[:-1]:
            place = place[step]
        del place[steps[-1]]

    return loosen


def _any_text(name: str, member: str) -> Loosening:
    """Return what lets a member be any text, and has it be there."""

    def loosen(schemas: dict[str, Any]) -> None:
        schemas[name]["properties"][member] = {"type": "string"}
        schemas[name]["required"] = [*schemas[name].get("required", ()), member]

    return loosen


def _any_operator(schemas: dict[str, Any]) -> None:
    for one in schemas["AudienceExpression"]["anyOf"]:
        one["properties"]["operator"] = {"type": "string"}


LOOSENED: dict[str, tuple[str, Loosening]] = {
    "audience": ("/audience-preview$", _any_operator),
    "name": ("/audiences$", _any_text("AudienceBody", "external_name")),
    "connection": ("/audiences/{audience}/connections$", _without("ConsentNeeded", "anyOf")),
    "time": ("/rehearsals$", _any_text("RehearsalBody", "to")),
    "policy": ("/policy$", _without("Policy", "properties", "strategy", "anyOf")),
    "privacy": ("/privacy/preview$", _without("PreviewBody", "anyOf")),
}
"""A path, and what its operations promise too much of."""

PLACES = {"key": WEB_KEY, "organization": 1, "account": 10, "workspace": 100, "app": 100}
"""What path parameters must be for anything to be there."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    document = configuration(SCOPE, credentials=CREDENTIALS)
    document["scopes"].append({"name": SPARE_SCOPE})
    workspace = document["organization"]["accounts"][0]["workspaces"][0]
    orders = {"name": ORDERS.name, "calculation_type": "count", "data_point": {"type": ORDERS.data_point.type}}
    workspace["calculated_attributes"] = [orders]
    with served(tmp_path_factory.mktemp("schemathesis"), document) as running:
        yield running


@pytest.fixture
def settled(server: Served) -> Iterator[None]:
    """Give requests that shall be accepted what a schema can't promise: names that exist.

    Without this, `positive_data_acceptance` would call a modify of an MPID that nobody has a fault (it is answered
    400; idsync §3.6), and the answers of our own API would all be 404. Requests that shall be refused stay as they
    were made.
    """
    with httpx.Client(base_url=server.url, auth=(KEY, SECRET), timeout=30) as client:
        hook = _name_what_exists(client, Existing(server.api))
        schemathesis.hook("before_call")(hook)
        yield
        hooks.unregister(hook)


def _name_what_exists(client: httpx.Client, existing: Existing) -> Callable[..., None]:
    def before_call(_context: Any, case: Case, _kwargs: Any) -> None:
        if case.meta is None or not case.meta.generation.mode.is_positive:
            return
        body = case.body if isinstance(case.body, dict) else {}
        _write_whole_numbers(body)
        if case.path.startswith("/v2/") and "calculatedattributes" in case.path:
            # What can be seeded is said by the configuration, not by a schema.
            case.body = [SEED] if "bulk" in case.path else SEED
        _name_a_subject(case, body)
        if case.path.startswith("/platform/") and "/groups" in case.path and body:
            existing.group_body(body)
        if case.path == "/oauth/token":
            # So that one client's failures are not held against the next.
            body["client_id"] = uuid.uuid4().hex
        named = case.path_parameters
        if case.path.startswith("/api/"):
            existing.name(case)
        if not named or (case.meta.phase.name == "stateful" and case.method == "GET"):
            # A link has just said which one exists.
            return
        if "scope" in named and named["scope"] != SPARE_SCOPE:
            named["scope"] = "shop"
        named.update({name: value for name, value in PLACES.items() if name in named})
        if case.path.startswith("/userprofile/v1/"):
            _name_a_profile(client, case, body)
            return
        if case.path.startswith("/platform/"):
            # Its ids are texts to the document: what is none names nothing.
            named.update({"id": attribute_id(ORDERS)} if "id" in named else {})
            named.update({name: str(value) for name, value in named.items()})
            return
        if "mpid" in named or "id" in named:
            request = {
                "environment": body.get("environment", "production"),
                "known_identities": {"other": uuid.uuid4().hex},
            }
            answer = client.post("/v1/identify", json=request)
            if case.operation.definition.raw["operationId"] == "undoDecision":
                existing.undone(case, request["known_identities"]["other"])
            named["id" if "id" in named else "mpid"] = (
                answer.headers["x-decision-id"] if "id" in named else answer.json()["mpid"]
            )

    return before_call


def _write_whole_numbers(body: dict[str, Any]) -> None:
    data = body.get("data") if isinstance(body.get("data"), dict) else {}
    for members in (body, data):
        for member in ("mpid", "previous_mpid", "source_request_id", "source_mpid", "destination_mpid", *TIMES):
            # JSON Schema can't tell 83.0 from 83. The server can, and refuses it: a decimal fraction loses digits
            # of an MPID on its way through a float.
            if isinstance(members.get(member), float):
                members[member] = int(members[member])


def _name_a_subject(case: Case, body: dict[str, Any]) -> None:
    """Let a privacy request name somebody, and nobody twice, and nobody who is not called: a schema can't say that."""
    if case.path == "/v3/requests" and case.method == "POST":
        body["subject_request_id"] = str(uuid.uuid4())
        body["subject_identities"] = {"email": {"value": uuid.uuid4().hex, "encoding": "raw"}}
        for member in ("status_callback_urls", "extensions"):
            body.pop(member, None)
    if case.path == "/userprofile/bulkdelete":
        for one in case.body if isinstance(case.body, list) else []:
            one["mpid"] = "1"


def _name_a_profile(client: httpx.Client, case: Case, body: dict[str, Any]) -> None:
    """Let a read of the Profile API ask for a profile that there is, in the environment it asks for."""
    case.query.pop("environment", None)
    body.pop("environment_type", None)
    request = {"environment": "production", "known_identities": {"customerid": uuid.uuid4().hex}}
    mpid = client.post("/v1/identify", json=request).json()["mpid"]
    if "mpid" in case.path_parameters:
        case.path_parameters["mpid"] = mpid
    elif body:
        body["identity"] = {"type": "customer_id", "value": request["known_identities"]["customerid"]}


def _token(server: Served, role: str) -> str:
    asked = {"audience": "https://api.mparticle.com", "grant_type": "client_credentials"}
    client = {"client_id": role, "client_secret": f"{role}-secret"}
    answer = httpx.post(f"{server.url}/oauth/token", json={**asked, **client}, timeout=30)
    return f"Bearer {answer.json()['access_token']}"


def _schema(
    server: Served, *, phases: dict[str, Any], examples: int, paths: str = "", loosened: Loosening | None = None
) -> BaseSchema:
    """Load the server's own document for the operations whose path matches; `loosened` makes its schemas promise more."""
    operations: list[dict[str, Any]] = [
        {"include-path-regex": "^(/identity)?/v1/(?!identity/)|^/v2/.*events", "headers": {"Authorization": BASIC}},
        {"include-path-regex": "^/v2/.*calculatedattributes", "headers": {"Authorization": WORKSPACE}},
        {"include-path-regex": "^/v3/requests", "headers": {"Authorization": WORKSPACE}},
        {"include-path-regex": "^/userprofile/bulkdelete$", "headers": {"Authorization": BASIC}},
        {"include-path-regex": "^/userprofile/v1/", "headers": {"Authorization": _token(server, "read_only")}},
        {"include-path-regex": "^/platform/", "headers": {"Authorization": _token(server, "admin")}},
        {"include-path-regex": "^/api/", "headers": {"Authorization": f"Bearer {TOKEN}"}},
        {
            "include-path-regex": "^/identity/",
            "generation": {"max-examples": EXAMPLES_BEHIND_PREFIX},
            "phases": {"coverage": {"enabled": False}},
        },
        {"include-path-regex": MANIFOLD, "phases": {"coverage": {"enabled": False}}},
        {"exclude-path-regex": paths, "enabled": False},
    ]
    config = SchemathesisConfig.from_dict(
        {
            "seed": 20_260,
            "generation": {"max-examples": examples, "database": "none"},
            "phases": phases,
            "operations": operations,
            "base-url": server.url,
        }
    )
    document = httpx.get(f"{server.url}/api/openapi.json", timeout=30).json()
    if loosened is not None:
        loosened(document["components"]["schemas"])
    return schemathesis.openapi.from_dict(document, config=config)


def _findings(schema: BaseSchema, ran: set[str]) -> list[str]:
    """Run all checks and return what they found; `ran` collects the names of the checks."""
    found: list[str] = []
    for event in from_schema(schema).execute():
        match event:
            case events.NonFatalError():
                found.append(f"{event.label}: {event.value}")
            case events.FatalError():
                found.append(f"{event.exception!r}")
            case events.ScenarioFinished():
                for number, checks in event.recorder.checks.items():
                    for check in checks:
                        ran.add(check.name)
                        if check.status is not Status.SUCCESS:
                            told = check.failure_info
                            assert told is not None
                            # The sample cuts a long body short, in which the reason may be what is cut off.
                            body = repr(event.recorder.cases[number].value.body)[:BODY_CHARACTERS_SHOWN]
                            sample = f"{told.failure}\n{told.code_sample}\n{body}"
                            found.append(f"{event.recorder.label}: {check.name}: {sample}")
            case _:
                pass
    return found


@pytest.mark.usefixtures("settled")
# In the soak run until its time on a quiet machine is known.
@pytest.mark.soak
@pytest.mark.timeout(WITHIN_SECONDS)
@pytest.mark.parametrize("paths", GROUPS.values(), ids=GROUPS.keys())
def test_answers_are_as_described(paths: str, server: Served) -> None:
    """Every operation answers generated requests, fitting and unfitting ones, with what its description promises."""
    schema = _schema(server, phases={"stateful": {"enabled": False}}, examples=EXAMPLES, paths=paths)
    ran: set[str] = set()
    found = _findings(schema, ran)
    assert not found, "\n\n".join(found)
    assert ran >= CHECKS


@pytest.mark.usefixtures("settled")
@pytest.mark.soak
@pytest.mark.timeout(WITHIN_SECONDS)
@pytest.mark.parametrize(("paths", "loosened"), LOOSENED.values(), ids=LOOSENED.keys())
def test_a_schema_that_promises_too_much_is_found(paths: str, loosened: Loosening, server: Served) -> None:
    """What fills in what exists mends no request that the schema allows and the server refuses."""
    phases = {name: {"enabled": False} for name in ("examples", "coverage", "stateful")}
    schema = _schema(server, phases=phases, examples=EXAMPLES, paths=paths, loosened=loosened)
    assert any("positive_data_acceptance" in one for one in _findings(schema, set()))


@pytest.mark.usefixtures("settled")
# In the soak run until its time on a quiet machine is known.
@pytest.mark.soak
@pytest.mark.timeout(WITHIN_SECONDS)
def test_links_lead_on(server: Served) -> None:
    """What one operation names (a profile, a decision, the next page) the next one finds."""
    phases = {name: {"enabled": False} for name in ("examples", "coverage", "fuzzing")}
    schema = _schema(server, phases=phases, examples=EXAMPLES_STATEFUL)
    ran: set[str] = set()
    found = _findings(schema, ran)
    assert not found, "\n\n".join(found)
    assert {"ensure_resource_availability", "use_after_free"} <= ran


def test_every_operation_is_in_a_group(server: Served) -> None:
    """No operation escapes the generated requests."""
    described = httpx.get(f"{server.url}/api/openapi.json").json()["paths"]
    assert [path for path in described if not any(re.search(paths, path) for paths in GROUPS.values())] == []
