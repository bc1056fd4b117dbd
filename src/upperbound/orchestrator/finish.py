"""The end of a run: every worker's log sealed, every worker's result there, and their sum as the run's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upperbound.domain.figures import PhaseFigures, merge
from upperbound.domain.phases import Phase
from upperbound.errors import QueryLogError
from upperbound.orchestrator.follow_up import worker_rows
from upperbound.querylog.parquet import log_files, log_folder, seal_worker
from upperbound.store.engine import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collected:
    """What is left of a run when its workers are gone."""

    figures: PhaseFigures
    """The measurement of all workers, lost ones included as far as they had reported."""
    query_log: dict[str, object]
    """``rows``, ``files``, ``path``, rows by worker, and ``problem`` when something of the log is missing."""
    worker_rows: dict[str, int]
    """How many queries each worker has recorded, as far as that can be known."""


def collect(store: Store, run_id: str, worker_ids: Sequence[str], run_folder: Path) -> Collected:
    """Seal what killed workers have left and merge what all workers have counted.

    A worker without a final result counts with its newest snapshot, at most a second older than its end; one that never
    got to the measurement counts with its warmup.
    """
    problems = [problem for worker_id in worker_ids if (problem := _seal(run_folder, worker_id))]
    children = {child.worker_id: child for child in store.results.children(run_id)}
    newest = {phase: store.snapshots.newest(run_id, phase=phase) for phase in (Phase.WARMUP, Phase.MEASUREMENT)}
    figures = [PhaseFigures(Phase.MEASUREMENT)]
    for worker_id in worker_ids:
        child = children.get(worker_id)
        if child is not None and child.figures:
            figures.append(PhaseFigures.from_json(child.figures))
        elif measured := newest[Phase.MEASUREMENT].get(worker_id):
            figures.append(PhaseFigures.from_json(measured.figures))
        elif warmed_up := newest[Phase.WARMUP].get(worker_id):
            figures.append(_only_warmup(PhaseFigures.from_json(warmed_up.figures)))
    rows: dict[str, int] = {}
    for worker_id in worker_ids:
        child = children.get(worker_id)
        try:
            rows[worker_id] = worker_rows(run_folder, worker_id, child.query_log if child else None)
        except QueryLogError as error:
            problems.append(str(error))
    query_log: dict[str, object] = {
        "rows": sum(rows.values()) if len(rows) == len(worker_ids) else None,
        "files": len(log_files(run_folder)),
        "path": str(log_folder(run_folder)),
        "workers": rows,
    }
    if problems:
        query_log["problem"] = "; ".join(problems)
    return Collected(merge(figures), query_log, rows)


def _only_warmup(warmup: PhaseFigures) -> PhaseFigures:
    """Return the measurement of a worker that has nothing but a warmup."""
    return PhaseFigures(Phase.MEASUREMENT, warmup_operations=warmup.attempts, logged_rows=warmup.logged_rows)


def _seal(run_folder: Path, worker_id: str) -> str:
    """Seal one worker's log; returns what went wrong, or nothing."""
    try:
        seal_worker(run_folder, worker_id)
    except QueryLogError as error:
        log.warning("%s", error)
        return str(error)
    return ""
