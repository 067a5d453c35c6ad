"""Writes down the ledger of erasures, line by line, and reads it back (decision 40).

A line is a JSON object. Its first member, `sum`, is a checksum of the rest, so that one which was torn by a crash, or damaged,
is known for that. `what` says which kind of line it is, `v` of which version of this form. No line holds what anybody is called:
a person is named by an MPID, and by digests that can only be made with a key of the database.
"""

import hashlib
from typing import Final

import msgspec

from knownas.service.evidence.chain import EntryDocument
from knownas.service.privacy.subject_request_form import KeptRequest

LEDGER_VERSION: Final = 2
"""The version of the form. Lines of a later one are refused. The second has requests that reach several profiles."""

_FIRST: Final = 1
"""The version of all lines that say no more than the first had: an earlier release reads them."""

LEDGER_LINE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of a line: a person with 20,000 identities takes less than half of it."""

_SUM_CHARACTERS: Final = 16
_BEFORE: Final = b'{"sum":"'
_BETWEEN: Final = b'",'
_REST: Final = len(_BEFORE) + _SUM_CHARACTERS + len(_BETWEEN)


class LedgerEntry(msgspec.Struct, frozen=True, tag_field="what", tag="entry"):
    """An entry of the chain of evidence, as it is."""

    entry: EntryDocument
    v: int = _FIRST


class LedgerRequest(msgspec.Struct, frozen=True, tag_field="what", tag="request"):
    """A request and how far it was: an erasure that was begun says whose profile, and how much of it. Never whom it named."""

    kept: KeptRequest
    v: int = _FIRST


class LedgerErasure(msgspec.Struct, frozen=True, tag_field="what", tag="erasure"):
    """An erasure of whose request nothing is kept any more. `workspace` is None where the profile itself was erased."""

    request_id: str
    mpid: int
    workspace: int | None
    at_ms: int
    v: int = _FIRST


class LedgerSuppression(msgspec.Struct, frozen=True, tag_field="what", tag="suppressed"):
    """What stays out, by its keyed digest in hex. `request_id` None says that it was let in again."""

    digest: str
    request_id: str | None
    at_ms: int
    v: int = _FIRST


class LedgerStart(msgspec.Struct, frozen=True, tag_field="what", tag="start"):
    """The ledger begins here. `key` tells with which key the digests were made (`key_digest`), None where that is not known."""

    key: str | None
    v: int = _FIRST


LedgerLine = LedgerEntry | LedgerRequest | LedgerErasure | LedgerSuppression | LedgerStart
"""A line of the ledger."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(LedgerLine)


class NoLine(Exception):
    """What stands there is no line of a ledger: it was torn or damaged."""


class LedgerTooNew(Exception):
    """A line was written by a later version than this one; the message says which."""


class _Version(msgspec.Struct, frozen=True):
    v: int


def request_line(kept: KeptRequest) -> LedgerRequest:
    """Return the line of a request. Of several profiles, one who reads only the first of them must not read it at all."""
    return LedgerRequest(kept, v=LEDGER_VERSION if kept.further else _FIRST)


def line_bytes(line: LedgerLine) -> bytes:
    """Write a line down, with the end of the line."""
    said = _ENCODER.encode(line)
    return _BEFORE + _sum(said) + _BETWEEN + said[1:] + b"\n"


def line_from(written: bytes) -> LedgerLine:
    """Read a line, without or with its end.

    Raises:
        NoLine: it is none, or not as it was written.
        LedgerTooNew: a later knownas has written it.
    """
    written = written.rstrip(b"\n")
    said = b"{" + written[_REST:]
    if written[:_REST] != _BEFORE + _sum(said) + _BETWEEN:
        raise NoLine("the checksum is not that of the line")
    try:
        version = msgspec.json.decode(said, type=_Version).v
        if version > LEDGER_VERSION:
            raise LedgerTooNew(f"a ledger of version {version}; this knownas reads {LEDGER_VERSION}")
        return _DECODER.decode(said)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NoLine(str(error)) from error


def key_digest(key: bytes) -> str:
    """Return by what a key is known again, in hex."""
    return hashlib.blake2b(b"", digest_size=16, key=key, person=b"knownas ledger").hexdigest()


def _sum(said: bytes) -> bytes:
    return hashlib.blake2b(said, digest_size=_SUM_CHARACTERS // 2).hexdigest().encode()
