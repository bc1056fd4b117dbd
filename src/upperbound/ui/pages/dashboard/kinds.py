"""The table of operations of a run that goes on."""

from upperbound.ui.charts.axes import PALETTE
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import panel, scroll_x
from upperbound.ui.components.words import NONE, count, milliseconds, rate
from upperbound.views.live_payload import LiveKind, RunUpdate

COLUMNS = ("QPS", "p50", "p95", "p99", "Operations", "Failed")


class KindTable:
    """One row for each operation; the rows are there from the begin, so that nothing moves."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Tag]] = {}
        with panel("Operations", flush=True), scroll_x("Operations"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                Tag("th", "Operation", scope="col")
                Tag("th", "Type", scope="col")
                for name in COLUMNS:
                    Tag("th", f"{name} ms" if name.startswith("p") else name, "num", scope="col")
            self._body = Tag("tbody")

    def expect(self, operations: dict[str, str]) -> None:
        """Show rows without figures; ``operations`` are their types by name."""
        for name, kind in operations.items():
            self._row(name, kind)

    def update(self, update: RunUpdate) -> None:
        """Show the figures of an update, by operation where they have names."""
        metrics = update.run.aggregate_metrics
        for name, kind in (metrics.by_operation or metrics.by_kind).items():
            cells = self._rows.get(name) or self._row(name, kind.operation_type.value)
            for cell, text in zip(cells, _figures(kind), strict=True):
                cell.say(text)

    def _row(self, name: str, kind: str) -> list[Tag]:
        color = PALETTE[len(self._rows) % len(PALETTE)]
        with self._body, Tag("tr"):
            with Tag("td", cls="wrap"):
                Tag("i", cls="kind", style=f"background: {color}", aria_hidden="true")
                Tag("span", name)
            Tag("td", kind.capitalize(), "muted")
            self._rows[name] = [Tag("td", NONE, "num") for _ in COLUMNS]
        return self._rows[name]


def _figures(kind: LiveKind) -> list[str]:
    latency = (kind.p50_latency_ms, kind.p95_latency_ms, kind.p99_latency_ms)
    return [rate(kind.qps), *map(milliseconds, latency), count(kind.total_ops), count(kind.error_count)]
