"""Writes down a bulk deletion that is under way, so that whoever comes after a process that died can complete it.

It stands where requests of data subjects do, since it waits and is told of like one; its id is none that a controller could give.
"""

import secrets
from typing import Final

import msgspec

from knownas.store.errors import StoreDamaged
from knownas.store.privacy import StoredRequest

_ID: Final = "bulk-deletion-"
_ID_BYTES: Final = 16


class KeptDeletion(msgspec.Struct, frozen=True):
    """A deletion: of which workspace, how many were named, whose data go, and how much there was, by the name of its store.

    When it has ended it says no longer whose.
    """

    workspace: int
    items: int
    profiles: int
    mpids: tuple[int, ...]
    there: dict[str, int]


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(KeptDeletion)


def is_deletion(row: StoredRequest) -> bool:
    """Whether a row is a bulk deletion, and no request of a data subject."""
    return row.request_id.startswith(_ID)


def drawn_id() -> str:
    """Draw the id of a deletion."""
    return _ID + secrets.token_hex(_ID_BYTES)


def begun(deletion_id: str, kept: KeptDeletion, at_ms: int, due_ms: int) -> StoredRequest:
    """Write down one that begins; `due_ms` is when somebody else completes it, if nobody has by then."""
    document = _ENCODER.encode(kept)
    return StoredRequest(deletion_id, kept.workspace, None, at_ms, due_ms, None, deletion_id, document)


def ended(row: StoredRequest, kept: KeptDeletion, at_ms: int) -> StoredRequest:
    """Write down that one has ended."""
    document = _ENCODER.encode(msgspec.structs.replace(kept, mpids=()))
    return row._replace(due_ms=None, ended_ms=at_ms, open_key=None, document=document)


def kept_deletion(row: StoredRequest) -> KeptDeletion:
    """Read a deletion that was written down.

    Raises:
        StoreDamaged: it is none.
    """
    try:
        return _DECODER.decode(row.document)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not a bulk deletion: {error}") from error
