"""What the log says of workers that go silent, and of their return."""

import logging
from collections.abc import Iterable

from upperbound.domain.run_view import WorkerView
from upperbound.domain.worker_state import WorkerHealth

log = logging.getLogger(__name__)


class SilenceLog:
    """Tells of each change of a worker's health once, so that a gap in what is known of it has a reason in the log."""

    def __init__(self) -> None:
        self._known: dict[str, WorkerHealth] = {}

    def note(self, workers: Iterable[WorkerView]) -> None:
        """Look at the workers as they are now; those that have ended, or were never heard from, are none to miss."""
        for worker in workers:
            before = self._known.get(worker.worker_id, WorkerHealth.HEALTHY)
            health = worker.health
            if health is None or worker.has_written_its_last or health is before:
                continue
            self._known[worker.worker_id] = health
            if health is WorkerHealth.HEALTHY:
                log.warning("%s is heard from again", worker.worker_id)
            else:
                age_s = worker.heartbeat_age_s or 0.0
                log.warning("%s is %s: not heard from for %.0f s", worker.worker_id, health.value, age_s)
