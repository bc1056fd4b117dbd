"""The catalog of a database, whichever kind it is."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from upperbound.errors import ConfigurationError
from upperbound.scenario.identifiers import POSTGRES, SNOWFLAKE, IdentifierError, parse_column
from upperbound.scenario.kinds import TableType
from upperbound.targets.catalog import Catalog
from upperbound.targets.pg_catalog_reader import PostgresCatalog, catalog_connection
from upperbound.targets.pg_validate import validate_statement
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.sf_catalog import snowflake_catalog
from upperbound.targets.sf_connection import SnowflakeInfo, open_session
from upperbound.targets.sf_tables import read_table
from upperbound.targets.sf_validate import validate_on_snowflake
from upperbound.targets.valid_statement import ValidStatement


@contextmanager
def open_catalog(info: ConnInfo | SnowflakeInfo) -> Iterator[Catalog]:
    """Lend the catalog of a database. Raises :class:`TargetError` when there is no way in."""
    if isinstance(info, SnowflakeInfo):
        with snowflake_catalog(info) as catalog:
            yield catalog
        return
    with catalog_connection(info) as connection:
        yield PostgresCatalog(connection)


def schema_name(written: str | None, info: ConnInfo | SnowflakeInfo) -> str | None:
    """Return the true name of a schema that is written as in SQL.

    Raises:
        ConfigurationError: it is not a name.
    """
    if written is None:
        return None
    try:
        return parse_column(written, SNOWFLAKE if isinstance(info, SnowflakeInfo) else POSTGRES)
    except IdentifierError:
        raise ConfigurationError(
            f"{written!r} is not the name of a schema", hint='names with other characters need double quotes: "a-b"'
        ) from None


def table_type_of(info: ConnInfo | SnowflakeInfo, table: str) -> TableType | None:
    """Return what ``target.table_type`` has to say of a table or view; None where the server knows one kind alone.

    ``table`` is written as in ``target.table``. Raises :class:`TargetMismatch` when there is none, and
    :class:`TargetError` when there is no way in.
    """
    if not isinstance(info, SnowflakeInfo):
        return None
    with closing(open_session(info)) as session:
        return read_table(session, table).kind or TableType.STANDARD


def validated(info: ConnInfo | SnowflakeInfo, statement: str, table: str | None) -> ValidStatement:
    """Return what a server makes of a statement, without executing it; ``{table}`` stands for ``table``.

    Raises :class:`TargetMismatch` when it cannot be executed, :class:`ConfigurationError` when it is not one statement,
    and :class:`TargetError` when there is no way in.
    """
    if isinstance(info, SnowflakeInfo):
        with closing(open_session(info)) as session:
            return validate_on_snowflake(session, statement, table)
    with catalog_connection(info) as connection:
        return validate_statement(connection, statement, table)
