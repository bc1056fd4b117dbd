"""What the orchestrator is told to do: the output of :func:`upperbound.domain.decide.decide`.

Actions of a tick are carried out in their order. An action with an ``event`` changes the run's status by
compare-and-set from the status of the view; when that fails, somebody else was faster, and the rest of the tick is
dropped. Every action may be repeated safely.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from upperbound.domain.guardrails import AddWorker, GuardrailState, ScaleDown, WarnWorker
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunEvent, RunStatus
from upperbound.domain.run_view import KillSignal


@dataclass(frozen=True)
class MarkRunning:
    """Set RUNNING, START_TIME and the first phase, and append START."""

    missing: tuple[str, ...] = ()
    """What is known of the workers that the run starts without; they join it when they get ready."""

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
    """``code: what happened to which worker, and what it last said``.

    Codes: ``worker_failure``, ``start_timeout``, ``RESOURCE_EXHAUSTION``.
    """

    event: ClassVar[RunEvent] = RunEvent.FAIL


@dataclass(frozen=True)
class Process:
    """Collect what the workers left, unless that is under way; the view says ``processed`` when it is done.

    Seals logs that a killed worker left open, merges and writes the final results, starts enrichment.
    """


@dataclass(frozen=True)
class Complete:
    """Set COMPLETED."""

    reason: str = ""
    """What the result lacks against the plan, for the completion reason; empty when it lacks nothing."""

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


@dataclass(frozen=True)
class EndLost:
    """Send SIGKILL to the processes of workers that are lost and still there: they must not come back to the run."""

    worker_ids: tuple[str, ...]


@dataclass(frozen=True)
class Launch:
    """Start the processes of workers that were added to the run, each at most once."""

    worker_ids: tuple[str, ...]


@dataclass(frozen=True)
class Dismiss:
    """Take a worker that was added and did not come out of the run again, and end what there is of its process."""

    worker_id: str
    reason: str
    """What became of it, and what it last said."""


@dataclass(frozen=True)
class KeepGuardrails:
    """Write the guardrails' state, the targets that have changed and the events that tell of both, or nothing."""

    state: GuardrailState
    verdicts: tuple[WarnWorker | ScaleDown | AddWorker, ...] = ()
    """What the workers are told, in order; empty when only something is to be remembered."""

    @property
    def targets(self) -> Mapping[str, int]:
        """Threads by worker id, of the workers whose target changes and of one that is added."""
        return {each.worker_id: each.new for each in self.verdicts if isinstance(each, ScaleDown | AddWorker)}


Action = (
    MarkRunning
    | SetPhase
    | Stop
    | Fail
    | Process
    | Complete
    | Cancel
    | KillWorkers
    | EndLost
    | Launch
    | Dismiss
    | KeepGuardrails
)
"""Anything :func:`~upperbound.domain.decide.decide` may ask for."""
