"""Writes that have to know whether a row is there, of which Snowflake has none but MERGE.

A hybrid table refuses a second row of a key, so that whoever is refused finds the first one. A standard table refuses
nothing: there a row is inserted unless a look finds its key, in one statement. Two such statements at the very same
moment would both insert. That is left to those whose keys have one writer each, which never has two statements under
way; all others take a lock of the store first (:mod:`upperbound.store.snowflake.locks`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection


class InsertNew:
    """Inserts a row unless there is one with its key."""

    def __init__(self, table: sa.Table, values: Mapping[str, Any], keys: Sequence[str]) -> None:
        typed = {name: _typed(table, name, value) for name, value in values.items()}
        self._same_key = sa.and_(*(table.c[key] == typed[key] for key in keys))
        self._present: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table).where(self._same_key)
        row = sa.select(*typed.values()).where(~sa.exists(self._present))
        self._insert = sa.insert(table).from_select(list(typed), row, include_defaults=False)

    def run(self, connection: Connection, values: Mapping[str, object] | None = None) -> int:
        """Insert, and return 1, or 0 when a row was there. Raises IntegrityError for an offence against another key."""
        try:
            return connection.execute(self._insert, values).rowcount
        except exc.IntegrityError:
            # Inserted by another in this moment, or refused for something else, such as a run that does not exist.
            if self.is_there(connection, values):
                return 0
            raise

    def is_there(self, connection: Connection, values: Mapping[str, object] | None) -> bool:
        """Tell whether a row has the key."""
        return connection.execute(self._present, values).first() is not None


class UpdateOrInsert:
    """Updates the row of a key, or inserts it."""

    def __init__(
        self,
        table: sa.Table,
        values: Mapping[str, Any],
        *,
        keys: Sequence[str],
        on_insert: Mapping[str, Any],
        on_update: Mapping[str, Any],
        update_where: sa.ColumnElement[bool] | None,
    ) -> None:
        self._new = InsertNew(table, {**values, **on_insert}, keys)
        conditions = [table.c[key] == _typed(table, key, values[key]) for key in keys]
        if update_where is not None:
            conditions.append(update_where)
        changed = {name: _typed(table, name, value) for name, value in values.items() if name not in keys}
        self._update = sa.update(table).where(*conditions).values({**changed, **on_update})

    def run(self, connection: Connection, values: Mapping[str, object] | None = None) -> int:
        """Write, and return how many rows that touched. Raises IntegrityError for an offence against another key."""
        if touched := connection.execute(self._update, values).rowcount:
            return touched
        if touched := self._new.run(connection, values):
            return touched
        # There was none, and now there is one, or there was one that is not to be changed: the condition decides.
        return connection.execute(self._update, values).rowcount


def _typed(table: sa.Table, name: str, value: Any) -> Any:
    """Return a value that is bound as its column's type, where it is no expression already."""
    return value if isinstance(value, sa.ColumnElement) else sa.literal(value, table.c[name].type)
