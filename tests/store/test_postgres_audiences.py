"""What is asked of a PostgreSQL database for audiences and deliveries costs no more because others have more of them."""

from collections.abc import Iterator

import pytest

from knownas.store.sql_files import named_statements
from tests.postgres import fresh_database
from tests.store.test_postgres_privacy import PACKAGE, plan_of

ASKED = (
    "marks",
    "standings_due",
    "standings",
    "sections_judged",
    "newest_events",
    "section_keys",
    "sections_in",
    "profiles_there",
    "members",
    "count_members",
    "count_changes",
    "changes_of",
    "held_of",
    "held_values",
    "passed_over",
    "count_passed",
    "waiting_outputs",
    "deliveries_waiting",
    "settle_deliveries",
    "later_delivery",
    "deliveries_all",
    "deliveries_in_state",
    "deliveries_about",
    "output_delivery",
    "count_output_deliveries",
    "forget_output_deliveries",
    "group_places",
    "group_contributions",
    "group_members",
    "count_groups",
    "larger_groups",
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Give a database."""
    with fresh_database() as given:
        yield given


@pytest.mark.parametrize("name", ASKED)
async def test_no_statement_for_audiences_reads_a_whole_table(name: str, url: str) -> None:
    """Each finds its rows by an index, and in the order in which it shows them."""
    plan = await plan_of(url, named_statements(PACKAGE)[name])
    assert "Seq Scan" not in plan, plan
    # What is counted by reason, or by interval, may be sorted first; it is read as a whole anyway.
    assert name in {"count_passed", "count_changes"} or "Sort" not in plan, plan
