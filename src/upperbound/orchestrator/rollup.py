"""What all workers of a run have done together, for the live row in ``RUN_STATUS``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from upperbound.domain.run_view import WorkerView
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.runs import Rollup
from upperbound.store.snapshots import SnapshotRow

SHORTEST_S = 0.2
"""Below this an interval says too little: a phase that has just begun keeps the rate from before."""


@dataclass(frozen=True)
class _Seen:
    snapshot: SnapshotRow
    rate: float


class RateMeter:
    """Turns cumulative snapshots into rates: what was done between the two newest ones of each worker."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def rates(self, newest: Mapping[str, SnapshotRow]) -> dict[str, float]:
        """Return successful operations per second by worker; a worker without a new snapshot keeps its last rate."""
        for worker_id, snapshot in newest.items():
            before = self._seen.get(worker_id)
            if before is not None and before.snapshot.sequence == snapshot.sequence:
                continue
            self._seen[worker_id] = _Seen(snapshot, self._rate(before, snapshot))
        return {worker_id: seen.rate for worker_id, seen in self._seen.items()}

    @staticmethod
    def _rate(before: _Seen | None, snapshot: SnapshotRow) -> float:
        seconds, operations = float(snapshot.figures["seconds"]), snapshot.operations
        if before is not None and before.snapshot.phase is snapshot.phase:
            seconds -= float(before.snapshot.figures["seconds"])
            operations -= before.snapshot.operations
        if seconds < SHORTEST_S:
            return before.rate if before else 0.0
        return operations / seconds


def roll_up(
    workers: Sequence[WorkerView], heartbeats: Mapping[str, HeartbeatRow], rates: Mapping[str, float]
) -> Rollup:
    """Add up the workers; those taken for dead add to the totals and not to the present rate."""
    sending = [worker for worker in workers if worker.status is WorkerStatus.RUNNING and not worker.is_dead]
    return Rollup(
        workers_registered=len(heartbeats),
        workers_active=sum(worker.exit_code is None for worker in sending),
        workers_completed=sum(worker.status is WorkerStatus.COMPLETED for worker in workers),
        total_ops=sum(row.queries for row in heartbeats.values()),
        error_count=sum(row.errors for row in heartbeats.values()),
        current_qps=sum(rates.get(worker.worker_id, 0.0) for worker in sending if worker.exit_code is None),
    )
