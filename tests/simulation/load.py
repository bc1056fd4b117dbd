"""A load that sends at a fixed rate: what it has done at any moment is known exactly, without doing it."""

from dataclasses import dataclass, field
from typing import Any

from upperbound.clock import Clock
from upperbound.domain.figures import GeneratorFigures, KindFigures, PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase
from upperbound.worker.orders import StartOrder

NO_LATENCIES = Histogram()
NO_LATENCIES_TEXT = NO_LATENCIES.encode()
KIND = "POINT_LOOKUP"


@dataclass(frozen=True)
class Counted(PhaseFigures):
    """Figures without latencies, whose JSON is made without encoding an empty histogram each time."""

    @property
    def histogram(self) -> Histogram:
        return NO_LATENCIES

    def to_json(self) -> dict[str, Any]:
        kinds = {
            label: {"operations": kind.operations, "failed": kind.failed, "histogram": NO_LATENCIES_TEXT}
            for label, kind in self.by_operation.items()
        }
        generator = {"busy_ns": 0, "wall_ns": 0, "lag": NO_LATENCIES_TEXT, "host_cpu_pct": None}
        return {
            "phase": self.phase.value,
            "seconds": self.seconds,
            "by_operation": kinds,
            "errors": {},
            "generator": generator,
            "warmup_operations": self.warmup_operations,
            "logged_rows": self.logged_rows,
        }


@dataclass
class SimulatedLoad:
    """Sends a query every ``interval_ns`` from its beginning to its stop; each takes ``latency_ns``."""

    clock: Clock
    order: StartOrder
    threads: int
    interval_ns: int
    latency_ns: int
    late_ns: int = 0
    """How long it goes on after it was told to stop: a deliberate fault."""
    begin_ns: int | None = None
    stop_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.stop_ns = self.order.stop_ns

    def begin(self) -> None:
        """Send from now on, unless it was told to stop before."""
        self.begin_ns = self.clock.monotonic_ns()

    # What the control side sees ---------------------------------------------------------------------------------

    @property
    def active_threads(self) -> int:
        return 0 if self.is_over else self.threads

    @property
    def target_threads(self) -> int:
        return self.threads

    def figures(self, phase: Phase) -> PhaseFigures:
        warmup, measured = self.done()
        operations = warmup if phase is Phase.WARMUP else measured
        seconds = max(0.0, (min(self.clock.monotonic_ns(), self.stop_ns) - self.order.start_ns) / 1e9)
        return Counted(
            phase,
            seconds=seconds,
            by_operation={KIND: KindFigures(operations, 0, NO_LATENCIES)},
            generator=GeneratorFigures(lag=NO_LATENCIES),
            warmup_operations=0 if phase is Phase.WARMUP else warmup,
        )

    def totals(self) -> tuple[int, int]:
        return sum(self.done()), 0

    def stop(self) -> None:
        self.stop_ns = min(self.stop_ns, self.clock.monotonic_ns() + self.late_ns)

    def set_threads(self, threads: int) -> None:
        self.threads = threads

    def set_rate(self, rate_per_s: float) -> None:
        """Do nothing: it sends one query after the other."""

    def set_share(self, share: object) -> None:
        """Do nothing: there is no schedule to share."""

    def cancel_in_flight(self) -> int:
        self.latency_ns = min(self.latency_ns, int(1e9))
        return self.threads

    # The truth --------------------------------------------------------------------------------------------------

    def started(self) -> int:
        """Return how many queries have been sent so far."""
        return self._sent_before(min(self.clock.monotonic_ns(), self.stop_ns))

    def done(self) -> tuple[int, int]:
        """Return how many queries of the warmup and of the measurement have been answered so far."""
        ended = self._sent_before(min(self.clock.monotonic_ns() - self.latency_ns, self.stop_ns))
        warmup = min(ended, self._sent_before(min(self.order.measurement_start_ns, self.stop_ns)))
        return warmup, ended - warmup

    @property
    def is_over(self) -> bool:
        """Whether nothing is sent any more and nothing is in flight."""
        return self.clock.monotonic_ns() >= self.stop_ns + self.latency_ns

    def _sent_before(self, until_ns: int) -> int:
        if self.begin_ns is None or until_ns <= self.begin_ns:
            return 0
        return (until_ns - self.begin_ns - 1) // self.interval_ns + 1
