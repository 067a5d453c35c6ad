"""Says of a refused request where it came from, as far as that was known by then: so that refusals are counted by input."""

from collections.abc import Mapping
from types import TracebackType

from knownas.api.credentials import basic_pair
from knownas.api.exchange import RequestRefused
from knownas.core.health.tally import NOWHERE, Source
from knownas.service.security.directory import Directory, Door


class SentBy:
    """A part of serving a request in which its source is known: a refusal that leaves it, names that."""

    __slots__ = ("source",)

    def __init__(self, source: Source) -> None:
        self.source = source

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        """Name the source in a refusal that has none yet."""
        if isinstance(error, RequestRefused) and error.source is NOWHERE:
            error.source = self.source


def source_of(door: Door, environment: str = "") -> Source:
    """Return the source of what came through an input; `environment` is "" where the request has not said it yet."""
    return Source(door.rules.scope, environment, door.lasting_key)


def claimed_source(given: Mapping[bytes, bytes], directory: Directory) -> Source:
    """Return which input a request says that it comes from, by the headers of a request that was not let in.

    Nothing is proved by it: whoever knows a key can have refusals counted for its input, and nothing else.
    """
    pair = basic_pair(given[b"authorization"]) if b"authorization" in given else None
    key = given.get(b"x-mp-key", b"").strip().decode("latin-1") if pair is None else pair[0]
    door = directory.door(key)
    return NOWHERE if door is None else source_of(door)
