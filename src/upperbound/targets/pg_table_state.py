"""What the server's catalog says of a table without looking at its rows, and which database this is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from upperbound.domain.value_pools import TableState
from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.identifiers import parse_table
from upperbound.targets.pg_connection import ConnInfo
from upperbound.targets.pg_describe import Connection

_ROWS_PER_BYTE: Final = 1 / 100

# As the planner does, rows are reckoned from the present size and the density that the last ANALYZE has found, or a
# guess before there was one. A partitioned table is what its partitions are.
_STATE: LiteralString = """
    SELECT c.oid::text, CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_filenode(c.oid)::text END,
        CASE WHEN c.relkind IN ('r', 'm', 'p') THEN coalesce((
            SELECT sum(pg_relation_size(p.oid) * CASE
                WHEN p.relpages > 0 AND p.reltuples >= 0
                THEN p.reltuples / (p.relpages * current_setting('block_size')::float8) ELSE {rows_per_byte} END)
            FROM pg_class p WHERE p.oid = ANY (parts.oids)), 0)::float8 END
    FROM pg_class c, LATERAL (
        SELECT CASE WHEN c.relkind = 'p' THEN ARRAY(SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf)::oid[]
                    ELSE ARRAY[c.oid] END AS oids
    ) AS parts
    WHERE c.oid = {table}::regclass
"""
_CLUSTER: LiteralString = "SELECT system_identifier::text FROM pg_control_system()"
_DATABASE: LiteralString = "SELECT oid::text, datname FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True)
class TargetIdentity:
    """A database, whichever way leads there."""

    key: str
    """The same for a server and its standbys, under any address."""
    shown: str
    """``host:port/database``, as it was reached; no part of it is secret."""


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Turn what the server refuses into a mismatch of ``table``; a connection that breaks is none."""
    try:
        yield
    except psycopg.errors.DatabaseError as error:
        if isinstance(error, psycopg.OperationalError):
            raise
        said = error.diag.message_primary or "the server gives no reason"
        problem = Problem("target.table", f"{table}: {said}", error.diag.message_hint or "")
        raise TargetMismatch(f"the values of {table} cannot be read", problems=[problem]) from error


def table_state(connection: Connection, table: str) -> TableState:
    """Return the state of a table or view. Raises :class:`TargetMismatch` when there is none of this name."""
    query = sql.SQL(_STATE).format(table=sql.Literal(parse_table(table).quoted), rows_per_byte=_ROWS_PER_BYTE)
    with reading(table):
        row = connection.execute(query).fetchone()
    assert row is not None, "an absent table is an error"
    return TableState(*row)


def target_identity(connection: Connection, info: ConnInfo) -> TargetIdentity:
    """Return which database a connection that was opened by ``info`` is to.

    A server that does not tell its own name is known by its address.
    """
    row = connection.execute(_DATABASE).fetchone()
    assert row is not None, "a session has a database"
    database_id, name = row
    shown = f"{info.address}/{name}"
    try:
        cluster = connection.execute(_CLUSTER).fetchone()
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError:
        return TargetIdentity(shown, shown)
    assert cluster is not None, "the function returns one row"
    return TargetIdentity(f"{cluster[0]}/{database_id}", shown)
