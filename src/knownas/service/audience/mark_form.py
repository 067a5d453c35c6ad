"""Writes down what a batch lets become known of a user, for whoever judges them, and what has to be forwarded of it; and reads it back.

A mark that says nothing says that anything may have changed.
"""

from typing import Final

import msgspec

from knownas.core.audience.learning import concerns_translation, learnt
from knownas.core.profile.event import Event
from knownas.core.profile.section import Section
from knownas.service.audience.catalogue import WorkspaceAudiences
from knownas.store.audiences import EVERYBODY, StoredMark


class ToForward(msgspec.Struct, frozen=True, array_like=True):
    """A batch that has to be forwarded: its receipt's id, when it came (Unix milliseconds), over which connections, and what was kept of it."""

    receipt_id: str
    at_ms: int
    connections: tuple[int, ...]
    kept: msgspec.Raw


class Followed(msgspec.Struct, frozen=True, array_like=True):
    """A group of which everybody has to be looked at, since one of its members changed: its kind, the digest of its value, after which member to go on."""

    kind: int
    value: str
    after_mpid: int | None = None


class Told(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """The audiences that are concerned, by id (None: all), and whether what destinations get of the user may be something else.

    `batch` is what is to be forwarded. With a `group` the mark is about its members, whichever audiences ask for what these have in common.
    """

    audiences: tuple[int, ...] | None = None
    translated: bool = True
    batch: ToForward | None = None
    group: Followed | None = None


ANYTHING: Final = Told()

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Told)


def told_by(
    own: WorkspaceAudiences,
    before: Section | None,
    after: Section,
    events: tuple[Event, ...],
    batch: ToForward | None = None,
) -> bytes | None:
    """Return the document of a batch's mark; None if it concerns no audience of the workspace, no group and no destination."""
    if before is None:
        if batch is None:
            return b"" if own.known or own.groups else None
        return _ENCODER.encode(Told(None if own.known else (), bool(own.known), batch))
    news = learnt(before, after, events)
    concerned = own.audiences.concerned_by(news)
    is_placed = False
    for group in own.groups.values():
        if group.kind.source in news.attributes:
            # The user comes into another group, and has what its members have.
            concerned, is_placed = concerned | own.asking_for(group), True
        is_placed = is_placed or any(one.name in news.attributes for one in group.kind.attributes)
    translated = bool(own.connections) and concerns_translation(before, after)
    if not concerned and not translated and not is_placed and batch is None:
        return None
    return _ENCODER.encode(Told(tuple(sorted(map(int, concerned))), translated, batch))


def followed_mark(workspace: int, environment: str, followed: Followed) -> StoredMark:
    """Return the mark of a group."""
    return StoredMark(0, workspace, environment, EVERYBODY, _ENCODER.encode(Told((), translated=False, group=followed)))


def told_from(document: bytes) -> Told:
    """Read what a mark says."""
    return _DECODER.decode(document) if document else ANYTHING
