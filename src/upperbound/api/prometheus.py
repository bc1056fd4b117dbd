"""What the controller tells Prometheus: its runs, how fast it ticks, and how fast its store answers."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

import upperbound
from upperbound.domain.figures import PhaseFigures, merge
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import StoreError
from upperbound.store.engine import Store
from upperbound.store.history import HistoryRow, RunFilter

ACTIVE: Final = (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.CANCELLING)
SHOWN: Final = 50
"""Active runs that are told of at most."""
LATENCY_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)  # fmt: skip
"""Upper bounds of the histogram of latencies, in seconds."""
TICK_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
STORE_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class ControllerMetrics:
    """The metrics of one process; counted anew when it starts."""

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._ticks = Histogram(
            "upperbound_tick_seconds", "Time that a tick of a run's loop took.", registry=self._registry, buckets=TICK_S
        )
        self._statements = Histogram(
            "upperbound_store_statement_seconds",
            "Time that a statement to the store took.",
            registry=self._registry,
            buckets=STORE_S,
        )
        self._registry.register(_Runs(store))

    def ticked(self, seconds: float) -> None:
        """Count a tick; from any thread."""
        self._ticks.observe(seconds)

    def asked_store(self, seconds: float) -> None:
        """Count a statement to the store; from any thread."""
        self._statements.observe(seconds)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it; asks the store."""
        return generate_latest(self._registry)


class _Runs(Collector):
    """Reads the runs from the store each time that it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield what the store says; that it is away, when it says nothing."""
        yield InfoMetricFamily("upperbound_build", "This controller.", {"version": upperbound.__version__})
        reachable = GaugeMetricFamily("upperbound_store_reachable", "Whether the store answers.", value=1)
        try:
            counts = self._store.history.counts()
            page = self._store.history.search(RunFilter(statuses=ACTIVE), limit=SHOWN)
            figures = {row.run_id: self._figures(row.run_id) for row in page.rows}
        except StoreError:
            yield GaugeMetricFamily("upperbound_store_reachable", "Whether the store answers.", value=0)
            return
        yield reachable
        runs = GaugeMetricFamily("upperbound_runs", "Runs in the store by status.", labels=["status"])
        for status in RunStatus:
            runs.add_metric([status.value], counts.get(status, 0))
        yield runs
        yield from _of_active(page.rows)
        yield _latencies(page.rows, figures)

    def _figures(self, run_id: str) -> PhaseFigures:
        """Return what the workers have counted in the measurement so far."""
        rows = self._store.snapshots.newest(run_id, phase=Phase.MEASUREMENT).values()
        return merge([PhaseFigures(Phase.MEASUREMENT), *(PhaseFigures.from_json(row.figures) for row in rows)])


_LABELS: Final = ("run_id", "name")


def _of_active(rows: Sequence[HistoryRow]) -> Iterator[Metric]:
    """Yield the gauges and counters of runs that are on their way."""
    qps = GaugeMetricFamily("upperbound_run_qps", "Successful operations per second, at present.", labels=_LABELS)
    elapsed = GaugeMetricFamily("upperbound_run_elapsed_seconds", "Time since the start.", labels=_LABELS)
    workers = GaugeMetricFamily("upperbound_run_workers", "Workers that were planned.", labels=_LABELS)
    threads = GaugeMetricFamily("upperbound_run_threads", "Threads that were planned.", labels=_LABELS)
    done = CounterMetricFamily("upperbound_run_operations", "Successful operations, warmup included.", labels=_LABELS)
    failed = CounterMetricFamily("upperbound_run_failures", "Failed operations, warmup included.", labels=_LABELS)
    for row in rows:
        label = [row.run_id, row.name]
        qps.add_metric(label, row.current_qps)
        elapsed.add_metric(label, row.elapsed_s or 0.0)
        workers.add_metric(label, row.total_workers_expected)
        threads.add_metric(label, row.threads or 0)
        done.add_metric(label, row.total_ops)
        failed.add_metric(label, row.error_count)
    yield from (qps, elapsed, workers, threads, done, failed)


def _latencies(rows: Sequence[HistoryRow], figures: dict[str, PhaseFigures]) -> Metric:
    """Return the latencies of the measurement of runs that are on their way."""
    family = HistogramMetricFamily(
        "upperbound_run_latency_seconds",
        "Latencies of successful operations of the measurement; response times where a rate is offered.",
        labels=_LABELS,
    )
    bounds_us = [round(bound * 1e6) for bound in LATENCY_S]
    for row in rows:
        histogram = figures[row.run_id].latencies
        total = histogram.total
        upto = histogram.counts_up_to(bounds_us)
        buckets = [(str(bound), float(count)) for bound, count in zip(LATENCY_S, upto, strict=True)]
        seconds = histogram.mean_us * total / 1e6 if total else 0.0
        family.add_metric([row.run_id, row.name], [*buckets, ("+Inf", float(total))], seconds)
    return family
