"""The figures of the last second that stand out."""

from typing import Final

from upperbound.domain.phases import Phase
from upperbound.ui.components.tiles import Tile, tiles
from upperbound.ui.components.words import count, milliseconds, percent, rate
from upperbound.views.live_payload import RunUpdate

MERGED_TIP: Final = (
    "Every worker counts its latencies in a histogram, and the histograms of all workers are merged: this is the "
    "percentile of all operations, not a mean of percentiles. While the run goes on it covers the last interval, about "
    "a second."
)
QPS_TIP: Final = "Operations that succeeded per second, over the last interval. Failed ones are never throughput."


class Cards:
    """Throughput, latency and errors of a run that goes on."""

    def __init__(self, *, open_loop: bool, writes: bool) -> None:
        self._writes = writes
        kind = "response time, from when it was due" if open_loop else "service time, from the send"
        tip = f"{MERGED_TIP} It is {kind}."
        with tiles("Figures of the last second"):
            self._qps = Tile("QPS", "op/s", tip=QPS_TIP, key="qps")
            self._p50 = Tile("p50", "ms", tip=tip, key="p50")
            self._p95 = Tile("p95", "ms", tip=tip, key="p95")
            self._p99 = Tile("p99", "ms", tip=tip, key="p99")
            self._errors = Tile("Error rate", "%", key="errors")
            self._operations = Tile("Operations", key="operations")

    def update(self, update: RunUpdate) -> None:
        """Show the figures of an update; in the last one they are those of the whole measurement."""
        metrics, so_far = update.run.aggregate_metrics, update.run.phase_metrics
        whole = "in warmup" if so_far.phase is Phase.WARMUP else "so far"
        if update.final:
            self._qps.update(rate(metrics.qps), "whole measurement")
        else:
            self._qps.update(rate(metrics.qps), f"{rate(so_far.qps)} {whole}")
        for tile, value, mean in (
            (self._p50, metrics.p50_latency_ms, so_far.p50_latency_ms),
            (self._p95, metrics.p95_latency_ms, so_far.p95_latency_ms),
            (self._p99, metrics.p99_latency_ms, so_far.p99_latency_ms),
        ):
            tile.update(milliseconds(value), "whole measurement" if update.final else f"{milliseconds(mean)} {whole}")
        failed = metrics.total_errors
        self._errors.update(percent(100 * metrics.error_rate), f"{count(failed)} failed", bad=failed > 0)
        shares = f"{count(metrics.read_count)} reads"
        if self._writes:
            shares += f", {count(metrics.write_count)} writes"
        self._operations.update(count(metrics.total_ops), shares)
