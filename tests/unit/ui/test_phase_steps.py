"""The bubbles of a run's way."""

import pytest

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.ui.phase_steps import StepState, steps_of


def states(status: RunStatus, phase: Phase) -> list[str]:
    return [step.state.value for step in steps_of(status, phase, warmup=True)]


@pytest.mark.parametrize(
    ("status", "phase", "expected"),
    [
        (RunStatus.PREPARED, Phase.PREPARING, ["now", "ahead", "ahead", "ahead", "ahead"]),
        (RunStatus.STARTING, Phase.PREPARING, ["now", "ahead", "ahead", "ahead", "ahead"]),
        (RunStatus.RUNNING, Phase.WARMUP, ["done", "now", "ahead", "ahead", "ahead"]),
        (RunStatus.RUNNING, Phase.MEASUREMENT, ["done", "done", "now", "ahead", "ahead"]),
        (RunStatus.STOPPING, Phase.COOLDOWN, ["done", "done", "now", "ahead", "ahead"]),
        (RunStatus.COMPLETED, Phase.PROCESSING, ["done", "done", "done", "now", "ahead"]),
        (RunStatus.COMPLETED, Phase.COMPLETED, ["done", "done", "done", "done", "done"]),
    ],
)
def test_a_run_goes_from_bubble_to_bubble(status: RunStatus, phase: Phase, expected: list[str]) -> None:
    assert states(status, phase) == expected


def test_a_run_without_warmup_says_so() -> None:
    steps = steps_of(RunStatus.RUNNING, Phase.MEASUREMENT, warmup=False)
    assert (steps[1].name, steps[1].state) == ("No warmup", StepState.SKIPPED)


def test_a_run_that_failed_in_its_warmup_shows_no_measurement() -> None:
    steps = steps_of(RunStatus.FAILED, Phase.COMPLETED, warmup=True, reached=[Phase.WARMUP, Phase.PROCESSING])
    assert [step.state.value for step in steps] == ["done", "done", "skipped", "done", "failed"]
    assert steps[-1].name == "Failed"


def test_a_run_that_was_cancelled_before_its_start_has_been_nowhere() -> None:
    steps = steps_of(RunStatus.CANCELLED, Phase.COMPLETED, warmup=True)
    assert [step.state.value for step in steps] == ["done", "skipped", "skipped", "skipped", "done"]
    assert steps[-1].name == "Cancelled"
