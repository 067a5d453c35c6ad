"""What came of requests survives `kill -9` of a server, but for the last seconds, and nothing of it is counted twice."""

import time
from pathlib import Path
from typing import Any

from knownas.service.health.limits import TALLY_WRITE_SECONDS
from tests.served import Served, configuration, served, start, stop

EARLY, LATE, AFTER = 12, 5, 3


def decided(server: Served) -> int:
    """Return how many decisions the server knows of."""
    with server.api as api:
        answer = api.get("/api/scopes/shop/health")
        assert answer.status_code == 200, answer.text
        whole: dict[str, Any] = answer.json()["whole"]
        return sum(whole["decisions"].values())


def ask(server: Served, times: int) -> None:
    """Ask who a customer is: a known user's return, but for the first time."""
    for _ in range(times):
        assert server.ask("identify", {"customerid": "c-1"}).status_code == 200


def test_what_was_written_down_survives(tmp_path: Path) -> None:
    """The server shows at once what it has counted; after the kill, what is older than the pause between two writes is there."""
    first = start(tmp_path, configuration())
    try:
        ask(first, EARLY)
        assert decided(first) == EARLY
        time.sleep(TALLY_WRITE_SECONDS + 2)
        ask(first, LATE)
        first.kill()
    finally:
        for client in first.clients:
            client.close()
        stop(first.process)
    with served(tmp_path, configuration()) as second:
        left = decided(second)
        assert EARLY <= left <= EARLY + LATE
        ask(second, AFTER)
        assert decided(second) == left + AFTER
    with served(tmp_path, configuration()) as third:
        assert decided(third) == left + AFTER
