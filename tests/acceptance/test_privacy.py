"""The acceptance line of privacy, F (platform §16.1), over HTTP against a started server that a controller asks who believes nothing unsigned."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from knownas.cli.main import main
from knownas.service.privacy.processor import make_authority
from tests.opendsr.client import Controller
from tests.postgres import fresh_database
from tests.served import KEY, SECRET, Served, configuration, served
from tests.service.receiver import Receiver
from tests.waiting import wait_until

DOMAIN = "privacy.example.com"
BEGIN = "-----BEGIN CERTIFICATE-----"
WITHIN_SECONDS = 90
"""Over a database that others share an erasure looks again after half a minute."""

ORDER = ["pending", "in_progress", "completed"]
ANN = {
    "customerid": "ann-customer",
    "email": "ann@example.com",
    "mobile_number": "+15550100",
    "ios_idfv": "ann-idfv",
    "device_application_stamp": "ann-stamp",
}
WHOM = {
    "controller_customer_id": {"value": ANN["customerid"], "encoding": "raw"},
    "email": {"value": ANN["email"], "encoding": "raw"},
}
"""How a request names her: she has logged in, so her e-mail alone does not lead to her."""

BOB = {"customerid": "bob-customer", "email": "bob@example.com"}
SAID = ("ann-city", "ann-ordered", "ann-message", "ann-batch", "ann-terms")
MEMBERS = ("customer_id", "email", "mobile_number")


def configured(folder: Path, receiver: Receiver, database: str) -> tuple[dict[str, Any], bytes]:
    """Return a configuration, in which one workspace carries requests out at once and one waits, and who signs for it."""
    authority = make_authority(DOMAIN, int(datetime.now(UTC).timestamp() * 1000))
    (folder / "key.pem").write_text(authority.key)
    (folder / "cert.pem").write_text(authority.certificates)
    privacy = {
        "domain": DOMAIN,
        "certificate": str(folder / "cert.pem"),
        "key": str(folder / "key.pem"),
        "callbacks": [receiver.url.removesuffix("/told")],
    }
    document = configuration(privacy=privacy, database=database)
    workspaces = document["organization"]["accounts"][0]["workspaces"]
    workspaces[0]["settings"] = {"privacy": {"waiting_days": 0}}
    workspaces.append({"id": 101, "scope": "shop", "key": "patient-key", "secret": "patient-secret"})
    return document, (BEGIN + authority.certificates.rsplit(BEGIN, 1)[1]).encode()


@contextmanager
def database_of(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database."""
    if kind == "postgres":
        with fresh_database() as url:
            yield url
    else:
        yield {"sqlite": f"sqlite:///{folder}/knownas.db", "memory": "memory://"}[kind]


class Shop:
    """A shop that serves people, and asks for them what the law lets them ask."""

    def __init__(self, server: Served, receiver: Receiver, root: bytes) -> None:
        self.server, self.receiver = server, receiver
        self.asker = Controller(server.url, "ws-key-for-tests", "ws-secret-for-tests", DOMAIN, root)
        self.patient = Controller(server.url, "patient-key", "patient-secret", DOMAIN, root)

    def send(self, **batch: Any) -> dict[str, Any]:
        """Send a batch of events, and return its receipt."""
        answer = httpx.post(f"{self.server.url}/v2/events", json=batch, auth=(KEY, SECRET), timeout=30)
        assert answer.status_code == 202, answer.text
        return self.get(f"/api/batches/{answer.headers['x-receipt-id']}").json()

    def get(self, path: str) -> httpx.Response:
        """Ask our own API."""
        return self.server.api.get(path)

    def told(self, request_id: str) -> list[str]:
        """Return the states that the controller was told of a request, each believed."""
        said = [self.asker.believe(one.body, one.headers) for one in self.receiver.received]
        return [one["request_status"] for one in said if one["subject_request_id"] == request_id]

    def carried_out(self, kind: str, **whom: Any) -> str:
        """Ask for something of hers, or of whom is given, wait until the controller is told that it is done, and return the request's id."""
        members = {"subject_identities": WHOM, **whom, "status_callback_urls": [self.receiver.url]}
        request = self.asker.request(kind, ANN["email"], **members)
        assert self.asker.send(request).status_code == 201
        request_id = request["subject_request_id"]
        wait_until(lambda: self.told(request_id) == ORDER, WITHIN_SECONDS, lambda: self.told(request_id))
        assert self.asker.status(request_id).json()["request_status"] == "completed"
        return request_id


def batch_of(who: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Return what a person leaves: attributes, consent, a device, an event."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    consent = {"consented": True, "timestamp_unixtime_ms": now_ms, "document": f"{prefix}-terms"}
    data = {
        "event_name": f"{prefix}-ordered",
        "custom_event_type": "other",
        "timestamp_unixtime_ms": now_ms,
        "source_message_id": f"{prefix}-message",
    }
    named = {"customer_id" if name == "customerid" else name: value for name, value in who.items()}
    return {
        "environment": "production",
        "source_request_id": f"{prefix}-batch",
        "user_identities": {name: named[name] for name in MEMBERS if name in named},
        "user_attributes": {"$City": f"{prefix}-city"},
        "consent_state": {"gdpr": {"marketing": consent}},
        "events": [{"event_type": "custom_event", "data": data}],
    }


@pytest.mark.parametrize(
    "kind", ["sqlite", *(pytest.param(one, marks=pytest.mark.soak) for one in ("memory", "postgres"))]
)
def test_f_a_person_asks_and_is_erased_with_proof(kind: str, tmp_path: Path) -> None:
    """F: what is signed verifies; after an erasure no value of hers is anywhere, and the evidence proves before and after."""
    with database_of(kind, tmp_path) as database, Receiver() as receiver:
        document, root = configured(tmp_path, receiver, database)
        with served(tmp_path, document) as server:
            shop = Shop(server, receiver, root)
            mpid, other = (server.ask("login", who).json()["mpid"] for who in (ANN, BOB))
            assert shop.send(**batch_of(ANN, "ann"))["mpid"] == mpid
            assert shop.send(**batch_of(BOB, "bob"))["mpid"] == other
            refuses_as_told(shop)
            reads_consent_and_hands_out(shop, mpid)
            before = shop.get(f"/api/profiles/{other}").json()
            request_id = shop.carried_out("erasure")
            is_gone(shop, mpid, request_id)
            assert shop.get(f"/api/profiles/{other}").json() == before
            proves(shop, request_id, root, tmp_path)
            if kind != "memory":
                is_in_no_table_and_no_backup(tmp_path)
            is_new_when_she_comes_back(shop, mpid)


def test_one_request_of_the_second_version_reaches_several_profiles(tmp_path: Path) -> None:
    """Previewed, handed out in one archive, erased with proof: each answers 410 with the id of the one request (platform §5.8)."""
    with database_of("sqlite", tmp_path) as database, Receiver() as receiver:
        document, root = configured(tmp_path, receiver, database)
        with served(tmp_path, document) as server:
            shop = Shop(server, receiver, root)
            shop.asker.version = "v2"
            mpids = [server.ask("login", who).json()["mpid"] for who in (ANN, BOB)]
            for who, name in ((ANN, "ann"), (BOB, "bob")):
                shop.send(**batch_of(who, name))
            stranger = server.ask("login", {"customerid": "somebody-else"}).json()["mpid"]
            preview = server.api.post("/api/workspaces/100/privacy/preview", json={"mpids": mpids}).json()
            assert [one["profile"]["mpid"] for one in (preview, *preview["further"])] == mpids
            several = {"subject_identities": None, "extensions": {"opendsr.mparticle.com": {"mpids": mpids}}}
            handed_out = shop.carried_out("access", **several)
            results = shop.asker.results(shop.asker.status(handed_out).json()["results_url"])
            with zipfile.ZipFile(io.BytesIO(results.content)) as archive:
                lines = archive.read("profile.jsonl").splitlines()
            assert [json.loads(line)["mpid"] for line in lines] == mpids
            request_id = shop.carried_out("erasure", **several)
            for mpid in mpids:
                gone = shop.get(f"/api/profiles/{mpid}")
                assert (gone.status_code, request_id in gone.text) == (410, True), gone.text
            assert shop.get(f"/api/profiles/{stranger}").status_code == 200
            told = shop.get(f"/api/privacy/requests/{request_id}").json()
            assert [told["mpid"], *(one["mpid"] for one in told["further"])] == mpids
            searched = [one["facts"] for one in told["steps"] if one["step"] == "searched"]
            assert [(one["profile"], one["found"], one["rows_left"]) for one in searched] == [(1, 0, 0), (2, 0, 0)]
            certified = shop.get(f"/api/privacy/requests/{request_id}/certificate")
            (tmp_path / "authority.pem").write_bytes(root)
            (tmp_path / "certificate.json").write_bytes(certified.content)
            said = knownas("verify-evidence", tmp_path / "certificate.json", "--authority", tmp_path / "authority.pem")
            assert said.splitlines()[-1] == "everything is as it was signed"
            assert [value for value in (*mpids, *ANN.values(), *BOB.values()) if value in certified.text] == []


def refuses_as_told(shop: Shop) -> None:
    """Look at each route, and at the refusals that platform §5.2 names."""
    asker = shop.patient
    said = asker.discovery()
    assert set(said["supported_subject_request_types"]) == {"access", "erasure", "portability"}
    request = asker.request("erasure", ANN["email"], group_id="f", status_callback_urls=[shop.receiver.url])
    request_id = request["subject_request_id"]
    taken = asker.send(request)
    assert (taken.status_code, taken.json()["controller_id"]) == (201, "101")
    assert asker.status(request_id).json()["request_status"] == "pending"
    assert [one["subject_request_id"] for one in asker.group("f").json()] == [request_id]
    assert asker.send(request).status_code == 400
    assert asker.create("erasure", ANN["email"]).status_code == 409
    extension = {"opendsr.mparticle.com": {"subject_identities": {"mpid": {"value": "5", "encoding": "raw"}}}}
    assert asker.create("erasure", "both@example.com", extensions=extension).status_code == 400
    assert shop.asker.status(request_id).status_code == 404
    assert asker.cancel(request_id).status_code == 202
    wait_until(lambda: shop.told(request_id) == ["pending", "cancelled"], WITHIN_SECONDS)


def reads_consent_and_hands_out(shop: Shop, mpid: str) -> None:
    """Look at her consent, at what a request would touch, and into what an access hands out."""
    (consent,) = shop.get(f"/api/profiles/{mpid}/consent?workspace=100").json()["items"]
    assert (consent["consented"], consent["document"]) == (True, "ann-terms")
    path = "/api/workspaces/100/privacy/preview"
    alone = {"email": WHOM["email"]}
    guarded = shop.server.api.post(path, json={"subject_identities": alone}).json()
    assert (guarded["profile"], len(guarded["out_of_reach"])) == (None, 1)
    preview = shop.server.api.post(path, json={"subject_identities": WHOM}).json()
    assert preview["profile"]["mpid"] == mpid, preview
    request_id = shop.carried_out("access")
    results = shop.asker.results(shop.asker.status(request_id).json()["results_url"])
    with zipfile.ZipFile(io.BytesIO(results.content)) as archive:
        everything = "".join(archive.read(name).decode() for name in archive.namelist())
    # The id that a sender gave its request says nothing of her.
    assert [value for value in (*ANN.values(), *SAID) if value not in everything] == ["ann-batch"]
    assert [value for value in BOB.values() if value in everything] == []


def is_gone(shop: Shop, mpid: str, request_id: str) -> None:
    """Search for her as the vendor's evidence does (platform §5.6), and ask for all that was hers."""
    for name, value in ANN.items():
        assert shop.server.ask("search", {name: value}).status_code == 404
    gone = shop.get(f"/api/profiles/{mpid}")
    assert (gone.status_code, request_id in gone.text) == (410, True), gone.text
    assert shop.send(mpid=mpid, user_attributes={"a": "b"})["reason"] == "erased"


def proves(shop: Shop, request_id: str, root: bytes, folder: Path) -> None:
    """Check the certificate without the server, with no more than whom a controller trusts."""
    certified = shop.get(f"/api/privacy/requests/{request_id}/certificate")
    pages = shop.get(f"/api/privacy/requests/{request_id}/certificate?format=pdf")
    (folder / "authority.pem").write_bytes(root)
    for name, answer in (("certificate.json", certified), ("certificate.pdf", pages)):
        (folder / name).write_bytes(answer.content)
        said = knownas("verify-evidence", folder / name, "--authority", folder / "authority.pem")
        assert said.splitlines()[-1] == "everything is as it was signed"
    steps = shop.get(f"/api/privacy/requests/{request_id}").json()["steps"]
    facts = {(one["step"], one["facts"].get("store")): one["facts"] for one in steps}
    found = facts["found", None]
    before = {"sections": 1, "events": 1, "messages": 1, "receipts": 1}
    assert {name: found[name] for name in before} == before
    assert {name: facts["erased", name]["left"] for name in before} == dict.fromkeys(before, 0)
    assert (facts["erased", "identity_record"]["rows"], facts["searched", None]["found"]) == (len(ANN), 0)
    assert [value for value in (*ANN.values(), *SAID) if value in certified.text + json.dumps(steps)] == []


def is_new_when_she_comes_back(shop: Shop, mpid: str) -> None:
    """Send the same batch again: it is somebody new's, and nothing of it is remembered as a repetition."""
    again = shop.send(**batch_of(ANN, "ann"))
    assert (again["profile"], again["events"], again.get("repeated_events", 0)) == ("created", 1, 0)
    assert again["mpid"] != mpid


def is_in_no_table_and_no_backup(folder: Path) -> None:
    """Look for her values in the bytes of a backup, of its manifest, of the evidence and of what the server logged."""
    configured = ("--config", folder / "knownas.yaml")
    knownas("backup", *configured, "--output", folder / "backup.db")
    knownas("evidence", *configured, "--output", folder / "chain.jsonl")
    files = [*folder.glob("backup.db*"), *folder.glob("knownas.db*"), folder / "chain.jsonl", folder / "server.log"]
    for file in files:
        content = file.read_bytes()
        assert [value for value in (*ANN.values(), *SAID) if value.encode() in content] == [], file
    assert BOB["email"].encode() in (folder / "backup.db").read_bytes()
    knownas("verify", *configured, "--processes", "1")


def knownas(*arguments: str | Path) -> str:
    """Run a verb of the command line, which must end well, and return what it printed."""
    ran = CliRunner().invoke(main, [str(one) for one in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.output
