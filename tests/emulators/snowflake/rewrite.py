"""Rewrites queries so that the engine can answer what Snowflake's own views and functions tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from tests.emulators.snowflake.catalog import Table, TableKind
from tests.emulators.snowflake.errors import SqlError
from tests.emulators.snowflake.identifiers import quote_words

HISTORY_TABLE = "EMULATOR.PUBLIC.QUERY_HISTORY"
USAGE_TABLE = "EMULATOR.PUBLIC.QUERY_HISTORY_USAGE"
AGGREGATE_TABLE = "EMULATOR.PUBLIC.AGGREGATE_QUERY_HISTORY"
METERING_TABLE = "EMULATOR.PUBLIC.WAREHOUSE_METERING_HISTORY"
MOST_HISTORY_ROWS = 10_000
_DEFAULT_HISTORY_ROWS = 100
_USAGE_VIEWS = {
    "QUERY_HISTORY": USAGE_TABLE,
    "AGGREGATE_QUERY_HISTORY": AGGREGATE_TABLE,
    "WAREHOUSE_METERING_HISTORY": METERING_TABLE,
}
_RANGE = {
    "END_TIME_RANGE_START": "(p.END_TIME_RANGE_START IS NULL OR h.END_TIME >= p.END_TIME_RANGE_START)",
    "END_TIME_RANGE_END": "(p.END_TIME_RANGE_END IS NULL OR h.END_TIME < p.END_TIME_RANGE_END)",
    "SESSION_ID": "h.SESSION_ID = p.SESSION_ID",
    "USER_NAME": "h.USER_NAME = UPPER(p.USER_NAME)",
    "WAREHOUSE_NAME": "h.WAREHOUSE_NAME = UPPER(p.WAREHOUSE_NAME)",
}
_FUNCTIONS = {
    "QUERY_HISTORY": (),
    "QUERY_HISTORY_BY_SESSION": ("SESSION_ID",),
    "QUERY_HISTORY_BY_USER": ("USER_NAME",),
    "QUERY_HISTORY_BY_WAREHOUSE": ("WAREHOUSE_NAME",),
}
_POSITIONS = ("END_TIME_RANGE_START", "END_TIME_RANGE_END", "RESULT_LIMIT")


@dataclass(frozen=True)
class Context:
    """What a session is, for the functions that tell it."""

    user: str
    role: str
    warehouse: str | None
    session_id: int
    account: str = "EMULATOR"
    region: str = "AWS_US_WEST_2"
    version: str = "10.0.0"
    last_query_id: str | None = None
    transaction_id: str | None = None
    nowhere: bool = False
    """The session is in no database."""
    tables: Sequence[Table] = field(default=())
    """The tables whose type INFORMATION_SCHEMA.TABLES is to tell."""
    history_lacks: frozenset[str] = frozenset()
    """Columns that the functions of INFORMATION_SCHEMA do not have, other than the views."""


def rewrite(expression: exp.Expr, context: Context) -> tuple[exp.Expr, frozenset[str]]:
    """Return the rewritten statement, and the tables of :data:`HISTORY_TABLE` and its like that it reads.

    Raises SqlError for arguments that Snowflake refuses.
    """
    read: set[str] = set()
    named = _name_columns(expression.copy())

    def replace(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.TableFromRows) and (call := _history_call(node)):
            read.add(HISTORY_TABLE)
            given = {name: argument.copy().transform(replace) for name, argument in _arguments(call).items()}
            return _history_rows(call, given, node, context)
        if isinstance(node, exp.Table):
            return _replace_table(node, context, read)
        return _replace_function(node, context)

    return quote_words(named.transform(replace)), frozenset(read)


def _name_columns(expression: exp.Expr) -> exp.Expr:
    """Name computed columns by their text, as Snowflake does; the engine has names of its own for them."""
    if isinstance(expression, exp.Select):
        unnamed = (exp.Alias, exp.Column, exp.Star, exp.Dot, exp.Subquery, exp.Aliases)
        for projection in expression.expressions:
            if not isinstance(projection, unnamed):
                name = projection.sql(dialect="snowflake")
                text = name if isinstance(projection, exp.Literal) else name.upper()
                if isinstance(projection, exp.Func) and "(" not in text:
                    text += "()"  # CURRENT_DATE and its like, whose bare word would name a column
                projection.replace(exp.alias_(projection.copy(), text, quoted=True))
    return expression


def _history_call(node: exp.TableFromRows) -> exp.Anonymous | None:
    call = node.this
    while isinstance(call, exp.Dot):
        call = call.expression
    if isinstance(call, exp.Anonymous) and str(call.this).upper() in _FUNCTIONS:
        return call
    return None


def _history_rows(
    call: exp.Anonymous, given: dict[str, exp.Expr], node: exp.TableFromRows, context: Context
) -> exp.Expr:
    """Return the newest records that the arguments let through.

    The arguments are selected once, in the order in which they stand, so that bound values keep their places.
    """
    conditions = [_RANGE[name] for name in given if name in _RANGE]
    if str(call.this).upper() == "QUERY_HISTORY_BY_SESSION" and "SESSION_ID" not in given:
        conditions.append(f"h.SESSION_ID = {context.session_id}")
    if str(call.this).upper() == "QUERY_HISTORY_BY_USER" and "USER_NAME" not in given:
        conditions.append(f"h.USER_NAME = '{context.user}'")
    limit = "LEAST(p.RESULT_LIMIT, {most})" if "RESULT_LIMIT" in given else str(_DEFAULT_HISTORY_ROWS)
    arguments = ", ".join(f"0 AS {name}" for name in given) or "0 AS NOTHING"
    left_out = ", ".join(["PLACE_", "MOST_", *sorted(context.history_lacks)])
    most = limit.format(most=MOST_HISTORY_ROWS)
    rows = sqlglot.parse_one(
        f"SELECT * EXCLUDE ({left_out}) FROM (SELECT h.*, "
        f"ROW_NUMBER() OVER (ORDER BY h.END_TIME DESC, h.START_TIME DESC) AS PLACE_, {most} AS MOST_ "
        f"FROM (SELECT {arguments}) AS p CROSS JOIN {HISTORY_TABLE} AS h "
        f"WHERE {' AND '.join(conditions) or 'TRUE'}) WHERE PLACE_ <= MOST_",
        read="snowflake",
    )
    for place in rows.find_all(exp.Alias):
        if place.alias in given and isinstance(place.this, exp.Literal):
            place.set("this", given[place.alias].copy())
    alias = node.args.get("alias")
    return exp.Subquery(this=rows, alias=alias.copy() if alias else exp.TableAlias(this=exp.to_identifier("HISTORY_")))


def _arguments(call: exp.Anonymous) -> dict[str, exp.Expr]:
    named: dict[str, exp.Expr] = {}
    positions = iter((*_FUNCTIONS[str(call.this).upper()], *_POSITIONS))
    for argument in call.expressions:
        if isinstance(argument, exp.Kwarg):
            named[argument.this.name.upper()] = argument.expression
        else:
            named[next(positions)] = argument
    allowed = {*_FUNCTIONS[str(call.this).upper()], *_POSITIONS, "INCLUDE_CLIENT_GENERATED_STATEMENT"}
    if unknown := sorted(set(named) - allowed):
        message = f"SQL compilation error:\nInvalid argument names for function '{call.this}': {', '.join(unknown)}"
        raise SqlError(1015, "22023", message)
    limit = named.get("RESULT_LIMIT")
    if isinstance(limit, exp.Literal) and not 1 <= int(limit.name) <= MOST_HISTORY_ROWS:
        message = (
            f"SQL compilation error:\nInvalid value [{limit.name}] for function '{call.this}', parameter RESULT_LIMIT"
        )
        raise SqlError(1015, "22023", message)
    return named


def _replace_table(table: exp.Table, context: Context, read: set[str]) -> exp.Expr:
    parts = [str(part.name).upper() for part in table.parts]
    if parts[-2:-1] == ["ACCOUNT_USAGE"] and parts[-1] in _USAGE_VIEWS:
        name = _USAGE_VIEWS[parts[-1]]
        read.add(name)
        stored = exp.to_table(name, dialect="snowflake")
        stored.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(parts[-1])))
        return stored
    if parts[-2:] == ["INFORMATION_SCHEMA", "TABLES"] and any(
        found.kind is not TableKind.STANDARD for found in context.tables
    ):
        return _tables_with_kinds(table, context.tables)
    return table


def _tables_with_kinds(table: exp.Table, tables: Sequence[Table]) -> exp.Expr:
    replaced = []
    for kind, column in ((TableKind.HYBRID, "IS_HYBRID"), (TableKind.DYNAMIC, "IS_DYNAMIC")):
        names = [found.name for found in tables if found.kind is kind]
        matching = " OR ".join(
            f"(TABLE_CATALOG = {_text(database)} AND TABLE_SCHEMA = {_text(schema)} AND TABLE_NAME = {_text(name)})"
            for database, schema, name in names
        )
        replaced.append(f"CASE WHEN {matching or 'FALSE'} THEN 'YES' ELSE 'NO' END AS {column}")
    plain = table.copy()
    alias = plain.args.get("alias")
    plain.set("alias", None)
    rows = sqlglot.parse_one(
        f"SELECT * EXCLUDE (IS_HYBRID, IS_DYNAMIC), {', '.join(replaced)} FROM X_", read="snowflake"
    )
    source = rows.find(exp.Table)
    assert source is not None
    source.replace(plain)
    return exp.Subquery(this=rows, alias=alias or exp.TableAlias(this=exp.to_identifier("TABLES")))


def _text(value: str) -> str:
    return exp.Literal.string(value).sql(dialect="snowflake")


def _replace_function(node: exp.Expr, context: Context) -> exp.Expr:
    name = node.name.upper() if isinstance(node, exp.Anonymous) else type(node).__name__
    values: dict[str, str | None] = {
        "CurrentUser": context.user,
        "CurrentRole": context.role,
        "CurrentWarehouse": context.warehouse,
        "CurrentSession": str(context.session_id),
        "CurrentAccount": context.account,
        "CurrentAccountName": context.account,
        "CurrentOrganizationName": "UPPERBOUND",
        "CurrentRegion": context.region,
        "CurrentVersion": context.version,
        "CurrentTransaction": context.transaction_id,
        "CURRENT_ACCOUNT_NAME": context.account,
        "CURRENT_ORGANIZATION_NAME": "UPPERBOUND",
        "LAST_QUERY_ID": context.last_query_id,
        "LastQueryId": context.last_query_id,
        "CURRENT_AVAILABLE_ROLES": f'["{context.role}"]',
        "CURRENT_SECONDARY_ROLES": '{"roles":"","value":""}',
    }
    if name == "IS_ROLE_IN_SESSION":
        return exp.true()
    if name == "TO_TIMESTAMP_LTZ":
        return exp.cast(node.expressions[0].copy(), "TIMESTAMPTZ")
    if context.nowhere and name in ("CurrentDatabase", "CurrentSchema"):
        return exp.cast(exp.Null(), "VARCHAR")
    if name not in values:
        return node
    value = values[name]
    return exp.cast(exp.Null(), "VARCHAR") if value is None else exp.Literal.string(value)
