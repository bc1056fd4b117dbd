"""The tables of the control and results store.

Names are lower case: Snowflake folds them to upper case, PostgreSQL and SQLite leave them. The control tables have
foreign keys among themselves; the results tables have none to them, because on Snowflake they are of another table
type.
"""

from typing import Final

import sqlalchemy as sa

from upperbound.domain.events import EventType
from upperbound.domain.find_max_steps import Limiter, Purpose
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.value_blocks import ValueEncoding
from upperbound.domain.value_pools import PoolState
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.types import EnumText, JsonDocument, Message, UtcTimestamp

metadata: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

VERSION_TABLE: Final = "upperbound_schema_version"
"""Holds the schema's revision; not Alembic's usual name, so that a shared database keeps both apart."""


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


run_status: Final = sa.Table(
    "run_status",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("template_id", sa.Text),
    sa.Column("template_version", sa.Integer),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scenario_config", JsonDocument, nullable=False),
    sa.Column("status", EnumText(RunStatus), nullable=False),
    sa.Column("phase", EnumText(Phase), nullable=False),
    sa.Column("start_time", UtcTimestamp),
    sa.Column("warmup_start_time", UtcTimestamp),
    sa.Column("warmup_end_time", UtcTimestamp),
    sa.Column("end_time", UtcTimestamp),
    sa.Column("total_workers_expected", sa.Integer, nullable=False),
    _count("workers_registered"),
    _count("workers_active"),
    _count("workers_completed"),
    _count("total_ops"),
    _count("error_count"),
    sa.Column("current_qps", sa.Double, nullable=False, server_default=sa.text("0")),
    sa.Column("worker_targets", JsonDocument, nullable=False),
    sa.Column("next_sequence_id", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("find_max_state", JsonDocument),
    sa.Column("qps_controller_state", JsonDocument),
    sa.Column("guardrail_state", JsonDocument),
    sa.Column("completion_reason", Message),
    sa.Column("cancellation_reason", Message),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_expires_at", UtcTimestamp),
    sa.Column("status_changed_at", UtcTimestamp, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column("updated_at", UtcTimestamp, nullable=False),
    sa.Index(None, "created_at"),
)

run_control_events: Final = sa.Table(
    "run_control_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey("run_status.run_id", ondelete="CASCADE"), nullable=False),
    sa.Column("sequence_id", sa.BigInteger, nullable=False),
    sa.Column("event_type", EnumText(EventType), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("event_data", JsonDocument, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.UniqueConstraint("run_id", "sequence_id"),
)

worker_heartbeats: Final = sa.Table(
    "worker_heartbeats",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("run_status.run_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("worker_id", sa.Text, primary_key=True),
    sa.Column("worker_group_id", sa.Integer, nullable=False),
    sa.Column("status", EnumText(WorkerStatus), nullable=False),
    sa.Column("phase", EnumText(Phase), nullable=False),
    sa.Column("last_heartbeat", UtcTimestamp, nullable=False),
    sa.Column("heartbeat_count", sa.BigInteger, nullable=False),
    sa.Column("active_threads", sa.Integer, nullable=False),
    sa.Column("target_threads", sa.Integer, nullable=False),
    sa.Column("cpu_pct", sa.Double),
    sa.Column("memory_pct", sa.Double),
    sa.Column("queries", sa.BigInteger, nullable=False),
    sa.Column("errors", sa.BigInteger, nullable=False),
    sa.Column("last_error", Message),
    sa.Column("detail", Message),
)

test_results: Final = sa.Table(
    "test_results",
    metadata,
    sa.Column("test_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("worker_id", sa.Text),
    sa.Column("worker_group_id", sa.Integer),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("phase", EnumText(Phase), nullable=False),
    sa.Column("start_time", UtcTimestamp),
    sa.Column("end_time", UtcTimestamp),
    sa.Column("load_mode", sa.Text),
    sa.Column("scaling_mode", sa.Text),
    sa.Column("threads", sa.Integer),
    sa.Column("worker_count", sa.Integer),
    _count("operations"),
    _count("failed"),
    _count("warmup_operations"),
    sa.Column("duration_s", sa.Double),
    sa.Column("qps", sa.Double),
    sa.Column("figures", JsonDocument),
    sa.Column("summary", JsonDocument),
    sa.Column("query_log", JsonDocument),
    # What the server itself says of the run's statements; see enrichment_status for how far it was asked.
    sa.Column("server_view", JsonDocument),
    sa.Column("environment", JsonDocument),
    sa.Column("failure_reason", Message),
    sa.Column("enrichment_status", sa.Text),
    sa.Column("enrichment_reason", Message),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column("updated_at", UtcTimestamp, nullable=False),
    sa.Index(None, "run_id"),
)

worker_metrics_snapshots: Final = sa.Table(
    "worker_metrics_snapshots",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("worker_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("test_id", sa.Text, nullable=False),
    sa.Column("worker_group_id", sa.Integer, nullable=False),
    sa.Column("worker_group_count", sa.Integer, nullable=False),
    sa.Column("phase", EnumText(Phase), nullable=False),
    sa.Column("captured_at", UtcTimestamp, nullable=False),
    sa.Column("elapsed_s", sa.Double, nullable=False),
    _count("operations"),
    _count("failed"),
    sa.Column("qps", sa.Double, nullable=False),
    sa.Column("p50_ms", sa.Double),
    sa.Column("p95_ms", sa.Double),
    sa.Column("p99_ms", sa.Double),
    sa.Column("active_threads", sa.Integer, nullable=False),
    sa.Column("target_threads", sa.Integer, nullable=False),
    sa.Column("figures", JsonDocument, nullable=False),
    # The newest snapshot of a phase is asked for every second: this index answers it without touching the documents.
    sa.Index(None, "run_id", "phase", "worker_id", "sequence"),
)

QUERY_LOG_PARTITIONS: Final = 16
"""Parts that PostgreSQL keeps the query log in, by run: made with the table, as nothing is made while serving."""
QUERY_LOG_STAGE: Final = "query_executions_stage"
"""Where files wait on Snowflake until they are loaded."""

query_executions: Final = sa.Table(
    "query_executions",
    metadata,
    # Of the columns of the Parquet files, in their order. No key: a bulk load would pay for it with every row, and
    # that no row is loaded twice is seen to by whoever loads.
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("test_id", sa.Text, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("thread", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("warmup", sa.Boolean, nullable=False),
    sa.Column("intended_at", UtcTimestamp, nullable=False),
    sa.Column("started_at", UtcTimestamp, nullable=False),
    sa.Column("ended_at", UtcTimestamp, nullable=False),
    sa.Column("response_us", sa.BigInteger, nullable=False),
    sa.Column("service_us", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("error", Message),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("server_query_id", sa.Text),
    sa.Index(None, "run_id", "worker_id"),
    postgresql_partition_by="HASH (run_id)",
)

server_executions: Final = sa.Table(
    "server_executions",
    metadata,
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("server_query_id", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("started_at", UtcTimestamp, nullable=False),
    sa.Column("elapsed_ms", sa.BigInteger, nullable=False),
    sa.Column("execution_ms", sa.BigInteger, nullable=False),
    sa.Column("compilation_ms", sa.BigInteger, nullable=False),
    sa.Column("queued_ms", sa.BigInteger, nullable=False),
    sa.Column("blocked_ms", sa.BigInteger, nullable=False),
    sa.Column("cluster_number", sa.Integer),
    sa.Column("warehouse_size", sa.Text),
    sa.Column("rows_produced", sa.BigInteger),
    sa.Column("bytes_scanned", sa.BigInteger),
    sa.Column("cache_pct", sa.Double),
    sa.Index(None, "run_id", "server_query_id"),
)

test_logs: Final = sa.Table(
    "test_logs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("writer", sa.Text, nullable=False),
    sa.Column("writer_number", sa.BigInteger, nullable=False),
    sa.Column("source", EnumText(LogSource), nullable=False),
    sa.Column("worker_id", sa.Text),
    sa.Column("level", EnumText(LogLevel), nullable=False),
    sa.Column("logger", sa.Text, nullable=False),
    sa.Column("message", Message, nullable=False),
    sa.Column("logged_at", UtcTimestamp, nullable=False),
    sa.Column("received_at", UtcTimestamp, nullable=False),
    sa.UniqueConstraint("run_id", "writer", "writer_number"),
)

warehouse_poll_snapshots: Final = sa.Table(
    "warehouse_poll_snapshots",
    metadata,
    sa.Column("poll_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("elapsed_s", sa.Double, nullable=False),
    sa.Column("warehouse", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("size", sa.Text),
    sa.Column("min_clusters", sa.Integer),
    sa.Column("max_clusters", sa.Integer),
    sa.Column("started_clusters", sa.Integer),
    sa.Column("running", sa.Integer, nullable=False),
    sa.Column("queued", sa.Integer, nullable=False),
    sa.Column("scaling_policy", sa.Text),
    sa.Column("polled_at", UtcTimestamp, nullable=False),
    sa.Index(None, "run_id", "polled_at"),
)

find_max_step_history: Final = sa.Table(
    "find_max_step_history",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("purpose", EnumText(Purpose), nullable=False),
    sa.Column("threads", sa.Integer, nullable=False),
    sa.Column("workers", sa.Integer, nullable=False),
    sa.Column("began_s", sa.Double, nullable=False),
    sa.Column("settled_s", sa.Double, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    _count("operations"),
    _count("failed"),
    sa.Column("qps", sa.Double, nullable=False),
    sa.Column("p50_ms", sa.Double),
    sa.Column("p95_ms", sa.Double),
    sa.Column("p99_ms", sa.Double),
    sa.Column("limiter", EnumText(Limiter)),
    sa.Column("reason", Message, nullable=False),
    sa.Column("recorded_at", UtcTimestamp, nullable=False),
)

test_templates: Final = sa.Table(
    "test_templates",
    metadata,
    sa.Column("template_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("latest_version", sa.Integer, nullable=False),
    sa.Column("load_mode", sa.Text, nullable=False),
    sa.Column("table_type", sa.Text, nullable=False),
    # What a search looks through, in one case: what a store folds by itself is the letters of ASCII at most.
    sa.Column("search_text", Message, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
    sa.Column("updated_at", UtcTimestamp, nullable=False),
    sa.UniqueConstraint("name"),
)

template_tags: Final = sa.Table(
    "template_tags",
    metadata,
    sa.Column("template_id", sa.Text, primary_key=True),
    sa.Column("tag_key", Message, primary_key=True),
    sa.Column("tag_value", Message, nullable=False),
    sa.Index(None, "tag_key", "tag_value"),
)

template_versions: Final = sa.Table(
    "template_versions",
    metadata,
    sa.Column("template_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("scenario", JsonDocument, nullable=False),
    sa.Column("note", Message, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("saved_at", UtcTimestamp, nullable=False),
)

template_value_pools: Final = sa.Table(
    "template_value_pools",
    metadata,
    sa.Column("pool_id", sa.Text, primary_key=True),
    # None for a pool that was sampled for one run alone.
    sa.Column("template_id", sa.Text),
    sa.Column("template_version", sa.Integer),
    sa.Column("state", EnumText(PoolState), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("server", Message, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("column_name", sa.Text, nullable=False),
    sa.Column("value_limit", sa.BigInteger, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("value_type", sa.Text, nullable=False),
    sa.Column("encoding", EnumText(ValueEncoding), nullable=False),
    _count("value_count"),
    _count("value_bytes"),
    _count("chunk_count"),
    sa.Column("table_state", JsonDocument, nullable=False),
    sa.Column("sampled_by", sa.Text, nullable=False),
    sa.Column("sampled_at", UtcTimestamp, nullable=False),
    # The time of its newest chunk: one that nobody goes on with is given up.
    sa.Column("touched_at", UtcTimestamp, nullable=False),
    sa.Index(None, "template_id", "target"),
)

template_value_chunks: Final = sa.Table(
    "template_value_chunks",
    metadata,
    sa.Column("pool_id", sa.Text, primary_key=True),
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value_count", sa.Integer, nullable=False),
    sa.Column("value_bytes", sa.Integer, nullable=False),
    # Compressed: value_bytes is what it was, and will be.
    sa.Column("data", sa.LargeBinary, nullable=False),
)

run_value_pools: Final = sa.Table(
    "run_value_pools",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("pool_id", sa.Text, primary_key=True),
    sa.Index(None, "pool_id"),
)

CONTROL_TABLES: Final = (run_status, run_control_events, worker_heartbeats)
"""State that decisions are made on; hybrid tables on Snowflake."""

RESULTS_TABLES: Final = (
    test_results,
    worker_metrics_snapshots,
    query_executions,
    server_executions,
    test_logs,
    warehouse_poll_snapshots,
    find_max_step_history,
    test_templates,
    template_tags,
    template_versions,
    template_value_pools,
    template_value_chunks,
    run_value_pools,
)
"""What was measured, what was said about it, and the stored scenarios to measure by, with the values they take."""
