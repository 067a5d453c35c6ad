"""Gives a database to the tests of the store, and collects those over a Citus cluster where somebody names one."""

from collections.abc import Iterator

import pytest

from tests.citus import CITUS_DSN
from tests.postgres import fresh_database

collect_ignore = [] if CITUS_DSN else ["test_citus.py"]


@pytest.fixture
def url() -> Iterator[str]:
    """Give a database with the newest layout."""
    with fresh_database() as given:
        yield given
