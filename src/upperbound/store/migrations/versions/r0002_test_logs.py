"""The log lines of orchestrators and workers."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from upperbound.store.types import UtcTimestamp

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "test_logs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("writer_number", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text()),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("logger", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("logged_at", UtcTimestamp(), nullable=False),
        sa.Column("received_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "sequence", name="pk_test_logs"),
        sa.UniqueConstraint("run_id", "writer", "writer_number", name="uq_test_logs_run_id_writer_writer_number"),
    )
