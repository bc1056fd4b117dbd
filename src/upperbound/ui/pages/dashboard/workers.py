"""The workers of a run that goes on: a tile each, with its own figures on a click."""

from typing import Any

from upperbound.domain.worker_state import WorkerHealth, WorkerStatus
from upperbound.ui.charts.axes import LINE, PALETTE
from upperbound.ui.components.chart import Chart
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import empty, panel
from upperbound.ui.components.words import HEALTH, NONE, count, duration, milliseconds, percent, rate
from upperbound.views.live_payload import WorkerUpdate


class WorkerGrid:
    """A tile for each worker, coloured by its health, which it also says in words."""

    def __init__(self) -> None:
        self._tiles: dict[str, _Tile] = {}
        self._open: _Detail | None = None
        with panel("Workers"):
            self._none = empty("No worker yet", "They show themselves when the run is started.", low=True)
            self._grid = Tag("div", cls="workers")

    def update(self, workers: list[WorkerUpdate]) -> None:
        """Show the workers of an update."""
        self._none.show(not workers)
        for worker in workers:
            tile = self._tiles.get(worker.worker_id)
            if tile is None:
                with self._grid:
                    tile = self._tiles[worker.worker_id] = _Tile(worker.worker_id, self._toggle)
            tile.update(worker)
            if self._open is not None and self._open.worker_id == worker.worker_id:
                self._open.update(worker)

    def _toggle(self, worker_id: str) -> None:
        """Open a worker's figures below its tile, or close them."""
        before = self._open.worker_id if self._open else None
        if self._open is not None:
            self._tiles[self._open.worker_id].opened(False)
            self._open.delete()
            self._open = None
        if worker_id == before:
            return
        tile = self._tiles[worker_id]
        tile.opened(True)
        with self._grid:
            self._open = _Detail(worker_id)
            self._open.element.move(self._grid, list(self._tiles).index(worker_id) + 1)
        if tile.last is not None:
            self._open.update(tile.last)


class _Tile:
    def __init__(self, worker_id: str, toggle: Any) -> None:
        self.last: WorkerUpdate | None = None
        with Tag("button", cls="worker", type="button", aria_expanded="false", data_worker=worker_id) as self._tile:
            with Tag("span", cls="top"):
                Tag("span", worker_id, "ellipsis")
                self._state = Tag("span", "", "state nowrap")
            self._rate = Tag("span", "", "nowrap")
            self._more = Tag("span", "", "muted small ellipsis")
        self._tile.click(lambda: toggle(worker_id))

    def opened(self, is_open: bool) -> None:
        self._tile.attribute(aria_expanded=str(is_open).lower())

    def update(self, worker: WorkerUpdate) -> None:
        self.last = worker
        word, glyph, color = _health(worker)
        self._tile.restyle(f"worker {color}")
        self._state.say(f"{glyph} {word}")
        metrics = worker.metrics
        self._rate.say(f"{rate(metrics.qps)} op/s")
        threads = f"{metrics.active_connections}/{metrics.target_connections} threads"
        more = worker.detail if metrics.qps is None else f"p95 {milliseconds(metrics.p95_latency_ms)} ms"
        self._more.say(f"{threads} · {more}" if more else threads)


class _Detail:
    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        self._values: dict[str, Tag] = {}
        self.element = Tag("div", cls="worker-detail", role="region", aria_label=f"Figures of {worker_id}")
        with self.element, Tag("div", cls="cols-2"):
            with Tag("dl", cls="kv"):
                for name in NAMES:
                    Tag("dt", name)
                    self._values[name] = Tag("dd", NONE)
            with Tag("div"):
                Tag("div", "Operations per second, last minute", "muted small")
                self._chart = Chart(_spark([]), f"Throughput of {worker_id} in the last minute", "chart")

    def delete(self) -> None:
        self.element.delete()

    def update(self, worker: WorkerUpdate) -> None:
        metrics = worker.metrics
        latency = (metrics.p50_latency_ms, metrics.p95_latency_ms, metrics.p99_latency_ms)
        shown = (
            f"{worker.status.value.capitalize()}, {_health(worker)[0].lower()}",
            worker.phase.value.capitalize(),
            f"{duration(round(worker.last_heartbeat_ago_s, 1))} ago",
            f"{metrics.active_connections} of {metrics.target_connections}",
            f"{rate(metrics.qps)} op/s",
            " / ".join(map(milliseconds, latency)) + " ms",
            f"{count(metrics.total_ops)} succeeded, {count(metrics.error_count)} failed",
            f"{percent(metrics.cpu_percent, 1)} %, {percent(metrics.memory_percent, 1)} %",
            worker.detail or NONE,
        )
        for tag, text in zip(self._values.values(), shown, strict=True):
            tag.say(text)
        self._chart.replace(_spark(worker.qps_series))


NAMES = (
    "State",
    "Phase",
    "Last heard of",
    "Threads",
    "Throughput",
    "p50 / p95 / p99",
    "Operations of the phase",
    "CPU, memory",
    "Says",
)


def _health(worker: WorkerUpdate) -> tuple[str, str, str]:
    if worker.status is WorkerStatus.FAILED:
        return "Failed", "✕", "bad"
    if worker.status is WorkerStatus.COMPLETED:
        return "Done", "✓", "ok"
    if worker.status is not WorkerStatus.RUNNING and worker.health is WorkerHealth.HEALTHY:
        return worker.status.value.capitalize(), "◔", ""
    return HEALTH[worker.health]


def _spark(series: Any) -> dict[str, Any]:
    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 12, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "show": False, "min": 0, "max": 60},
        "yAxis": {
            "type": "value",
            "min": 0,
            "splitNumber": 2,
            "axisLabel": {"color": "var(--text-3)", "fontSize": 10, "formatter": "@count"},
            "splitLine": {"lineStyle": {"color": LINE}},
        },
        "series": [
            {
                "id": "qps",
                "type": "line",
                "showSymbol": False,
                "color": PALETTE[0],
                "lineStyle": {"width": 1.5},
                "areaStyle": {"opacity": 0.12},
                "data": [[60 - len(series) + index, value] for index, value in enumerate(series)],
            }
        ],
    }
