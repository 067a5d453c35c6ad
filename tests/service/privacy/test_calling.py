"""Only who may be called is called, whatever a controller writes, and whatever a name leads to."""

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import httpx
import pytest

from knownas.config.values import PrivacySettings
from knownas.service.privacy import calling as module
from knownas.service.privacy.calling import CallFailed, Calling, is_public
from tests.service.receiver import Receiver

TRIED = PrivacySettings()
OWNED = PrivacySettings(domain="privacy.example.com")


@pytest.mark.parametrize(
    ("settings", "url", "allowed"),
    [
        (OWNED, "https://controller.example/told", True),
        (OWNED, "https://controller.example:8443/told?x=1", True),
        (OWNED, "http://controller.example/told", False),
        (OWNED, "https://8.8.8.8/", True),
        (OWNED, "https://10.0.0.1/", False),
        (OWNED, "https://127.0.0.1/", False),
        (OWNED, "https://[::1]/", False),
        (OWNED, "https://[::ffff:10.0.0.1]/", False),
        (OWNED, "https://[64:ff9b::a00:1]/", False),
        (OWNED, "https://169.254.169.254/latest", False),
        (OWNED, "http://localhost/", False),
        (OWNED, "ftp://controller.example/", False),
        (OWNED, "https://user@controller.example/", False),
        (OWNED, "https://controller.example:99999/", False),
        (OWNED, "https:///told", False),
        (TRIED, "http://127.0.0.1:9/", True),
        (TRIED, "http://localhost:9/", True),
        (TRIED, "http://[::1]:9/", True),
        (TRIED, "http://10.0.0.1/", False),
        (TRIED, "http://controller.example/", False),
        (PrivacySettings(callbacks=("http://10.0.0.1:9000",)), "http://10.0.0.1:9000/told", True),
        (PrivacySettings(callbacks=("http://10.0.0.1:9000",)), "http://10.0.0.1:9001/told", False),
        (PrivacySettings(callbacks=("http://10.0.0.1:9000",)), "https://controller.example/", False),
        (PrivacySettings(callbacks=("https://controller.example",)), "https://controller.example:443/x", True),
        (PrivacySettings(callbacks=("https://controller.example",)), "https://CONTROLLER.example./x", True),
        (PrivacySettings(callbacks=("https://controller.example",)), "http://controller.example/x", False),
        (PrivacySettings(callbacks=()), "http://127.0.0.1:9/", False),
    ],
)
def test_what_may_be_called_shows_in_its_url(settings: PrivacySettings, url: str, allowed: bool) -> None:  # noqa: FBT001 - a case
    """Public addresses by HTTPS; this machine while a server is tried; the listed origins and no others if there is a list."""
    assert Calling(settings).allows(url) is allowed


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - a case
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::a00:1", False),
        ("::10.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("fec0::1", False),
        ("5f00::1", False),
        ("2001:0:a00:1::", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("192.0.0.192", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
    ],
)
def test_an_address_is_public_however_it_is_written(address: str, public: bool) -> None:  # noqa: FBT001 - a case
    """What leads to a private one counts as that."""
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["8.8.8.8", "127.0.0.1"], ["::1"], []])
async def test_a_name_that_leads_inside_is_not_called(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if only one of its addresses is of a private network."""
    calls: list[Any] = []

    async def looked_up(_origin: object) -> list[Any]:
        return [ip_address(one) for one in addresses]

    async def send(*_given: object, **_named: object) -> None:
        calls.append(1)

    monkeypatch.setattr(module, "_looked_up", looked_up)
    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    calling = Calling(OWNED)
    with pytest.raises(CallFailed, match="not_allowed"):
        await calling.post("https://controller.example/", b"{}", {})
    assert calls == []
    await calling.close()


async def test_the_address_that_was_looked_at_is_the_one_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads elsewhere the next moment does not help: it is looked up once."""
    sent: list[httpx.Request] = []

    async def looked_up(_origin: object) -> list[Any]:
        return [ip_address("8.8.8.8")]

    async def send(_client: object, request: httpx.Request, **_named: object) -> httpx.Response:
        sent.append(request)
        return httpx.Response(202)

    monkeypatch.setattr(module, "_looked_up", looked_up)
    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    calling = Calling(OWNED)
    await calling.post("https://controller.example:8443/told?x=1", b"{}", {"X-A": "b"})
    (request,) = sent
    assert str(request.url) == "https://8.8.8.8:8443/told?x=1"
    assert request.headers["host"] == "controller.example:8443"
    assert request.extensions["sni_hostname"] == "controller.example"
    await calling.close()


async def test_every_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not reached does not keep the next from being called."""

    async def looked_up(_origin: object) -> list[Any]:
        return [ip_address("::1"), ip_address("127.0.0.1")]

    monkeypatch.setattr(module, "_looked_up", looked_up)
    calling = Calling(TRIED)
    with Receiver(host="localhost") as receiver:
        await calling.post(receiver.url, b"{}", {})
        assert len(receiver.received) == 1
    await calling.close()


async def test_a_real_name_is_looked_up() -> None:
    """Such as localhost, which leads to this machine."""
    found = await module._looked_up(module.Origin("http", "localhost", 9))
    assert found
    assert all(one.is_loopback for one in found)
    assert socket.has_ipv6 or all(one.version == 4 for one in found)


async def test_an_accepted_call_is_a_2xx_and_nothing_else() -> None:
    """No redirect is followed, and an error is one."""
    calling = Calling(TRIED)
    with Receiver() as receiver:
        await calling.post(receiver.url, b"{}", {"X-A": "b"})
        assert receiver.received[0].body == b"{}"
        assert receiver.received[0].headers["x-a"] == "b"
        assert receiver.received[0].headers["content-type"] == "application/json"
        for status in (301, 307, 401, 500):
            receiver.status = status
            with pytest.raises(CallFailed, match=f"status_{status}"):
                await calling.post(receiver.url, b"{}", {})
        assert len(receiver.received) == 5
    with pytest.raises(CallFailed, match="not_reached"):
        await calling.post(receiver.url, b"{}", {})
    await calling.close()


async def test_a_call_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that does not answer holds nobody up for longer than the limit."""
    monkeypatch.setattr(module, "CALL_SECONDS", 0.2)
    server = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(5), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    calling = Calling(TRIED)
    with pytest.raises(CallFailed, match=r"timeout|not_reached"):
        await calling.post(f"http://127.0.0.1:{port}/", b"{}", {})
    await calling.close()
    server.close()
