"""Asking a run to stop: through the store alone, so that any process may do it."""

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunEvent, RunStatus, next_status
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent

DRAIN_TIMEOUT_S = 120.0
"""How long queries in flight may take to end after a stop."""


def request_stop(store: Store, run_id: str, initiated_by: str) -> RunStatus:
    """Ask for the two-phase stop of a run and return the state it is in then.

    Safe in every state and as often as one likes: a prepared run is cancelled at once, one that has ended or is being
    cancelled stays as it is, and in every other state its workers are told to stop sending and drain. When the load
    has ended as planned, and its queries are loaded or its server is asked, the run will complete: what is on its way
    is still loaded, and the server is asked no longer.

    Raises:
        RunNotFound: there is no such run.
        StoreUnreachable: nothing is changed, or the stop is requested and the answer was lost; ask again.
    """
    while True:
        run = store.runs.get(run_id)
        if run.status is RunStatus.STOPPING and run.phase is Phase.PROCESSING:
            if run.cancellation_reason or _curtail(store, run_id, initiated_by):
                return run.status
            continue
        to = next_status(run.status, RunEvent.USER_STOP)
        if to is run.status:
            return to
        ended = to in TERMINAL
        changed = store.runs.transition(
            run_id,
            expected=run.status,
            to=to,
            phase=Phase.COMPLETED if ended else None,
            cancellation_reason=f"stopped by {initiated_by}",
            event=None if ended else stop_event(reason="user_stop", initiated_by=initiated_by),
        )
        if changed:
            return to


def _curtail(store: Store, run_id: str, initiated_by: str) -> bool:
    """Ask for the end of what follows the load; False when the run has ended meanwhile."""
    return store.runs.transition(
        run_id,
        expected=RunStatus.STOPPING,
        to=next_status(RunStatus.STOPPING, RunEvent.CURTAIL),
        cancellation_reason=f"stopped by {initiated_by} when the load was over",
    )


def stop_event(*, reason: str, initiated_by: str) -> NewEvent:
    """Return what tells the workers to stop sending, drain and end."""
    data = {"reason": reason, "initiated_by": initiated_by, "drain_timeout_seconds": DRAIN_TIMEOUT_S}
    return NewEvent(EventType.STOP, data)
