"""A controller that was written from the specification alone gets along with a real server, and believes only what is signed."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from knownas.service.privacy.processor import make_authority
from tests.opendsr.client import DOMAIN, SIGNATURE, Controller, NotBelieved, certificate_of, verify
from tests.served import KEY, SECRET, Served, configuration, served
from tests.service.receiver import Received, Receiver
from tests.waiting import wait_until

PRIVACY_DOMAIN = "privacy.example.com"
BEGIN = "-----BEGIN CERTIFICATE-----"
ORDER = ["pending", "in_progress", "completed"]
WITHIN_SECONDS = 20


class Authority(NamedTuple):
    """A certificate with its key, and who signed it."""

    key: str
    certificates: str
    root: bytes


@pytest.fixture(scope="module")
def authority() -> Authority:
    """An authority that the controllers of these tests trust."""
    made = make_authority(PRIVACY_DOMAIN, int(datetime.now(UTC).timestamp() * 1000))
    return Authority(made.key, made.certificates, (BEGIN + made.certificates.rsplit(BEGIN, 1)[1]).encode())


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Where the controllers are told."""
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority, receiver: Receiver) -> Iterator[Served]:
    """A server with a certificate of that authority: one workspace in which erasures wait, one in which nothing does."""
    folder = tmp_path_factory.mktemp("opendsr")
    with served(folder, configured(folder, authority, receiver)) as running:
        yield running


def configured(folder: Path, authority: Authority, receiver: Receiver) -> dict[str, Any]:
    """Return the configuration of that server."""
    (folder / "key.pem").write_text(authority.key)
    (folder / "cert.pem").write_text(authority.certificates)
    privacy = {
        "domain": PRIVACY_DOMAIN,
        "certificate": str(folder / "cert.pem"),
        "key": str(folder / "key.pem"),
        "callbacks": [receiver.url.removesuffix("/told")],
    }
    document = configuration(privacy=privacy)
    workspaces = document["organization"]["accounts"][0]["workspaces"]
    quick = {"id": 101, "scope": "shop", "key": "quick-key", "secret": "quick-secret"}
    workspaces.append({**quick, "settings": {"privacy": {"waiting_days": 0}}})
    return document


def controller(server: Served, authority: Authority, version: str, *, quick: bool = False) -> Controller:
    """Return a controller of one of the two workspaces."""
    pair = ("quick-key", "quick-secret") if quick else ("ws-key-for-tests", "ws-secret-for-tests")
    return Controller(server.url, *pair, PRIVACY_DOMAIN, authority.root, version)


def told(asker: Controller, receiver: Receiver, request_id: str) -> list[str]:
    """Return the states of a request that its controller was told, each believed."""
    said = [asker.believe(one.body, one.headers) for one in receiver.received]
    return [one["request_status"] for one in said if one["subject_request_id"] == request_id]


@pytest.mark.parametrize("version", ["v3", "v2"])
def test_every_route_of_both_versions(version: str, server: Served, authority: Authority, receiver: Receiver) -> None:
    """Taken, shown, grouped, repeated, taken back; everything that is answered and told is verified."""
    asker = controller(server, authority, version)
    said = asker.discovery()
    assert set(said["supported_subject_request_types"]) == {"access", "erasure", "portability"}
    assert {"identity_type": "email", "identity_format": "raw"} in said["supported_identities"]
    group, email = f"group-{version}", f"{version}@example.com"
    request = asker.request("erasure", email, group_id=group, status_callback_urls=[receiver.url])
    request_id = request["subject_request_id"]
    taken = asker.send(request)
    assert (taken.status_code, taken.json()["controller_id"]) == (201, "100")
    status = asker.status(request_id)
    assert (status.status_code, status.json()["request_status"]) == (200, "pending")
    assert asker.group(group).json() == [status.json()]
    assert asker.send(request).status_code == 400
    assert asker.create("erasure", email).status_code == 409
    assert replace(asker, secret="guessed").status(request_id).status_code == 401
    assert asker.status(request_id.replace("4", "5", 1)).status_code == 404
    wait_until(lambda: told(asker, receiver, request_id) == ["pending"], WITHIN_SECONDS)
    cancelled = asker.cancel(request_id)
    assert (cancelled.status_code, cancelled.json()["expected_completion_time"]) == (202, None)
    assert asker.cancel(request_id).status_code == 400
    assert asker.status(request_id).json()["request_status"] == "cancelled"
    wait_until(lambda: told(asker, receiver, request_id) == ["pending", "cancelled"], WITHIN_SECONDS)


@pytest.mark.parametrize("version", ["v3", "v2"])
def test_access_is_completed_and_told(version: str, server: Served, authority: Authority, receiver: Receiver) -> None:
    """In a workspace where nothing waits, at once; of somebody whom nobody knows there is nothing to fetch."""
    asker = controller(server, authority, version, quick=True)
    request = asker.request("access", f"nobody-{version}@example.com", status_callback_urls=[receiver.url])
    assert asker.send(request).status_code == 201
    request_id = request["subject_request_id"]
    wait_until(lambda: told(asker, receiver, request_id) == ORDER, WITHIN_SECONDS)
    last = next(one for one in map(_read, reversed(receiver.received)) if one["subject_request_id"] == request_id)
    assert last["results_url"] == asker.status(request_id).json()["results_url"]
    assert asker.results(last["results_url"]).status_code == 404
    assert asker.cancel(request_id).status_code == 400


@pytest.mark.parametrize("version", ["v3", "v2"])
def test_somebody_fetches_what_is_known(version: str, server: Served, authority: Authority) -> None:
    """Where the status says; the archive is signed like everything, and is whole."""
    email = f"known-{version}@example.com"
    assert server.ask("identify", {"email": email}).status_code == 200
    asker = controller(server, authority, version, quick=True)
    request = asker.request("access", email)
    assert asker.send(request).status_code == 201

    def url() -> Any:
        return asker.status(request["subject_request_id"]).json()["results_url"]

    wait_until(url, WITHIN_SECONDS)
    results = asker.results(url())
    assert results.status_code == 200
    with zipfile.ZipFile(io.BytesIO(results.content)) as archive:
        assert archive.testzip() is None
        assert "profile.jsonl" in archive.namelist()


def _read(one: Received) -> Any:
    return json.loads(one.body)


def test_nothing_is_believed_that_is_not_proven(server: Served, authority: Authority) -> None:
    """A tampered body, header or signature, another domain, and another's certificate are each refused."""
    asker = controller(server, authority, "v3")
    answer = httpx.get(f"{server.url}/v3/discovery", timeout=30)
    headers, certificate, domains = dict(answer.headers), asker.certificate(), frozenset({PRIVACY_DOMAIN})
    verify(answer.content, headers, certificate, domains)
    tampered = [
        (answer.content.replace(b"3.0", b"3.1"), headers),
        (answer.content + b" ", headers),
        (answer.content, {**headers, SIGNATURE: headers[SIGNATURE][:-8] + "AAAAAAA="}),
        (answer.content, {**headers, DOMAIN: "evil.example.com"}),
        (answer.content, {name: value for name, value in headers.items() if name != SIGNATURE}),
        (answer.content, {name: value for name, value in headers.items() if name != DOMAIN}),
    ]
    for body, said in tampered:
        with pytest.raises(NotBelieved):
            verify(body, said, certificate, domains)
    now = datetime.now(UTC)
    other = make_authority(PRIVACY_DOMAIN, int(now.timestamp() * 1000)).certificates.encode()
    impostor = certificate_of(other, PRIVACY_DOMAIN, other, now)
    with pytest.raises(NotBelieved):
        verify(answer.content, headers, impostor, domains)


def test_no_certificate_is_believed_that_is_not_the_processors(authority: Authority) -> None:
    """Of another authority or domain, too late, or none at all."""
    now, own = datetime.now(UTC), authority.certificates.encode()
    assert certificate_of(own, PRIVACY_DOMAIN, authority.root, now)
    other = make_authority(PRIVACY_DOMAIN, int(now.timestamp() * 1000)).certificates.encode()
    for pem, domain, at in (
        (other, PRIVACY_DOMAIN, now),
        (own, "evil.example.com", now),
        (own, PRIVACY_DOMAIN, now + timedelta(days=36_500)),
        (own, PRIVACY_DOMAIN, now - timedelta(days=36)),
        (b"nothing", PRIVACY_DOMAIN, now),
    ):
        with pytest.raises(NotBelieved):
            certificate_of(pem, domain, authority.root, at)


def test_callbacks_survive_a_kill(tmp_path: Path, authority: Authority) -> None:
    """What its receiver did not take before the server was killed, it is told by the next one: all of it, in order, once."""
    with Receiver(status=503) as receiver:
        document = configured(tmp_path, authority, receiver)
        with served(tmp_path, document) as server:
            asker = controller(server, authority, "v3", quick=True)
            request = asker.request("portability", "x@example.com", status_callback_urls=[receiver.url])
            assert asker.send(request).status_code == 201
            wait_until(lambda: receiver.received, WITHIN_SECONDS)
            server.kill()
        refused = len(receiver.received)
        receiver.status = 202
        with served(tmp_path, document) as server:
            asker = replace(asker, url=server.url, known=[])

            def accepted() -> list[str]:
                return [asker.believe(one.body, one.headers)["request_status"] for one in receiver.received[refused:]]

            wait_until(lambda: len(accepted()) >= len(ORDER), WITHIN_SECONDS, told=accepted)
            assert accepted() == ORDER


def test_a_server_makes_its_own_certificate(tmp_path: Path) -> None:
    """Whoever trusts its authority, which stands behind the certificate, can check everything; and it stays the same."""
    trusted: list[bytes] = []
    for _ in range(2):
        with served(tmp_path) as server:
            pem = httpx.get(f"{server.url}/v3/opendsr_cert.pem", timeout=30).text
            trusted.append((BEGIN + pem.rsplit(BEGIN, 1)[1]).encode())
            asker = Controller(server.url, "ws-key-for-tests", "ws-secret-for-tests", "localhost", trusted[0])
            assert asker.create("erasure", f"{len(trusted)}@example.com").status_code == 201
    assert trusted[0] == trusted[1]


def test_bulk_deletion_takes_what_a_workspace_has(server: Served) -> None:
    """The MPID stays, and what the workspace knew of it is gone."""
    batch = {"environment": "production", "user_identities": {"customer_id": "bulk"}, "user_attributes": {"a": "b"}}
    assert httpx.post(f"{server.url}/v2/events", json=batch, auth=(KEY, SECRET), timeout=30).status_code == 202
    mpid = server.ask("search", {"customerid": "bulk"}).json()["mpid"]
    assert len(server.api.get(f"/api/profiles/{mpid}/sections").json()["items"]) == 1
    deletion = [{"environment_type": "production", "action": "delete", "identities": {"customerid": "bulk"}}]
    answer = httpx.post(f"{server.url}/userprofile/bulkdelete", json=deletion, auth=(KEY, SECRET), timeout=30)
    assert (answer.status_code, answer.content) == (202, b"")
    assert server.api.get(f"/api/profiles/{mpid}/sections").json()["items"] == []
    assert server.ask("search", {"customerid": "bulk"}).json()["mpid"] == mpid
