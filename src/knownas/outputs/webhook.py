"""Sends each message to a URL as a POST of JSON, signed if a secret is set; what a user did as a raw output batch (platform §7.7).

One message is one request, and its id the request's `Idempotency-Key` and `webhook-id`: whoever remembers the ids of the last days
takes each message once. Any answer of 2xx means that it was taken; nothing else of the answer matters then.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Settings,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import Outcome, Taken
from knownas.outputs.each import send_each
from knownas.outputs.limits import CONNECTIONS_MAX
from knownas.outputs.posting import Answer, Poster, Request, address_faults, header_faults
from knownas.outputs.signing import secret_key, signature_headers
from knownas.outputs.telling_form import VERSION, told
from knownas.service.delivery.destination import Batching, Destination, Setting, SettingKind, Surroundings

SECRETS: Final = ("signing_secret", "previous_signing_secret")


class WebhookSender:
    """Who sends to one URL."""

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        """Take settings that have no fault."""
        self._url = str(settings["url"])
        self._authorization = str(settings.get("authorization") or "")
        self._keys = tuple(key for name in SECRETS if (key := secret_key(str(settings.get(name) or ""))))
        self._surroundings = surroundings
        self._poster = Poster(surroundings.now_ms)

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Send each message as a request of its own, all at once."""
        return await send_each(messages, self._sent)

    async def check(self) -> Outcome:
        """Send a message that says nothing: `{"type": "check"}`."""
        check_id = self._surroundings.new_id()
        body = {"type": "check", "version": VERSION, "id": check_id, "timestamp_ms": self._surroundings.now_ms()}
        return await self._posted(check_id, msgspec.json.encode(body), ())

    async def close(self) -> None:
        """Close what is connected."""
        await self._poster.close()

    async def _sent(self, message: Message) -> Outcome:
        return await self._posted(message.id, webhook_body(message), (message,))

    async def _posted(self, message_id: str, body: bytes, sent: Sequence[Message]) -> Outcome:
        answer = await self._poster.post(Request(self._url, body, self._headers(message_id, body), sent))
        return Taken() if isinstance(answer, Answer) else answer

    def _headers(self, message_id: str, body: bytes) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": message_id}
        if self._authorization:
            headers["Authorization"] = self._authorization
        if self._keys:
            now_seconds = self._surroundings.now_ms() // 1000
            headers.update(signature_headers(self._keys, message_id, now_seconds, body))
        return headers


def webhook_body(message: Message) -> bytes:
    """Return what is sent of a message, the same at each try."""
    match message:
        case EventsMessage():
            return msgspec.json.encode(message.batch)
        case SubscriptionMessage() | MembershipMessage() | ErasureMessage():
            return msgspec.json.encode(told(message))


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from address_faults("url", str(settings.get("url") or ""), may_be_plain=bool(settings.get("plain_http")))
    yield from header_faults("authorization", str(settings.get("authorization") or ""))
    for name in SECRETS:
        secret = settings.get(name)
        if secret and secret_key(str(secret)) is None:
            yield name, "it must be whsec_ and 24 to 64 random bytes in base64: whsec_$(openssl rand -base64 32)"
    if settings.get(SECRETS[1]) and not settings.get(SECRETS[0]):
        yield SECRETS[1], "there is no secret that it would be the previous one of"


DESTINATION: Final = Destination(
    name="webhook",
    title="Webhook",
    takes=frozenset({SubscriptionMessage, MembershipMessage, EventsMessage, ErasureMessage}),
    settings=(
        Setting("url", SettingKind.TEXT, "Where messages are sent: a URL that begins with https://.", required=True),
        Setting(
            "authorization",
            SettingKind.TEXT,
            "The value of the header Authorization, such as Bearer and a token.",
            confidential=True,
        ),
        Setting(
            "signing_secret",
            SettingKind.TEXT,
            "What requests are signed with: whsec_ and 24 to 64 random bytes in base64.",
            confidential=True,
        ),
        Setting(
            "previous_signing_secret",
            SettingKind.TEXT,
            "The secret that the other one replaces: as long as it is set, requests are signed with both.",
            confidential=True,
        ),
        Setting(
            "plain_http",
            SettingKind.BOOLEAN,
            "Whether the URL may begin with http://, though anybody on the way can read what is sent.",
            default=False,
        ),
    ),
    open=WebhookSender,
    batching=Batching(messages_max=CONNECTIONS_MAX),
    faults=lambda settings: tuple(_faults(settings)),
)
