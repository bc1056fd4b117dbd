"""The engine behind the emulator: fakesnow, which translates Snowflake's SQL to DuckDB's."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import snowflake.connector.errors
from fakesnow import info_schema
from fakesnow.dialect import parse_one
from fakesnow.instance import FakeSnow
from sqlglot import exp
from tests.emulators.snowflake import history
from tests.emulators.snowflake.binds import Value
from tests.emulators.snowflake.catalog import Name
from tests.emulators.snowflake.errors import OBJECT_MISSING, SqlError, from_engine
from tests.emulators.snowflake.prepared import Prepared, PreparedStatements, kind_of
from tests.emulators.snowflake.results import Result, result_of, rowtype_of
from tests.emulators.snowflake.rewrite import AGGREGATE_TABLE, HISTORY_TABLE, METERING_TABLE, USAGE_TABLE


def _unless_merging(insert: Callable[..., str]) -> Callable[..., str]:
    """Keep fakesnow from describing the temporary table of a MERGE in a database of its own.

    A transaction of the engine may write to one database alone.
    """

    def insert_sql(catalog: str, schema: str, table: str, described: Any) -> str:
        return "SELECT 1" if table.upper() == "MERGE_CANDIDATES" else insert(catalog, schema, table, described)

    return insert_sql


info_schema.insert_text_lengths_sql = _unless_merging(info_schema.insert_text_lengths_sql)
info_schema.insert_table_comment_sql = _unless_merging(info_schema.insert_table_comment_sql)

OWN_DATABASE = "EMULATOR"
_CHANGES = (exp.Insert, exp.Update, exp.Delete)
_METERING_COLUMNS = (
    ("START_TIME", "TIMESTAMPTZ"),
    ("END_TIME", "TIMESTAMPTZ"),
    ("WAREHOUSE_ID", "BIGINT"),
    ("WAREHOUSE_NAME", "VARCHAR"),
    ("CREDITS_USED", "DOUBLE"),
    ("CREDITS_USED_COMPUTE", "DOUBLE"),
    ("CREDITS_USED_CLOUD_SERVICES", "DOUBLE"),
)


class _LastResults(dict[str, Any]):
    """The results of the last statements; fakesnow itself would keep all of them."""

    def __setitem__(self, query_id: str, result: Any) -> None:
        super().__setitem__(query_id, result)
        while len(self) > _RESULTS_KEPT:
            self.pop(next(iter(self)), None)


_RESULTS_KEPT = 50
_prepared = PreparedStatements()


class Engine:
    """One engine for all sessions, and the tables in it that tell the history of statements."""

    def __init__(self) -> None:
        self._fake = FakeSnow(create_database_on_connect=False, create_schema_on_connect=False)
        self._fake.results_cache = _LastResults()
        self._own = self._fake.duck_conn.cursor()
        self._lock = threading.Lock()
        self._own.execute("ATTACH ':memory:' AS EMULATOR")
        self._own.execute("CREATE SCHEMA EMULATOR.PUBLIC")
        columns = [(name, kind) for name, kind, _ in history.COLUMNS]
        self._create(HISTORY_TABLE, columns)
        self._create(USAGE_TABLE, columns)
        self._create(AGGREGATE_TABLE, history.AGGREGATE_COLUMNS)
        self._create(METERING_TABLE, _METERING_COLUMNS)

    def connect(self, database: str | None, schema: str | None) -> Any:
        """Open a connection; a database or schema that there is not is left unset, as Snowflake does."""
        known = database if database and self.has_database(database) else None
        return self._fake.connect(known, schema if known else None)

    def has_database(self, database: str) -> bool:
        """Tell whether there is a database."""
        with self._lock:
            found = self._own.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = ?", [database])
            return found.fetchone() is not None

    def schemas(self, database: str) -> set[str]:
        """Return the names of a database's schemas."""
        with self._lock:
            sql = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ?"
            return {str(row[0]) for row in self._own.execute(sql, [database]).fetchall()}

    def databases(self) -> list[str]:
        """Return the names of the databases that sessions created."""
        with self._lock:
            rows = self._own.execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
        return sorted(str(row[0]) for row in rows if row[0] not in ("memory", "_fs_global", "EMULATOR"))

    def fill(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows into one of the emulator's own tables in place of those that it has."""
        held = [list(row) for row in rows]
        # As one table of Arrow's: statement by statement, ten thousand rows take the engine seconds.
        columns = [pa.array(values) for values in zip(*held, strict=True)]
        with self._lock:
            self._own.execute("BEGIN")
            self._own.execute(f"DELETE FROM {table}")
            if held:
                self._own.register("filled_rows", pa.table(columns, names=[f"c{n}" for n in range(len(columns))]))
                self._own.execute(f"INSERT INTO {table} SELECT * FROM filled_rows")
                self._own.unregister("filled_rows")
            self._own.execute("COMMIT")

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query of DuckDB's own and return its rows."""
        with self._lock:
            return list(self._own.execute(sql, list(values)).fetchall())

    def _create(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        listed = ", ".join(f"{name} {kind}" for name, kind in columns)
        self._own.execute(f"CREATE TABLE {table} ({listed})")


def run(connection: Any, sql: str, rows: list[list[Value]], *, is_array: bool) -> Result:
    """Run a statement on a connection of the engine, once for each row of values.

    Raises SqlError, or Conflict where another transaction wrote the same row.
    """
    try:
        if is_array:
            return _run_array(connection, sql, rows)
        return _run_once(connection, sql, rows[0])
    except snowflake.connector.errors.Error as error:
        raise _translated(error) from error
    except duckdb.Error as error:
        raise from_engine(type(error).__name__, str(error)) from error
    except (NotImplementedError, AssertionError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise SqlError(2, "0A000", f"Unsupported feature: {type(error).__name__} {error}.") from error


def add_primary_key(connection: Any, table: Name, columns: Sequence[str]) -> None:
    """Add a primary key to a table that has none. Raises SqlError where its rows do not have one."""
    named, listed = (", ".join(f'"{part}"' for part in parts) for parts in (table, columns))
    try:
        connection._duck_conn.execute(f"ALTER TABLE {named.replace(', ', '.')} ADD PRIMARY KEY ({listed})")
    except duckdb.Error as error:
        raise from_engine(type(error).__name__, str(error)) from error


def describe(connection: Any, sql: str) -> Result | None:
    """Describe the columns of a statement without running it, or return None where that takes running it."""
    cursor = connection.cursor()
    if isinstance(parse_one(sql), _CHANGES):
        explain(connection, sql)  # its columns are known without a look at it, and it may be wrong all the same
    try:
        described = cursor._describe_only(sql)
    except snowflake.connector.errors.Error as error:
        raise _translated(error) from error
    except duckdb.Error as error:
        raise from_engine(type(error).__name__, str(error)) from error
    if described is None:
        return None
    empty = result_of([], [])
    empty.is_description = True
    empty.rowtype = rowtype_of([(str(row[0]), str(row[1])) for row in described])
    expression = parse_one(sql)
    marks = sum(1 for _ in expression.find_all(exp.Placeholder))
    # The client sends arrays of values for an INSERT alone, and values one by one for all else.
    empty.binding = {"numberOfBinds": marks, "arrayBindSupported": isinstance(expression, exp.Insert)}
    return empty


def explain(connection: Any, sql: str) -> str:
    """Return the engine's plan of a statement, which is not run; its parameters count as NULL.

    Raises SqlError for one that cannot be run.
    """
    cursor = connection.cursor()
    try:
        expression = parse_one(sql).transform(lambda node: exp.Null() if isinstance(node, exp.Placeholder) else node)
        cursor.check_db_and_schema(expression)
        plan: list[str] = []
        for statement in cursor._transform_explode(expression):
            translated = cursor._transform(statement, None).sql(dialect="duckdb")
            plan += [str(row[1]) for row in connection._duck_conn.execute(f"EXPLAIN {translated}").fetchall()]
    except snowflake.connector.errors.Error as error:
        raise _translated(error) from error
    except duckdb.Error as error:
        raise from_engine(type(error).__name__, str(error)) from error
    return "\n".join(plan)


def forget_prepared() -> None:
    """Tell that definitions were changed, so that statements have to be translated anew."""
    _prepared.forget()


def _run_once(connection: Any, sql: str, values: list[Value]) -> Result:
    types = tuple(type(value) for value in values)
    key = (_prepared.generation, sql, connection.database, connection.schema, types)
    if prepared := _prepared.find(key):
        return _run_prepared(connection, prepared, values)
    cursor = connection.cursor()
    cursor.execute(sql, binding_params=tuple(values) or None, server=True)
    described = cursor._describe_last_sql()
    rowtype = rowtype_of([(str(row[0]), str(row[1])) for row in described])
    produced = cursor.rowcount if cursor.rowcount is not None else cursor._arrow_table.num_rows
    translated = cursor._last_transformed
    if kind := kind_of(sql, parse_one(sql), translated):
        _prepared.keep(key, Prepared(translated.sql(dialect="duckdb"), kind, rowtype))
    return Result(cursor._arrow_table, rowtype, rows_produced=produced)


def _run_prepared(connection: Any, prepared: Prepared, values: list[Value]) -> Result:
    engine = connection._duck_conn
    engine.execute(prepared.sql, values)
    if prepared.kind == "select":
        return Result(engine.to_arrow_table(), prepared.rowtype)
    ((count,),) = engine.fetchall()
    columns, row = [(f"number of rows {prepared.kind}", "BIGINT")], [int(count)]
    if prepared.kind == "updated":
        columns, row = [*columns, ("number of multi-joined rows updated", "BIGINT")], [*row, 0]
    result = result_of(columns, [row])
    result.rows_produced = int(count)
    return result


def _run_array(connection: Any, sql: str, rows: list[list[Value]]) -> Result:
    """Run a statement for each row; an INSERT of values is translated once, as translating takes most of the time."""
    cursor = connection.cursor()
    expression = parse_one(sql)
    name = {exp.Update: "updated", exp.Delete: "deleted"}.get(type(expression), "inserted")
    if isinstance(expression, exp.Insert) and not expression.find(exp.From):
        cursor.check_db_and_schema(expression)
        translated = cursor._transform(expression, list(rows[0])).sql(dialect="duckdb")
        connection._duck_conn.executemany(translated, rows)
        count = len(rows)
    else:
        count = 0
        for values in rows:
            cursor.execute(sql, binding_params=tuple(values), server=True)
            count += cursor.rowcount or 0
    result = result_of([(f"number of rows {name}", "BIGINT")], [[count]])
    result.rows_produced = count
    return result


def _translated(error: snowflake.connector.errors.Error) -> Exception:
    """Put an error of fakesnow into Snowflake's terms; it has put some of DuckDB's into them, but not all rightly."""
    if isinstance(error.__cause__, duckdb.Error):
        return from_engine(type(error.__cause__).__name__, str(error.__cause__))
    message = str(error.raw_msg or error.msg or error)
    if error.errno == OBJECT_MISSING[0]:
        return SqlError(error.errno, error.sqlstate or "02000", message)
    return SqlError(int(error.errno or 603), error.sqlstate or "XX000", message)
