"""How many joined an audience and left it, over HTTP, against a started server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served
from tests.waiting import wait_until

PLACE = "/api/workspaces/100/audiences"
GOLD = {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server."""
    with served(tmp_path_factory.mktemp("changes"), configuration()) as running:
        yield running


@pytest.fixture(scope="module")
def changes(server: Served) -> Iterator[Any]:
    """Have somebody join an audience; give what asks for its changes."""
    with server.api as api:
        definition = {"schema_version": "1.6.0", "audience": GOLD}
        number = api.post(PLACE, json={"name": "gold", "definition": definition}).json()["id"]
        batch = {"environment": "production", "user_identities": {"email": "a@example.com"}, "events": []}
        answer = httpx.post(
            f"{server.url}/v2/events",
            json=batch | {"user_attributes": {"plan": "gold"}},
            auth=(KEY, SECRET),
            timeout=30,
        )
        assert answer.status_code == 202, answer.text
        path = f"{PLACE}/{number}/changes"
        wait_until(lambda: api.get(path).json()["joined"] == 1, 30)

        def ask(**query: str) -> httpx.Response:
            return api.get(path, params=query)

        yield ask


def test_hours_and_days_are_told(changes: Any) -> None:
    """The last 24 hours, or 30 days: each from when it begins."""
    for by, count in (("hour", 24), ("day", 30)):
        told = changes(by=by).json()
        assert (told["by"], told["joined"], told["left"], len(told["items"])) == (by, 1, 0, count)
        assert told["items"][-1]["joined"] + told["items"][-2]["joined"] == 1
        assert told["from"] == told["items"][0]["from"] < told["items"][-1]["from"] < told["to"]
    assert changes(environment="development").json()["joined"] == 0


def test_a_time_is_taken_in_whole_intervals(changes: Any) -> None:
    """Whatever its zone, with a plus sign as it is or escaped."""
    now = datetime.now(UTC)
    first = (now - timedelta(days=3)).replace(hour=0, minute=30, second=0, microsecond=0)
    told = changes(**{"from": first.isoformat(), "to": now.isoformat(), "by": "day"}).json()
    assert len(told["items"]) == 4
    assert told["from"] == first.strftime("%Y-%m-%dT00:00:00.000Z")
    empty = changes(**{"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}).json()
    assert empty["items"] == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"by": "minute"}, "invalid_by"),
        ({"from": "yesterday"}, "invalid_time"),
        ({"to": "2026-01-01"}, "invalid_time"),
        ({"from": "1969-12-31T23:59:59Z"}, "invalid_time"),
        ({"from": "2020-01-01T00:00:00Z"}, "too_long_a_time"),
        ({"from": "1970-01-01T00:00:00Z", "to": "1970-01-02T00:00:00Z"}, "too_long_a_time"),
        ({"environment": "test"}, "invalid_environment"),
    ],
)
def test_what_can_not_be_told_is_refused(query: dict[str, str], reason: str, changes: Any) -> None:
    """With its reason."""
    answer = changes(**query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, reason)


def test_an_end_without_end_is_the_present(changes: Any) -> None:
    """What lies ahead is not told."""
    told = changes(to="9999-12-31T23:59:59Z").json()
    assert (told["joined"], len(told["items"])) == (1, 24)
