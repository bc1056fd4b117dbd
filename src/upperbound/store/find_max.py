"""Steps of searches for the highest load: ``FIND_MAX_STEP_HISTORY``."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from upperbound.domain.find_max_steps import Limiter, Purpose
from upperbound.store.database import Database
from upperbound.store.dialects import insert_new, once_each
from upperbound.store.tables import find_max_step_history
from upperbound.store.types import store_now


@dataclass(frozen=True)
class FindMaxStep:
    """One step that was made and judged."""

    run_id: str
    step: int
    """From 1."""
    purpose: Purpose
    threads: int
    """Of all workers."""
    workers: int
    """How many carried them."""
    began_s: float
    """When the step was decided on, in seconds since START_TIME."""
    settled_s: float
    """When its figures begin, in seconds since START_TIME."""
    seconds: float
    """How long they cover; so do all figures that follow."""
    operations: int
    """Those that succeeded."""
    failed: int
    qps: float
    """Successful operations per second."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    limiter: Limiter | None
    """What the step failed by; None when it passed."""
    reason: str
    """Why it failed, in words; empty when it passed."""


@dataclass(frozen=True)
class FindMaxStepRow(FindMaxStep):
    """A step as it is stored."""

    recorded_at: datetime
    """By the store's clock."""


class FindMaxRepository:
    """Writes and reads steps."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = store_now() if now is None else now

    def write(self, step: FindMaxStep) -> None:
        """Keep a step; one that is there already (same run and number) is left as it is."""
        values = {**vars(step), "recorded_at": self._now}
        self._database.run(insert_new(self._database.dialect, find_max_step_history, values))

    def steps(self, run_id: str, after_step: int = 0) -> list[FindMaxStepRow]:
        """Return the steps of a run with a number above ``after_step``, in their order."""
        columns = find_max_step_history.c
        statement = sa.select(find_max_step_history).where(columns.run_id == run_id, columns.step > after_step)
        rows = self._database.rows(statement.order_by(columns.step))
        return [FindMaxStepRow(**row) for row in once_each(self._database.dialect, rows, lambda row: row["step"])]
