"""A server that is killed while batches come in loses none that it acknowledged, and counts none twice (design §8.4)."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served
from tests.waiting import wait_until

KILLS = 4
SENDERS = 4
USERS = 5
KILL_WITHIN_SECONDS = 1.5
SEND_WITHIN_SECONDS = 60
AGAIN_AFTER_SECONDS = 0.02
COUNTED = {
    "name": "purchases",
    "calculation_type": "count",
    "data_point": {"type": "custom_event", "event_name": "Bought"},
}

CLIENT = {"client_id": "reader", "client_secret": "reader-secret"}


def batch_of(number: int) -> dict[str, Any]:
    """Return a batch of one of the users, with one purchase, under an id of its own."""
    data = {"event_name": "Bought", "custom_event_type": "transaction", "custom_attributes": {"number": number}}
    return {
        "source_request_id": f"batch-{number}",
        "user_identities": {"customer_id": f"user-{number % USERS}"},
        "user_attributes": {f"seen-{number}": True},
        "events": [{"event_type": "custom_event", "data": data}],
    }


class Sender(threading.Thread):
    """Sends batches one after the other, each again and again until it is acknowledged, whatever becomes of servers."""

    def __init__(self, numbers: Iterator[int], address: list[str], stop: threading.Event) -> None:
        super().__init__()
        self._numbers = numbers
        self._address = address
        self._stop_now = stop
        self.acknowledged: list[int] = []
        self.given_up: list[int] = []
        self.refusals: list[str] = []

    def run(self) -> None:
        for number in self._numbers:
            if self._stop_now.is_set():
                return
            if self._sent(number):
                self.acknowledged.append(number)
            else:
                self.given_up.append(number)

    def _sent(self, number: int) -> bool:
        """Send a batch until it is acknowledged; only a server that nobody kills any more may be too slow."""
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            if deadline is None and self._stop_now.is_set():
                deadline = time.monotonic() + SEND_WITHIN_SECONDS
            try:
                address = f"{self._address[0]}/v2/events"
                answer = httpx.post(address, json=batch_of(number), auth=(KEY, SECRET), timeout=5)
                if answer.status_code == 202:
                    return True
                self.refusals.append(answer.text)
            except httpx.HTTPError:
                time.sleep(AGAIN_AFTER_SECONDS)
        return False


def test_kills_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    """Through kills at random moments, each acknowledged batch is kept once: its event, its attribute, its count."""
    document = configuration()
    document["organization"]["accounts"][0]["workspaces"][0]["calculated_attributes"] = [COUNTED]
    document["credentials"] = [{**CLIENT, "role": "read_only", "workspaces": [100]}]
    chance, stop, address = random.Random(3), threading.Event(), [""]
    senders = [Sender(iter(range(first, 10**6, SENDERS)), address, stop) for first in range(SENDERS)]
    for kill in range(KILLS + 1):
        with served(tmp_path, document) as server:
            address[0] = server.url
            if kill == 0:
                for sender in senders:
                    sender.start()
            if kill < KILLS:
                _await_one_more(senders)
                time.sleep(chance.uniform(0, KILL_WITHIN_SECONDS))
                server.kill()
            else:
                stop.set()
                for sender in senders:
                    sender.join(2 * SEND_WITHIN_SECONDS)
                acknowledged = sorted(number for sender in senders for number in sender.acknowledged)
                assert [refusal for sender in senders for refusal in sender.refusals] == []
                assert [number for sender in senders for number in sender.given_up] == []
                assert len(acknowledged) > KILLS
                _check(server, acknowledged)


def _await_one_more(senders: list[Sender]) -> None:
    """Wait until this server has acknowledged something, however slowly the machine started it."""
    before = _acknowledged(senders)
    wait_until(lambda: _acknowledged(senders) > before, SEND_WITHIN_SECONDS, lambda: "the server acknowledged nothing")


def _acknowledged(senders: list[Sender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


def _check(server: Served, acknowledged: list[int]) -> None:
    asked = {**CLIENT, "grant_type": "client_credentials", "audience": "https://api.mparticle.com"}
    token = httpx.post(f"{server.url}/oauth/token", json=asked).json()["access_token"]
    for user in range(USERS):
        mine = [number for number in acknowledged if number % USERS == user]
        mpid = server.ask("search", {"customerid": f"user-{user}"}).json()["mpid"]
        with server.api as api:
            section = api.get(f"/api/profiles/{mpid}/sections").json()["items"][0]
            kept: list[int] = []
            page: dict[str, Any] = {"next": None}
            while kept == [] or page["next"] is not None:
                query = {"workspace": 100} | ({"next": page["next"]} if page["next"] else {})
                page = api.get(f"/api/profiles/{mpid}/events", params=query).json()
                kept += [
                    one["data"]["custom_attributes"]["number"] for batch in page["items"] for one in batch["events"]
                ]
        path = f"/userprofile/v1/1/10/100/{mpid}?fields=user_attributes"
        profile = httpx.get(f"{server.url}{path}", headers={"Authorization": f"Bearer {token}"}).json()
        assert profile["user_attributes"]["purchases"] == f"{len(mine)}"
        assert sorted(kept) == mine
        assert sorted(int(name.removeprefix("seen-")) for name in section["attributes"]) == mine


pytestmark = pytest.mark.xdist_group("kills")
