"""What PostgreSQL is asked for data subjects costs the same however much there is beside it."""

import re
from collections.abc import Iterator

import asyncpg
import pytest

from knownas.store.postgres.connections import SETTINGS
from knownas.store.sql_files import named_statements
from tests.postgres import fresh_database

PACKAGE = "knownas.store.postgres"
ASKED = (
    "subject_request",
    "requests_in",
    "requests_after",
    "requests_before",
    "requests_due",
    "forget_requests",
    "entries",
    "entries_of",
    "last_entry",
    "tombstones",
    "tombstones_from",
    "suppressions_after",
    "deliveries_due",
    "audited",
    "audited_of",
    "forget_audited",
    "count_held",
    "drop_kept",
)
ROW_BY_ROW = ("erase_bare_1", "redact_1")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Give a database."""
    with fresh_database() as given:
        yield given


async def plan_of(url: str, query: str) -> str:
    """Return how a statement is carried out, whatever it is asked for."""
    connection = await asyncpg.connect(url, server_settings=SETTINGS)
    try:
        await connection.execute(f"PREPARE asked AS {query}")
        numbers = {int(number) for number in re.findall(r"\$(\d+)", query)}
        given = f"({', '.join('NULL' for _ in numbers)})" if numbers else ""
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked{given}"))
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ASKED)
async def test_no_statement_for_subjects_reads_a_whole_table(name: str, url: str) -> None:
    """Each finds its rows by an index, and in the order in which it shows them."""
    plan = await plan_of(url, named_statements(PACKAGE)[name])
    assert "Seq Scan" not in plan, plan
    assert "Sort" not in plan, plan
    assert "Cond: (workspace = " not in plan, plan


@pytest.mark.parametrize("function", ROW_BY_ROW)
async def test_no_step_of_an_erasure_reads_a_whole_table(function: str, url: str) -> None:
    """The same holds of every statement inside the functions that erase."""
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT prosrc, pg_get_function_arguments(oid) FROM pg_proc WHERE proname = $1"
        ((body, arguments),) = await connection.fetch(query, function)
    finally:
        await connection.close()
    types = dict(re.findall(r"(\w+) ([a-z]+(?:\[\])?)", arguments))
    types |= {"remaining": "bigint", "moments": "bigint[]", "subject": "bigint"}
    types |= {"old.receipt_id": "text", "old.request_id": "text", "old.input_key": "text", "old.environment": "text"}
    types |= {"old.seq": "bigint", "old.message_id": "text", "one.seq": "bigint", "one.before": "bytea"}
    types |= {"one.observation": "bytea", "one.decision": "bytea"}
    without_notes = re.sub(r"--[^\n]*", "", body)
    asked = [one.strip() for one in re.split(r";|\bLOOP\b|\bIN\n", without_notes) if "FROM knownas." in one]
    assert len(asked) >= 2
    for one in asked:
        query = re.sub(r"^PERFORM", "SELECT", one).replace("INTO held ", "")
        number = 0
        for name, of in sorted(types.items(), key=lambda pair: -len(pair[0])):
            place = f"${number + 1}::{of}"
            query, times = re.subn(rf"(?<![\w.$]){re.escape(name)}(?![\w.])", lambda _, place=place: place, query)
            number += times > 0
        plan = await plan_of(url, query)
        assert "Seq Scan" not in plan, plan
        assert "Cond: (workspace = " not in plan, plan
