"""Finding runs whose controller is gone, and taking their lease.

A controller extends its lease every second. A lease that runs out says that nobody acts on the run; its workers
go on by the plan in the tables meanwhile.
"""

from upperbound.clock import Clock
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.errors import RunFailed
from upperbound.store.engine import Store
from upperbound.store.runs import RunRow

LOOK_S = 0.5
"""Between two looks at a lease that has not run out yet."""
EXTENDED_S = 0.2
"""A lease with this much more time than it should have by now has been extended by its owner."""


def needs_a_controller(run: RunRow) -> bool:
    """Say whether something is left to do for a run: it is on its way, or its results are not written yet."""
    if run.status is RunStatus.PREPARED:
        return False
    return run.status not in TERMINAL or run.phase is not Phase.COMPLETED


def is_held(run: RunRow) -> bool:
    """Say whether the run's lease has time left."""
    return run.lease_remaining_s is not None and run.lease_remaining_s > 0


def take_lease(store: Store, clock: Clock, run_id: str, *, owner: str, ttl_s: float) -> RunRow:
    """Wait until the run's lease is free, take it and return the run as it is then.

    Raises:
        RunFailed: its owner is alive and extends it, or there is nothing left to do for the run.
        RunNotFound: there is no such run.
    """
    before: tuple[float, int] | None = None
    while True:
        asked_ns = clock.monotonic_ns()
        run = store.runs.get(run_id)
        answered_ns = clock.monotonic_ns()
        if not needs_a_controller(run):
            raise RunFailed(f"run {run_id} is {run.status.value}: there is nothing left to do for it")
        if store.runs.acquire_lease(run_id, owner, ttl_s):
            return store.runs.get(run_id)
        remaining_s = run.lease_remaining_s or 0.0
        # The store read its clock somewhere between question and answer: at least this much has passed since it did
        # the first time, however unevenly it answers.
        if before is not None and remaining_s > before[0] - (asked_ns - before[1]) / 1e9 + EXTENDED_S:
            raise RunFailed(
                f"run {run_id} is being driven by {run.lease_owner}",
                hint=f"let it finish, or stop it with `upperbound runs stop {run_id}`",
            )
        before = before or (remaining_s, answered_ns)
        clock.sleep(min(LOOK_S, max(remaining_s, 0.05)))
