"""What the guardrails of a run have seen and done."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from upperbound.domain.guardrails import GuardrailLevel, GuardrailState
from upperbound.scenario.model import Scenario
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.runs import RunRow


class GuardrailAction(View):
    """One thing that was done."""

    at_s: float
    """Seconds since the run's start."""
    action: str
    """``WARNING``, ``SCALE_DOWN``, ``DEGRADED``, ``RECOVERED`` or ``FAILED``."""
    worker_id: str | None
    reason: str
    previous: int | None
    """Threads before, of a SCALE_DOWN."""
    new: int | None
    """Threads after, of a SCALE_DOWN."""


class Guardrails(View):
    """The state of a run's guardrails."""

    state: GuardrailLevel
    """That of the worst worker."""
    workers_over: tuple[str, ...]
    """Workers whose last reading was over a limit."""
    readings: dict[str, str]
    """What was over when last something was, by worker, of those that are not back to normal."""
    actions: tuple[GuardrailAction, ...]
    """The oldest first."""
    threads_taken: int
    """Threads by which the load was lowered in all."""


def guardrails_of(run: "RunRow", scenario: Scenario) -> Guardrails | None:
    """Return the guardrails of a run; None when its scenario sets none."""
    if scenario.guardrails is None:
        return None
    state = GuardrailState.from_json(run.guardrail_state)
    return Guardrails(
        state=state.level,
        workers_over=tuple(state.to_json()["workers_over"]),
        readings={worker_id: guard.reading for worker_id, guard in state.workers.items()},
        actions=tuple(GuardrailAction(**asdict(record)) for record in state.records),
        threads_taken=state.threads_taken,
    )
