"""The runs there are, as a list that can be searched, a page at a time; and what becomes of one that is deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.errors import IllegalTransition, RunNotFound
from upperbound.store.database import Database
from upperbound.store.dialects import json_number, json_part, json_source, json_text
from upperbound.store.logs import log_lock
from upperbound.store.snowflake.locks import remove_lock
from upperbound.store.tables import (
    find_max_step_history,
    query_executions,
    run_control_events,
    run_status,
    run_value_pools,
    server_executions,
    test_logs,
    test_results,
    warehouse_poll_snapshots,
    worker_heartbeats,
    worker_metrics_snapshots,
)
from upperbound.store.types import seconds_between, store_now


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted; None leaves one out of account."""

    statuses: tuple[RunStatus, ...] = ()
    """Any of these; all when there is none."""
    table_type: str | None = None
    template_id: str | None = None
    text: str = ""
    """Words that are all in the run's name, id or tags, in either case."""
    created_from: datetime | None = None
    """Aware; this moment included."""
    created_to: datetime | None = None
    """Aware; this moment not included."""


@dataclass(frozen=True)
class HistoryRow:
    """One run in a list."""

    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    template_id: str | None
    template_version: int | None
    table_type: str | None
    tags: dict[str, str]
    load_mode: str | None
    scaling_mode: str | None
    created_at: datetime
    start_time: datetime | None
    end_time: datetime | None
    elapsed_s: float | None
    """Seconds since the start, up to the end when the run has ended; None before the start."""
    total_workers_expected: int
    threads: int | None
    total_ops: int
    """Of the last tick; so are ``error_count`` and ``current_qps``."""
    error_count: int
    current_qps: float
    operations: int
    """Of the result; so are ``failed`` and ``qps``."""
    failed: int
    qps: float | None
    p50_ms: float | None
    """Of the summary; so are the other percentiles."""
    p95_ms: float | None
    p99_ms: float | None
    completion_reason: str | None
    cancellation_reason: str | None


@dataclass(frozen=True)
class HistoryPage:
    """A part of what a search has found."""

    rows: Sequence[HistoryRow]
    """The newest first."""
    total: int
    """How many there are on all pages."""


class HistoryRepository:
    """Searches and deletes runs."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        now = store_now() if now is None else now
        runs, results = run_status.c, test_results.c
        dialect, tags = database.dialect, (runs.scenario_config, "scenario", "tags")
        self._table_type = json_text(dialect, runs.scenario_config, "scenario", "target", "table_type")
        self._tags = json_part(dialect, *tags)
        self._tags_source = json_source(dialect, *tags)
        percentiles = ("p50_ms", "p95_ms", "p99_ms")
        self._from = run_status.join(test_results, results.test_id == runs.run_id)
        self._select = sa.select(
            runs.run_id,
            runs.name,
            runs.status,
            runs.phase,
            runs.template_id,
            runs.template_version,
            self._table_type.label("table_type"),
            self._tags.label("tags"),
            results.load_mode,
            results.scaling_mode,
            runs.created_at,
            runs.start_time,
            runs.end_time,
            seconds_between(sa.func.coalesce(runs.end_time, now), runs.start_time).label("elapsed_s"),
            runs.total_workers_expected,
            results.threads,
            runs.total_ops,
            runs.error_count,
            runs.current_qps,
            results.operations,
            results.failed,
            results.qps,
            *(json_number(dialect, results.summary, "latency", name).label(name) for name in percentiles),
            runs.completion_reason,
            runs.cancellation_reason,
        ).select_from(self._from)

    def search(self, wanted: RunFilter, *, limit: int, offset: int = 0) -> HistoryPage:
        """Return runs, the newest first."""
        conditions = self._conditions(wanted)
        runs = run_status.c
        page = self._select.where(*conditions).order_by(runs.created_at.desc(), runs.run_id.desc())
        count = sa.select(sa.func.count()).select_from(run_status).where(*conditions)
        with self._database.connection() as connection:
            total = connection.execute(count).scalar_one()
            found = connection.execute(page.limit(limit).offset(offset)).mappings().all()
        return HistoryPage([HistoryRow(**{**row, "tags": row["tags"] or {}}) for row in found], total)

    def counts(self) -> dict[RunStatus, int]:
        """Return how many runs there are in each status that any is in."""
        status = run_status.c.status
        rows = self._database.rows(sa.select(status, sa.func.count().label("runs")).group_by(status))
        return {row["status"]: row["runs"] for row in rows}

    def delete(self, run_id: str) -> None:
        """Remove a run with everything that is stored of it, in one transaction; what was cut off may be repeated.

        On Snowflake what would follow a run by itself elsewhere goes first, in a transaction of its own.

        Raises :class:`IllegalTransition` when it is on its way, or its results are being written, and
        :class:`RunNotFound`.
        """
        runs = run_status.c
        at_rest = sa.or_(
            runs.status == RunStatus.PREPARED, sa.and_(runs.status.in_(TERMINAL), runs.phase == Phase.COMPLETED)
        )
        if self._database.dialect == "snowflake":
            with self._database.transaction() as connection:
                _delete_what_follows(connection, run_id, at_rest)
        with self._database.transaction() as connection:
            deleted = connection.execute(sa.delete(run_status).where(runs.run_id == run_id, at_rest)).rowcount
            if not deleted:
                status = connection.execute(sa.select(runs.status).where(runs.run_id == run_id)).scalar()
                if status is None:
                    raise RunNotFound(f"there is no run {run_id!r} in the store")
                raise IllegalTransition(
                    f"run {run_id} is {status.value} and cannot be deleted", hint="stop it, and wait for its end"
                )
            for table in _OF_A_RUN:
                connection.execute(sa.delete(table).where(table.c.run_id == run_id))

    def _conditions(self, wanted: RunFilter) -> list[sa.ColumnElement[bool]]:
        runs = run_status.c
        found: list[sa.ColumnElement[bool]] = []
        if wanted.statuses:
            found.append(runs.status.in_(wanted.statuses))
        if wanted.table_type is not None:
            found.append(self._table_type == wanted.table_type)
        if wanted.template_id is not None:
            found.append(runs.template_id == wanted.template_id)
        if wanted.created_from is not None:
            found.append(runs.created_at >= wanted.created_from)
        if wanted.created_to is not None:
            found.append(runs.created_at < wanted.created_to)
        for word in wanted.text.split():
            places: list[sa.ColumnElement[Any]] = [runs.name, runs.run_id, self._tags_source]
            found.append(sa.or_(*(place.icontains(word, autoescape=True) for place in places)))
        return found


def _delete_what_follows(connection: Connection, run_id: str, at_rest: sa.ColumnElement[bool]) -> None:
    """Delete what goes with a run by itself on other stores, if it may be deleted; its row is locked from then on."""
    runs = run_status.c
    chosen = sa.select(runs.run_id).where(runs.run_id == run_id, at_rest).with_for_update()
    if connection.execute(chosen).first() is None:
        return
    for table in (run_control_events, worker_heartbeats):
        connection.execute(sa.delete(table).where(table.c.run_id == run_id))
    remove_lock(connection, log_lock(run_id))


_OF_A_RUN: Final = (
    test_results,
    query_executions,
    server_executions,
    worker_metrics_snapshots,
    warehouse_poll_snapshots,
    test_logs,
    find_max_step_history,
    run_value_pools,
)
"""Tables that have rows of a run, beside those that follow it by themselves."""
