"""What the server tells of a run's statements, kept in Parquet parts beside the query log."""

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from upperbound.errors import QueryLogError

PART_ROWS: Final = 500_000

SERVER_SCHEMA: Final = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("worker_id", pa.string(), nullable=False),
        pa.field("server_query_id", pa.string(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_code", pa.string()),
        pa.field("started_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("elapsed_ms", pa.int64(), nullable=False),
        pa.field("execution_ms", pa.int64(), nullable=False),
        pa.field("compilation_ms", pa.int64(), nullable=False),
        pa.field("queued_ms", pa.int64(), nullable=False),
        pa.field("blocked_ms", pa.int64(), nullable=False),
        pa.field("cluster_number", pa.int32()),
        pa.field("warehouse_size", pa.string()),
        pa.field("rows_produced", pa.int64()),
        pa.field("bytes_scanned", pa.int64()),
        pa.field("cache_pct", pa.float64()),
    ]
)
"""The columns of ``SERVER_EXECUTIONS``, in their order."""


def server_log_folder(run_folder: Path) -> Path:
    """Return where the parts of a run are kept."""
    return run_folder / "server_log"


def server_files(run_folder: Path) -> tuple[Path, ...]:
    """Return the parts of a run that are here."""
    return tuple(sorted(server_log_folder(run_folder).glob("part-?????.parquet")))


def write_server_log(run_folder: Path, rows: pa.Table) -> tuple[Path, ...]:
    """Write rows of :data:`SERVER_SCHEMA` in the place of all that were written before, and return the parts.

    The new ones are complete before the old ones go. May be repeated after a crash at any point.

    Raises:
        QueryLogError: they cannot be written.
    """
    folder = server_log_folder(run_folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drafts = []
        for number, first in enumerate(range(0, rows.num_rows, PART_ROWS)):
            draft = folder / f"part-{number:05d}.draft"
            pq.write_table(rows.slice(first, PART_ROWS), draft, compression="zstd")
            drafts.append(draft)
        for old in server_files(run_folder):
            old.unlink()
        return tuple(draft.replace(draft.with_suffix(".parquet")) for draft in drafts)
    except (OSError, pa.ArrowException) as error:
        raise QueryLogError(f"what the server tells cannot be written into {folder}: {error}") from error
