"""A controller, written from the specification of OpenDSR alone (platform §5): it believes nothing that is not signed.

It has a list of the domains that it trusts, and the authorities that may sign for them. It finds the certificate through
discovery, and verifies each answer and each callback over its raw bytes before it reads them. Nothing here is of the
product.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

DOMAIN = "x-opendsr-processor-domain"
SIGNATURE = "x-opendsr-signature"


class NotBelieved(Exception):
    """Something was said that is not proven to be of a processor that is trusted."""


def certificate_of(pem: bytes, domain: str, authorities: bytes, at: datetime) -> x509.Certificate:
    """Return a processor's certificate from a PEM file if it is to be believed.

    Raises:
        NotBelieved: nobody who is trusted has signed it, it is another domain's, or it is not good at this time.
    """
    try:
        own, *others = x509.load_pem_x509_certificates(pem)
        trusted = Store(x509.load_pem_x509_certificates(authorities))
        verifier = PolicyBuilder().store(trusted).time(at).build_server_verifier(x509.DNSName(domain))
        verifier.verify(own, others)
    except (VerificationError, ValueError) as error:
        raise NotBelieved(f"the certificate: {error}") from error
    names = [one.value for one in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [domain]:
        raise NotBelieved(f"the certificate is of {names}")
    return own


def verify(body: bytes, headers: Mapping[str, str], certificate: x509.Certificate, domains: frozenset[str]) -> None:
    """Hold a raw body against its headers.

    Raises:
        NotBelieved: the domain is not trusted, or the signature is not of this body by that certificate's key.
    """
    if headers.get(DOMAIN) not in domains:
        raise NotBelieved(f"the domain {headers.get(DOMAIN)}")
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(base64.b64decode(headers[SIGNATURE], validate=True), body, padding.PKCS1v15(), SHA256())
    except (InvalidSignature, KeyError, ValueError) as error:
        raise NotBelieved("the signature") from error


@dataclass
class Controller:
    """A controller with the credentials of a workspace, over one version of the protocol."""

    url: str
    key: str
    secret: str
    domain: str
    authorities: bytes
    version: str = "v3"
    known: list[x509.Certificate] = field(default_factory=list[x509.Certificate])

    def discovery(self) -> dict[str, Any]:
        """Return what the processor says of itself."""
        return self._get("discovery", auth=None).json()

    def certificate(self) -> x509.Certificate:
        """Fetch the certificate where discovery says it is; once."""
        if not self.known:
            # It must be fetched to verify anything, and is proven by who has signed it.
            said = httpx.get(f"{self.url}/{self.version}/discovery", timeout=30)
            pem = httpx.get(said.json()["processor_certificate"], timeout=30).content
            self.known.append(certificate_of(pem, self.domain, self.authorities, datetime.now(UTC)))
        return self.known[0]

    def believe(self, body: bytes, headers: Mapping[str, str]) -> Any:
        """Read what was said, if it is proven who says it."""
        verify(body, headers, self.certificate(), frozenset({self.domain}))
        return json.loads(body)

    def create(self, kind: str, email: str, **members: Any) -> httpx.Response:
        """Ask for something on behalf of whoever has an e-mail."""
        return self.send(self.request(kind, email, **members))

    def request(self, kind: str, email: str, **members: Any) -> dict[str, Any]:
        """Write a request down."""
        named: Any = {"email": {"value": email, "encoding": "raw"}}
        if self.version == "v2":
            named = [{"identity_type": "email", "identity_value": email, "identity_format": "raw"}]
        return {
            "regulation": "gdpr",
            "subject_request_id": str(uuid.uuid4()),
            "subject_request_type": kind,
            "submitted_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "subject_identities": named,
            "api_version": "3.0" if self.version == "v3" else "2.0",
            **members,
        }

    def send(self, document: Mapping[str, Any]) -> httpx.Response:
        """Send a request."""
        content = json.dumps(document).encode()
        answer = self._checked(httpx.post(self._path("requests"), content=content, auth=self._auth, timeout=30))
        if answer.status_code == httpx.codes.CREATED:
            assert base64.b64decode(answer.json()["encoded_request"]) == content
        return answer

    def status(self, request_id: str) -> httpx.Response:
        """Ask what has become of a request."""
        return self._get(f"requests/{request_id}", auth=self._auth)

    def group(self, group: str) -> httpx.Response:
        """Ask for the requests of a group."""
        return self._get("requests", auth=self._auth, params={"group_id": group})

    def cancel(self, request_id: str) -> httpx.Response:
        """Take a request back."""
        return self._checked(httpx.delete(self._path(f"requests/{request_id}"), auth=self._auth, timeout=30))

    def results(self, url: str) -> httpx.Response:
        """Fetch results where a status or a callback says they are."""
        return self._checked(httpx.get(url, auth=self._auth, timeout=30))

    @property
    def _auth(self) -> tuple[str, str]:
        return self.key, self.secret

    def _path(self, rest: str) -> str:
        return f"{self.url}/{self.version}/{rest}"

    def _get(self, rest: str, **more: Any) -> httpx.Response:
        return self._checked(httpx.get(self._path(rest), timeout=30, **more))

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        verify(answer.content, answer.headers, self.certificate(), frozenset({self.domain}))
        return answer
