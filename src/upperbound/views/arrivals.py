"""What an open loop has offered, beside what it was to offer."""

from upperbound.domain.figures import PhaseFigures
from upperbound.domain.offered import rate_problems
from upperbound.scenario.kinds import Arrivals as ArrivalKind
from upperbound.scenario.loads import QpsLoad
from upperbound.scenario.model import Scenario
from upperbound.views.view import View


class Arrivals(View):
    """The arrivals of the measurement. Each is started, dropped, or left when the load ended."""

    kind: ArrivalKind
    """How they come: at even distances or at random."""
    expected: float
    """What the rate comes to over the measurement."""
    offered: int
    """Arrivals that were due."""
    started: int
    """Of these, those that were sent."""
    completed: int
    """Of these, those that have ended, failed ones included."""
    late: int
    """Of the started ones, those sent more than 1 ms after they were due."""
    dropped: int
    """Arrivals that found the backlog full and were never sent."""
    unstarted: int
    """Arrivals that waited in the backlog when the load ended, or wait there now."""
    rate_offered: bool | None
    """Whether the figures may be compared with others at this rate; null for a run that has not ended."""
    problems: list[str]
    """Why not."""


def target_rate(scenario: Scenario, figures: PhaseFigures) -> float | None:
    """Return the rate to offer: the mean over ``figures`` where stages change it; None in a closed loop."""
    if not isinstance(scenario.load, QpsLoad):
        return None
    if figures.arrivals is not None and figures.seconds > 0 and scenario.load.stages:
        return figures.arrivals.expected / figures.seconds
    return scenario.load.target_qps


def arrivals_of(scenario: Scenario, figures: PhaseFigures, *, judged: bool) -> Arrivals | None:
    """Return what became of the arrivals; None in a closed loop. Nothing is said of the rate unless ``judged``."""
    load, arrivals = scenario.load, figures.arrivals
    if not isinstance(load, QpsLoad) or arrivals is None:
        return None
    problems = rate_problems(arrivals, poisson=load.arrivals is ArrivalKind.POISSON) if judged else ()
    return Arrivals(
        kind=load.arrivals,
        expected=arrivals.expected,
        offered=arrivals.offered,
        started=arrivals.started,
        completed=figures.attempts,
        late=arrivals.late,
        dropped=arrivals.dropped,
        unstarted=arrivals.unstarted,
        rate_offered=not problems if judged else None,
        problems=list(problems),
    )
