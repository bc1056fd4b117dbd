"""Which tables are hybrid, and one more of them that other stores need not have."""

from typing import Final

import sqlalchemy as sa

from upperbound.store.tables import CONTROL_TABLES, VERSION_TABLE

_metadata: Final = sa.MetaData()

store_locks: Final = sa.Table(
    "store_locks",
    _metadata,
    sa.Column("lock_name", sa.Text, nullable=False),
    sa.Column("taken", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("lock_name", name="pk_store_locks"),
)
"""Rows to lock where those that matter are in a standard table: Snowflake enforces no key there, and locks no row."""

schema_version: Final = sa.Table(
    VERSION_TABLE,
    _metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)

HYBRID_TABLES: Final = (*CONTROL_TABLES, store_locks, schema_version)
"""Tables whose keys are enforced and whose rows can be locked."""
HYBRID_NAMES: Final = frozenset(table.name for table in HYBRID_TABLES)
