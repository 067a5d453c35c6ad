"""Lists bodies as values, good and bad: each member of each body with wrong types and values, and what it is answered."""

import json

from tests.fuzz.bodies import DEEP, value
from tests.fuzz.lines import LIMIT, Line, accepted, identify, modify, refused

_WRONG = ("null", "true", "1", "1.5", "[]", '"x"', "{}")
_MEMBERS = [
    *(refused(f"environment {wrong}", identify(environment=wrong), "invalid_member") for wrong in _WRONG),
    refused("environment in capitals", identify(environment='"Production"'), "invalid_member"),
    refused("environment with a blank", identify(environment='"production "'), "invalid_member"),
    refused("environment empty", identify(environment='""'), "invalid_member"),
    refused("environment missing", '{"known_identities":{"email":"a"}}', "invalid_member"),
    *(refused(f"identities {wrong}", identify(wrong), "invalid_member") for wrong in _WRONG if wrong != "{}"),
    refused("identities missing", '{"environment":"production"}', "invalid_member"),
    refused("identities none", identify("{}"), "no_identities"),
    refused("identities null or empty", identify('{"email":null,"other":""}'), "no_identities"),
    *(refused(f"a value {wrong}", value(wrong), "invalid_member") for wrong in ("true", "1", "1.5", "[]", "{}")),
    accepted("a value null beside another", identify('{"email":null,"other":"a"}')),
    accepted("a value empty beside another", identify('{"email":"","other":"a"}')),
    refused("an unknown type", identify('{"shoe_size":"44"}'), "unknown_identity_type"),
    refused("an unknown type beside a known one", identify('{"email":"a","shoe_size":"44"}'), "unknown_identity_type"),
    refused("an unknown type, null", identify('{"email":"a","shoe_size":null}'), "unknown_identity_type"),
    refused("an unknown type, empty", identify('{"email":"a","shoe_size":""}'), "unknown_identity_type"),
    refused("a type in capitals", identify('{"Email":"a"}'), "unknown_identity_type"),
    refused("a type with a blank", identify('{" email":"a"}'), "unknown_identity_type"),
    refused("a type with NUL", identify(r'{"email\u0000":"a"}'), "unknown_identity_type"),
    refused("a type without a name", identify('{"":"a"}'), "unknown_identity_type"),
    refused("a type of the Events API", identify('{"customer_id":"a"}'), "unknown_identity_type"),
    refused("a type of analytics only", identify('{"alias":"a"}'), "unknown_identity_type"),
    refused("a type of 100,000 letters", identify(f'{{"{"x" * 100_000}":"a"}}'), "unknown_identity_type"),
    refused(
        "10,000 unknown types", identify(json.dumps({f"x{n}": "a" for n in range(10_000)})), "unknown_identity_type"
    ),
    *(refused(f"the body {wrong}", wrong, "invalid_member") for wrong in _WRONG),
]
_PREVIOUS = [
    *(accepted(f"previous_mpid {good}", identify(more=f'"previous_mpid":{good}')) for good in (
        "null", '""', '"0"', "0", "-0", "1", "-1", '"1"', '"-1"', '"0001"',
        "9223372036854775807", "-9223372036854775808", '"9223372036854775807"', '"-9223372036854775808"',
    )),
    *(refused(f"previous_mpid {bad[:24]} ({len(bad)})", identify(more=f'"previous_mpid":{bad}'), "invalid_previous_mpid") for bad in (
        "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 100,
        '"9223372036854775808"', '"-9223372036854775809"', f'"{"9" * 5000}"', f'"{"0" * 5000}"',
        '"-0"', '"00"', '"+1"', '" 1"', '"1 "', '"1e5"', '"0x1"', '"1_0"', '"1.0"', '"x"', '"\u0661"', '"\uff11"', r'"\u0000"',
    )),
    *(refused(f"previous_mpid {bad[:24]} ({len(bad)})", identify(more=f'"previous_mpid":{bad}'), "invalid_member") for bad in (
        "1e5", "1.0", "1.5", "-0.0", "1e999", "true", "false", "[]", "{}", "[1]", "9" * 5000,
    )),
    refused("previous_mpid NaN", identify(more='"previous_mpid":NaN'), "malformed_json"),
]  # fmt: skip
_PASSED_OVER = [
    accepted(f"{member} {anything}", identify(more=f'"{member}":{anything}'))
    for member in ("client_sdk", "context", "request_id", "request_timestamp_ms", "requestId", "")
    for anything in ("null", "true", "-1.5e3", "[]", '"x"', "{}")
]
TYPES = [*_MEMBERS, *_PREVIOUS, *_PASSED_OVER]

MODIFY_PATH = "/v1/MPID/modify"
"""MPID stands for the profile that the test makes."""


def _changed(name: str, change: str, reason: str) -> Line:
    return refused(f"a change: {name}", modify(f"[{change}]"), reason, path=MODIFY_PATH)


MODIFY = [
    accepted("no change", modify("[]"), MODIFY_PATH),
    accepted("a change of nothing", modify('[{"identity_type":"email"}]'), MODIFY_PATH),
    accepted("a change of nulls", modify('[{"identity_type":"email","old_value":null,"new_value":null}]'), MODIFY_PATH),
    accepted(
        "a change of empty strings", modify('[{"identity_type":"email","old_value":"","new_value":""}]'), MODIFY_PATH
    ),
    accepted("further members", modify('[{"identity_type":"email","x":1}]', more='"known_identities":7'), MODIFY_PATH),
    accepted("100 changes", modify(json.dumps([{"identity_type": "email"}] * 100)), MODIFY_PATH),
    refused(
        "101 changes", modify(json.dumps([{"identity_type": "email"}] * 101)), "too_many_changes", path=MODIFY_PATH
    ),
    refused("no changes at all", '{"environment":"production"}', "invalid_member", path=MODIFY_PATH),
    refused("no environment", '{"identity_changes":[]}', "invalid_member", path=MODIFY_PATH),
    *(
        refused(f"changes {wrong}", modify(wrong), "invalid_member", path=MODIFY_PATH)
        for wrong in ("null", "true", "1", '"x"', "{}", "[1]", "[null]", "[[]]", '["email"]')
    ),
    _changed("no type", '{"new_value":"a"}', "invalid_member"),
    *(
        _changed(f"type {wrong}", f'{{"identity_type":{wrong}}}', "invalid_member")
        for wrong in ("null", "true", "1", "[]", "{}")
    ),
    *(
        _changed(f"{member} {wrong}", f'{{"identity_type":"email","{member}":{wrong}}}', "invalid_member")
        for member in ("old_value", "new_value")
        for wrong in ("true", "1", "1.5", "[]", "{}")
    ),
    _changed("an unknown type", '{"identity_type":"shoe_size"}', "unknown_identity_type"),
    _changed("an empty type", '{"identity_type":""}', "unknown_identity_type"),
    _changed("the stamp", '{"identity_type":"device_application_stamp","new_value":"a"}', "device_application_stamp"),
    _changed("257 characters", f'{{"identity_type":"email","new_value":"{"x" * 257}"}}', "invalid_identity"),
    _changed("257 old characters", f'{{"identity_type":"email","old_value":"{"x" * 257}"}}', "invalid_identity"),
    _changed("NUL", r'{"identity_type":"email","new_value":"\u0000"}', "invalid_identity"),
    _changed("a key twice", '{"identity_type":"email","identity_type":"email"}', "duplicate_key"),
    _changed(
        "a key twice, escaped", r'{"identity_type":"email","new_value":"a","new\u005fvalue":"b"}', "duplicate_key"
    ),
    refused("environment twice", modify("[]", more='"environment":"production"'), "duplicate_key", path=MODIFY_PATH),
    refused("changes twice", modify("[]", more='"identity_changes":[]'), "duplicate_key", path=MODIFY_PATH),
    refused("twice in a passed-over member", modify("[]", more='"x":{"a":1,"a":1}'), "duplicate_key", path=MODIFY_PATH),
    refused("deep", modify("[" * DEEP + "]" * DEEP), "invalid_member", path=MODIFY_PATH),
    refused("deep, passed over", modify("[]", more=f'"x":{"[" * DEEP + "]" * DEEP}'), "too_deep", path=MODIFY_PATH),
    refused("other environment", modify("[]", environment='"development"'), "unknown_mpid", path=MODIFY_PATH),
]

SEED_PATH, EXPLAIN_PATH = "/api/scopes/shop/profiles", "/api/scopes/shop/explain"


def _seed(identities: str, more: str = "") -> str:
    return f'{{"environment":"production","identities":{identities}{"," * bool(more)}{more}}}'


def _explain(more: str = "", endpoint: str = '"identify"') -> str:
    return identify(more=f'"endpoint":{endpoint}{"," * bool(more)}{more}')


OWN = [
    accepted("seed without identities", _seed("{}"), SEED_PATH, 201),
    accepted("seed with an empty list", _seed('{"email":[]}'), SEED_PATH, 201),
    accepted("seed with a value twice", _seed('{"email":["a","a"]}'), SEED_PATH, 201),
    accepted("seed 1,000 values", _seed(json.dumps({"other": [f"v{n}" for n in range(1000)]})), SEED_PATH, 201),
    refused("seed 1,001 values", _seed(json.dumps({"other": ["v"] * 1001})), "too_many_values", path=SEED_PATH),
    refused("seed nothing", "", "malformed_json", path=SEED_PATH),
    refused("seed cut off", "{", "malformed_json", path=SEED_PATH),
    refused("seed a byte too long", b" " * (LIMIT + 1), "body_too_long", 413, path=SEED_PATH),
    refused("seed deep", "[" * DEEP, "invalid_member", path=SEED_PATH),
    refused("seed further members", _seed("{}", '"x":1'), "invalid_member", path=SEED_PATH),
    refused("seed a value for a list", _seed('{"email":"a"}'), "invalid_member", path=SEED_PATH),
    refused("seed null", _seed('{"email":[null]}'), "invalid_member", path=SEED_PATH),
    refused("seed an empty value", _seed('{"email":[""]}'), "invalid_identity", path=SEED_PATH),
    refused("seed NUL", _seed(r'{"email":["\u0000"]}'), "invalid_identity", path=SEED_PATH),
    refused("seed an unknown type", _seed('{"shoe_size":["44"]}'), "unknown_identity_type", path=SEED_PATH),
    refused("seed a key twice", _seed('{"email":["a"],"email":["b"]}'), "duplicate_key", path=SEED_PATH),
    refused("seed a key twice, escaped", _seed(r'{"email":["a"],"\u0065mail":["b"]}'), "duplicate_key", path=SEED_PATH),
    *(
        refused(f"seed MPID {bad}", _seed("{}", f'"mpid":{bad}'), "malformed_mpid", path=SEED_PATH)
        for bad in ("0", '"0"', '""', '"x"', '"-0"', "9223372036854775808", '"9223372036854775808"')
    ),
    *(
        refused(f"seed MPID {bad}", _seed("{}", f'"mpid":{bad}'), "invalid_member", path=SEED_PATH)
        for bad in ("true", "[]", "{}", "1.5", "1e5")
    ),
    refused("seed into no scope", _seed("{}"), "unknown_scope", 404, path="/api/scopes/nowhere/profiles"),
    refused("seed into no scope, odd", _seed("{}"), "unknown_scope", 404, path="/api/scopes/%00%FF'--/profiles"),
    accepted("explain", _explain(), EXPLAIN_PATH),
    accepted("explain nothing", identify("{}", more='"endpoint":"identify"'), EXPLAIN_PATH),
    accepted("explain with previous_mpid 0", _explain('"previous_mpid":0'), EXPLAIN_PATH),
    accepted("explain with an empty previous_mpid", _explain('"previous_mpid":""'), EXPLAIN_PATH),
    refused("explain an odd previous_mpid", _explain('"previous_mpid":"x"'), "malformed_mpid", path=EXPLAIN_PATH),
    refused("explain a modify", _explain(endpoint='"modify"'), "endpoint_not_explained", path=EXPLAIN_PATH),
    refused("explain a seed", _explain(endpoint='"seed"'), "endpoint_not_explained", path=EXPLAIN_PATH),
    refused("explain what is none", _explain(endpoint='"divine"'), "invalid_member", path=EXPLAIN_PATH),
    refused("explain further members", _explain('"x":1'), "invalid_member", path=EXPLAIN_PATH),
    refused(
        "explain an unknown type, null",
        identify('{"shoe_size":null}', more='"endpoint":"identify"'),
        "unknown_identity_type",
        path=EXPLAIN_PATH,
    ),
    refused(
        "explain two spellings",
        identify('{"facebookcustomaudienceid":"a","facebook_custom_audience_id":"b"}', more='"endpoint":"login"'),
        "identity_type_twice",
        path=EXPLAIN_PATH,
    ),
    refused("explain a key twice", _explain('"endpoint":"login"'), "duplicate_key", path=EXPLAIN_PATH),
]
