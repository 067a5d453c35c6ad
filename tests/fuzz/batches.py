"""Lists batches of events as texts, good and bad, and what becomes of each; and every member that could be wrong."""

import copy
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz.bodies import DEEP

BATCH_BYTES = 128 * 1024
EVENT_DEPTH = 50
NOW_MS = int(time.time() * 1000) - 60_000


@dataclass(frozen=True)
class Case:
    """A batch as raw JSON, and the reason why it is refused (None: it is kept), and whether its receipt has notes."""

    name: str
    body: bytes
    reason: str | None = None
    noted: bool = False


def kept(name: str, body: str | bytes, *, noted: bool = False) -> Case:
    """A batch that is kept."""
    return Case(name, body.encode() if isinstance(body, str) else body, None, noted)


def refused(name: str, body: str | bytes, reason: str) -> Case:
    """A batch that is refused."""
    return Case(name, body.encode() if isinstance(body, str) else body, reason)


def _from(publisher: str) -> dict[str, str]:
    return {"service_provider": "s", "publisher": publisher, "campaign": "c"}


def whole() -> dict[str, Any]:
    """A batch that has everything a batch can have, about somebody new."""
    anyone = str(uuid.uuid4())
    return {
        "environment": "production",
        "source_request_id": str(uuid.uuid4()),
        "user_identities": {"other": anyone, "email": f"{anyone}@example.com"},
        "mp_deviceid": str(uuid.uuid4()),
        "device_info": {"platform": "iOS", "ios_idfv": str(uuid.uuid4()), "os_version": "17", "is_tablet": False},
        "user_attributes": {"tier": "gold", "likes": ["a", 1, True]},
        "deleted_user_attributes": ["gone"],
        "consent_state": {
            "gdpr": {"marketing": {"consented": True, "timestamp_unixtime_ms": NOW_MS, "document": "v1"}},
            "ccpa": {"data_sale_opt_out": {"consented": True, "timestamp_unixtime_ms": NOW_MS}},
        },
        "attribution_info": {"service_provider": "s", "publisher": "p", "campaign": "c"},
        "partner_identities": {"p": "1"},
        "integration_attributes": {"1": {"k": "v"}},
        "application_info": {"application_name": "shop"},
        "context": {"data_plan": {"plan_id": "p", "plan_version": 1}},
        "ip": "127.0.0.1",
        "timestamp_unixtime_ms": NOW_MS,
        "batch_id": uuid.uuid4().int >> 65,
        "schema_version": 2,
        "events": [
            {
                "event_type": "custom_event",
                "data": {
                    "event_name": "attribution",
                    "custom_event_type": "attribution",
                    "timestamp_unixtime_ms": NOW_MS,
                    "source_message_id": str(uuid.uuid4()),
                    "custom_attributes": {"publisher": "p", "campaign": "c"},
                    "session_uuid": "s",
                },
            },
            {"event_type": "opt_out", "data": {"is_opted_out": True}},
            {
                "event_type": "user_attribute_change",
                "data": {"user_attribute_name": "mood", "new": "good", "old": None, "deleted": False},
            },
            {"event_type": "screen_view", "data": {"screen_name": "Home"}},
            {
                "event_type": "commerce_event",
                "data": {"product_action": {"action": "purchase", "products": [{"id": 1}]}},
            },
        ],
    }


def paths(node: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The way to every member of a document and to every entry of its lists."""
    found: list[tuple[str | int, ...]] = [here] if here else []
    inner = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for name, one in inner:
        found += paths(one, (*here, name))
    return found


def with_raw(document: dict[str, Any], path: tuple[str | int, ...], raw: str) -> bytes:
    """Write a document with raw JSON at one place of it."""
    marked = copy.deepcopy(document)
    node: Any = marked
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = "@@here@@"
    return json.dumps(marked).replace('"@@here@@"', raw).encode()


WRONG = (
    "null", "true", "0", "-1", "1.5", "1e308", str(2**63), str(2**70), str(-(2**70)), "9" * 4_000, '""', '"x"',
    r'"\u0000"', '"' + "x" * 5_000 + '"', "[]", "[null]", "[[]]", "{}", '{"a":null}', '{"":{"a":[{"b":1}]}}',
)  # fmt: skip
"""Values that are wrong for most members, as raw JSON."""


def one_event(data: str, more: str = "") -> str:
    """A batch of one event; all as raw JSON."""
    return f'{{"user_identities":{{"other":"{uuid.uuid4()}"}},"events":[{{"event_type":"x","data":{data}}}]{more}}}'


def attribute(value: str) -> str:
    """A batch of one user attribute as raw JSON."""
    return f'{{"user_identities":{{"other":"{uuid.uuid4()}"}},"user_attributes":{{"a":{value}}}}}'


def of_bytes(size: int) -> str:
    """A batch of so many bytes."""
    rest = size - len(one_event("{}", ',"padding":""'))
    return one_event("{}", f',"padding":"{"x" * rest}"')


def nested(depth: int) -> str:
    """Lists inside each other."""
    return "[" * depth + "]" * depth


CASES = [
    refused("nothing", "", "malformed_json"),
    refused("blank", " \n", "malformed_json"),
    refused("cut off", '{"events":[', "malformed_json"),
    refused("text", "events", "malformed_json"),
    refused("something after it", one_event("{}") + "x", "malformed_json"),
    refused("NaN", attribute("NaN"), "malformed_json"),
    refused("a byte order mark", b"\xef\xbb\xbf" + one_event("{}").encode(), "malformed_json"),
    refused("UTF-16", one_event("{}").encode("utf-16"), "malformed_json"),
    refused("NULs only", b"\0" * 64, "malformed_json"),
    refused("a raw NUL", attribute('"a\0b"'), "malformed_json"),
    *(refused(f"the body {wrong}", wrong, "invalid_member") for wrong in ("null", "true", "0", '""', "[]")),
    refused("an empty object", "{}", "no_identities"),
    refused("a number beyond all floats", attribute("1e999"), "invalid_member"),
    refused("an integer of 5,000 digits", attribute("9" * 5_000), "invalid_member"),
    kept("an integer of 5,000 digits, passed over", one_event("{}", f',"x":{"9" * 5_000}')),
    refused("objects 10,000 deep", '{"a":' * DEEP + "1" + "}" * DEEP, "too_deep"),
    refused("lists 10,000 deep, passed over", one_event("{}", f',"x":{nested(DEEP)}'), "too_deep"),
    refused("lists 10,000 deep, in an event", one_event(f'{{"x":{nested(DEEP)}}}'), "too_deep"),
    refused("lists 10,000 deep, as an attribute", attribute(nested(DEEP)), "too_deep"),
    refused("lists 10,000 deep, as events", f'{{"events":{nested(DEEP)}}}', "invalid_member"),
    kept("an event as deep as allowed", one_event(f'{{"x":{nested(EVENT_DEPTH - 1)}}}')),
    refused("an event a step too deep", one_event(f'{{"x":{nested(EVENT_DEPTH)}}}'), "too_deep"),
    kept("as long as allowed", of_bytes(BATCH_BYTES)),
    refused("a byte too long", of_bytes(BATCH_BYTES + 1), "batch_too_long"),
    refused("a member twice", '{"mpid":1,"mpid":2}', "duplicate_key"),
    refused("a member twice, once escaped", r'{"mpid":1,"\u006dpid":2}', "duplicate_key"),
    refused("an identity twice", '{"user_identities":{"other":"a","other":"b"}}', "duplicate_key"),
    refused("an attribute twice", '{"user_identities":{"other":"a"},"user_attributes":{"a":1,"a":2}}', "duplicate_key"),
    refused("an event's member twice", one_event('{"a":{"b":1,"b":1}}'), "duplicate_key"),
    refused("twice, passed over", one_event("{}", ',"x":{"b":1,"b":1}'), "duplicate_key"),
    refused("a high surrogate alone", attribute(r'"\ud800"'), "malformed_json"),
    refused("a high surrogate before a letter", attribute(r'"\ud800abcdef"'), "malformed_json"),
    refused("a high surrogate before an escape", attribute(r'"\ud800\u0041"'), "malformed_json"),
    refused("two high surrogates", attribute(r'"\ud800\ud800"'), "malformed_json"),
    refused("a low surrogate alone", attribute(r'"a\udc00b"'), "malformed_json"),
    refused("a surrogate alone in an event", one_event(r'{"event_name":"cut off \ud83d"}'), "malformed_json"),
    refused("a surrogate alone as a name", one_event(r'{"custom_attributes":{"\udc00":1}}'), "malformed_json"),
    refused("a surrogate alone, passed over", one_event("{}", r',"x":"\ud83d"'), "malformed_json"),
    kept("a pair of surrogates", attribute(r'"\ud83d\ude00"')),
    *(
        refused(f"{name} in an event", one_event('{"x":"?"}').encode().replace(b"?", raw), "malformed_json")
        for name, raw in {
            "a stray byte": b"\xff",
            "Latin-1": "é".encode("latin-1"),
            "a surrogate in UTF-8": b"\xed\xa0\x80",
            "an overlong slash": b"\xc0\xaf",
            "half a character": b"\xe2\x82",
        }.items()
    ),
    refused("a stray byte, passed over", one_event("{}", ',"x":"?"').encode().replace(b"?", b"\xff"), "malformed_json"),
    *(
        refused(f"mpid {bad[:20]}", f'{{"mpid":{bad}}}', "invalid_mpid")
        for bad in ('"x"', '" 1"', '"1.0"', str(2**63), f'"{2**63}"', str(2**70), r'"\u0000"', f'"{"9" * 5_000}"')
    ),
    *(refused(f"mpid {bad}", f'{{"mpid":{bad}}}', "no_identities") for bad in ("null", "0", '""', '"0"')),
    *(refused(f"mpid {bad}", f'{{"mpid":{bad}}}', "unknown_mpid") for bad in ("7", '"-7"', str(2**63 - 1))),
    *(refused(f"mpid {bad}", f'{{"mpid":{bad}}}', "invalid_member") for bad in ("true", "1.5", "[]", "{}", "1e3")),
    refused("environment in capitals", '{"environment":"Production"}', "invalid_environment"),
    refused("no event type", '{"events":[{}]}', "event_type_missing"),
    refused("an empty event type", '{"events":[{"event_type":""}]}', "event_type_missing"),
    refused("two spellings", '{"user_identities":{"customer_id":"a","customerid":"b"}}', "identity_type_twice"),
    refused("no identity that is one", '{"user_identities":{"shoe_size":"44"}}', "no_identities"),
]


def _someone(**members: Any) -> str:
    return json.dumps({"user_identities": {"other": str(uuid.uuid4())}, **members})


def _event(**data: Any) -> str:
    return _someone(events=[{"event_type": "custom_event", "data": data}])


def _consent(purpose: str = "p", **members: Any) -> str:
    said = {"consented": True, "timestamp_unixtime_ms": NOW_MS, **members}
    return _someone(consent_state={"gdpr": {purpose: said}})


def _device(**facts: Any) -> str:
    return _someone(device_info={"ios_idfv": str(uuid.uuid4()), **facts})


def _limit(name: str, write: Any, most: int) -> list[Case]:
    """A case as long as allowed, and one that is longer by one and is cut or left out, with a note."""
    return [kept(f"{name}, {most}", write(most)), kept(f"{name}, {most + 1}", write(most + 1), noted=True)]


def _numbered(count: int) -> dict[str, int]:
    return {f"n{number}": number for number in range(count)}


LIMITS = [
    *_limit("an attribute's name", lambda n: _someone(user_attributes={"x" * n: 1}), 256),
    *_limit("an attribute's value", lambda n: _someone(user_attributes={"a": "é" * n}), 4_096),
    *_limit("an attribute's digits", lambda n: _someone(user_attributes={"a": int("9" * n)}), 4_096),
    *_limit("an attribute's list", lambda n: _someone(user_attributes={"a": [1] * n}), 1_000),
    *_limit("an entry of a list", lambda n: _someone(user_attributes={"a": ["x" * n]}), 512),
    *_limit("attributes", lambda n: _someone(user_attributes=_numbered(n)), 100),
    *_limit("deleted attributes", lambda n: _someone(deleted_user_attributes=[*_numbered(n)]), 100),
    *_limit("a deleted attribute's name", lambda n: _someone(deleted_user_attributes=["x" * n]), 256),
    *_limit("an event's name", lambda n: _event(event_name="x" * n), 256),
    *_limit("an event's attributes", lambda n: _event(custom_attributes=_numbered(n)), 100),
    *_limit("the name of an event's attribute", lambda n: _event(custom_attributes={"x" * n: 1}), 256),
    *_limit("the value of an event's attribute", lambda n: _event(custom_attributes={"a": "x" * n}), 4_096),
    *_limit("a message id", lambda n: _event(source_message_id="x" * n), 256),
    *_limit("an identity", lambda n: _someone(user_identities={"other": "a", "other_id_2": "é" * n}), 256),
    *_limit("facts of a device", lambda n: _device(**_numbered(n)), 100),
    *_limit("a fact of a device", lambda n: _device(os_version="x" * n), 512),
    *_limit("the name of a fact", lambda n: _device(**{"x" * n: 1}), 256),
    *_limit("a document of a consent", lambda n: _consent(document="x" * n), 4_096),
    *_limit("a purpose", lambda n: _consent("x" * n), 256),
    *_limit("a publisher", lambda n: _someone(attribution_info=_from("x" * n)), 4_096),
    kept("a request id, 256", _someone(source_request_id="é" * 256)),
    refused("a request id, 257", _someone(source_request_id="é" * 257), "invalid_source_request_id"),
    refused("a request id with NUL", _someone(source_request_id="a\0"), "invalid_source_request_id"),
    kept("a message id with NUL", _event(source_message_id="a\0"), noted=True),
    kept("1,000 events", _someone(events=[{"event_type": "x"}] * 1_000)),
    refused("1,001 events", _someone(events=[{"event_type": "x"}] * 1_001), "too_many_events"),
    kept("a consent of tomorrow", _consent(timestamp_unixtime_ms=2**70), noted=True),
    kept("a consent before all times", _consent(timestamp_unixtime_ms=-1), noted=True),
    kept("a list with a list in it", _someone(user_attributes={"a": [1, [2], None]}), noted=True),
    kept("25 things to say", _someone(user_attributes={f"a{n}": {} for n in range(25)}), noted=True),
]
