"""Connections to a store, and the one place where a driver's failure becomes ours."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.abc import AdaptContext
from sqlalchemy import exc
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Connection, Dialect, RowMapping
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.base import Executable

from upperbound.clock import Clock
from upperbound.store.address import StoreAddress
from upperbound.store.dialects import Write
from upperbound.store.failures import store_failure
from upperbound.store.snowflake.connect import RECYCLE_S, STATEMENT_S, connect, require_packages
from upperbound.store.snowflake.locks import begin_locked
from upperbound.store.types import to_json

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

SQLITE_BUSY_S: Final = 30.0
"""How long a statement waits for another process's write to end."""
CONNECT_TIMEOUT_S: Final = 5
"""How long one attempt to reach a PostgreSQL store may take."""
_POOL_SIZE: Final = 4
_POOL_OVERFLOW: Final = 12

_DRIVERS: Final[Mapping[str, str]] = {
    "sqlite": "sqlite+pysqlite://",
    "postgresql": "postgresql+psycopg://",
    "snowflake": "snowflake+upperbound://",
}
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "sqlite": {},
    "postgresql": {"use_native_hstore": False},
    "snowflake": {"paramstyle": "qmark", "pool_recycle": RECYCLE_S},
}

_LIBPQ_DEFAULTS: Final[Mapping[str, str | int]] = {
    "application_name": "upperbound",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A store whose host has gone is noticed in about 20 s, well within the minute a worker goes on without it.
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 4,
    "tcp_user_timeout": 20_000,
}

_BEGIN: Final[Mapping[str, str]] = {
    # Taken at once: a transaction that reads first and then writes would fail when another process wrote in between.
    "sqlite": "BEGIN IMMEDIATE",
    # A retry loop for serialisation failures is not needed when this level is certain.
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED",
    "snowflake": "BEGIN",
}


class Database:
    """A pool of connections to one store; safe to use from several threads.

    The driver is in autocommit mode, so that a single statement costs one round trip; :meth:`transaction` says BEGIN
    itself.
    """

    def __init__(self, address: StoreAddress, *, statement_s: int | None = None) -> None:
        """Reach the store at ``address``; ``statement_s`` is how long a statement may take, on Snowflake."""
        self.address, self._statement_s = address, statement_s
        self.dialect: Final = address.dialect
        if address.dialect == "snowflake":
            _register_snowflake()
        self.engine: Final = sa.create_engine(
            _DRIVERS[address.dialect],
            poolclass=QueuePool,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
            hide_parameters=True,
            json_serializer=to_json,
            **_OPTIONS[address.dialect],
        )
        sa.event.listen(self.engine, "do_connect", self._connect)
        if address.dialect == "snowflake":
            from upperbound.store.snowflake.dialect import name_conflict

            sa.event.listen(self.engine, "handle_error", name_conflict, retval=True)

    def _connect(
        self, _dialect: Dialect, _record: object, _arguments: object, parameters: Mapping[str, Any]
    ) -> "sqlite3.Connection | psycopg.Connection[tuple[Any, ...]] | SnowflakeConnection":
        """Connect in SQLAlchemy's place: the URL is libpq's to read, and the password never is in it."""
        if self.dialect == "sqlite":
            return _connect_sqlite(self.address)
        if self.dialect == "snowflake":
            return connect(self.address, self._statement_s or STATEMENT_S)
        return _connect_postgresql(self.address, parameters["context"])

    def observe(self, clock: Clock, seen: Callable[[float], None]) -> None:
        """Tell ``seen`` how many seconds each statement from now on has taken; it must return at once."""

        def begin(connection: Connection, *_: object) -> None:
            connection.info["upperbound_began_ns"] = clock.monotonic_ns()

        def end(connection: Connection, *_: object) -> None:
            seen((clock.monotonic_ns() - connection.info["upperbound_began_ns"]) / 1e9)

        sa.event.listen(self.engine, "before_cursor_execute", begin)
        sa.event.listen(self.engine, "after_cursor_execute", end)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.engine.dispose()
        if self.dialect == "snowflake":
            from upperbound.store.snowflake.dialect import StoreDialect

            assert isinstance(self.engine.dialect, StoreDialect)
            self.engine.dialect.abandoned.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection on which every statement is a transaction of its own.

        Raises :class:`StoreUnreachable` when the store cannot be used now and :class:`StoreError` for what waiting does
        not mend.
        """
        try:
            with self.engine.connect() as connection:
                yield connection
        except (exc.DBAPIError, exc.TimeoutError) as error:
            # The driver's error may hold the connection's parameters, the password among them: it does not go with
            # ours.
            failure = store_failure(error, self.address)
        else:
            return
        raise failure

    @contextmanager
    def transaction(self, *, lock: str | None = None) -> Iterator[Connection]:
        """Lend a connection for one writing transaction: committed at the end, rolled back when the body raises.

        ``lock`` names what one transaction at a time may work on, on Snowflake, where rows of results tables cannot be
        locked and their keys are not enforced; the other stores lock rows or all of the file. Raises what
        :meth:`connection` raises.
        """
        begin = _BEGIN[self.dialect]
        with self.connection() as connection, connection.begin():
            if lock is not None and self.dialect == "snowflake":
                begin_locked(connection, begin, lock)
            else:
                connection.exec_driver_sql(begin)
            yield connection

    def rows(self, statement: Executable, values: Mapping[str, object] | None = None) -> Sequence[RowMapping]:
        """Run one query and return its rows."""
        with self.connection() as connection:
            return connection.execute(statement, values).mappings().all()

    def write(self, statement: Executable, values: Mapping[str, object] | None = None) -> int:
        """Run one writing statement as a transaction of its own and return the number of rows it touched."""
        with self.connection() as connection:
            return connection.execute(statement, values).rowcount

    def run(self, write: Write, values: Mapping[str, object] | None = None) -> int:
        """Carry a write out, each statement as a transaction of its own, and return the number of rows it touched."""
        with self.connection() as connection:
            return write.run(connection, values)


def _register_snowflake() -> None:
    """Let SQLAlchemy know the store's dialect of Snowflake. Raises :class:`ConfigurationError` where it is missing."""
    require_packages()
    registry.register("snowflake.upperbound", "upperbound.store.snowflake.dialect", "StoreDialect")


def _connect_sqlite(address: StoreAddress) -> sqlite3.Connection:
    assert address.path is not None
    connection = sqlite3.connect(address.path, timeout=SQLITE_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # In WAL mode this is safe against a crash of any process; a power cut may cost the last commits, nothing else.
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_postgresql(address: StoreAddress, context: AdaptContext) -> psycopg.Connection[tuple[Any, ...]]:
    given = psycopg.conninfo.conninfo_to_dict(address.url)
    options: dict[str, Any] = {**_LIBPQ_DEFAULTS, **given, "client_encoding": "UTF8"}
    if address.password is not None:
        options["password"] = address.password.get_secret_value()
    connection = psycopg.connect(psycopg.conninfo.make_conninfo(**options), autocommit=True, context=context)
    if not (connection.pgconn.parameter_status(b"DateStyle") or b"ISO").startswith(b"ISO"):
        # The driver reads timestamps in this form only; a role or a database may have another default.
        connection.execute("SET DateStyle TO ISO")
    return connection
