"""The course of a run so far, read from the store."""

from collections.abc import Sequence
from typing import Final

from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.warehouse_polls import WarehousePollRow
from upperbound.ui.charts.run_series import Columns
from upperbound.views.metrics import MetricPoint, MetricSeries, load_metrics

SECOND_BY_SECOND_S: Final = 600.0
"""A run of up to this length is shown second by second; of a longer one so many points that a chart can show them."""
MARGIN_S: Final = 30.0


def run_columns(store: Store, run_id: str) -> Columns:
    """Return the points of every series of a run.

    Raises:
        RunNotFound: there is no such run.
        StoreUnreachable: the store cannot be read now.
    """
    run = store.runs.get(run_id)
    load = RunConfig.read(run.scenario_config).scenario.load
    length_s = min(load.warmup_seconds + load.duration_seconds, (run.elapsed_s or 0.0) + MARGIN_S)
    columns = columns_of(load_metrics(store, run_id, step_s=1.0 if length_s <= SECOND_BY_SECOND_S else None))
    return {**columns, **warehouse_columns(store.warehouse_polls.series(run_id))}


def warehouse_columns(polls: Sequence[WarehousePollRow]) -> Columns:
    """Return the points of the looks at a warehouse; nothing for a run without one."""
    at = [round(poll.elapsed_s, 1) for poll in polls]
    values: dict[str, list[float | None]] = {
        "clusters": [None if poll.started_clusters is None else float(poll.started_clusters) for poll in polls],
        "running": [float(poll.running) for poll in polls],
        "queued": [float(poll.queued) for poll in polls],
    }
    return {key: list(zip(at, of_key, strict=True)) for key, of_key in values.items() if polls}


def columns_of(series: MetricSeries) -> Columns:
    """Return the points of a series by the keys of the charts; where no worker did anything there is a gap."""
    columns: dict[str, list[tuple[float, float | None]]] = {}
    for point in series.points:
        for key, value in _values(point).items():
            columns.setdefault(key, []).append((round(point.elapsed_s, 1), value))
    return columns


def _values(point: MetricPoint) -> dict[str, float | None]:
    rates = {
        "qps": point.qps,
        "attempted": point.qps + point.failed_per_s,
        "errors": point.failed_per_s,
        "reads": point.reads_per_s,
        "writes": point.writes_per_s,
    }
    return {
        **(rates if point.workers else dict.fromkeys(rates)),
        "target": point.target_qps,
        "p50": point.p50_ms,
        "p95": point.p95_ms,
        "p99": point.p99_ms,
        "active": float(point.active_threads),
        "wanted": float(point.target_threads),
    }
