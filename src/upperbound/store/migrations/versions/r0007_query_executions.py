"""The queries of runs, one by one, as their workers recorded them and as the server tells of them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from upperbound.store.query_log_ddl import query_log_statements
from upperbound.store.types import UtcTimestamp

revision: Final = "0007"
down_revision: Final = "0006"


def upgrade() -> None:
    """Make the tables, and the column of results."""
    op.add_column("test_results", sa.Column("server_view", sa.JSON()))
    op.create_table(
        "query_executions",
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("test_id", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("thread", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("warmup", sa.Boolean(), nullable=False),
        sa.Column("intended_at", UtcTimestamp(), nullable=False),
        sa.Column("started_at", UtcTimestamp(), nullable=False),
        sa.Column("ended_at", UtcTimestamp(), nullable=False),
        sa.Column("response_us", sa.BigInteger(), nullable=False),
        sa.Column("service_us", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("server_query_id", sa.Text()),
        postgresql_partition_by="HASH (run_id)",
    )
    op.create_index("ix_query_executions_run_id_worker_id", "query_executions", ["run_id", "worker_id"], unique=False)
    op.create_table(
        "server_executions",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("server_query_id", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("started_at", UtcTimestamp(), nullable=False),
        sa.Column("elapsed_ms", sa.BigInteger(), nullable=False),
        sa.Column("execution_ms", sa.BigInteger(), nullable=False),
        sa.Column("compilation_ms", sa.BigInteger(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger(), nullable=False),
        sa.Column("blocked_ms", sa.BigInteger(), nullable=False),
        sa.Column("cluster_number", sa.Integer()),
        sa.Column("warehouse_size", sa.Text()),
        sa.Column("rows_produced", sa.BigInteger()),
        sa.Column("bytes_scanned", sa.BigInteger()),
        sa.Column("cache_pct", sa.Double()),
    )
    op.create_index(
        "ix_server_executions_run_id_server_query_id",
        "server_executions",
        ["run_id", "server_query_id"],
        unique=False,
    )
    for statement in query_log_statements(op.get_context().dialect.name):
        op.execute(statement)
