"""The table of orders that the embedded server is filled with."""

from typing import LiteralString

import psycopg
from psycopg import sql

from upperbound.errors import EmbeddedServerError
from upperbound.scenario.identifiers import parse_table
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_words import said

DEFAULT_ROWS = 100_000
DEFAULT_SEED = 1
ROWS_PER_CUSTOMER = 20

_CREATE: LiteralString = """
    CREATE TABLE {table} (
        id bigint NOT NULL,
        customer_id integer NOT NULL,
        status text NOT NULL,
        amount numeric(10, 2) NOT NULL,
        created_at timestamptz NOT NULL,
        note text
    )
"""
# All from hashes of the id: no row depends on the order in which rows are made. Half of the orders are delivered, every
# fourth has no note, and the times rise with the ids over one year, as in a table that has grown.
_FILL: LiteralString = """
    INSERT INTO {table} (id, customer_id, status, amount, created_at, note)
    SELECT id,
        1 + (abs(hash % 1000000007) % {customers})::integer,
        (ARRAY['delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'shipped', 'paid', 'paid', 'new',
               'cancelled'])[1 + ((hash >> 8) & 1023) % 10],
        (100 + ((hash >> 20) & 65535) * 10)::numeric / 100,
        timestamptz '2025-01-01 00:00:00+00' + (id * 31536000.0 / {rows}) * interval '1 second',
        CASE WHEN (hash & 3) <> 0 THEN 'order ' || id || ' ' || to_hex(hash & 281474976710655) END
    FROM generate_series(1, {rows}::bigint) AS id, LATERAL (SELECT hashint8extended(id, {seed}) AS hash) AS hashed
"""
_INDEX: tuple[LiteralString, ...] = (
    "ALTER TABLE {table} ADD PRIMARY KEY (id)",
    "CREATE INDEX ON {table} (customer_id, created_at)",
    "CREATE INDEX ON {table} (created_at)",
    "VACUUM (ANALYZE) {table}",
)


def create_orders(
    connection: Connection, *, table: str = "public.orders", rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED
) -> None:
    """Create ``table`` and fill it with ``rows`` orders, ids 1 to ``rows``; the same seed gives the same rows.

    The connection must be in autocommit mode. Raises :class:`EmbeddedServerError` when the server cannot do it; the
    table is not there then.
    """
    parts = parse_table(table)
    name = sql.Identifier(*(part for part in (parts.schema, parts.name) if part is not None))
    values = {"rows": rows, "seed": seed % 2**63, "customers": max(1, rows // ROWS_PER_CUSTOMER)}
    try:
        with connection.transaction():
            if parts.schema is not None:
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(parts.schema)))
            connection.execute(sql.SQL(_CREATE).format(table=name))
            connection.execute(sql.SQL(_FILL).format(table=name, **values))
            for statement in _INDEX[:-1]:
                connection.execute(sql.SQL(statement).format(table=name))
        connection.execute(sql.SQL(_INDEX[-1]).format(table=name))
    except psycopg.Error as error:
        raise EmbeddedServerError(
            f"table {table} cannot be filled with {rows:,} rows: {said(error)}",
            hint="is the disk full? ask for fewer rows",
        ) from error
