"""Value pools with their chunks, and which runs use them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from upperbound.store.types import UtcTimestamp

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "template_value_pools",
        sa.Column("pool_id", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Text()),
        sa.Column("template_version", sa.Integer()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("value_limit", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("value_type", sa.Text(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("value_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("value_bytes", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("chunk_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("table_state", sa.JSON(), nullable=False),
        sa.Column("sampled_by", sa.Text(), nullable=False),
        sa.Column("sampled_at", UtcTimestamp(), nullable=False),
        sa.Column("touched_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", name="pk_template_value_pools"),
    )
    op.create_index(
        "ix_template_value_pools_template_id_target", "template_value_pools", ["template_id", "target"], unique=False
    )
    op.create_table(
        "template_value_chunks",
        sa.Column("pool_id", sa.Text(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("value_count", sa.Integer(), nullable=False),
        sa.Column("value_bytes", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", "chunk", name="pk_template_value_chunks"),
    )
    op.create_table(
        "run_value_pools",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("pool_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "pool_id", name="pk_run_value_pools"),
    )
    op.create_index("ix_run_value_pools_pool_id", "run_value_pools", ["pool_id"], unique=False)
