"""Results: ``TEST_RESULTS``, a parent row per run and a child row per worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import TERMINAL, WorkerStatus
from upperbound.errors import RunNotFound
from upperbound.store.database import Database
from upperbound.store.dialects import once_each, upsert
from upperbound.store.tables import run_status, test_results
from upperbound.store.types import store_now

JsonObject = Mapping[str, Any]


@dataclass(frozen=True)
class ChildResult:
    """What one worker has done in a run; None means not known yet."""

    test_id: str
    run_id: str
    worker_id: str
    group_id: int
    name: str
    status: WorkerStatus
    phase: Phase
    load_mode: str | None = None
    scaling_mode: str | None = None
    threads: int | None = None
    operations: int = 0
    """Operations that succeeded in the measurement; ``failed`` counts beside them."""
    failed: int = 0
    warmup_operations: int = 0
    duration_s: float | None = None
    qps: float | None = None
    figures: JsonObject | None = None
    """``PhaseFigures.to_json()`` of the measurement."""
    query_log: JsonObject | None = None
    environment: JsonObject | None = None
    failure_reason: str | None = None


@dataclass(frozen=True)
class ParentResult:
    """What all workers have done together."""

    worker_count: int
    threads: int
    operations: int
    failed: int
    warmup_operations: int
    duration_s: float | None
    qps: float | None
    figures: JsonObject | None
    query_log: JsonObject | None
    environment: JsonObject | None = None
    failure_reason: str | None = None
    enrichment_status: str | None = None
    """``PENDING``, ``COMPLETED``, ``SKIPPED``, ``FAILED`` or ``PARTIAL``."""
    enrichment_reason: str | None = None


@dataclass(frozen=True)
class FollowUpResult:
    """What came of the work after the load."""

    query_log: JsonObject
    enrichment_status: str
    enrichment_reason: str | None
    server_view: JsonObject | None = None
    """What the server itself says; None leaves what an earlier attempt has learnt."""


@dataclass(frozen=True)
class ResultRow:
    """One row of ``TEST_RESULTS``; a parent's status, phase and times are those of its run."""

    test_id: str
    run_id: str
    worker_id: str | None
    """None in a parent."""
    group_id: int | None
    name: str
    status: str
    """A value of ``RunStatus`` in a parent, of ``WorkerStatus`` in a child."""
    phase: Phase
    start_time: datetime | None
    end_time: datetime | None
    load_mode: str | None
    scaling_mode: str | None
    threads: int | None
    worker_count: int | None
    operations: int
    failed: int
    warmup_operations: int
    duration_s: float | None
    qps: float | None
    figures: dict[str, Any] | None
    summary: dict[str, Any] | None
    query_log: dict[str, Any] | None
    server_view: dict[str, Any] | None
    environment: dict[str, Any] | None
    failure_reason: str | None
    enrichment_status: str | None
    enrichment_reason: str | None
    created_at: datetime
    updated_at: datetime


class ResultRepository:
    """Writes and reads results."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = store_now() if now is None else now
        self._select = sa.select(
            *(column.label({"worker_group_id": "group_id"}.get(column.name, column.name)) for column in test_results.c)
        )

    def write_child(self, result: ChildResult) -> None:
        """Write a worker's result, in place of the one it has written before.

        The store sets START_TIME at the first call and END_TIME at the first one with a terminal status. After that a
        result that is not terminal leaves the row as it is.
        """
        values = dict(vars(result))
        values["worker_group_id"] = values.pop("group_id")
        values["status"] = result.status.value
        over = result.status in TERMINAL
        now = self._now
        write = upsert(
            self._database.dialect,
            test_results,
            {**values, "updated_at": now},
            keys=("test_id",),
            on_insert={"start_time": now, "created_at": now, "end_time": now if over else None},
            on_update={"end_time": sa.func.coalesce(test_results.c.end_time, now) if over else test_results.c.end_time},
            # A write whose answer was lost may arrive after later ones: it must not erase the final figures.
            update_where=None if over else test_results.c.status.not_in([status.value for status in TERMINAL]),
        )
        self._database.run(write)

    def finish_parent(self, run_id: str, result: ParentResult, *, holder: str | None = None) -> bool:
        """Write what all workers have done together into the run's own result; may be repeated.

        Status, phase and times are the run's and follow it by themselves. None leaves a column as it is. A ``holder``
        changes nothing when the run's lease is another's by now, or nobody's, and is told so by False: it was held up,
        and knows less than who went on. Raises :class:`RunNotFound`.
        """
        values = {name: value for name, value in vars(result).items() if value is not None}
        return self._update_parent(run_id, values, holder=holder)

    def set_environment(self, run_id: str, environment: JsonObject) -> None:
        """Keep what the run was made on and with. Raises :class:`RunNotFound`."""
        self._update_parent(run_id, {"environment": dict(environment)})

    def save_summary(self, run_id: str, summary: JsonObject) -> None:
        """Keep the run's summary as it was shown. Raises :class:`RunNotFound`."""
        self._update_parent(run_id, {"summary": dict(summary)})

    def set_enrichment(self, run_id: str, status: str, reason: str | None) -> None:
        """Say how far the server's own view has been fetched, and why no further. Raises :class:`RunNotFound`."""
        self._update_parent(run_id, {"enrichment_status": status, "enrichment_reason": reason})

    def finish_follow_up(self, run_id: str, result: FollowUpResult, *, holder: str | None = None) -> bool:
        """Write what came of the work after the load; ``holder`` as in :meth:`finish_parent`.

        Raises :class:`RunNotFound`.
        """
        values = {name: value for name, value in vars(result).items() if name != "server_view" or value is not None}
        return self._update_parent(run_id, values, holder=holder)

    def get(self, test_id: str) -> ResultRow:
        """Return one result; a run's own has the run's id. Raises :class:`RunNotFound`."""
        rows = self._database.rows(self._select.where(test_results.c.test_id == test_id))
        if not rows:
            raise RunNotFound(
                f"there is no result {test_id!r} in the store", hint="`upperbound runs list` shows the runs"
            )
        return ResultRow(**rows[0])

    def children(self, run_id: str) -> list[ResultRow]:
        """Return the results of the run's workers, in order of group id."""
        columns = test_results.c
        statement = self._select.where(columns.run_id == run_id, columns.worker_id.is_not(None))
        rows = self._database.rows(statement.order_by(columns.worker_group_id))
        return [ResultRow(**row) for row in once_each(self._database.dialect, rows, lambda row: row["test_id"])]

    def _update_parent(self, run_id: str, values: Mapping[str, Any], *, holder: str | None = None) -> bool:
        statement = sa.update(test_results).where(test_results.c.test_id == run_id)
        # Locked, so that nobody takes the run over between this look and the write.
        owner = sa.select(run_status.c.lease_owner).where(run_status.c.run_id == run_id).with_for_update()
        with self._database.transaction() as connection:
            held = connection.execute(owner).first()
            if holder is not None and held is not None and held.lease_owner != holder:
                return False
            if not connection.execute(statement.values({**values, "updated_at": self._now})).rowcount:
                raise RunNotFound(f"there is no run {run_id!r} in the store", hint="`upperbound runs list` shows them")
        return True
