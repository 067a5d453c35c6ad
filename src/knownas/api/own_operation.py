"""Holds what an operation of our own API is, and how it refuses a request (design §7)."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request

from knownas.api.wire import NAME_CHARACTERS_SHOWN
from knownas.core.identity.document import Document
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.service.limits import PAGE_DEFAULT, PAGE_MAX
from knownas.service.question import Rules
from knownas.service.server import Service

_CURSOR_BYTES: Final = 8
_CURSOR_CHARACTERS: Final = 11
_MALFORMED: Final = {"next": "malformed_next", "after": "malformed_after"}


class Refusal(Exception):
    """Ends a request of our own API: a status, a stable code, a sentence, and what helps."""

    def __init__(self, status: int, code: str, sentence: str, **details: object) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.details = details


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API: what it is, and what serves it."""

    method: str
    path: str
    name: str
    serve: Callable[[Service, Request], Awaitable[tuple[int, Document]]]
    body: type[msgspec.Struct] | None = None


def path_mpid(request: Request) -> int:
    """Read the MPID of a path.

    Raises:
        Refusal: it is none.
    """
    mpid = parse_mpid(request.path_params["mpid"])
    if mpid is None:
        raise Refusal(400, "malformed_mpid", "An MPID is a 64-bit integer other than 0.")
    return mpid


def page_cursor(request: Request, name: str = "next") -> int:
    """Read where a page begins: after this `seq`. `name` is the parameter that says so.

    Raises:
        Refusal: it is nothing that a page answered.
    """
    given = request.query_params.get(name)
    if given is None:
        return 0
    try:
        seq = int.from_bytes(base64.b64decode(given + "=", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        seq = -1
    if len(given) != _CURSOR_CHARACTERS or not 0 <= seq < 2**63 or write_cursor(seq) != given:
        raise Refusal(400, _MALFORMED[name], f"{name} must be the `next` that an earlier page answered.")
    return seq


def page_limit(request: Request) -> int:
    """Read how many items a page may have.

    Raises:
        Refusal: it is no number, or too large.
    """
    given = request.query_params.get("limit", str(PAGE_DEFAULT))
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(PAGE_MAX)) and 1 <= int(given) <= PAGE_MAX):
        raise Refusal(400, "invalid_limit", f"limit is a number from 1 to {PAGE_MAX}.")
    return int(given)


def query_environment(request: Request) -> Environment:
    """Read the environment that is asked about; production if none is given.

    Raises:
        Refusal: there is no such environment.
    """
    given = request.query_params.get("environment", Environment.PRODUCTION.value)
    if given not in set(Environment):
        raise Refusal(400, "invalid_environment", "environment is production or development.")
    return Environment(given)


def path_rules(service: Service, request: Request) -> Rules:
    """Return the rules of the scope of a path.

    Raises:
        Refusal: there is no such scope.
    """
    scope = request.path_params["scope"]
    rules = service.directory.rules(scope)
    if rules is None:
        allowed = sorted(service.directory.scopes)
        raise Refusal(404, "unknown_scope", f"There is no scope {scope[:NAME_CHARACTERS_SHOWN]!r}.", allowed=allowed)
    return rules


def unknown_profile(mpid: int) -> Refusal:
    """Return the refusal of a request about a profile that is not there."""
    return Refusal(404, "unknown_profile", f"There is no profile {mpid}.")


def write_cursor(seq: int) -> str:
    """Write the `next` of a page that ends at a `seq`."""
    return base64.urlsafe_b64encode(seq.to_bytes(_CURSOR_BYTES)).decode().rstrip("=")
