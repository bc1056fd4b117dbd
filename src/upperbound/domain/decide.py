"""The orchestrator's tick: from what the tables say to what is to be done, without a clock, a store or a process.

Calling :func:`decide` again with an unchanged view gives the same actions, so a controller that dies between two
actions is followed by one that does the rest.
"""

from typing import Final

from upperbound.domain.actions import (
    Action,
    Cancel,
    Complete,
    Dismiss,
    EndLost,
    Fail,
    KeepGuardrails,
    KillWorkers,
    Launch,
    MarkRunning,
    Process,
    SetPhase,
    Stop,
)
from upperbound.domain.guardrails import Exhausted, evaluate
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.domain.run_view import KillSignal, Limits, LossPolicy, RunView, WorkerView

__all__ = [
    "DURATION_OVER",
    "Action",
    "Cancel",
    "Complete",
    "Dismiss",
    "EndLost",
    "Fail",
    "KeepGuardrails",
    "KillSignal",
    "KillWorkers",
    "Launch",
    "Limits",
    "LossPolicy",
    "MarkRunning",
    "Process",
    "RunView",
    "SetPhase",
    "Stop",
    "WorkerView",
    "decide",
    "is_over",
]

DURATION_OVER: Final = "duration_over"
"""The completion reason of a run that has lasted as long as its plan."""
_PHASE_ORDER = list(Phase)

CLOCK_RATE_ERROR = 0.001
"""How much faster than the store's clock a worker's may go, as a share; what is kept on time by NTP stays below."""
CLOCK_READING_ERROR_S = 0.5
"""How far a worker may be out when it learns the start from the store: half of the time the answer took."""


def decide(view: RunView) -> list[Action]:
    """Return what is to be done now, in order; empty when there is nothing to do but wait.

    At most one action changes the status, and it is one that the run's transition table allows.
    """
    match view.status:
        case RunStatus.PREPARED:
            return []
        case RunStatus.STARTING:
            return _while_starting(view)
        case RunStatus.RUNNING:
            return _while_running(view)
        case RunStatus.STOPPING | RunStatus.CANCELLING:
            return _while_draining(view)
        case RunStatus.COMPLETED | RunStatus.CANCELLED | RunStatus.FAILED:
            return _after_the_end(view)


def is_over(view: RunView) -> bool:
    """Say whether the loop may let go of the run: it has ended, its results are written and no process is left.

    A process that outlives SIGKILL, or that belongs to another controller, is waited for only as long as the limits
    say.
    """
    return view.status in TERMINAL and view.phase is Phase.COMPLETED and _processes_are_gone(view)


def _while_starting(view: RunView) -> list[Action]:
    losses = view.losses(may_have_completed=False)
    if losses and _is_fatal(view, may_have_completed=False):
        return _fail(view, "worker_failure", losses)
    remaining = view.remaining(may_have_completed=False)
    missing = [worker.standing for worker in remaining if not worker.is_ready]
    if not missing:
        return [*_end_lost(view), MarkRunning(missing=tuple(losses))]
    if view.status_age_s < view.limits.start_timeout_s:
        return _end_lost(view)
    if view.on_worker_loss is LossPolicy.CONTINUE and len(missing) < len(remaining):
        return [*_end_lost(view), MarkRunning(missing=(*losses, *missing))]
    summary = f"{len(missing)} of {len(view.workers)} workers not ready after {view.limits.start_timeout_s:g} s"
    return _fail(view, f"start_timeout: {summary}", missing)


def _while_running(view: RunView) -> list[Action]:
    elapsed_s = view.elapsed_s or 0.0
    phase = view.plan.phase_at(elapsed_s)
    time_is_over = phase is Phase.COOLDOWN
    # Workers end by the plan on their own, each by its own clock, so that an end is no loss by then.
    nearly_over = elapsed_s >= view.plan.total_s * (1 - CLOCK_RATE_ERROR) - CLOCK_READING_ERROR_S
    losses = view.losses(may_have_completed=nearly_over)
    if losses and _is_fatal(view, may_have_completed=nearly_over):
        return _fail(view, "worker_failure", losses)
    if time_is_over:
        return [*_end_lost(view), Stop(DURATION_OVER, RunStatus.STOPPING), *_advance(view, phase)]
    guarded = _guard(view, elapsed_s)
    if any(isinstance(action, Fail) for action in guarded):
        return guarded
    return [*_end_lost(view), *_join(view), *guarded, *_advance(view, phase)]


def _while_draining(view: RunView) -> list[Action]:
    cooled = [*_advance(view, Phase.COOLDOWN), *_end_lost(view)]
    losses = view.losses(may_have_completed=True)
    left = [worker for worker in view.workers if not worker.has_ended]
    fatal = bool(losses) and _is_fatal(view, may_have_completed=True)
    # When all have drained there is nothing to force but what follows the load, which whoever forces it cuts short.
    if view.forced and (left or view.status is RunStatus.CANCELLING):
        return [*cooled, *_signal(view, KillSignal.KILL), Cancel(forced=True, reason=_lost(losses, left))]
    # Once we have sent a signal ourselves, a worker that dies of it is a drain cut short and no failure of the worker.
    if fatal and view.status is RunStatus.STOPPING and view.signalled is None:
        return [*cooled, *_fail(view, "worker_failure", losses)]
    if left and _only_loads(view, left) and view.status_age_s < view.limits.load_timeout_s:
        return [*_advance(view, Phase.PROCESSING), *_end_lost(view)]
    limit_s = view.limits.load_timeout_s if _only_loads(view, left) else view.limits.drain_timeout_s
    if left and view.status_age_s < limit_s + view.limits.kill_grace_s:
        return [*cooled, *_escalate(view, limit_s)]
    if not view.processed:
        return [*cooled, *_advance(view, Phase.PROCESSING), Process()]
    lost = _lost(losses, left)
    accepted = not fatal and not left and view.signalled is not KillSignal.KILL
    if view.status is RunStatus.STOPPING and (accepted or not lost):
        return [Complete(_shortfall(view, losses)), *_advance(view, Phase.COMPLETED)]
    cut_short = view.status is RunStatus.STOPPING or view.signalled is KillSignal.KILL
    return [Cancel(forced=cut_short, reason=lost), *_advance(view, Phase.COMPLETED)]


def _after_the_end(view: RunView) -> list[Action]:
    if not _processes_are_gone(view):
        if view.status_age_s >= view.limits.term_after_s:
            return _signal(view, KillSignal.KILL)
        return _signal(view, KillSignal.TERM) if view.status is RunStatus.FAILED else []
    if not view.processed:
        return [*_advance(view, Phase.PROCESSING), Process()]
    return _advance(view, Phase.COMPLETED)


def _processes_are_gone(view: RunView) -> bool:
    waited_enough = view.status_age_s >= view.limits.term_after_s + view.limits.kill_grace_s
    return waited_enough or all(worker.is_gone for worker in view.workers)


def _is_fatal(view: RunView, *, may_have_completed: bool) -> bool:
    """Say whether a run that has lost workers cannot go on: by its policy, or because nobody carries it any more.

    A worker that was never heard from may still come, and is none to rely on.
    """
    if view.on_worker_loss is LossPolicy.FAIL:
        return True
    remaining = view.remaining(may_have_completed=may_have_completed)
    if view.status is RunStatus.STARTING:
        return not remaining
    return not any(worker.was_heard_from and (may_have_completed or not worker.has_ended) for worker in remaining)


def _end_lost(view: RunView) -> list[Action]:
    """End processes of workers that went silent and that the run goes on without, again until they are gone."""
    if view.on_worker_loss is LossPolicy.FAIL:
        return []
    silent = tuple(
        worker.worker_id for worker in view.workers if worker.local and worker.is_dead and not worker.is_gone
    )
    return [EndLost(silent)] if silent else []


def _join(view: RunView) -> list[Action]:
    """Bring workers that were added to the run into it, and give up those that did not come."""
    new = tuple(worker.worker_id for worker in view.workers if worker.must_be_launched)
    failed = [
        Dismiss(worker.worker_id, worker.failed_to_join)
        for worker in view.workers
        if worker.failed_to_join and not worker.is_retired
    ]
    return [*([Launch(new)] if new else []), *failed]


def _guard(view: RunView, elapsed_s: float) -> list[Action]:
    """Hold the workers' machines against the run's guardrails."""
    if view.guardrails is None:
        return []
    new_worker = None if view.awaits_a_worker else view.new_worker
    state, verdicts = evaluate(view.guardrail_state, view.readings(), view.guardrails, elapsed_s, new_worker)
    told = tuple(verdict for verdict in verdicts if not isinstance(verdict, Exhausted))
    actions: list[Action] = [KeepGuardrails(state, told)] if state != view.guardrail_state else []
    for verdict in verdicts:
        if isinstance(verdict, Exhausted):
            return [*actions, Fail(verdict.reason), *_signal(view, KillSignal.TERM)]
    return actions


def _shortfall(view: RunView, losses: list[str]) -> str:
    """Say what a completed run lacks against its plan: load that was taken back, workers that were lost or idle."""
    said = [view.guardrail_state.degraded_reason]
    absent = [reason for worker in view.workers if (reason := worker.failed_to_join)]
    absent += [f"{worker.worker_id} was not started any more" for worker in view.workers if worker.must_be_launched]
    if absent:
        said.append(f"scale_out: {' | '.join(absent)}")
    if losses:
        said.append(f"worker_loss: {len(losses)} of {len(view.workers)} workers: {' | '.join(losses)}")
    if view.on_worker_loss is LossPolicy.CONTINUE:
        idle = [
            worker.worker_id
            for worker in view.remaining(may_have_completed=True)
            if not worker.attempts and not worker.is_retired and not worker.must_be_launched
        ]
        said += [f"worker_absent: {', '.join(idle)} contributed nothing"] if idle else []
    return "; ".join(part for part in said if part)


def _fail(view: RunView, code: str, workers: list[str]) -> list[Action]:
    return [Fail(f"{code}: {' | '.join(workers)}"), *_signal(view, KillSignal.TERM)]


def _only_loads(view: RunView, left: list[WorkerView]) -> bool:
    """Say whether nothing but query logs on their way to the store keeps the workers of a run that ends as planned.

    Nobody waits long for the logs of a run that was called off: what they have not loaded is loaded afterwards.
    """
    return view.status is RunStatus.STOPPING and all(worker.is_loading for worker in left)


def _escalate(view: RunView, limit_s: float) -> list[Action]:
    if view.status_age_s >= limit_s:
        return _signal(view, KillSignal.KILL)
    if view.status_age_s >= view.limits.term_after_s:
        return _signal(view, KillSignal.TERM)
    return []


def _signal(view: RunView, signal: KillSignal) -> list[Action]:
    """Send ``signal`` unless it, or a stronger one, was sent already or there is no process to send it to."""
    if view.signalled in (signal, KillSignal.KILL) or not any(w.local and not w.is_gone for w in view.workers):
        return []
    return [KillWorkers(signal)]


def _advance(view: RunView, phase: Phase) -> list[Action]:
    """Move on to ``phase`` unless the run is there or beyond: a clock that steps back must not bring back a phase."""
    return [SetPhase(phase)] if _PHASE_ORDER.index(phase) > _PHASE_ORDER.index(view.phase) else []


def _lost(losses: list[str], left: list[WorkerView]) -> str:
    """Say what a drain has lost: workers that ended badly, and those that had not ended."""
    unfinished = [f"{worker.standing}; it had not drained" for worker in left if not worker.is_dead]
    return " | ".join([*losses, *unfinished])
