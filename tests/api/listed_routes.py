"""Collects the routes of the application from its surfaces' own lists.

Each surface that `api.app` and `api.surfaces` import lists its routes, as pairs of a method and a path, in `ROUTES`, and
serves nothing else.
"""

import ast
import importlib
import inspect
from typing import Any, Final

from knownas.api import app as application
from knownas.api import surfaces as dispatch
from tests.parsed import parsed

Route = tuple[str, str]

MACHINERY: Final = frozenset(
    {
        "answering",
        "deadline",
        "exchange",
        "limits",
        "openapi",
        "refusals",
        "routes",
        "surfaces",
        "telemetry",
        "throttle",
    }
)
"""Modules that the application imports and that serve no route by themselves."""


def surfaces() -> list[str]:
    """Return the modules of `knownas.api` that the application imports to serve something."""
    nodes = [node for module in (application, dispatch) for node in ast.walk(parsed(inspect.getsource(module)))]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    names = {module.removeprefix("knownas.api.") for module in imported if module.startswith("knownas.api.")}
    return sorted(names - MACHINERY)


def routes_of(surface: str) -> tuple[Route, ...]:
    """Return a surface's own list of routes."""
    module: Any = importlib.import_module(f"knownas.api.{surface}")
    assert hasattr(module, "ROUTES"), f"knownas.api.{surface} needs ROUTES: each of its routes as a method and a path"
    return tuple(module.ROUTES)


def routes() -> list[Route]:
    """Return every route of the application."""
    return sorted({route for surface in surfaces() for route in routes_of(surface)})
