"""Says whether whoever signed a document of the evidence is trusted, by a certificate or an authority that the reader names.

Nothing is asked of any network. Certificates are judged as of the time at which the document says that it was signed:
evidence is read for longer than certificates are good.
"""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from knownas.service.evidence.documents import SignedDocument, issued

CERTIFICATES_MAX: Final = 10
"""Certificates that are looked at in one document: a chain to a public authority has three."""


class NotPem(ValueError):
    """What the reader named as trusted holds no certificate."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the reader trusts: this certificate's key, or whomever one of these authorities vouches for. Neither: nobody is judged.

    Raises:
        NotPem: there is no certificate in what was given.
    """

    certificate: bytes | None = None
    authority: bytes | None = None

    def __post_init__(self) -> None:
        for given in (self.certificate, self.authority):
            if given is not None and not _read(given):
                raise NotPem("there is no certificate (PEM) in it")

    @property
    def is_given(self) -> bool:
        """Whether anybody is named."""
        return self.certificate is not None or self.authority is not None

    def reaches(self, document: SignedDocument) -> bool:
        """Whether whoever signed a document is trusted. Who signed it is judged by the certificate that stands in it."""
        shown = _read(document.processor.certificates.encode())
        if not shown:
            return False
        if self.certificate is not None and not _same_key(shown[0], _read(self.certificate)[0]):
            return False
        return self.authority is None or _is_vouched_for(shown, _read(self.authority), document)


def fingerprint(document: SignedDocument) -> str | None:
    """Return the SHA-256 of the certificate of who signed, in hex, as other programs show it; None if there is none."""
    shown = _read(document.processor.certificates.encode())
    return shown[0].fingerprint(hashes.SHA256()).hex() if shown else None


def _is_vouched_for(
    shown: list[x509.Certificate], authorities: list[x509.Certificate], document: SignedDocument
) -> bool:
    at = issued(document)
    if at is None:
        return False
    try:
        policy = PolicyBuilder().store(Store(authorities)).time(at)
        verifier = policy.build_server_verifier(x509.DNSName(document.processor.domain))
        verifier.verify(shown[0], shown[1:])
    except (VerificationError, ValueError, OverflowError):
        return False
    return True


def _same_key(one: x509.Certificate, other: x509.Certificate) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return one.public_key().public_bytes(*form) == other.public_key().public_bytes(*form)


def _read(pem: bytes) -> list[x509.Certificate]:
    """Read certificates; none if there are none, or too many."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []
    return found if len(found) <= CERTIFICATES_MAX else []
