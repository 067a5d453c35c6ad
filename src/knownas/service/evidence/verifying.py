"""Checks files of evidence offline: certificates, as JSON and as PDF, heads of the chain, and whole exported chains.

All it needs beside the file is whom the reader trusts, and perhaps anchors: heads of the chain that were signed earlier and that
somebody kept elsewhere. What is wrong is named, with the number of the entry; what could not be checked is told too, so
that a file is never taken for whole because nobody looked.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import BinaryIO, Final, NamedTuple

from knownas.core.privacy.evidence import Entry, Fault, Finding, Head, faults_of
from knownas.core.privacy.evidence_way import follow
from knownas.service.evidence.certificates import ENDS
from knownas.service.evidence.chain import documented
from knownas.service.evidence.documents import (
    CertificateDocument,
    HeadDocument,
    NotADocument,
    SignedDocument,
    is_its_own,
    read_document,
    read_entry,
)
from knownas.service.evidence.pdf import attached, certificate_pdf
from knownas.service.evidence.trust import Trust
from knownas.service.limits import (
    ANCHORS_MAX,
    CERTIFICATE_BYTES_MAX,
    EVIDENCE_FAULTS_MAX,
    EVIDENCE_LINE_BYTES_MAX,
)

_PDF: Final = b"%PDF-"
_HEAD_BEGINS: Final = b'{"format":"knownas-evidence-head/1"'
"""How a head is written down: also within a line of a log."""


class Verified(NamedTuple):
    """What came of a check: its faults, what could not be checked, and the signed document that was found, if any.

    `entries` is how many entries were looked at; of a certificate, those of its request.
    """

    findings: Sequence[Finding]
    unchecked: Sequence[str]
    document: SignedDocument | None
    entries: int


def read_anchors(lines: Iterable[bytes]) -> Sequence[HeadDocument]:
    """Read heads: a file that holds one, or lines that do, such as those of a server's log. Other lines are passed over.

    Raises:
        NotADocument: there is no head in it, or more than `ANCHORS_MAX`, or a damaged one.
    """
    kept = list(islice(lines, ANCHORS_MAX * 10))
    found = [read_document(line[at:].strip()) for line in kept if (at := line.find(_HEAD_BEGINS)) >= 0] or [
        read_document(b"".join(kept))
    ]
    heads = [one for one in found if isinstance(one, HeadDocument)]
    if not heads or len(heads) > ANCHORS_MAX:
        raise NotADocument(f"it holds {len(heads)} heads of a chain; 1 to {ANCHORS_MAX} can be held against a file")
    return heads


def verify(file: BinaryIO, trust: Trust, anchors: Sequence[HeadDocument] = ()) -> Verified:
    """Check a file of evidence, whichever it is.

    Raises:
        OSError: it can't be read.
    """
    first = file.readline(EVIDENCE_LINE_BYTES_MAX + 1)
    if first.startswith(_PDF):
        checked = _pdf(first + file.read(CERTIFICATE_BYTES_MAX), trust, anchors)
    else:
        try:
            read_entry(first)
        except NotADocument:
            checked = _document(first + file.read(CERTIFICATE_BYTES_MAX), trust, anchors)
        else:
            checked = _chain(chain([first], _lines(file)), trust, anchors)
    findings = [*checked.findings, *_distrusted(anchors, trust)]
    unchecked = list(checked.unchecked)
    if not trust.is_given:
        unchecked.append("who signed it: name whom you trust, with --certificate or --authority")
    return checked._replace(findings=findings[:EVIDENCE_FAULTS_MAX], unchecked=unchecked)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(EVIDENCE_LINE_BYTES_MAX + 1):
        yield line


def _signature(document: SignedDocument, trust: Trust, number: int = 0) -> Iterator[Finding]:
    if not is_its_own(document):
        yield Finding(Fault.NOT_SIGNED, number)
    if not trust.reaches(document):
        yield Finding(Fault.UNTRUSTED, number)


def _distrusted(anchors: Sequence[HeadDocument], trust: Trust) -> Iterator[Finding]:
    for one in anchors:
        yield from _signature(one, trust, one.head.number)


def _pdf(pdf: bytes, trust: Trust, anchors: Sequence[HeadDocument]) -> Verified:
    """Check the certificate that lies in a PDF, and that its pages are those that are set of it."""
    inside = attached(pdf)
    if inside is None:
        return Verified([Finding(Fault.UNREADABLE, 0)], [], None, 0)
    checked = _document(inside, trust, anchors)
    if not isinstance(checked.document, CertificateDocument):
        return checked._replace(findings=[*checked.findings, Finding(Fault.SHOWN_OTHERWISE, 0)])
    try:
        is_set = certificate_pdf(checked.document) == pdf
    except ValueError:
        is_set = False
    return checked if is_set else checked._replace(findings=[*checked.findings, Finding(Fault.SHOWN_OTHERWISE, 0)])


def _document(text: bytes, trust: Trust, anchors: Sequence[HeadDocument]) -> Verified:
    try:
        document = read_document(text)
    except NotADocument:
        return Verified([Finding(Fault.UNREADABLE, 0)], [], None, 0)
    if isinstance(document, CertificateDocument):
        return _certificate(document, trust, anchors)
    findings = list(_signature(document, trust))
    findings += [
        Finding(Fault.REWRITTEN, one.head.number)
        for one in anchors
        if one.head.number == document.head.number and one.head != document.head
    ]
    return Verified(findings, [], document, 0)


def _certificate(document: CertificateDocument, trust: Trust, anchors: Sequence[HeadDocument]) -> Verified:
    findings = list(_signature(document, trust))
    try:
        own = [documented(one) for one in document.entries]
    except ValueError:
        return Verified([*findings, Finding(Fault.UNREADABLE, 0)], [], document, 0)
    findings += [Finding(Fault.FOREIGN, one.number) for one in own if one.happening.request_id != document.request_id]
    findings += [
        Finding(Fault.OUT_OF_ORDER, later.number) for earlier, later in pairwise(own) if later.number <= earlier.number
    ]
    last = max((one.number for one in own), default=0)
    if not any(one.happening.step in ENDS for one in own):
        findings.append(Finding(Fault.CUT_OFF, last + 1))
    places = sorted([*own, *(one.link for one in document.links)], key=lambda one: one.number)
    followed = follow(places, document.head.head, [one.head.head for one in anchors])
    unchecked = [] if not anchors or any(number >= last for number in followed.passed) else [_past(document, anchors)]
    return Verified([*findings, *followed.findings], unchecked, document, len(own))


def _past(document: CertificateDocument, anchors: Sequence[HeadDocument]) -> str:
    """Say how a certificate can be held against anchors that its way does not pass."""
    last = max((one.number for one in document.entries), default=0)
    numbers = sorted(one.head.number for one in anchors if one.head.number >= last)
    if not numbers:
        return f"anchors: all are earlier than entry {last}, the last one of the request"
    return f"anchors: the links do not lead through one; get the certificate again with ?anchor={numbers[0]}"


def _chain(lines: Iterable[bytes], trust: Trust, anchors: Sequence[HeadDocument]) -> Verified:
    """Check a whole chain: its entries one a line, and its signed head on the last line."""
    reading = _Reading(lines)
    faults = faults_of(reading.entries(), [one.head.head for one in anchors])
    findings = list(islice(faults, EVIDENCE_FAULTS_MAX + 1))
    # What comes behind so many faults is not looked at, but whether it is signed at all.
    for _ in faults:
        pass
    if reading.head is None:
        findings.append(Finding(Fault.NOT_SIGNED, 0))
    else:
        findings += _signature(reading.head, trust)
        if reading.head.head.head != reading.last:
            fault = Fault.CUT_OFF if reading.last.number < reading.head.head.number else Fault.REWRITTEN
            findings.append(Finding(fault, min(reading.last.number + 1, reading.head.head.number)))
    return Verified([*reading.findings, *findings], [], reading.head, reading.read)


class _Reading:
    """Reads the lines of an exported chain, and keeps what is not an entry."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines: Final = lines
        self.findings: list[Finding] = []
        self.head: HeadDocument | None = None
        self.last = Head()
        self.read = 0

    def entries(self) -> Iterator[Entry]:
        """Yield the entries; a line that is none, and no head at the end, is a fault."""
        for line in self._lines:
            if self.head is not None:
                self._unreadable()
                return
            try:
                entry = documented(read_entry(line))
            except ValueError:
                self.head = _head(line)
                if self.head is None:
                    self._unreadable()
                continue
            self.read, self.last = self.read + 1, Head(entry.number, entry.hash)
            yield entry

    def _unreadable(self) -> None:
        if len(self.findings) < EVIDENCE_FAULTS_MAX:
            self.findings.append(Finding(Fault.UNREADABLE, self.last.number + 1))


def _head(line: bytes) -> HeadDocument | None:
    try:
        document = read_document(line)
    except NotADocument:
        return None
    return document if isinstance(document, HeadDocument) else None
