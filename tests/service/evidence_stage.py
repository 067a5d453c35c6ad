"""A chain of evidence of several requests, in memory, with a processor that signs for it."""

import io
from collections.abc import Sequence
from functools import cache

from knownas.core.privacy.evidence import Happening, Step
from knownas.service.evidence.certificates import Certificates
from knownas.service.evidence.chain import Evidence, entry_bytes
from knownas.service.evidence.documents import CertificateDocument, HeadDocument, document_bytes
from knownas.service.evidence.trust import Trust
from knownas.service.evidence.verifying import Verified, verify
from knownas.service.privacy.processor import Kept, Processor, make_authority
from knownas.store.memory.store import MemoryStore

NOW_MS = 1_790_000_000_000
DOMAIN = "dsr.example.com"
REQUESTS = [f"a7551968-d5d6-44b2-9831-815ac901779{number}" for number in range(4)]
STEPS = [Step.RECEIVED, Step.FOUND, Step.STARTED, Step.ERASED, Step.SEARCHED, Step.COMPLETED]


def made(place: int = 0) -> Kept:
    """Return a key and a certificate of the domain, by an authority of its own; another one for another place."""
    return _made(place)


@cache
def _made(place: int) -> Kept:
    return make_authority(f"{place}.example.org" if place else DOMAIN, NOW_MS)


def processor(place: int = 0) -> Processor:
    """Return the processor with that key."""
    return _processor(place)


@cache
def _processor(place: int) -> Processor:
    kept = made(place)
    return Processor(kept.domain, kept.key.encode(), kept.certificates.encode())


def authority(place: int = 0) -> bytes:
    """Return the certificate of the authority, as its users would have been given it."""
    begin = "-----BEGIN CERTIFICATE-----"
    return (begin + made(place).certificates.split(begin)[2]).encode()


def trusted() -> Trust:
    """Trust the authority."""
    return Trust(authority=authority())


class EvidenceStage:
    """Evidence of four requests that went on side by side; the last of them has not ended."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now_ms = NOW_MS
        self.evidence = Evidence(self.store.privacy)
        self.certificates = Certificates(self.evidence, self._processor, lambda: self.now_ms, {})

    async def _processor(self) -> Processor:
        return processor()

    async def fill(self, turns: Sequence[int] = (0,)) -> None:
        """Let the requests go their ways, and others between them; those of another turn are other requests."""
        for turn in turns:
            for at, step in enumerate(STEPS):
                for place, request_id in enumerate(REQUESTS):
                    if place < len(REQUESTS) - 1 or step is not Step.COMPLETED:
                        own = request_id if turn == 0 else f"{turn}{request_id[1:]}"
                        facts = {"store": "events", "rows": at * 10 + place}
                        await self.evidence.write([Happening(NOW_MS - 10_000 + at, own, step, facts)])
                await self.evidence.write([Happening(NOW_MS - 9_000, "", Step.REPLAYED, {"requests": at})])

    async def certificate(self, place: int = 1, *through: int) -> CertificateDocument:
        """Return the certificate of a request."""
        document = await self.certificates.of_request(REQUESTS[place], through)
        assert document is not None
        return document

    async def exported(self) -> bytes:
        """Return the whole chain with its signed head."""
        entries = await self.evidence.entries(0, 10_000)
        lines = [entry_bytes(one) for one in entries]
        return b"\n".join([*lines, document_bytes(await self.certificates.head())]) + b"\n"


def checked(text: bytes, anchors: Sequence[HeadDocument] = (), trust: Trust | None = None) -> Verified:
    """Check a file."""
    return verify(io.BytesIO(text), trusted() if trust is None else trust, anchors)
