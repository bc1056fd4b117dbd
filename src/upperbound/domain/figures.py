"""What a worker has counted in one phase: the unit in which figures are published, merged and kept.

A worker publishes cumulative figures every second; nothing is ever averaged. The last second is the difference of two
snapshots (:func:`interval`), a run is the sum of its workers (:func:`merge`), and both keep the whole distribution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from upperbound.domain.histogram import Histogram
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase

BUSY_PCT_LIMIT: Final = 95.0
"""Share of time, in percent, that a generator may be busy before its figures describe itself."""
LAG_LIMIT_MS: Final = 3.0
"""Generator lag at p99, in milliseconds, that is always tolerated: one time slice of Linux's scheduler, about 3 ms."""
LAG_LIMIT_RATIO: Final = 0.5
"""Generator lag at p99 that is tolerated, as a share of the median latency."""


@dataclass(frozen=True)
class ErrorFigure:
    """The failures of one outcome class."""

    count: int
    """How many attempts ended this way."""
    sample: str
    """One message, as the target wrote it."""


@dataclass(frozen=True)
class TransactionFigures:
    """How often transactions were begun, and how that ended; an operation that is tried again begins another one."""

    attempts: int = 0
    """Transactions begun."""
    commits: int = 0
    """Those that were committed."""
    rollbacks: int = 0
    """Those that were rolled back; of the rest nobody knows the end, because their connection was lost."""

    def __add__(self, other: "TransactionFigures") -> "TransactionFigures":
        return TransactionFigures(
            self.attempts + other.attempts, self.commits + other.commits, self.rollbacks + other.rollbacks
        )

    def __sub__(self, earlier: "TransactionFigures") -> "TransactionFigures":
        return TransactionFigures(
            _since(self.attempts, earlier.attempts),
            _since(self.commits, earlier.commits),
            _since(self.rollbacks, earlier.rollbacks),
        )


@dataclass(frozen=True)
class KindFigures:
    """What has become of one operation of the mix; an execution that was tried several times counts once."""

    operations: int = 0
    """Those that succeeded; what QPS counts."""
    failed: int = 0
    """Those that did not."""
    histogram: Histogram = field(default_factory=Histogram)
    """Latencies of the successful ones only, in microseconds: service times, from the send."""
    response: Histogram | None = None
    """The same from when each operation was due; None in a closed loop, where nothing is due."""
    transactions: TransactionFigures | None = None
    """Of the operations that are transactions or may be tried again; None where there are none."""
    failed_ns: int = 0
    """Time that the failed ones took in all, in nanoseconds; it is in no latency, but they kept threads busy."""

    @property
    def attempts(self) -> int:
        """Successful and failed ones together."""
        return self.operations + self.failed

    @property
    def latencies(self) -> Histogram:
        """What a user waits: response times in an open loop, else service times."""
        return self.histogram if self.response is None else self.response

    @property
    def error_pct(self) -> float | None:
        """Failed attempts in percent of all; None when there were none."""
        return 100.0 * self.failed / self.attempts if self.attempts else None

    def __add__(self, other: "KindFigures") -> "KindFigures":
        return KindFigures(
            self.operations + other.operations,
            self.failed + other.failed,
            self.histogram + other.histogram,
            _both(self.response, other.response),
            self.transactions + other.transactions
            if self.transactions and other.transactions
            else self.transactions or other.transactions,
            self.failed_ns + other.failed_ns,
        )

    def __sub__(self, earlier: "KindFigures") -> "KindFigures":
        return KindFigures(
            _since(self.operations, earlier.operations),
            _since(self.failed, earlier.failed),
            self.histogram - earlier.histogram,
            self.response - earlier.response if self.response and earlier.response else self.response,
            self.transactions - earlier.transactions
            if self.transactions and earlier.transactions
            else self.transactions,
            _since(self.failed_ns, earlier.failed_ns),
        )


@dataclass(frozen=True)
class GeneratorFigures:
    """How the load generator itself fared: the part of a result that says whether the rest may be believed."""

    busy_ns: int = 0
    """Time its loop was not waiting for the target, in nanoseconds."""
    wall_ns: int = 0
    """Time that passed, in nanoseconds; of the same worker as ``busy_ns``."""
    lag: Histogram = field(default_factory=Histogram)
    """Microseconds from an answer being there to its being handled."""
    host_cpu_pct: float | None = None
    """Use of all CPUs of its host, 0 to 100, at the last reading; None when it cannot be read."""

    @property
    def busy_pct(self) -> float | None:
        """Share of time busy, 0 to 100; None before any time has passed."""
        return min(100.0, 100.0 * self.busy_ns / self.wall_ns) if self.wall_ns > 0 else None

    @property
    def lag_p99_ms(self) -> float | None:
        """The lag at p99 in milliseconds; None when no lag was recorded."""
        return self.lag.percentile_us(99) / 1000 if self.lag.total else None


@dataclass(frozen=True)
class PhaseFigures:
    """Everything one worker, or by :func:`merge` one run, has counted in one phase."""

    phase: Phase
    """The phase these figures belong to; figures of different phases never mix."""
    seconds: float = 0.0
    """Length of the phase so far."""
    by_operation: Mapping[str, KindFigures] = field(default_factory=dict)
    """Figures by operation label."""
    errors: Mapping[str, ErrorFigure] = field(default_factory=dict)
    """Failures by outcome label, such as ``lock_timeout``."""
    generator: GeneratorFigures = field(default_factory=GeneratorFigures)
    """The generator's own health in this phase."""
    warmup_operations: int = 0
    """Attempts made in the warmup before, failed ones included."""
    logged_rows: int = 0
    """Rows handed to the query log so far, warmup included."""
    arrivals: ArrivalFigures | None = None
    """What became of the arrivals that were due; None in a closed loop."""

    @property
    def operations(self) -> int:
        """Successful operations of all kinds."""
        return sum(kind.operations for kind in self.by_operation.values())

    @property
    def failed(self) -> int:
        """Failed attempts of all kinds."""
        return sum(kind.failed for kind in self.by_operation.values())

    @property
    def attempts(self) -> int:
        """Successful and failed ones together."""
        return self.operations + self.failed

    @property
    def histogram(self) -> Histogram:
        """The latencies of all kinds, as a new histogram."""
        merged = Histogram()
        for kind in self.by_operation.values():
            merged += kind.histogram
        return merged

    @property
    def response(self) -> Histogram | None:
        """The response times of all kinds, as a new histogram; None in a closed loop."""
        if self.arrivals is None:
            return None
        merged = Histogram()
        for kind in self.by_operation.values():
            if kind.response is not None:
                merged += kind.response
        return merged

    @property
    def latencies(self) -> Histogram:
        """What a user waits: response times in an open loop, else service times; as a new histogram."""
        response = self.response
        return self.histogram if response is None else response

    @property
    def qps(self) -> float | None:
        """Successful operations per second; None before any time has passed."""
        return self.operations / self.seconds if self.seconds > 0 else None

    @property
    def attempted_qps(self) -> float | None:
        """Attempts per second; None before any time has passed."""
        return self.attempts / self.seconds if self.seconds > 0 else None

    @property
    def error_pct(self) -> float | None:
        """Failed attempts in percent of all; None when there were none."""
        return 100.0 * self.failed / self.attempts if self.attempts else None

    @property
    def mean_busy_ms(self) -> float | None:
        """For how long an operation kept its thread busy, failed ones included; None when none has ended."""
        if not self.attempts:
            return None
        histogram, failed_ns = self.histogram, sum(kind.failed_ns for kind in self.by_operation.values())
        succeeded_ms = histogram.mean_us * histogram.total / 1e3 if histogram.total else 0.0
        return (succeeded_ms + failed_ns / 1e6) / self.attempts

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; histograms are standard HdrHistogram V2 strings."""
        return {
            "phase": self.phase.value,
            "seconds": self.seconds,
            "by_operation": {
                label: {
                    "operations": kind.operations,
                    "failed": kind.failed,
                    "histogram": kind.histogram.encode(),
                    **({"response": kind.response.encode()} if kind.response is not None else {}),
                    **({"transactions": asdict(kind.transactions)} if kind.transactions is not None else {}),
                    **({"failed_ns": kind.failed_ns} if kind.failed_ns else {}),
                }
                for label, kind in self.by_operation.items()
            },
            "errors": {label: {"count": error.count, "sample": error.sample} for label, error in self.errors.items()},
            "generator": {
                "busy_ns": self.generator.busy_ns,
                "wall_ns": self.generator.wall_ns,
                "lag": self.generator.lag.encode(),
                "host_cpu_pct": self.generator.host_cpu_pct,
            },
            "warmup_operations": self.warmup_operations,
            "logged_rows": self.logged_rows,
            **({"arrivals": self.arrivals.to_json()} if self.arrivals is not None else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PhaseFigures":
        """Read what :meth:`to_json` wrote.

        Data of a closed loop, and data written before there was another, has no arrivals and no response times; data
        without transactions says nothing of them. What was written before operations were told apart is by kind. Raises
        :class:`KeyError` for a missing field and :class:`ValueError` for one that cannot be read.
        """
        generator = data["generator"]
        return cls(
            phase=Phase(data["phase"]),
            seconds=float(data["seconds"]),
            by_operation={
                label: KindFigures(
                    kind["operations"],
                    kind["failed"],
                    Histogram.decode(kind["histogram"]),
                    Histogram.decode(kind["response"]) if "response" in kind else None,
                    TransactionFigures(**kind["transactions"]) if "transactions" in kind else None,
                    kind.get("failed_ns", 0),
                )
                for label, kind in (data["by_operation"] if "by_operation" in data else data["by_kind"]).items()
            },
            errors={label: ErrorFigure(error["count"], error["sample"]) for label, error in data["errors"].items()},
            generator=GeneratorFigures(
                generator["busy_ns"],
                generator["wall_ns"],
                Histogram.decode(generator["lag"]),
                generator["host_cpu_pct"],
            ),
            warmup_operations=data["warmup_operations"],
            logged_rows=data["logged_rows"],
            arrivals=ArrivalFigures.from_json(data["arrivals"]) if "arrivals" in data else None,
        )


def interval(newer: PhaseFigures, older: PhaseFigures) -> PhaseFigures:
    """Return what one worker counted between two of its cumulative snapshots of the same phase.

    Errors that did not grow are left out. Raises :class:`ValueError` when the phases differ or ``older`` has counted
    more than ``newer``.
    """
    if newer.phase is not older.phase:
        raise ValueError(f"no interval from {older.phase.value} to {newer.phase.value}: each phase counts from zero")
    if missing := older.by_operation.keys() - newer.by_operation.keys():
        raise ValueError(f"the older snapshot has counted {', '.join(sorted(missing))}, the newer one has not")
    grown = {
        label: _since(error.count, older.errors[label].count if label in older.errors else 0)
        for label, error in newer.errors.items()
    }
    return PhaseFigures(
        phase=newer.phase,
        seconds=newer.seconds - older.seconds,
        by_operation={
            label: kind - older.by_operation[label] if label in older.by_operation else kind
            for label, kind in newer.by_operation.items()
        },
        errors={label: ErrorFigure(count, newer.errors[label].sample) for label, count in grown.items() if count},
        generator=GeneratorFigures(
            busy_ns=_since(newer.generator.busy_ns, older.generator.busy_ns),
            wall_ns=_since(newer.generator.wall_ns, older.generator.wall_ns),
            lag=newer.generator.lag - older.generator.lag,
            host_cpu_pct=newer.generator.host_cpu_pct,
        ),
        warmup_operations=_since(newer.warmup_operations, older.warmup_operations),
        logged_rows=_since(newer.logged_rows, older.logged_rows),
        arrivals=newer.arrivals - older.arrivals if newer.arrivals and older.arrivals else newer.arrivals,
    )


def merge(figures: Sequence[PhaseFigures]) -> PhaseFigures:
    """Return the figures of several workers in the same phase as one.

    Counts add up, histograms merge, an error class keeps the first sample, and the length is that of the longest, as
    workers run side by side. Of the generators the busiest one counts, since one overloaded worker spoils the run;
    their lag merges, and of the host readings the highest stays. The inputs are unchanged; the result may share
    histograms with them. Raises :class:`ValueError` for nothing to merge or for different phases.
    """
    if not figures:
        raise ValueError("there are no figures to merge")
    phases = {one.phase for one in figures}
    if len(phases) > 1:
        raise ValueError(f"figures of different phases cannot be merged: {', '.join(sorted(phases))}")
    by_operation: dict[str, KindFigures] = {}
    errors: dict[str, ErrorFigure] = {}
    arrivals = [one.arrivals for one in figures if one.arrivals is not None]
    for one in figures:
        for label, kind in one.by_operation.items():
            by_operation[label] = by_operation[label] + kind if label in by_operation else kind
        for label, error in one.errors.items():
            first = errors.get(label, ErrorFigure(0, error.sample))
            errors[label] = ErrorFigure(first.count + error.count, first.sample)
    return PhaseFigures(
        phase=figures[0].phase,
        seconds=max(one.seconds for one in figures),
        by_operation=by_operation,
        errors=errors,
        generator=_merge_generators([one.generator for one in figures]),
        warmup_operations=sum(one.warmup_operations for one in figures),
        logged_rows=sum(one.logged_rows for one in figures),
        arrivals=sum(arrivals, start=ArrivalFigures()) if arrivals else None,
    )


def client_bound(generator: GeneratorFigures, p50_ms: float | None) -> bool:
    """Say whether the figures of a run describe its generator and not its database.

    True in either of two cases:

    - The busiest worker was busy for more than 95 % of the time. A closed loop that is never idle has answers waiting
      for it, so more threads would raise the latency it reports and not the throughput. The last 5 % are left because a
      loop that is just saturated still enters its wait once per round.
    - Answers waited too long to be handled: lag at p99 above 3 ms, and above half of the median latency. The share
      keeps the part of a latency that is the generator's own below the part that is the database's; the fixed 3 ms
      keeps a process that has to wait for one time slice of a shared host from condemning a run. With ``p50_ms`` None
      only the 3 ms count.
    """
    busy_pct, lag_p99_ms = generator.busy_pct, generator.lag_p99_ms
    if busy_pct is not None and busy_pct > BUSY_PCT_LIMIT:
        return True
    return lag_p99_ms is not None and lag_p99_ms > max(LAG_LIMIT_MS, LAG_LIMIT_RATIO * (p50_ms or 0.0))


def _merge_generators(generators: Sequence[GeneratorFigures]) -> GeneratorFigures:
    busiest = max(generators, key=lambda one: one.busy_pct or 0.0)
    lag = Histogram()
    for one in generators:
        lag += one.lag
    host_readings = [one.host_cpu_pct for one in generators if one.host_cpu_pct is not None]
    return GeneratorFigures(busiest.busy_ns, busiest.wall_ns, lag, max(host_readings, default=None))


def _both(first: Histogram | None, second: Histogram | None) -> Histogram | None:
    """Return both added up; None only when neither is there."""
    if first is None or second is None:
        return first if second is None else second
    return first + second


def _since(newer: int, older: int) -> int:
    if newer < older:
        raise ValueError(f"a cumulative count cannot go from {older} back to {newer}")
    return newer - older
