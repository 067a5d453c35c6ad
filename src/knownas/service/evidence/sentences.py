"""Tells the evidence in sentences, for people: each entry as one, and a certificate as a page of text.

The words are those of this release. A page that was made is checked against these words (`service.evidence.verifying`), so a change
of them is a change of the certificate's format.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from knownas.core.privacy.evidence import Entry, Fact, Happening, Step
from knownas.service.evidence.chain import documented
from knownas.service.evidence.documents import CertificateDocument
from knownas.service.identity.receipts import rfc3339

_SAYS: Final[Mapping[Step, str]] = {
    Step.RECEIVED: "The request was received",
    Step.VERIFIED: "Who asked was verified",
    Step.FOUND: "The person was looked for",
    Step.STARTED: "The request began to be carried out",
    Step.ERASED: "Data was erased",
    Step.SUPPRESSED: "What the person was called stays out from now on",
    Step.SEARCHED: "The person was searched for again",
    Step.DELIVERED: "What was asked for was handed over",
    Step.TOLD_OUTPUT: "An output was told",
    Step.COMPLETED: "The request was completed",
    Step.CANCELLED: "The request was cancelled",
    Step.RESURRECTION_REFUSED: "Data of the erased person came again and was refused",
    Step.REPLAYED: "The erasure was carried out again on data that had been restored",
    Step.RESTORED: "The database was restored from a backup",
    Step.LET_IN: "What had to stay out was let in again",
}


class Line(NamedTuple):
    """A line of a page of text, before it is broken: its text, and how it is set."""

    text: str
    is_title: bool = False
    is_exact: bool = False
    """Set in letters of equal width, as what is compared letter by letter is."""


def sentence(happening: Happening) -> str:
    """Tell an entry in a sentence, without its time."""
    facts = ", ".join(f"{name.replace('_', ' ')} {_fact(fact)}" for name, fact in sorted(happening.facts.items()))
    return f"{_SAYS[happening.step]}{': ' if facts else ''}{facts}."


def told(document: CertificateDocument) -> Sequence[Line]:
    """Tell a certificate: what its page says.

    Raises:
        ValueError: an entry says more than an entry may.
    """
    head = document.head
    lines = [
        Line("Certificate of a privacy request", is_title=True),
        Line(
            f"{document.processor.domain} certifies what became of the request of a data subject with the id "
            f"{document.request_id}, as its chain of evidence tells it. Times are UTC."
        ),
        Line("What happened", is_title=True),
        *(_entry(documented(one)) for one in document.entries),
        Line("What this rests on", is_title=True),
        Line(
            f"These {len(document.entries)} entries are part of a chain in which each entry holds the hash of the one "
            f"before it. At {document.issued_at} the chain had {head.number} entries, and the hash of the last one was:"
        ),
        Line(head.hash, is_exact=True),
    ]
    if document.residency is not None:
        lines.append(Line(f"The data of the workspace lie, as the processor says, in: {document.residency}."))
    lines += [
        Line(
            "The file certificate.json in this document holds all of it, signed with RSA and SHA-256 by the key of "
            f"{document.processor.domain}. The command knownas verify-evidence checks the file and these pages, without a "
            "network, with the processor's certificate alone."
        ),
        Line("The signature begins with:"),
        Line(document.signature[:SIGNATURE_SHOWN], is_exact=True),
    ]
    return lines


SIGNATURE_SHOWN: Final = 64
"""Characters of the signature that stand on the page; all of it stands in the file."""


def _entry(entry: Entry) -> Line:
    happening = entry.happening
    return Line(f"{rfc3339(happening.at_ms)}  {sentence(happening)} (entry {entry.number})")


def _fact(fact: Fact) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return str(fact)
