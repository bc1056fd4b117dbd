"""What a worker sees of whatever sends its load."""

from collections.abc import Callable
from typing import Protocol

from upperbound.loadgen.event_loop import LoopTimes


class Executor(Protocol):
    """Keeps N threads busy; its methods may be called from any thread, but for :meth:`open` and :meth:`run`."""

    stop_ns: int
    """When sending ends, or ended, by the monotonic clock."""
    times: LoopTimes
    """What it has measured of itself; replaced as a whole."""

    @property
    def active_threads(self) -> int:
        """Connections that are open and wanted now."""
        ...

    @property
    def target_threads(self) -> int:
        """Connections wanted."""
        ...

    def open(self, threads: int, progress: Callable[[int], None]) -> None:
        """Open connections, calling ``progress`` with the number open so far. Raises :class:`TargetError`."""
        ...

    def begin(self) -> None:
        """Start to send; only the first call counts."""
        ...

    def run(self) -> None:
        """Serve until a stop was asked for and the last query has ended. Raises :class:`TargetUnreachable`."""
        ...

    def stop_at(self, stop_ns: int) -> None:
        """Send nothing at or after a time of the monotonic clock; an earlier stop wins over a later one."""
        ...

    def stop(self) -> None:
        """Send nothing from now on."""
        ...

    def set_threads(self, threads: int) -> None:
        """Keep this many threads busy from now on; a query in flight is never cut."""
        ...

    def cancel_in_flight(self) -> int:
        """Ask the server to cancel what is in flight; return for how many that could be asked."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
