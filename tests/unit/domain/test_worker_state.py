"""A worker changes its status only along the table; its health follows from the age of its heartbeat."""

import itertools
import math

import pytest

from upperbound.domain.worker_state import (
    TERMINAL,
    TRANSITIONS,
    WorkerEvent,
    WorkerExit,
    WorkerHealth,
    WorkerStatus,
    next_worker_status,
    worker_health,
)
from upperbound.errors import IllegalTransition

START, CONN, READY = WorkerStatus.STARTING, WorkerStatus.CONNECTING, WorkerStatus.READY
RUN, DRAIN = WorkerStatus.RUNNING, WorkerStatus.DRAINING
DONE, FAILED = WorkerStatus.COMPLETED, WorkerStatus.FAILED

# One row per status, one column per event in the order of WorkerEvent; None is an event the status does not allow.
EXPECTED: dict[WorkerStatus, tuple[WorkerStatus | None, ...]] = {
    #       CONFIGURED CONNECTED START  STOP    DRAINED FAIL
    START:  (CONN,     None,     None,  DRAIN,  None,   FAILED),
    CONN:   (None,     READY,    None,  DRAIN,  None,   FAILED),
    READY:  (None,     None,     RUN,   DRAIN,  None,   FAILED),
    RUN:    (None,     None,     RUN,   DRAIN,  None,   FAILED),
    DRAIN:  (None,     None,     None,  DRAIN,  DONE,   FAILED),
    DONE:   (None,     None,     None,  DONE,   None,   None),
    FAILED: (None,     None,     None,  FAILED, None,   None),
}  # fmt: skip
PAIRS = [
    (status, event, expected)
    for status, row in EXPECTED.items()
    for event, expected in zip(WorkerEvent, row, strict=True)
]


def test_the_expectation_covers_every_pair_of_status_and_event() -> None:
    assert {(status, event) for status, event, _ in PAIRS} == set(itertools.product(WorkerStatus, WorkerEvent))


@pytest.mark.parametrize(("status", "event", "expected"), PAIRS)
def test_every_pair_leads_where_the_design_says_or_is_refused(
    status: WorkerStatus, event: WorkerEvent, expected: WorkerStatus | None
) -> None:
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"a worker that is {status} does not accept {event}"):
            next_worker_status(status, event)
    else:
        assert next_worker_status(status, event) is expected


def test_terminal_states_are_never_left() -> None:
    assert {source for (source, _), target in TRANSITIONS.items() if source is not target}.isdisjoint(TERMINAL)


@pytest.mark.parametrize(
    ("age_s", "health"),
    [
        (-0.5, WorkerHealth.HEALTHY),
        (0.0, WorkerHealth.HEALTHY),
        (math.nextafter(30.0, 0), WorkerHealth.HEALTHY),
        (30.0, WorkerHealth.STALE),
        (math.nextafter(60.0, 0), WorkerHealth.STALE),
        (60.0, WorkerHealth.DEAD),
        (math.inf, WorkerHealth.DEAD),
    ],
)
def test_health_changes_exactly_at_its_thresholds(age_s: float, health: WorkerHealth) -> None:
    assert worker_health(age_s) is health


def test_exit_codes_are_those_of_the_control_plane() -> None:
    assert [(code.name, code.value) for code in WorkerExit] == [
        ("CLEAN", 0),
        ("CONFIGURATION", 1),
        ("STORE_UNREACHABLE", 2),
        ("NO_START", 3),
        ("WORKLOAD", 4),
    ]
