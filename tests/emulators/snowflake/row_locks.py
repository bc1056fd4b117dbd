"""SELECT … FOR UPDATE on a hybrid table.

The engine locks no row that is read, and takes two updates for a conflict only when both change the same column. So a
whole number of the row is changed, and changed back: who wants the same row, or that number of it, has to wait.
"""

from collections.abc import Callable

import pyarrow as pa
from sqlglot import exp
from tests.emulators.snowflake import engine
from tests.emulators.snowflake.binds import Value
from tests.emulators.snowflake.catalog import Catalog, TableKind, qualified
from tests.emulators.snowflake.errors import UNSUPPORTED, SqlError
from tests.emulators.snowflake.placeholders import numbered
from tests.emulators.snowflake.results import Result
from tests.emulators.snowflake.sessions import Session
from tests.emulators.snowflake.statements import stored_tables


def locking(
    catalog: Catalog, session: Session, query: exp.Expr | None, values: list[list[Value]]
) -> Callable[[], Result] | None:
    """Return what takes the locks of a query, within its transaction; None for a statement that locks nothing it reads.

    Raises SqlError for what Snowflake refuses: a table that is not hybrid, more than one, no transaction.
    """
    if not isinstance(query, exp.Select) or not query.args.get("locks"):
        return None
    tables = stored_tables(query)
    name = qualified(tables[0], session.engine.database, session.engine.schema) if len(tables) == 1 else None
    table = catalog.find(name) if name else None
    if table is None or table.kind is not TableKind.HYBRID:
        raise SqlError(*UNSUPPORTED, "Unsupported feature 'FOR UPDATE on anything but one hybrid table'.")
    if session.transaction is None:
        raise SqlError(*UNSUPPORTED, "Unsupported feature 'FOR UPDATE in an autocommit transaction'.")
    source = query.find(exp.Table)
    assert source is not None
    changes = [_change(session, source, query, kind) for kind in (exp.Add, exp.Sub)]

    def touch() -> Result:
        return [engine.run(session.engine, sql, values, is_array=False) for sql in changes][-1]

    return touch


def _change(session: Session, source: exp.Table, query: exp.Select, kind: type[exp.Binary]) -> str:
    all_of_it = exp.select("*").from_(source.copy()).limit(0).sql(dialect="snowflake")
    schema = engine.run(session.engine, all_of_it, [[]], is_array=False).table.schema
    numbers = [column.name for column in schema if pa.types.is_integer(column.type)]
    if not numbers:
        raise SqlError(*UNSUPPORTED, "Unsupported feature of the emulator 'FOR UPDATE without a number to change'.")
    column = exp.column(numbers[-1], quoted=True)
    changed = exp.EQ(this=column, expression=kind(this=column.copy(), expression=exp.Literal.number(1)))
    update = exp.Update(this=source.copy(), expressions=[changed])
    if (where := query.args.get("where")) is not None:
        update.set("where", where.copy())
    return numbered(update.sql(dialect="snowflake"))
