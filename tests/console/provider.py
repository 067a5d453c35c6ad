"""A small provider of OpenID Connect on loopback, which says what a test wants it to say."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "knownas", "s3cret: of the client/+"


@dataclass
class Provider:
    """What the provider says, and what it was asked. Tests change its parts."""

    issuer: str
    key: RSAKey | ECKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    keys: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    """What is answered at a path, in the place of what is right."""
    asked: list[str] = field(default_factory=list[str])
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    id_token: str | None = None

    def agree(self, address: str) -> str:
        """Do what a browser and a person do there: agree, and go back. Return the address they are sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT_ID
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"

    def document(self) -> dict[str, Any]:
        """Return what the provider says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.metadata,
        }

    def key_set(self) -> dict[str, Any]:
        """Return the keys by which its tokens are checked, and others."""
        return {"keys": [*self.keys, self.key.as_dict(private=False)]}

    def token(self, form: Mapping[str, str], authorization: str) -> tuple[int, Any]:
        """Answer a code with a token, if the client, the verifier and the code are right."""
        methods = self.document().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            # Both are written as forms write them, before they are joined: RFC 6749 §2.3.1.
            given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            is_client = given == "knownas:s3cret%3A+of+the+client%2F%2B"
        else:
            is_client = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        asked = self.codes.pop(form.get("code", ""), None)
        if not is_client or asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        made = self.id_token or jwt.encode(header, told, self.key, algorithms=[self.algorithm])
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": made}


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            found = {
                "/realm/.well-known/openid-configuration": provider.document,
                "/realm/keys": provider.key_set,
            }.get(self.path)
            self._answer(*((404, {}) if found is None else (200, found())))

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*provider.token(form, self.headers.get("authorization", "")))

        def _answer(self, status: int, document: Any) -> None:
            status, body = provider.answers.get(self.path, (status, json.dumps(document).encode()))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_address[1]}/realm")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
