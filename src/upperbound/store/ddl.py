"""The schema as SQL, for those who make tables by hand."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from upperbound.store.address import DialectName
from upperbound.store.migrate import HEAD_REVISION
from upperbound.store.query_log_ddl import query_log_statements
from upperbound.store.snowflake.connect import require_packages
from upperbound.store.snowflake.hybrid import schema_version, store_locks
from upperbound.store.snowflake.role import ROLE_SCRIPT
from upperbound.store.tables import CONTROL_TABLES, RESULTS_TABLES, VERSION_TABLE

DIALECTS: Final[tuple[DialectName, ...]] = ("sqlite", "postgresql", "snowflake")


def ddl(dialect: DialectName) -> dict[str, str]:
    """Return the statements that make an empty store of the present revision, by file name.

    ``control_tables.sql`` also records the revision, so that a store made by both files opens without a migration. For
    Snowflake ``role.sql`` makes the roles that the store needs. Raises :class:`ConfigurationError` when the packages of
    the dialect are not installed.
    """
    control, record = [*control_statements(dialect)], record_statement(dialect)
    files = {
        "control_tables.sql": _script(dialect, "Control tables: what runs and workers decide on.", [*control, record]),
        "results_tables.sql": _script(dialect, "Results tables: what was measured.", results_statements(dialect)),
    }
    if dialect == "snowflake":
        files["role.sql"] = ROLE_SCRIPT
    return files


def control_statements(dialect: DialectName) -> list[str]:
    """Return what makes the control tables, that of the revision included."""
    compiler = _compiler(dialect)
    own = [store_locks] if dialect == "snowflake" else []
    return _create([*CONTROL_TABLES, *own, schema_version], compiler)


def results_statements(dialect: DialectName) -> list[str]:
    """Return what makes the results tables."""
    return [*_create(RESULTS_TABLES, _compiler(dialect)), *query_log_statements(dialect)]


def record_statement(dialect: DialectName) -> str:
    """Return what says that the tables are of the present revision."""
    insert = f"INSERT INTO {VERSION_TABLE} (version_num)"
    if dialect == "snowflake":
        return f"{insert} SELECT '{HEAD_REVISION}' WHERE NOT EXISTS (SELECT 1 FROM {VERSION_TABLE})"  # noqa: S608
    return f"{insert} VALUES ('{HEAD_REVISION}')"


def _compiler(dialect: DialectName) -> Dialect:
    if dialect == "snowflake":
        require_packages()
        from upperbound.store.snowflake.dialect import StoreDialect

        return StoreDialect()
    return sa.make_url(f"{dialect}://").get_dialect()()


def _create(tables: Sequence[sa.Table], dialect: Dialect) -> list[str]:
    statements = []
    for table in tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        # On Snowflake indexes are made with their table.
        indexes = [] if dialect.name == "snowflake" else sorted(table.indexes, key=lambda index: str(index.name))
        statements.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes)
    return statements


def _script(dialect: str, title: str, statements: Sequence[str]) -> str:
    head = f"-- {title}\n-- Schema revision {HEAD_REVISION}; made by `upperbound store ddl --dialect {dialect}`.\n"
    return head + "".join(f"\n{_tidy(statement)};\n" for statement in statements)


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "  ") for line in statement.strip().splitlines())
