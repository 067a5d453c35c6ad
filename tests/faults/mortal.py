"""A store whose process dies at one of its operations: before that is done, or after, when nobody has learnt of it."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn


class Died(Exception):
    """The process is gone."""


def died() -> NoReturn:
    """Be gone, as far as whoever called can tell."""
    raise Died


class Fuse:
    """Counts operations; at the one that it is set to, the process dies, before that is done or after.

    `die` is how; `tell` is told how many operations there were, at each.
    """

    def __init__(
        self,
        dies_at: int | None = None,
        *,
        is_done_first: bool = False,
        die: Callable[[], NoReturn] = died,
        tell: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.count = 0
        self.dies_at, self.is_done_first = dies_at, is_done_first
        self._die, self._tell = die, tell

    async def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do an operation, or die."""
        self.count += 1
        self._tell(self.count)
        if self.count != self.dies_at:
            return await work()
        if self.is_done_first:
            await work()
        return self._die()


class Mortal:
    """Passes everything on to a part of a store, by way of a fuse."""

    def __init__(self, part: Any, fuse: Fuse) -> None:
        self._part, self._fuse = part, fuse

    @property
    def user_data(self) -> Any:
        """The second part."""
        return Mortal(self._part.user_data, self._fuse)

    @property
    def privacy(self) -> Any:
        """The third part."""
        return Mortal(self._part.privacy, self._fuse)

    @property
    def audiences(self) -> Any:
        """The fourth part."""
        return Mortal(self._part.audiences, self._fuse)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *given, **named: self._fuse.run(lambda: found(*given, **named))
