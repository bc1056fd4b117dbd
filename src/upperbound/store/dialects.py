"""What the dialects write differently in a statement."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(dialect: str, table: sa.Table) -> "postgresql.Insert | sqlite.Insert":
    """Return the dialect's INSERT, the one that knows ON CONFLICT."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def upsert(
    dialect: str,
    table: sa.Table,
    values: Mapping[str, Any],
    *,
    keys: Sequence[str],
    on_insert: Mapping[str, Any] | None = None,
    on_update: Mapping[str, Any] | None = None,
    update_where: sa.ColumnElement[bool] | None = None,
) -> "postgresql.Insert | sqlite.Insert":
    """Return a statement that inserts a row, or updates the row that has the same ``keys``.

    ``values`` are written in both cases, ``on_insert`` in the first only; ``on_update`` says what else changes in the
    second, and ``update_where`` for which rows that are there: any other is left as it is.
    """
    insert = insert_into(dialect, table).values({**values, **(on_insert or {})})
    changed = {name: insert.excluded[name] for name in values if name not in keys}
    return insert.on_conflict_do_update(
        index_elements=list(keys), set_={**changed, **(on_update or {})}, where=update_where
    )
