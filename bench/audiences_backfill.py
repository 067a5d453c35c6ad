"""An audience is defined over a million known users, and everybody is judged, beside DuckDB asking the same documents the same question.

Goal: at most 5 times DuckDB's time. One audience asks for attributes, the other counts events of the last 30 days. DuckDB reads
Parquet files of the very documents that the store keeps, written before; its question is an SQL query with the same meaning, and both must
find as many. Ours ends when every member is on the disk with the reason and the moment until which it holds. Needs duckdb and pyarrow.
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import apsw

from bench.audience_mix import Json, attributes, counted, database_url, define, opened, settled
from bench.contest import Say
from bench.facts import DAY_MS, with_facts
from bench.load import LoadFailed
from bench.population import Population
from bench.report import Finding, Goal
from bench.serving import WORKSPACE
from knownas.core.identity.observation import Environment
from knownas.service.server import Service, system_clock

TIMES_AT_MOST: Final = 5.0
_A_GROUP: Final = 100_000
_VISITS: Final = 50
_TIMES: Final = 2
_DAYS: Final = 30
_USER_TICKS: Final = 11
"""Where in what the system says of a process its own time stands, after its name and followed by that of the system for it."""

_ATTRIBUTES: Final = f"""
SELECT mpid FROM read_parquet(?)
WHERE json_extract_string(document, '$.attributes.plan[0]') = 'gold'
    AND CAST(json_extract_string(document, '$.attributes.visits[0]') AS DOUBLE) >= {_VISITS} AND ? > 0
"""
_EVENTS: Final = f"""
SELECT mpid FROM (SELECT mpid, unnest(json_extract(document, '$.events[*]')) AS event FROM read_parquet(?))
WHERE json_extract_string(event, '$.data.event_name') = 'Bought'
    AND CAST(json_extract(event, '$.at_ms') AS BIGINT) >= ?
GROUP BY mpid HAVING count(*) >= {_TIMES}
"""


@dataclass(frozen=True, slots=True)
class _Audience:
    """An audience, and what DuckDB is asked for it."""

    name: str
    expression: Json
    table: str
    query: str


_AUDIENCES: Final = (
    _Audience("attributes", attributes("gold", _VISITS), "section", _ATTRIBUTES),
    _Audience("events", counted("Bought", _TIMES, _DAYS), "user_events", _EVENTS),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--profiles", type=int, default=1_000_000, help="known users (%(default)s)")
    parser.add_argument("--events", type=int, default=5, help="events of each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to measure (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Define, count and take away in turn, round after round."""
    options.cache.mkdir(parents=True, exist_ok=True)
    now_ms = system_clock()
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="audiences-") as name:
        folder = Path(name)
        population = Population(options.profiles)
        database = with_facts(population, options.events, now_ms, options.cache, folder / "knownas.db", say)
        for one in _AUDIENCES:
            _export(database, one.table, folder / f"{one.table}.parquet")
        rounds = asyncio.run(_rounds(database, folder, options.rounds, say))
    goals = [
        Goal(f"time_over_duckdb_{one.name}", [taken[one.name]["times"] for taken in rounds], at_most=TIMES_AT_MOST)
        for one in _AUDIENCES
    ]
    return Finding(goals, {one.name: _summed([taken[one.name] for taken in rounds]) for one in _AUDIENCES})


_Taken = dict[str, float]


def _summed(samples: list[_Taken]) -> dict[str, Any]:
    return {**{name: round(median(one[name] for one in samples), 4) for name in samples[0]}, "samples": samples}


def _export(database: Path, table: str, to: Path) -> None:
    """Write the documents of a table to a Parquet file, as they are."""
    import pyarrow as pa  # noqa: PLC0415 - only this benchmark needs it
    from pyarrow import parquet  # noqa: PLC0415 - likewise

    schema = pa.schema([("mpid", pa.int64()), ("document", pa.string())])
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        with parquet.ParquetWriter(to, schema) as writer:
            cursor = connection.execute(f"SELECT mpid, CAST(document AS TEXT) FROM {table}")
            while rows := [row for _, row in zip(range(_A_GROUP), cursor, strict=False)]:
                columns = [pa.array(column) for column in zip(*rows, strict=True)]
                writer.write_table(pa.table(columns, schema=schema))
    finally:
        connection.close()


async def _rounds(database: Path, folder: Path, rounds: int, say: Say) -> list[dict[str, _Taken]]:
    found: list[dict[str, _Taken]] = []
    async with opened(database_url(database)) as service:
        for number in range(1, rounds + 1):
            taken: dict[str, _Taken] = {}
            for one in _AUDIENCES:
                since_ms = system_clock() - _DAYS * DAY_MS
                others = _timed(lambda one=one, since_ms=since_ms: _asked(one, folder, since_ms))
                mine = await _judged(service, one, f"{one.name} {number}")
                if abs(mine["members"] - others["members"]) > others["members"] // 1_000:
                    raise LoadFailed(f"{one.name}: {mine['members']} members, and DuckDB found {others['members']}")
                times = mine["seconds"] / others["seconds"]
                taken[one.name] = {
                    "times": round(times, 3),
                    **mine,
                    **{f"duckdb_{name}": value for name, value in others.items() if name != "members"},
                }
                say(f"round {number}, {one.name}: {taken[one.name]}")
            found.append(taken)
    return found


def _timed(what: Callable[[], int]) -> _Taken:
    began, cpu = perf_counter(), process_time()
    members = what()
    return {
        "seconds": round(perf_counter() - began, 4),
        "cpu_seconds": round(process_time() - cpu, 4),
        "members": members,
    }


def _asked(one: _Audience, folder: Path, since_ms: int) -> int:
    """Let DuckDB write down the members, and return how many there are."""
    import duckdb  # noqa: PLC0415 - only this benchmark needs it

    connection = duckdb.connect()
    try:
        file = str(folder / f"{one.table}.parquet")
        connection.execute(f"CREATE TABLE member AS {one.query}", [file, since_ms])
        found = connection.execute("SELECT count(*) FROM member").fetchone()
    finally:
        connection.close()
    return 0 if found is None else int(found[0])


def _others_seconds() -> float:
    """Return the processor time of the processes that were started for this one, those that have ended included."""
    ended = os.times()
    ticks = sum(_ticks(one.pid) for one in multiprocessing.active_children() if one.pid is not None)
    return ended.children_user + ended.children_system + ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    """Return the processor time of a process, in ticks of the clock."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(told[_USER_TICKS]) + int(told[_USER_TICKS + 1])


async def _judged(service: Service, one: _Audience, name: str) -> _Taken:
    """Define an audience and judge everybody; then take it away again, which is not measured. Others' processor time is that of who looks."""
    began, cpu, others = perf_counter(), process_time(), _others_seconds()
    audience = await define(service, name, one.expression)
    await settled(service)
    seconds, cpu_seconds = perf_counter() - began, process_time() - cpu + _others_seconds() - others
    members = await service.store.audiences.count_members(WORKSPACE, Environment.PRODUCTION.value, audience)
    await service.activation.audiences.delete(audience)
    await settled(service)
    return {"seconds": round(seconds, 4), "cpu_seconds": round(cpu_seconds, 4), "members": members}
