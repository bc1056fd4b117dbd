"""Updates of hybrid tables as updates of whole rows.

The engine takes two updates for a conflict only when they set the same column; Snowflake locks the row.
"""

from sqlglot import exp
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.catalog import Table, TableKind, qualified
from tests.emulators.snowflake.sessions import Session


def of_whole_rows(account: Account, session: Session, update: exp.Update) -> exp.Update:
    """Return the update with every column set that it leaves out, to the value it has; keys are left alone."""
    target = update.this
    parts = tuple(str(part.name) if part.args.get("quoted") else str(part.name).upper() for part in target.parts)
    table = account.catalog.find(qualified(parts, session.engine.database, session.engine.schema))
    if table is None or table.kind is not TableKind.HYBRID:
        return update
    names = account.engine.query(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        table.name,
    )
    assigned = {_stored(change.this.this) for change in update.expressions if isinstance(change.this, exp.Column)}
    left_out = sorted({str(row[0]) for row in names} - assigned - _keys(table))
    whole = update.copy()
    for name in left_out:
        own = exp.column(name, table=target.alias_or_name, quoted=True)
        own.args["table"].set("quoted", bool(target.this.args.get("quoted")) and not target.alias)
        whole.append("expressions", exp.EQ(this=exp.column(name, quoted=True), expression=own))
    return whole


def _keys(table: Table) -> set[str]:
    named = [key.columns for key in table.unique_keys] + [key.columns for key in table.foreign_keys]
    if table.primary_key:
        named.append(table.primary_key.columns)
    return {column for columns in named for column in columns}


def _stored(identifier: exp.Identifier) -> str:
    return str(identifier.this) if identifier.args.get("quoted") else str(identifier.this).upper()
