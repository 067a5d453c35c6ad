"""`knownas evidence`: writes out the chain of evidence, its signed head, or the certificate of a request."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import click

from knownas.cli.configured import config_option
from knownas.cli.stored import configured, with_store
from knownas.config.values import Configuration
from knownas.service.evidence.certificates import Certificates, TooManyEntries
from knownas.service.evidence.chain import Evidence, entry_bytes
from knownas.service.evidence.documents import document_bytes
from knownas.service.evidence.pdf import certificate_pdf
from knownas.service.limits import EVIDENCE_OF_REQUEST_MAX, PAGE_MAX
from knownas.service.privacy.processor import InvalidProcessor
from knownas.service.privacy.signing import Signing
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import system_clock
from knownas.store.port import Store


@click.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there, not to standard output.")
@click.option("--anchor", "only_head", is_flag=True, help="Only the signed head of the chain.")
@click.option("--request", "request_id", metavar="ID", help="The certificate of this request.")
@click.option("--pdf", is_flag=True, help="The certificate as PDF.")
@click.option("--through", type=click.IntRange(1), help="Let the certificate's links lead through this entry.")
@config_option
def evidence(
    config_file: Path | None,
    output: Path | None,
    request_id: str | None,
    through: int | None,
    *,
    only_head: bool,
    pdf: bool,
) -> None:
    """Write out the evidence of what became of data subjects' requests, signed.

    The whole chain, an entry a line with the signed head on the last one; or only the head (--anchor), to be kept elsewhere; or
    the certificate of a request (--request). Reads the database of the configuration. `knownas verify-evidence` checks
    all of these.
    """
    if (pdf or through is not None) and request_id is None:
        raise click.UsageError("--pdf and --through go with --request")
    configuration, keys = configured(config_file)

    async def work(store: Store) -> None:
        chain = Evidence(store.privacy)
        certificates = _certificates(configuration, store, chain, keys)
        if request_id is not None:
            _put(output, await _certified(certificates, request_id, through, pdf=pdf))
        elif only_head:
            _put(output, document_bytes(await certificates.head()) + b"\n")
        elif output is None:
            await _export(chain, certificates, sys.stdout.buffer)
        else:
            with output.open("wb") as file:
                await _export(chain, certificates, file)

    with_store(configuration, work)


def _certificates(configuration: Configuration, store: Store, chain: Evidence, keys: SecretKeys) -> Certificates:
    try:
        signing = Signing(store, configuration.privacy, system_clock, keys=keys)
    except InvalidProcessor as error:
        raise click.ClickException(f"the configuration's privacy.certificate: {error}") from error
    return Certificates(chain, signing.processor, system_clock, configuration.residencies())


async def _certified(certificates: Certificates, request_id: str, through: int | None, *, pdf: bool) -> bytes:
    try:
        document = await certificates.of_request(request_id, () if through is None else (through,))
    except TooManyEntries as error:
        sentence = f"the request has {EVIDENCE_OF_REQUEST_MAX} entries or more; write out the whole chain instead"
        raise click.ClickException(sentence) from error
    if document is None:
        raise click.ClickException("no request with this id has ended")
    return certificate_pdf(document) if pdf else document_bytes(document) + b"\n"


async def _export(chain: Evidence, certificates: Certificates, file: BinaryIO) -> None:
    """Write entries up to a head, then that head: what is added meanwhile is left for the next time."""
    head = await certificates.head()
    async for line in _lines(chain, head.head.number):
        file.write(line)
    file.write(document_bytes(head) + b"\n")


async def _lines(chain: Evidence, until: int) -> AsyncIterator[bytes]:
    after = 0
    while after < until:
        for entry in await chain.entries(after, min(PAGE_MAX, until - after)):
            after = entry.number
            yield entry_bytes(entry) + b"\n"


def _put(output: Path | None, what: bytes) -> None:
    if output is None:
        sys.stdout.buffer.write(what)
    else:
        output.write_bytes(what)
