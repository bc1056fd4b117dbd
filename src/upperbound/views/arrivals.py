"""What an open loop has offered, beside what it was to offer."""

from typing import TYPE_CHECKING

from upperbound.domain.figures import PhaseFigures
from upperbound.domain.offered import rate_problems
from upperbound.domain.qps_control import QpsState, limit_reached
from upperbound.domain.run_state import RunStatus
from upperbound.scenario.kinds import Arrivals as ArrivalKind
from upperbound.scenario.loads import QpsLoad
from upperbound.scenario.model import Scenario
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.runs import RunRow

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
    threads: int | None = None
    """Of all workers, at the end or now: what the rate was found to need, within the bounds of ``scaling``."""
    workers: int | None = None
    """Those that have these threads."""


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


def arrivals_of(run: "RunRow", scenario: Scenario, figures: PhaseFigures) -> Arrivals | None:
    """Return what became of the arrivals; None in a closed loop. Of the rate only a completed run says anything."""
    load, arrivals = scenario.load, figures.arrivals
    if not isinstance(load, QpsLoad) or arrivals is None:
        return None
    judged = run.status is RunStatus.COMPLETED
    found = rate_problems(arrivals, poisson=load.arrivals is ArrivalKind.POISSON) if judged else ()
    problems = [*limit_reached(QpsState.from_json(run.qps_controller_state)), *found] if judged else []
    shares = [threads for threads in run.worker_targets.values() if threads]
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
        problems=problems,
        threads=sum(shares) or None,
        workers=len(shares) or None,
    )
