"""Serves the download of an audience: an archive of its members with their identities, made while it is sent (platform §6.5)."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final
from uuid import uuid4

from starlette.requests import Request

from knownas.api.own_audiences import path_audience
from knownas.api.own_operation import File, Operation, Refusal, query_environment
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType, Surface, types_named_on
from knownas.service.audience.archive import Archive, archive_pieces
from knownas.service.security.auditing import ADMIN
from knownas.service.server import Service

DOWNLOAD_AUDIENCE: Final = "downloadAudience"
DOWNLOAD_TYPES: Final = types_named_on(Surface.PROFILE)
"""The types that can be asked for, by the names that connections have for them."""


async def download_audience(service: Service, request: Request) -> tuple[int, Document | File]:
    """Return the members of an audience as a zip archive: a CSV with a row for each identity, and a manifest that says what is in it.

    `identities` are the types to include, separated by commas; all, if it is not given. Each member who is in it is noted in the audit, before
    they are sent. Who joins or leaves meanwhile may be in it or not. An archive that breaks off has no directory, and can't be opened.
    """
    audience = await path_audience(service, request)
    environment, types = query_environment(request).value, _types(request)
    media_type, name = "application/zip", f"audience-{audience.id}.zip"
    if request.method == "HEAD":
        # Nobody is read, or noted, of whom nothing is sent.
        return 200, File(b"", media_type, name)

    async def note(mpids: Sequence[int]) -> None:
        for mpid in mpids:
            service.auditing.note(mpid, ADMIN, DOWNLOAD_AUDIENCE, 200)
        await service.auditing.flush()

    members = service.activation.downloads.members(audience, environment, types, note)
    archive = Archive(uuid4().hex, audience.document.name, service.clock(), types)
    pieces = archive_pieces(archive, [(audience.id, members)])
    # What can't be read at all is refused; later there is no other answer than none.
    first = await anext(pieces)
    return 200, File(_after(first, pieces), media_type, name)


async def _after(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _types(request: Request) -> Sequence[IdentityType]:
    given = request.query_params.get("identities")
    names = list(DOWNLOAD_TYPES) if given is None else given.split(",")
    if not DOWNLOAD_TYPES.keys() >= set(names):
        sentence = "identities are types of identities, separated by commas."
        raise Refusal(400, "invalid_identities", sentence, allowed=sorted(DOWNLOAD_TYPES))
    return sorted({DOWNLOAD_TYPES[one] for one in names})


DOWNLOAD_OPERATIONS: Final = (
    Operation("GET", "/api/workspaces/{workspace}/audiences/{audience}/download", DOWNLOAD_AUDIENCE, download_audience),
)
