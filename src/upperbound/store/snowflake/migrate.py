"""Making and updating the tables of a Snowflake store.

DDL commits by itself there: a migration cannot be taken back. Instead all of it can be repeated. What is missing is
made, what is there is left, and the revision is written last: tables that were made in part are not taken for whole.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from upperbound.store.snowflake.hybrid import schema_version
from upperbound.store.tables import VERSION_TABLE

_TABLES = sa.text("SELECT table_name FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA()")


def has_version_table(connection: Connection) -> bool:
    """Tell whether the table of the revision is there, and may be seen."""
    return VERSION_TABLE in table_names(connection)


def table_names(connection: Connection) -> set[str]:
    """Return the tables of the session's schema, those without quotes in lower case."""
    return {lowered(name) for name in connection.execute(_TABLES).scalars()}


def make_tables(connection: Connection, run_alembic: Callable[[Connection], None], before: str | None) -> None:
    """Bring the tables to the present revision; each statement commits by itself."""
    from upperbound.store.ddl import control_statements, record_statement, results_statements

    if before is not None:
        run_alembic(connection)
        return
    for statement in (*control_statements("snowflake"), *results_statements("snowflake")):
        connection.exec_driver_sql(statement)
    if connection.execute(sa.select(schema_version.c.version_num)).first() is None:
        try:
            connection.exec_driver_sql(record_statement("snowflake"))
        except exc.IntegrityError:
            return  # another process has done the same


def lowered(name: str) -> str:
    """Return a name as it is written without quotes."""
    return name.lower() if name.isupper() else name
