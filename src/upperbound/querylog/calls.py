"""The recorded calls of a run as the server's view is compared with them, from the files of its query log."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from upperbound.errors import QueryLogError
from upperbound.querylog.parquet import log_files
from upperbound.store.engine import Store
from upperbound.store.query_log import CALL_COLUMNS


def run_calls(store: Store, run_id: str, run_folder: Path) -> pa.Table:
    """Return every call of a run, from the store's tables and from files that are not loaded; columns as below.

    Raises:
        StoreError: the store cannot be asked.
        QueryLogError: a part of the log cannot be read.
    """
    here = read_calls(run_folder)
    if not store.query_log.keeps_rows:
        return here
    stored = store.query_log.calls(run_id)
    return pa.concat_tables([stored, here.cast(stored.schema)]) if here.num_rows else stored


def read_calls(run_folder: Path) -> pa.Table:
    """Return every call that was recorded; columns :data:`~upperbound.store.query_log.CALL_COLUMNS`.

    Raises:
        QueryLogError: a part of the log cannot be read.
    """
    files = log_files(run_folder)
    try:
        parts = [_plain(pq.read_table(file, columns=list(CALL_COLUMNS))) for file in files]
    except (OSError, pa.ArrowException) as error:
        raise QueryLogError(f"the query log in {run_folder} cannot be read: {error}") from error
    return pa.concat_tables(parts) if parts else pa.table({name: pa.array([], pa.string()) for name in CALL_COLUMNS})


def _plain(table: pa.Table) -> pa.Table:
    """Return the columns in order, words as such: each part has a dictionary of its own."""
    columns = [table.column(name) for name in CALL_COLUMNS]
    words = [column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in columns]
    return pa.table(dict(zip(CALL_COLUMNS, words, strict=True)))
