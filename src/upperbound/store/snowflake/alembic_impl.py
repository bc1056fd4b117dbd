"""How Alembic writes revisions for Snowflake, so that each may be repeated after it was cut off in the middle."""

from typing import Any

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from sqlalchemy.schema import CreateTable

from upperbound.store.snowflake.hybrid import HYBRID_NAMES


class SnowflakeImpl(DefaultImpl):
    """Makes control tables hybrid, and indexes on these alone."""

    __dialect__ = "snowflake"
    transactional_ddl = False

    def create_table(self, table: sa.Table, **_kw: Any) -> None:
        """Make a table unless it is there."""
        self._exec(CreateTable(table))

    def create_index(self, index: sa.Index, **_kw: Any) -> None:
        """Make an index unless it is there, or none on a standard table."""
        assert index.table is not None
        if index.table.name in HYBRID_NAMES:
            columns = ", ".join(str(column.name) for column in index.columns)
            self._exec(sa.text(f"CREATE INDEX IF NOT EXISTS {index.name} ON {index.table.name} ({columns})"))

    def add_column(self, table_name: str, column: sa.Column[Any], **_kw: Any) -> None:
        """Add a column unless it is there."""
        # An attached column knows its place in a key, of which none is added later.
        described = self.dialect.ddl_compiler(self.dialect, None).get_column_specification(column)  # type: ignore[arg-type]
        self._exec(sa.text(f"ALTER TABLE {table_name} ADD COLUMN IF NOT EXISTS {described}"))
