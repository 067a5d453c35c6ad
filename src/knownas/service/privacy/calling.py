"""Calls the addresses that controllers have given, and nothing that these could only reach through this server.

Whoever has a workspace's key may name any URL. So that nobody can send this server to what stands behind its firewall, it
calls public addresses only, by HTTPS, unless the configuration names origins: then these and no others. The address of a
host is looked up once for each call, held against the rule, and is the one that is called.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from knownas.config.values import PrivacySettings
from knownas.service.privacy.limits import ADDRESSES_TRIED_MAX, CALL_SECONDS, CONNECT_SECONDS

Address = IPv4Address | IPv6Address

_PORTS: Final = {"http": 80, "https": 443}
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""Addresses of IPv6 that lead to one of IPv4: the last four bytes."""

_GIVEN_OUT: Final = IPv6Network("2000::/3")
"""All addresses of IPv6 that hosts of the public network have. What lies outside is not given out, or leads somewhere inside: old forms
of addresses of IPv4, those of a site, those of a translator of one's own, those that steer packets."""

_SPECIAL: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))
"""Networks for protocols, for a relay that is given up, and for documentation, which not every release of Python knows for that."""


class CallFailed(Exception):
    """Nobody was told. The message is a stable word, and holds nothing of the URL."""


class Origin(NamedTuple):
    """Where a URL leads: scheme, host and port."""

    scheme: str
    host: str
    port: int


class Calling:
    """Who calls for a server. One event loop, one of these."""

    def __init__(self, settings: PrivacySettings) -> None:
        self._origins = None if settings.callbacks is None else frozenset(map(_origin_of, settings.callbacks))
        self._may_be_here = settings.is_tried_only
        self._client: httpx.AsyncClient | None = None

    def allows(self, url: str) -> bool:
        """Whether a URL may be called, as far as it shows without looking its host up."""
        origin = _origin_of(url)
        if origin is None:
            return False
        if self._origins is not None:
            return origin in self._origins
        literal = _literal(origin.host)
        if literal is not None:
            return self._is_allowed(origin, literal)
        return origin.scheme == "https" or (self._may_be_here and origin.host == "localhost")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body, and return when it was accepted with a status of 2xx.

        Nothing of the answer but its status is looked at, and no redirect is followed.

        Raises:
            CallFailed: it may not be called, was not reached in time, or has answered something else.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                status = await self._post(url, body, headers)
        except TimeoutError:
            raise CallFailed("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            # What these say holds the URL.
            raise CallFailed("not_reached") from None
        if not httpx.codes.is_success(status):
            raise CallFailed(f"status_{status}")

    async def close(self) -> None:
        """Close what is connected."""
        if self._client is not None:
            await self._client.aclose()

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Call the first address of the host that is reached. Returns the status of the answer."""
        origin = _origin_of(url)
        if origin is None or not self.allows(url):
            raise CallFailed("not_allowed")
        client, sent = self._opened(), {**headers, "Content-Type": "application/json", "Host": urlsplit(url).netloc}
        for host in await self._hosts(origin):
            # The host is the one that was looked at, however else the URL can be read.
            called = httpx.URL(url).copy_with(scheme=origin.scheme, host=host, port=origin.port)
            named = {"sni_hostname": origin.host}
            request = client.build_request("POST", called, content=body, headers=sent, extensions=named)
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                response = await client.send(request, stream=True)
                await response.aclose()
                return response.status_code
        raise CallFailed("not_reached")

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            # It logs each URL that it asks; these can tell who somebody is.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(),
                timeout=httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    async def _hosts(self, origin: Origin) -> Sequence[str]:
        """Return what to connect to; none of a host's addresses may be one that is not allowed."""
        if self._origins is not None:
            return [origin.host]
        literal = _literal(origin.host)
        addresses = [literal] if literal is not None else await _looked_up(origin)
        if not addresses or not all(self._is_allowed(origin, one) for one in addresses):
            raise CallFailed("not_allowed")
        return [str(one) for one in addresses[:ADDRESSES_TRIED_MAX]]

    def _is_allowed(self, origin: Origin, address: Address) -> bool:
        if self._may_be_here and address.is_loopback:
            return True
        return origin.scheme == "https" and is_public(address)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public network, and does not lead to another one that is not."""
    if isinstance(address, IPv6Address):
        inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _TRANSLATED:
            inside.append(IPv4Address(int(address) & 0xFFFF_FFFF))
        if not all(is_public(one) for one in inside if one is not None):
            return False
        if address.ipv4_mapped is not None or address in _TRANSLATED:
            return True
        if address not in _GIVEN_OUT:
            return False
    return address.is_global and not address.is_multicast and not any(address in one for one in _SPECIAL)


async def _looked_up(origin: Origin) -> list[Address]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(one[4][0]).partition("%")[0]) for one in found))


def _origin_of(url: str) -> Origin | None:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        return None
    return Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


def _literal(host: str) -> Address | None:
    """Return the address that a host is written as; None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
