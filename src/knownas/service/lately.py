"""Remembers what was noted lately, up to a number of things, the older forgotten first.

Notes are kept in generations. A note costs one insertion; when the newest generation is full, the oldest is
forgotten as a whole. So as few as seven eighths of the number are remembered at times, but nothing has to be kept
in order, note by note, on a path where every microsecond counts.
"""

from typing import Final, Generic, TypeVar

GENERATIONS: Final = 8

Key = TypeVar("Key")
Value = TypeVar("Value")


class Lately(Generic[Key, Value]):
    """Values by key. One noted again is remembered anew."""

    def __init__(self, most: int) -> None:
        """Remember at most so many (8 or more)."""
        self._room = most // GENERATIONS
        self._newest: dict[Key, Value] = {}
        self._older: list[dict[Key, Value]] = []

    def note(self, key: Key, value: Value) -> None:
        """Remember a value."""
        newest = self._newest
        newest[key] = value
        if len(newest) >= self._room:
            self._older.insert(0, newest)
            del self._older[GENERATIONS - 1 :]
            self._newest = {}

    def find(self, key: Key) -> Value | None:
        """Return what was noted last for a key, if it is still remembered."""
        found = self._newest.get(key)
        if found is not None:
            return found
        for generation in self._older:
            found = generation.get(key)
            if found is not None:
                return found
        return None
