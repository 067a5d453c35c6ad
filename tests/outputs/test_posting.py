"""Promises about requests to destinations: everything that a server can do to us has an outcome."""

import logging
import ssl
from collections.abc import Callable

import pytest
import trustme

from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Trouble
from knownas.outputs import posting
from knownas.outputs.limits import ANSWER_BYTES_MAX
from knownas.outputs.posting import Answer, Poster, Request, address_faults, header_faults
from tests.outputs.messages import NOW_MS, membership
from tests.outputs.receiving import (
    HANGING,
    HANGING_UP,
    Answering,
    Behaviour,
    Receiving,
    Saying,
    answering,
    receiving,
)


async def _posted(behaviour: Behaviour, url: Callable[[Receiving], str] | None = None) -> object:
    poster = Poster(lambda: NOW_MS)
    async with receiving(behaviour) as server:
        address = f"{server.url}/in?key=secret-in-the-url" if url is None else url(server)
        request = Request(address, b"{}", {"Content-Type": "application/json", "Authorization": "Token t0psecret"})
        try:
            return await poster.post(request)
        finally:
            await poster.close()


@pytest.fixture
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "REQUEST_SECONDS", 0.2)


async def test_answer_of_success_is_handed_back() -> None:
    """An answer of 2xx comes back with its body and its headers."""
    answer = await _posted(Answering(202, b"taken", {"X-Seen": "yes"}))
    assert answer == Answer(202, {"content-length": "5", "x-seen": "yes"}, b"taken", is_whole=True)


async def test_request_is_sent_as_it_is_given() -> None:
    """Method, path, body and headers arrive as given, and no answer is asked for that would have to be unpacked."""
    poster = Poster(lambda: NOW_MS)
    async with receiving(answering()) as server:
        request = Request(f"{server.url}/a/b?c=d", b"\x00body", {"X-One": "1"}, method="PUT")
        await poster.post(request)
        await poster.close()
        host = server.url.removeprefix("http://")
    [received] = server.requests
    assert (received.method, received.target, received.body) == ("PUT", "/a/b?c=d", b"\x00body")
    assert received.headers == {
        "host": host,
        "accept": "*/*",
        "connection": "keep-alive",
        "accept-encoding": "identity",
        "user-agent": "knownas",
        "x-one": "1",
        "content-length": "5",
    }


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_busy_destination_is_asked_again(status: int) -> None:
    """Whoever can't now is asked again, after the time that was named."""
    outcome = await _posted(answering(status, Retry_After="7"))
    assert isinstance(outcome, NotNow)
    assert (outcome.trouble, outcome.wait_seconds) == (Trouble.BUSY, 7.0)


@pytest.mark.parametrize("status", [500, 501, 502, 504, 599])
async def test_failing_destination_is_asked_again(status: int) -> None:
    """A fault of the other side is no fault of the messages."""
    outcome = await _posted(answering(status))
    assert isinstance(outcome, NotNow)
    assert (outcome.trouble, outcome.wait_seconds) == (Trouble.FAILED, None)


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_refused_content_is_not_sent_again(status: int) -> None:
    """Messages that are refused for what they are would be refused again."""
    outcome = await _posted(answering(status, {"message": "No such field: colour"}))
    assert isinstance(outcome, NotThis)
    assert outcome.detail.startswith(f"answered {status} ")
    assert outcome.detail.endswith(": No such field: colour")


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 410, 411, 415, 418, 451, 499])
async def test_refused_sender_stops(status: int) -> None:
    """Where nothing would be taken, or nobody knows why, messages are kept and the output stops."""
    assert isinstance(await _posted(answering(status)), NotAtAll)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
async def test_redirect_is_not_followed(status: int) -> None:
    """An output sends to the address that was set, and to no other."""
    async with receiving(otherwise=answering()) as elsewhere:
        assert isinstance(await _posted(answering(status, Location=elsewhere.url)), NotAtAll)
    assert elsewhere.requests == []


@pytest.mark.usefixtures("short_of_time")
@pytest.mark.parametrize("behaviour", [HANGING, Answering(200, b"late", cut_after=2, hangs=True)], ids=["all", "end"])
async def test_hanging_answer_ends_in_time(behaviour: Behaviour) -> None:
    """Nobody waits longer than the limit, whether for the first byte or for the last."""
    outcome = await _posted(behaviour)
    assert isinstance(outcome, NotNow)
    assert outcome.trouble is Trouble.TIMEOUT


@pytest.mark.usefixtures("short_of_time")
async def test_answer_that_trickles_ends_in_time() -> None:
    """Nobody is kept by an answer that comes byte by byte, each of them in time."""
    outcome = await _posted(Answering(200, b"x" * 1_000, pause_seconds=0.02))
    assert isinstance(outcome, NotNow)
    assert outcome.trouble is Trouble.TIMEOUT


CUT = Answering(200, b'{"type": "x"}', cut_after=4)
GARBAGE = [
    HANGING_UP,
    CUT,
    Saying(b"SSH-2.0-OpenSSH\r\n\r\n"),
    Saying(b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n"),
]
CHUNKED = Saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")


@pytest.mark.parametrize("behaviour", [*GARBAGE, CHUNKED], ids=["up", "cut", "ssh", "length", "chunk"])
async def test_cut_off_answer_is_no_success(behaviour: Behaviour) -> None:
    """An answer that is cut off, or no HTTP, is asked for again: nothing is known to have been taken."""
    outcome = await _posted(behaviour)
    assert isinstance(outcome, NotNow)
    assert outcome.trouble is Trouble.FAILED


async def test_nobody_there_is_asked_again() -> None:
    """A port on which nobody listens is tried again."""
    async with receiving() as gone:
        url = gone.url
    outcome = await _posted(answering(), lambda _: url)
    assert outcome == NotNow(Trouble.NOT_REACHED, "was not reached")


async def test_long_answer_is_read_up_to_the_limit() -> None:
    """No destination fills this server's memory: of a long answer the beginning is read."""
    answer = await _posted(Answering(200, b"x" * (ANSWER_BYTES_MAX + 1)))
    assert isinstance(answer, Answer)
    assert (len(answer.body), answer.is_whole) == (ANSWER_BYTES_MAX, False)


@pytest.mark.parametrize("url", ["", "ftp://a.example/", "http://", "http://[::1", "http://\udcff/"])
async def test_unusable_address_stops(url: str) -> None:
    """An address that is none stops the output, whatever let it be set."""
    assert isinstance(await _posted(answering(), lambda _: url), NotAtAll)


async def test_unusable_header_stops() -> None:
    """A header that can't be sent stops the output, and is not told."""
    poster = Poster(lambda: NOW_MS)
    async with receiving() as server:
        outcome = await poster.post(Request(server.url, headers={"Authorization": "Token a\r\nHost: b"}))
    await poster.close()
    assert outcome == NotAtAll("the address or a header can't be used")


async def test_certificate_is_checked() -> None:
    """A server with a certificate of nobody we trust gets nothing; with one that is trusted it does."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    async with receiving(otherwise=answering(), context=serving) as server:
        doubting, trustful = Poster(lambda: NOW_MS), Poster(lambda: NOW_MS, context=trusting)
        outcome = await doubting.post(Request(server.url))
        assert server.requests == []
        assert isinstance(await trustful.post(Request(server.url)), Answer)
        await doubting.close()
        await trustful.close()
    assert isinstance(outcome, NotNow)
    assert outcome.trouble is Trouble.NOT_REACHED
    assert "certificate" in outcome.detail


async def test_cookie_is_not_sent_back() -> None:
    """Nothing that a destination sets is kept from one request to the next."""
    poster = Poster(lambda: NOW_MS)
    async with receiving(otherwise=answering(200, Set_Cookie="id=1")) as server:
        await poster.post(Request(server.url))
        await poster.post(Request(server.url))
        await poster.close()
    assert [one.headers.get("cookie") for one in server.requests] == [None, None]


async def test_proxy_of_the_surroundings_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of proxies does not lead messages elsewhere."""
    async with receiving(otherwise=answering()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert isinstance(await _posted(answering()), Answer)
    assert proxy.requests == []


async def test_refusal_repeats_nothing_that_was_sent() -> None:
    """Keys and values that a destination repeats are not in what is kept of its answer."""
    told = {"error": "Token t0psecret with secret-7 may not send ada@example.com"}
    poster = Poster(lambda: NOW_MS)
    async with receiving(answering(403, told)) as server:
        headers = {"Authorization": "Token t0psecret"}
        request = Request(server.url, b"", headers, (membership(),), ("secret-7",))
        outcome = await poster.post(request)
        await poster.close()
    assert outcome == NotAtAll("answered 403 Forbidden: … with … may not send …")


async def test_nothing_of_an_address_or_header_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the level of the log, keys in addresses and headers are not in it."""
    with caplog.at_level(logging.DEBUG):
        await _posted(answering(401))
        await _posted(HANGING_UP)
    assert "t0psecret" not in caplog.text
    assert "secret-in-the-url" not in caplog.text


FAULTLESS = [
    "https://a.example/in?x=1",
    "https://10.0.0.7:8443",
    "http://localhost:8080/",
    "http://[::1]/",
    "http://127.0.0.9",
]
FAULTY = ["", "a.example", "ftp://a.example", "https://", "https://a.example/ b", "https://ü.example", "https://a:b@c.example",
          "https://a.example/#x", "http://a.example", "https://a.example:99999", "https://a.example/" + "x" * 2048]  # fmt: skip


@pytest.mark.parametrize("url", FAULTLESS)
def test_usable_address_has_no_fault(url: str) -> None:
    """HTTPS may lead anywhere, plain HTTP to this machine."""
    assert list(address_faults("url", url)) == []


@pytest.mark.parametrize("url", FAULTY, ids=range(len(FAULTY)))
def test_unusable_address_has_a_fault(url: str) -> None:
    """What is wrong with an address is said when it is set."""
    [(name, sentence)] = list(address_faults("url", url))
    assert (name, bool(sentence)) == ("url", True)


def test_plain_address_can_be_allowed() -> None:
    """Somebody who says so may send by plain HTTP in a network of one's own."""
    assert list(address_faults("url", "http://inside.example", may_be_plain=True)) == []


@pytest.mark.parametrize(("value", "is_fine"), [("Token a", True), (" a", False), ("a\nb", False), ("ü", False)])
def test_header_is_printable(value: str, is_fine: bool) -> None:  # noqa: FBT001 - a case of the table
    """A value that could end its header can't be set."""
    assert (list(header_faults("token", value)) == []) is is_fine
