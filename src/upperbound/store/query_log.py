"""The queries of runs in tables: ``QUERY_EXECUTIONS``, ``SERVER_EXECUTIONS``, and the stage before them.

An embedded store keeps them in files instead: :attr:`QueryLogRepository.keeps_rows` tells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from upperbound.store.database import Database
from upperbound.store.executions import StoredQueries
from upperbound.store.tables import QUERY_LOG_STAGE, query_executions, server_executions

if TYPE_CHECKING:
    import pyarrow as pa

    from upperbound.store.bulk import Bulk

SERVER_PLACE: Final = "server"
"""Where the server's rows wait on the stage, beside the folders of the workers."""

_QUERIES: Final = query_executions.c
CALL_COLUMNS: Final = (
    "server_query_id",
    "worker_id",
    "phase",
    "kind",
    "operation",
    "intended_at",
    "started_at",
    "service_us",
    "response_us",
    "outcome",
    "attempts",
)
"""What is compared with the server's own view."""


@dataclass(frozen=True)
class StagedFile:
    """A file that waits on the stage."""

    run_id: str
    path: str
    """In the stage, such as ``run/worker-0/worker-0-00000.parquet``."""
    size_bytes: int


class QueryLogRepository:
    """Loads, counts and removes the queries of runs."""

    def __init__(self, database: Database, open_bulk: Callable[[], Database]) -> None:
        """Use ``open_bulk`` for what takes longer than a statement of a store may."""
        self._database, self._open_bulk = database, open_bulk

    @property
    def keeps_rows(self) -> bool:
        """Whether queries are kept in tables; an embedded store keeps them in files."""
        return self._database.dialect != "sqlite"

    def load_worker(self, run_id: str, worker_id: str, files: Sequence[Path], rows: int, scratch: Path) -> None:
        """Load the log of one worker, which has so many rows; see :func:`upperbound.store.bulk.load`."""
        # What it needs takes long to import, and most who open a store never load anything.
        from upperbound.store.bulk import Bulk

        self._load(Bulk(query_executions, {"run_id": run_id, "worker_id": worker_id}, files, rows), scratch)

    def load_server(self, run_id: str, files: Sequence[Path], rows: int, scratch: Path) -> None:
        """Load what the server tells of a run, in the place of what was loaded before."""
        from upperbound.store.bulk import Bulk

        self._load(Bulk(server_executions, {"run_id": run_id}, files, rows, SERVER_PLACE, replaces=True), scratch)

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many queries of a run are there, by worker."""
        counted = sa.select(_QUERIES.worker_id, sa.func.count().label("rows_there")).where(_QUERIES.run_id == run_id)
        rows = self._database.rows(counted.group_by(_QUERIES.worker_id))
        return {row["worker_id"]: int(row["rows_there"]) for row in rows}

    def calls(self, run_id: str) -> "pa.Table":
        """Return the queries of a run; columns :data:`CALL_COLUMNS`."""
        chosen = sa.select(*(_QUERIES[name] for name in CALL_COLUMNS))
        return _arrow(self._database.rows(chosen.where(_QUERIES.run_id == run_id)))

    def of_run(self, run_id: str) -> StoredQueries:
        """Return what answers questions about the queries of a run that are in tables."""
        return StoredQueries(self._database, run_id)

    # The stage --------------------------------------------------------------------------------------------------

    def staged(self) -> list[StagedFile]:
        """Return the files that wait on the stage, of all runs; none where there is no stage."""
        if self._database.dialect != "snowflake":
            return []
        with self._database.connection() as connection:
            rows = connection.exec_driver_sql(f"LIST @{QUERY_LOG_STAGE}").mappings().all()
        return [_staged(row) for row in rows]

    def remove_staged(self, run_id: str) -> int:
        """Remove the files of a run from the stage, and return how many there were."""
        if self._database.dialect != "snowflake":
            return 0
        with self._database.connection() as connection:
            return len(connection.exec_driver_sql(f"REMOVE @{QUERY_LOG_STAGE}/{run_id}/").all())

    def _load(self, bulk: "Bulk", scratch: Path) -> None:
        from upperbound.store.bulk import load

        database = self._open_bulk()
        try:
            load(database, bulk, scratch)
        finally:
            database.close()


def _staged(row: RowMapping) -> StagedFile:
    """Return a row of LIST, whose names begin with that of the stage."""
    path = str(row["name"]).partition("/")[2]
    return StagedFile(path.partition("/")[0], path, int(row["size"]))


def _arrow(rows: Sequence[RowMapping]) -> "pa.Table":
    """Return rows with :data:`CALL_COLUMNS` as Arrow."""
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {
        **dict.fromkeys(CALL_COLUMNS, pa.string()),
        **dict.fromkeys(("intended_at", "started_at"), pa.timestamp("us", tz="UTC")),
        **dict.fromkeys(("service_us", "response_us"), pa.int64()),
        "attempts": pa.int16(),
    }
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})
