"""Simultaneous first sightings of a login ID make one profile, and it is the unique constraint that decides it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import httpx
import pytest

from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.core.identity.record import Record
from knownas.store.port import Pool, Store
from knownas.store.sqlite.connection import open_connection
from knownas.store.sqlite.store import SqliteStore
from tests.concurrency.rivals import SCOPE, race
from tests.served import KEY, SECRET, served
from tests.store.places import PLACES, Place

RIVALS = 16
VALUES = 1_000
POSTGRES_VALUES = 200
HTTP_VALUES = 200
SAMPLES = 4
SABOTAGED_VALUES = 60


def rules() -> Policy:
    """Return a policy in which the customer ID is a login ID and unique."""
    return policy(Strategy.PROFILE_CONVERSION)


def take_constraints_away(path: Path) -> None:
    """Leave the database everything but the two unique constraints: the same columns, and an index to find rows by."""
    connection = open_connection(path)
    try:
        columns = (
            "pool INTEGER, type INTEGER, value TEXT, identity INTEGER, version INTEGER, holders INTEGER, "
            "holder INTEGER, exclusive INTEGER"
        )
        connection.execute("DROP TABLE identity")
        connection.execute(f"CREATE TABLE identity ({columns}) STRICT")
        connection.execute("CREATE INDEX identity_by_value ON identity (pool, type, value)")
    finally:
        connection.close()


def records(open_store: Callable[[], Store]) -> list[Record]:
    """Return all records that are stored."""

    async def read() -> list[Record]:
        store = open_store()
        try:
            return list(await store.records(Pool(SCOPE, "production"), None, 10 * VALUES))
        finally:
            await store.close()

    return asyncio.run(read())


def test_race_for_first_sightings_makes_one_profile_each(tmp_path: Path) -> None:
    """16 servers log 1,000 customer IDs in at the same time: 1,000 profiles, and nobody is told an error.

    The same race over a database without its unique constraints splits identities, and soon: the real run makes
    more attempts than the mean plus three standard deviations of what that takes.
    """
    needed: list[int] = []
    for sample in range(SAMPLES):
        path = tmp_path / f"sabotaged-{sample}.db"
        asyncio.run(SqliteStore(path).close())
        take_constraints_away(path)
        values = [f"c-{number}" for number in range(SABOTAGED_VALUES)]
        sabotaged = race(partial(SqliteStore, path), rules(), RIVALS, values)
        assert sabotaged.splits, "the race did not catch a store without its unique constraints"
        needed.append(1 + min(values.index(value) for value in sabotaged.splits))
    assert mean(needed) + 3 * stdev(needed) < VALUES

    with PLACES["sqlite"](tmp_path) as place:
        makes_one_each(place, VALUES)


def test_race_in_postgres_makes_one_profile_each(tmp_path: Path) -> None:
    """16 servers over one PostgreSQL database log the same customer IDs in at once: a profile each, and no error."""
    with PLACES["postgres"](tmp_path) as place:
        makes_one_each(place, POSTGRES_VALUES)
        assert place.contradictions() + place.unexplained() == []


@pytest.mark.soak
def test_race_in_postgres_for_long(tmp_path: Path) -> None:
    """The same with ten times as many."""
    with PLACES["postgres"](tmp_path) as place:
        makes_one_each(place, 10 * POSTGRES_VALUES)


def makes_one_each(place: Place, values: int) -> None:
    """Race for values, and look whether each has one profile and nobody was told an error."""
    result = race(place.open, rules(), RIVALS, [f"c-{number}" for number in range(values)])
    assert result.errors == []
    assert result.splits == []
    assert len(result.mpids) == values
    assert len(records(place.open)) == values


@pytest.mark.parametrize("values", [HTTP_VALUES, pytest.param(VALUES, marks=pytest.mark.soak)])
def test_race_over_http_makes_one_profile_each(values: int, tmp_path: Path) -> None:
    """16 clients of one server log the same customer IDs in: one profile each, and only 200s."""
    with served(tmp_path) as server:

        def client(_: int) -> list[str]:
            with httpx.Client(base_url=server.url, auth=(KEY, SECRET), timeout=60) as session:
                answers = []
                for number in range(values):
                    body = {"environment": "production", "known_identities": {"customerid": f"c-{number}"}}
                    answer = session.post("/v1/login", json=body)
                    assert answer.status_code == 200, answer.text
                    answers.append(answer.json()["mpid"])
                return answers

        with ThreadPoolExecutor(RIVALS) as pool:
            answers = list(pool.map(client, range(RIVALS)))

    assert all(one == answers[0] for one in answers)
    assert len(set(answers[0])) == values
