"""Writes files as objects of a store that is compatible with S3, each with one PUT."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from knownas.core.delivery.message import Settings
from knownas.core.delivery.outcome import NotAtAll, NotNow, Trouble
from knownas.outputs.limits import CONNECT_SECONDS, REQUEST_SECONDS
from knownas.outputs.refusing import BUSY, named

_STATUS: Final = re.compile(r"status code: (\d{3})")
_KIND: Final = re.compile(r"HttpError \{\s+kind: (\w+)")
"""What the client says of an answer, and of what it has instead of one."""

_UNANSWERED: Final = {
    "Connect": NotNow(Trouble.NOT_REACHED, "was not reached"),
    "Timeout": NotNow(Trouble.TIMEOUT, "did not answer in time"),
}
_CUT_OFF: Final = NotNow(Trouble.FAILED, "cut the answer off, or answered something that is no store's answer")

_REGION: Final = "us-east-1"
"""What is signed for if no region is set; stores that are compatible with S3 rarely mind."""


_NO_PROXY: Final = "http://127.0.0.1:9"
_AMAZON: Final = ("amazonaws.com", "amazonaws.com.cn", "169.254.169.254", "169.254.170.2")
"""Where the store is if no endpoint is set, and where a machine there is told its rights."""


class Bucket:
    """A bucket of a store."""

    def __init__(self, bucket: str, settings: Settings) -> None:
        """Take settings that have no fault. Without keys those of the machine are used, by the store's own rules."""
        endpoint = str(settings.get("endpoint") or "")
        keys = {"access_key_id": "access_key", "secret_access_key": "secret_key", "token": "session_token"}
        given: dict[str, Any] = {
            name: str(settings[setting]) for name, setting in keys.items() if settings.get(setting)
        }
        self._store = S3Store(
            bucket,
            config={  # type: ignore[reportArgumentType] # keys that are not there are left out
                "region": str(settings.get("region") or _REGION),
                **({"endpoint": endpoint} if endpoint else {}),
                **given,
            },
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "http1_only": True,
                # A proxy of the environment is used unless another is named: one is, and nothing goes through it.
                "proxy_url": _NO_PROXY,
                "proxy_excludes": ",".join([urlsplit(endpoint).hostname or "", *_AMAZON]).strip(","),
            },
            # What is tried again is the delivery's to say.
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=REQUEST_SECONDS)},
        )

    async def write(self, name: str, content: bytes) -> NotNow | NotAtAll | None:
        """Write an object, in place of one of that name. Returns why it could not be written."""
        try:
            await obstore.put_async(self._store, name, content, use_multipart=False)
        except (BaseError, OSError) as error:
            return _outcome(str(error))
        return None


def _outcome(text: str) -> NotNow | NotAtAll:
    """Return what an error means by its status, if an answer came. The text itself holds addresses and is not told."""
    found = _STATUS.search(text)
    if found is None:
        kind = _KIND.search(text)
        return _UNANSWERED.get("" if kind is None else kind[1], _CUT_OFF)
    status = int(found[1])
    if status in BUSY:
        return NotNow(Trouble.BUSY, named(status))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NotNow(Trouble.FAILED, named(status))
    # Whatever it is about, it is the same for the next file.
    return NotAtAll(named(status))
