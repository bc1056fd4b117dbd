"""Metrics snapshots: ``WORKER_METRICS_SNAPSHOTS``, what each worker had counted at one moment."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from upperbound.domain.phases import Phase
from upperbound.domain.time_series import Mark
from upperbound.store.database import Database
from upperbound.store.dialects import insert_new, once_each
from upperbound.store.tables import worker_metrics_snapshots
from upperbound.store.types import store_now

_IN_ONE_QUERY: Final = 500
"""Snapshots that are asked for at once."""


@dataclass(frozen=True)
class Snapshot:
    """The figures of one worker's phase so far."""

    run_id: str
    test_id: str
    """The worker's child run."""
    worker_id: str
    group_id: int
    group_count: int
    sequence: int
    """Counted by the worker, from 1; a higher one is newer."""
    phase: Phase
    elapsed_s: float
    """Seconds since the run's START_TIME, by the worker's clock."""
    operations: int
    failed: int
    qps: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    active_threads: int
    target_threads: int
    figures: Mapping[str, Any]
    """``PhaseFigures.to_json()``: mergeable, cumulative within the phase."""


@dataclass(frozen=True)
class SnapshotRow(Snapshot):
    """A snapshot as it is stored."""

    figures: dict[str, Any]
    captured_at: datetime
    """When the store took it in; later than it was made if the store was away."""


class SnapshotRepository:
    """Writes and reads snapshots."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        table = worker_metrics_snapshots
        columns = table.c
        given: dict[str, Any] = {
            column.name: sa.bindparam(f"given_{column.name}", type_=column.type) for column in columns
        }
        given["captured_at"] = store_now() if now is None else now
        self._insert = insert_new(database.dialect, table, given)
        renamed = {"worker_group_id": "group_id", "worker_group_count": "group_count"}
        self._select = sa.select(*(column.label(renamed.get(column.name, column.name)) for column in columns)).where(
            columns.run_id == sa.bindparam("run")
        )
        self._newest = {False: self._newest_statement(by_phase=False), True: self._newest_statement(by_phase=True)}

    def _newest_statement(self, *, by_phase: bool) -> sa.Select[Any]:
        """Step from worker to worker along an index, and look up the last snapshot of each.

        That costs the same after an hour as after a minute. Grouping all snapshots of the run does not, and a server
        whose statistics do not know the run yet takes it for a small one and reads them all once for each worker.
        """
        columns = worker_metrics_snapshots.c
        chosen = [columns.run_id == sa.bindparam("run")]
        if by_phase:
            chosen.append(columns.phase == sa.bindparam("in_phase", type_=columns.phase.type))
        if self._database.dialect == "snowflake":
            return self._newest_of_all(chosen)
        first = sa.select(sa.func.min(columns.worker_id).label("worker_id")).where(*chosen)
        workers = first.cte("workers", recursive=True)
        following = sa.select(sa.func.min(columns.worker_id)).where(*chosen, columns.worker_id > workers.c.worker_id)
        workers = workers.union_all(sa.select(following.scalar_subquery()).where(workers.c.worker_id.is_not(None)))
        if self._database.dialect == "postgresql":
            # Its planner may turn a join around, but not one with a limit in it.
            last = (
                self._select.where(*chosen, columns.worker_id == workers.c.worker_id)
                .order_by(columns.sequence.desc())
                .limit(sa.literal_column("1"))
                .lateral("last")
            )
            return sa.select(last).select_from(workers).join(last, sa.true()).order_by(last.c.group_id)
        highest = sa.select(sa.func.max(columns.sequence)).where(*chosen, columns.worker_id == workers.c.worker_id)
        found = sa.select(workers.c.worker_id, highest.scalar_subquery().label("sequence")).subquery("last")
        return self._select.join(
            found, sa.and_(columns.worker_id == found.c.worker_id, columns.sequence == found.c.sequence)
        ).order_by(columns.worker_group_id)

    def _newest_of_all(self, chosen: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        """Give each worker's snapshots numbers, its last one the first, and look up those.

        A standard table of Snowflake has no index to step along. What is read is the numbers alone, in the partitions
        that the run was written to.
        """
        columns = worker_metrics_snapshots.c
        place = sa.func.row_number().over(partition_by=columns.worker_id, order_by=columns.sequence.desc())
        numbered = (
            sa.select(columns.worker_id, columns.sequence, place.label("place")).where(*chosen).subquery("numbered")
        )
        return (
            self._select.join(
                numbered,
                sa.and_(columns.worker_id == numbered.c.worker_id, columns.sequence == numbered.c.sequence),
            )
            .where(numbered.c.place == 1)
            .order_by(columns.worker_group_id)
        )

    def write(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; one that is there already (same run, worker and sequence) is left as it is."""
        values = {f"given_{name}": value for name, value in vars(snapshot).items()}
        values["given_worker_group_id"] = values.pop("given_group_id")
        values["given_worker_group_count"] = values.pop("given_group_count")
        self._database.run(self._insert, values)

    def newest(self, run_id: str, phase: Phase | None = None) -> dict[str, SnapshotRow]:
        """Return the newest snapshot of each worker by worker id, of one phase or of any."""
        values: dict[str, object] = {"run": run_id}
        if phase is not None:
            values["in_phase"] = phase
        rows = self._database.rows(self._newest[phase is not None], values)
        return {row["worker_id"]: SnapshotRow(**row) for row in rows}

    def marks(self, run_id: str) -> list[Mark]:
        """Return every snapshot of the run without its histograms, and a beginning for each worker and phase.

        A worker's time is that of its first snapshot of the phase plus how long it has counted since.
        """
        columns = worker_metrics_snapshots.c
        counts = ("worker_id", "sequence", "phase", "elapsed_s", "operations", "failed", "qps")
        names = (*counts, "active_threads", "target_threads")
        statement = sa.select(*(columns[name] for name in names)).where(columns.run_id == run_id)
        marks: list[Mark] = []
        begins: dict[tuple[str, Phase], float] = {}
        rows = self._database.rows(statement.order_by(columns.worker_id, columns.sequence))
        for row in once_each(self._database.dialect, rows, _place_of):
            worker_id, phase, threads = row["worker_id"], row["phase"], (row["active_threads"], row["target_threads"])
            at_s = row["elapsed_s"]
            if row["qps"] > 0:
                # The rate is that of the phase so far, which tells for how long has been counted.
                counted_s = row["operations"] / row["qps"]
                if (worker_id, phase) not in begins:
                    begins[worker_id, phase] = begin_s = max(0.0, at_s - counted_s)
                    marks.append(Mark(worker_id, 0, phase, begin_s, 0, 0, *threads))
                at_s = begins[worker_id, phase] + counted_s
            marks.append(Mark(worker_id, row["sequence"], phase, at_s, row["operations"], row["failed"], *threads))
        return marks

    def chosen(self, run_id: str, sequences: Mapping[str, Collection[int]]) -> dict[tuple[str, int], SnapshotRow]:
        """Return snapshots of these sequences, by worker; one that does not exist is left out."""
        found: dict[tuple[str, int], SnapshotRow] = {}
        columns = worker_metrics_snapshots.c
        for worker_id, numbers in sequences.items():
            wanted = sorted(numbers)
            for first in range(0, len(wanted), _IN_ONE_QUERY):
                part = wanted[first : first + _IN_ONE_QUERY]
                statement = self._select.where(columns.worker_id == worker_id, columns.sequence.in_(part))
                for row in self._database.rows(statement, {"run": run_id}):
                    found[worker_id, row["sequence"]] = SnapshotRow(**row)
        return found

    def series(
        self, run_id: str, worker_id: str | None = None, after_sequence: int = 0, phase: Phase | None = None
    ) -> list[SnapshotRow]:
        """Return snapshots with a sequence above ``after_sequence`` by sequence, then group id."""
        columns = worker_metrics_snapshots.c
        statement = self._select.where(columns.sequence > after_sequence)
        if worker_id is not None:
            statement = statement.where(columns.worker_id == worker_id)
        if phase is not None:
            statement = statement.where(columns.phase == phase)
        statement = statement.order_by(columns.sequence, columns.worker_group_id)
        rows = self._database.rows(statement, {"run": run_id})
        return [SnapshotRow(**row) for row in once_each(self._database.dialect, rows, _place_of)]


def _place_of(row: RowMapping) -> tuple[str, int]:
    return row["worker_id"], row["sequence"]
