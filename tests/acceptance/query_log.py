"""The query log of a run as an analyst reads it: Parquet files, or a table of the store, through SQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from upperbound.store.address import parse_store_url
from upperbound.store.database import Database
from upperbound.store.tables import query_executions


class QueryLog:
    """The queries of one run."""

    def __init__(self, source: Path | pa.Table) -> None:
        """Read the sealed Parquet parts in a run's folder, or rows that were fetched."""
        self._source = source

    @classmethod
    def of_run(cls, store_url: str, run_id: str, home: Path) -> "QueryLog":
        """Read the queries of a run wherever its store keeps them; an embedded one leaves them in files."""
        embedded = store_url.startswith("sqlite")
        return cls(home / "runs" / run_id) if embedded else cls.of_store(store_url, run_id)

    @classmethod
    def of_store(cls, url: str, run_id: str) -> "QueryLog":
        """Read the queries of a run that a store keeps in its table."""
        database = Database(parse_store_url(url))
        rows = database.rows(sa.select(query_executions).where(query_executions.c.run_id == run_id))
        database.close()
        return cls(pa.Table.from_pylist([dict(row) for row in rows]))

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Return the rows that answer a question about the view ``log``."""
        with duckdb.connect() as database:
            # Timestamps are compared in UTC whatever the machine's zone.
            database.execute("SET TimeZone = 'UTC'")
            if isinstance(self._source, Path):
                database.execute(f"CREATE VIEW log AS SELECT * FROM '{self._source}/query_log/*.parquet'")
            else:
                database.register("log", self._source)
            return database.execute(question).fetchall()

    def count(self, condition: str = "true") -> int:
        """Return how many queries meet a condition."""
        return int(self.ask(f"SELECT count(*) FROM log WHERE {condition}")[0][0])

    def last(self, column: str, condition: str = "true") -> datetime:
        """Return the latest time in a column, in UTC."""
        micros = self.ask(f"SELECT epoch_us(max({column})) FROM log WHERE {condition}")[0][0]
        assert micros is not None, f"no query in the log where {condition}"
        return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=micros)
