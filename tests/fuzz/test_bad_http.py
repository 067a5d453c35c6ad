"""Sends odd headers, odd paths and odd HTTP to a started server."""

import base64

import httpx
import pytest

from tests.fuzz.lines import LIMIT, identify, modify
from tests.fuzz.wire import BASIC, BODY, Connection, Raw, ask, ask_in_pieces, chunked, post
from tests.served import KEY, SECRET, TOKEN, WEB_KEY, Served

HEADERS_MAX = 64 * 1024
KEY_ONLY = b"x-mp-key: " + WEB_KEY.encode()
BEARER = b"Authorization: Bearer " + TOKEN.encode()
MINIMAL_HEADERS = len("Host" + "localhost" + "Authorization" + "Content-Length") + len(BASIC) + len(str(len(BODY)))


def _basic(credentials: bytes) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(credentials)


def _key(name: str, *headers: bytes, reason: str | None, status: int = 401) -> Raw:
    return Raw(name, post(b"/v1/identify", *headers, auth=None), status, reason)


CREDENTIALS = [
    _key("none", reason="no_credentials"),
    _key("a key", KEY_ONLY, reason=None, status=200),
    _key("a key with blanks around it", b"x-mp-key:   " + WEB_KEY.encode() + b"  ", reason=None, status=200),
    _key("a key in another header case", b"X-MP-KEY: " + WEB_KEY.encode(), reason=None, status=200),
    _key("a key in capitals", b"x-mp-key: " + WEB_KEY.upper().encode(), reason="unknown_key"),
    _key("an empty key", b"x-mp-key:", reason="unknown_key"),
    _key("two keys", KEY_ONLY, b"x-mp-key: other", reason="malformed_credentials"),
    _key("two keys the other way round", b"x-mp-key: other", KEY_ONLY, reason="malformed_credentials"),
    _key("the same key twice", KEY_ONLY, KEY_ONLY, reason="malformed_credentials"),
    _key("two keys in one header", KEY_ONLY + b", other", reason="unknown_key"),
    _key("a key that is no ASCII", b"x-mp-key: \xe9\xff\x80", reason="unknown_key"),
    _key("a key in UTF-8", "x-mp-key: schlüssel😀".encode(), reason="unknown_key"),
    _key("a key of 60,000 characters", b"x-mp-key: " + b"k" * 60_000, reason="unknown_key"),
    _key("a key that is signed for", b"x-mp-key: " + KEY.encode(), reason="key_only_not_allowed"),
    _key("a signature alone", b"x-mp-signature: " + b"0" * 64, reason="no_credentials"),
    _key("a signature without a date", KEY_ONLY, b"x-mp-signature: " + b"0" * 64, reason="signature_without_date"),
    _key("a signature of nothing", KEY_ONLY, b"Date: x", b"x-mp-signature:", reason="wrong_signature"),
    _key("a signature in Latin-1", KEY_ONLY, b"Date: x", b"x-mp-signature: \xff" * 1, reason="wrong_signature"),
    _key("a long signature", KEY_ONLY, b"Date: x", b"x-mp-signature: " + b"0" * 9_999, reason="wrong_signature"),
    _key(
        "two signatures",
        KEY_ONLY,
        b"Date: x",
        b"x-mp-signature: 0",
        b"x-mp-signature: 1",
        reason="malformed_credentials",
    ),
    _key("a signed unknown key", b"x-mp-key: who", b"Date: x", b"x-mp-signature: " + b"0" * 64, reason="unknown_key"),
    _key("Basic", BASIC, reason=None, status=200),
    _key("Basic in small letters", BASIC.replace(b"Basic", b"basic"), reason=None, status=200),
    _key("Basic with blanks", BASIC.replace(b"Basic ", b"Basic   "), reason=None, status=200),
    _key("Basic and a key", BASIC, KEY_ONLY, reason=None, status=200),
    _key("wrong Basic and a key", _basic(b"a:b"), KEY_ONLY, reason="unknown_key"),
    _key("Basic twice", BASIC, BASIC, reason="malformed_credentials"),
    _key("Basic alone", b"Authorization: Basic", reason="malformed_credentials"),
    _key("nothing", b"Authorization:", reason="malformed_credentials"),
    _key("Basic with garbage", b"Authorization: Basic !!!!", reason="malformed_credentials"),
    _key("Basic without padding", b"Authorization: Basic YTpiYw", reason="malformed_credentials"),
    _key("Basic in Latin-1", b"Authorization: Basic \xff\xfe", reason="malformed_credentials"),
    _key("Basic of what is no UTF-8", _basic(b"\xff\xfe:\xff"), reason="malformed_credentials"),
    _key("Basic without a colon", _basic(KEY.encode()), reason="malformed_credentials"),
    _key("Basic of a colon", _basic(b":"), reason="unknown_key"),
    _key("Basic with NUL", _basic(b"a\0:b"), reason="unknown_key"),
    _key("Basic with a wrong secret", _basic(KEY.encode() + b":no"), reason="wrong_secret"),
    _key("Basic with a secret in UTF-8", _basic(f"{KEY}:geheim😀".encode()), reason="wrong_secret"),
    _key("Basic with an empty secret", _basic(KEY.encode() + b":"), reason="wrong_secret"),
    _key("Basic with a secret of 40,000", _basic(KEY.encode() + b":" + b"s" * 40_000), reason="wrong_secret"),
    _key("Digest", b'Authorization: Digest username="a"', reason="malformed_credentials"),
    _key("Bearer", BEARER, reason="malformed_credentials"),
    Raw("a key in the query", post(b"/v1/identify?x-mp-key=" + WEB_KEY.encode(), auth=None), 401, "no_credentials"),
]


def _own(name: str, *headers: bytes, status: int, reason: str | None) -> Raw:
    request = post(b"/api/profiles/1", *headers, auth=None, method=b"GET", sized=False, body=b"")
    return Raw(name, request, status, reason)


ADMIN = [
    _own("a token", BEARER, status=404, reason="unknown_profile"),
    _own("a token, small letters", BEARER.replace(b"Bearer", b"bearer"), status=404, reason="unknown_profile"),
    _own("no token", status=401, reason="unauthorised"),
    _own("a wrong token", b"Authorization: Bearer no", status=401, reason="unauthorised"),
    _own("an empty token", b"Authorization: Bearer ", status=401, reason="unauthorised"),
    _own("a token alone", b"Authorization: " + TOKEN.encode(), status=401, reason="unauthorised"),
    _own("a token in Latin-1", b"Authorization: Bearer \xff\xe9", status=401, reason="unauthorised"),
    _own("a token and more", BEARER + b"x", status=401, reason="unauthorised"),
    _own("a token twice", BEARER, BEARER, status=401, reason="unauthorised"),
    _own("a token after another", b"Authorization: Bearer no", BEARER, status=401, reason="unauthorised"),
    _own("an input's credentials", BASIC, status=401, reason="unauthorised"),
    _own("an input's key", KEY_ONLY, status=401, reason="unauthorised"),
]

_ROOM = b"X-Padding: " + b"p" * (HEADERS_MAX - MINIMAL_HEADERS - len("X-Padding") + len("Authorization: "))
HEADERS = [
    Raw("as long as allowed", post(b"/v1/identify", _ROOM), 200, None),
    Raw("a byte too long", post(b"/v1/identify", _ROOM + b"p"), 431, "headers_too_long"),
    Raw("one of 64 KiB", post(b"/v1/identify", b"X-Long: " + b"x" * 65_536), 431, "headers_too_long"),
    Raw("one of 1 MB", post(b"/v1/identify", b"X-Long: " + b"x" * 1_000_000), 431, "headers_too_long"),
    Raw("one with a name of 64 KiB", post(b"/v1/identify", b"x" * 65_536 + b": x"), 431, "headers_too_long"),
    Raw("20,000", post(b"/v1/identify", *[b"X-%d: x" % n for n in range(20_000)]), 431, "headers_too_long"),
    Raw("long below /api", post(b"/api/profiles/1", b"X: " + b"x" * 65_536, auth=BEARER), 431, "headers_too_long"),
    Raw("long to nowhere", post(b"/nowhere", b"X: " + b"x" * 65_536), 431, "headers_too_long"),
    Raw("an empty one", post(b"/v1/identify", b"X-Empty:"), 200, None),
    Raw("Latin-1", post(b"/v1/identify", b"X-Odd: \xe9\xff\x80"), 200, None),
    Raw("NUL in one", post(b"/v1/identify", b"X-Odd: a\0b"), 400, None),
    Raw("a folded one", post(b"/v1/identify", b"X-Odd: a\r\n b"), 400, None),
    Raw("one without a colon", post(b"/v1/identify", b"X-Odd"), 400, None),
    Raw("one without a name", post(b"/v1/identify", b": x"), 400, None),
    Raw("a blank before the colon", post(b"/v1/identify", b"X-Odd : x"), 400, None),
    Raw("no Content-Type", post(), 200, None),
    Raw("another Content-Type", post(b"/v1/identify", b"Content-Type: text/plain;charset=UTF-8"), 200, None),
    Raw("Accept that we can't meet", post(b"/v1/identify", b"Accept: image/png"), 200, None),
]


def _path(name: str, path: bytes, status: int, reason: str | None, method: bytes = b"POST") -> Raw:
    return Raw(name, post(path, method=method), status, reason)


def _modified(path: bytes, status: int = 400, reason: str | None = "unknown_mpid") -> Raw:
    return Raw(f"modify {path.decode('latin-1')[:60]}", post(path, body=modify("[]").encode()), status, reason)


PATHS = [
    _path("as it is", b"/v1/identify", 200, None),
    _path("behind the prefix", b"/identity/v1/identify", 200, None),
    _path("with a query", b"/v1/identify?cb=1&x[]=%00&&;=", 200, None),
    _path("with an empty query", b"/v1/identify?", 200, None),
    _path("with a fragment", b"/v1/identify#part", 200, None),
    _path("with a host", b"http://elsewhere/v1/identify", 200, None),
    _path("percent-encoded", b"/%76%31/%69dentify", 200, None),
    _path("read_only that is no flag", b"/v1/identify?read_only=maybe", 400, "invalid_parameter"),
    _path("read_only twice, the last a flag", b"/v1/identify?read_only=maybe&read_only=false", 200, None),
    _path("read_only twice, the last none", b"/v1/identify?read_only=true&read_only=maybe", 400, "invalid_parameter"),
    _path("return_matches of NUL", b"/v1/identify?return_matches=%00", 400, "invalid_parameter"),
    _path("return_matches of what is no UTF-8", b"/v1/identify?return_matches=%FF", 400, "invalid_parameter"),
    _path("read_only of 60,000 characters", b"/v1/identify?read_only=" + b"1" * 60_000, 400, "invalid_parameter"),
    _path("a slash too many at the end", b"/v1/identify/", 404, "unknown_path"),
    _path("a slash too many at the start", b"//v1/identify", 404, "unknown_path"),
    _path("a slash too many inside", b"/v1//identify", 404, "unknown_path"),
    _path("a slash encoded", b"/v1%2Fidentify", 200, None),
    _path("dots", b"/v1/../v1/identify", 404, "unknown_path"),
    _path("dots encoded", b"/v1/%2e%2e/v1/identify", 404, "unknown_path"),
    _path("capitals", b"/V1/Identify", 404, "unknown_path"),
    _path("a semicolon", b"/v1/identify;a=b", 404, "unknown_path"),
    _path("a blank at the end", b"/v1/identify%20", 404, "unknown_path"),
    _path("NUL at the end", b"/v1/identify%00", 404, "unknown_path"),
    _path("the prefix twice", b"/identity/identity/v1/identify", 404, "unknown_path"),
    _path("the prefix alone", b"/identity", 404, "unknown_path"),
    _path("another version", b"/v2/identify", 404, "unknown_path"),
    _path("an unknown endpoint", b"/v1/merge", 404, "unknown_path"),
    _path("a path of 60,000 characters", b"/v1/" + b"i" * 60_000, 404, "unknown_path"),
    _path("a path of 70,000 characters", b"/v1/" + b"i" * 70_000, 400, None),
    _path("no ASCII", b"/v1/\xff", 400, None),
    _path("no ASCII, encoded", b"/v1/%FF", 404, "unknown_path"),
    _path("half an escape", b"/v1/identify%", 404, "unknown_path"),
    _path("a control character", b"/v1/iden\x01tify", 400, None),
    _path("no slash", b"v1/identify", 400, None),
    _path("GET", b"/v1/identify", 405, "method_not_allowed", b"GET"),
    _path("PUT", b"/v1/identify", 405, "method_not_allowed", b"PUT"),
    _path("DELETE of a modify", b"/v1/1/modify", 405, "method_not_allowed", b"DELETE"),
    _path("TRACE", b"/v1/identify", 405, "method_not_allowed", b"TRACE"),
    _path("an unheard-of method", b"/v1/identify", 400, None, b"IDENTIFY"),
    _path("a method in small letters", b"/v1/identify", 400, None, b"post"),
    _path("CONNECT", b"localhost:80", 400, None, b"CONNECT"),
    _path("OPTIONS of everything", b"*", 404, "unknown_path", b"OPTIONS"),
    _path("POST to the root", b"/", 405, "method_not_allowed"),
    _path("POST to the health", b"/healthz", 405, "method_not_allowed"),
    _path("health with a slash", b"/healthz/", 404, "unknown_path", b"GET"),
    _path("DELETE of a profile", b"/api/profiles/1", 405, "method_not_allowed", b"DELETE"),
    _path("a profile with a slash", b"/api/profiles/1/", 404, "unknown_path", b"GET"),
    _path("a document with a slash", b"/api/openapi.json/", 404, "unknown_path", b"GET"),
    _modified(b"/v1/1/modify"),
    _modified(b"/identity/v1/1/modify"),
    _modified(b"/v1/0/modify"),
    _modified(b"/v1/-0/modify"),
    _modified(b"/v1/00/modify"),
    _modified(b"/v1/9223372036854775807/modify"),
    _modified(b"/v1/-9223372036854775808/modify"),
    _modified(b"/v1/9223372036854775808/modify"),
    _modified(b"/v1/-9223372036854775809/modify"),
    _modified(b"/v1/" + b"9" * 5_000 + b"/modify"),
    _modified(b"/v1/" + b"0" * 5_000 + b"1/modify"),
    _modified(b"/v1/%31/modify"),
    _modified(b"/v1/+1/modify"),
    _modified(b"/v1/1e5/modify"),
    _modified(b"/v1/0x1/modify"),
    _modified(b"/v1/1.0/modify"),
    _modified(b"/v1/%D9%A1/modify"),
    _modified(b"/v1/%FF/modify"),
    _modified(b"/v1/%00/modify"),
    _modified(b"/v1/%20/modify"),
    _modified(b"/v1/null/modify"),
    _modified(b"/v1/'%20OR%201=1/modify"),
    _modified(b"/v1//modify", 404, "unknown_path"),
    _modified(b"/v1/1%2F2/modify", 404, "unknown_path"),
    _modified(b"/v1/1/modify/", 404, "unknown_path"),
    _modified(b"/v1/modify", 404, "unknown_path"),
]


def _shown(path: bytes, status: int, reason: str | None) -> Raw:
    request = post(path, auth=BEARER, method=b"GET", sized=False, body=b"")
    return Raw(f"GET {path.decode('latin-1')[:60]}", request, status, reason)


OWN_PATHS = [
    *(
        _shown(b"/api/profiles/" + mpid, 400, "malformed_mpid")
        for mpid in (
            b"0",
            b"-0",
            b"x",
            b"+1",
            b"1.0",
            b"1e5",
            b"9223372036854775808",
            b"%00",
            b"%FF",
            b"%D9%A1",
            b"9" * 5_000,
        )
    ),
    _shown(b"/api/profiles/-9223372036854775808", 404, "unknown_profile"),
    _shown(b"/api/profiles/9223372036854775807/history", 404, "unknown_profile"),
    _shown(b"/api/profiles/1%2F2", 404, "unknown_path"),
    _shown(b"/api/profiles/", 404, "unknown_path"),
    _shown(b"/api/profiles//history", 404, "unknown_path"),
    *(
        _shown(b"/api/profiles/1/history?limit=" + limit, 400, "invalid_limit")
        for limit in (b"", b"0", b"-1", b"1001", b"+1", b"1.0", b"1e2", b"x", b"%D9%A1", b"%00", b"9" * 5_000)
    ),
    _shown(b"/api/profiles/1/history?limit=1000", 404, "unknown_profile"),
    *(
        _shown(b"/api/profiles/1/history?next=" + cursor, 400, "malformed_next")
        for cursor in (
            b"",
            b"x",
            b"AAAAAAAAAAA=",
            b"AAAAAAAAAAB",
            b"gAAAAAAAAAA",
            b"%00",
            b"%FF",
            b"A" * 5_000,
            b"AAAAA+AAAAA",
        )
    ),
    _shown(b"/api/profiles/1/history?next=AAAAAAAAAAA", 404, "unknown_profile"),
    _shown(b"/api/profiles/1/history?next=f_________8", 404, "unknown_profile"),
    *(
        _shown(b"/api/decisions/" + decision, 400, "malformed_decision_id")
        for decision in (
            b"0",
            b"0" * 31,
            b"0" * 33,
            b"A" * 32,
            b"g" * 32,
            b"%D9%A1" * 32,
            b"0" * 31 + b"%00",
            b"x" * 5_000,
        )
    ),
    _shown(b"/api/decisions/" + b"0" * 32, 404, "unknown_decision"),
    _shown(b"/api/decisions", 404, "unknown_path"),
    _shown(b"/api", 404, "unknown_path"),
]

_CHUNKED = b"Transfer-Encoding: chunked"


def _sent(name: str, *headers: bytes, body: bytes, status: int = 200, reason: str | None = None) -> Raw:
    return Raw(name, post(b"/v1/identify", *headers, body=body, sized=False), status, reason)


TRANSPORT = [
    Raw("HTTP/1.0", post(version=b"HTTP/1.0"), 200, None),
    Raw("HTTP/1.0 to be kept alive", post(b"/v1/identify", b"Connection: keep-alive", version=b"HTTP/1.0"), 200, None),
    Raw("HTTP/1.0 without Host", post(version=b"HTTP/1.0").replace(b"Host: localhost\r\n", b""), 200, None),
    Raw("a version that is none", post(version=b"HTTP/x"), 400, None),
    Raw("no version", post(version=b""), 400, None),
    Raw("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, 400, None),
    Raw("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, None),
    _sent("one chunk", _CHUNKED, body=chunked(BODY)),
    _sent("chunks of a byte", _CHUNKED, body=chunked(*[bytes([byte]) for byte in BODY])),
    _sent("a chunk with an extension", _CHUNKED, body=b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    _sent("a trailer", _CHUNKED, body=chunked(BODY)[:-2] + b"X-Trailer: x\r\n\r\n"),
    _sent(
        "chunks too long in all",
        _CHUNKED,
        body=chunked(b" " * 200_000, b" " * 200_000),
        status=413,
        reason="body_too_long",
    ),
    _sent("no chunk", _CHUNKED, body=b"0\r\n\r\n", status=400, reason="malformed_json"),
    _sent("a chunk without a size", _CHUNKED, body=b"zz\r\nabc\r\n", status=400, reason=None),
    _sent("a chunk of a negative size", _CHUNKED, body=b"-1\r\nabc\r\n", status=400, reason=None),
    _sent("a chunk of a size beyond 64 bits", _CHUNKED, body=b"f" * 20 + b"\r\nabc\r\n", status=400, reason=None),
    _sent("chunks and a length", _CHUNKED, b"Content-Length: 5", body=chunked(BODY), status=400, reason=None),
    _sent("a length and chunks", b"Content-Length: 5", _CHUNKED, body=chunked(BODY), status=400, reason=None),
    _sent("an encoding that is none", b"Transfer-Encoding: xchunked", body=chunked(BODY), status=400, reason=None),
    _sent("two lengths", b"Content-Length: 5", b"Content-Length: 6", body=BODY, status=400, reason=None),
    _sent("the same length twice", b"Content-Length: 5", b"Content-Length: 5", body=BODY, status=400, reason=None),
    _sent("a negative length", b"Content-Length: -5", body=BODY, status=400, reason=None),
    _sent("a length with a sign", b"Content-Length: +5", body=BODY, status=400, reason=None),
    _sent("a length that is none", b"Content-Length: five", body=BODY, status=400, reason=None),
    _sent("a length beyond 64 bits", b"Content-Length: " + b"9" * 23, body=BODY, status=400, reason=None),
    _sent("a length beyond the limit", b"Content-Length: 9999999999", body=BODY, status=413, reason="body_too_long"),
    _sent("no length", body=b"", status=400, reason="malformed_json"),
    _sent("Expect", b"Expect: 100-continue", b"Content-Length: %d" % len(BODY), body=BODY),
]
TABLES = {
    "credentials": CREDENTIALS,
    "admin": ADMIN,
    "headers": HEADERS,
    "paths": PATHS,
    "own paths": OWN_PATHS,
    "transport": TRANSPORT,
}
LINES = [pytest.param(line, id=f"{table}: {line.name}") for table, lines in TABLES.items() for line in lines]


@pytest.mark.parametrize("line", LINES)
def test_each_request_has_its_answer(line: Raw, server: Served) -> None:
    """Each request of the tables is answered with the status and reason that stand beside it."""
    reply = ask(server, line.request)
    assert (reply.status, reply.reason) == (line.status, line.reason), reply
    if line.status == 400 and line.reason is None:
        assert reply.headers["content-type"].startswith("text/plain")


def test_no_line_stands_twice() -> None:
    """Two lines of a table never have the same name, so that a failure names one."""
    assert [table for table, lines in TABLES.items() if len({line.name for line in lines}) < len(lines)] == []


def test_requests_may_follow_each_other_unasked(server: Served) -> None:
    """Pipelined requests are answered in their order, good and bad ones mixed."""
    wanted = [200, 400, 401, 404, 405, 200, 413, 200]
    requests = [
        post(),
        post(body=b"{"),
        post(auth=None),
        post(b"/nowhere"),
        post(method=b"GET"),
        post(b"/identity/v1/identify"),
        post(body=b" " * (LIMIT + 1)),
        post(body=identify('{"email":"b"}').encode()),
    ]
    with Connection(server) as connection:
        connection.send(b"".join(requests))
        assert [connection.reply().status for _ in requests] == wanted


def test_a_refusal_leaves_the_connection_in_step(server: Served) -> None:
    """After any request that could be read to its end, the next one on the same connection is answered as usual."""
    with Connection(server) as connection:
        for request in (post(body=b"{"), post(auth=None), post(body=b" " * (LIMIT * 4)), post(b"/api/profiles/1")):
            connection.send(request)
            assert connection.reply().status >= 400
            connection.send(post())
            assert connection.reply().status == 200


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_request_may_come_in_pieces(size: int, server: Served) -> None:
    """Wherever the network cuts a request, its answer is the same."""
    request = post()
    reply = ask_in_pieces(server, [request[start : start + size] for start in range(0, len(request), size)])
    assert (reply.status, reply.reason) == (200, None)


def test_a_request_that_stops_half_way_changes_nothing(server: Served) -> None:
    """A client that goes away before its body is whole has asked for nothing."""
    body = identify('{"email":"half-way@example.com"}').encode()
    for length in (len(body) + 1, LIMIT):
        with Connection(server) as connection:
            connection.send(post(body=body, sized=False, auth=BASIC + b"\r\nContent-Length: %d" % length))
            connection.finish()
    with httpx.Client(base_url=server.url, auth=(KEY, SECRET)) as client:
        assert client.post("/v1/search", content=body).status_code == 404


def test_head_is_answered_like_get_without_a_body(server: Served) -> None:
    """HEAD tells the length of what GET would answer, and the connection goes on."""
    with Connection(server) as connection:
        for path in (b"/", b"/healthz", b"/readyz", b"/api/openapi.json"):
            connection.send(post(path, method=b"HEAD", sized=False, body=b""))
            head = connection.reply(bodiless=True)
            connection.send(post(path, method=b"GET", sized=False, body=b""))
            got = connection.reply()
            assert (head.status, got.status) == (200, 200)
            assert head.headers["content-length"] == str(len(got.body))


def test_http_1_0_closes_the_connection(server: Served) -> None:
    """A client of HTTP/1.0 reads to the end of the connection, and so there is one."""
    with Connection(server) as connection:
        connection.send(post(version=b"HTTP/1.0"))
        assert connection.reply().status == 200
        assert connection.closed()


def test_what_is_not_http_ends_the_connection(server: Served) -> None:
    """After bytes that can't be understood nothing that follows is taken for a request."""
    with Connection(server) as connection:
        connection.send(post(b"/v1/identify", b"X-Odd : x") + post())
        assert connection.reply().status == 400
        assert connection.closed()
