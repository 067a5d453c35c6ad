"""Serves the reading part of the Platform API: what is configured, as the vendor's clients ask for it (platform §8, §12).

What is configured changes in the configuration file alone, so every writing verb is told to go there. Catalogues that
this server does not have (services, data points, users) and audiences answer with empty lists.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from knownas.api.exchange import Header, RequestRefused
from knownas.api.ids import id_number
from knownas.api.platform_calculated import (
    activation_document,
    attribute_documents,
    attribute_id,
    calculation_document,
)
from knownas.api.refusals import FORBIDDEN, INTERNAL_ERROR, UNAUTHORIZED
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Allowances, client_allowances
from knownas.api.token import bearer_credential, challenge
from knownas.config.values import Account, Credential, Input, InputPlatform, Role, Workspace
from knownas.core.identity.document import Document
from knownas.core.profile.definition import Definition
from knownas.service.security.directory import Directory
from knownas.service.security.tokens import TokenRefused, Tokens
from knownas.service.server import Service

log: Final = logging.getLogger(__name__)

PREFIX: Final = "/platform/v2"
FIRST_PREFIX: Final = "/v1"
"""Where the vendor's first version has the same but for the calculated attributes; platform §12."""

_CODES: Final[Mapping[int, str]] = {
    401: UNAUTHORIZED,
    403: FORBIDDEN,
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    429: "TOO_MANY_REQUESTS",
    500: INTERNAL_ERROR,
}
"""The word of the envelope for each status."""

OS_NAMES: Final = {
    InputPlatform.IOS: "iOS",
    InputPlatform.ANDROID: "Android",
    InputPlatform.WEB: "MobileWeb",
    InputPlatform.TVOS: "tvOS",
    InputPlatform.ROKU: "Roku",
    InputPlatform.ALEXA: "Alexa",
    InputPlatform.SMART_TV: "SmartTV",
    InputPlatform.FIRE: "FireTV",
    InputPlatform.XBOX: "Xbox",
    InputPlatform.OTHER: "Other",
}
"""How the Platform API spells the platforms; `Other` is ours."""

_READING: Final = ("GET", "HEAD")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_WHERE_TO_CHANGE: Final = (
    "This is read from the configuration: change it in knownas.yaml and restart. Keys are changed by `knownas keys`."
)
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, X-Refusal-Reason, X-mp-rate-limit-exceeded, "
    "X-mp-rate-limit-percentage-used, Retry-After",
}
_PREFLIGHT: Final = {
    **_CORS,
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, content-type, accept",
    "Access-Control-Max-Age": "86400",
}
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class View:
    """What a caller may see: the accounts it reaches, each with the workspaces it reaches, and the one it asks about."""

    accounts: tuple[Account, ...]
    account: Account
    directory: Directory


class Form(StrEnum):
    """How a resource is answered: in the envelope of platform §1.6, as a bare list, or as the one thing there is."""

    ENVELOPE = "envelope"
    LIST = "list"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that can be read: its path below the prefix, the `dataType` of its envelope, and what reads it.

    One that does not ask for the account is about a workspace, which its path names; an account that is given all the
    same must be that of the workspace.
    """

    path: str
    data_type: str
    read: Callable[[View, Request], Sequence[Document]]
    form: Form = Form.ENVELOPE
    asks_account: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths at which it is served."""
        return (PREFIX + self.path, FIRST_PREFIX + self.path) if self.asks_account else (PREFIX + self.path,)


def _accounts(view: View, _request: Request) -> Sequence[Document]:
    return [_account(one) for one in view.accounts]


def _one_account(view: View, request: Request) -> Sequence[Document]:
    wanted = id_number(request.path_params["account"])
    return _found([_account(one) for one in view.accounts if one.id == wanted], "account")


def _account(account: Account) -> Document:
    """The configuration does not say when an account was made or changed."""
    return {
        "id": account.id,
        "name": account.name,
        "created_on": None,
        "last_modified_on": None,
        "data_type": "account",
    }


def _workspaces(view: View, _request: Request) -> Sequence[Document]:
    return [{"id": one.id, "name": one.name, "created_on": None} for one in view.account.workspaces]


def _apps(view: View, _request: Request) -> Sequence[Document]:
    return [_app(one, view) for one in view.account.workspaces]


def _one_app(view: View, request: Request) -> Sequence[Document]:
    return [_app(_workspace(view, request, "app"), view)]


def _platforms(view: View, request: Request) -> Sequence[Document]:
    return _platforms_of(_workspace(view, request, "app"), view)


def _one_platform(view: View, request: Request) -> Sequence[Document]:
    wanted = str(request.path_params["os"]).lower()
    platforms = _platforms(view, request)
    return _found([one for one in platforms if str(one["os"]).lower() == wanted], "platform")


def _app(workspace: Workspace, view: View) -> Document:
    """A workspace's apps are one app of the Platform API, and its inputs the platforms of it."""
    return {"id": workspace.id, "name": workspace.name, "platforms": _platforms_of(workspace, view)}


def _platforms_of(workspace: Workspace, view: View) -> list[Document]:
    inputs = [one for one in workspace.inputs if one.platform is not None]
    return [
        {
            "os": name,
            # The secret is shown once, when the key is made.
            "access_keys": [{"key": key} for key in _keys(view.directory, workspace, inputs, platform)],
        }
        for platform, name in OS_NAMES.items()
        if any(one.platform is platform for one in inputs)
    ]


def _keys(
    directory: Directory, workspace: Workspace, inputs: Sequence[Input], platform: InputPlatform
) -> Sequence[str]:
    """Return the keys that are valid now: during a rotation an input has two."""
    names = {one.name for one in inputs if one.platform is platform}
    return [
        door.input.key for door in directory.doors if door.workspace.id == workspace.id and door.input.name in names
    ]


def _feeds(view: View, request: Request) -> Sequence[Document]:
    return [_feed(one) for one in _workspace(view, request).inputs if one.is_feed]


def _one_feed(view: View, request: Request) -> Sequence[Document]:
    """A feed is asked for by its name or by its module; two workspaces may have feeds that share either."""
    wanted = request.path_params["feed"]
    feeds = [one for workspace in view.account.workspaces for one in workspace.inputs if one.is_feed]
    return _found([_feed(one) for one in feeds if wanted in (one.name, one.feed)], "feed")


def _feed(one: Input) -> Document:
    """A feed is bound to no operating system and to no environment."""
    return {"module_name": one.feed, "name": one.name, "os": None, "is_debug": False, "settings": []}


def _nothing(_view: View, _request: Request) -> Sequence[Document]:
    return []


def _nothing_in_workspace(view: View, request: Request) -> Sequence[Document]:
    _workspace(view, request)
    return []


def _nothing_in_app(view: View, request: Request) -> Sequence[Document]:
    _workspace(view, request, "app")
    return []


def _nothing_on_platform(view: View, request: Request) -> Sequence[Document]:
    _one_platform(view, request)
    return []


def _nothing_of_that_name(_view: View, _request: Request) -> Sequence[Document]:
    return _found([], "object")


def _none_in_app(view: View, request: Request) -> Sequence[Document]:
    _workspace(view, request, "app")
    return _found([], "service")


def _attributes(view: View, request: Request) -> Sequence[Document]:
    """A list can be narrowed to one name; asked for by HEAD, the name must be there."""
    name = request.query_params.get("name")
    found = attribute_documents(_workspace(view, request).calculated_attributes, name)
    return _found(found, _ATTRIBUTE) if name is not None and request.method == "HEAD" else found


def _one_attribute(view: View, request: Request) -> Sequence[Document]:
    return attribute_documents((_definition(view, request),), None)


def _activation(view: View, request: Request) -> Sequence[Document]:
    return [activation_document(_definition(view, request))]


def _calculation(view: View, request: Request) -> Sequence[Document]:
    return [calculation_document(_definition(view, request))]


def _draft(view: View, request: Request) -> Sequence[Document]:
    _definition(view, request)
    return _found([], "draft")


def _definition(view: View, request: Request) -> Definition:
    wanted = id_number(request.path_params["id"])
    for one in _workspace(view, request).calculated_attributes:
        if attribute_id(one) == wanted:
            return one
    raise _unknown(_ATTRIBUTE)


_ATTRIBUTE: Final = "calculated_attribute"
_CALCULATED: Final = "/workspaces/{workspace}/calculatedattributes"

RESOURCES: Final = (
    Resource("/accounts", "account", _accounts),
    Resource("/accounts/{account}", "account", _one_account),
    Resource("/workspace", "workspace", _workspaces),
    Resource("/apps", "app", _apps),
    Resource("/apps/{app}", "app", _one_app),
    Resource("/apps/{app}/platforms", "app_platform", _platforms),
    Resource("/apps/{app}/platforms/{os}", "app_platform", _one_platform),
    Resource("/apps/{app}/platforms/{os}/services", "service", _nothing_on_platform),
    Resource("/apps/{app}/datapoints", "datapoint", _nothing_in_app),
    Resource("/apps/{app}/{service}", "datapoint_filter", _none_in_app),
    Resource("/apps/{app}/{service}/datapoints", "datapoint_filter", _none_in_app),
    Resource("/services", "service", _nothing),
    Resource("/services/{service}", "service", _nothing_of_that_name),
    Resource("/workspace/{workspace}/partnerfeeds", "partner_feed", _feeds),
    Resource("/partnerfeeds/{feed}", "partner_feed", _one_feed),
    Resource("/partnerfeeds/{workspace}/subscriptions", "feed_subscription", _nothing_in_workspace),
    Resource("/workspace/{workspace}/{module}/serviceconfigurations", "service_configuration", _nothing_in_workspace),
    Resource("/audiences", "audience", _nothing, Form.LIST),
    Resource("/audiences/{audience}", "audience", _nothing_of_that_name),
    Resource("/workspace/{workspace}/audiences", "audience", _nothing_in_workspace, Form.LIST),
    Resource(_CALCULATED, _ATTRIBUTE, _attributes, Form.LIST, asks_account=False),
    Resource(f"{_CALCULATED}/{{id}}", _ATTRIBUTE, _one_attribute, Form.ONE, asks_account=False),
    Resource(f"{_CALCULATED}/{{id}}/activation", _ATTRIBUTE, _activation, Form.ONE, asks_account=False),
    Resource(f"{_CALCULATED}/{{id}}/calculation", _ATTRIBUTE, _calculation, Form.ONE, asks_account=False),
    Resource(f"{_CALCULATED}/{{id}}/draft", _ATTRIBUTE, _draft, Form.ONE, asks_account=False),
    Resource("/users", "user", _nothing),
    Resource("/users/{email}", "user", _nothing_of_that_name),
)
"""What can be read; platform §8, §12. Where two paths fit, the first one counts."""

ROUTES: Final = tuple((method, path) for one in RESOURCES for path in one.paths for method in _READING)
"""Every route of this surface: method and path. The other methods are answered 405 before anything is looked at."""


_FIRST_WORDS: Final = frozenset(one.path.split("/")[1] for one in RESOURCES if one.asks_account)


def is_platform_path(path: str) -> bool:
    """Whether the Platform API answers for a path. Below /v1 it has some words only; the others are IDSync's."""
    if path.startswith(f"{PREFIX}/"):
        return True
    return path.startswith(f"{FIRST_PREFIX}/") and path.split("/")[2] in _FIRST_WORDS


def platform_api(service: Service, tokens: Tokens, telemetry: Telemetry) -> Starlette:
    """Build the application that serves the Platform API below /platform/v2 and /v1."""
    gate = _Gate(service, tokens, client_allowances())

    async def refuse(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            log.error("%s %s", request.method, request.url.path, exc_info=error)
            fault = RequestRefused(500, "internal_error", "An unknown error was encountered.")
            return _refused(fault, None, telemetry)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _refused(_wrong_method(), None, telemetry)
        return _refused(RequestRefused(404, "unknown_path", "There is nothing at this path."), None, telemetry)

    served = [(one, _endpoint(gate, telemetry, one)) for one in RESOURCES]
    routes = [Route(path, endpoint, methods=_METHODS) for one, endpoint in served for path in one.paths]
    api = Starlette(routes=routes, exception_handlers={HTTPException: refuse, Exception: refuse})
    # A path with a slash too many is another path.
    api.router.redirect_slashes = False
    return api


@dataclass(frozen=True, slots=True)
class _Gate:
    """What it takes to find out who asks, and whether too much."""

    service: Service
    tokens: Tokens
    allowances: Allowances[str]


def _endpoint(gate: _Gate, telemetry: Telemetry, resource: Resource) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(None, 204, _PREFLIGHT)
        told: list[Header] = []
        try:
            _only_reading(request)
            credential = _credential(gate, request, told)
            data = resource.read(_view(gate.service, credential, resource, request), request)
        except RequestRefused as refusal:
            return _refused(refusal, resource.data_type, telemetry)
        headers = _CORS | _as_text(told)
        if request.method == "HEAD":
            return Response(None, 204, headers)
        return Response(_ENCODER.encode(_answer(resource, data)), 200, headers, "application/json")

    return serve


def _answer(resource: Resource, data: Sequence[Document]) -> Document | Sequence[Document]:
    match resource.form:
        case Form.ENVELOPE:
            return {"data": data, "dataType": resource.data_type, "errors": None}
        case Form.LIST:
            return data
        case Form.ONE:
            return data[0]


def _only_reading(request: Request) -> None:
    if request.method not in _READING:
        raise _wrong_method()


def _wrong_method() -> RequestRefused:
    return RequestRefused(405, "method_not_allowed", _WHERE_TO_CHANGE, ((b"allow", b"GET, HEAD, OPTIONS"),))


def _credential(gate: _Gate, request: Request, told: list[Header]) -> Credential:
    """Find out who asks. `told` gets the headers about its rate limit."""
    headers = request.scope["headers"]
    credential = bearer_credential(headers, dict(headers), gate.tokens, gate.service.clock())
    if isinstance(credential, TokenRefused):
        raise RequestRefused(401, credential.fault.value, credential.sentence, (challenge(credential),))
    gate.allowances.admit(credential.client_id, credential.limits, told)
    if credential.role is Role.READ_ONLY:
        sentence = "A read_only credential reads profiles; the Platform API needs the role admin or user."
        raise RequestRefused(403, "role_not_allowed", sentence)
    return credential


def _view(service: Service, credential: Credential, resource: Resource, request: Request) -> View:
    """Decide which account is asked about, and what of it may be seen."""
    accounts = tuple(
        replace(one, workspaces=mine)
        for one in service.configuration.organization.accounts
        if (mine := tuple(workspace for workspace in one.workspaces if workspace.id in credential.workspaces))
    )
    return View(accounts, _account_meant(accounts, resource, request), service.directory)


def _account_meant(accounts: Sequence[Account], resource: Resource, request: Request) -> Account:
    """Return the account that the query names, or the one that has the workspace of the path."""
    given = request.query_params.getlist("accountId")
    if not given and not resource.asks_account:
        wanted = id_number(request.path_params["workspace"])
        found = (one for one in accounts if any(workspace.id == wanted for workspace in one.workspaces))
        account = next(found, None)
        if account is None:
            raise _unknown("workspace")
        return account
    if len(given) != 1 or not given[0]:
        raise RequestRefused(401, "no_account_id", "Name one account: ?accountId= with its id.")
    wanted = id_number(given[0])
    account = next((one for one in accounts if one.id == wanted), None)
    if account is None:
        raise _unknown("account")
    return account


def _workspace(view: View, request: Request, name: str = "workspace") -> Workspace:
    """Return the workspace of the path, if the account has it and the caller reaches it."""
    wanted = id_number(request.path_params[name])
    for one in view.account.workspaces:
        if one.id == wanted:
            return one
    raise _unknown(name)


def _found(documents: Sequence[Document], what: str) -> Sequence[Document]:
    if not documents:
        raise _unknown(what)
    return documents


def _unknown(what: str) -> RequestRefused:
    """One answer for what is not there and for what the caller may not see, so that it tells nothing of others."""
    return RequestRefused(404, f"unknown_{what}", f"There is no such {what} among those you may see.")


def _refused(refusal: RequestRefused, data_type: str | None, telemetry: Telemetry) -> Response:
    telemetry.refused("platform", refusal.reason)
    error = {"code": _CODES[refusal.status], "message": refusal.sentence, "reason": refusal.reason}
    body = _ENCODER.encode({"data": None, "dataType": data_type, "errors": [error]})
    headers = {**_CORS, **_as_text(refusal.headers), "X-Refusal-Reason": refusal.reason}
    return Response(body, refusal.status, headers, "application/json")


def _as_text(headers: Iterable[Header]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}
