"""Taking a worker out of a run that goes on: through the store alone, so that any process may do it."""

from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.errors import ConfigurationError
from upperbound.orchestrator.stopping import DRAIN_TIMEOUT_S
from upperbound.store.engine import Store


def retire_worker(store: Store, run_id: str, worker_id: str, initiated_by: str) -> None:
    """Let one worker drain and end while the run goes on; its threads are not moved to the others.

    Its target in the run's row becomes 0 first: should the event not reach it, it finds that within a few seconds, and
    its end is then no loss. What it has counted stays in the result. Asking twice is harmless.

    Raises:
        ConfigurationError: the run is not RUNNING, has no such worker, or would have none left.
        RunNotFound: there is no such run.
    """
    run = store.runs.get(run_id)
    if run.status is not RunStatus.RUNNING:
        raise ConfigurationError(
            f"run {run_id} is {run.status.value}: workers are taken out of running ones",
            hint=f"`upperbound runs stop {run_id}` ends a run in any state",
        )
    if worker_id not in run.worker_targets:
        raise ConfigurationError(f"run {run_id} has no {worker_id}", hint=f"it has {', '.join(run.worker_targets)}")
    if not any(threads for other, threads in run.worker_targets.items() if other != worker_id):
        raise ConfigurationError(
            f"{worker_id} is the last worker of run {run_id}", hint=f"`upperbound runs stop {run_id}` ends the run"
        )
    store.runs.set_targets(run_id, {worker_id: 0})
    store.events.append(
        run_id,
        EventType.STOP,
        {
            "worker_id": worker_id,
            "reason": "scale_in",
            "initiated_by": initiated_by,
            "drain_timeout_seconds": DRAIN_TIMEOUT_S,
        },
        scope="WORKER",
    )
