"""Declares what a surface serves, path by path, and finds a path's route: what is not declared can't be served.

The surfaces that take their requests from here list their routes once. Dispatch, the answer to a wrong method, and the
tests of access and of the OpenAPI document all read that list.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Generic, TypeVar

Target = TypeVar("Target")


@dataclass(frozen=True, slots=True)
class Route(Generic[Target]):
    """A path, the methods it takes, and what is asked for there.

    A part of the path in braces stands for any text that is not empty and has no slash; `target` makes what is asked
    for from these texts, in their order. With `any_case` the last part counts in whatever case.
    """

    path: str
    methods: tuple[str, ...]
    target: Callable[..., Target]
    any_case: bool = False


def literal(path: str, methods: tuple[str, ...], target: Target) -> Route[Target]:
    """Return the route of a path without braces."""
    return Route(path, methods, lambda: target)


Asked = tuple[tuple[str, ...], Target]
"""The methods that a path may be asked with, and what it asks for."""


class _Template(Generic[Target]):
    """A route with braces, taken apart once, and in such a way that a path is held against it without a loop."""

    __slots__ = ("_any_case", "_named", "_words", "_words_of", "route")

    def __init__(self, route: Route[Target]) -> None:
        parts = route.path.split("/")
        # The empty text before the first slash is a word, and so there are two words at least: a tuple of them.
        words = [place for place, part in enumerate(parts) if not part.startswith("{")]
        named = [place for place, part in enumerate(parts) if part.startswith("{")]
        self.route = route
        self._any_case = route.any_case
        self._words_of: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*words)
        self._words = self._words_of(parts)
        # A slice, so that what comes out is a sequence also of one.
        self._named: Callable[[Sequence[str]], Sequence[str]] = (
            itemgetter(*named) if len(named) > 1 else itemgetter(slice(named[0], named[0] + 1))
        )

    def read(self, parts: Sequence[str]) -> Sequence[str] | None:
        """Return the texts that stand in the braces; None if this is another path."""
        if self._any_case:
            parts = [*parts[:-1], parts[-1].lower()]
        if self._words_of(parts) != self._words:
            return None
        named = self._named(parts)
        return None if "" in named else named


class Routes(Generic[Target]):
    """The routes of a surface. Where two fit a path, the first one counts."""

    def __init__(self, *routes: Route[Target]) -> None:
        self._routes: Final = routes
        self._literal: dict[str, Asked[Target]] = {}
        self._templates: dict[int, list[_Template[Target]]] = {}
        for route in routes:
            if "{" in route.path:
                self._templates.setdefault(route.path.count("/"), []).append(_Template(route))
            else:
                self._literal[route.path] = (route.methods, route.target())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the method and path of everything that is served."""
        for route in self._routes:
            for method in route.methods:
                yield method, route.path

    def find(self, path: str) -> Asked[Target] | None:
        """Return what a path asks for; None if nothing is served there."""
        asked = self._literal.get(path)
        templates = None if asked is not None else self._templates.get(path.count("/"))
        if templates is None:
            return asked
        parts = path.split("/")
        for template in templates:
            named = template.read(parts)
            if named is not None:
                return template.route.methods, template.route.target(*named)
        return None
