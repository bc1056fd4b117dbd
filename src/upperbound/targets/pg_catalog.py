"""What the server's catalog says: tables and columns that are there, names of types, and room for connections."""

import difflib
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from upperbound.errors import Problem
from upperbound.scenario.identifiers import IdentifierError, TableName, parse_table
from upperbound.targets.pg_describe import Connection

_READABLE_KINDS = ("r", "p", "v", "m", "f")
_NAMES_SHOWN = 12

_TABLES: LiteralString = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2 LIMIT 10000
"""
_COLUMNS: LiteralString = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# Other users' backends show no type to a user without pg_read_all_stats: they are taken for clients.
_SERVER: LiteralString = """
    WITH clients AS (
        SELECT datname, usename FROM pg_stat_activity
        WHERE datid IS NOT NULL AND pid <> pg_backend_pid()
            AND coalesce(backend_type, 'client backend') = 'client backend'
    )
    SELECT current_setting('server_version'), current_database(), current_setting('max_connections')::int,
        CASE WHEN r.rolsuper THEN 0
             ELSE current_setting('superuser_reserved_connections')::int
                  + coalesce(current_setting('reserved_connections', true)::int, 0) END,
        (SELECT count(*) FROM clients),
        CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,
        (SELECT count(*) FROM clients WHERE usename = r.rolname),
        CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END,
        (SELECT count(*) FROM clients WHERE datname = d.datname),
        current_setting('transaction_read_only')::boolean, current_setting('fsync')::boolean,
        current_setting('synchronous_commit') <> 'off'
    FROM pg_roles r, pg_database d WHERE r.rolname = session_user AND d.datname = current_database()
"""


@dataclass(frozen=True)
class ServerFacts:
    """The server as this session's user finds it; this session itself is not counted."""

    version: str
    database: str
    max_connections: int
    reserved_connections: int
    """Kept free for other users than this one."""
    used_connections: int
    role_limit: int
    """Connections this user may have; negative for no limit. So are the others."""
    role_used: int
    database_limit: int
    database_used: int
    read_only: bool
    """Writes are refused: a standby, or a user that may only read."""
    fsync: bool
    synchronous_commit: bool


def server_facts(connection: Connection) -> ServerFacts:
    """Ask the server for its facts."""
    row = connection.execute(_SERVER).fetchone()
    assert row is not None, "a session has a role and a database"
    return ServerFacts(*row)


def table_problem(connection: Connection, table: str) -> Problem | None:
    """Say what is wrong with the target table; None when it can be read as one."""
    where, quoted = "target.table", parse_table(table).quoted
    try:
        row = connection.execute("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)", [quoted]).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        return Problem(where, f"{table}: {error.diag.message_primary}", "grant the user USAGE on the schema")
    if row is None:
        database = connection.info.dbname
        return Problem(where, f"there is no table {table} in database {database}", similar_tables(connection, table))
    if row[0] not in _READABLE_KINDS:
        return Problem(where, f"{table} is no table and no view")
    return None


def is_view(connection: Connection, table: str) -> bool:
    """Say whether a table is a view, materialized or not; one that is not there is none."""
    query = "SELECT relkind IN ('v', 'm') FROM pg_class WHERE oid = to_regclass(%s)"
    row = connection.execute(query, [parse_table(table).quoted]).fetchone()
    return row is not None and bool(row[0])


def similar_tables(connection: Connection, wanted: str) -> str:
    """Return a hint that names tables that may be meant."""
    there = [TableName(schema, name) for schema, name in connection.execute(_TABLES).fetchall()]
    if not there:
        return f"database {connection.info.dbname} has no tables that this user can see"
    try:
        name = parse_table(wanted).name
    except IdentifierError:
        name = wanted
    close = difflib.get_close_matches(name, {table.name for table in there}, n=3, cutoff=0.6)
    meant = [f"{table.schema}.{table.name}" for table in there if table.name in close]
    if meant:
        return f"did you mean {' or '.join(meant[:3])}?"
    return "there are " + _listed([f"{table.schema}.{table.name}" for table in there])


def similar_columns(connection: Connection, table: str, wanted: str) -> str:
    """Return a hint that names columns of ``table`` that may be meant; empty when there is no such table."""
    names = [row[0] for row in connection.execute(_COLUMNS, [parse_table(table).quoted]).fetchall()]
    close = difflib.get_close_matches(wanted.rpartition(".")[2].strip('"'), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"{table} has {_listed(names)}" if names else ""


def type_name(connection: Connection, oid: int) -> str:
    """Return a type's name as SQL writes it, quoted and with its schema where that is needed."""
    row = connection.execute("SELECT format_type(%s, NULL)", [oid]).fetchone()
    return str(row[0]) if row is not None else f"type {oid}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
