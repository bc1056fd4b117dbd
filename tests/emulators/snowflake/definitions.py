"""Statements that change definitions, and those that show them, where the engine does not know all."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from tests.emulators.snowflake import engine
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.catalog import Table, TableKind, qualified
from tests.emulators.snowflake.create_table import CreateTable
from tests.emulators.snowflake.errors import OBJECT_EXISTS, TABLE_MISSING, SqlError
from tests.emulators.snowflake.results import Result, status
from tests.emulators.snowflake.sessions import Running, Session


def create_table(account: Account, session: Session, running: Running, wanted: CreateTable) -> Result:
    """CREATE TABLE of any type."""
    name = wanted.name(session.engine.database, session.engine.schema)
    if account.catalog.find(name) is not None and not wanted.replace:
        if wanted.if_not_exists:
            return status(f"{name[2]} already exists, statement succeeded.")
        raise SqlError(*OBJECT_EXISTS, f"SQL compilation error:\nObject '{name[2]}' already exists.")

    def work() -> Result:
        created = engine.run(session.engine, wanted.sql, [[]], is_array=False)
        if wanted.query and wanted.kind is TableKind.HYBRID and wanted.primary_key:
            # The engine takes no keys in a table that is made from a query.
            engine.add_primary_key(session.engine, name, wanted.primary_key.columns)
        return created

    result = account.transactions.define(session, running, work)
    account.catalog.add(wanted.table(session.engine.database, session.engine.schema))
    return result


def refresh(account: Account, session: Session, running: Running, parts: tuple[str, ...]) -> Result:
    """ALTER DYNAMIC TABLE … REFRESH: put what the query returns now in place of the rows."""
    name = qualified(parts, session.engine.database, session.engine.schema)
    table = account.catalog.find(name)
    if table is None or table.kind is not TableKind.DYNAMIC or table.query is None:
        message = f"SQL compilation error:\nDynamic Table '{'.'.join(name)}' does not exist or not authorized."
        raise SqlError(*TABLE_MISSING, message)
    quoted = ".".join(f'"{part}"' for part in name)

    def work() -> Result:
        engine.run(session.engine, f"DELETE FROM {quoted}", [[]], is_array=False)
        return engine.run(session.engine, f"INSERT INTO {quoted} {table.query}", [[]], is_array=False)

    account.transactions.commit(session)
    account.transactions.write(session, running, work)
    table.refreshed = datetime.now(UTC)
    return status()


def follow(account: Account, session: Session, expression: exp.Expr | None, result: Result) -> Result:
    """Do what a definition entails in Snowflake and not in the engine."""
    if isinstance(expression, exp.Create):
        _follow_create(account, session, expression)
    elif isinstance(expression, exp.Use):
        _use_public(account, session, expression)
    elif isinstance(expression, exp.Drop):
        for table in expression.args.get("tables") or [expression.this]:
            if isinstance(table, exp.Table):
                _forget(account, session, str(expression.args.get("kind")).upper(), _parts(table))
    elif isinstance(expression, exp.Alter):
        _follow_alter(account, session, expression)
    return result


def complete(account: Account, session: Session, expression: exp.Expr, result: Result) -> Result:
    """Add to what SHOW TABLES, SHOW OBJECTS and DESCRIBE TABLE tell what the catalog knows."""
    if isinstance(expression, exp.Show) and expression.name.upper() == "DATABASES":
        result.table = result.table.filter(pc.not_equal(result.table["name"], engine.OWN_DATABASE))
    elif isinstance(expression, exp.Show) and {"is_hybrid", "schema_name"} <= set(result.table.column_names):
        rows = result.table.to_pylist()
        for row in rows:
            kind = account.catalog.kind((row["database_name"], row["schema_name"], row["name"]))
            row["is_hybrid"] = "Y" if kind is TableKind.HYBRID else "N"
            if "is_dynamic" in row:
                row["is_dynamic"] = "Y" if kind is TableKind.DYNAMIC else "N"
        result.table = pa.Table.from_pylist(rows, schema=result.table.schema)
    elif isinstance(expression, exp.Describe) and isinstance(expression.this, exp.Table):
        name = qualified(_parts(expression.this), session.engine.database, session.engine.schema)
        if (table := account.catalog.find(name)) and "primary key" in result.table.column_names:
            result.table = _with_keys(result.table, table)
    return result


def _with_keys(described: pa.Table, table: Table) -> pa.Table:
    primary = table.primary_key.columns if table.primary_key else ()
    unique = {column for key in table.unique_keys for column in key.columns}
    rows: list[dict[str, Any]] = described.to_pylist()
    for row in rows:
        row["primary key"] = "Y" if row["name"] in primary else "N"
        row["unique key"] = "Y" if row["name"] in unique else "N"
    return pa.Table.from_pylist(rows, schema=described.schema)


def _follow_create(account: Account, session: Session, create: exp.Create) -> None:
    """A new database has a schema PUBLIC; a new database or schema becomes the session's."""
    kind = str(create.args.get("kind")).upper()
    if kind == "DATABASE":
        database = _parts(create.this)[-1]
        if "PUBLIC" not in account.engine.schemas(database):
            engine.run(session.engine, f'CREATE SCHEMA "{database}".PUBLIC', [[]], is_array=False)
        engine.run(session.engine, f'USE SCHEMA "{database}".PUBLIC', [[]], is_array=False)


def _use_public(account: Account, session: Session, use: exp.Use) -> None:
    """USE DATABASE makes the schema PUBLIC the current one, where there is one."""
    kind = use.args.get("kind")
    if kind is None or kind.name.upper() == "DATABASE":
        database = session.engine.database
        if database and "PUBLIC" in account.engine.schemas(database):
            engine.run(session.engine, f'USE SCHEMA "{database}".PUBLIC', [[]], is_array=False)


def _forget(account: Account, session: Session, kind: str, parts: tuple[str, ...]) -> None:
    database, schema = session.engine.database, session.engine.schema
    if kind == "TABLE":
        account.catalog.forget(*qualified(parts, database, schema))
    elif kind == "SCHEMA":
        account.catalog.forget(*(parts if len(parts) == 2 else (database or "", *parts)))
    elif kind == "DATABASE":
        account.catalog.forget(*parts)


def _follow_alter(account: Account, session: Session, alter: exp.Alter) -> None:
    if not isinstance(alter.this, exp.Table):
        return
    old = qualified(_parts(alter.this), session.engine.database, session.engine.schema)
    for action in alter.args.get("actions") or []:
        if isinstance(action, exp.AlterRename) and isinstance(action.this, exp.Table):
            account.catalog.rename(old, qualified(_parts(action.this), old[0], old[1]))


def _parts(table: exp.Table) -> tuple[str, ...]:
    """Return a name's parts as stored; the engine's own translation has not touched this expression."""
    return tuple(str(part.name) if part.args.get("quoted") else str(part.name).upper() for part in table.parts)
