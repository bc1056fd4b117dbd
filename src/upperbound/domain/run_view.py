"""What the orchestrator sees of a run at one moment: the input of :func:`upperbound.domain.decide.decide`.

A view is read from the tables, and from the processes this controller has started. Every age in it is computed by the
store's clock; nothing in it refers to a wall clock.
"""

import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final, TypeAlias

from upperbound.domain.guardrails import GuardrailLimits, GuardrailState, Reading
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.domain.watching import silence_s
from upperbound.domain.worker_state import WorkerExit, WorkerHealth, WorkerStatus, worker_health

_SAID_BY_EXIT: Final = {
    WorkerExit.CONFIGURATION: "configuration",
    WorkerExit.STORE_UNREACHABLE: "store unreachable",
    WorkerExit.NO_START: "no start came",
    WorkerExit.WORKLOAD: "fatal workload error",
}


_CARRIED: Final = frozenset({WorkerStatus.RUNNING, WorkerStatus.DRAINING, WorkerStatus.COMPLETED})
"""States of a worker that has begun to send."""


class KillSignal(StrEnum):
    """A signal for the worker processes of this controller."""

    TERM = "TERM"
    """Drain at once."""
    KILL = "KILL"
    """End, whatever is lost."""


class LossPolicy(StrEnum):
    """What the loss of a worker means for its run."""

    FAIL = "fail"
    """The run fails."""
    CONTINUE = "continue"
    """The run goes on with the workers that are left, and says so; losing the last one fails it."""


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds."""

    start_timeout_s: float = 60.0
    """From STARTING to every worker READY."""
    drain_timeout_s: float = 120.0
    """From the stop to SIGKILL for workers that have not drained."""
    term_after_s: float = 10.0
    """From the stop to SIGTERM, should the STOP event not have reached a worker; after an end, to SIGKILL."""
    load_timeout_s: float = 900.0
    """From the stop to SIGKILL for workers that have drained and load their query logs."""
    kill_grace_s: float = 5.0
    """From SIGKILL, or where we cannot send it from its time, to going on without the workers that are left."""


@dataclass(frozen=True)
class WorkerView:
    """One expected worker, whether or not it has ever said anything."""

    worker_id: str
    """Such as ``worker-0``."""
    status: WorkerStatus | None
    """What its last heartbeat says; None before the first."""
    heartbeat_age_s: float | None
    """Seconds since its last heartbeat; None before the first."""
    exit_code: int | None
    """Of its process, negative for a signal; None while it lives, and always for one that is not ``local``."""
    last_error: str | None
    """The last error of its heartbeat, or else the last line of its output."""
    detail: str | None = None
    """Its progress in its own words, such as ``3 of 8 connections open``."""
    local: bool = True
    """Whether this controller holds its process: it then sees the exit at once and may send signals.

    False before the launch, after a take-over, and on other hosts.
    """
    target_threads: int | None = None
    """Threads it shall use, from the run's row; 0 for a worker that was taken out of the run, None when unknown."""
    cpu_pct: float | None = None
    """From its heartbeat; None when it cannot be read."""
    memory_pct: float | None = None
    """From its heartbeat; None when it cannot be read."""
    heartbeats: int = 0
    """How many it has sent."""
    attempts: int = 0
    """Operations it has reported, failed ones included."""
    joined_late: bool = False
    """Whether it was added to the run while that went on."""
    watched_for_s: float = inf
    """How long this controller has seen heartbeats without a break; see :mod:`upperbound.domain.watching`."""
    is_loading: bool = False
    """Whether its load has drained and it brings its query log into the store."""
    was_ended: bool = False
    """Whether this controller has ended its process because it had gone silent."""

    @property
    def is_ready(self) -> bool:
        """Whether its connections are open, and it waits for the start or has seen it already."""
        return self.exit_code is None and self.status in (WorkerStatus.READY, WorkerStatus.RUNNING)

    @property
    def health(self) -> WorkerHealth | None:
        """What its silence says, as far as it could have been heard; None before its first heartbeat."""
        if self.heartbeat_age_s is None:
            return None
        return worker_health(silence_s(self.heartbeat_age_s, self.watched_for_s))

    @property
    def is_dead(self) -> bool:
        """Whether it has been silent for too long to be alive, while it could have been heard."""
        return self.health is WorkerHealth.DEAD

    @property
    def has_written_its_last(self) -> bool:
        """Whether its process is gone, or it said that it ends."""
        return self.exit_code is not None or self.status in (WorkerStatus.COMPLETED, WorkerStatus.FAILED)

    @property
    def has_ended(self) -> bool:
        """Whether it will write nothing more: its process is gone, it said so, or nobody will ever hear from it."""
        return self.has_written_its_last or (not self.local and (self.status is None or self.is_dead))

    @property
    def is_gone(self) -> bool:
        """Whether its process is known, or as far as anyone here can know, to be no more."""
        return self.exit_code is not None if self.local else self.has_ended

    @property
    def must_be_launched(self) -> bool:
        """Whether it was added to the run and nobody has started its process yet."""
        return self.joined_late and self.status is None and not self.local and not self.is_retired

    @property
    def failed_to_join(self) -> str | None:
        """Say why a worker that was added never carried anything, so that nothing is lost with it; None if it did."""
        happened = self._loss(may_have_completed=True)
        if not self.joined_late or self.attempts or self.status in _CARRIED or happened is None:
            return None
        return f"{self.worker_id} {happened}; last said: {self.last_said}"

    def loss(self, *, may_have_completed: bool) -> str | None:
        """Say how this worker was lost, such as ``worker-1 was killed by signal SIGKILL``; None when it was not.

        ``may_have_completed`` is whether a worker may have ended by now. If so, COMPLETED is no loss however its
        process ended, since everything was written by then; neither is exit code 0, the last heartbeat being on its
        way.
        """
        if self.failed_to_join or self.must_be_launched:
            return None
        happened = self._loss(may_have_completed=may_have_completed)
        return f"{self.worker_id} {happened}; last said: {self.last_said}" if happened else None

    @property
    def is_retired(self) -> bool:
        """Whether it was taken out of the run: it may end before the run does."""
        return self.target_threads == 0

    @property
    def was_heard_from(self) -> bool:
        """Whether it has ever sent a heartbeat."""
        return self.status is not None

    def _loss(self, *, may_have_completed: bool) -> str | None:
        may_have_completed = may_have_completed or self.is_retired
        if self.status is WorkerStatus.COMPLETED and may_have_completed:
            return None
        if self.status is WorkerStatus.FAILED and not self.exit_code:
            return "reported a fatal error"
        if self.exit_code and self.was_ended:
            return "went silent, and its process was ended"
        if self.exit_code:
            return _exit_text(self.exit_code)
        if self.exit_code is not None or self.status is WorkerStatus.COMPLETED:
            return None if may_have_completed else "ended before the run did"
        if self.is_dead:
            return f"was not heard from for {self.heartbeat_age_s:.0f} s"
        return None

    @property
    def last_said(self) -> str:
        """Its last error, else its progress, else ``nothing``."""
        return self.last_error or self.detail or "nothing"

    @property
    def standing(self) -> str:
        """Where it is, with what it last said: ``worker-1 is CONNECTING; last said: 3 of 8 connections open``."""
        if self.status is None:
            return f"{self.worker_id} was never heard from; last said: {self.last_said}"
        return f"{self.worker_id} is {self.status.value}; last said: {self.last_said}"


Ended: TypeAlias = frozenset[tuple[str, WorkerStatus | None]]
"""Workers that will write nothing more, each with what it said last."""


def ended(workers: Iterable[WorkerView]) -> Ended:
    """Return those of the workers that have ended.

    What was collected is whole while none is added to them: neither one that went on when its drain had taken too
    long, nor one that was taken for dead and was not.
    """
    return frozenset((worker.worker_id, worker.status) for worker in workers if worker.has_ended)


@dataclass(frozen=True)
class RunView:
    """One run with all of its workers. Raises :class:`ValueError` when it has none."""

    status: RunStatus
    """From the run's row."""
    phase: Phase
    """From the run's row."""
    status_age_s: float
    """Seconds since STATUS last changed: the wait for the start while STARTING, since the stop while draining."""
    elapsed_s: float | None
    """Seconds since START_TIME; None before it is set."""
    plan: PhasePlan
    """The planned lengths of the phases."""
    workers: tuple[WorkerView, ...]
    """Every worker the run has had so far, in group order; those that were taken out of it included."""
    limits: Limits = field(default_factory=Limits)
    """How long things may take."""
    signalled: KillSignal | None = None
    """The strongest signal this controller has sent to the run's workers."""
    forced: bool = False
    """Whether a second stop was asked for; looked at while STOPPING or CANCELLING, as a first one comes before."""
    processed: bool = False
    """Whether what those that have ended by now have left is collected: logs, results, enrichment."""
    on_worker_loss: LossPolicy = LossPolicy.FAIL
    """What the loss of a worker means."""
    guardrails: GuardrailLimits | None = None
    """Limits on the workers' own machines; None when there are none."""
    new_worker: str | None = None
    """The id of a worker that may be added; None when the run's scaling leaves no room for one."""
    guardrail_state: GuardrailState = field(default_factory=GuardrailState)
    """What the guardrails remember, from the run's row."""

    def __post_init__(self) -> None:
        if not self.workers:
            raise ValueError("a run has at least one worker")

    def losses(self, *, may_have_completed: bool) -> list[str]:
        """Say of every worker that was lost how; see :meth:`WorkerView.loss`."""
        described = (worker.loss(may_have_completed=may_have_completed) for worker in self.workers)
        return [loss for loss in described if loss is not None]

    def remaining(self, *, may_have_completed: bool) -> list[WorkerView]:
        """Return the workers that are not lost and may be relied on; see :meth:`WorkerView.loss`."""
        return [
            worker
            for worker in self.workers
            if worker.loss(may_have_completed=may_have_completed) is None and not worker.failed_to_join
        ]

    @property
    def awaits_a_worker(self) -> bool:
        """Whether a worker that was added is still on its way."""
        return any(
            worker.joined_late
            and worker.status not in _CARRIED
            and not worker.is_retired
            and worker.failed_to_join is None
            for worker in self.workers
        )

    def readings(self) -> list[Reading]:
        """Return what the workers say of their machines: those that send load and are not lost."""
        return [
            Reading(worker.worker_id, worker.heartbeats, worker.cpu_pct, worker.memory_pct, worker.target_threads or 1)
            for worker in self.remaining(may_have_completed=False)
            if worker.status is WorkerStatus.RUNNING and not worker.is_retired
        ]


def _exit_text(exit_code: int) -> str:
    if exit_code < 0:
        try:
            return f"was killed by signal {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"was killed by signal {-exit_code}"
    try:
        return f"exited with code {exit_code} ({_SAID_BY_EXIT[WorkerExit(exit_code)]})"
    except ValueError:
        return f"exited with code {exit_code}"
