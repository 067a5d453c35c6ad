"""What is counted of an audience's changes costs what lies in the time that is asked about, however old the audience is; and the suite notices who miscounts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from knownas.store.audiences import ChangeCount
from knownas.store.conformance.change_counts import FIRST_MS, HOUR_MS, ChangeCountPromises
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.postgres.connections import SETTINGS
from knownas.store.sql_files import named_statements
from knownas.store.sqlite.store import SqliteStore

PROMISES = [name for name in dir(ChangeCountPromises) if name.startswith("test_")]
DAY_MS = 24 * HOUR_MS
A_DAY = 200
"""Changes of a day."""

SOME_DAYS, MANY_DAYS = 20, 200
ASKED = (1, 100, "production", FIRST_MS - DAY_MS, FIRST_MS, HOUR_MS)
CHANGES = """
WITH RECURSIVE days (day) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT day + 1 FROM days WHERE day < {days}),
    counted (number) AS (SELECT CAST(0 AS bigint) UNION ALL SELECT number + 1 FROM counted WHERE number < {a_day} - 1)
INSERT INTO {table} (mpid, workspace, environment, audience, is_member, at_ms, document)
SELECT number, 100, 'production', 1, {joined}, {first} - day * {day_ms} + number * 1000, {nothing}
FROM days CROSS JOIN counted
"""


def statement(days: int, table: str, joined: str, nothing: str) -> str:
    """Return what writes the changes of so many days before the time that is asked about, and of that."""
    return CHANGES.format(
        days=days, a_day=A_DAY, table=table, joined=joined, first=FIRST_MS, day_ms=DAY_MS, nothing=nothing
    )


async def sqlite_steps(file: Path, days: int) -> int:
    """Return how many steps of its machine SQLite takes to count the last day of so many."""
    store = SqliteStore(file)
    await store.ping()
    await store.close()
    connection = apsw.Connection(str(file))
    connection.execute(statement(days, "membership_change", "number % 2", "x''"))
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.set_progress_handler(step, 1)
    ((rows,),) = connection.execute(named_statements("knownas.store.sqlite")["count_changes"], ASKED).fetchall()
    connection.close()
    assert sum(joined + left for _, joined, left in json.loads(rows)) == A_DAY
    return steps


async def test_sqlite_counts_what_lies_in_the_time(tmp_path: Path) -> None:
    """It takes as many steps in an old audience as in a young one, and more for a longer time."""
    young, old = [await sqlite_steps(tmp_path / f"{days}.db", days) for days in (SOME_DAYS, MANY_DAYS)]
    assert young == old
    assert young < 50 * A_DAY, "it looks at more than the time asked about"


async def postgres_rows(url: str, days: int) -> int:
    """Return how many rows of an index PostgreSQL reads to count the last day of so many."""
    connection = await asyncpg.connect(url, server_settings=SETTINGS)
    try:
        await connection.execute(statement(days, "knownas.membership_change", "number % 2 = 0", "''"))
        await connection.execute("VACUUM (ANALYZE) knownas.membership_change")
        query = named_statements("knownas.store.postgres")["count_changes"]
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *ASKED)
        await connection.execute("DELETE FROM knownas.membership_change")
    finally:
        await connection.close()
    scan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    while "Plans" in scan:
        (scan,) = scan["Plans"]
    assert scan["Node Type"] == "Index Only Scan", scan
    assert "at_ms" in scan["Index Cond"]
    return int(scan["Actual Rows"]) + int(scan.get("Rows Removed by Filter", 0))


async def test_postgres_counts_what_lies_in_the_time(url: str) -> None:
    """It reads the entries of that time, of the index alone."""
    assert [await postgres_rows(url, days) for days in (SOME_DAYS, MANY_DAYS)] == [A_DAY, A_DAY]


class _Altered(MemoryAudiences):
    """Counts otherwise."""

    async def count_changes(
        self, workspace: int, environment: str, audience: int, from_ms: int, until_ms: int, every_ms: int
    ) -> Sequence[ChangeCount]:
        asked = self.altered(workspace, environment, audience, from_ms, until_ms, every_ms)
        return await super().count_changes(*asked)

    def altered(self, *asked: Any) -> Sequence[Any]:
        return asked


class WithItsEnd(_Altered):
    """Counts what changed at the end, too."""

    def altered(self, *asked: Any) -> Sequence[Any]:
        return (*asked[:4], asked[4] + 1, asked[5])


class WithoutItsBeginning(_Altered):
    """Leaves out what changed at the beginning."""

    def altered(self, *asked: Any) -> Sequence[Any]:
        return (*asked[:3], asked[3] + 1, *asked[4:])


class ByTheHour(_Altered):
    """Counts hours, whatever is asked."""

    def altered(self, *asked: Any) -> Sequence[Any]:
        return (*asked[:5], HOUR_MS + 1)


class TheFirstAudience(_Altered):
    """Counts one audience, whichever is asked about."""

    def altered(self, *asked: Any) -> Sequence[Any]:
        return (*asked[:2], 1, *asked[3:])


class JoinsAlone(MemoryAudiences):
    """Counts nobody who left."""

    async def count_changes(self, *asked: Any) -> Sequence[ChangeCount]:
        return [one._replace(left=0) for one in await super().count_changes(*asked)]


BROKEN = [WithItsEnd, WithoutItsBeginning, ByTheHour, TheFirstAudience, JoinsAlone]


def subject(part: type[MemoryAudiences]) -> StoreConformance:
    """Put a memory store to the test that counts otherwise."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            store = MemoryStore()
            store._audiences.__class__ = part
            return store

    return Tested()


async def test_a_sound_store_passes() -> None:
    """The memory store as it is counts right when it is put to the test like the broken ones."""
    await run_all(lambda: subject(MemoryAudiences), PROMISES)


@pytest.mark.parametrize("part", BROKEN, ids=lambda part: part.__name__)
async def test_who_miscounts_is_found_out(part: type[MemoryAudiences]) -> None:
    """Each breaks a promise."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(part), PROMISES)
    assert all(isinstance(error, AssertionError) for error in found.value.exceptions)
