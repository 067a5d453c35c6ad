"""Serves the deletion of many profiles at once, with the key and secret of an input (platform §5.10)."""

from collections.abc import Mapping
from time import perf_counter
from typing import Final, Literal

import msgspec

from knownas.api.answering import DOOR, HttpSurface
from knownas.api.credentials import Denied, authenticate
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.routes import Routes, literal
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle, admit
from knownas.api.unavailable import unavailable
from knownas.api.wire import (
    INVALID_MPID,
    Malformed,
    decode_document,
    identities_named,
    optional_mpid,
    refuse_repeated_keys,
)
from knownas.core.identity.kinds import IdentityType, Surface, types_named_on
from knownas.core.identity.observation import Environment
from knownas.service.erasure.bulk_deletion import BulkDeletion, Deletion
from knownas.service.identity.resolver import Overloaded
from knownas.service.live.feed import Feed
from knownas.service.security.directory import Directory, Door
from knownas.store.errors import StoreError

DELETIONS_A_REQUEST_MAX: Final = 100
"""Profiles that one request may name."""

ROUTES: Final = Routes(
    *(
        literal(f"{prefix}/userprofile/{path}", ("POST",), None)
        for path in ("bulkdelete", "experimental/bulkdelete")
        for prefix in ("", "/s2s")
    )
)

_NAMES: Final[Mapping[str, IdentityType]] = types_named_on(Surface.IDSYNC)
_TOO_MUCH: Final = "The input sends too much; wait and try again."


class DeletionBody(msgspec.Struct, frozen=True):
    """One profile that is to be deleted. Members that decide nothing are passed over."""

    environment_type: Environment
    action: Literal["delete"]
    mpid: str | int | None = None
    identities: dict[str, str | None] | None = None


_DECODER: Final = msgspec.json.Decoder(list[DeletionBody])


class BulkDeletionSurface(HttpSurface[None]):
    """The bulk deletion of a service."""

    name = "bulk_deletion"

    def __init__(
        self,
        deletion: BulkDeletion,
        directory: Directory,
        throttle: Throttle,
        telemetry: Telemetry,
        live: Feed | None = None,
    ) -> None:
        super().__init__(telemetry, live)
        self._deletion = deletion
        self._directory = directory
        self._throttle = throttle

    async def answer(self, target: None, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Delete what the workspace has of the profiles that are named; those that are not there are fine."""
        del target
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        door = self._door(scope, body, given)
        admit(self._throttle, door, perf_counter(), headers, _TOO_MUCH)
        try:
            await self._deletion.delete(door, deletions_of(body))
        except Malformed as malformed:
            raise RequestRefused(400, malformed.reason, malformed.sentence) from malformed
        except (Overloaded, StoreError) as error:
            raise unavailable(error, "The store could not delete all of it; send it again.") from error
        return 202, b""

    def _door(self, scope: Scope, body: bytes, given: Mapping[bytes, bytes]) -> Door:
        """Find out which input asks; platform §2.1 for 401 and 403."""
        sentence = "Send the key and secret of an input of the workspace: Authorization: Basic."
        if b"authorization" not in given:
            raise RequestRefused(401, Denied.NO_CREDENTIALS.value, sentence)
        door = authenticate(scope, body, given, self._directory)
        if isinstance(door, Denied):
            raise RequestRefused(401 if door is Denied.MALFORMED else 403, door.value, sentence)
        scope[DOOR] = door
        return door


def deletions_of(body: bytes) -> list[Deletion]:
    """Decode a request.

    Raises:
        Malformed: it is not JSON, a member is missing or wrong, somebody is not named, or there are too many.
    """
    given = decode_document(_DECODER, body)
    refuse_repeated_keys(body)
    if len(given) > DELETIONS_A_REQUEST_MAX:
        raise Malformed("too_many_deletions", f"A request may name {DELETIONS_A_REQUEST_MAX} profiles.")
    return [_deletion(one) for one in given]


def _deletion(given: DeletionBody) -> Deletion:
    mpid = optional_mpid(given.mpid, "invalid_mpid", INVALID_MPID)
    identities = () if mpid is not None else identities_named(given.identities or {}, _NAMES)
    if mpid is None and not identities:
        raise Malformed("nobody_named", "Either mpid or identities must say whose data is to go.")
    return Deletion(given.environment_type, mpid, identities)
