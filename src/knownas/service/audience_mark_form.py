"""Writes down what a batch lets become known of a user, for whoever judges them, and reads it back.

A mark that says nothing says that anything may have changed.
"""

from typing import Final

import msgspec

from knownas.core.audience.learning import concerns_translation, learnt
from knownas.core.profile.event import Event
from knownas.core.profile.section import Section
from knownas.service.audience_catalogue import WorkspaceAudiences


class Told(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """The audiences that are concerned, by id (None: all), and whether what destinations get of the user may be something else."""

    audiences: tuple[int, ...] | None = None
    translated: bool = True


ANYTHING: Final = Told()

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Told)


def told_by(own: WorkspaceAudiences, before: Section | None, after: Section, events: tuple[Event, ...]) -> bytes | None:
    """Return the document of a batch's mark; None if it concerns no audience of the workspace and no destination."""
    if before is None:
        return b"" if own.known else None
    concerned = own.audiences.concerned_by(learnt(before, after, events))
    translated = bool(own.connections) and concerns_translation(before, after)
    if not concerned and not translated:
        return None
    return _ENCODER.encode(Told(tuple(sorted(map(int, concerned))), translated))


def told_from(document: bytes) -> Told:
    """Read what a mark says."""
    return _DECODER.decode(document) if document else ANYTHING
