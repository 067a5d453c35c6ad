"""Describes the surfaces that keep the vendor's paths, but for IDSync: events, tokens, profiles, aliases, seeds."""

import re
from typing import Final

from knownas.api.credentials import Denied
from knownas.api.openapi_opendsr import opendsr_paths
from knownas.api.openapi_parts import (
    answer_of,
    header_of,
    outside,
    preflight_responses,
    request_body,
)
from knownas.api.openapi_refusals import (
    BODY,
    USED_UP,
    Reasons,
    operation,
    refusals,
    sender_refusals,
    with_body,
)
from knownas.api.platform import PREFIX as PLATFORM
from knownas.api.platform import RESOURCES, Form, Resource
from knownas.api.profile_wire import ProfileField
from knownas.api.schema_parts import DECISION_ID, Schema, ref, values_of
from knownas.core.identity.observation import Environment
from knownas.core.profile.alias import AliasRefusal
from knownas.service.security.tokens import TokenFault

_RECEIPT: Final = "The id of the receipt, which says whether the batch was kept: `GET /api/batches/{id}`."
_RECEIPTS: Final = "The ids of the receipts, in the order of the batches, separated by commas."
_PREFIXED: Final = "Also below `{prefix}`, as custom domains have it."
_BASIC: Final[list[Schema]] = [{"basic": []}, {"key": [], "signature": [], "date": []}]
_TOKEN: Final[list[Schema]] = [{"token": []}]
_WORKSPACE: Final[list[Schema]] = [{"workspace": []}]


def vendor_paths() -> Schema:
    """Return the paths."""
    return {
        **_events(),
        **_web(),
        **_alias(),
        **_token(),
        **_profile(),
        **_seeding(),
        **opendsr_paths(),
        **_platform(),
        **_groups(),
    }


def _events() -> Schema:
    one = sender_refusals(with_body())
    many = sender_refusals(with_body())
    one[400] |= {*BODY, "invalid_environment", "invalid_source_request_id", "invalid_mpid", "identity_type_twice"}
    one[400] |= {"too_many_events", "event_type_missing"}
    one[413] |= {"batch_too_long"}
    many[400] |= {"malformed_json", "too_deep", "invalid_member", "too_many_batches"}
    described = _PREFIXED.format(prefix="/s2s")
    old = "Events of the past, 72 hours old and more: they count in no calculated attribute. "
    paths: Schema = {}
    for path, name, summary, body, reasons, more in (
        ("events", "sendEvents", "Send a batch of events of one user.", "Batch", one, ""),
        ("bulkevents", "sendBulkEvents", "Send several batches.", "Batches", many, ""),
        ("bulkevents/historical", "sendHistory", "Send batches of the past.", "Batches", many, old),
    ):
        told = _RECEIPT if body == "Batch" else _RECEIPTS
        accepted = {
            "description": "Durable: kept, or kept as refused. The receipt says which.",
            "headers": {
                "X-Receipt-Id": header_of({"type": "string"}, told, required=True),
                "X-mp-rate-limit-percentage-used": USED_UP,
            },
        }
        paths[f"/v2/{path}"] = {
            "post": operation(
                "events",
                name,
                summary,
                {"202": accepted, **refusals("VendorError", reasons)},
                description=more + described,
                security=_BASIC,
                requestBody=request_body(ref(body), "Plain, or compressed with `Content-Encoding: gzip`."),
            )
        }
    return paths


def _key() -> Schema:
    schema: Schema = {"type": "string", "minLength": 1}
    return {"name": "key", "in": "path", "required": True, "description": "The key of an input.", "schema": schema}


def _for_pages() -> Schema:
    return {"Access-Control-Allow-Origin": header_of({"const": "*"}, required=True)}


def _preflight(tag: str, name: str) -> Schema:
    responses = {**preflight_responses(named_in_path=False), **outside(431)}
    return operation(tag, f"preflight_{name}", "Answer a browser's preflight.", responses, parameters=[_key()])


def _web() -> Schema:
    limited: Reasons = {401: {"unknown_key"}, 429: {"rate_limited"}, 500: {"internal_error"}}
    sent = with_body() | {401: {"unknown_key"}, 429: {"rate_limited"}}
    forwarded = with_body(store=False) | {401: {"unknown_key"}, 429: {"rate_limited"}}
    # Beyond what is passed over of a body that is too long, the SDK is told so.
    del sent[400], sent[415], forwarded[400], forwarded[415]
    receipt = {"X-Receipt-Id": header_of(DECISION_ID, _RECEIPT, required=True)}
    anything = "Whatever can't be taken is kept as refused: the SDK would repeat a 400 without end."
    config = answer_of("The configuration.", ref("WebConfig"), _for_pages())
    audiences = answer_of("The audiences.", ref("Audiences"), _for_pages())
    mpid: Schema = {"name": "mpid", "in": "query", "required": True, "schema": ref("Mpid")}
    paths: Schema = {}
    older = "Take an event from a web SDK before 2.21.2, which also spells it `Events`, or a Batch."
    summaries = {"v3": "Take a Batch from the web SDK.", "v2": older, "v1": older}
    for version, summary in summaries.items():
        accepted = {"description": "Durable: kept, or kept as refused.", "headers": {**_for_pages(), **receipt}}
        refused = refusals("VendorError", sent, shared=_for_pages())
        paths[f"/{version}/JS/{{key}}/events"] = {
            "post": _web_operation(f"sendWebEvents_{version}", summary, accepted, refused)
            | {"description": _WEB, "requestBody": request_body({}, anything)},
            "options": _preflight("web", f"webEvents_{version}"),
        }
    paths["/JS/v2/{key}/config"] = {
        "get": _web_operation("showConfig", "Return the configuration of the web SDK.", config, _web_refusals(limited))
        | {"description": "Also below `/webevents` and `/tags`, as custom domains have it."},
        "options": _preflight("web", "config"),
    }
    for version in ("v2", "v1"):
        counted = {"description": "Thank you. Nothing is kept of it.", "headers": _for_pages()}
        paths[f"/{version}/JS/{{key}}/Forwarding"] = {
            "post": _web_operation(
                f"sendForwarding_{version}", "Take statistics of forwarding.", counted, _web_refusals(forwarded)
            )
            | {"description": _WEB, "requestBody": request_body({}, "Not looked at.")},
            "options": _preflight("web", f"forwarding_{version}"),
        }
    asked = _web_operation(
        "showAudiences", "Return a user's audiences.", audiences, _web_refusals(limited | {400: {"invalid_mpid"}})
    )
    paths["/v1/{key}/audience"] = {
        "get": asked | {"description": _WEB, "parameters": [_key(), mpid]},
        "options": _preflight("web", "audiences"),
    }
    return paths


_WEB: Final = _PREFIXED.format(prefix="/webevents")


def _web_refusals(reasons: Reasons) -> Schema:
    return refusals("VendorError", reasons, shared=_for_pages())


def _web_operation(name: str, summary: str, answer: Schema, refused: Schema) -> Schema:
    status = "200" if "content" in answer else "202"
    return operation("web", name, summary, {status: answer, **refused}, parameters=[_key()])


def _alias() -> Schema:
    reasons = with_body()
    reasons[503] -= {"overloaded"}
    reasons[400] |= {*BODY, "missing_field", *(one.value for one in AliasRefusal if not one.is_forbidden)}
    reasons[401] = {Denied.UNKNOWN_KEY.value, Denied.MALFORMED.value}
    reasons[401] |= {one.value for one in (Denied.WRONG_SECRET, Denied.WRONG_SIGNATURE, Denied.NO_DATE)}
    reasons[403] = {one.value for one in AliasRefusal if one.is_forbidden}
    reasons[429] = {"rate_limited"}
    headers = {**_for_pages(), "X-mp-rate-limit-percentage-used": USED_UP}
    accepted = {
        "description": "Durable, and carried out when it is due: `GET /api/aliases/{request_id}` says what came of it."
    }
    post = operation(
        "alias",
        "requestAlias",
        "Give a profile the past of another one.",
        {
            "202": {**accepted, "headers": headers},
            **refusals("AliasError", reasons, bodiless=(401, 429), shared=_for_pages()),
        },
        description="Also below `/webevents` and `/nativeevents`, and with a capital A. What is signed is checked.",
        parameters=[_key()],
        requestBody=request_body(ref("AliasBody"), "Plain, or compressed with `Content-Encoding: gzip`."),
    )
    return {"/v1/identity/{key}/alias": {"post": post, "options": _preflight("alias", "alias")}}


def _token() -> Schema:
    reasons = with_body(store=False)
    reasons[400] |= {"duplicate_key", "invalid_member", "malformed_body", "unsupported_grant_type", "unknown_audience"}
    reasons |= {401: {TokenFault.WRONG_CLIENT.value}, 429: {"too_many_failures"}}
    private = {"Cache-Control": header_of({"const": "no-store"}, required=True)}
    ask = operation(
        "tokens",
        "issueToken",
        "Give a client an access token for its id and secret.",
        {"200": answer_of("A token.", ref("Token"), private), **refusals("TokenError", reasons, shared=private)},
        requestBody=request_body(ref("TokenRequest"), "In JSON, or as a form."),
    )
    body = ask["requestBody"]
    body["content"]["application/x-www-form-urlencoded"] = {"schema": ref("TokenForm")}
    keys = operation(
        "tokens",
        "showKeys",
        "Return the keys that verify access tokens (JWKS).",
        {"200": answer_of("The keys.", ref("Keys")), **refusals("TokenError", {500: {"internal_error"}})},
    )
    discovery = operation(
        "tokens",
        "showTokenConfiguration",
        "Return where tokens are issued, and where the keys are (OpenID Connect Discovery).",
        {"200": answer_of("Where.", ref("Discovery"), private), **refusals("TokenError", {500: {"internal_error"}})},
    )
    return {
        "/oauth/token": {"post": ask},
        "/.well-known/jwks.json": {"get": keys},
        "/.well-known/openid-configuration": {"get": discovery},
    }


def _faults_of_tokens() -> set[str]:
    return {one.value for one in TokenFault if one is not TokenFault.WRONG_CLIENT}


def _profile() -> Schema:
    reasons = with_body()
    reasons[400] |= {"malformed_query", "no_fields", "unknown_field", "unknown_environment", "two_environments"}
    reasons[400] |= {"unknown_profile", "erased"}
    reasons |= {
        401: _faults_of_tokens(),
        403: {"role_not_allowed", "workspace_not_allowed"},
        414: {"query_too_long"},
        429: {"rate_limited"},
    }
    named, resolved = dict(reasons), dict(reasons)
    named[400] = reasons[400] | {"malformed_mpid"}
    resolved[400] = reasons[400] | {*BODY, "unknown_identity_type", "invalid_identity", "identity_type_not_immutable"}
    number: Schema = {"type": "integer", "minimum": 1}
    place: list[Schema] = [
        {"name": name, "in": "path", "required": True, "description": f"The {name}'s id.", "schema": number}
        for name in ("organization", "account", "workspace")
    ]
    mpid: Schema = {"name": "mpid", "in": "path", "required": True, "schema": ref("Mpid")}
    answer = answer_of("The profile.", ref("UserProfile"))
    paths: Schema = {}
    by_mpid = "/userprofile/v1/{organization}/{account}/{workspace}/{mpid}"
    for method, name in (("get", "readProfile"), ("post", "readProfileByPost")):
        paths.setdefault(by_mpid, {})[method] = operation(
            "profiles",
            name,
            "Return what a workspace knows of a user.",
            {"200": answer, **refusals("VendorError", named)},
            security=_TOKEN,
            parameters=[*place, mpid, *_fields()],
        )
    found = answer | {
        "headers": {"X-Decision-Id": header_of(DECISION_ID, "The receipt of the look-up.", required=True)}
    }
    paths["/userprofile/v1/resolve/{organization}/{account}/{workspace}"] = {
        "post": operation(
            "profiles",
            "resolveProfile",
            "Return the same of the user who has an immutable identity.",
            {"200": found, **refusals("VendorError", resolved)},
            security=_TOKEN,
            parameters=[*place, *_fields()],
            requestBody=request_body(ref("ResolveBody"), "Other members are passed over."),
        )
    }
    return paths


def _fields() -> list[Schema]:
    names: Schema = {"type": "array", "items": {"enum": values_of(ProfileField)}, "minItems": 1}
    return [
        {
            "name": "fields",
            "in": "query",
            "required": True,
            "style": "form",
            "explode": False,
            "description": "What to return, separated by commas.",
            "schema": names,
        },
        {
            "name": "environment",
            "in": "query",
            "description": "Otherwise that of the profile which an MPID names, production for an identity; "
            "`environment_type` is accepted too.",
            "schema": {"enum": values_of(Environment)},
        },
    ]


def _seeding() -> Schema:
    reasons = sender_refusals(with_body())
    reasons[403] = {Denied.UNKNOWN_KEY.value, Denied.WRONG_SECRET.value}
    reasons[400] |= {*BODY, *_SEEDING}
    paths: Schema = {}
    for path, name, body, summary in (
        ("calculatedattributes", "seedAttributes", "SeedingBody", "Take over calculated attributes of one user."),
        ("bulkcalculatedattributes", "seedManyUsers", "SeedingBodies", "Take them over for several users."),
    ):
        accepted = {
            "description": "All of it is kept, durably.",
            "headers": {"X-mp-rate-limit-percentage-used": USED_UP},
        }
        paths[f"/v2/{path}"] = {
            "post": operation(
                "seeding",
                name,
                summary,
                {"202": accepted, **refusals("VendorError", reasons)},
                description="Kept whole or not at all. Also with a slash at the end, and below `/s2s`.",
                security=_WORKSPACE,
                requestBody=request_body(ref(body), "Plain, or compressed with `Content-Encoding: gzip`."),
            )
        }
    return paths


_SEEDING: Final = (
    "empty_record",
    "identity_type_twice",
    "invalid_attribute",
    "invalid_identity",
    "invalid_mpid",
    "invalid_seed",
    "nobody_named",
    "no_identities",
    "nothing_to_seed",
    "other_calculation_type",
    "other_cutoff_date",
    "seeded_twice",
    "too_many_seeds",
    "too_many_users",
    "unknown_calculated_attribute",
    "unknown_identity_type",
    "unknown_mpid",
)
"""Why seeds are refused, beside what can be wrong with any body: answered 400."""


def _platform() -> Schema:
    return {PLATFORM + one.path: {"get": _reading(one)} for one in RESOURCES}


def _reading(resource: Resource) -> Schema:
    named = re.findall(r"\{(\w+)\}", resource.path)
    reasons: Reasons = {
        401: {*_faults_of_tokens(), "no_account_id"},
        403: {"role_not_allowed"},
        404: {"unknown_account", "unknown_path", *_unknown(resource, named)},
        429: {"rate_limited"},
        500: {"internal_error"},
    }
    what = resource.path.strip("/").replace("{", "").replace("}", "").replace("/", ", ")
    account: Schema = {
        "name": "accountId",
        "in": "query",
        "required": True,
        "description": "The account's id.",
        "schema": {"type": "integer", "minimum": 1},
    }
    name: Schema = {
        "name": "name",
        "in": "query",
        "description": "The name of the one that is wanted; all without it.",
        "schema": {"type": "string"},
    }
    of_query = [account] if resource.asks_account else []
    if resource.path.endswith("/calculatedattributes"):
        of_query = [name]
    of_path: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in named
    ]
    return operation(
        "platform",
        "read_" + re.sub(r"\W+", "_", resource.path).strip("_"),
        f"Return what is configured: {what}.",
        {
            "200": answer_of("What is configured.", _platform_answer(resource), _for_pages()),
            **refusals("PlatformError", reasons, shared=_for_pages()),
        },
        **({"description": "Also below `/v1` instead of `/platform/v2`."} if resource.asks_account else {}),
        security=_TOKEN,
        parameters=[*of_path, *of_query],
    )


def _groups() -> Schema:
    """Groups are refused in the common envelope; that they are defined so is the vendor's, the rest is ours."""
    every, one = "/platform/workspaces/{workspace}/groups", "/platform/workspaces/{workspace}/groups/{group}"
    shown, gone = answer_of("A kind of groups.", ref("GroupKind")), {"description": "It is gone."}
    all_ = answer_of("The kinds of groups.", {"type": "array", "items": ref("GroupKind")})
    return {
        every: {
            "get": _of_groups("readGroupKinds", "Return all kinds of groups.", {"200": all_}, every),
            "post": _of_groups("defineGroupKind", "Define a kind of groups.", {"201": shown}, every, defines=True),
        },
        one: {
            "get": _of_groups("readGroupKind", "Return a kind of groups.", {"200": shown}, one),
            "put": _of_groups("changeGroupKind", "Define a kind anew.", {"200": shown}, one, defines=True),
            "delete": _of_groups("deleteGroupKind", "Take a kind of groups away.", {"204": gone}, one),
        },
    }


def _of_groups(name: str, summary: str, answers: Schema, path: str, *, defines: bool = False) -> Schema:
    reasons = with_body()
    named = re.findall(r"\{(\w+)\}", path)
    reasons |= {401: _faults_of_tokens(), 403: {"role_not_allowed"}, 429: {"rate_limited"}}
    reasons[404] = {f"unknown_{one}" for one in named} | {"unknown_path"}
    if defines:
        reasons[400] |= {*BODY, "invalid_group_kind"}
    text: Schema = {"type": "string", "minLength": 1}
    body = {"requestBody": request_body(ref("GroupBody"), "What is shared, and what is aggregated.")} if defines else {}
    return operation(
        "platform",
        name,
        summary,
        {**answers, **refusals("VendorError", reasons)},
        description="Also with a slash at the end, and below `/platform/experimental`.",
        security=_TOKEN,
        parameters=[{"name": one, "in": "path", "required": True, "schema": text} for one in named],
        **body,
    )


def _platform_answer(resource: Resource) -> Schema:
    item = _PLATFORM_ITEMS.get(resource.path.rpartition("/")[2] if resource.data_type == "calculated_attribute" else "")
    match resource.form:
        case Form.ENVELOPE:
            return ref("PlatformAnswer")
        case Form.LIST:
            return {"type": "array", "items": {"type": "object"} if item is None else ref(item)}
        case Form.ONE:
            return {"type": "object"} if item is None else ref(item)


_PLATFORM_ITEMS: Final = {
    "calculatedattributes": "CalculatedAttribute",
    "{id}": "CalculatedAttribute",
    "activation": "CalculatedAttributeActivation",
    "calculation": "CalculatedAttributeCalculation",
}
"""What the resources of calculated attributes answer, by the end of their paths."""


def _unknown(resource: Resource, named: list[str]) -> set[str]:
    """Return what may be missing: what the path names, or the one thing that is never there."""
    kinds = {"account": "account", "workspace": "workspace", "app": "app", "os": "platform", "feed": "feed"}
    kinds["id"] = resource.data_type
    known = {f"unknown_{kinds[name]}" for name in named if name in kinds}
    if resource.path.startswith("/apps/{app}/{service}"):
        return known | {"unknown_service"}
    if resource.path.endswith("/draft"):
        return known | {"unknown_draft"}
    return known or ({"unknown_object"} if named else set())
