"""Where a run is on its way, as the five bubbles on its page."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus


class StepState(StrEnum):
    """How far one step is."""

    AHEAD = "ahead"
    NOW = "now"
    DONE = "done"
    SKIPPED = "skipped"
    """The run has no such phase, or ended before it."""
    FAILED = "failed"


@dataclass(frozen=True)
class Step:
    """One bubble."""

    name: str
    state: StepState


NAMES: Final = ("Preparing", "Warmup", "Running", "Processing", "Completed")
_PLACE: Final = {
    Phase.PREPARING: 0,
    Phase.WARMUP: 1,
    Phase.MEASUREMENT: 2,
    Phase.COOLDOWN: 2,
    Phase.PROCESSING: 3,
    Phase.COMPLETED: 4,
}
_ENDS: Final = {RunStatus.FAILED: "Failed", RunStatus.CANCELLED: "Cancelled"}


def steps_of(status: RunStatus, phase: Phase, *, warmup: bool, reached: Collection[Phase] = ()) -> list[Step]:
    """Return the five steps.

    ``warmup`` says whether the run has one; ``reached`` are phases that are known to have been: of a run that ended
    early they tell what was left out.
    """
    place = _PLACE[phase]
    over = status in TERMINAL and phase is Phase.COMPLETED
    early = status in _ENDS
    been = {_PLACE[one] for one in reached} | {0}
    steps = []
    for index, name in enumerate(NAMES):
        if index == 4 and over:
            state = StepState.FAILED if status is RunStatus.FAILED else StepState.DONE
            steps.append(Step(_ENDS.get(status, name), state))
        elif index == 1 and not warmup:
            steps.append(Step("No warmup", StepState.SKIPPED))
        elif index == place:
            steps.append(Step(name, StepState.NOW))
        elif index > place:
            steps.append(Step(name, StepState.AHEAD))
        elif early and over and index not in been:
            steps.append(Step(name, StepState.SKIPPED))
        else:
            steps.append(Step(name, StepState.DONE))
    return steps
