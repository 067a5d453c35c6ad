"""Sends one HTTP request to a destination, and says what came of it; nothing that the other side does is an exception.

Whoever sets an output up may do as an administrator, so any address may be called, also one of a private network. No redirect is
followed, no proxy or cookie of the surroundings is used, certificates are always checked.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

from knownas.core.delivery.message import Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, Trouble
from knownas.outputs.limits import (
    ANSWER_BYTES_MAX,
    CONNECT_SECONDS,
    CONNECTIONS_MAX,
    HEADER_CHARACTERS_MAX,
    IDLE_SECONDS,
    REQUEST_SECONDS,
    URL_CHARACTERS_MAX,
)
from knownas.outputs.refusing import Refusal, is_success, refusal, retry_after_seconds
from knownas.outputs.saying import said

_UNUSABLE: Final = "the address or a header can't be used"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `sent` are the messages in it, and `secrets` the texts, of which no word may show in what is kept of an answer.

    All headers but that of the content's type count as secrets anyway.
    """

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    sent: Sequence[Message] = ()
    secrets: tuple[str, ...] = ()
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. Header names are in lower case. `is_whole` is off if the body is longer than what is read of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


Refusing = Callable[[int, str, float | None], Refusal]
"""Says what a status other than 2xx means, from it, the text and the wait asked for: `refusing.refusal`, or a destination's own."""


class Poster:
    """Who sends for one output. One event loop, one of these."""

    def __init__(
        self, now_ms: Callable[[], int], refusing: Refusing = refusal, context: ssl.SSLContext | None = None
    ) -> None:
        """Take the time, what statuses mean, and whose certificates are trusted: None for those of the machine."""
        self._now_ms = now_ms
        self._refusing = refusing
        self._context = context
        self._client: httpx.AsyncClient | None = None

    async def post(self, request: Request) -> Answer | Refusal:
        """Send a request. Returns an answer only if its status is 2xx."""
        answer = await self.ask(request)
        if not isinstance(answer, Answer) or is_success(answer.status):
            return answer
        wait = retry_after_seconds(answer.headers.get("retry-after"), self._now_ms())
        return self._refusing(answer.status, words_of(answer, request), wait)

    async def close(self) -> None:
        """Close what is connected."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def ask(self, request: Request) -> Answer | NotNow | NotAtAll:
        """Send a request, and return what is answered, of whatever status: for destinations whose body or headers say what it means."""
        # What these errors say holds the address, so it is not told.
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._ask(request)
        except (httpx.ConnectTimeout, httpx.PoolTimeout):
            return NotNow(Trouble.NOT_REACHED, f"was not connected within {CONNECT_SECONDS:g} seconds")
        except (TimeoutError, httpx.TimeoutException):
            return NotNow(Trouble.TIMEOUT, f"did not answer within {REQUEST_SECONDS:g} seconds")
        except httpx.ConnectError as error:
            return NotNow(Trouble.NOT_REACHED, _unreached(error))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError):
            return NotAtAll(_UNUSABLE)
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return NotNow(Trouble.FAILED, "cut the answer off, or answered something that is not HTTP")

    async def _ask(self, request: Request) -> Answer:
        # An answer that is packed could be any size once unpacked, so none is asked for, and none unpacked.
        headers = {"Accept-Encoding": "identity", "User-Agent": "knownas", **request.headers}
        stream = self._opened().stream(request.method, request.url, content=request.body, headers=headers)
        async with stream as response:
            body, is_whole = bytearray(), True
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    is_whole = False
                    break
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, lower, bytes(body[:ANSWER_BYTES_MAX]), is_whole)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            for name in ("httpx", "httpcore"):
                # They log addresses and headers, which hold keys.
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context() if self._context is None else self._context,
                timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_SECONDS),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


def words_of(answer: Answer, request: Request) -> str:
    """Return what an answer says of an error, without anything that was sent; "" if nothing can be said."""
    names = {name.lower(): value for name, value in request.headers.items()}
    names.pop("content-type", None)
    return said(answer.body, request.sent, (*request.secrets, *names.values())) if answer.is_whole else ""


def address_faults(name: str, url: str, *, may_be_plain: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a setting that is a URL to send to: HTTPS, unless it may be plain or leads to this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        yield name, "it is no URL"
        return
    if len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        yield name, f"it must have at most {URL_CHARACTERS_MAX} characters, all of them ASCII and none a space"
    if parts.scheme not in {"http", "https"} or not host:
        yield name, "it must begin with https:// and name a host"
    elif parts.username is not None or parts.password is not None:
        yield name, "it must not hold a user or a password: they would be shown"
    elif parts.fragment:
        yield name, "it must not have a fragment (#…)"
    elif parts.scheme == "http" and not may_be_plain and not _is_here(host):
        yield name, "it must begin with https://, since anybody on the way could read what is sent otherwise"


def header_faults(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a setting that is sent as the value of a header."""
    if len(value) > HEADER_CHARACTERS_MAX or not value.isascii() or not value.isprintable() or value != value.strip():
        yield name, f"it must be at most {HEADER_CHARACTERS_MAX} printable ASCII characters, with no space around"


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unreached(error: BaseException) -> str:
    """Say why nothing was connected, without the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"showed a certificate that can't be trusted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return "was not reached"
