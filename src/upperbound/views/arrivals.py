"""What an open loop has offered, beside what it was to offer."""

from upperbound.domain.figures import PhaseFigures
from upperbound.domain.offered import rate_problems
from upperbound.scenario.kinds import Arrivals as ArrivalKind
from upperbound.scenario.loads import QpsLoad
from upperbound.scenario.model import Scenario
from upperbound.views.view import View

UNCHANGED_RATIO = 0.01
"""A mean this close to the rate of the scenario is that rate."""


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
    """Return the rate to offer, its mean over ``figures`` where stages or users change it; None in a closed loop."""
    if not isinstance(scenario.load, QpsLoad):
        return None
    planned = scenario.load.target_qps
    if figures.arrivals is None or figures.seconds <= 0:
        return planned
    mean = figures.arrivals.expected / figures.seconds
    # A worker's window may be some milliseconds shorter than another's, which is no change of the rate.
    return planned if abs(mean / planned - 1) <= UNCHANGED_RATIO and not scenario.load.stages else mean


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
