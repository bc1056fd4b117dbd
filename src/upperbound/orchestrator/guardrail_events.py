"""What the workers are told of their guardrails, and what the run's log says of it."""

import logging

from upperbound.domain.events import EventType
from upperbound.domain.guardrails import AddWorker, ScaleDown, WarnWorker
from upperbound.store.events import NewEvent

log = logging.getLogger(__name__)


def event_of(verdict: WarnWorker | ScaleDown | AddWorker) -> NewEvent:
    """Return the event that tells of a verdict."""
    match verdict:
        case WarnWorker(worker_id=worker_id, reason=reason):
            warned = {"worker_id": worker_id, "reason": reason}
            return NewEvent(EventType.GUARDRAIL_WARNING, warned, scope="WORKER")
        case ScaleDown(worker_id=worker_id, previous=previous, new=new, detail=detail):
            lowered = {"worker_id": worker_id, "previous": previous, "new": new}
            return NewEvent(EventType.SCALE_DOWN, {**lowered, "reason": "guardrail", "detail": detail}, scope="WORKER")
        case AddWorker(worker_id=worker_id, new=new):
            added = {"worker_id": worker_id, "target_threads": new, "ramp_seconds": 0}
            return NewEvent(EventType.SET_WORKER_TARGET, {**added, "reason": "guardrail"}, scope="WORKER")


def log_verdict(verdict: WarnWorker | ScaleDown | AddWorker) -> None:
    """Tell of a verdict in the run's log."""
    match verdict:
        case WarnWorker(worker_id=worker_id, reason=reason):
            log.warning("%s is over a guardrail: %s", worker_id, reason)
        case ScaleDown(worker_id=worker_id, previous=previous, new=new, detail=detail):
            log.warning("%s goes from %d to %d threads: %s", worker_id, previous, new, detail)
        case AddWorker(worker_id=worker_id, new=new):
            log.warning("%s is added and gets %d threads that were taken from others", worker_id, new)
