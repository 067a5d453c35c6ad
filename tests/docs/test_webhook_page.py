"""Promises about the how-to of webhooks: the receiver that it shows works."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from knownas.core.delivery.message import ErasureMessage, MembershipMessage, SubscriptionMessage
from knownas.core.delivery.outcome import NotAtAll, Outcome, Taken
from knownas.outputs.signing import secret_key, signature_headers
from knownas.outputs.telling_form import told
from knownas.outputs.webhook import DESTINATION, webhook_body
from knownas.service.delivery.destination import Surroundings
from tests.outputs.messages import erasure, events, membership, subscription
from tests.outputs.test_signing import OTHER, SECRET
from tests.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "send-to-a-webhook.md"
START_WITHIN_SECONDS = 30


@contextmanager
def _receiver(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the receiver of the page."""
    [program] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (folder / "receiver.py").write_text(program, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "SIGNING_SECRET": SECRET, "PORT": str(port)}
    command = [sys.executable, str(folder / "receiver.py")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: _listens(port), START_WITHIN_SECONDS)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def _sent(url: str, **secrets: str) -> Outcome:
    surroundings = Surroundings(lambda: time.time_ns() // 1_000_000, lambda: "check-1")
    sender = DESTINATION.open({"url": url, **secrets}, surroundings)
    outcomes = [await sender.send([one]) for one in (subscription(), membership(), events(), erasure(), membership())]
    outcomes.append(await sender.check())
    await sender.close()
    assert len(set(map(str, outcomes))) == 1
    return outcomes[0]


async def test_receiver_of_the_page_takes_what_is_ours(tmp_path: Path) -> None:
    """The receiver that the page shows takes each message once, also while secrets are replaced, and nobody else's."""
    with _receiver(tmp_path) as (url, process):
        assert await _sent(url, signing_secret=SECRET) == Taken()
        assert await _sent(url, signing_secret=OTHER, previous_signing_secret=SECRET) == Taken()
        assert isinstance(await _sent(url, signing_secret=OTHER), NotAtAll)
        assert isinstance(await _sent(url), NotAtAll)
        process.kill()
        assert process.stdout is not None
        said = process.stdout.read().split()
    assert said == ["audience_subscription", "audience_membership", "events", "erasure", "check"]


def test_receiver_of_the_page_finds_every_change(tmp_path: Path) -> None:
    """Whichever byte of a message was changed, and however old it is, the receiver of the page refuses it."""
    key = secret_key(SECRET)
    assert key is not None
    body, now = webhook_body(membership()), int(time.time())
    headers = signature_headers([key], "m-1", now, body)
    with _receiver(tmp_path) as (url, _), httpx.Client() as client:
        assert client.post(url, content=body, headers=headers).status_code == 204
        for place in range(len(body)):
            changed = bytearray(body)
            changed[place] ^= 1
            assert client.post(url, content=bytes(changed), headers=headers).status_code == 401
        old = signature_headers([key], "m-1", now - 301, body)
        assert client.post(url, content=body, headers=old).status_code == 401
        assert client.post(url, content=body, headers={**headers, "webhook-id": "m-2"}).status_code == 401


@pytest.mark.parametrize(
    "message", [membership(), subscription(), erasure()], ids=["membership", "subscription", "erasure"]
)
def test_page_names_every_member(message: MembershipMessage | SubscriptionMessage | ErasureMessage) -> None:
    """Every member of what is sent stands in the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name in told(message):
        assert f"`{name}`" in text or f'"{name}"' in text
