"""Sends bad batches to every surface that takes events, and bad questions to those that show them."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from knownas.config.limits import ID_MAX
from tests.fuzz.batches import CASES, LIMITS, NOW_MS, WRONG, Case, nested, one_event, paths, whole, with_raw
from tests.fuzz.lines import client, zipped
from tests.fuzz.test_bad_input import GROWTH_BYTES_MAX, RECURSION_LIMITS, _bombs, _memory
from tests.fuzz.test_naughty_strings import STRINGS
from tests.served import KEY, SECRET, TOKEN, WEB_KEY, Served, served

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
ONE, BULK, HISTORY = "/v2/events", "/v2/bulkevents", "/v2/bulkevents/historical"
WEB = f"/v3/JS/{WEB_KEY}/events"
FORWARDING = f"/v1/JS/{WEB_KEY}/Forwarding"
TAKING = [
    *(prefix + path for path in (ONE, BULK, HISTORY) for prefix in ("", "/s2s")),
    *(prefix + path for path in (WEB, f"/v1/JS/{WEB_KEY}/events", FORWARDING) for prefix in ("", "/webevents")),
]
"""Every path that takes a body."""

BOMB = zipped(b"0" * 10_000_000)
"""10 MB in 10 kB."""

NOTES = 20
FOUND_OUT_LATER = {"no_identities", "unknown_mpid"}
"""Reasons that are found out behind the answer: such a batch is accepted wherever it is sent, and kept as refused."""

REFUSALS = {
    *FOUND_OUT_LATER,
    *(case.reason for case in (*CASES, *LIMITS)),
    "no_event_time",
    "no_events",
    "too_young",
}


def is_web(path: str) -> bool:
    return "/JS/" in path


def post(sender: httpx.Client, path: str, body: bytes, **headers: str) -> httpx.Response:
    """Send a body with the credentials that its surface asks for."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    auth = None if is_web(path) else (KEY, SECRET)
    return sender.post(path, content=body, headers=named, auth=auth)


def reason_of(answer: httpx.Response) -> str | None:
    """Return the stable reason of a refusal, told in header and body alike; None of a 202, which has no body."""
    if answer.status_code == 202:
        assert answer.content == b""
        return None
    told = answer.headers["x-refusal-reason"]
    (error,) = answer.json()["errors"]
    assert (error["reason"], bool(error["message"])) == (told, True)
    return told


def receipt(sender: httpx.Client, receipt_id: str) -> dict[str, Any]:
    """Return what became of a batch."""
    found = sender.get(f"/api/batches/{receipt_id}", headers=ADMIN)
    assert found.status_code == 200, found.text
    return found.json()


def shown(
    sender: httpx.Client, mpid: str, environment: str = "production"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what the workspace knows of a profile, and the events of its last batch."""
    sections = sender.get(f"/api/profiles/{mpid}/sections", headers=ADMIN)
    events = sender.get(
        f"/api/profiles/{mpid}/events?workspace=100&limit=1000&environment={environment}", headers=ADMIN
    )
    assert (sections.status_code, events.status_code) == (200, 200), sections.text + events.text
    (section,) = sections.json()["items"]
    batches = events.json()["items"]
    return section, batches[-1]["events"] if batches else []


def check_receipt(sender: httpx.Client, case: Case, receipt_id: str) -> None:
    """Check that a batch became what stands beside it, and that what is kept of it can be shown."""
    found = receipt(sender, receipt_id)
    if case.reason is not None:
        assert (found["outcome"], found.get("reason")) == ("refused", case.reason)
        assert found["sentence"]
    elif found["outcome"] != "repeated":
        assert (found["outcome"], bool(found["notes"])) == ("kept", case.noted), found
        assert len(found["notes"]) <= NOTES
        shown(sender, found["mpid"])


@pytest.mark.parametrize("case", [*CASES, *LIMITS], ids=lambda case: case.name)
def test_one_batch_is_refused_at_once_or_comes_to_something(case: Case, sender: httpx.Client) -> None:
    """Sent alone, a batch that makes no sense is a 4xx with its reason; any other is a 202 with a receipt."""
    answer = post(sender, ONE, case.body)
    if case.reason is None or case.reason in FOUND_OUT_LATER:
        assert (answer.status_code, reason_of(answer)) == (202, None)
        check_receipt(sender, case, answer.headers["x-receipt-id"])
    else:
        status = 413 if case.reason == "batch_too_long" else 400
        assert (answer.status_code, reason_of(answer)) == (status, case.reason)


@pytest.mark.parametrize("case", [*CASES, *LIMITS], ids=lambda case: case.name)
def test_the_web_sdk_is_always_told_202(case: Case, sender: httpx.Client) -> None:
    """A browser would send a batch again for ever after a 400: it is told 202, and the receipt names the reason."""
    answer = post(sender, WEB, case.body)
    assert (answer.status_code, reason_of(answer)) == (202, None)
    # Attributes that an SDK sends are context, but what could not be read of them is noted all the same.
    check_receipt(sender, case, answer.headers["x-receipt-id"])


@pytest.mark.parametrize("case", [*CASES, *LIMITS], ids=lambda case: case.name)
def test_one_of_many_keeps_no_other_out(case: Case, sender: httpx.Client) -> None:
    """Among others a bad batch is kept as refused and the others are kept, unless the request as a whole is no JSON."""
    body = b",".join([b"[" + one_event("{}").encode(), case.body, one_event("{}").encode() + b"]"])
    answer = post(sender, BULK, body)
    if case.reason == "malformed_json" or "10,000" in case.name:
        assert answer.status_code == 400
        assert reason_of(answer) in {"malformed_json", "too_deep"}
        return
    assert (answer.status_code, reason_of(answer)) == (202, None)
    first, middle, last = answer.headers["x-receipt-id"].split(", ")
    assert [receipt(sender, one)["outcome"] for one in (first, last)] == ["kept", "kept"]
    check_receipt(sender, case, middle)


MEMBERS = [path for path in paths(whole()) if path != ("source_request_id",)]


@pytest.mark.parametrize("surface", [ONE, WEB, HISTORY])
@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_member_is_no_fault(member: tuple[str | int, ...], surface: str, sender: httpx.Client) -> None:
    """Whatever stands in a member, the batch is refused for a reason, or kept, and then its events as they were sent."""
    for raw in WRONG:
        body = with_raw(whole(), member, raw)
        answer = post(sender, surface, b"[" + body + b"]" if surface == HISTORY else body)
        if answer.status_code != 202:
            assert surface == ONE
            assert (answer.status_code, bool(reason_of(answer))) == (400, True), answer.text
            continue
        found = receipt(sender, answer.headers["x-receipt-id"])
        assert found["outcome"] in {"kept", "refused"}
        if found["outcome"] == "refused":
            assert found["reason"] in REFUSALS, found
            continue
        section, events = shown(sender, found["mpid"])
        sent = json.loads(body)
        if not any(note.startswith(("event_name", "custom_attributes", "screen_name")) for note in found["notes"]):
            assert [one["data"] for one in events] == [one.get("data") or {} for one in sent["events"] or []], raw
        if member[0] == "user_attributes" and surface == ONE and not found["notes"]:
            check_attributes(section, sent["user_attributes"])


def check_attributes(section: dict[str, Any], sent: dict[str, Any] | None) -> None:
    """Check that a section holds the attributes of a batch as they were sent; a null says nothing."""
    held = {name: one["value"] for name, one in section["attributes"].items() if not one["deleted"]}
    wanted = {name: value for name, value in (sent or {}).items() if value is not None}
    assert {name: held.get(name) for name in wanted} == wanted


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server on which no other test has used a value."""
    with served(tmp_path_factory.mktemp("strings")) as running, client(running) as made:
        yield made


@pytest.mark.parametrize("written", ["escaped", "raw"])
def test_every_string_comes_back_as_it_went_in(written: str, apart: httpx.Client) -> None:
    """Each naughty string, wherever it may stand, comes back to the character, or a note says what became of it."""
    sender, ascii_only = apart, written == "escaped"
    environment = "production" if ascii_only else "development"
    for string in STRINGS:
        batch = {"environment": environment, **_naughty(string)}
        if len(string) == 256 and not ascii_only:
            del batch["source_request_id"]  # The same as before, so it would be a repeat.
        answer = post(sender, ONE, json.dumps(batch, ensure_ascii=ascii_only).encode())
        if len(string) > 256 or "\0" in string:
            assert reason_of(answer) == "invalid_source_request_id", string
            del batch["source_request_id"]
            answer = post(sender, ONE, json.dumps(batch, ensure_ascii=ascii_only).encode())
        assert reason_of(answer) is None, string
        found = receipt(sender, answer.headers["x-receipt-id"])
        section, events = shown(sender, found["mpid"], environment)
        notes = " ".join(found["notes"])
        _check_strings(string, notes, section, events)
        if string and "source_request_id" in batch:
            named = sender.get("/api/batches", params={"source_request_id": batch["source_request_id"]}, headers=ADMIN)
            assert [one["receipt_id"] for one in named.json()["items"]] == [found["receipt_id"]]
        identities = sender.get(f"/api/profiles/{found['mpid']}", headers=ADMIN).json()["identities"]
        assert identities.get("email") == ([string] if string and "user_identities.email" not in notes else None)


def _naughty(string: str) -> dict[str, Any]:
    """A batch about somebody new that has a string wherever there may be one."""
    said = {"consented": True, "timestamp_unixtime_ms": NOW_MS, "document": string, "location": string}
    data = {
        "event_name": string,
        "source_message_id": string,
        "custom_attributes": {string: string},
        "x": [string, {string: string}],
    }
    return {
        "source_request_id": string and string + uuid.uuid4().hex[: max(0, 256 - len(string))],
        "mp_deviceid": str(uuid.uuid4()),
        "user_identities": {"email": string},
        "user_attributes": {string: "name", "value": string, "list": [string, 1]},
        "device_info": {"ios_idfv": str(uuid.uuid4()), "os_version": string, string: "name"},
        "consent_state": {"gdpr": {string: said}},
        "attribution_info": {"service_provider": string, "publisher": string, "campaign": string},
        "events": [{"event_type": string or "x", "data": data}],
    }


def _check_strings(string: str, notes: str, section: dict[str, Any], events: list[dict[str, Any]]) -> None:
    is_name, is_fact = 1 <= len(string) <= 256, len(string) <= 512
    values = {name: one["value"] for name, one in section["attributes"].items()}
    assert (values.get(string), values["value"]) == (("name" if is_name else None), string)
    assert values.get("list") == ([string, 1] if is_fact else None)
    facts = section["devices"][0]["facts"]
    assert facts.get("os_version") == (string if is_fact else None)
    assert facts.get(string) == ("name" if is_name else None)
    said = [(one["purpose"], one["document"], one["location"]) for one in section["consents"]]
    assert said == ([(string, string, string)] if is_name else [])
    assert [(one["publisher"], one["campaign"]) for one in section["attributions"]] == [(string, string)]
    (event,) = events
    assert event["type"] == (string or "x")
    assert event["data"]["event_name"] == string[:256]
    assert event["data"]["custom_attributes"] == {string[:256]: string}
    assert event["data"]["x"] == [string, {string: string}]
    assert event["message_id"] == (string if is_name and "\0" not in string else None)
    for is_sound, where in (
        (is_name, "user_attributes."),
        (is_fact, "device_info."),
        (len(string) <= 256, "event_name"),
    ):
        assert (where in notes) or is_sound, (string, notes)


@pytest.mark.parametrize("surface", [ONE, BULK, WEB])
def test_no_depth_is_a_fault(surface: str, sender: httpx.Client) -> None:
    """Around the depth at which the interpreter gives up, a batch is kept or refused as too deep, and can be shown."""
    for depth in RECURSION_LIMITS:
        for deep in (
            one_event("{}", f',"x":{nested(depth)}'),
            one_event(f'{{"x":{nested(depth)}}}'),
            one_event("{}", f',"device_info":{{"ios_idfv":"{uuid.uuid4()}","x":{nested(depth)}}}'),
        ):
            answer = post(sender, surface, (f"[{deep}]" if surface == BULK else deep).encode())
            told = reason_of(answer)
            if told is None:
                found = receipt(sender, answer.headers["x-receipt-id"])
                told = found.get("reason")
                if told is None:
                    shown(sender, found["mpid"])
            assert told in {None, "too_deep"}, depth


@pytest.mark.parametrize("path", TAKING)
def test_what_is_too_long_is_refused(path: str, sender: httpx.Client) -> None:
    """10 MB, and what would unpack to more than is allowed, are a 413; to the web SDK, which would drop all it has, a 202."""
    for body, status, reason, encoding in (
        (b" " * 10_000_000, 413, "body_too_long", {}),
        (BOMB, 413, "body_too_long", {"content_encoding": "gzip"}),
        (b"x", 415, "unknown_encoding", {"content_encoding": "br"}),
    ):
        answer = post(sender, path, body, **encoding)
        if is_web(path):
            assert (answer.status_code, reason_of(answer)) == (202, None)
            if not path.endswith("Forwarding"):
                assert receipt(sender, answer.headers["x-receipt-id"])["reason"] == reason
        else:
            assert (answer.status_code, reason_of(answer)) == (status, reason)


@pytest.mark.parametrize("path", TAKING)
def test_what_is_no_gzip_is_refused(path: str, sender: httpx.Client) -> None:
    """A body that is not what its headers say is a 400, but to the web SDK, which would send it again for ever, a 202."""
    for body in (b"", b"{}", zipped("{}")[:-1], zipped("{}") + b"x"):
        answer = post(sender, path, body, content_encoding="gzip")
        if is_web(path):
            assert (answer.status_code, reason_of(answer)) == (202, None)
            if not path.endswith("Forwarding"):
                assert receipt(sender, answer.headers["x-receipt-id"])["reason"] == "malformed_gzip"
        else:
            assert (answer.status_code, reason_of(answer)) == (400, "malformed_gzip")


def test_a_bomb_costs_no_memory(server: Served, sender: httpx.Client) -> None:
    """What a small body would unpack to is never held: the server grows by less than 32 MB."""
    bombs = _bombs()
    post(sender, ONE, BOMB, content_encoding="gzip")
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before = _memory(server, "VmRSS")
    for path in (ONE, WEB):
        for bomb, _ in bombs:
            post(sender, path, bomb, content_encoding="gzip")
    assert _memory(server, "VmHWM") - before < GROWTH_BYTES_MAX


@pytest.mark.parametrize("body", ["", "{", "null", "{}", '{"uuid":1,"data":[1]}', nested(10_000), '"\\ud800"'])
def test_forwarding_statistics_are_taken_whatever_they_are(body: str, sender: httpx.Client) -> None:
    """The statistics that the web SDK sends are not read, so nothing in them is wrong."""
    for path in (FORWARDING, f"/v2/JS/{WEB_KEY}/Forwarding", f"/webevents{FORWARDING}"):
        assert post(sender, path, body.encode()).status_code == 202


@pytest.mark.parametrize("path", [BULK, HISTORY])
def test_a_request_has_a_hundred_batches_at_most(path: str, sender: httpx.Client) -> None:
    """The hundred and first batch refuses the request; none of it is taken. None at all is fine."""
    assert reason_of(post(sender, path, b"[" + b",".join([b"{}"] * 101) + b"]")) == "too_many_batches"
    assert post(sender, path, b"[" + b",".join([b"{}"] * 100) + b"]").status_code == 202
    assert post(sender, path, b"[]").status_code == 202
    for wrong in (b"", b"null", b"{}", b"1", b'""'):
        assert post(sender, path, wrong).status_code == 400


ODD = ("%00", "%FF", "x" * 3_000, "'--", "..%2F..", "%F0%9F%98%80", "%ED%A0%80", "null", "+", "-", "1e5", "")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:12])
def test_odd_names_in_addresses_are_no_fault(odd: str, sender: httpx.Client) -> None:
    """Whatever stands where a key, an id or a page is wanted, the answer is a 4xx, or a 200 with nothing in it."""
    unknown_key = [
        ("POST", f"/v3/JS/{odd}/events"),
        ("POST", f"/v1/JS/{odd}/Forwarding"),
        ("GET", f"/JS/v2/{odd}/config"),
        ("GET", f"/tags/JS/v2/{odd}/config"),
        ("GET", f"/v1/{odd}/audience?mpid=1"),
    ]
    for method, path in unknown_key:
        assert sender.request(method, path).status_code in {401, 404}, path
    assert sender.get(f"/v1/{WEB_KEY}/audience?mpid={odd}").status_code == 400
    assert sender.get(f"/JS/v2/{WEB_KEY}/config?env={odd}&plan_id={odd}&{odd}={odd}").status_code == 200
    wrong = [
        f"/api/batches/{odd}",
        f"/api/profiles/{odd}/sections",
        f"/api/profiles/{odd}/events?workspace=100",
        f"/api/profiles/1/events?workspace={odd}",
        f"/api/profiles/1/events?workspace=100&environment={odd}",
        f"/api/profiles/1/events?workspace=100&limit={odd}",
    ]
    for path in wrong:
        assert sender.get(path, headers=ADMIN).status_code in {400, 404}, path
    named = sender.get(f"/api/batches?source_request_id=x{odd}", headers=ADMIN)
    assert named.status_code in {200, 400}
    assert named.json().get("items", []) == []


@pytest.fixture(scope="module")
def somebody(sender: httpx.Client) -> str:
    """The MPID of somebody with events."""
    answer = post(sender, ONE, json.dumps(whole()).encode())
    return receipt(sender, answer.headers["x-receipt-id"])["mpid"]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:12])
def test_odd_pages_of_events_are_no_fault(odd: str, somebody: str, sender: httpx.Client) -> None:
    """A page that nobody has answered, a limit that is none, and a workspace that is not there."""
    base = f"/api/profiles/{somebody}/events"
    for query in (f"workspace=100&next={odd}", f"workspace=100&limit={odd}", f"workspace={odd}"):
        assert sender.get(f"{base}?{query}", headers=ADMIN).status_code == 400, query
    for elsewhere in (999, ID_MAX):
        assert sender.get(f"{base}?workspace={elsewhere}", headers=ADMIN).json()["items"] == []
    for nothing in (ID_MAX + 1, "9" * 19, "9" * 5_000):
        assert sender.get(f"{base}?workspace={nothing}", headers=ADMIN).status_code == 400


@pytest.mark.parametrize("path", [ONE, BULK, HISTORY, WEB, FORWARDING, f"/JS/v2/{WEB_KEY}/config"])
def test_other_methods_are_refused(path: str, sender: httpx.Client) -> None:
    """A method that a surface does not have is a 405 that names the one it has."""
    for method in ("PUT", "DELETE", "PATCH", "POST" if path.endswith("config") else "GET"):
        answer = sender.request(method, path)
        assert (answer.status_code, bool(answer.headers["allow"])) == (405, True)
