"""`knownas verify-evidence`: checks a file of evidence with nothing but the certificate of whom is trusted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from knownas.core.privacy.evidence import Fault, Finding
from knownas.service.evidence.documents import CertificateDocument, HeadDocument, NotADocument, SignedDocument
from knownas.service.evidence.trust import NotPem, Trust, fingerprint
from knownas.service.evidence.verifying import Verified, read_anchors, verify
from knownas.service.limits import EVIDENCE_FAULTS_MAX

FAULTY: Final = 1
NOT_CHECKED: Final = 2

_SAYS: Final = {
    Fault.ALTERED: "it says something else than its hash",
    Fault.MISSING: "entries before it are not there",
    Fault.OUT_OF_ORDER: "it stands behind one that came later",
    Fault.NOT_LINKED: "it does not follow the one before it, or the one further back that it names",
    Fault.CUT_OFF: "it and what follows are not there",
    Fault.REWRITTEN: "the chain leads past a head that was signed: it was written anew",
    Fault.FOREIGN: "it is of another request",
    Fault.UNREADABLE: "what stands there can't be read as evidence",
    Fault.NOT_SIGNED: "the signature is not of this, or is missing",
    Fault.UNTRUSTED: "who signed is not whom you trust",
    Fault.SHOWN_OTHERWISE: "the pages say something else than the certificate inside",
}


@click.command("verify-evidence")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Trust this certificate (PEM)."
)
@click.option(
    "--authority",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Trust whom these authorities vouch for (PEM).",
)
@click.option(
    "--anchor",
    "anchor_files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Hold the file against heads that were signed earlier: a head, or a server's log.",
)
def verify_evidence(
    file: Path, certificate: Path | None, authority: Path | None, anchor_files: tuple[Path, ...]
) -> None:
    """Check FILE: a certificate (JSON or PDF), a head of the chain, or a whole chain that was written out.

    Needs no server, database or network. Names what is wrong, with the number of the entry. Ends with status 0 if everything is as
    it was signed, 1 if something is wrong, 2 if something could not be checked.
    """
    try:
        trust = Trust(
            None if certificate is None else certificate.read_bytes(),
            None if authority is None else authority.read_bytes(),
        )
        anchors = [one for path in anchor_files for one in _anchors(path)]
        with file.open("rb") as opened:
            verified = verify(opened, trust, anchors)
    except (NotPem, NotADocument, OSError) as error:
        _not_checked([str(error)])
    if verified.document is not None:
        click.echo(_named(verified.document, verified))
    for one in verified.findings:
        click.echo(_told(one))
    if len(verified.findings) == EVIDENCE_FAULTS_MAX:
        click.echo("and perhaps more")
    if verified.findings:
        raise SystemExit(FAULTY)
    if verified.unchecked:
        _not_checked(verified.unchecked)
    click.echo("everything is as it was signed")


def _anchors(path: Path) -> Sequence[HeadDocument]:
    with path.open("rb") as lines:
        return read_anchors(lines)


def _not_checked(why: Sequence[str]) -> NoReturn:
    for one in why:
        click.echo(f"not checked: {one}", err=True)
    raise SystemExit(NOT_CHECKED)


def _named(document: SignedDocument, verified: Verified) -> str:
    signer = f"{document.processor.domain} on {document.issued_at}"
    key = f"certificate {(fingerprint(document) or 'none')[:16]}"
    if isinstance(document, CertificateDocument):
        said = f"the certificate of request {document.request_id}: {verified.entries} entries"
    else:
        said = f"a chain of {verified.entries} entries" if verified.entries else "a head"
    return f"{said}, head {document.head.number}, signed by {signer} ({key})"


def _told(one: Finding) -> str:
    where = f"entry {one.number}" if one.number else "the file"
    return f"{where}: {one.fault.value}: {_SAYS[one.fault]}"
