"""The charts of a run that goes on."""

from collections.abc import Callable

from upperbound.ui.charts.axes import Point, TimeChart, time_options
from upperbound.ui.charts.run_series import (
    WAREHOUSE_KEYS,
    Columns,
    RunShape,
    errors,
    latency,
    point_of,
    reads_and_writes,
    threads,
    throughput,
    warehouse,
)
from upperbound.ui.components.chart import Chart
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import panel
from upperbound.views.live_payload import RunUpdate

ONLY_READS = "This workload only reads: figures and charts of writes are left out."

Build = Callable[..., TimeChart]


class LiveCharts:
    """Throughput, latency, threads and errors over time; each update adds one point to each series."""

    def __init__(self, shape: RunShape, columns: Columns) -> None:
        """Draw what has been so far; ``columns`` are empty for a run that begins."""
        self._errors_before: int | None = None
        self._phase: object = None
        looks = columns.get("queued", ())
        self._looked_at_s: float | None = looks[-1][0] if looks else None
        with Tag("div", cls="cols-2 even") as self.grid:
            self._charts = [
                _draw("Throughput", throughput, shape, columns),
                _draw("Latency", latency, shape, columns),
                _draw("Threads", threads, shape, columns),
                _draw("Errors", errors, shape, columns),
            ]
            if shape.writes:
                self._charts.append(_draw("Reads and writes", reads_and_writes, shape, columns))
            if shape.warehouse:
                self._charts.append(_draw("Warehouse", warehouse, shape, columns))

    def update(self, update: RunUpdate) -> None:
        """Add a point; the last update of a run tells of the whole of it and adds none."""
        if update.final or update.run.elapsed_seconds is None:
            return
        failed = update.run.aggregate_metrics.total_errors
        counted = update.run.phase_metrics.phase
        # Failures are counted by phase: they begin anew with the measurement.
        before = self._errors_before if counted is self._phase and self._errors_before is not None else 0
        points: dict[str, list[Point]] = {key: [point] for key, point in point_of(update, before).items()}
        self._errors_before, self._phase = failed, counted
        looked_at_s = update.warehouse.elapsed_seconds if update.warehouse is not None else None
        if looked_at_s == self._looked_at_s:
            # There is no newer look: the chart of the warehouse stays as it is.
            points = {key: points[key] for key in points if key not in WAREHOUSE_KEYS}
        self._looked_at_s = looked_at_s
        for chart, keys in self._charts:
            if points.keys() >= set(keys):
                chart.append({key: points[key] for key in keys})


def _draw(title: str, build: Build, shape: RunShape, columns: Columns) -> tuple[Chart, list[str]]:
    chart = build(shape, columns, live=True)
    with panel(title, chart.axis, flush=True):
        return Chart(time_options(chart), f"{title} over the time of the run"), [line.key for line in chart.lines]
