"""Lists bodies as texts, good and bad: their JSON, depth, size, repetitions and characters, and what each is answered."""

import json
import zlib

from tests.fuzz.lines import LIMIT, accepted, identify, refused, zipped

DEEP = 10_000
SMILE = "\U0001f600"
COMBINED = "e\u0301"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def value(text: str) -> str:
    """An identify of one e-mail, written as raw JSON."""
    return identify(f'{{"email":{text}}}')


def long(size: int) -> str:
    """An identify of so many bytes."""
    rest = size - len(identify(more='"padding":""'))
    return identify(more=f'"padding":"{"x" * rest}"')


NOT_JSON = [
    refused("nothing", "", "malformed_json"),
    refused("blank", " \n", "malformed_json"),
    refused("cut off", "{", "malformed_json"),
    refused("cut off in a string", '{"environment":"produc', "malformed_json"),
    refused("cut off in a number", identify(more='"x":1')[:-2] + "-}", "malformed_json"),
    refused("text", "identify me", "malformed_json"),
    refused("a form", "environment=production", "malformed_json"),
    refused("something after it", identify() + "x", "malformed_json"),
    refused("two of them", identify() + identify(), "malformed_json"),
    refused("single quotes", "{'environment':'production'}", "malformed_json"),
    refused("no quotes", "{environment:production}", "malformed_json"),
    refused("a comma too many", '{"environment":"production",}', "malformed_json"),
    refused("a comment", "/* */" + identify(), "malformed_json"),
    refused("NaN", identify(more='"x":NaN'), "malformed_json"),
    refused("Infinity", identify(more='"x":Infinity'), "malformed_json"),
    refused("hexadecimal", identify(more='"x":0x10'), "malformed_json"),
    refused("a leading zero", identify(more='"x":01'), "malformed_json"),
    refused("a plus sign", identify(more='"x":+1'), "malformed_json"),
    refused("a byte order mark", b"\xef\xbb\xbf" + identify().encode(), "malformed_json"),
    refused("UTF-16", identify().encode("utf-16"), "malformed_json"),
    refused("UTF-32", identify().encode("utf-32-be"), "malformed_json"),
    refused("an unknown escape", value(r'"\q"'), "malformed_json"),
    refused("half an escape", value(r'"\u12"'), "malformed_json"),
    refused("a raw line break in a string", value('"a\nb"'), "malformed_json"),
    refused("a raw tab in a passed-over string", identify(more='"x":"a\tb"'), "malformed_json"),
    refused("NULs only", b"\0" * 64, "malformed_json"),
    accepted("all the white space there is", " \t\r\n" + identify().replace(":", " \n:\t") + "\r\n"),
    accepted("a number beyond all floats in a passed-over member", identify(more='"x":1e999')),
    accepted("an integer of 5,000 digits in a passed-over member", identify(more=f'"x":{"9" * 5000}')),
    accepted("an integer of 5,000 digits beside an escape", identify(r'{"email":"\u0061"}', more=f'"x":{"9" * 5000}')),
]

DEPTH = [
    refused("arrays all the way", "[" * DEEP + "]" * DEEP, "invalid_member"),
    refused("arrays that never end", "[" * DEEP, "invalid_member"),
    refused("objects all the way", '{"a":' * DEEP + "1" + "}" * DEEP, "too_deep"),
    refused("objects that never end", '{"a":' * DEEP, "too_deep"),
    refused("arrays in a passed-over member", identify(more=f'"x":{"[" * DEEP + "]" * DEEP}'), "too_deep"),
    refused("objects in a passed-over member", identify(more='"x":' + '{"a":' * DEEP + "1" + "}" * DEEP), "too_deep"),
    refused("arrays as environment", identify(environment="[" * DEEP + "]" * DEEP), "invalid_member"),
    refused("arrays as identities", identify("[" * DEEP + "]" * DEEP), "invalid_member"),
    refused("objects as identities", identify('{"email":' * DEEP + "1" + "}" * DEEP), "invalid_member"),
    refused("arrays as a value", value("[" * DEEP + "]" * DEEP), "invalid_member"),
    refused("arrays as previous_mpid", identify(more=f'"previous_mpid":{"[" * DEEP + "]" * DEEP}'), "invalid_member"),
    accepted("a depth that no SDK reaches", identify(more=f'"x":{"[" * 100 + "]" * 100}')),
    accepted("that depth beside an escape", identify(r'{"email":"\u0061"}', more=f'"x":{"[" * 100 + "]" * 100}')),
]

SIZE = [
    accepted("as long as allowed", long(LIMIT)),
    refused("a byte too long", long(LIMIT + 1), "body_too_long", 413),
    refused("10 MB", long(10_000_000), "body_too_long", 413),
    refused("10 MB of nothing", b" " * 10_000_000, "body_too_long", 413),
    accepted("compressed", zipped(identify()), content_encoding="gzip"),
    accepted("compressed, said in capitals", zipped(identify()), content_encoding="GZIP"),
    accepted("compressed, as long as allowed", zipped(long(LIMIT)), content_encoding="gzip"),
    refused("compressed, a byte too long", zipped(long(LIMIT + 1)), "body_too_long", 413, content_encoding="gzip"),
    accepted("said to be plain", identify(), content_encoding="identity"),
    refused("said to be compressed", identify(), "malformed_gzip", content_encoding="gzip"),
    refused("compressed and empty", b"", "malformed_gzip", content_encoding="gzip"),
    refused("compressed nothing", zipped(""), "malformed_json", content_encoding="gzip"),
    refused("compressed and not said", zipped(identify()), "malformed_json"),
    refused("compressed twice", zipped(zipped(identify())), "malformed_json", content_encoding="gzip"),
    refused("cut off", zipped(identify())[:-9], "malformed_gzip", content_encoding="gzip"),
    refused("cut off in its checksum", zipped(identify())[:-1], "malformed_gzip", content_encoding="gzip"),
    refused("cut off in its head", zipped(identify())[:5], "malformed_gzip", content_encoding="gzip"),
    refused("a wrong checksum", zipped(identify())[:-8] + b"\0" * 8, "malformed_gzip", content_encoding="gzip"),
    refused("something after it", zipped(identify()) + b"x", "malformed_gzip", content_encoding="gzip"),
    refused("two members", zipped(identify()) + zipped(""), "malformed_gzip", content_encoding="gzip"),
    refused("zlib for gzip", zlib.compress(identify().encode()), "malformed_gzip", content_encoding="gzip"),
    refused("deflate", zlib.compress(identify().encode()), "unknown_encoding", 415, content_encoding="deflate"),
    refused("brotli", identify(), "unknown_encoding", 415, content_encoding="br"),
    refused("two encodings", zipped(zipped("")), "unknown_encoding", 415, content_encoding="gzip, gzip"),
    refused("an unheard-of encoding", identify(), "unknown_encoding", 415, content_encoding="x" * 50),
]

TWICE = [
    refused("environment", identify(more='"environment":"production"'), "duplicate_key"),
    refused("environment, two of them", identify(more='"environment":"development"'), "duplicate_key"),
    refused("known_identities", identify(more='"known_identities":{"email":"a"}'), "duplicate_key"),
    refused("previous_mpid", identify(more='"previous_mpid":1,"previous_mpid":null'), "duplicate_key"),
    refused("a type", identify('{"email":"a","email":"b"}'), "duplicate_key"),
    refused("a type, once null", identify('{"email":"a","email":null}'), "duplicate_key"),
    refused("a type, first null", identify('{"email":null,"email":"a"}'), "duplicate_key"),
    refused("a type, both null", identify('{"email":null,"email":null}'), "duplicate_key"),
    refused("a type, once escaped", identify(r'{"\u0065mail":"a","email":"b"}'), "duplicate_key"),
    refused("a type, twice escaped", identify(r'{"\u0065mail":"a","emai\u006c":"b"}'), "duplicate_key"),
    refused("a member, once escaped", identify(more=r'"\u0065nvironment":"development"'), "duplicate_key"),
    refused("identities, once escaped", identify(more=r'"known\u005fidentities":{"email":"b"}'), "duplicate_key"),
    refused("among many", identify('{"email":"a","other":"b","email":"a"}'), "duplicate_key"),
    refused(
        "two spellings",
        identify('{"facebookcustomaudienceid":"a","facebook_custom_audience_id":"b"}'),
        "identity_type_twice",
    ),
    accepted(
        "two spellings, one null", identify('{"facebookcustomaudienceid":"a","facebook_custom_audience_id":null}')
    ),
    accepted("a value that spells a key", identify('{"email":"email","other":"environment"}')),
    accepted("a value with a quoted key in it", value(r'"\"email\":"')),
    accepted("a passed-over member", identify(more='"x":1,"x":2')),
    accepted("a passed-over member beside an escape", identify(r'{"email":"\u0061"}', more='"x":1,"x":2')),
    accepted("inside a passed-over member", identify(more='"x":{"email":1,"email":2,"y":[{"z":1,"z":1}]}')),
    accepted(
        "inside a passed-over member beside an escape",
        identify(r'{"email":"\u0061"}', more='"x":{"email":1,"email":2}'),
    ),
]

TEXT = [
    accepted("256 characters", value(json.dumps("x" * 256))),
    refused("257 characters", value(json.dumps("x" * 257)), "invalid_identity"),
    accepted("256 characters of two bytes", value(f'"{"é" * 256}"')),
    refused("257 characters of two bytes", value(f'"{"é" * 257}"'), "invalid_identity"),
    accepted("256 astral characters", value(f'"{SMILE * 256}"')),
    refused("257 astral characters", value(f'"{SMILE * 257}"'), "invalid_identity"),
    accepted("256 astral characters, escaped", value(json.dumps(SMILE * 256))),
    refused("257 astral characters, escaped", value(json.dumps(SMILE * 257)), "invalid_identity"),
    accepted("128 letters with an accent put on", value(f'"{COMBINED * 128}"')),
    refused("129 letters with an accent put on", value(f'"{COMBINED * 129}"'), "invalid_identity"),
    accepted("51 families", value(f'"{FAMILY * 51}"')),
    refused("52 families", value(f'"{FAMILY * 52}"'), "invalid_identity"),
    refused("200,000 characters", value(json.dumps("x" * 200_000)), "invalid_identity"),
    refused("NUL, escaped", value(r'"a\u0000b"'), "invalid_identity"),
    refused("NUL, raw", value('"a\0b"'), "malformed_json"),
    accepted("control characters, escaped", value(r'"\u0001\u001f\u007f\b\f"')),
    accepted("noncharacters", value(r'"\uffff\ufffe\ufdd0"')),
    accepted("a pair of surrogates, escaped", value(r'"\ud83d\ude00"')),
    refused("a high surrogate alone", value(r'"\ud800"'), "malformed_json"),
    refused("a low surrogate alone", value(r'"\udc00"'), "malformed_json"),
    refused("surrogates the wrong way round", value(r'"\ude00\ud83d"'), "malformed_json"),
    refused("a surrogate alone as a key", identify(r'{"\ud800":"a"}'), "malformed_json"),
    refused("a surrogate alone, passed over", identify(more=r'"x":"\ud800"'), "malformed_json"),
    refused("a surrogate in UTF-8", value('"?"').encode().replace(b"?", b"\xed\xa0\x80"), "malformed_json"),
    refused("Latin-1", value('"é"').encode("latin-1"), "malformed_json"),
    refused("a stray byte", value('"?"').encode().replace(b"?", b"\xff"), "malformed_json"),
    refused("an overlong slash", value('"?"').encode().replace(b"?", b"\xc0\xaf"), "malformed_json"),
    refused("an overlong NUL", value('"?"').encode().replace(b"?", b"\xc0\x80"), "malformed_json"),
    refused("half a character", value('"?"').encode().replace(b"?", b"\xe2\x82"), "malformed_json"),
    refused("beyond Unicode", value('"?"').encode().replace(b"?", b"\xf4\x90\x80\x80"), "malformed_json"),
    refused("a stray byte in a key", identify('{"?":"a"}').encode().replace(b"?", b"\xff"), "malformed_json"),
    refused("a stray byte, passed over", identify(more='"x":"?"').encode().replace(b"?", b"\xff"), "malformed_json"),
    refused(
        "a stray byte, passed over, beside an escape",
        identify(r'{"email":"\u0061"}', more='"x":"?"').encode().replace(b"?", b"\xff"),
        "malformed_json",
    ),
    refused("a stray byte between members", identify().encode().replace(b",", b",\xff"), "malformed_json"),
]
