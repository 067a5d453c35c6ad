"""Serves the part of the Platform API by which households and the like are defined (platform §9).

The vendor documents defining a kind of groups, and no answer; reading, changing and deleting are ours, and so is how they are answered: as they are on
our own API. What everybody gets takes its time after an answer: `progress` tells how far that is.
"""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from knownas.api.answering import HttpSurface
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.group_wire import GROUP_BODY, group_document, wish_of
from knownas.api.ids import id_number
from knownas.api.refusals import BAD_REQUEST, FORBIDDEN, UNAUTHORIZED, vendor_error
from knownas.api.routes import Route, Routes
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import client_allowances
from knownas.api.token import bearer_credential, challenge
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed, decode_document, refuse_repeated_keys
from knownas.config.values import Credential, Role
from knownas.core.audience.reading_text import Fault
from knownas.core.identity.document import Document
from knownas.service.audience.catalogue import KnownGroup
from knownas.service.group.groups import GroupWish
from knownas.service.security.tokens import TokenRefused, Tokens
from knownas.service.server import Service
from knownas.store.errors import StoreError

_ENCODER: Final = msgspec.json.Encoder()


class GroupTarget(NamedTuple):
    """What a path asks for: the kinds of groups of a workspace, or one of them by its id."""

    workspace: str
    group: str | None


_PREFIXES: Final = ("/platform/workspaces", "/platform/experimental/workspaces")
"""Where the vendor has them now, and where it had them first."""

ROUTES: Final = Routes(
    *(
        route
        for prefix in _PREFIXES
        for slash in ("/", "")
        for route in (
            Route(f"{prefix}/{{workspace}}/groups{slash}", ("GET", "POST"), partial(GroupTarget, group=None)),
            Route(f"{prefix}/{{workspace}}/groups/{{group}}{slash}", ("GET", "PUT", "DELETE"), GroupTarget),
        )
    )
)
"""The vendor's example ends with a slash, its other resources do not."""


class _Faults(RequestRefused):
    """Refuses a definition for every fault that was found in it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.told = [("invalid_group_kind", f"{one.place or '/'}: {one.sentence}") for one in faults]
        super().__init__(400, *self.told[0])


class PlatformGroups(HttpSurface[GroupTarget]):
    """Groups for the clients of a service."""

    name = "platform"

    def __init__(self, service: Service, tokens: Tokens, telemetry: Telemetry) -> None:
        super().__init__(telemetry)
        self._service = service
        self._groups = service.activation.groups
        self._tokens = tokens
        self._allowances = client_allowances()

    def error(self, refusal: RequestRefused) -> bytes:
        """Write the vendor's envelope, with every fault; platform §1.6."""
        return vendor_error(BAD_REQUEST, refusal.told) if isinstance(refusal, _Faults) else super().error(refusal)

    async def answer(
        self, target: GroupTarget, scope: Scope, receive: Receive, headers: list[Header]
    ) -> tuple[int, bytes]:
        """Define, show, change or delete."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        credential = bearer_credential(scope["headers"], given, self._tokens, self._service.clock())
        if isinstance(credential, TokenRefused):
            asking = (challenge(credential),)
            raise RequestRefused(401, credential.fault.value, credential.sentence, asking, UNAUTHORIZED)
        self._allowances.admit(credential.client_id, credential.limits, headers)
        method: str = scope["method"]
        workspace = _workspace(credential, target, method)
        try:
            status, document = await self._answered(method, workspace, target.group, body)
        except Malformed as malformed:
            raise RequestRefused(400, malformed.reason, malformed.sentence, code=BAD_REQUEST) from malformed
        except StoreError as error:
            raise unavailable(error, "The store could not do it; nothing was changed.") from error
        return status, b"" if document is None else _ENCODER.encode(document)

    async def _answered(
        self, method: str, workspace: int, named: str | None, body: bytes
    ) -> tuple[int, Document | Sequence[Document] | None]:
        known = await self._groups.known(workspace)
        if named is None:
            if method == "POST":
                return HTTPStatus.CREATED, await self._created(workspace, _wish(body))
            return HTTPStatus.OK, [await self._shown(known[one]) for one in sorted(known)]
        group = known.get(named)
        if group is None:
            raise RequestRefused(404, "unknown_group", "The workspace has no groups of this id.")
        if method == "DELETE":
            await self._groups.delete(group)
            return HTTPStatus.NO_CONTENT, None
        if method == "PUT":
            wrong = await self._groups.change(group, _wish(body))
            if wrong is not None:
                raise _Faults(wrong)
            group = self._service.activation.catalogues.now.groups[group.id]
        return HTTPStatus.OK, await self._shown(group)

    async def _created(self, workspace: int, wish: GroupWish) -> Document:
        made = await self._groups.create(workspace, wish)
        if isinstance(made, tuple):
            raise _Faults(made)
        return await self._shown(self._service.activation.catalogues.now.groups[made])

    async def _shown(self, group: KnownGroup) -> Document:
        return group_document(group, await self._groups.progress(group))


def _wish(body: bytes) -> GroupWish:
    decoded = decode_document(GROUP_BODY, body)
    refuse_repeated_keys(body)
    return wish_of(decoded)


def _workspace(credential: Credential, target: GroupTarget, method: str) -> int:
    """Return the workspace of a path. One that may not be reached is refused like one that is not there."""
    if credential.role is Role.READ_ONLY:
        sentence = "A read_only credential reads profiles; the Platform API needs the role admin or user."
        raise RequestRefused(403, "role_not_allowed", sentence, code=FORBIDDEN)
    if credential.role is not Role.ADMIN and method != "GET":
        raise RequestRefused(403, "role_not_allowed", "Only an admin credential changes groups.", code=FORBIDDEN)
    number = id_number(target.workspace)
    if number is None or number not in credential.workspaces:
        raise RequestRefused(404, "unknown_workspace", "There is no such workspace among those you may see.")
    return number
