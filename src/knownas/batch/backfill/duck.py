"""Keeps the tables of a backfill on one machine: in DuckDB, on all cores, in bounded memory and beyond that on the disk."""

import importlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from knownas.batch.backfill.statements import filled


class Duck:
    """Tables in DuckDB, as `linking.Frames`. Used as a context."""

    hash_function = "hash"

    def __init__(self, folder: Path, megabytes: int) -> None:
        """`folder` is where it puts what memory has no room for."""
        self._connection: Any = importlib.import_module("duckdb").connect()
        self.ask(f"SET memory_limit = '{megabytes}MB'")
        self.ask(f"SET temp_directory = '{quoted(folder)}'")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget all tables."""
        self._connection.close()

    def make(self, name: str, query: str) -> None:
        """Make a table of what a query returns, or make it anew."""
        self.ask(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def view(self, name: str, query: str) -> None:
        """Give a query a name."""
        self.ask(f"CREATE OR REPLACE VIEW {name} AS {query}")

    def put(self, name: str, rows: Sequence[tuple[int, int, str]]) -> None:
        """Make a table of pools, types and values."""
        self.ask(f"CREATE OR REPLACE TABLE {name} (pool BIGINT, type BIGINT, value VARCHAR)")
        if rows:
            self._connection.executemany(filled("put_values", {"name": name}), rows)

    def ask(self, query: str) -> Sequence[tuple[object, ...]]:
        """Return all rows of a query, which are few."""
        rows: list[tuple[object, ...]] = self._connection.execute(query).fetchall()
        return rows

    def stream(self, query: str, count: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query, so many at a time."""
        found = self._connection.execute(query)
        while rows := found.fetchmany(count):
            yield rows

    def cluster(self, nodes: str, edges: str, clusters: str) -> None:
        """Let Splink make a table of each node and its `cluster_id`."""
        # It tells every round.
        logging.getLogger("splink").setLevel(logging.WARNING)
        splink: Any = importlib.import_module("splink")
        clustering: Any = importlib.import_module("splink.clustering")
        found = clustering.cluster_pairwise_predictions_at_threshold(
            nodes=nodes,
            edges=edges,
            db_api=splink.DuckDBAPI(connection=self._connection),
            node_id_column_name="node",
            edge_id_column_name_left="node_l",
            edge_id_column_name_right="node_r",
        )
        self.make(clusters, filled("clusters", {"found": found.physical_name}))
        found.drop_table_from_database_and_remove_from_cache()


def quoted(path: Path) -> str:
    """Return a path as it stands between a statement's single quotes."""
    return str(path).replace("'", "''")
