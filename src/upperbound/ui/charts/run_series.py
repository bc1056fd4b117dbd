"""The course of a run as columns over time, from the store's series and from the updates that follow it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from upperbound.scenario.kinds import OperationType
from upperbound.ui.charts.axes import PALETTE, Band, Format, Line, Mark, Point, TimeChart

if TYPE_CHECKING:
    from upperbound.views.live_payload import LiveWarehouse, RunUpdate
    from upperbound.views.server_view import OverheadPointView

WAREHOUSE_KEYS: Final = ("clusters", "running", "queued")
"""The series of a warehouse."""


@dataclass(frozen=True)
class RunShape:
    """What is known of a run before it begins, as far as charts depend on it."""

    warmup_s: float
    duration_s: float
    open_loop: bool
    """It offers a rate."""
    writes: bool
    """Some of its operations change data."""
    limits: Mapping[str, float]
    """Objectives on latency, by the key of their series."""
    min_qps: float | None = None
    warehouse: bool = False
    """It runs on a warehouse, which is looked at."""

    @property
    def planned_s(self) -> float:
        """How long the load is planned to last."""
        return self.warmup_s + self.duration_s


Columns = Mapping[str, Sequence[Point]]
"""Points by the key of their series."""


def point_of(update: "RunUpdate", errors_before: int) -> dict[str, Point]:
    """Return the points that an update adds, by the key of their series.

    ``errors_before`` is how many operations had failed at the update before: the chart shows failures per second.
    """
    metrics, at = update.run.aggregate_metrics, round(update.timing.elapsed_display_seconds, 1)
    by_type = {OperationType.READ: 0.0, OperationType.WRITE: 0.0}
    for kind in metrics.by_kind.values():
        by_type[kind.operation_type] += kind.qps or 0.0
    known = metrics.qps is not None
    values: dict[str, float | None] = {
        "qps": metrics.qps,
        "attempted": metrics.attempted_qps,
        "target": update.arrivals.target_qps if update.arrivals else None,
        "p50": metrics.p50_latency_ms,
        "p95": metrics.p95_latency_ms,
        "p99": metrics.p99_latency_ms,
        "active": float(metrics.active_connections),
        "wanted": float(metrics.target_connections),
        "errors": float(max(0, metrics.total_errors - errors_before)) if known else None,
        "reads": by_type[OperationType.READ] if known else None,
        "writes": by_type[OperationType.WRITE] if known else None,
    }
    points: dict[str, Point] = {key: (at, value) for key, value in values.items()}
    return points | warehouse_points(update.warehouse)


def warehouse_points(seen: "LiveWarehouse | None") -> dict[str, Point]:
    """Return the points of a look at a warehouse, at the time of that look; none before the first."""
    if seen is None:
        return {}
    clusters = None if seen.started_clusters is None else float(seen.started_clusters)
    values = clusters, float(seen.running), float(seen.queued)
    return {key: (seen.elapsed_seconds, value) for key, value in zip(WAREHOUSE_KEYS, values, strict=True)}


def bands(shape: RunShape) -> list[Band]:
    """Return the phases of a run by plan."""
    found = [Band("Warmup", 0.0, shape.warmup_s, "var(--band-2)")] if shape.warmup_s else []
    return [*found, Band("Measurement", shape.warmup_s, shape.planned_s)]


def throughput(shape: RunShape, columns: Columns, *, live: bool = False) -> TimeChart:
    """Return operations per second."""
    lines = [Line("qps", "Succeeded", columns.get("qps", ()), PALETTE[0], area=True)]
    lines.append(Line("attempted", "Attempted", columns.get("attempted", ()), PALETTE[5], "dashed"))
    if shape.open_loop:
        lines.append(Line("target", "To offer", columns.get("target", ()), PALETTE[2], "dotted"))
    marks = [Mark("objective", shape.min_qps)] if shape.min_qps else []
    return _chart(shape, lines, "@rate", "operations/s", live=live, marks=marks)


def latency(shape: RunShape, columns: Columns, *, live: bool = False) -> TimeChart:
    """Return percentiles of latency."""
    lines = [
        Line("p50", "p50", columns.get("p50", ()), PALETTE[1]),
        Line("p95", "p95", columns.get("p95", ()), PALETTE[0], "dashed"),
        Line("p99", "p99", columns.get("p99", ()), PALETTE[3], "dotted"),
    ]
    marks = [Mark(f"{key} objective", limit) for key, limit in shape.limits.items()]
    return _chart(shape, lines, "@ms", "ms", live=live, marks=marks)


def threads(shape: RunShape, columns: Columns, *, live: bool = False) -> TimeChart:
    """Return threads that are connected, and those wanted."""
    lines = [
        Line("active", "Active", columns.get("active", ()), PALETTE[1], area=True, step=True),
        Line("wanted", "Wanted", columns.get("wanted", ()), PALETTE[5], "dashed", step=True),
    ]
    return _chart(shape, lines, "@count", "", live=live)


def errors(shape: RunShape, columns: Columns, *, live: bool = False) -> TimeChart:
    """Return failed operations per second."""
    lines = [Line("errors", "Failed", columns.get("errors", ()), PALETTE[4], area=True)]
    return _chart(shape, lines, "@rate", "failed/s", live=live)


def reads_and_writes(shape: RunShape, columns: Columns, *, live: bool = False) -> TimeChart:
    """Return operations per second by whether they change data."""
    lines = [
        Line("reads", "Reads", columns.get("reads", ()), PALETTE[1]),
        Line("writes", "Writes", columns.get("writes", ()), PALETTE[2], "dashed"),
    ]
    return _chart(shape, lines, "@rate", "operations/s", live=live)


def warehouse(shape: RunShape, columns: Columns, *, live: bool = False) -> TimeChart:
    """Return the clusters of a warehouse, and the queries that it runs and that wait for it."""
    lines = [
        Line("clusters", "Clusters", columns.get("clusters", ()), PALETTE[1], area=True, step=True),
        Line("running", "Running", columns.get("running", ()), PALETTE[0], "dashed", step=True),
        Line("queued", "Queued", columns.get("queued", ()), PALETTE[4], "dotted", step=True),
    ]
    return _chart(shape, lines, "@count", "clusters and queries", live=live)


def overhead(shape: RunShape, points: "Sequence[OverheadPointView]") -> TimeChart:
    """Return what the client waited longer than the server took."""
    lines = [
        Line("overhead_p50", "p50", [(one.elapsed_s, one.p50_ms) for one in points], PALETTE[1]),
        Line("overhead_p95", "p95", [(one.elapsed_s, one.p95_ms) for one in points], PALETTE[0], "dashed"),
    ]
    return _chart(shape, lines, "@ms", "ms beyond the server's own time", live=False)


def _chart(
    shape: RunShape, lines: list[Line], unit: Format, axis: str, *, live: bool, marks: Sequence[Mark] = ()
) -> TimeChart:
    return TimeChart(
        lines=lines,
        unit=unit,
        axis=axis,
        bands=bands(shape),
        marks=marks,
        planned_s=shape.planned_s,
        zoom=not live,
        grows=live,
    )
