"""What a controller sees of a run's warehouse while the run goes on."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from upperbound.store.types import UtcTimestamp

revision: Final = "0006"
down_revision: Final = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "warehouse_poll_snapshots",
        sa.Column("poll_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("elapsed_s", sa.Double(), nullable=False),
        sa.Column("warehouse", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("size", sa.Text()),
        sa.Column("min_clusters", sa.Integer()),
        sa.Column("max_clusters", sa.Integer()),
        sa.Column("started_clusters", sa.Integer()),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("scaling_policy", sa.Text()),
        sa.Column("polled_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", name="pk_warehouse_poll_snapshots"),
    )
    op.create_index(
        "ix_warehouse_poll_snapshots_run_id_polled_at",
        "warehouse_poll_snapshots",
        ["run_id", "polled_at"],
        unique=False,
    )
