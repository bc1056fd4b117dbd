"""The query log of a run as an analyst reads it: Parquet files through SQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb


class QueryLog:
    """The sealed Parquet parts of one run."""

    def __init__(self, run_folder: Path) -> None:
        self._files = run_folder / "query_log" / "*.parquet"

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Return the rows that answer a question about the view ``log``."""
        with duckdb.connect() as database:
            # Timestamps are compared in UTC whatever the machine's zone.
            database.execute("SET TimeZone = 'UTC'")
            database.execute(f"CREATE VIEW log AS SELECT * FROM '{self._files}'")
            return database.execute(question).fetchall()

    def count(self, condition: str = "true") -> int:
        """Return how many queries meet a condition."""
        return int(self.ask(f"SELECT count(*) FROM log WHERE {condition}")[0][0])

    def last(self, column: str, condition: str = "true") -> datetime:
        """Return the latest time in a column, in UTC."""
        micros = self.ask(f"SELECT epoch_us(max({column})) FROM log WHERE {condition}")[0][0]
        assert micros is not None, f"no query in the log where {condition}"
        return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=micros)
