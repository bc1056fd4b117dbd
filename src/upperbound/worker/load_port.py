"""The running load as the control side of a worker sees it."""

from typing import Protocol

from upperbound.domain.arrivals import Share
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.phases import Phase


class Load(Protocol):
    """What the control side sees of the running load."""

    @property
    def active_threads(self) -> int:
        """Connections open and wanted."""
        ...

    @property
    def target_threads(self) -> int:
        """Connections wanted."""
        ...

    def figures(self, phase: Phase) -> PhaseFigures:
        """Return what has been counted in ``phase`` so far."""
        ...

    def totals(self) -> tuple[int, int]:
        """Return how many operations have succeeded and failed since the start, warmup included."""
        ...

    def stop(self) -> None:
        """Send nothing from now on."""
        ...

    def set_threads(self, threads: int) -> None:
        """Keep this many threads busy."""
        ...

    def set_rate(self, rate_per_s: float) -> None:
        """Offer this worker's share of this rate of the run, if it offers one."""
        ...

    def set_share(self, share: Share | None) -> None:
        """Offer this share of the run's rate, or nothing, if it offers one."""
        ...

    def cancel_in_flight(self) -> int:
        """Ask the target to cancel what is in flight."""
        ...
