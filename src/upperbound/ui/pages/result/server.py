"""What the server says of a finished run: how much it tells, its own times, the way to it, queues, clusters, caches."""

from collections.abc import Callable
from functools import partial
from typing import Final

from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.store.engine import Store
from upperbound.ui.charts.axes import time_options
from upperbound.ui.charts.run_series import RunShape, overhead
from upperbound.ui.components.chart import Chart
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import Tone, empty, note, panel, scroll_x
from upperbound.ui.components.tiles import Tile, tiles
from upperbound.ui.components.words import NONE, count, milliseconds, percent
from upperbound.views.enrichment import EnrichmentStatusView, load_enrichment
from upperbound.views.server_view import MergedMinutesView, ServerView, SpreadView, TimesView, WaitingView

TITLE: Final = "What the server says"
_TONES: Final[dict[str, Tone]] = {
    EnrichmentStatus.COMPLETED.value: "ok",
    EnrichmentStatus.PARTIAL.value: "warn",
    EnrichmentStatus.FAILED.value: "bad",
}
SERVER_TIP: Final = (
    "From receiving a statement to its end, as the server has it in its history. Calls are matched with it by id; "
    "transactions and those that were tried again are left out, as their time is not that of one statement."
)
OVERHEAD_TIP: Final = (
    "What the client waited longer than the server took: the network, the driver, fetching the answer, and the "
    "rounding of the server's time to whole milliseconds, which may make it negative."
)


def reads_enrichment(store: Store, run_id: str) -> Callable[[], EnrichmentStatusView]:
    """Return what reads it."""
    return partial(load_enrichment, store, run_id)


def server_says(found: EnrichmentStatusView, shape: RunShape) -> None:
    """Show it all, or why there is nothing."""
    view = found.server
    if view is None:
        with panel(TITLE):
            if found.status in (EnrichmentStatus.FAILED.value, EnrichmentStatus.PARTIAL.value):
                note(_TONES[found.status], found.reason or found.note or NONE)
            else:
                empty("Nothing was asked of it", found.note or found.reason or "", low=True)
        return
    with panel(TITLE, flush=True):
        _said(found, view)
        _headline(view)
        _times(view)
        _waiting(view)
        _clusters(view)
        _rest(view)
    if view.overhead_series.points:
        with panel("Overhead", "ms beyond the server's own time", flush=True):
            chart = overhead(shape, view.overhead_series.points)
            Chart(time_options(chart), "Client time less server time over the time of the run", "chart zoomed")


def _said(found: EnrichmentStatusView, view: ServerView) -> None:
    """Show why there is no more, why percentiles are withheld, and what else is to be known."""
    lines = [line for line in (found.reason, view.measurement.withheld, *view.reading.notes) if line]
    if lines:
        worried = found.reason or view.measurement.withheld
        with Tag("div", cls="body"):
            note(_TONES.get(found.status, "warn") if worried else "info", lines[0], lines[1:])


def _headline(view: ServerView) -> None:
    times, covered = view.measurement, view.measurement.coverage
    with tiles(TITLE):
        Tile("Coverage", "%", key="server-coverage").update(
            percent(covered.pct, 1), f"{count(covered.matched)} of {count(covered.reached)} calls"
        )
        Tile("Server p50", "ms", tip=SERVER_TIP, key="server-p50").update(*_percentiles(times.server))
        Tile("Overhead p50", "ms", tip=OVERHEAD_TIP, key="server-overhead").update(*_percentiles(times.overhead))
        Tile("Waited for the warehouse", "%", key="server-queued").update(
            percent(view.queue.any.share_pct, 1), _calls(view.queue.any.calls)
        )


def _calls(number: int) -> str:
    return f"{count(number)} {'call' if number == 1 else 'calls'}"


def _percentiles(spread: SpreadView) -> tuple[str, str]:
    return milliseconds(spread.p50_ms), f"p95 {milliseconds(spread.p95_ms)}, p99 {milliseconds(spread.p99_ms)}"


def _times(view: ServerView) -> None:
    with scroll_x("Server times"), Tag("table", cls="table", data_server_times=True):
        with Tag("thead"), Tag("tr"):
            Tag("th", "Kind", scope="col")
            for name in ("Coverage %", "Server p50 ms", "p95", "p99", "Overhead p50 ms", "p95", "p99", "Left out"):
                Tag("th", name, "num", scope="col")
        with Tag("tbody"):
            _times_row("All", view.measurement)
            for kind, times in view.by_kind.items():
                _times_row(kind, times)


def _times_row(label: str, times: TimesView) -> None:
    with Tag("tr"):
        Tag("td", label, "wrap")
        Tag("td", percent(times.coverage.pct, 1), "num")
        for spread in (times.server, times.overhead):
            for value in (spread.p50_ms, spread.p95_ms, spread.p99_ms):
                Tag("td", milliseconds(value), "num")
        Tag("td", count(times.left_out), "num")


def _waiting(view: ServerView) -> None:
    queue = view.queue
    if not queue.any.calls:
        return
    reasons = (
        ("Busy", queue.overload),
        ("Being started or resized", queue.provisioning),
        ("Being repaired", queue.repair),
        ("Any", queue.any),
    )
    with scroll_x("Waiting for the warehouse"), Tag("table", cls="table"):
        _waiting_head("Waited as the warehouse was")
        with Tag("tbody"):
            for label, waiting in reasons:
                with Tag("tr"):
                    Tag("td", label)
                    _waiting_cells(waiting)


def _waiting_head(first: str, *more: str) -> None:
    with Tag("thead"), Tag("tr"):
        Tag("th", first, scope="col")
        for name in (*more, "Calls that waited", "Share %", "p50 ms", "p95", "max"):
            Tag("th", name, "num", scope="col")


def _waiting_cells(waiting: WaitingView) -> None:
    Tag("td", count(waiting.calls), "num")
    Tag("td", percent(waiting.share_pct, 1), "num")
    for value in (waiting.times.p50_ms, waiting.times.p95_ms, waiting.times.max_ms):
        Tag("td", milliseconds(value), "num")


def _clusters(view: ServerView) -> None:
    if not view.clusters:
        return
    with scroll_x("Clusters"), Tag("table", cls="table", data_server_clusters=True):
        _waiting_head("Cluster", "Calls", "Share of calls %", "Server p50 ms", "Server p95 ms")
        with Tag("tbody"):
            for cluster in view.clusters:
                with Tag("tr"):
                    Tag("td", "none" if cluster.number is None else str(cluster.number))
                    Tag("td", count(cluster.calls), "num")
                    Tag("td", percent(cluster.share_pct, 1), "num")
                    for value in (cluster.elapsed.p50_ms, cluster.elapsed.p95_ms):
                        Tag("td", milliseconds(value), "num")
                    _waiting_cells(cluster.waited)


def _rest(view: ServerView) -> None:
    """Show caches, errors, and what the history by the minute adds."""
    cache = view.cache
    rows = [
        (
            "Without a warehouse",
            f"{count(cache.without_warehouse)} calls: answered from the cache of results or from metadata",
        ),
        (
            "From the warehouse's own cache",
            f"{percent(cache.local_pct, 1)} % of what {count(cache.scanning)} calls scanned, on average"
            if cache.local_pct is not None
            else "this account's history does not tell",
        ),
        ("Errors by the server", ", ".join(f"{one.code} × {count(one.count)}" for one in view.errors) or "none"),
    ]
    if view.minutes is not None:
        rows.append(("By the minute", _minutes_words(view.minutes.measurement)))
    with Tag("dl", cls="kv", style="padding: 0.6rem 1rem"):
        for name, text in rows:
            Tag("dt", name)
            Tag("dd", text)


def _minutes_words(merged: MergedMinutesView) -> str:
    said = f"{count(merged.calls)} statements of the measurement, {count(merged.throttled)} held back by a quota"
    if (elapsed := merged.elapsed) is None:
        return said
    ranges = ", ".join(
        f"{name} {milliseconds(one.lowest_ms)} to {milliseconds(one.highest_ms)} ms"
        for name, one in (("medians", elapsed.median), ("p99", elapsed.p99))
    )
    return (
        f"{said}; mean {milliseconds(elapsed.mean_ms)} ms, at most {milliseconds(elapsed.max_ms)} ms; "
        f"of single minutes and sessions: {ranges}"
    )
