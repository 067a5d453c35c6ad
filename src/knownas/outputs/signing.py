"""Signs what is sent to a webhook, so that its receiver can tell who sent it, when, and that no byte was changed.

The form is that of Standard Webhooks, for which receivers have libraries in most languages: `webhook-signature` is an HMAC-SHA256 of
`{id}.{timestamp}.{body}`. While a secret is replaced there are two signatures, and a receiver with either secret finds its own.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from knownas.outputs.limits import SECRET_BYTES_MAX, SECRET_BYTES_MIN

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
VERSION: Final = "v1"


def secret_key(secret: str) -> bytes | None:
    """Return the key that a secret is: `whsec_` and base64; None if it is none."""
    if not secret.startswith(SECRET_PREFIX):
        return None
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX else None


def signature_headers(keys: Sequence[bytes], message_id: str, at_seconds: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that sign a body with each of some keys. The id has no full stop, so that nothing can be read two ways."""
    signed = f"{message_id}.{at_seconds}.".encode() + body
    signatures = (f"{VERSION},{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(signatures),
    }
