"""What is declared is served, what is not declared is not, and the OpenAPI document describes both."""

import importlib
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from knownas.api.openapi import openapi_document
from knownas.api.platform import FIRST_PREFIX, PREFIX, is_platform_path
from knownas.api.routes import Asked, Route, Routes, literal
from tests.api.access_world import World, running
from tests.api.listed_routes import routes

PREFIXES = ("/identity", "/s2s", "/webevents", "/nativeevents", "/tags")
"""What custom domains put before a path: the OpenAPI document has them as text, but for the first."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The application without its socket."""
    async with running() as started:
        yield started


def filled(path: str) -> str:
    """Return a path with a text in each of its braces."""
    return path.replace("{", "x").replace("}", "")


async def test_a_declared_route_is_served(world: World) -> None:
    """Each route reaches its surface, whatever stands in its braces."""
    for method, path in routes():
        answer = await world.http.request(method, filled(path))
        assert answer.status_code == 200 or "unknown_path" not in answer.text, f"{method} {path}"
        assert answer.status_code != 405, f"{method} {path}"


async def test_what_is_beside_a_route_is_not_served(world: World) -> None:
    """A path with a part more or less, in other words, or below another prefix is nothing's."""
    declared = {path for _, path in routes()}
    finders = [route_of(path) for path in declared]
    asked: set[str] = set()
    for path in map(filled, declared):
        beside = {f"{path}/more", f"/x{path}", f"{path}x", path.upper(), path.rpartition("/")[0], f"/{path}"}
        asked |= beside | {prefix + path for prefix in PREFIXES}
    for path in sorted(one for one in asked if one and not any(find.find(one) for find in finders)):
        answer = await world.http.get(httpx.URL("http://id.example.com").copy_with(raw_path=path.encode()))
        assert answer.status_code == 404, path


def route_of(path: str) -> Routes[list[str]]:
    """Return a table of one route, which says what else is the same path: it has texts in its braces."""
    return Routes(Route(path, ("GET",), lambda *texts: list(texts), any_case=path.endswith("/alias")))


async def test_another_method_is_refused_with_those_that_there_are(world: World) -> None:
    """A method that a path does not have is answered 405 with an Allow that names those it has."""
    methods: dict[str, set[str]] = {}
    for method, path in routes():
        methods.setdefault(path, set()).add(method)
    for path, allowed in methods.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            answer = await world.http.request(method, filled(path))
            assert answer.status_code == 405, f"{method} {path}"
            assert allowed <= set(answer.headers["allow"].split(", ")), f"{method} {path}"


@pytest.mark.parametrize("surface", ["platform", "own"])
def test_lists_of_routes_say_what_a_framework_serves(surface: str) -> None:
    """Where a framework knows the routes, the surface's list is the same."""
    module: Any = importlib.import_module(f"knownas.api.{surface}")
    built = {
        "platform": lambda: module.platform_api(None, None, None),
        "own": lambda: module.own_api(None, None, bytes),
    }
    api: Starlette = built[surface]()
    assert {getattr(one, "path", "") for one in api.routes} == {path for _, path in module.ROUTES}


def test_each_route_is_described() -> None:
    """The OpenAPI document has each route, those with a prefix as the path they are short for, and none but these."""
    document: Any = openapi_document()
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "options"
    }
    declared = {route for route in routes() if route[0] != "HEAD"}
    assert described <= declared
    assert {(method, short(path)) for method, path in declared} <= described


def test_each_name_in_a_path_is_described() -> None:
    """An operation says what every part of its path in braces has to be."""
    document: Any = openapi_document()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = [one for one in operation.get("parameters", ()) if "$ref" not in one and one["in"] == "path"]
            named = {one["name"] for one in told}
            shared = [one for one in operation.get("parameters", ()) if "$ref" in one]
            assert shared or named == set(re.findall(r"\{(\w+)\}", path)) or method == "options", (method, path)


def test_the_description_stands_by_itself() -> None:
    """No text of the OpenAPI document points at a chapter of a document that its readers do not have."""
    assert "§" not in json.dumps(openapi_document(), ensure_ascii=False)


def short(path: str) -> str:
    """Return the path that the document says another one is also."""
    if path.startswith(f"{FIRST_PREFIX}/") and is_platform_path(path):
        return PREFIX + path.removeprefix(FIRST_PREFIX)
    bare = next((path.removeprefix(one) for one in PREFIXES if path.startswith(f"{one}/")), path)
    # The second version of OpenDSR, and the name that bulk deletion had first.
    for older, newer in (
        ("/v2/requests", "/v3/requests"),
        ("/v2/discovery", "/v3/discovery"),
        ("/v2/opendsr", "/v3/opendsr"),
    ):
        if bare.startswith(older):
            bare = newer + bare.removeprefix(older)
    for name in ("userprofile", "platform"):
        bare = bare.replace(f"/{name}/experimental/", f"/{name}/")
    return bare.rstrip("/") or "/"


TABLE = Routes(
    literal("/v1/search", ("POST",), "search"),
    Route("/v1/{first}/{second}", ("GET",), "{}+{}".format),
    Route("/v1/{only}/Last", ("GET", "POST"), "never {}".format),
    Route("/v2/{key}/last", ("POST",), partial("{1}{0}".format, "!"), any_case=True),
)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/search", (("POST",), "search")),
        ("/v1/a/b", (("GET",), "a+b")),
        ("/v1/a/Last", (("GET",), "a+Last")),
        ("/v1/%/{second}", (("GET",), "%+{second}")),
        ("/v2/Key/LAST", (("POST",), "Key!")),
        ("/v2/Key/last", (("POST",), "Key!")),
        ("/V2/Key/last", None),
        ("/v2//last", None),
        ("/v2/key/last/", None),
        ("/v2/key", None),
        ("/v1/search/", None),
        ("v1/a/b", None),
        ("", None),
        ("/", None),
    ],
)
def test_a_path_leads_to_the_first_route_that_fits(path: str, asked: Asked[str] | None) -> None:
    """A route takes its words as they are and any text in its braces but none, and the first of two counts."""
    assert TABLE.find(path) == asked
