"""The states of a run, as one table.

Whoever changes ``RUN_STATUS.STATUS`` takes the new value from :func:`next_status`; nobody else knows which change is
allowed. The store adds the other half of the guarantee by comparing and setting.
"""

from enum import StrEnum
from typing import Final

from upperbound.errors import IllegalTransition


class RunStatus(StrEnum):
    """Where a run is in its life."""

    PREPARED = "PREPARED"
    """Created and checked; no worker has been started."""
    STARTING = "STARTING"
    """Workers are being launched and open their connections."""
    RUNNING = "RUNNING"
    """Every worker was ready, and the run's clock goes."""
    STOPPING = "STOPPING"
    """The planned duration is over; workers drain."""
    CANCELLING = "CANCELLING"
    """A user asked for the end; workers drain."""
    COMPLETED = "COMPLETED"
    """Ended as planned."""
    CANCELLED = "CANCELLED"
    """Ended because a user asked for it, or because the drain had to be cut short."""
    FAILED = "FAILED"
    """Ended without a result that may be trusted; the reason is recorded."""


class RunEvent(StrEnum):
    """What can happen to a run."""

    START = "START"
    """The workers are about to be launched."""
    ALL_READY = "ALL_READY"
    """Every expected worker has its connections open."""
    DURATION_OVER = "DURATION_OVER"
    """Warmup and measurement have taken their planned time."""
    DRAINED = "DRAINED"
    """Every worker has ended and what they left is collected."""
    USER_STOP = "USER_STOP"
    """Somebody asked for the run to stop."""
    CURTAIL = "CURTAIL"
    """Somebody asked for the end when the load was over, and only what follows it was awaited."""
    FORCED = "FORCED"
    """The drain is cut short: asked for a second time, or past its timeout."""
    FAIL = "FAIL"
    """A worker is lost or missing, or resources are exhausted."""


TERMINAL: Final[frozenset[RunStatus]] = frozenset({RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED})
"""States that are never left."""

TRANSITIONS: Final[dict[tuple[RunStatus, RunEvent], RunStatus]] = {
    (RunStatus.PREPARED, RunEvent.START): RunStatus.STARTING,
    (RunStatus.PREPARED, RunEvent.USER_STOP): RunStatus.CANCELLED,
    (RunStatus.PREPARED, RunEvent.FAIL): RunStatus.FAILED,
    (RunStatus.STARTING, RunEvent.ALL_READY): RunStatus.RUNNING,
    (RunStatus.STARTING, RunEvent.USER_STOP): RunStatus.CANCELLING,
    (RunStatus.STARTING, RunEvent.FAIL): RunStatus.FAILED,
    (RunStatus.RUNNING, RunEvent.DURATION_OVER): RunStatus.STOPPING,
    (RunStatus.RUNNING, RunEvent.USER_STOP): RunStatus.CANCELLING,
    (RunStatus.RUNNING, RunEvent.FAIL): RunStatus.FAILED,
    (RunStatus.STOPPING, RunEvent.DRAINED): RunStatus.COMPLETED,
    (RunStatus.STOPPING, RunEvent.USER_STOP): RunStatus.CANCELLING,
    (RunStatus.STOPPING, RunEvent.CURTAIL): RunStatus.STOPPING,
    (RunStatus.STOPPING, RunEvent.FORCED): RunStatus.CANCELLED,
    (RunStatus.STOPPING, RunEvent.FAIL): RunStatus.FAILED,
    (RunStatus.CANCELLING, RunEvent.DRAINED): RunStatus.CANCELLED,
    (RunStatus.CANCELLING, RunEvent.USER_STOP): RunStatus.CANCELLING,
    (RunStatus.CANCELLING, RunEvent.FORCED): RunStatus.CANCELLED,
    (RunStatus.COMPLETED, RunEvent.USER_STOP): RunStatus.COMPLETED,
    (RunStatus.CANCELLED, RunEvent.USER_STOP): RunStatus.CANCELLED,
    (RunStatus.FAILED, RunEvent.USER_STOP): RunStatus.FAILED,
}
"""Every allowed change. A user's stop has an answer in every state, so that stopping twice or too late is safe.

One that comes when the load has ended as planned takes nothing from the result: it curtails what follows the load.
A cancelling run cannot fail: what goes wrong while it drains is written into its reason, but the end is the one that
was asked for.
"""


def next_status(status: RunStatus, event: RunEvent) -> RunStatus:
    """Return the state that follows ``status`` when ``event`` happens.

    Raises :class:`~upperbound.errors.IllegalTransition` when the table has no such change.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalTransition(
            f"a run that is {status.value} does not accept {event.value}",
            hint=f"it accepts {_accepted(status)}",
        ) from None


def _accepted(status: RunStatus) -> str:
    return ", ".join(event.value for (source, event) in TRANSITIONS if source is status)
