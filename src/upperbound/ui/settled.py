"""Whether anything of a run can still change."""

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.store.runs import RunRow


def is_over(status: RunStatus, phase: Phase) -> bool:
    """Say whether a run has ended and its results are written."""
    return status in TERMINAL and phase is Phase.COMPLETED


def is_settled(run: RunRow) -> bool:
    """Say the same of a run's row."""
    return is_over(run.status, run.phase)
