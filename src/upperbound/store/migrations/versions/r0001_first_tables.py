"""The first tables: run status, control events, heartbeats, results and metrics snapshots."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from upperbound.store.types import UtcTimestamp

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make the tables."""
    _run_status()
    _run_control_events()
    _worker_heartbeats()
    _test_results()
    _worker_metrics_snapshots()


def _run_status() -> None:
    op.create_table(
        "run_status",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scenario_config", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("start_time", UtcTimestamp()),
        sa.Column("warmup_start_time", UtcTimestamp()),
        sa.Column("warmup_end_time", UtcTimestamp()),
        sa.Column("end_time", UtcTimestamp()),
        sa.Column("total_workers_expected", sa.Integer(), nullable=False),
        sa.Column("workers_registered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("workers_active", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("workers_completed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_ops", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("current_qps", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker_targets", sa.JSON(), nullable=False),
        sa.Column("next_sequence_id", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("find_max_state", sa.JSON()),
        sa.Column("qps_controller_state", sa.JSON()),
        sa.Column("guardrail_state", sa.JSON()),
        sa.Column("completion_reason", sa.Text()),
        sa.Column("cancellation_reason", sa.Text()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_expires_at", UtcTimestamp()),
        sa.Column("status_changed_at", UtcTimestamp(), nullable=False),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.Column("updated_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_status"),
    )
    op.create_index("ix_run_status_created_at", "run_status", ["created_at"], unique=False)


def _run_control_events() -> None:
    op.create_table(
        "run_control_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sequence_id", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("event_data", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run_status.run_id"], name="fk_run_control_events_run_status", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_run_control_events"),
        sa.UniqueConstraint("run_id", "sequence_id", name="uq_run_control_events_run_id_sequence_id"),
    )


def _worker_heartbeats() -> None:
    op.create_table(
        "worker_heartbeats",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("worker_group_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("last_heartbeat", UtcTimestamp(), nullable=False),
        sa.Column("heartbeat_count", sa.BigInteger(), nullable=False),
        sa.Column("active_threads", sa.Integer(), nullable=False),
        sa.Column("target_threads", sa.Integer(), nullable=False),
        sa.Column("cpu_pct", sa.Double()),
        sa.Column("memory_pct", sa.Double()),
        sa.Column("queries", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run_status.run_id"], name="fk_worker_heartbeats_run_status", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "worker_id", name="pk_worker_heartbeats"),
    )


def _test_results() -> None:
    op.create_table(
        "test_results",
        sa.Column("test_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text()),
        sa.Column("worker_group_id", sa.Integer()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("start_time", UtcTimestamp()),
        sa.Column("end_time", UtcTimestamp()),
        sa.Column("load_mode", sa.Text()),
        sa.Column("scaling_mode", sa.Text()),
        sa.Column("threads", sa.Integer()),
        sa.Column("worker_count", sa.Integer()),
        sa.Column("operations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("warmup_operations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duration_s", sa.Double()),
        sa.Column("qps", sa.Double()),
        sa.Column("figures", sa.JSON()),
        sa.Column("summary", sa.JSON()),
        sa.Column("query_log", sa.JSON()),
        sa.Column("environment", sa.JSON()),
        sa.Column("failure_reason", sa.Text()),
        sa.Column("enrichment_status", sa.Text()),
        sa.Column("enrichment_reason", sa.Text()),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.Column("updated_at", UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("test_id", name="pk_test_results"),
    )
    op.create_index("ix_test_results_run_id", "test_results", ["run_id"], unique=False)


def _worker_metrics_snapshots() -> None:
    op.create_table(
        "worker_metrics_snapshots",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("test_id", sa.Text(), nullable=False),
        sa.Column("worker_group_id", sa.Integer(), nullable=False),
        sa.Column("worker_group_count", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("captured_at", UtcTimestamp(), nullable=False),
        sa.Column("elapsed_s", sa.Double(), nullable=False),
        sa.Column("operations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("qps", sa.Double(), nullable=False),
        sa.Column("p50_ms", sa.Double()),
        sa.Column("p95_ms", sa.Double()),
        sa.Column("p99_ms", sa.Double()),
        sa.Column("active_threads", sa.Integer(), nullable=False),
        sa.Column("target_threads", sa.Integer(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "worker_id", "sequence", name="pk_worker_metrics_snapshots"),
    )
    op.create_index(
        "ix_worker_metrics_snapshots_run_id_phase_worker_id_sequence",
        "worker_metrics_snapshots",
        ["run_id", "phase", "worker_id", "sequence"],
        unique=False,
    )
