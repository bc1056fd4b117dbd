"""Statements that the emulator answers itself."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.emulators.snowflake import warehouses
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.catalog import Index, Table, TableKind, qualified
from tests.emulators.snowflake.commands import (
    AlterWarehouse,
    CreateIndex,
    CreateWarehouse,
    DropIndex,
    DropWarehouse,
    SessionChange,
    Show,
    Transaction,
    Use,
)
from tests.emulators.snowflake.errors import OBJECT_EXISTS, OBJECT_MISSING, TABLE_MISSING, UNSUPPORTED, SqlError
from tests.emulators.snowflake.results import Result, result_of, status
from tests.emulators.snowflake.sessions import Session

_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
PARAMETERS = {
    "AUTOCOMMIT": "true",
    "QUERY_TAG": "",
    "USE_CACHED_RESULT": "true",
    "READ_LATEST_WRITES": "false",
    "LOCK_TIMEOUT": "43200",
    "STATEMENT_TIMEOUT_IN_SECONDS": "172800",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "0",
    "TIMEZONE": "Etc/UTC",
    "CLIENT_SESSION_KEEP_ALIVE": "false",
    "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": "0",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
    "TRANSACTION_ABORT_ON_ERROR": "false",
}
"""The session parameters that SHOW PARAMETERS knows, with their defaults."""


def answer(account: Account, session: Session, special: Any) -> Result:
    """Answer a statement; one that has no effect here succeeds."""
    handler = _HANDLERS.get(type(special))
    return handler(account, session, special) if handler else status()


def transact(account: Account, session: Session, wanted: Transaction) -> Result:
    """BEGIN, COMMIT and ROLLBACK."""
    transactions = account.transactions
    act = {"BEGIN": transactions.begin, "COMMIT": transactions.commit, "ROLLBACK": transactions.roll_back}
    act[wanted.what](session)
    return status()


def change_session(account: Account, session: Session, change: SessionChange) -> Result:
    """ALTER SESSION."""
    for name, value in change.values.items():
        if value is None:
            session.parameters.pop(name, None)
        else:
            session.parameters[name] = value
        if name == "AUTOCOMMIT":
            account.transactions.commit(session)
    return status()


def use(account: Account, session: Session, wanted: Use) -> Result:
    """USE WAREHOUSE and USE ROLE."""
    if wanted.what == "WAREHOUSE":
        if account.warehouses.find(wanted.name) is None:
            message = "SQL compilation error:\nObject does not exist, or operation cannot be performed."
            raise SqlError(2043, "02000", message)
        session.warehouse = wanted.name
    elif wanted.what == "ROLE":
        session.role = wanted.name
    return status()


def create_warehouse(account: Account, session: Session, wanted: CreateWarehouse) -> Result:
    """CREATE WAREHOUSE; it becomes the session's, as Snowflake has it."""
    made = account.warehouses.create(
        wanted.name, wanted.options, kind=wanted.kind, replace=wanted.replace, if_not_exists=wanted.if_not_exists
    )
    if not made:
        return status(f"{wanted.name} already exists, statement succeeded.")
    if wanted.tables:
        account.warehouses.set_tables(wanted.name, _full_names(session, wanted.tables), set())
    session.warehouse = wanted.name
    return status(f"Warehouse {wanted.name} successfully created.")


def alter_warehouse(account: Account, session: Session, wanted: AlterWarehouse) -> Result:
    """ALTER WAREHOUSE."""
    if wanted.action in ("ADD", "DROP"):
        names = _full_names(session, wanted.tables)
        added, removed = (names, set[str]()) if wanted.action == "ADD" else (set[str](), names)
        account.warehouses.set_tables(wanted.name, added, removed)
    elif wanted.action in ("SET", "RESUME", "SUSPEND"):
        account.warehouses.alter(wanted.name, wanted.action, wanted.options, if_exists=wanted.if_exists)
    else:
        raise SqlError(*UNSUPPORTED, f"Unsupported feature 'ALTER WAREHOUSE {wanted.action}'.")
    return status()


def drop_warehouse(account: Account, session: Session, wanted: DropWarehouse) -> Result:
    """DROP WAREHOUSE."""
    account.warehouses.drop(wanted.name, if_exists=wanted.if_exists)
    if session.warehouse == wanted.name:
        session.warehouse = None
    return status(f"{wanted.name} successfully dropped.")


def create_index(account: Account, session: Session, wanted: CreateIndex) -> Result:
    """CREATE INDEX, on hybrid tables alone."""
    table = _table(account, session, wanted.table)
    if table.kind is not TableKind.HYBRID:
        raise SqlError(*UNSUPPORTED, f"Unsupported feature 'index on {table.name[2]}, which is no hybrid table'.")
    if any(index.name == wanted.index.name for index in table.indexes):
        if wanted.if_not_exists:
            return status(f"{wanted.index.name} already exists, statement succeeded.")
        raise SqlError(*OBJECT_EXISTS, f"SQL compilation error:\nObject '{wanted.index.name}' already exists.")
    table.indexes.append(wanted.index)
    return status("Index successfully created.")


def drop_index(account: Account, session: Session, wanted: DropIndex) -> Result:
    """DROP INDEX table.index."""
    table = _table(account, session, wanted.name[:-1])
    kept = [index for index in table.indexes if index.name != wanted.name[-1]]
    if len(kept) == len(table.indexes) and not wanted.if_exists:
        raise SqlError(*OBJECT_MISSING, f"SQL compilation error:\nIndex '{wanted.name[-1]}' does not exist.")
    table.indexes[:] = kept
    return status("Index successfully dropped.")


def show(account: Account, session: Session, wanted: Show) -> Result:
    """SHOW of what the emulator remembers itself."""
    if wanted.subject == "WAREHOUSES":
        return result_of(warehouses.SHOW_COLUMNS, account.warehouses.rows(wanted.like, session.warehouse))
    if wanted.subject == "PARAMETERS":
        return _show_parameters(session, wanted.like)
    tables = _tables_in_scope(account, session, wanted)
    if wanted.subject == "INDEXES":
        return _show_indexes(tables)
    if wanted.subject in ("PRIMARY KEYS", "UNIQUE KEYS"):
        return _show_keys(tables, primary=wanted.subject == "PRIMARY KEYS")
    if wanted.subject in ("IMPORTED KEYS", "EXPORTED KEYS"):
        return _show_foreign_keys(account, tables, wanted)
    kind = TableKind(wanted.subject.partition(" ")[0])
    chosen = [table for table in tables if table.kind is kind and warehouses.matches_like(table.name[2], wanted.like)]
    return _show_tables(chosen, kind)


def _show_parameters(session: Session, like: str | None) -> Result:
    rows = []
    for name, default in sorted((dict.fromkeys(session.parameters, "") | PARAMETERS).items()):
        if warehouses.matches_like(name, like):
            level = "SESSION" if name in session.parameters else ""
            kind = "BOOLEAN" if default in ("true", "false") else "NUMBER" if default.isdigit() else "STRING"
            value = session.parameters.get(name, default)
            shown = value.lower() if kind == "BOOLEAN" else value
            rows.append([name, shown, default, level, "", kind])
    names = ("key", "value", "default", "level", "description", "type")
    return result_of([(name, "VARCHAR") for name in names], rows)


def _show_indexes(tables: Sequence[Table]) -> Result:
    columns = (
        "created_on",
        "name",
        "is_unique",
        "columns",
        "included_columns",
        "table",
        "database_name",
        "schema_name",
    )
    kinds = [(name, "TIMESTAMP WITH TIME ZONE" if name == "created_on" else "VARCHAR") for name in columns]
    kinds += [("owner", "VARCHAR"), ("owner_role_type", "VARCHAR"), ("status", "VARCHAR")]
    rows = []
    for table in (found for found in tables if found.kind is TableKind.HYBRID):
        database, schema, name = table.name
        assert table.primary_key is not None
        primary = Index(f"SYS_INDEX_{name}_PRIMARY", table.primary_key.columns, unique=True)
        unique = [
            Index(f"SYS_INDEX_{name}_UNIQUE_{'_'.join(key.columns)}", key.columns, unique=True)
            for key in table.unique_keys
        ]
        for index in (primary, *unique, *table.indexes):
            listed, included = (f"[{', '.join(names)}]" for names in (index.columns, index.include))
            is_unique = "Y" if index.unique else "N"
            place = [name, database, schema, "ACCOUNTADMIN", "ROLE", "ACTIVE"]
            rows.append([_CREATED, index.name, is_unique, listed, included, *place])
    return result_of(kinds, rows)


def _show_keys(tables: Sequence[Table], *, primary: bool) -> Result:
    rows = []
    for table in tables:
        keys = [table.primary_key] if primary else table.unique_keys
        for key in (found for found in keys if found is not None):
            for place, column in enumerate(key.columns, start=1):
                rows.append([_CREATED, *table.name, column, place, key.name, "false", None])
    columns = [("created_on", "TIMESTAMP WITH TIME ZONE")]
    columns += [(name, "VARCHAR") for name in ("database_name", "schema_name", "table_name", "column_name")]
    columns += [("key_sequence", "BIGINT"), ("constraint_name", "VARCHAR"), ("rely", "VARCHAR"), ("comment", "VARCHAR")]
    return result_of(columns, rows)


def _show_foreign_keys(account: Account, tables: Sequence[Table], wanted: Show) -> Result:
    rows: list[list[Any]] = []
    names = {table.name for table in tables}
    for table in account.catalog.inside():
        for key in table.foreign_keys:
            parent_name = qualified(key.parent, table.name[0], table.name[1])
            side = table.name if wanted.subject == "IMPORTED KEYS" else parent_name
            if side not in names:
                continue
            parent = account.catalog.find(parent_name)
            primary = parent.primary_key if parent else None
            parent_columns = key.parent_columns or (primary.columns if primary else ())
            pairs = zip(parent_columns, key.columns, strict=True)
            for place, (parent_column, column) in enumerate(pairs, start=1):
                ends = [*parent_name, parent_column, *table.name, column]
                parent_key = primary.name if primary else None
                rules = ["NO ACTION", "NO ACTION", key.name, parent_key, "NOT DEFERRABLE", "false", None]
                rows.append([_CREATED, *ends, place, *rules])
    parts = ("database_name", "schema_name", "table_name", "column_name")
    columns = [("created_on", "TIMESTAMP WITH TIME ZONE")]
    columns += [(f"{side}_{part}", "VARCHAR") for side in ("pk", "fk") for part in parts]
    columns += [("key_sequence", "BIGINT")]
    rest = ("update_rule", "delete_rule", "fk_name", "pk_name", "deferrability", "rely", "comment")
    return result_of([*columns, *((name, "VARCHAR") for name in rest)], rows)


def _show_tables(tables: Sequence[Table], kind: TableKind) -> Result:
    columns = [("created_on", "TIMESTAMP WITH TIME ZONE")]
    columns += [
        (name, "VARCHAR") for name in ("name", "database_name", "schema_name", "owner", "comment", "cluster_by")
    ]
    rows: list[list[Any]] = []
    for table in tables:
        database, schema, name = table.name
        comment, cluster_by = table.options.get("COMMENT", ""), table.options.get("CLUSTER_BY", "")
        rows.append([_CREATED, name, database, schema, "ACCOUNTADMIN", comment, cluster_by])
    if kind in (TableKind.DYNAMIC, TableKind.INTERACTIVE):
        extra = ("target_lag", "warehouse", "refresh_mode", "scheduling_state", "text")
        columns += [(name, "VARCHAR") for name in extra]
        columns += [("data_timestamp", "TIMESTAMP WITH TIME ZONE")]
        for row, table in zip(rows, tables, strict=True):
            options = table.options
            row += [options.get("TARGET_LAG"), options.get("WAREHOUSE"), options.get("REFRESH_MODE", "AUTO"), "ACTIVE"]
            row += [table.query, table.refreshed]
    return result_of(columns, rows)


def _tables_in_scope(account: Account, session: Session, wanted: Show) -> list[Table]:
    database, schema = session.engine.database, session.engine.schema
    if wanted.scope == "ACCOUNT":
        return account.catalog.inside()
    if wanted.scope == "DATABASE":
        return account.catalog.inside(*(wanted.name or (database or "",)))
    if wanted.scope == "SCHEMA":
        name = wanted.name or (schema or "",)
        return account.catalog.inside(*name) if len(name) > 1 else account.catalog.inside(database or "", *name)
    if wanted.scope == "TABLE" and wanted.name:
        return [_table(account, session, wanted.name)]
    return account.catalog.inside(*(part for part in (database, schema) if part))


def _table(account: Account, session: Session, parts: tuple[str, ...]) -> Table:
    name = qualified(parts, session.engine.database, session.engine.schema)
    table = account.catalog.find(name)
    if table is None:
        message = f"SQL compilation error:\nTable '{'.'.join(name)}' does not exist or not authorized."
        raise SqlError(*TABLE_MISSING, message)
    return table


def _full_names(session: Session, tables: frozenset[tuple[str, ...]]) -> set[str]:
    return {".".join(qualified(parts, session.engine.database, session.engine.schema)) for parts in tables}


_HANDLERS: dict[type, Callable[[Account, Session, Any], Result]] = {
    Transaction: transact,
    SessionChange: change_session,
    Use: use,
    CreateWarehouse: create_warehouse,
    AlterWarehouse: alter_warehouse,
    DropWarehouse: drop_warehouse,
    CreateIndex: create_index,
    DropIndex: drop_index,
    Show: show,
}
