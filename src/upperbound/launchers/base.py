"""What a launcher promises: worker processes that can be watched and ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class WorkerSpec:
    """All a worker is told on its command line; the rest it reads from the store."""

    store_url: str
    """Without a password; that travels in the environment."""
    run_id: str
    worker_id: str
    group_id: int
    group_count: int

    def arguments(self) -> list[str]:
        """Return the command line of ``upperbound worker`` behind its name."""
        return [
            *("--store", self.store_url),
            *("--run-id", self.run_id),
            *("--worker-id", self.worker_id),
            *("--worker-group-id", str(self.group_id)),
            *("--worker-group-count", str(self.group_count)),
        ]


class WorkerHandle(Protocol):
    """One worker process."""

    @property
    def worker_id(self) -> str:
        """Which worker of the run this is."""
        ...

    @property
    def pid(self) -> int:
        """The process id, for messages."""
        ...

    def poll(self) -> int | None:
        """Return the exit code once the process has ended, negative for a signal, and None before. Never blocks."""
        ...

    def terminate(self) -> None:
        """Ask the worker to drain and end; does nothing to one that has ended."""
        ...

    def interrupt(self) -> None:
        """Ask the worker to cancel what it has in flight and end; does nothing to one that has ended."""
        ...

    def kill(self) -> None:
        """End the worker at once; does nothing to one that has ended."""
        ...

    def last_output(self) -> str:
        """Return the last lines the worker wrote, for the message of a failed run; empty when there are none."""
        ...


class Launcher(Protocol):
    """Brings worker processes into being."""

    def launch(self, spec: WorkerSpec, *, environment: Mapping[str, str], log_file: Path) -> WorkerHandle:
        """Start one worker; ``environment`` goes over this process's own, and the worker's output goes to ``log_file``.

        Returns as soon as the process exists; whether it gets ready is seen in the store.

        Raises:
            WorkerFailed: the process cannot be started.
        """
        ...
