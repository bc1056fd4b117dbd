"""The objectives of a run beside what was measured."""

from collections.abc import Iterator

from upperbound.domain.figures import PhaseFigures
from upperbound.domain.objectives import RUN_SCOPE, Direction, Objective, evaluate, measured, objective
from upperbound.scenario.model import OperationSlo, Scenario
from upperbound.views.view import View


class SloCheck(View):
    """One objective."""

    scope: str
    """``run``, or the operation."""
    metric: str
    limit: float
    """In the metric's unit; meeting it exactly is enough."""
    direction: Direction
    """On which side of the limit the figure has to be."""
    actual: float | None
    """What was measured; null when there were too few samples, which is not a pass."""
    passed: bool


class Slo(View):
    """All objectives of a run."""

    passed: bool | None
    """Whether every one was met, also when there are none; null for a run that has not completed."""
    checks: list[SloCheck]


def check_objectives(scenario: Scenario, figures: PhaseFigures, *, judged: bool) -> Slo:
    """Hold the scenario's objectives against ``figures``; nothing is checked unless the run is to be ``judged``."""
    if not judged:
        return Slo(passed=None, checks=[])
    objectives = tuple(_objectives(scenario))
    # Most scenarios set none: then nothing has to be looked up in the histograms.
    checks = evaluate(objectives, measured(figures)) if objectives else ()
    return Slo(
        passed=all(check.passed for check in checks),
        checks=[SloCheck(**vars(check)) for check in checks],
    )


def _objectives(scenario: Scenario) -> Iterator[Objective]:
    if scenario.slo is not None:
        yield from _limits(RUN_SCOPE, scenario.slo)
    for operation in scenario.workload.operations:
        if operation.slo is not None:
            yield from _limits(operation.label, operation.slo)


def _limits(scope: str, slo: OperationSlo) -> Iterator[Objective]:
    for key, limit in slo:
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            yield objective(scope, key, float(limit))
