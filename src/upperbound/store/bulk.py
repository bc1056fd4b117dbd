"""Loading Parquet files into a table of the store, exactly once.

All rows of a *scope*, such as those of one worker in one run, come from its files and arrive in one transaction, which
counts them before it commits: what is there is whole or absent. A load may be repeated at any time, also while one that
was cut off is still under way on the server; for it holds a lock, and leaves rows alone that are there already.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from upperbound.errors import StoreError
from upperbound.store.database import Database
from upperbound.store.snowflake.locks import remove_lock
from upperbound.store.tables import QUERY_LOG_STAGE

BATCH_ROWS: Final = 50_000
"""Rows that are held in memory at a time on their way to PostgreSQL."""
_ADVISORY_CLASS: Final = 1_967_213_405
"""The first half of PostgreSQL's locks on scopes; any number that nobody else uses."""
_NUL: Final = "\0"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

Scope = Mapping[str, str]
"""Values of columns that all rows of the files have, such as ``run_id`` and ``worker_id``."""


@dataclass(frozen=True)
class Bulk:
    """What is to be loaded."""

    table: sa.Table
    scope: Scope
    files: Sequence[Path]
    rows: int
    """How many the files have together."""
    folder: str = ""
    """Where in the run's place on a stage the files wait, if the scope does not say it."""
    replaces: bool = False
    """Whether rows that are there are replaced also when they are as many."""

    @property
    def place(self) -> str:
        """Where the files wait on a stage, such as ``run/worker``."""
        return "/".join(part for part in (*self.scope.values(), self.folder) if part)

    @property
    def lock(self) -> str:
        """What one load of the scope at a time holds."""
        return f"{self.table.name}:{self.place}"

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """Which rows of the table are meant."""
        return sa.and_(*(self.table.c[name] == value for name, value in self.scope.items()))

    @property
    def columns(self) -> list[str]:
        """The columns, in the order of the table."""
        return [column.name for column in self.table.columns]


class _Way(Protocol):
    """How one dialect takes files."""

    def bring(self, connection: Connection, bulk: Bulk, scratch: Path) -> None:
        """Bring the files to where they can be copied from; outside of the transaction."""
        ...

    def lock(self, connection: Connection, bulk: Bulk) -> None:
        """Wait until nobody else loads the scope, in the transaction."""
        ...

    def copy(self, connection: Connection, bulk: Bulk) -> None:
        """Copy the files into the table, in the transaction."""
        ...

    def clear(self, connection: Connection, bulk: Bulk) -> None:
        """Remove what :meth:`bring` has left; outside of the transaction."""
        ...


def load(database: Database, bulk: Bulk, scratch: Path) -> None:
    """Load the files, unless their rows are there; ``scratch`` is a folder for copies of them.

    Raises:
        StoreError: the store refused or went away, and nothing or everything is loaded; or not all rows arrived, and
            none is kept.
    """
    way = _WAYS[database.dialect]
    with database.connection() as connection:
        if bulk.replaces or _count(connection, bulk) != bulk.rows:
            way.bring(connection, bulk, scratch)
    with database.transaction(lock=bulk.lock) as connection:
        way.lock(connection, bulk)
        if (present := _count(connection, bulk)) != bulk.rows or bulk.replaces:
            if present:
                connection.execute(sa.delete(bulk.table).where(bulk.condition))
            way.copy(connection, bulk)
            if (loaded := _count(connection, bulk)) != bulk.rows:
                raise StoreError(
                    f"of {bulk.rows:,} rows of {bulk.place} {loaded:,} arrived in {bulk.table.name}, and none was kept",
                    hint="try again; if it stays so, see what COPY says of the files",
                )
    with database.connection() as connection:
        way.clear(connection, bulk)


def _count(connection: Connection, bulk: Bulk) -> int:
    counted = sa.select(sa.func.count()).select_from(bulk.table).where(bulk.condition)
    return int(connection.execute(counted).scalar_one())


class _PostgresWay:
    """COPY over the connection, as CSV, which Arrow writes."""

    def bring(self, connection: Connection, bulk: Bulk, scratch: Path) -> None:
        """Do nothing: the rows go over the connection."""

    def lock(self, connection: Connection, bulk: Bulk) -> None:
        """Take an advisory lock that lasts as long as the transaction."""
        name = sa.func.hashtext(bulk.lock)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_CLASS, name)))

    def copy(self, connection: Connection, bulk: Bulk) -> None:
        """Send the rows, some at a time."""
        columns = ", ".join(f'"{name}"' for name in bulk.columns)
        statement = f"COPY {bulk.table.name} ({columns}) FROM STDIN (FORMAT csv)"
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for file in bulk.files:
                    for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS, columns=bulk.columns):
                        copy.write(_csv(pa.Table.from_batches([batch])))
        except psycopg.Error as error:
            lost = bool(driver.closed)
            raise exc.DBAPIError(statement, None, error, connection_invalidated=lost) from None

    def clear(self, connection: Connection, bulk: Bulk) -> None:
        """Do nothing: there is nothing left."""


class _SnowflakeWay:
    """PUT into a stage, COPY INTO, REMOVE."""

    def bring(self, connection: Connection, bulk: Bulk, scratch: Path) -> None:
        """Put the files into the stage, in the place of those that an earlier attempt has left there."""
        scratch.mkdir(parents=True, exist_ok=True)
        for file in bulk.files:
            plain = scratch / file.name
            try:
                _write_plainly(file, plain)
                source = str(plain).replace("\\", "\\\\").replace("'", "\\'")
                put = f"PUT 'file://{source}' @{QUERY_LOG_STAGE}/{bulk.place} AUTO_COMPRESS = FALSE OVERWRITE = TRUE"
                connection.exec_driver_sql(put)
            finally:
                plain.unlink(missing_ok=True)

    def lock(self, connection: Connection, bulk: Bulk) -> None:
        """Do nothing: the transaction began with the lock."""

    def copy(self, connection: Connection, bulk: Bulk) -> None:
        """Copy the files by the names of their columns; those that were copied before and rolled back as well."""
        names = ", ".join(f"'{file.name}'" for file in bulk.files)
        connection.exec_driver_sql(
            f"COPY INTO {bulk.table.name} FROM @{QUERY_LOG_STAGE}/{bulk.place} FILES = ({names}) "
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE "
            "ON_ERROR = ABORT_STATEMENT FORCE = TRUE"
        )

    def clear(self, connection: Connection, bulk: Bulk) -> None:
        """Remove the files, and the row of the lock."""
        connection.exec_driver_sql(f"REMOVE @{QUERY_LOG_STAGE}/{bulk.place}/")
        remove_lock(connection, bulk.lock)


_WAYS: Final[Mapping[str, _Way]] = {"postgresql": _PostgresWay(), "snowflake": _SnowflakeWay()}


def _csv(table: pa.Table) -> memoryview:
    """Return rows as CSV without a header; NULL is nothing, and an empty text has quotes."""
    plain = {name: _decoded(table.column(name)) for name in table.column_names}
    sink = io.BytesIO()
    pa_csv.write_csv(pa.table(plain), sink, pa_csv.WriteOptions(include_header=False))
    return sink.getbuffer()


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without its dictionary, and text without the character that PostgreSQL cannot hold."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type):
        column = pc.replace_substring(column, _NUL, _REPLACEMENT)
    return column


def _write_plainly(source: Path, target: Path) -> None:
    """Write a file anew with encodings that every reader of Parquet knows: ours pack times more tightly than that."""
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for batch in file.iter_batches(BATCH_ROWS):
            writer.write_batch(batch)
