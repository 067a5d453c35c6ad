"""Writes down audiences, outputs, connections and kinds of groups as the documents that a store keeps, and reads them back.

A document says what somebody has set, and whether it is gone: nothing is ever removed, so that no number comes again and whatever was told
under it can still be named. What somebody wrote in JSON is kept as it was written.
"""

from typing import Final

import msgspec

from knownas.core.delivery.message import Settings
from knownas.core.profile.group import Aggregated
from knownas.service.delivery.asked_places_form import KeptPlaces
from knownas.service.delivery.outputs import OutputState

NOTHING: Final = b"null"


class AudienceDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An audience: its name here, the one that is told outside (None: the same), and its definition."""

    name: str
    definition: msgspec.Raw
    created_ms: int
    external_name: str | None = None
    changed_ms: int | None = None
    is_deleted: bool = False

    @property
    def told_name(self) -> str:
        """The name that destinations are told; platform §6.1."""
        return self.external_name or self.name


class OutputDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An output: the kind of its destination and what is set for it. The confidential settings are in `sealed`, or in `plain` without a key."""

    name: str
    destination: str
    created_ms: int
    settings: dict[str, str | int | bool] = {}
    sealed: str | None = None
    plain: dict[str, str | int | bool] = {}
    state: OutputState = OutputState.ACTIVE
    why: str | None = None
    is_deleted: bool = False
    erasures: msgspec.Raw = msgspec.Raw(NOTHING)
    """What it gets of whoever asks to be erased, as somebody wrote it; `null` for nothing."""

    @property
    def erasures_written(self) -> bytes | None:
        """What it gets of whoever asks to be erased, as JSON; None for nothing."""
        text = bytes(self.erasures)
        return None if text == NOTHING else text


class ConnectionDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The connection of an audience with an output, as somebody wrote it, and the places that its destination said it has, if it was asked.

    What the destination wants kept is not here: it changes nothing.
    """

    audience: int
    output: int
    written: msgspec.Raw
    created_ms: int
    is_deleted: bool = False
    places: KeptPlaces | None = None


class ForwardingDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The connection of an input, named by its lasting key, with an output, as somebody wrote it, and the places that its destination said it has.

    It is a connection like those of audiences, with a number among theirs, so that each number names one of either.
    """

    input: str
    output: int
    written: msgspec.Raw
    created_ms: int
    is_deleted: bool = False
    places: KeptPlaces | None = None


class GroupDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kind of groups: the id that somebody gave it, the attribute whose value members share, and what is aggregated, each with its type.

    `generation` counts what everybody's places follow from. `shown` are the attributes of which all places are written, and that members get.
    """

    id: str
    source: str
    attributes: tuple[Aggregated, ...]
    created_ms: int
    description: str = ""
    changed_ms: int | None = None
    generation: int = 1
    shown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Attributes that members got by the definition before this one, and get no more."""
    is_deleted: bool = False


class _Either(msgspec.Struct, frozen=True):
    """Tells the connection of an input from that of an audience."""

    input: str | None = None


Document = AudienceDocument | OutputDocument | ConnectionDocument | ForwardingDocument | GroupDocument

_ENCODER: Final = msgspec.json.Encoder()
_AUDIENCE: Final = msgspec.json.Decoder(AudienceDocument)
_OUTPUT: Final = msgspec.json.Decoder(OutputDocument)
_CONNECTION: Final = msgspec.json.Decoder(ConnectionDocument)
_FORWARDING: Final = msgspec.json.Decoder(ForwardingDocument)
_GROUP: Final = msgspec.json.Decoder(GroupDocument)
_EITHER: Final = msgspec.json.Decoder(_Either)


def document_bytes(document: Document) -> bytes:
    """Write a document down."""
    return _ENCODER.encode(document)


def audience_from(document: bytes) -> AudienceDocument:
    """Read an audience."""
    return _AUDIENCE.decode(document)


def output_from(document: bytes) -> OutputDocument:
    """Read an output."""
    return _OUTPUT.decode(document)


def connection_from(document: bytes) -> ConnectionDocument:
    """Read the connection of an audience."""
    return _CONNECTION.decode(document)


def forwarding_from(document: bytes) -> ForwardingDocument:
    """Read the connection of an input."""
    return _FORWARDING.decode(document)


def group_from(document: bytes) -> GroupDocument:
    """Read a kind of groups."""
    return _GROUP.decode(document)


def is_forwarding(document: bytes) -> bool:
    """Whether a connection is that of an input."""
    return _EITHER.decode(document).input is not None


def settings_bytes(settings: Settings) -> bytes:
    """Write settings down, to be sealed."""
    return _ENCODER.encode(settings)


def settings_from(text: bytes) -> dict[str, str | int | bool]:
    """Read settings."""
    return msgspec.json.decode(text, type=dict[str, str | int | bool])
