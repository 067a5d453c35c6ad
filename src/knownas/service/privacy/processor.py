"""Signs what a processor of personal data answers, so that a controller can prove who said it (platform §5.2, §5.4).

OpenDSR has the processor's domain in each answer, and an RSA signature of the body, which the certificate of that domain
verifies. A server that is given no certificate makes an authority of its own at its first start, and lets it sign one:
whoever trusts that authority can check everything.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from knownas.config.values import DOMAIN_CHARACTERS_MAX
from knownas.service.security.kept_secret import kept_secret
from knownas.service.security.sealing import SecretKeys
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store

KEPT_AS: Final = "processor"
"""The name under which the store keeps the authority and the key that were made, plain or sealed."""

KEY_BITS: Final = 3_072
KEY_BITS_MIN: Final = 2_048
"""The size of a key that is made, and the least of one that is given."""

AUTHORITY_DAYS: Final = 7_300
CERTIFICATE_DAYS: Final = 7_300
"""How long an authority that was made and its certificate are good for: as long as evidence may be looked at."""

_PUBLIC_EXPONENT: Final = 65_537
_EARLIER: Final = timedelta(days=1)
"""A certificate is good from before it was made: the clocks of those who check it differ."""


class InvalidProcessor(ValueError):
    """A key and a certificate that were given can't be used; the message says why, and shows nothing of the key."""


class Kept(msgspec.Struct, frozen=True):
    """What a server made for itself, as PEM: the key with the certificate of a domain, and who signed that."""

    domain: str
    key: str
    certificates: str


class Processor:
    """A processor of personal data: its domain, and the key that signs for it.

    `certificates` are PEM, the domain's own first, then those of whoever signed it.

    Raises:
        InvalidProcessor: the key is not RSA, or too short, or not the one of the certificate, which is not the domain's.
    """

    def __init__(self, domain: str, key: bytes, certificates: bytes) -> None:
        self.domain: Final = domain
        self.certificates: Final = certificates
        try:
            loaded = serialization.load_pem_private_key(key, password=None)
            certificate = x509.load_pem_x509_certificates(certificates)[0]
        except (ValueError, TypeError, IndexError, UnsupportedAlgorithm):
            # What went wrong could quote the key.
            raise InvalidProcessor("the key or the certificate is not PEM, or the key asks for a password") from None
        if not isinstance(loaded, rsa.RSAPrivateKey) or loaded.key_size < KEY_BITS_MIN:
            raise InvalidProcessor(f"the key must be RSA, of at least {KEY_BITS_MIN} bits")
        if certificate.public_key() != loaded.public_key():
            raise InvalidProcessor("the certificate is another key's")
        if domain not in _names(certificate):
            raise InvalidProcessor(f"the certificate is not of {domain}")
        self._key = loaded

    def sign(self, body: bytes) -> str:
        """Return the signature of a body, as `X-OpenDSR-Signature` has it: RSA with SHA-256, in base64."""
        return base64.b64encode(self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()

    def sign_digest(self, digest: bytes) -> str:
        """Return the same signature of a body of which only the SHA-256 is at hand."""
        hashed = Prehashed(hashes.SHA256())
        return base64.b64encode(self._key.sign(digest, padding.PKCS1v15(), hashed)).decode()


def is_signed(body: bytes, signature: str, certificates: bytes) -> bool:
    """Whether a signature is of this body, by the key of the first of some certificates (PEM).

    Raises:
        InvalidProcessor: there is no certificate of an RSA key.
    """
    try:
        key = x509.load_pem_x509_certificates(certificates)[0].public_key()
    except (ValueError, IndexError, UnsupportedAlgorithm):
        raise InvalidProcessor("the certificate is not PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidProcessor("the certificate is not of an RSA key")
    try:
        key.verify(base64.b64decode(signature, validate=True), body, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


async def open_processor(
    store: Store,
    domain: str,
    now_ms: int,
    *,
    keys: SecretKeys | None = None,
    publish: bool = True,
    prepared: Kept | None = None,
) -> Processor:
    """Return the processor of a server that was given no certificate; its authority is made at the first start.

    `publish` False keeps nothing. A server whose domain has changed gets another certificate from another authority.
    `prepared` is an authority that was made before, for when there is none: to make one takes a second.

    Raises:
        InvalidProcessor: no certificate can be of such a domain.
        StoreError: the store does not answer, or what it keeps is no key (StoreDamaged).
        Unopenable: the key was sealed with a secret key that is not among `keys`.
    """
    if not 0 < len(domain) <= DOMAIN_CHARACTERS_MAX:
        raise InvalidProcessor(f"a domain has 1 to {DOMAIN_CHARACTERS_MAX} characters")

    def made() -> bytes:
        return msgspec.json.encode(prepared or make_authority(domain, now_ms))

    kept = await kept_secret(store, f"{KEPT_AS}/{domain}", made, keys=keys, publish=publish)
    try:
        document = msgspec.json.decode(kept, type=Kept)
        return Processor(document.domain, document.key.encode(), document.certificates.encode())
    except (msgspec.MsgspecError, InvalidProcessor):
        raise StoreDamaged(f"what the store keeps as {KEPT_AS}/{domain} is no key with a certificate") from None


class _Signed(NamedTuple):
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


def make_authority(domain: str, now_ms: int) -> Kept:
    """Make an authority, and let it sign a certificate for a domain. The authority's own key is thrown away.

    So nobody can ever make another certificate that is trusted with it, whoever gets hold of the database.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    authority = _authority(domain, now)
    own = rsa.generate_private_key(_PUBLIC_EXPONENT, KEY_BITS)
    certificate = (
        _begun(domain, own.public_key(), authority.certificate.subject, now, CERTIFICATE_DAYS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = [one.public_bytes(serialization.Encoding.PEM).decode() for one in (certificate, authority.certificate)]
    return Kept(domain, key.decode(), "".join(chain))


def _authority(domain: str, now: datetime) -> _Signed:
    key = rsa.generate_private_key(_PUBLIC_EXPONENT, KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"knownas authority of {domain}")])
    certificate = (
        _begun(None, key.public_key(), name, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Signed(key, certificate)


def _begun(
    domain: str | None, key: rsa.RSAPublicKey, issuer: x509.Name, now: datetime, days: int
) -> x509.CertificateBuilder:
    """Begin a certificate; an authority's own has no domain, and is issued by itself."""
    subject = issuer if domain is None else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=not signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _names(certificate: x509.Certificate) -> set[str]:
    """Return the domains that a certificate is of."""
    names = {str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return names
    return names | set(alternatives.get_values_for_type(x509.DNSName))
