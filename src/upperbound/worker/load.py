"""The load as the control side sees it: the executor's counters and the recorder's figures as one thing."""

import psutil

from upperbound.clock import Clock
from upperbound.domain.arrivals import Share
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.loadgen.executor import Executor
from upperbound.loadgen.open_loop import OpenLoopExecutor
from upperbound.loadgen.open_threads import OpenThreadExecutor
from upperbound.loadgen.recorder import Recorder, Window
from upperbound.loadgen.thread_executor import ThreadExecutor
from upperbound.worker.orders import StartOrder


class RunningLoad:
    """One worker's load from its first query to its last.

    The window of MEASUREMENT is half-open: from the planned end of the warmup, or from this worker's own start if that
    was later, to the moment when sending ended. A query belongs to the window in which it was due, which in a closed
    loop is when it started, however long it took, so that slow queries at the end are not lost from the tail.
    """

    def __init__(self, executor: Executor, recorder: Recorder, order: StartOrder, clock: Clock) -> None:
        self._executor, self._recorder, self._clock = executor, recorder, clock
        self._begin_ns = clock.monotonic_ns()
        self._measure_from_ns = max(order.measurement_start_ns, self._begin_ns)
        self._open_loop = executor if isinstance(executor, OpenLoopExecutor | OpenThreadExecutor) else None
        if isinstance(executor, OpenLoopExecutor | ThreadExecutor):
            executor.plan(order.start_ns, self._measure_from_ns)
        self._marks = {Phase.WARMUP: self._mark()}

    @property
    def active_threads(self) -> int:
        """Connections open and wanted."""
        return self._executor.active_threads

    @property
    def target_threads(self) -> int:
        """Connections wanted."""
        return self._executor.target_threads

    def totals(self) -> tuple[int, int]:
        """Return how many operations have succeeded and failed since the start."""
        return self._recorder.totals()

    def figures(self, phase: Phase) -> PhaseFigures:
        """Return what has been counted in ``phase`` so far."""
        wall_ns, waited_ns, busy_cpu, total_cpu = self._since_mark(phase)
        return self._recorder.figures(
            phase,
            Window(
                seconds=self._seconds(phase),
                busy_ns=max(0, wall_ns - waited_ns),
                wall_ns=wall_ns,
                host_cpu_pct=100.0 * busy_cpu / total_cpu if total_cpu > 0 else None,
                arrivals=self._open_loop.arrivals.get(phase, ArrivalFigures()) if self._open_loop else None,
            ),
        )

    def stop(self) -> None:
        """Send nothing from now on."""
        self._executor.stop()

    def set_threads(self, threads: int) -> None:
        """Keep this many threads busy."""
        self._executor.set_threads(threads)

    def set_rate(self, rate_per_s: float) -> None:
        """Offer this worker's share of another rate of the run; a closed loop has none and stays as it is."""
        if self._open_loop is not None:
            self._open_loop.set_rate(rate_per_s)

    def set_share(self, share: Share | None) -> None:
        """Offer another share of the run's rate; a closed loop has none and stays as it is."""
        if self._open_loop is not None:
            self._open_loop.set_share(share)

    def cancel_in_flight(self) -> int:
        """Ask the target to cancel what is in flight."""
        return self._executor.cancel_in_flight()

    def _seconds(self, phase: Phase) -> float:
        """Return how long the phase's window has lasted, up to what the recorder has seen."""
        start_ns = self._begin_ns if phase is Phase.WARMUP else self._measure_from_ns
        end_ns = min(self._executor.stop_ns, self._executor.times.recorded_until_ns)
        if phase is Phase.WARMUP:
            end_ns = min(end_ns, self._measure_from_ns)
        return max(0.0, (end_ns - start_ns) / 1e9)

    def _since_mark(self, phase: Phase) -> tuple[int, int, float, float]:
        """Return loop time, time waited, busy and total processor seconds since the phase was first looked at."""
        now = self._mark()
        mark = self._marks.setdefault(phase, now)
        return now[0] - mark[0], now[1] - mark[1], now[2] - mark[2], now[3] - mark[3]

    def _mark(self) -> tuple[int, int, float, float]:
        times = self._executor.times
        cpu = psutil.cpu_times()
        idle = cpu.idle + getattr(cpu, "iowait", 0.0)
        total = sum(cpu[: min(len(cpu), 8)])
        return times.wall_ns, times.waited_ns, total - idle, total
