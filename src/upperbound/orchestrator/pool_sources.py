"""Where value pools are sampled: one way for every kind of target."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Final, Protocol

import psycopg

from upperbound.domain.value_blocks import ValueBlock, ValueEncoding
from upperbound.domain.value_pools import TableState
from upperbound.errors import TargetUnreachable
from upperbound.scenario.identifiers import quote_name
from upperbound.targets.pg_catalog import type_name
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_sampling import encoding_of
from upperbound.targets.pg_table_state import TargetIdentity, table_state, target_identity
from upperbound.targets.pg_types import pg_type
from upperbound.targets.pg_words import said
from upperbound.targets.postgres import ConnInfo, column_type, open_connection, sample_blocks
from upperbound.targets.sf_connection import SnowflakeInfo, open_session
from upperbound.targets.sf_sampling import sample_blocks as sample_snowflake
from upperbound.targets.sf_sampling import sampled_kind
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_tables import SnowflakeTable, current_place, read_table
from upperbound.targets.sf_types import encoding_of as snowflake_encoding

LOCK_TIMEOUT_S: Final = 10
PoolTarget = ConnInfo | SnowflakeInfo
"""A database that pools can be sampled from."""


class PoolSource(Protocol):
    """A database that is open to be sampled. Tables are written as in a scenario, columns are in their true case."""

    def identity(self) -> TargetIdentity:
        """Return which database this is."""
        ...

    def state(self, table: str) -> TableState:
        """Return what the database says of a table at no cost. Raises :class:`TargetMismatch` when there is none."""
        ...

    def column(self, table: str, column: str) -> tuple[str, ValueEncoding]:
        """Return the type of a column and how its values are written.

        Raises :class:`TargetMismatch` when it is not there or no parameter takes its values.
        """
        ...

    def blocks(self, table: str, column: str, limit: int, seed: int) -> Generator[ValueBlock, None, None]:
        """Yield up to ``limit`` distinct values, chosen and ordered by ``seed``; none for a column without any.

        The source is not to be used for anything else in between.
        """
        ...


@contextlib.contextmanager
def open_pool_source(target: PoolTarget) -> Iterator[PoolSource]:
    """Lend a database to be sampled.

    Raises:
        TargetError: there is no way in, or the server gave up while the body was at work.
    """
    if isinstance(target, SnowflakeInfo):
        with contextlib.closing(open_session(target)) as session:
            yield _SnowflakeSource(session, target)
        return
    with contextlib.closing(open_connection(target)) as connection:
        try:
            connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
            yield _PostgresSource(connection, target)
        except psycopg.OperationalError as error:
            failure = TargetUnreachable(
                f"PostgreSQL at {target.address} gave up while value pools were sampled: {said(error)}",
                hint="see the server's log; a table that is locked has to be free, and statement_timeout long enough",
            )
        else:
            return
    raise failure


class _PostgresSource:
    """A PostgreSQL database; waits for no lock for long."""

    def __init__(self, connection: Connection, info: ConnInfo) -> None:
        self._connection, self._info = connection, info

    def identity(self) -> TargetIdentity:
        return target_identity(self._connection, self._info)

    def state(self, table: str) -> TableState:
        return table_state(self._connection, table)

    def column(self, table: str, column: str) -> tuple[str, ValueEncoding]:
        oid = column_type(self._connection, table, quote_name(column))
        return type_name(self._connection, oid), encoding_of(pg_type(oid))

    def blocks(self, table: str, column: str, limit: int, seed: int) -> Generator[ValueBlock, None, None]:
        return sample_blocks(self._connection, table, quote_name(column), limit, seed)


class _SnowflakeSource:
    """A session of Snowflake's."""

    def __init__(self, session: Session, info: SnowflakeInfo) -> None:
        self._session, self._info = session, info
        self._tables: dict[str, SnowflakeTable] = {}

    def identity(self) -> TargetIdentity:
        database, _ = current_place(self._session)
        account = self._info.login.get("account")
        return TargetIdentity(f"snowflake {account}/{database}", f"{account}/{database}")

    def state(self, table: str) -> TableState:
        return self._table(table).state

    def column(self, table: str, column: str) -> tuple[str, ValueEncoding]:
        found = self._table(table)
        kind = sampled_kind(found, column)
        return next(one.type for one in found.columns if one.name == column), snowflake_encoding(kind)

    def blocks(self, table: str, column: str, limit: int, seed: int) -> Generator[ValueBlock, None, None]:
        return sample_snowflake(self._session, self._table(table), column, limit, seed)

    def _table(self, table: str) -> SnowflakeTable:
        if table not in self._tables:
            self._tables[table] = read_table(self._session, table)
        return self._tables[table]
