"""Describes every path of the server as an OpenAPI document, from the same types that decode the requests."""

import re
from functools import cache
from typing import Any, Final, cast

import msgspec

import knownas
from knownas.api.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX
from knownas.api.openapi_identity import identity_paths
from knownas.api.openapi_own import operation_paths, own_paths
from knownas.api.openapi_parts import security_schemes
from knownas.api.openapi_vendor import vendor_paths
from knownas.api.schemas import component_schemas
from knownas.core.identity.document import Document

_DESCRIPTION: Final = f"""\
An open, self-hosted identity resolution server. IDSync and the surfaces around it keep the vendor's paths, with and
without the prefixes that SDKs add behind a custom domain; our own API is below `/api`.

Every refusal names its reason by a stable code: our own API in `error.code`, the other surfaces in the header
`X-Refusal-Reason`. Every GET of ours is answered to HEAD too. A method that a path does not have is answered 405 with `Allow`, a path that nothing
is at 404. A request whose headers are longer than {HEADER_BYTES_MAX:,} bytes in all is answered 431. What is not HTTP
is answered 400 in plain text, before any of this.

A body is JSON in UTF-8, whatever its Content-Type says (a request for a token may be a form), and has {BODY_BYTES_MAX:,} bytes at most. One that names a
member twice is refused.
"""


_CHAPTERS: Final = re.compile(r";? ?\(?\b(?:idsync|platform|design) §[\d.-]*\d(?: step \d)?(?:, §[\d.-]*\d)*\)?")
"""Chapters of the specifications, which the descriptions of types name and whoever reads the document has not."""


def openapi_document() -> Document:
    """Return the document that is served at /api/openapi.json."""
    return {name: _published(part) for name, part in _document().items()}


@cache
def openapi_bytes() -> bytes:
    """Return the document as it is served. Made when somebody first asks for it, which takes a tenth of a second: not in the event loop."""
    return msgspec.json.encode(openapi_document())


def _published(part: Any) -> Any:
    """Return a part of the document without the chapters that its texts name."""
    if isinstance(part, str):
        return _CHAPTERS.sub("", part)
    if isinstance(part, list):
        return [_published(one) for one in cast("list[Any]", part)]
    if isinstance(part, dict):
        return {name: _published(one) for name, one in cast("dict[str, Any]", part).items()}
    return part


def _document() -> Document:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "knownas",
            "version": knownas.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "identity", "description": "IDSync, the way the official SDKs speak it."},
            {"name": "events", "description": "Batches of events from servers and feeds."},
            {"name": "web", "description": "What the web SDK asks beside IDSync."},
            {"name": "alias", "description": "The past of one profile for another."},
            {"name": "tokens", "description": "Access tokens."},
            {"name": "profiles", "description": "What a workspace knows of a user, for apps that personalise."},
            {"name": "seeding", "description": "Calculated attributes from elsewhere."},
            {"name": "privacy", "description": "Requests of data subjects, by OpenDSR; and deletion of many profiles."},
            {"name": "platform", "description": "What is configured."},
            {"name": "own", "description": "Profiles, their history, receipts and explanations."},
            {"name": "operations", "description": "What operators ask."},
        ],
        "paths": {**identity_paths(), **vendor_paths(), **own_paths(), **operation_paths()},
        "components": {"schemas": component_schemas(), "securitySchemes": security_schemes()},
    }
