"""Sets a certificate of the evidence as PDF, for people, with the certificate itself as a file inside.

The same certificate always gives the same bytes: nothing is compressed, drawn at random or taken from a clock. So whoever checks a
PDF takes the certificate out of it, sets it again, and compares: then also the pages that a person reads can't say anything
else. That, and that a page of text in one of the fonts which every reader has needs little, is why no library does it
(`docs/explanation/decisions/0037-what-a-certificate-shows.md`).

The format is that of ISO 32000: a catalog, pages with their text, two fonts, the file and its name, and a table of where
each of these begins.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from knownas.service.evidence.documents import CertificateDocument, document_bytes
from knownas.service.evidence.sentences import Line, told

ATTACHMENT: Final = "certificate.json"
"""The name of the file inside."""

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 56
"""Of a page of A4, and of its white edge, in points."""

_SIZE, _TITLE_SIZE, _EXACT_SIZE = 10, 13, 9
_LEADING: Final = 1.45
"""The distance of two lines, in sizes of their font."""

_EXACT_WIDTH: Final = 600
"""Thousandths of the font's size that each letter of Courier takes."""

_WIDTHS_TEXT: Final = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 "
    "584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 "
    "611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 "
    "722 500 500 500 334 260 334 584"
)
_WIDTHS: Final = [int(one) for one in _WIDTHS_TEXT.split()]
"""What each letter from the blank to the tilde takes in Helvetica, in thousandths of its size; as the font's makers say."""

_WIDEST: Final = 1_015
_CODEC: Final = "cp1252"
"""What PDF calls WinAnsiEncoding."""

_FILE_AT: Final = re.compile(rb"/Type /EmbeddedFile [^>]{0,60}/Length ([0-9]{1,9}) >>\nstream\n")


def certificate_pdf(document: CertificateDocument) -> bytes:
    """Set a certificate as PDF.

    Raises:
        ValueError: an entry says more than an entry may.
    """
    pages = _pages(told(document))
    first_page = 7
    kids = " ".join(f"{first_page + 2 * place} 0 R" for place in range(len(pages)))
    catalog = (
        "<< /Type /Catalog /Pages 2 0 R /Lang (en) /AF [6 0 R] "
        f"/Names << /EmbeddedFiles << /Names [({ATTACHMENT}) 6 0 R] >> >> >>"
    )
    file = document_bytes(document)
    objects = [
        catalog.encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
        _stream("/Type /EmbeddedFile /Subtype /application#2Fjson", file),
        f"<< /Type /Filespec /F ({ATTACHMENT}) /UF ({ATTACHMENT}) /EF << /F 5 0 R >> /AFRelationship /Data >>".encode(),
    ]
    for place, page in enumerate(pages):
        objects += [_page(first_page + 2 * place + 1), _stream("", page)]
    return _written(objects)


def attached(pdf: bytes) -> bytes | None:
    """Return the certificate that lies in a PDF of this kind; None if there is none."""
    at = _FILE_AT.search(pdf)
    if at is None:
        return None
    file = pdf[at.end() : at.end() + int(at[1])]
    return file if len(file) == int(at[1]) else None


def _written(objects: Sequence[bytes]) -> bytes:
    """Number objects, write them down, and where each begins."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    begins: list[int] = []
    for number, one in enumerate(objects, 1):
        begins.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % one for one in begins)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def _stream(entries: str, data: bytes) -> bytes:
    begin = f"<< {entries} /Length {len(data)} >>\nstream\n".replace("<<  ", "<< ")
    return begin.encode() + data + b"\nendstream"


def _page(content: int) -> bytes:
    resources = "<< /Font << /F1 3 0 R /F2 4 0 R >> >>"
    return (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}] "
        f"/Resources {resources} /Contents {content} 0 R >>"
    ).encode()


def _pages(lines: Sequence[Line]) -> Sequence[bytes]:
    """Set lines one below the other, on as many pages as they need."""
    pages: list[bytes] = []
    shown: list[bytes] = []
    height = _HEIGHT - _MARGIN
    for line in lines:
        size = _TITLE_SIZE if line.is_title else _EXACT_SIZE if line.is_exact else _SIZE
        height -= size // 2
        for text in _broken(line, size):
            height -= round(size * _LEADING)
            if height < _MARGIN:
                pages.append(b"\n".join(shown))
                shown, height = [], _HEIGHT - _MARGIN - round(size * _LEADING)
            font = b"F2" if line.is_exact else b"F1"
            shown.append(b"BT /%b %d Tf %d %d Td (%b) Tj ET" % (font, size, _MARGIN, height, _escaped(text)))
    return [*pages, b"\n".join(shown)]


def _broken(line: Line, size: int) -> Iterator[str]:
    """Break a line where it would leave the page: between words, or within one that is too long."""
    room = (_WIDTH - 2 * _MARGIN) * 1000 // size
    text, taken = "", 0
    for word in _printable(line.text).split(" "):
        wide = _taken(f" {word}" if text else word, line)
        if text and taken + wide > room:
            yield text
            text, taken, wide = "", 0, _taken(word, line)
        if wide <= room:
            text, taken = (f"{text} {word}" if text else word), taken + wide
            continue
        for letter in word:
            if taken + _taken(letter, line) > room:
                yield text
                text, taken = "", 0
            text, taken = text + letter, taken + _taken(letter, line)
    yield text


def _taken(text: str, line: Line) -> int:
    """Return what a text takes in thousandths of its font's size; of letters beyond ASCII, the most that one takes."""
    if line.is_exact:
        return _EXACT_WIDTH * len(text)
    return sum(_WIDTHS[ord(one) - ord(" ")] if " " <= one <= "~" else _WIDEST for one in text)


def _printable(text: str) -> str:
    """Write what the fonts do not have by its number."""
    return "".join(one if _has(one) else f"<U+{ord(one):04X}>" for one in text)


def _has(letter: str) -> bool:
    try:
        return letter.encode(_CODEC)[0] >= ord(" ")
    except UnicodeEncodeError:
        return False


def _escaped(text: str) -> bytes:
    encoded = text.encode(_CODEC)
    return b"".join(b"\\%03o" % one if one > ord("~") or one in b"()\\" else bytes([one]) for one in encoded)
