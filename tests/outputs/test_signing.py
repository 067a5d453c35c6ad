"""Promises about signatures of webhooks, held against the library that receivers use."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from knownas.outputs.signing import secret_key, signature_headers

SECRET = "whsec_" + base64.b64encode(b"a secret for tests, and no other").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret for tests of this").decode()


def _key(secret: str) -> bytes:
    key = secret_key(secret)
    assert key is not None
    return key


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_published_example_is_signed_alike() -> None:
    """The example of Standard Webhooks has the signature that stands there."""
    key = _key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_library_of_receivers_verifies(text: str) -> None:
    """Whatever the body, receivers find the signature right: with the secret, and with the previous one while it is replaced."""
    body = text.encode()
    headers = dict(signature_headers([_key(SECRET), _key(OTHER)], "m-1", _now(), body))
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(body, headers, json_parse=False)


@given(st.data())
def test_flipped_bit_is_found(data: st.DataObject) -> None:
    """Whichever bit of the body, the id or the time was changed on the way, the signature is wrong."""
    body = b'{"type":"erasure","mpid":"42"}'
    at = _now()
    headers = dict(signature_headers([_key(SECRET)], "message-1", at, body))
    Webhook(SECRET).verify(body, headers)
    place, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(body)
    flipped[place] ^= 1 << bit
    with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
        Webhook(SECRET).verify(bytes(flipped), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-id": "message-2"})
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-timestamp": str(at - 1)})
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "c2VjcmV0", "whsec_%%%", "whsec_" + base64.b64encode(b"x" * 23).decode(),
     "whsec_" + base64.b64encode(b"x" * 65).decode(), "whsec_ü"],
)  # fmt: skip
def test_what_is_no_secret_is_none(secret: str) -> None:
    """A secret that is too short to be one, or not written like one, is not used."""
    assert secret_key(secret) is None
