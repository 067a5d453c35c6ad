"""Starts knownas servers that speak https, and asks them what they know."""

import base64
import hashlib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from tests.served import FEED_KEY, FEED_SECRET, TOKEN, Served, configuration, served
from tests.waiting import wait_until

ANSWER_WITHIN_SECONDS = 30
KEPT_OPEN_SECONDS = 1
"""Less than a server keeps a connection open that nobody uses: it must not be closed under a request."""
ARRIVES_WITHIN_SECONDS = 20
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Certificates:
    """A certificate for loopback as server, client and browser want it, signed by an authority of this test run.

    `key_digest` names its public key: base64 of the SHA-256 of the SubjectPublicKeyInfo.
    """

    certificate: Path
    private_key: Path
    serving: ssl.SSLContext
    trusting: ssl.SSLContext
    key_digest: str


def make_certificates(folder: Path) -> Certificates:
    """Make a certificate in a folder."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, private_key = folder / "certificate.pem", folder / "private_key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(private_key))
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    issued.configure_cert(serving)
    authority.configure_trust(trusting)
    public_key = load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).public_key()
    digest = hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return Certificates(certificate, private_key, serving, trusting, base64.b64encode(digest).decode())


@dataclass(frozen=True)
class Shop:
    """A running server and a client that trusts it."""

    server: Served
    client: httpx.Client

    @property
    def host(self) -> str:
        """Where it listens, without a scheme, the way the SDK wants it."""
        return self.server.url.removeprefix("https://")

    def profile(self, mpid: str | None) -> dict[str, Any]:
        """Return a profile as our own API shows it."""
        answer = self.client.get(f"/api/profiles/{mpid}", headers=ADMIN)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def feed(self, **identities: str) -> dict[str, Any]:
        """Send identities from the feed, as another channel would; return the answer."""
        body = {"environment": "production", "known_identities": identities}
        answer = self.client.post("/v1/identify", json=body, auth=(FEED_KEY, FEED_SECRET))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self, mpid: str | None) -> list[dict[str, Any]]:
        """Return all events that the workspace keeps of a profile."""
        answer = self.client.get(f"/api/profiles/{mpid}/events", params={"workspace": 100}, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        return [event for batch in answer.json()["items"] for event in batch["events"]]

    def wait_for(self, mpid: str | None, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many events of a type have arrived, and return these."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events(mpid) if event["type"] == kind]

        wait_until(lambda: len(found()) >= count, ARRIVES_WITHIN_SECONDS, lambda: self.events(mpid))
        return found()

    def section(self, mpid: str | None) -> dict[str, Any]:
        """Return what the workspace knows of a profile."""
        return self.client.get(f"/api/profiles/{mpid}/sections", headers=ADMIN).json()["items"][0]


@contextmanager
def shop(
    folder: Path, certificates: Certificates, scope: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> Iterator[Shop]:
    """Run a server with one scope in a folder until the block ends; a folder served before keeps its database.

    `settings` are those of the workspace.
    """
    listen = {"certificate": str(certificates.certificate), "private_key": str(certificates.private_key)}
    document = configuration(scope, listen=listen)
    document["organization"]["accounts"][0]["workspaces"][0]["settings"] = dict(settings or {})
    with (
        served(folder, document) as server,
        httpx.Client(
            base_url=server.url,
            verify=certificates.trusting,
            timeout=ANSWER_WITHIN_SECONDS,
            limits=httpx.Limits(keepalive_expiry=KEPT_OPEN_SECONDS),
        ) as client,
    ):
        yield Shop(server, client)
