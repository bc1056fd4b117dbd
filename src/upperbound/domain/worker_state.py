"""The states of a worker, its health as seen from outside, and its exit codes."""

from enum import IntEnum, StrEnum
from typing import Final

from upperbound.errors import IllegalTransition


class WorkerStatus(StrEnum):
    """Where a worker is in its life; published in its heartbeat."""

    STARTING = "STARTING"
    """The process is up and reads its configuration."""
    CONNECTING = "CONNECTING"
    """It opens its connections to the target."""
    READY = "READY"
    """Every connection is open; it waits for the start."""
    RUNNING = "RUNNING"
    """It sends load."""
    DRAINING = "DRAINING"
    """It sends nothing new, lets queries in flight end, and writes its last rows."""
    COMPLETED = "COMPLETED"
    """Everything it knows is written; it exits 0."""
    FAILED = "FAILED"
    """It met an error that it cannot go on from; its last error says which."""


class WorkerEvent(StrEnum):
    """What can happen to a worker."""

    CONFIGURED = "CONFIGURED"
    """The run's configuration is loaded and valid."""
    CONNECTED = "CONNECTED"
    """The last connection is open."""
    START = "START"
    """The run is RUNNING: learnt from the START event or from the run's row, whichever is seen first."""
    STOP = "STOP"
    """The load is to end: a STOP event, SIGTERM, the planned end, or a run that is already over."""
    DRAINED = "DRAINED"
    """Nothing is in flight and the last rows are written."""
    FAIL = "FAIL"
    """An error that ends the worker."""


TERMINAL: Final[frozenset[WorkerStatus]] = frozenset({WorkerStatus.COMPLETED, WorkerStatus.FAILED})
"""States that are never left."""

TRANSITIONS: Final[dict[tuple[WorkerStatus, WorkerEvent], WorkerStatus]] = {
    (WorkerStatus.STARTING, WorkerEvent.CONFIGURED): WorkerStatus.CONNECTING,
    (WorkerStatus.STARTING, WorkerEvent.STOP): WorkerStatus.DRAINING,
    (WorkerStatus.STARTING, WorkerEvent.FAIL): WorkerStatus.FAILED,
    (WorkerStatus.CONNECTING, WorkerEvent.CONNECTED): WorkerStatus.READY,
    (WorkerStatus.CONNECTING, WorkerEvent.STOP): WorkerStatus.DRAINING,
    (WorkerStatus.CONNECTING, WorkerEvent.FAIL): WorkerStatus.FAILED,
    (WorkerStatus.READY, WorkerEvent.START): WorkerStatus.RUNNING,
    (WorkerStatus.READY, WorkerEvent.STOP): WorkerStatus.DRAINING,
    (WorkerStatus.READY, WorkerEvent.FAIL): WorkerStatus.FAILED,
    (WorkerStatus.RUNNING, WorkerEvent.START): WorkerStatus.RUNNING,
    (WorkerStatus.RUNNING, WorkerEvent.STOP): WorkerStatus.DRAINING,
    (WorkerStatus.RUNNING, WorkerEvent.FAIL): WorkerStatus.FAILED,
    (WorkerStatus.DRAINING, WorkerEvent.STOP): WorkerStatus.DRAINING,
    (WorkerStatus.DRAINING, WorkerEvent.DRAINED): WorkerStatus.COMPLETED,
    (WorkerStatus.DRAINING, WorkerEvent.FAIL): WorkerStatus.FAILED,
    (WorkerStatus.COMPLETED, WorkerEvent.STOP): WorkerStatus.COMPLETED,
    (WorkerStatus.FAILED, WorkerEvent.STOP): WorkerStatus.FAILED,
}
"""Every allowed change. A stop has an answer in every state; a start may be learnt twice, as it has two sources."""


def next_worker_status(status: WorkerStatus, event: WorkerEvent) -> WorkerStatus:
    """Return the state that follows ``status`` when ``event`` happens.

    Raises :class:`~upperbound.errors.IllegalTransition` when the table has no such change.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalTransition(f"a worker that is {status.value} does not accept {event.value}") from None


class WorkerExit(IntEnum):
    """Exit codes of a worker process."""

    CLEAN = 0
    """It drained and wrote everything."""
    CONFIGURATION = 1
    """Its arguments or the run's configuration are wrong."""
    STORE_UNREACHABLE = 2
    """The store could not be reached for 60 s."""
    NO_START = 3
    """It was ready and no start came within 120 s."""
    WORKLOAD = 4
    """The workload met a fatal error, such as a refused login or a full disk."""


class WorkerHealth(StrEnum):
    """What the age of a heartbeat says about its worker."""

    HEALTHY = "HEALTHY"
    """Heard from within the last 30 s."""
    STALE = "STALE"
    """Not heard from for 30 s."""
    DEAD = "DEAD"
    """Not heard from for 60 s; taken for lost."""


STALE_AFTER_S: Final = 30.0
"""Heartbeat age in seconds from which a worker is STALE."""
DEAD_AFTER_S: Final = 60.0
"""Heartbeat age in seconds from which a worker is DEAD."""


def worker_health(heartbeat_age_s: float) -> WorkerHealth:
    """Judge a worker by the age of its last heartbeat in seconds, taken from the store's clock.

    The intervals are half-open: HEALTHY in [0, 30), STALE in [30, 60), DEAD from 60 on. A negative age (the heartbeat
    was written after the reader took the time) is HEALTHY.
    """
    if heartbeat_age_s >= DEAD_AFTER_S:
        return WorkerHealth.DEAD
    if heartbeat_age_s >= STALE_AFTER_S:
        return WorkerHealth.STALE
    return WorkerHealth.HEALTHY
