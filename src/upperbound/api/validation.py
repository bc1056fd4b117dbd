"""Whether a scenario is right, and what a run of it would be."""

from collections.abc import Sequence
from typing import Any

from upperbound.api.errors import ProblemEntry, entries
from upperbound.api.parameters import load_input
from upperbound.errors import ConfigurationError
from upperbound.orchestrator.host_facts import host_facts, plan_on_host
from upperbound.scenario.loader import LoadedScenario
from upperbound.views.plan import Plan
from upperbound.views.view import View


class Validation(View):
    """Whether a scenario is right."""

    valid: bool
    problems: list[ProblemEntry]
    """Every one."""
    warnings: list[str]
    scenario: dict[str, Any] | None
    """With everything that was left out; null when it is wrong."""
    plan: Plan | None
    """What a run would be; null when it is wrong, or impossible on this machine."""


def check(scenario: dict[str, Any] | str, overrides: Sequence[str]) -> Validation:
    """Say whether a scenario is right."""
    try:
        return judged(load_input(scenario, overrides))
    except ConfigurationError as error:
        return Validation(valid=False, problems=_problems(error), warnings=[], scenario=None, plan=None)


def judged(loaded: LoadedScenario) -> Validation:
    """Return a scenario that was checked, and whether it is possible on this machine."""
    scenario, warnings = loaded.scenario.model_dump(mode="json"), list(loaded.warnings)
    try:
        planned = plan_on_host(loaded.scenario, host_facts())
    except ConfigurationError as error:
        return Validation(valid=False, problems=_problems(error), warnings=warnings, scenario=scenario, plan=None)
    load = loaded.scenario.load
    plan = Plan(
        workers=planned.worker_count,
        threads=list(planned.threads),
        total_threads=planned.total_threads,
        peak_threads=planned.peak_threads,
        warmup_seconds=load.warmup_seconds,
        duration_seconds=load.duration_seconds,
        total_seconds=load.warmup_seconds + load.duration_seconds,
    )
    return Validation(valid=True, problems=[], warnings=warnings, scenario=scenario, plan=plan)


def _problems(error: ConfigurationError) -> list[ProblemEntry]:
    """Return every problem; an error that lists none is one itself."""
    return entries(error.problems) or [ProblemEntry(where="", message=error.message, hint=error.hint)]
