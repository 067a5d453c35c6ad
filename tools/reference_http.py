"""Renders the OpenAPI document that the server serves as a page for people."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from tools.reference_words import CREDENTIALS, SURFACES

Document = Mapping[str, Any]

PREFIX: Final = "/identity"
TITLES: Final = {"identity": "IDSync", "own": "Our own API", "operations": "Operations", **SURFACES}
"""The title of each surface, by its tag in the document."""

SECURITY: Final = {
    "basic": "Basic",
    "key": "key only",
    "signature": "signature",
    "admin": "the admin token",
    **CREDENTIALS,
}
"""What the ways to prove who one is are called, by their names in the document."""

_CHAPTER: Final = re.compile(r";? ?\(?\b(?:idsync|platform|design) §[\d.-]*\d(?: step \d)?\)?")
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_MEMBERS_TOLD: Final = 20
"""Members of one type that are told one by one; more are a map by identity type."""

_WORDS_TOLD: Final = 12
"""Words of a closed set that are told; a longer one is a list of its own."""


def reasons_of(document: Document) -> dict[str, set[tuple[str, str]]]:
    """Return every reason a request can be refused for, with the surfaces and statuses it is answered with."""
    found: dict[str, set[tuple[str, str]]] = {}
    for _, _, operation in operations(document):
        surface = TITLES[operation["tags"][0]]
        for status, response in operation["responses"].items():
            if int(status) >= HTTPStatus.BAD_REQUEST:
                for reason in _reasons(response):
                    found.setdefault(reason, set()).add((surface, status))
    return found


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method and operation of everything the document describes, preflights left out."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS:
                yield path, method, operation


def _reasons(response: Document) -> set[str]:
    """Collect the words that an error body or the reason header can hold."""
    header = response.get("headers", {}).get("X-Refusal-Reason", {}).get("schema", {}).get("enum", [])
    content = response.get("content", {}).get("application/json", {}).get("schema", {})
    return {*header, *_codes(content)}


def _codes(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _codes(one)
    elif isinstance(schema, Mapping):
        for name, nested in schema.items():
            if name in ("code", "reason") and isinstance(nested, Mapping) and "enum" in nested:
                yield from nested["enum"]
            else:
                yield from _codes(nested)


def http_api(document: Document) -> Iterator[str]:
    """Yield the page."""
    yield from ("# HTTP API", "", *document["info"]["description"].strip().splitlines(), "")
    yield "The same as a document for programs: `GET /api/openapi.json`."
    tag = ""
    for path, method, operation in operations(document):
        if path.startswith(PREFIX):
            continue
        if operation["tags"][0] != tag:
            tag = operation["tags"][0]
            yield from ("", f"## {TITLES[tag]}")
        yield from _operation(document, path, method, operation)
    yield from ("", "## Bodies")
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)


def _operation(document: Document, path: str, method: str, operation: Document) -> Iterator[str]:
    yield from ("", f"### `{method.upper()} {path}`", "", plain(operation["summary"]))
    if "description" in operation:
        yield from ("", plain(operation["description"]))
    if PREFIX + path in document["paths"]:
        yield from ("", f"Also at `{PREFIX}{path}`.")
    allowed = [" with ".join(SECURITY[one] for one in way if one in SECURITY) for way in operation.get("security", [])]
    allowed = ["signature" if "signature" in one else one for one in allowed]
    yield from ("", f"Credentials: {', '.join(allowed) or 'none'}.")
    if "requestBody" in operation:
        yield from (
            "",
            f"Body: {_type(_content(operation['requestBody']))}. {plain(operation['requestBody']['description'])}",
        )
    if operation.get("parameters"):
        yield from ("", "| Parameter | In | Type | Meaning |", "|---|---|---|---|")
        for one in operation["parameters"]:
            yield f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {plain(one.get('description', ''))} |"
    yield from ("", "| Status | Answer | Reasons | Headers |", "|---|---|---|---|")
    for status, response in operation["responses"].items():
        yield _response(status, response)


def _response(status: str, response: Document) -> str:
    described = plain(response["description"])
    if status.startswith("2") and "application/json" in response.get("content", {}):
        described += f" {_type(_content(response))}"
    reasons = ", ".join(f"`{reason}`" for reason in sorted(_reasons(response)))
    headers = ", ".join(f"`{name}`" for name in response.get("headers", {}) if not name.startswith("Access-Control"))
    return f"| {status} | {described} | {reasons} | {headers} |"


def _content(holder: Document) -> Document:
    return next(iter(holder["content"].values()))["schema"]


def _schema(name: str, schema: Document) -> Iterator[str]:
    yield from ("", f"### {name}", "")
    described = plain(schema.get("description", ""))
    if described:
        yield described
    forms = schema.get("oneOf")
    if forms and all("properties" in form for form in forms):
        yield from ("", "One of:", "")
        for form in forms:
            members = ", ".join(f"`{member}`" for member in form["properties"] if member != "kind")
            kind = form["properties"].get("kind", {}).get("const", "")
            yield f"- `{kind}`: {plain(form.get('description', ''))} {f'Members: {members}.' if members else ''}".rstrip()
    elif "properties" in schema:
        shared = {_type(one) for one in schema["properties"].values()}
        if len(schema["properties"]) > _MEMBERS_TOLD and len(shared) == 1:
            yield from ("", f"For each identity type at most one member, named by it: {shared.pop()}.")
            return
        yield from ("", "| Member | Needed | Type | Meaning |", "|---|---|---|---|")
        needed = schema.get("required", [])
        for member, one in schema["properties"].items():
            meaning = plain(one.get("description", ""))
            yield f"| `{member}` | {'yes' if member in needed else 'no'} | {_type(one)} | {meaning} |"
    else:
        yield from ("", f"Type: {_type(schema)}.")


def _type(schema: Document) -> str:
    """Say in a few words what a schema takes."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for form in ("anyOf", "oneOf"):
        if form in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[form])))
    if "allOf" in schema:
        return _type(schema["allOf"][0])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return _words(schema["enum"])
    return _plain_type(schema)


def _words(words: Sequence[object]) -> str:
    if len(words) > _WORDS_TOLD:
        return "one word of a list"
    return ", ".join(f"`{one}`" if one != "" else "empty" for one in words)


def _plain_type(schema: Document) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kinds = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "maxLength" in schema:
        return f"{kinds}, at most {schema['maxLength']} characters"
    if "minimum" in schema and "maximum" in schema:
        return f"{kinds}, {schema['minimum']} to {schema['maximum']}"
    return kinds


def plain(text: str) -> str:
    """Return a description on one line, without chapters of documents that are not published."""
    return _CHAPTER.sub("", " ".join(text.split())).replace(" .", ".").strip()
