"""The worker processes that a controller has started for one run: it hears of their end at once and sends them signals.

A controller that has taken a run over has none, and hears of its workers through the store alone.
"""

import logging
from collections.abc import Callable, Mapping

from upperbound.clock import Clock
from upperbound.domain.run_view import KillSignal
from upperbound.errors import TargetError
from upperbound.launchers.base import WorkerHandle

log = logging.getLogger(__name__)

LOOK_S = 0.02
"""How often a waiting loop looks at its processes and at what it was asked to do."""
CANCEL_S = 1.0
"""How long workers that are about to be killed may take to cancel their queries and end by themselves."""


class Crew:
    """The processes of one run, by worker id, and what they leave behind on the target."""

    def __init__(
        self,
        clock: Clock,
        handles: Mapping[str, WorkerHandle],
        *,
        launch: Callable[[str, int], WorkerHandle],
        end_sessions: Callable[[], int],
    ) -> None:
        """Look after ``handles``.

        ``launch`` starts one more worker, by id and group id, and may raise WorkerFailed. ``end_sessions`` ends what
        workers that were killed have left on the target, and may raise TargetError.
        """
        self._clock, self._launch, self._end_sessions = clock, launch, end_sessions
        self._handles = dict(handles)

    def start(self, worker_id: str, group_id: int) -> None:
        """Start one more worker. Raises :class:`WorkerFailed`."""
        self._handles[worker_id] = self._launch(worker_id, group_id)

    def has(self, worker_id: str) -> bool:
        """Say whether the worker is a process of ours, alive or not."""
        return worker_id in self._handles

    def exit_codes(self) -> dict[str, int | None]:
        """Return the exit code of each process that has ended, negative for a signal; None while it lives."""
        return {worker_id: handle.poll() for worker_id, handle in self._handles.items()}

    def last_output(self, worker_id: str) -> str:
        """Return the last lines a worker of ours wrote."""
        return self._handles[worker_id].last_output()

    def alive(self) -> list[WorkerHandle]:
        """Return the processes that have not ended."""
        return [handle for handle in self._handles.values() if handle.poll() is None]

    def end(self, worker_id: str) -> None:
        """Kill one worker."""
        if worker_id in self._handles:
            self._handles[worker_id].kill()

    def signal(self, signal: KillSignal) -> None:
        """Tell all to drain and end, or end them; those to be killed are given :data:`CANCEL_S` first."""
        if signal is KillSignal.TERM:
            for handle in self.alive():
                log.warning("%s (process %d) gets SIGTERM", handle.worker_id, handle.pid)
                handle.terminate()
            return
        # A worker that is killed leaves its queries running on the server, so that it is asked to cancel them first.
        for handle in self.alive():
            handle.interrupt()
        deadline_ns = self._clock.monotonic_ns() + int(CANCEL_S * 1e9)
        while self.alive() and self._clock.monotonic_ns() < deadline_ns:
            self._clock.sleep(LOOK_S)
        for handle in self.alive():
            log.warning("%s (process %d) gets SIGKILL", handle.worker_id, handle.pid)
            handle.kill()

    def clear_target(self) -> None:
        """End what is left of the run on the target; a target that cannot be asked is mentioned in the log."""
        try:
            ended = self._end_sessions()
        except TargetError as error:
            log.warning("sessions of lost workers may still be open on the target: %s", error)
        else:
            if ended:
                log.warning("%d sessions that lost workers had left on the target were ended", ended)
