"""What a server and the program that folds for it say to each other.

The request is JSON. An answer is a length of four bytes and so many bytes of JSON: how far it is, again and again, and at the end what it
came to. This is apart from both, so that a server does not load what folds.
"""

from typing import Final

import msgspec

from knownas.core.identity.document import Document
from knownas.service.history.folds import Differing

LENGTH_BYTES: Final = 4
"""Bytes that say how long an answer is."""


class Request(msgspec.Struct, frozen=True):
    """What is to be folded: a policy as the store keeps it, and as in `ToRehearse`. `starts`: list the components that differ.

    `checks`: compare the records with what the log folds to instead, whatever the scope and policy; with `rows`, the rows too.
    """

    database: str
    scope: str
    policy: bytes
    from_ms: int | None
    to_ms: int | None
    processes: int | None
    starts: bool = False
    checks: bool = False
    rows: bool = False


class Told(msgspec.Struct, frozen=True, tag=True):
    """How far it is."""

    doing: str
    done: int
    of: int


class Reported(msgspec.Struct, frozen=True, tag=True):
    """The report of a rehearsal."""

    document: Document


class FoundDiffering(msgspec.Struct, frozen=True, tag=True):
    """The components that differ."""

    differing: list[Differing]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why there is no answer."""

    why: str


REQUEST: Final = msgspec.json.Encoder()
ANSWER: Final = msgspec.json.Decoder(Told | Reported | FoundDiffering | Failed)
