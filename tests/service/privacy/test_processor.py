"""Whoever has a server's certificate can tell what the server said."""

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from knownas.service.privacy.processor import (
    KEPT_AS,
    InvalidProcessor,
    Kept,
    Processor,
    is_signed,
    make_authority,
    open_processor,
)
from knownas.service.security.sealing import SecretKeys
from knownas.store.errors import StoreDamaged
from knownas.store.memory.store import MemoryStore

DOMAIN = "privacy.example.com"
NOW_MS = 1_800_000_000_000
BODY = b'{"request_status":"completed"}'


@pytest.fixture(scope="module")
def made() -> Kept:
    """Make an authority, once."""
    return make_authority(DOMAIN, NOW_MS)


@pytest.fixture
def processor(made: Kept) -> Processor:
    """Return the processor with the certificate of that authority."""
    return Processor(made.domain, made.key.encode(), made.certificates.encode())


def plain(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_what_is_signed_verifies_with_the_certificate(processor: Processor) -> None:
    """The signature is of this body alone, and of this key alone."""
    signature = processor.sign(BODY)
    assert is_signed(BODY, signature, processor.certificates)
    assert not is_signed(BODY + b" ", signature, processor.certificates)
    assert not is_signed(BODY, base64.b64encode(bytes(384)).decode(), processor.certificates)
    assert not is_signed(BODY, "not base64", processor.certificates)
    assert not is_signed(BODY, signature, make_authority(DOMAIN, NOW_MS).certificates.encode())


def test_openssl_verifies_it_too(processor: Processor, tmp_path: Path) -> None:
    """A program that knows nothing of us comes to the same, from the certificate alone."""
    files = {"cert.pem": processor.certificates, "body": BODY, "sig": base64.b64decode(processor.sign(BODY))}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    commands = (
        ["openssl", "x509", "-in", "cert.pem", "-pubkey", "-noout", "-out", "key.pem"],
        ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "body"],
    )
    for command in commands:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_the_certificate_is_of_the_domain_and_the_authority_s(made: Kept) -> None:
    """Who trusts the authority trusts the certificate, for this domain, and from a day before it was made on."""
    own, authority = x509.load_pem_x509_certificates(made.certificates.encode())
    for days in (-0.5, 0, 7_000):
        moment = datetime.fromtimestamp(NOW_MS / 1000 + days * 86_400, UTC)
        verifier = PolicyBuilder().store(Store([authority])).time(moment).build_server_verifier(x509.DNSName(DOMAIN))
        assert verifier.verify(own, []) == [own, authority]
    elsewhere = PolicyBuilder().store(Store([authority])).time(moment)
    with pytest.raises(VerificationError):
        elsewhere.build_server_verifier(x509.DNSName("other.example.com")).verify(own, [])


async def test_a_server_has_one_certificate_for_ever() -> None:
    """It is made at the first start; each later one, of any process, has the same."""
    store = MemoryStore()
    first = await open_processor(store, DOMAIN, NOW_MS)
    again = await open_processor(store, DOMAIN, NOW_MS + 1)
    assert again.certificates == first.certificates
    assert is_signed(BODY, again.sign(BODY), first.certificates)


async def test_the_key_lies_sealed() -> None:
    """With secret keys the store keeps nothing that could sign; without them it can't be read."""
    store, keys = MemoryStore(), SecretKeys([bytes(32)])
    await open_processor(store, DOMAIN, NOW_MS, keys=keys)
    kept = await store.kept(f"{KEPT_AS}/{DOMAIN}/sealed")
    assert kept is not None
    assert b"PRIVATE" not in kept
    assert await store.kept(f"{KEPT_AS}/{DOMAIN}") is None


async def test_whoever_only_looks_keeps_nothing() -> None:
    """`publish` False leaves the store as it was."""
    store = MemoryStore()
    await open_processor(store, DOMAIN, NOW_MS, publish=False)
    assert await store.kept(f"{KEPT_AS}/{DOMAIN}") is None


async def test_a_damaged_key_is_said_to_be_one() -> None:
    """What the store keeps under the name is not taken for a key."""
    store = MemoryStore()
    await store.keep(f"{KEPT_AS}/{DOMAIN}", b"{}")
    with pytest.raises(StoreDamaged):
        await open_processor(store, DOMAIN, NOW_MS)


@pytest.mark.parametrize("domain", ["", "x" * 65])
async def test_a_domain_fits_a_certificate(domain: str) -> None:
    """A common name has 1 to 64 characters."""
    with pytest.raises(InvalidProcessor, match="64"):
        await open_processor(MemoryStore(), domain, NOW_MS)


def test_a_key_that_can_not_be_used_is_refused(made: Kept) -> None:
    """The key must be RSA, long enough, and the certificate's; the certificate must be the domain's. No key is quoted."""
    certificates = made.certificates.encode()
    cases = {
        "PEM": (DOMAIN, b"nonsense", certificates),
        "PEM,": (DOMAIN, made.key.encode(), b""),
        "RSA": (DOMAIN, plain(ec.generate_private_key(ec.SECP256R1())), certificates),
        "bits": (DOMAIN, plain(rsa.generate_private_key(65_537, 1_024)), certificates),  # noqa: S505 - refused
        "another key": (DOMAIN, plain(rsa.generate_private_key(65_537, 2_048)), certificates),
        "not of other.example.com": ("other.example.com", made.key.encode(), certificates),
    }
    for said, (domain, key, given) in cases.items():
        with pytest.raises(InvalidProcessor, match=said) as refused:
            Processor(domain, key, given)
        assert "BEGIN" not in str(refused.value)


def test_a_certificate_that_is_none_verifies_nothing() -> None:
    """Whoever gives something else as a certificate is told so."""
    with pytest.raises(InvalidProcessor):
        is_signed(BODY, "", b"nonsense")
