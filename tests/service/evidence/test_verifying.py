"""A certificate of the evidence can be checked by anybody who has the processor's certificate, and by nothing else."""

import io
import json
import re
from hashlib import sha256

import pytest
from pypdf import PdfReader

from knownas.core.privacy.evidence import Fact, Fault, Finding, Happening, Step
from knownas.service.evidence.certificates import TooManyEntries
from knownas.service.evidence.chain import EntryDocument
from knownas.service.evidence.documents import (
    CertificateDocument,
    HeadMember,
    NotADocument,
    Signer,
    document_bytes,
    read_document,
)
from knownas.service.evidence.pdf import certificate_pdf
from knownas.service.evidence.trust import NotPem, Trust, fingerprint
from knownas.service.evidence.verifying import read_anchors
from knownas.service.limits import EVIDENCE_OF_REQUEST_MAX
from tests.service.evidence_stage import NOW_MS, REQUESTS, EvidenceStage, authority, checked, made


@pytest.fixture
async def stage() -> EvidenceStage:
    """A chain of evidence."""
    one = EvidenceStage()
    await one.fill()
    return one


async def test_a_certificate_is_whole_in_both_forms(stage: EvidenceStage) -> None:
    """What was made is whole, as JSON, indented too, and as PDF; it tells all entries of its request."""
    document = await stage.certificate()
    for text in (
        document_bytes(document),
        json.dumps(json.loads(document_bytes(document)), indent=2).encode(),
        certificate_pdf(document),
    ):
        found = checked(text)
        assert (found.findings, found.unchecked, found.entries) == ([], [], 6)


async def test_a_certificate_tells_of_its_own_request_only(stage: EvidenceStage) -> None:
    """Neither the id nor a fact of another request stands in it, in either form."""
    document = await stage.certificate(1)
    text, pdf = document_bytes(document), certificate_pdf(document)
    for other in (REQUESTS[0], REQUESTS[2], REQUESTS[3], "replayed"):
        assert other.encode() not in text
        assert other.encode() not in pdf
    assert {one.request_id for one in document.entries} == {REQUESTS[1]}
    assert len(document.links) < 60


async def test_only_a_request_that_has_ended_is_certified(stage: EvidenceStage) -> None:
    """There is no certificate of a request that goes on, nor of one that nobody made."""
    assert await stage.certificates.of_request(REQUESTS[3]) is None
    assert await stage.certificates.of_request("nobody") is None


async def test_a_request_with_too_many_entries_is_not_certified_in_part(stage: EvidenceStage) -> None:
    """A certificate never leaves entries out in silence."""
    await stage.evidence.write(
        [Happening(NOW_MS, REQUESTS[1], Step.RESURRECTION_REFUSED) for _ in range(EVIDENCE_OF_REQUEST_MAX)]
    )
    with pytest.raises(TooManyEntries):
        await stage.certificate(1)


async def test_who_signed_is_judged_by_whom_the_reader_trusts(stage: EvidenceStage) -> None:
    """The processor's certificate and its authority each do; another's does not; nobody's is said to be left unchecked."""
    text = document_bytes(await stage.certificate())
    own = made().certificates.encode()
    assert checked(text, trust=Trust(certificate=own)).findings == []
    assert checked(text, trust=Trust(certificate=own, authority=authority())).findings == []
    for trust in (Trust(certificate=made(1).certificates.encode()), Trust(authority=authority(1))):
        assert checked(text, trust=trust).findings == [Finding(Fault.UNTRUSTED, 0)]
    assert checked(text, trust=Trust()).findings == []
    assert len(checked(text, trust=Trust()).unchecked) == 1
    with pytest.raises(NotPem):
        Trust(certificate=b"no certificate")
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(await stage.certificate()) or "")


async def test_a_certificate_is_held_against_anchors(stage: EvidenceStage) -> None:
    """An anchor that the links lead through is compared; if none is, that is said, with what helps."""
    early = await stage.certificates.head()
    await stage.fill([1, 2])
    late = await stage.certificates.head()
    through = document_bytes(await stage.certificate(1, early.head.number))
    assert checked(through, [early]).findings == []
    assert checked(through, [early]).unchecked == []
    past = checked(document_bytes(await stage.certificate(1)), [early])
    assert past.findings == []
    assert past.unchecked == [
        f"anchors: the links do not lead through one; get the certificate again with ?anchor={early.head.number}"
    ]
    assert checked(through, [late, early]).unchecked == []
    other = EvidenceStage()
    await other.fill()
    strange = await other.certificates.head()
    assert checked(through, [strange]).findings == [Finding(Fault.REWRITTEN, strange.head.number)]


async def test_a_whole_chain_is_checked(stage: EvidenceStage) -> None:
    """An exported chain is whole; without its signed head, or with something behind it, it is not."""
    text = await stage.exported()
    found = checked(text, [await stage.certificates.head()])
    assert (found.findings, found.unchecked, found.entries) == ([], [], 29)
    lines = text.splitlines(keepends=True)
    assert checked(b"".join(lines[:-1])).findings == [Finding(Fault.NOT_SIGNED, 0)]
    assert checked(text + b"{}\n").findings == [Finding(Fault.UNREADABLE, 30)]
    assert checked(b"".join([*lines[:3], b"{}\n", *lines[3:]])).findings == [Finding(Fault.UNREADABLE, 4)]
    assert checked(b"".join([*lines[:20], lines[-1]])).findings == [Finding(Fault.CUT_OFF, 21)]


async def test_anchors_are_read_from_a_log(stage: EvidenceStage) -> None:
    """Heads are found in the lines of a log, and in a file that holds one; a file with none is refused."""
    first = await stage.certificates.head()
    await stage.fill([1, 2])
    second = await stage.certificates.head()
    log = [
        b"INFO: started\n",
        b"INFO: evidence: " + document_bytes(first) + b"\n",
        b"INFO: x " + document_bytes(second),
    ]
    assert read_anchors(log) == [first, second]
    indented = json.dumps(json.loads(document_bytes(first)), indent=1).encode()
    assert read_anchors(indented.splitlines(keepends=True)) == [first]
    assert checked(await stage.exported(), [first, second]).findings == []
    for lines in ([b"nothing\n"], [document_bytes(await stage.certificate())]):
        with pytest.raises(NotADocument):
            read_anchors(lines)


async def test_a_forged_anchor_is_named(stage: EvidenceStage) -> None:
    """An anchor that the trusted processor did not sign proves nothing, and is said to be forged."""
    head = await stage.certificates.head()
    forged = read_document(document_bytes(head).replace(b'"number":29', b'"number":28'))
    assert Finding(Fault.NOT_SIGNED, 28) in checked(await stage.exported(), [forged]).findings  # type: ignore[list-item]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"{",
        b"[" * 100_000,
        b'{"format":"knownas-evidence-certificate/2"}',
        b'{"format":"knownas-evidence-head/1"}',
        b"%PDF-1.7\n",
        b"%PDF-1.7\n/Type /EmbeddedFile /Length 5 >>\nstream\n{}",
        b"%PDF-1.7\n/Type /EmbeddedFile /Length 2 >>\nstream\n{}\nendstream",
        b'{"number":1.5}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_evidence_is_unreadable(text: bytes) -> None:
    """Whatever a file holds, it is named unreadable, and never whole."""
    assert Finding(Fault.UNREADABLE, 0) in checked(text).findings


async def test_a_member_that_stands_there_twice_is_refused(stage: EvidenceStage) -> None:
    """A reader may take either of two members of one name, so there may be no such thing; nor one that does not belong."""
    text = document_bytes(await stage.certificate())
    for put_in in (b'{"residency":"EU",', b'{"comment":"fine",'):
        assert checked(put_in + text[1:]).findings == [Finding(Fault.UNREADABLE, 0)]


async def test_any_reader_of_pdf_reads_it(stage: EvidenceStage) -> None:
    """Another program finds the sentences on its pages, and the certificate, byte for byte, as a file inside."""
    document = await stage.certificate()
    reader = PdfReader(io.BytesIO(certificate_pdf(document)), strict=True)
    assert reader.attachments["certificate.json"] == [document_bytes(document)]
    assert len(reader.pages) == 1
    shown = reader.pages[0].extract_text()
    for part in (document.request_id, document.head.hash, "dsr.example.com", "Data was erased: rows 31, store events."):
        assert part in shown


async def test_a_long_certificate_has_several_pages(stage: EvidenceStage) -> None:
    """More entries than a page has room for stand on the next one; words that no line has room for, and letters that the font lacks, too."""
    wide = {"store": "W" * 150, "note (a\\b)": "żółć 東京 é"}
    await stage.evidence.write([Happening(NOW_MS, REQUESTS[1], Step.REPLAYED, wide) for _ in range(60)])
    document = await stage.certificate()
    pdf = certificate_pdf(document)
    reader = PdfReader(io.BytesIO(pdf), strict=True)
    assert len(reader.pages) > 2
    shown = "".join(page.extract_text() for page in reader.pages)
    assert "note (a\\b)" in shown
    assert "<U+6771>" in shown
    assert checked(pdf).findings == []


async def test_a_page_that_says_something_else_is_named(stage: EvidenceStage) -> None:
    """Who alters the text of a page, and leaves the certificate inside as it is, is found."""
    pdf = certificate_pdf(await stage.certificate())
    assert checked(pdf.replace(b"Data was erased", b"Data was thrown")).findings == [Finding(Fault.SHOWN_OTHERWISE, 0)]
    assert checked(pdf + b"%").findings == [Finding(Fault.SHOWN_OTHERWISE, 0)]


async def test_certificates_are_judged_as_of_their_time(stage: EvidenceStage) -> None:
    """The signature of a certificate that is good for other years only is not trusted."""
    text = document_bytes(await stage.certificate())
    stage.now_ms += 30 * 365 * 24 * 60 * 60 * 1000
    assert checked(text).findings == []
    assert checked(document_bytes(await stage.certificate())).findings == [Finding(Fault.UNTRUSTED, 0)]


def test_a_page_is_set_in_the_same_bytes_for_ever() -> None:
    """A PDF that was handed out years ago must be set again byte by byte: other words or another layout are another format."""
    digest = "ab" * 32
    facts: dict[str, Fact] = {"store": "events", "rows": 3, "is_whole": True}
    entries = [
        EntryDocument(place, 1_790_000_000_000 + place, REQUESTS[0], step, facts, "5a17", digest, digest, digest)
        for place, step in enumerate(Step, 1)
    ]
    document = CertificateDocument(
        "knownas-evidence-certificate/1",
        REQUESTS[0],
        entries,
        [],
        HeadMember(len(entries), digest),
        "EU (Frankfurt)",
        Signer("dsr.example.com", "-----BEGIN CERTIFICATE-----"),
        "2026-09-21T14:13:20.000Z",
        "c2lnbmF0dXJl" * 20,
    )
    assert (
        sha256(certificate_pdf(document)).hexdigest()
        == "e4aecbbbc8e06b98382e98dfa47d48aa404acbf5b16a4d207cc94b803ec581ae"
    )
