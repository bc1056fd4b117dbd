"""The figures of a finished run beyond its summary: spread, distribution, and what failures said."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from upperbound.domain.executions import LoggedMessage, SecondCount
from upperbound.domain.figures import KindFigures, PhaseFigures, merge
from upperbound.domain.histogram import Histogram, latency_ms
from upperbound.domain.phases import Phase
from upperbound.domain.steadiness import Trend, spread
from upperbound.domain.time_series import stretches
from upperbound.errors import QueryLogError
from upperbound.scenario.run_config import RunConfig
from upperbound.views.query_log import open_log
from upperbound.views.run_summary import ErrorSummary, Latency, by_kind_of
from upperbound.views.timing import plan_of
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.results import ResultRow

BUCKETS_PER_DECADE: Final = 20
"""Bars of a histogram from one power of ten to the next."""
CURVE: Final = (
    *(float(percentile) for percentile in range(1, 100)),
    *(99.1, 99.2, 99.3, 99.4, 99.5, 99.6, 99.7, 99.8, 99.9, 99.95, 99.99, 99.995, 99.999),
)
"""Percentiles of the curve."""
MESSAGES: Final = 100


class RateStatistics(View):
    """Successful operations per second, second by second of the measurement."""

    seconds: int
    """How many whole ones there are."""
    mean: float
    min: float
    max: float
    stddev: float
    variation_pct: float | None
    """The standard deviation in percent of the mean."""
    trend: Trend
    """Whether the rate rose or fell within the measurement: then its mean says less."""
    change_pct: float | None
    """From its beginning to its end, by the line that fits best."""


class LatencyStatistics(Latency):
    """Latencies of the successful operations of the measurement; see ``count`` before judging a percentile."""

    count: int
    min_ms: float | None


class KindStatistics(View):
    """One kind of operation."""

    latency: LatencyStatistics
    qps: RateStatistics | None
    """Null where the query log cannot be read: snapshots do not tell kinds apart so finely."""


class Statistics(View):
    """The spread of a run's measurement."""

    run_id: str
    source: Literal["query_log", "snapshots"]
    """What the seconds were counted from."""
    latency: LatencyStatistics
    """Response time in an open loop, else service time."""
    qps: RateStatistics | None
    """Null when there is not a whole second."""
    by_kind: dict[str, KindStatistics]


class LatencyBucket(View):
    """A bar: operations that took more than ``from_ms`` and at most ``to_ms``."""

    from_ms: float
    to_ms: float
    count: int


class CurvePoint(View):
    """A point of the percentile curve."""

    percentile: float
    latency_ms: float


class Distribution(View):
    """How latencies are distributed."""

    count: int
    buckets: list[LatencyBucket]
    """On a logarithmic axis, from the lowest latency to the highest."""
    curve: list[CurvePoint]
    """Only percentiles that so many operations can carry."""


class LatencyHistogram(View):
    """The latencies of a run's measurement, of all operations and by kind."""

    run_id: str
    total: Distribution
    by_kind: dict[str, Distribution]


class ErrorMessage(View):
    """Failures with the same class, code and message."""

    outcome: str
    error_code: str | None
    message: str | None
    count: int
    """Warmup included."""
    first_s: float
    """In seconds since the first query was due."""
    last_s: float
    kinds: list[str]
    workers: int


class RunErrors(View):
    """What went wrong with operations of a run."""

    run_id: str
    classes: list[ErrorSummary]
    """Of the measurement, the most frequent first."""
    messages: list[ErrorMessage]
    """Of the whole run, from the query log, the most frequent first."""
    note: str | None
    """Why there are no messages, when the log cannot be read."""


def load_statistics(store: "Store", run_id: str, *, home: Path) -> Statistics:
    """Return the spread of a run. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    figures, parent = measured(store, run_id)
    by_kind = _by_kind(store, run_id, figures)
    reader, _ = open_log(store, parent, home)
    counts: list[SecondCount] | None = None
    if reader is not None:
        with contextlib.suppress(QueryLogError):
            counts = reader.seconds()
    rates = None if counts is None else _rates(counts, math.floor(figures.seconds))
    return Statistics(
        run_id=run_id,
        source="snapshots" if rates is None else "query_log",
        latency=_latency(figures.latencies),
        qps=_spread(_snapshot_rates(store, run_id) if rates is None else _sum(rates, math.floor(figures.seconds))),
        by_kind={
            label: KindStatistics(
                latency=_latency(kind.latencies), qps=None if rates is None else _spread(rates.get(label, []))
            )
            for label, kind in by_kind.items()
        },
    )


def load_latency_histogram(store: "Store", run_id: str) -> LatencyHistogram:
    """Return how latencies are distributed. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    figures, _ = measured(store, run_id)
    return LatencyHistogram(
        run_id=run_id,
        total=distribution(figures.latencies),
        by_kind={label: distribution(kind.latencies) for label, kind in _by_kind(store, run_id, figures).items()},
    )


def load_errors(store: "Store", run_id: str, *, home: Path) -> RunErrors:
    """Return what went wrong. Raises :class:`RunNotFound` and :class:`StoreUnreachable`."""
    figures, parent = measured(store, run_id)
    reader, note = open_log(store, parent, home)
    messages: list[LoggedMessage] = []
    if reader is not None:
        try:
            messages = reader.messages(MESSAGES)
        except QueryLogError as error:
            note = error.message
    return RunErrors(
        run_id=run_id,
        classes=[
            ErrorSummary(outcome=label, count=error.count, sample=error.sample)
            for label, error in sorted(figures.errors.items(), key=lambda item: (-item[1].count, item[0]))
        ],
        messages=[ErrorMessage(**{**vars(message), "kinds": list(message.kinds)}) for message in messages],
        note=note,
    )


def measured(store: "Store", run_id: str) -> "tuple[PhaseFigures, ResultRow]":
    """Return what was counted in the measurement, so far if the run goes on, and the run's result."""
    parent = store.results.get(run_id)
    if parent.figures:
        return PhaseFigures.from_json(parent.figures), parent
    found = {row.worker_id: row.figures for row in store.snapshots.newest(run_id, phase=Phase.MEASUREMENT).values()}
    found |= {row.worker_id or "": row.figures for row in store.results.children(run_id) if row.figures}
    return merge([PhaseFigures(Phase.MEASUREMENT), *map(PhaseFigures.from_json, found.values())]), parent


def distribution(histogram: Histogram) -> Distribution:
    """Return the bars and the curve of a histogram."""
    total = histogram.total
    if not total:
        return Distribution(count=0, buckets=[], curve=[])
    low_us, high_us = max(1, histogram.min_us), max(1, histogram.max_us)
    first = math.floor(math.log10(low_us) * BUCKETS_PER_DECADE)
    last = math.ceil(math.log10(high_us) * BUCKETS_PER_DECADE)
    edges = sorted({round(10 ** (step / BUCKETS_PER_DECADE)) for step in range(first, max(last, first + 1) + 1)})
    # Below the first edge is nothing, and above the last neither, whatever rounding did.
    edges = [0 if first <= 0 else edges[0] - 1, *edges[1:-1], max(edges[-1], high_us)]
    counts = histogram.counts_up_to(edges)
    buckets = [
        LatencyBucket(from_ms=low / 1000, to_ms=high / 1000, count=upto - before)
        for low, high, before, upto in zip(edges, edges[1:], counts, counts[1:], strict=False)
    ]
    carried = [percentile for percentile in CURVE if total * (100 - percentile) >= 100]
    values = histogram.percentiles_us(carried) if carried else []
    curve = [
        CurvePoint(percentile=percentile, latency_ms=value / 1000)
        for percentile, value in zip(carried, values, strict=True)
    ]
    return Distribution(count=total, buckets=buckets, curve=curve)


def _by_kind(store: "Store", run_id: str, figures: PhaseFigures) -> Mapping[str, KindFigures]:
    return by_kind_of(RunConfig.read(store.runs.get(run_id).scenario_config).scenario, figures.by_operation)


def _latency(histogram: Histogram) -> LatencyStatistics:
    count = histogram.total
    low_ms = histogram.min_us / 1000 if count else None
    return LatencyStatistics(count=count, min_ms=low_ms, **latency_ms(histogram).to_json())


def _rates(counts: Sequence[SecondCount], seconds: int) -> Mapping[str, list[float]]:
    """Return the successful operations of each whole second by kind."""
    rates: dict[str, list[float]] = {}
    for count in counts:
        if 0 <= count.second < seconds:
            rates.setdefault(count.kind, [0.0] * seconds)[count.second] = float(count.operations)
    return rates


def _sum(rates: Mapping[str, Sequence[float]], seconds: int) -> list[float]:
    return [sum(own[second] for own in rates.values()) for second in range(seconds)]


def _snapshot_rates(store: "Store", run_id: str) -> list[float]:
    """Return the rate of each second as the workers' snapshots tell it."""
    plan = plan_of(RunConfig.read(store.runs.get(run_id).scenario_config).scenario)
    found = stretches(store.snapshots.marks(run_id), plan, 1.0)
    return [one.qps for one in found if one.phase is Phase.MEASUREMENT and one.end_s - one.begin_s >= 1.0]


def _spread(rates: Sequence[float]) -> RateStatistics | None:
    found = spread(rates)
    if found is None:
        return None
    return RateStatistics(
        seconds=found.seconds,
        mean=found.mean,
        min=found.low,
        max=found.high,
        stddev=found.stddev,
        variation_pct=found.variation_pct,
        trend=found.trend,
        change_pct=found.change_pct,
    )
