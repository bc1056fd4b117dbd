"""What the orchestrator is told to do: the output of :func:`upperbound.domain.decide.decide`.

Actions of a tick are carried out in their order. An action with an ``event`` changes the run's status by
compare-and-set from the status of the view; when that fails, somebody else was faster, and the rest of the tick is
dropped. Every action may be repeated safely.
"""

from dataclasses import dataclass
from typing import ClassVar

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunEvent, RunStatus
from upperbound.domain.run_view import KillSignal


@dataclass(frozen=True)
class MarkRunning:
    """Set RUNNING, START_TIME and the first phase, and append START."""

    event: ClassVar[RunEvent] = RunEvent.ALL_READY


@dataclass(frozen=True)
class SetPhase:
    """Write the phase, and while load is being sent append SET_PHASE."""

    phase: Phase
    """The phase from now on; always later than the one in the view."""


@dataclass(frozen=True)
class Stop:
    """Set ``status`` and append STOP."""

    reason: str
    """For the event and the run's row."""
    status: RunStatus
    """STOPPING: the plan is done. (A user's stop writes CANCELLING itself and needs no tick.)"""

    event: ClassVar[RunEvent] = RunEvent.DURATION_OVER


@dataclass(frozen=True)
class Fail:
    """Set FAILED with ``reason`` and append STOP, so that workers elsewhere end as well."""

    reason: str
    """``code: what happened to which worker, and what it last said``; codes: ``worker_failure``, ``start_timeout``."""

    event: ClassVar[RunEvent] = RunEvent.FAIL


@dataclass(frozen=True)
class Process:
    """Collect what the workers left, unless that is under way; the view says ``processed`` when it is done.

    Seals logs that a killed worker left open, merges and writes the final results, starts enrichment.
    """


@dataclass(frozen=True)
class Complete:
    """Set COMPLETED."""

    event: ClassVar[RunEvent] = RunEvent.DRAINED


@dataclass(frozen=True)
class Cancel:
    """Set CANCELLED."""

    forced: bool
    """Whether the drain was cut short."""
    reason: str
    """What was lost, to be added to the reason that the stop gave; empty when nothing was."""

    @property
    def event(self) -> RunEvent:
        """FORCED or DRAINED."""
        return RunEvent.FORCED if self.forced else RunEvent.DRAINED


@dataclass(frozen=True)
class KillWorkers:
    """Send ``signal`` to every worker process of this controller that lives, and remember it as ``signalled``."""

    signal: KillSignal


Action = MarkRunning | SetPhase | Stop | Fail | Process | Complete | Cancel | KillWorkers
"""Anything :func:`~upperbound.domain.decide.decide` may ask for."""
