"""The parts of a finished run that are read after the page is there: series, distribution, statistics, failures."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from upperbound.domain.steadiness import Trend
from upperbound.store.engine import Store
from upperbound.store.logs import LogRow
from upperbound.ui.charts.axes import TimeChart, time_options
from upperbound.ui.charts.distribution import curve_options, histogram_options
from upperbound.ui.charts.failures import failures_options
from upperbound.ui.charts.run_series import (
    Columns,
    RunShape,
    bands,
    errors,
    latency,
    reads_and_writes,
    threads,
    throughput,
    warehouse,
)
from upperbound.ui.components.chart import Chart
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.log_view import LogView
from upperbound.ui.components.panel import empty, panel, scroll_x
from upperbound.ui.components.words import NONE, count, milliseconds, percent, rate, tag
from upperbound.ui.series import run_columns
from upperbound.views.metrics import ErrorTimeline, load_error_timeline
from upperbound.views.statistics import (
    LatencyHistogram,
    LatencyStatistics,
    RateStatistics,
    RunErrors,
    Statistics,
    load_errors,
    load_latency_histogram,
    load_statistics,
)

Show = Callable[..., Awaitable[None]]
TRENDS: Final = {
    Trend.STEADY: ("steady", "→", "ok"),
    Trend.RISING: ("rising", "↗", "warn"),
    Trend.FALLING: ("falling", "↘", "warn"),
    Trend.UNKNOWN: ("too short to tell", "–", ""),
}
ZOOM_HINT: Final = "Drag the bar to zoom, or turn the wheel with Shift held. A click on a point shows its queries."
AROUND_S: Final = 1.0
"""How far around a point of a chart its queries are looked for."""


def reads_series(store: Store, run_id: str) -> Callable[[], Columns]:
    """Return what reads the series."""
    return partial(run_columns, store, run_id)


def reads_histogram(store: Store, run_id: str) -> Callable[[], LatencyHistogram]:
    """Return what reads the distribution."""
    return partial(load_latency_histogram, store, run_id)


def reads_statistics(store: Store, run_id: str, home: Path) -> Callable[[], Statistics]:
    """Return what reads the statistics."""
    return partial(load_statistics, store, run_id, home=home)


def reads_failures(store: Store, run_id: str, home: Path) -> Callable[[], tuple[ErrorTimeline, RunErrors]]:
    """Return what reads the failures."""

    def read() -> tuple[ErrorTimeline, RunErrors]:
        return load_error_timeline(store, run_id), load_errors(store, run_id, home=home)

    return read


def over_time(columns: Columns, shape: RunShape, show_time: Show) -> None:
    """Draw the course of the run; a click on a point goes to the queries around it."""
    if not any(value is not None for _, value in columns.get("qps", ())):
        with panel("Over time"):
            empty("There is no course to show", "The run ended before a worker had reported anything.", low=True)
        return
    builders = [
        ("Throughput", throughput),
        ("Latency", latency),
        ("Threads", threads),
        ("Errors", errors),
        *([("Reads and writes", reads_and_writes)] if shape.writes else []),
        *([("Warehouse", warehouse)] if columns.get("queued") else []),
    ]
    for title, build in builders:
        _time_chart(title, build(shape, columns), show_time)


def _time_chart(title: str, chart: TimeChart, show_time: Show) -> None:
    with panel(title, chart.axis, flush=True):
        drawn = Chart(time_options(chart), f"{title} over the time of the run", "chart zoomed")

    async def go(event: Any) -> None:
        value = (event.args or {}).get("value")
        if isinstance(value, list) and value and isinstance(value[0], int | float):
            await show_time(max(0.0, value[0] - AROUND_S), value[0] + AROUND_S)

    drawn.on("point", go)


def distribution(found: LatencyHistogram, show_slow: Show) -> None:
    """Draw the histogram and the percentile curve."""
    if not found.total.buckets:
        with panel("Latency distribution"):
            empty("There is no latency to show", "No operation of the measurement succeeded.", low=True)
        return
    with panel("Latency histogram", "operations", flush=True):
        Chart(histogram_options(found.total), "Operations by latency", "chart tall")
    with panel("Percentile curve", "ms", flush=True) as header:
        Chart(curve_options(found.total, found.by_kind), "Latency by percentile", "chart tall")
    p99 = next((point.latency_ms for point in found.total.curve if point.percentile >= 99), None)
    if p99 is not None:
        with header:

            async def go() -> None:
                await show_slow(p99)

            button("Go to data: slower than p99", cls="small ghost last").on("click", go)


def statistics(found: Statistics) -> None:
    """Show the spread of throughput and latency, for all operations and by kind."""
    with Tag("div", cls="row", style="padding: 0.2rem 1rem 0.6rem"):
        Tag("span", "Throughput over the measurement:", "muted small")
        if found.qps is not None:
            tag(*TRENDS[found.qps.trend])
            if found.qps.change_pct is not None:
                Tag("span", f"{found.qps.change_pct:+.1f} % from begin to end", "muted small")
        source = "every query" if found.source == "query_log" else "the workers' snapshots"
        Tag("span", f"Counted from {source}, second by second.", "muted small")
    with scroll_x("Statistics"), Tag("table", cls="table"):
        with Tag("thead"), Tag("tr"):
            Tag("th", "", scope="col", aria_label="Operations")
            for name in ("QPS mean", "min", "max", "stddev", "variation %"):
                Tag("th", name, "num", scope="col")
            for name in ("mean ms", "min", "stddev", "p50", "p90", "p95", "p99", "p99.9", "max"):
                Tag("th", name, "num", scope="col")
        with Tag("tbody"):
            _spread_row("All", found.qps, found.latency)
            for label, kind in found.by_kind.items():
                _spread_row(label, kind.qps, kind.latency)


def _spread_row(label: str, qps: RateStatistics | None, latency: LatencyStatistics) -> None:
    rates = [NONE] * 5
    if qps is not None:
        rates = [*map(rate, (qps.mean, qps.min, qps.max, qps.stddev)), percent(qps.variation_pct, 1)]
    figures = (
        latency.mean_ms,
        latency.min_ms,
        latency.stddev_ms,
        latency.p50_ms,
        latency.p90_ms,
        latency.p95_ms,
        latency.p99_ms,
        latency.p999_ms,
        latency.max_ms,
    )
    with Tag("tr"):
        Tag("td", label, "wrap")
        for text in (*rates, *map(milliseconds, figures)):
            Tag("td", text, "num")


def failures(found: tuple[ErrorTimeline, RunErrors], shape: RunShape, show_failed: Show) -> None:
    """Show failures over time, and what they said."""
    timeline, told = found
    with panel("Errors", "failed/s by class" if timeline.classes else "", flush=True) as header:
        if not timeline.classes and not told.messages:
            empty("No operation failed", low=True)
            return
        if timeline.classes:
            Chart(
                failures_options(timeline, bands(shape), shape.planned_s), "Failed operations over time", "chart zoomed"
            )
        with scroll_x("Errors"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                Tag("th", "Class", scope="col")
                Tag("th", "Count", "num", scope="col")
                Tag("th", "Code", scope="col")
                Tag("th", "Message", scope="col")
            with Tag("tbody"):
                if told.messages:
                    for one in told.messages:
                        _message_row(one.outcome, one.count, one.error_code, one.message)
                else:
                    for summary in told.classes:
                        _message_row(summary.outcome, summary.count, None, summary.sample)
        if told.note:
            Tag("p", told.note, "chart-note")
    with header:
        button("Go to data: failed queries", cls="small ghost last").on("click", lambda _: show_failed())


def log(lines: Sequence[LogRow]) -> None:
    """Show what was said about the run."""
    LogView(lines)


def _message_row(outcome: str, number: int, code: str | None, message: str | None) -> None:
    with Tag("tr"):
        Tag("td", outcome, "nowrap")
        Tag("td", count(number), "num")
        Tag("td", code or NONE, "mono")
        Tag("td", message or NONE, "wrap")
