"""Holds the documents that say something of the evidence and are signed: its head, and the certificate of one request.

A signature is RSA with SHA-256 (PKCS #1 v1.5), in base64, over the canonical JSON (`core.privacy.evidence.canonical`) of the document
without its member `signature`. So a program of anybody's can check it. The certificates of who signed stand in the
document: the domain's own, then the authority's. Whether these are to be trusted is for the reader to say.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import msgspec

from knownas.core.privacy.evidence import Head, Link, canonical
from knownas.service.evidence.chain import EntryDocument
from knownas.service.identity.receipts import rfc3339
from knownas.service.privacy.processor import InvalidProcessor, Processor, is_signed

HEAD_FORMAT: Final = "knownas-evidence-head/1"
CERTIFICATE_FORMAT: Final = "knownas-evidence-certificate/1"
"""What the documents say they are. Another way to hash or to sign would be another number."""

SIGNATURE: Final = "signature"


class NotADocument(ValueError):
    """What was read is none of the documents; the message says why."""


class HeadMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head of a chain as a member of a document."""

    number: int
    hash: str

    @property
    def head(self) -> Head:
        """The head that is meant."""
        return Head(self.number, self.hash)


class LinkMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of which nothing is told, as a member of a document."""

    number: int
    content: str
    before: str
    skip: str
    hash: str

    @property
    def link(self) -> Link:
        """The link that is meant."""
        return Link(self.number, self.content, self.before, self.skip, self.hash)


class Signer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signed: the processor's domain, and PEM certificates, the domain's own first."""

    domain: str
    certificates: str


class HeadDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The chain's head, signed: an anchor for all that was written before."""

    format: Literal["knownas-evidence-head/1"]
    head: HeadMember
    processor: Signer
    issued_at: str
    signature: str


class CertificateDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one request: all its entries, and the links that lead to them from a head of the chain.

    `residency` is where the processor says that the workspace's data lie; None if it says nothing.
    """

    format: Literal["knownas-evidence-certificate/1"]
    request_id: str
    entries: list[EntryDocument]
    links: list[LinkMember]
    head: HeadMember
    residency: str | None
    processor: Signer
    issued_at: str
    signature: str


SignedDocument = HeadDocument | CertificateDocument
_Struct = TypeVar("_Struct", HeadDocument, CertificateDocument)


def link_member(link: Link) -> LinkMember:
    """Return a link as a member of a document."""
    return LinkMember(*link)


def signed_head(head: Head, processor: Processor, now_ms: int) -> HeadDocument:
    """Sign the head of the chain."""
    return _signed(HeadDocument(HEAD_FORMAT, HeadMember(*head), _signer(processor), rfc3339(now_ms), ""), processor)


def signed_certificate(
    request_id: str,
    entries: list[EntryDocument],
    links: list[LinkMember],
    head: Head,
    processor: Processor,
    now_ms: int,
    residency: str | None = None,
) -> CertificateDocument:
    """Sign what became of a request."""
    document = CertificateDocument(
        CERTIFICATE_FORMAT,
        request_id,
        entries,
        links,
        HeadMember(*head),
        residency,
        _signer(processor),
        rfc3339(now_ms),
        "",
    )
    return _signed(document, processor)


def is_its_own(document: SignedDocument) -> bool:
    """Whether the signature is of this document, by the key of the certificate that stands in it."""
    try:
        return is_signed(_said(document), document.signature, document.processor.certificates.encode())
    except InvalidProcessor:
        return False


def document_bytes(document: SignedDocument) -> bytes:
    """Write a document down, on one line."""
    return canonical(msgspec.to_builtins(document))


def issued(document: SignedDocument) -> datetime | None:
    """Return when a document was signed, as it says; None if that is no time."""
    try:
        at = datetime.fromisoformat(document.issued_at)
    except ValueError:
        return None
    return None if at.tzinfo is None else at.astimezone(UTC)


def read_document(text: bytes) -> SignedDocument:
    """Read a document.

    Raises:
        NotADocument: it is none, or has a member that does not belong there, or one twice.
    """
    try:
        found: object = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse, parse_float=_refuse)
        return _struct(found)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotADocument(str(error) or "nested too deep") from None


def read_entry(text: bytes) -> EntryDocument:
    """Read an entry of an exported chain.

    Raises:
        NotADocument: it is none, or has a member that does not belong there, or one twice.
    """
    try:
        found = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse, parse_float=_refuse)
        return msgspec.convert(found, EntryDocument)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotADocument(str(error) or "nested too deep") from None


def _struct(found: object) -> SignedDocument:
    match found:
        case {"format": "knownas-evidence-head/1"}:
            return msgspec.convert(found, HeadDocument)
        case {"format": "knownas-evidence-certificate/1"}:
            return msgspec.convert(found, CertificateDocument)
        case _:
            raise NotADocument("it is neither a certificate nor a head of evidence, of a form that is known")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        # Readers differ in which of the two they take: what is shown could be another than what was signed.
        raise NotADocument("a member stands there twice")
    return members


def _refuse(text: str) -> object:
    raise NotADocument(f"{text[:20]} is no number that can stand there")


def _signer(processor: Processor) -> Signer:
    return Signer(processor.domain, processor.certificates.decode())


def _said(document: SignedDocument) -> bytes:
    return canonical({name: one for name, one in msgspec.to_builtins(document).items() if name != SIGNATURE})


def _signed(document: _Struct, processor: Processor) -> _Struct:
    return msgspec.structs.replace(document, signature=processor.sign(_said(document)))
