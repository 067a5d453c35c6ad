"""The PostgreSQL store keeps the promises of the port, and some of its own about its database."""

from contextlib import AbstractContextManager

from tests.postgres import fresh_database
from tests.store.postgres_promises import PostgresConformance


class TestPostgres(PostgresConformance):
    """The promises, kept by the PostgreSQL store; its database outlives it, and others may open it at the same time."""

    def database(self) -> AbstractContextManager[str]:
        return fresh_database()
