"""What a worker is told: who it is, and when its run has started."""

from dataclasses import dataclass

from upperbound.domain.phases import Phase, PhasePlan


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is told on its command line."""

    store_url: str
    run_id: str
    worker_id: str
    group_id: int
    group_count: int

    @property
    def test_id(self) -> str:
        """The id of the worker's own row in ``TEST_RESULTS``."""
        return f"{self.run_id}-{self.worker_id}"


@dataclass(frozen=True)
class StartOrder:
    """The run has started: what that means on this machine's monotonic clock."""

    start_ns: int
    """START_TIME."""
    plan: PhasePlan

    @property
    def measurement_start_ns(self) -> int:
        """When WARMUP ends and MEASUREMENT begins."""
        return self.start_ns + int(self.plan.warmup_s * 1e9)

    @property
    def stop_ns(self) -> int:
        """The planned end of the load."""
        return self.start_ns + int(self.plan.total_s * 1e9)

    def phase_at(self, now_ns: int) -> Phase:
        """Return the phase by plan."""
        return self.plan.phase_at((now_ns - self.start_ns) / 1e9)
