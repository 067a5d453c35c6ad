"""Holds what an operation of our own API is, and how it refuses a request (design §7)."""

import base64
import binascii
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from knownas.api.ids import id_number
from knownas.api.limits import BODY_BYTES_MAX
from knownas.api.wire import NAME_CHARACTERS_SHOWN, Body, decode_document, refuse_repeated_keys
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity, Surface, types_named_on, value_fault
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.core.profile.alias import ALIAS_ID_CHARACTERS_MAX, is_alias_id
from knownas.service.history.components import TooLarge
from knownas.service.history.undoing import UndoRefusal
from knownas.service.identity.decisions import is_decision_id
from knownas.service.identity.knowing import place_of
from knownas.service.identity.question import Rules
from knownas.service.limits import PAGE_DEFAULT, PAGE_MAX
from knownas.service.security.directory import Place
from knownas.service.server import Service

_NAMES: Final = types_named_on(Surface.IDSYNC)
_TYPES_ALLOWED: Final = sorted(_NAMES)
_T = TypeVar("_T")
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
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
class File:
    """An answer that is no JSON: its bytes, or its pieces as they are made, what they are, and the name under which a browser keeps it."""

    body: bytes | AsyncGenerator[bytes]
    media_type: str
    name: str

    @property
    def headers(self) -> Mapping[str, str]:
        """What else an answer with it says."""
        return {"Content-Disposition": f'attachment; filename="{self.name}"'}


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API: what it is, and what serves it."""

    method: str
    path: str
    name: str
    serve: Callable[[Service, Request], Awaitable[tuple[int, Document | File]]]
    body: type[msgspec.Struct] | None = None
    needs_body: bool = True


def path_mpid(request: Request) -> int:
    """Read the MPID of a path.

    Raises:
        Refusal: it is none.
    """
    mpid = parse_mpid(request.path_params["mpid"])
    if mpid is None:
        raise Refusal(400, "malformed_mpid", "An MPID is a 64-bit integer other than 0.")
    return mpid


def path_decision(request: Request) -> str:
    """Read the id of a decision from a path.

    Raises:
        Refusal: it is none.
    """
    decision_id: str = request.path_params["id"]
    if not is_decision_id(decision_id):
        raise Refusal(400, "malformed_decision_id", "A decision id has 32 lower-case hex digits.")
    return decision_id


def path_undone(request: Request) -> str:
    """Read from a path what is to be taken back: the id of a decision, or that of an alias request.

    Raises:
        Refusal: it is neither.
    """
    given: str = request.path_params["id"]
    if not is_decision_id(given) and not is_alias_id(given):
        sentence = (
            f"A decision id has 32 lower-case hex digits; an alias request's has up to {ALIAS_ID_CHARACTERS_MAX}."
        )
        raise Refusal(400, "malformed_decision_id", sentence)
    return given


def query_preview(request: Request) -> bool:
    """Read whether a change is only to be shown, not made.

    Raises:
        Refusal: it is neither.
    """
    given = request.query_params.get("preview", "false")
    if given not in ("true", "false"):
        raise Refusal(400, "invalid_preview", "preview is true or false.")
    return given == "true"


def query_as_of(request: Request) -> int | None:
    """Read the time that is asked about, in Unix milliseconds; None if it is now.

    Raises:
        Refusal: it is not written as RFC 3339 says, with its offset.
    """
    given = request.query_params.get("as_of")
    if given is None:
        return None
    # A plus sign that was not escaped in the query stands for a blank there.
    at_ms = rfc3339_ms(given.replace(" ", "+"))
    if at_ms is not None:
        return at_ms
    example = "2026-05-03T12:00:00Z"
    raise Refusal(400, "invalid_as_of", f"as_of is a time of RFC 3339 with an offset, such as {example}.")


def query_time(request: Request, name: str) -> int | None:
    """Read a time of the query, in Unix milliseconds; None if it is not given.

    Raises:
        Refusal: it is not written as RFC 3339 says, with its offset.
    """
    given = request.query_params.get(name)
    if given is None:
        return None
    # A plus sign that was not escaped in the query stands for a blank there.
    at_ms = rfc3339_ms(given.replace(" ", "+"))
    if at_ms is None:
        raise Refusal(
            400, "invalid_time", f"{name} is a time of RFC 3339 with an offset, such as 2026-05-03T12:00:00Z."
        )
    return at_ms


def rfc3339_ms(text: str) -> int | None:
    """Read a time of RFC 3339 with its offset, in Unix milliseconds; None if it is none."""
    if _RFC3339.fullmatch(text) is not None:
        with suppress(ValueError, OverflowError):
            return int(datetime.fromisoformat(text).timestamp() * 1000)
    return None


async def folded(work: Awaitable[_T]) -> _T:
    """Wait for something that folds a part of the log.

    Raises:
        Refusal: the part is too large.
    """
    try:
        return await work
    except TooLarge as error:
        sentence = "More lines of the log could have mattered than are folded at once."
        raise Refusal(409, UndoRefusal.TOO_LARGE.value, sentence) from error


def page_cursor(request: Request, name: str = "next") -> int:
    """Read where a page begins: after this `seq`. `name` is the parameter that says so.

    Raises:
        Refusal: it is nothing that a page answered.
    """
    given = request.query_params.get(name)
    if given is None:
        return 0
    seq = read_cursor(given)
    if seq is None:
        raise Refusal(400, _MALFORMED[name], f"{name} must be the `next` that an earlier page answered.")
    return seq


def read_cursor(given: str) -> int | None:
    """Read what `write_cursor` wrote; None if it did not write this."""
    try:
        seq = int.from_bytes(base64.b64decode(given + "=", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    is_written = len(given) == _CURSOR_CHARACTERS and 0 <= seq < 2**63 and write_cursor(seq) == given
    return seq if is_written else None


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


def path_place(service: Service, request: Request) -> Place:
    """Return the workspace of a path.

    Raises:
        Refusal: there is none.
    """
    number = id_number(request.path_params["workspace"])
    place = None if number is None else place_of(service.directory, number)
    if place is None:
        raise Refusal(404, "unknown_workspace", "No workspace has this id.")
    return place


async def refuse_erased(service: Service, mpid: int) -> None:
    """Refuse to tell of a profile that was erased.

    Raises:
        Refusal: it was; the answer names the request.
    """
    request_id = await service.profiles.erased_by(mpid)
    if request_id is not None:
        raise Refusal(410, "erased", f"Profile {mpid} was erased.", request_id=request_id)


def unknown_profile(mpid: int) -> Refusal:
    """Return the refusal of a request about a profile that is not there."""
    return Refusal(404, "unknown_profile", f"There is no profile {mpid}.")


def write_cursor(seq: int) -> str:
    """Write the `next` of a page that ends at a `seq`."""
    return base64.urlsafe_b64encode(seq.to_bytes(_CURSOR_BYTES)).decode().rstrip("=")


async def json_body(request: Request, decoder: msgspec.json.Decoder[Body]) -> Body:
    """Read the body of a request.

    Raises:
        Refusal: it is too long.
        Malformed: it is not what the decoder takes.
    """
    return _decoded(await _read_body(request), decoder)


async def optional_body(request: Request, decoder: msgspec.json.Decoder[Body]) -> Body | None:
    """Read the body of a request that may have none; raises what `json_body` raises."""
    body = await _read_body(request)
    return _decoded(body, decoder) if body else None


async def _read_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise Refusal(413, "body_too_long", f"A body may have {BODY_BYTES_MAX} bytes.")
        parts.append(part)
    return b"".join(parts)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[Body]) -> Body:
    decoded = decode_document(decoder, body)
    refuse_repeated_keys(body)
    return decoded


def own_identity(name: str, value: str) -> Identity:
    """Read an identity.

    Raises:
        Refusal: it can't be one.
    """
    kind = _NAMES.get(name)
    if kind is None:
        raise Refusal(
            400,
            "unknown_identity_type",
            f"{name[:NAME_CHARACTERS_SHOWN]!r} is not an identity type.",
            allowed=_TYPES_ALLOWED,
        )
    fault = value_fault(value)
    if fault is not None:
        raise Refusal(400, "invalid_identity", f"{name}: {fault}.")
    return Identity(kind, value)
