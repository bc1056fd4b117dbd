"""A run changes its status only along the table."""

import itertools

import pytest

from upperbound.domain.run_state import TERMINAL, TRANSITIONS, RunEvent, RunStatus, next_status
from upperbound.errors import IllegalTransition

P, S, R = RunStatus.PREPARED, RunStatus.STARTING, RunStatus.RUNNING
STOP, CANC = RunStatus.STOPPING, RunStatus.CANCELLING
DONE, CANCELLED, FAILED = RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED

# One row per status, one column per event in the order of RunEvent; None is an event the status does not allow.
EXPECTED: dict[RunStatus, tuple[RunStatus | None, ...]] = {
    #          START  ALL_READY  DURATION_OVER  DRAINED    USER_STOP  CURTAIL  FORCED     FAIL
    P:         (S,    None,      None,          None,      CANCELLED, None,    None,      FAILED),
    S:         (None, R,         None,          None,      CANC,      None,    None,      FAILED),
    R:         (None, None,      STOP,          None,      CANC,      None,    None,      FAILED),
    STOP:      (None, None,      None,          DONE,      CANC,      STOP,    CANCELLED, FAILED),
    CANC:      (None, None,      None,          CANCELLED, CANC,      None,    CANCELLED, None),
    DONE:      (None, None,      None,          None,      DONE,      None,    None,      None),
    CANCELLED: (None, None,      None,          None,      CANCELLED, None,    None,      None),
    FAILED:    (None, None,      None,          None,      FAILED,    None,    None,      None),
}  # fmt: skip
PAIRS = [
    (status, event, expected) for status, row in EXPECTED.items() for event, expected in zip(RunEvent, row, strict=True)
]


def test_the_expectation_covers_every_pair_of_status_and_event() -> None:
    assert {(status, event) for status, event, _ in PAIRS} == set(itertools.product(RunStatus, RunEvent))


@pytest.mark.parametrize(("status", "event", "expected"), PAIRS)
def test_every_pair_leads_where_the_design_says_or_is_refused(
    status: RunStatus, event: RunEvent, expected: RunStatus | None
) -> None:
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"a run that is {status} does not accept {event}"):
            next_status(status, event)
    else:
        assert next_status(status, event) is expected


def test_a_refusal_names_what_would_be_accepted() -> None:
    with pytest.raises(IllegalTransition, match=r"it accepts START, USER_STOP, FAIL"):
        next_status(RunStatus.PREPARED, RunEvent.DRAINED)


def test_terminal_states_are_never_left() -> None:
    assert {source for (source, _), target in TRANSITIONS.items() if source is not target}.isdisjoint(TERMINAL)


def test_every_other_state_can_reach_an_end_and_be_stopped_by_a_user() -> None:
    for status in set(RunStatus) - TERMINAL:
        reached = {status}
        while more := {to for (source, _), to in TRANSITIONS.items() if source in reached} - reached:
            reached |= more
        assert reached & TERMINAL
        assert next_status(status, RunEvent.USER_STOP) in {RunStatus.CANCELLING, RunStatus.CANCELLED}
