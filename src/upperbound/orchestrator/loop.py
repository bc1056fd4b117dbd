"""The orchestrator's loop over one run: read the tables, let the domain decide, write."""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from upperbound.clock import Clock
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
from upperbound.domain.backoff import Backoff
from upperbound.domain.decide import decide, is_over
from upperbound.domain.events import EventType
from upperbound.domain.guardrails import GuardrailState
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.resize import group_of, next_worker
from upperbound.domain.run_state import RunStatus, next_status
from upperbound.domain.run_view import Ended, KillSignal, Limits, RunView, WorkerView, ended
from upperbound.domain.watching import Watch, look
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import RunFailed, StoreUnreachable, WorkerFailed
from upperbound.orchestrator.crew import LOOK_S, Crew
from upperbound.orchestrator.find_max import SEARCH_OVER, find_max_control
from upperbound.orchestrator.finish import collect
from upperbound.orchestrator.follow_up import FollowUp
from upperbound.orchestrator.guardrail_events import event_of, log_verdict
from upperbound.orchestrator.rate_control import BOUNDS_LIMIT_REACHED, rate_control
from upperbound.orchestrator.rollup import RateMeter, roll_up
from upperbound.orchestrator.scaling import room_of
from upperbound.orchestrator.silence_log import SilenceLog
from upperbound.orchestrator.stages import stage_control
from upperbound.orchestrator.stopping import stop_event
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.heartbeats import Heartbeat, HeartbeatRow
from upperbound.store.results import ParentResult
from upperbound.store.runs import Rollup, RunRow

log = logging.getLogger(__name__)

TICK_S = 1.0
"""Between two ticks of a running load."""
BRISK_TICK_S = 0.1
"""Between two ticks while starting and draining, when a user waits for the next step."""
LEASE_S = 6.0
"""How long the run is ours without another tick."""
STORE_PATIENCE_S = 60.0
"""How long the store may be away before the loop gives up."""
AWAY_FIRST_S = 1.0
"""The longest wait after the first call that a store has failed; twice as long after each further one."""
AWAY_MOST_S = 5.0
"""The longest wait between two looks whether a store is back."""
BRISK = frozenset({RunStatus.STARTING, RunStatus.STOPPING, RunStatus.CANCELLING})


class RunLoop:
    """Brings one run to its end.

    Everything that matters is in the store; what this object holds (processes, the strongest signal sent) concerns only
    the processes that this controller has started.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        run_id: str,
        owner: str,
        config: RunConfig,
        run_folder: Path,
        crew: Crew,
        follow_up: FollowUp | None = None,
        limits: Limits | None = None,
        ticked: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Look after the run; ``ticked`` is told how many seconds each tick has taken.

        ``follow_up`` is what remains to be done when the load is over and its figures are written.
        """
        self._ticked = ticked
        self._store, self._clock = store, clock
        self._run_id, self._owner, self._config, self._run_folder = run_id, owner, config, run_folder
        self._crew = crew
        self._follow_up = follow_up or FollowUp(store, clock, run_id, run_folder, None, holder=owner)
        load = config.scenario.load
        self._plan = PhasePlan(warmup_s=load.warmup_seconds, duration_s=load.duration_seconds)
        self._search = find_max_control(store, run_id, owner, config, self._plan)
        self._stages = stage_control(store, run_id, owner, config, self._plan)
        self._rate = rate_control(store, run_id, owner, config)
        guardrails = config.scenario.guardrails
        self._guardrails = guardrails.limits() if guardrails else None
        self._limits = limits or Limits()
        self._exit_codes: dict[str, int | None] = {}
        self._signalled: KillSignal | None = None
        self._ended: set[str] = set()
        """Workers whose processes were ended because they had gone silent."""
        self._forced = False
        self._at_rest: Ended = frozenset()
        """The workers that had ended when the run was last read."""
        self._collected: Ended | None = None
        """Those that had when the results were made; None before."""
        self._noted: tuple[RunStatus, Phase] | None = None
        """The status and phase that the log has last told of."""
        self._silences = SilenceLog()
        self._meter = RateMeter()
        self._rollup: Rollup | None = None
        self._watch: Watch | None = None
        """Since when we have seen the heartbeats without a break."""
        self._backoff = Backoff(AWAY_FIRST_S, AWAY_MOST_S, random.random)
        self._hurried = False
        self._left = False

    def force(self) -> None:
        """End the run now, whatever is in flight; a run that is still sending must have been asked to stop before.

        Takes no lock, so that it may be called from a signal handler.
        """
        self._forced = True
        self._hurried = True

    def hurry(self) -> None:
        """Let the next tick come at once; may be called from a signal handler."""
        self._hurried = True

    def leave(self) -> None:
        """Let :meth:`drive` return soon without ending the run: another controller may take it over at once.

        Its workers go on by the plan meanwhile. From any thread.
        """
        self._left = True
        self._hurried = True

    def drive(self, on_tick: Callable[[RunRow], None] | None = None) -> RunRow:
        """Tick until the run is over, or is to be left, and return its row; ``on_tick`` sees the row after each tick.

        Raises:
            StoreUnreachable: the store stayed away for :data:`STORE_PATIENCE_S`, or is away when the end is forced;
                then the processes of this controller are ended.
            RunFailed: another controller has taken the run over, or the store is away when the run is left; its workers
                go on.
        """
        try:
            return self._drive(on_tick)
        finally:
            self._follow_up.leave()

    def _drive(self, on_tick: Callable[[RunRow], None] | None) -> RunRow:
        reachable_ns = self._clock.monotonic_ns()
        while True:
            try:
                began_ns = self._clock.monotonic_ns()
                over, run = self.tick()
                reachable_ns = self._clock.monotonic_ns()
                self._backoff.reset()
                self._ticked((reachable_ns - began_ns) / 1e9)
                if on_tick is not None:
                    on_tick(run)
                if over or self._left:
                    self._store.runs.release_lease(self._run_id, self._owner)
                    return run
                calm = run.status is RunStatus.RUNNING or self._is_following_up
                self._wait(TICK_S if calm else BRISK_TICK_S, run)
            except StoreUnreachable as error:
                away_s = (self._clock.monotonic_ns() - reachable_ns) / 1e9
                log.warning("the store has been away for %.0f s: %s", away_s, error)
                if self._left:
                    raise RunFailed(f"run {self._run_id} is left while the store is away") from None
                if self._forced:
                    # Whoever wants the end at once does not want to wait until that can be written down.
                    self._kill(KillSignal.KILL)
                    raise
                if away_s > STORE_PATIENCE_S:
                    raise
                self._pause(self._backoff.next_s())

    def tick(self) -> tuple[bool, RunRow]:
        """Read, decide, write, once; returns whether the run is over, and its row as it was read.

        Raises:
            RunFailed: another controller has taken the run over.
        """
        if not self._store.runs.extend_lease(self._run_id, self._owner, LEASE_S) and not self._store.runs.acquire_lease(
            self._run_id, self._owner, LEASE_S
        ):
            raise RunFailed(
                f"run {self._run_id} has been taken over by another controller",
                hint=f"watch it with `upperbound runs show {self._run_id}`",
            )
        # The time is read last, so that a worker that has ended by the plan never seems to have ended before it.
        self._exit_codes = self._crew.exit_codes()
        heartbeats = {row.worker_id: row for row in self._store.heartbeats.list(self._run_id)}
        run = self._store.runs.get(self._run_id)
        self._watch = look(self._watch, self._clock.monotonic_ns() / 1e9)
        self._note(run)
        view = self._view(run, heartbeats)
        self._silences.note(view.workers)
        if run.status is RunStatus.RUNNING or run.status in BRISK:
            self._roll_up(view, heartbeats)
        self._bound_follow_up(run)
        for action in self._actions(view, run):
            if not self._apply(action, run):
                break
        return is_over(view), run

    def _actions(self, view: RunView, run: RunRow) -> list[Action]:
        """Return what is to be done; a search, stages and a rate move on only in a run that goes on."""
        actions = decide(view)
        going_on = run.status is RunStatus.RUNNING and not any(isinstance(action, Stop | Fail) for action in actions)
        if self._search is not None and going_on and self._search.tick(run):
            actions.append(Stop(SEARCH_OVER, RunStatus.STOPPING))
        if self._stages is not None and going_on:
            self._stages.tick(run)
        if self._rate is not None and going_on and self._rate.tick(run):
            actions.append(Stop(BOUNDS_LIMIT_REACHED, RunStatus.STOPPING))
        return actions

    def _note(self, run: RunRow) -> None:
        """Log what has changed since the run was last read, whoever changed it."""
        seen = (run.status, run.phase)
        if seen == self._noted:
            return
        self._noted = seen
        why = "; ".join(part for part in (run.completion_reason, run.cancellation_reason) if part)
        failed = run.status is RunStatus.FAILED
        log.log(
            logging.ERROR if failed else logging.INFO,
            "run %s is %s, phase %s%s",
            self._run_id,
            run.status.value,
            run.phase.value,
            f": {why}" if why else "",
        )

    # Reading ----------------------------------------------------------------------------------------------------

    def _view(self, run: RunRow, heartbeats: Mapping[str, HeartbeatRow]) -> RunView:
        workers = tuple(
            self._worker(worker_id, heartbeats.get(worker_id), threads)
            for worker_id, threads in sorted(run.worker_targets.items(), key=lambda item: group_of(item[0]))
        )
        self._at_rest = ended(workers)
        return RunView(
            status=run.status,
            phase=run.phase,
            status_age_s=run.status_age_s,
            elapsed_s=run.elapsed_s,
            plan=self._plan,
            workers=workers,
            limits=self._limits,
            on_worker_loss=self._config.scenario.on_worker_loss,
            guardrails=self._guardrails,
            guardrail_state=GuardrailState.from_json(run.guardrail_state),
            new_worker=self._new_worker(run),
            signalled=self._signalled,
            forced=self._forced,
            processed=self._is_collected and self._follow_up.is_done,
        )

    def _new_worker(self, run: RunRow) -> str | None:
        """Return the id of a worker that may be added without being asked for."""
        room = room_of(self._config)
        carrying = sum(threads > 0 for threads in run.worker_targets.values())
        if room.fixed or len(run.worker_targets) >= room.capacity:
            return None
        if room.max_workers is not None and carrying >= room.max_workers:
            return None
        return next_worker(run.worker_targets)

    def _worker(self, worker_id: str, heartbeat: HeartbeatRow | None, target_threads: int | None) -> WorkerView:
        local = self._crew.has(worker_id)
        exit_code = self._exit_codes.get(worker_id)
        said = heartbeat.last_error if heartbeat else None
        if not said and local and exit_code:
            said = self._crew.last_output(worker_id)
        return WorkerView(
            worker_id=worker_id,
            status=heartbeat.status if heartbeat else None,
            heartbeat_age_s=heartbeat.age_s if heartbeat else None,
            watched_for_s=self._watch.lasted_s if self._watch else 0.0,
            exit_code=exit_code,
            last_error=said or None,
            detail=heartbeat.detail if heartbeat else None,
            local=local,
            target_threads=target_threads,
            cpu_pct=heartbeat.cpu_pct if heartbeat else None,
            memory_pct=heartbeat.memory_pct if heartbeat else None,
            heartbeats=heartbeat.heartbeat_count if heartbeat else 0,
            joined_late=group_of(worker_id) >= len(self._config.threads),
            was_ended=worker_id in self._ended,
            attempts=heartbeat.queries + heartbeat.errors if heartbeat else 0,
            is_loading=bool(heartbeat and heartbeat.phase is Phase.PROCESSING),
        )

    def _roll_up(self, view: RunView, heartbeats: Mapping[str, HeartbeatRow]) -> None:
        """Write what all workers have done together, if it has changed."""
        rates = self._meter.rates(self._store.snapshots.newest(self._run_id))
        rollup = roll_up(view.workers, heartbeats, rates)
        if rollup != self._rollup:
            self._store.runs.update_rollup(self._run_id, rollup, holder=self._owner)
            self._rollup = rollup

    # Writing ----------------------------------------------------------------------------------------------------

    def _apply(self, action: Action, run: RunRow) -> bool:
        """Carry out one action; False when the run's status has changed since it was read."""
        store, run_id = self._store, self._run_id
        match action:
            case MarkRunning(missing=missing):
                return self._mark_running(missing)
            case SetPhase(phase=phase):
                told = NewEvent(EventType.SET_PHASE, {"phase": phase.value}) if phase is Phase.MEASUREMENT else None
                store.runs.set_phase(run_id, phase, told, holder=self._owner)
            case Stop(reason=reason) | Fail(reason=reason):
                level = logging.ERROR if isinstance(action, Fail) else logging.INFO
                log.log(level, "run %s ends its load: %s", run_id, reason)
                return self._transition(
                    run,
                    next_status(run.status, action.event),
                    completion_reason=reason,
                    event=stop_event(reason=reason, initiated_by="orchestrator"),
                )
            case Complete(reason=reason):
                return self._transition(run, next_status(run.status, action.event), completion_reason=reason or None)
            case Cancel(reason=reason):
                said = "; ".join(part for part in (run.cancellation_reason, reason) if part)
                return self._transition(run, next_status(run.status, action.event), cancellation_reason=said or None)
            case KillWorkers(signal=signal):
                self._kill(signal)
            case Process():
                self._process(run)
            case Launch(worker_ids=worker_ids):
                for worker_id in worker_ids:
                    self._launch(worker_id, run.phase)
            case KeepGuardrails():
                return self._keep_guardrails(action, run)
            case EndLost() | Dismiss():
                self._go_on_without(action)
        return True

    def _mark_running(self, missing: tuple[str, ...]) -> bool:
        """Start the run's clock and tell the workers, unless the run is STARTING no more."""
        start = NewEvent(EventType.START, {"missing": list(missing)} if missing else {})
        if not self._store.runs.mark_running(self._run_id, self._plan.warmup_s, start, holder=self._owner):
            return False
        if missing:
            log.warning("run %s starts without %s", self._run_id, " | ".join(missing))
        return True

    def _launch(self, worker_id: str, phase: Phase) -> None:
        """Start a worker that was added to the run; whoever reads its heartbeat knows that it was started."""
        beat = Heartbeat(self._run_id, worker_id, group_of(worker_id), WorkerStatus.STARTING, phase)
        # Before the process: should we end between the two there is none, and never are there two, not even when we
        # were held up for longer than our lease.
        if not self._store.heartbeats.claim(beat):
            return
        try:
            self._crew.start(worker_id, group_of(worker_id))
        except WorkerFailed as error:
            self._store.heartbeats.upsert(replace(beat, status=WorkerStatus.FAILED, last_error=str(error)))

    def _keep_guardrails(self, action: KeepGuardrails, run: RunRow) -> bool:
        """Write what the guardrails have decided on; False when somebody else has changed the run since it was read."""
        told = [event_of(verdict) for verdict in action.verdicts]
        if not self._store.runs.set_guardrails(
            self._run_id, action.state.to_json(), action.targets, told, seen=run, holder=self._owner
        ):
            return False
        for verdict in action.verdicts:
            log_verdict(verdict)
        return True

    def _go_on_without(self, action: EndLost | Dismiss) -> None:
        """Carry out what keeps a run going in spite of trouble with a worker; the run's status stays as it is."""
        store, run_id = self._store, self._run_id
        match action:
            case EndLost(worker_ids=lost):
                for worker_id in lost:
                    log.warning("%s went silent; its process is ended and run %s goes on without it", worker_id, run_id)
                    self._ended.add(worker_id)
                    self._crew.end(worker_id)
            case Dismiss(worker_id=worker_id, reason=reason):
                log.warning("run %s goes on without a worker that was added: %s", run_id, reason)
                self._crew.end(worker_id)
                store.runs.set_targets(run_id, {worker_id: 0}, holder=self._owner)

    def _transition(
        self,
        run: RunRow,
        to: RunStatus,
        *,
        completion_reason: str | None = None,
        cancellation_reason: str | None = None,
        event: NewEvent | None = None,
    ) -> bool:
        return self._store.runs.transition(
            self._run_id,
            expected=run.status,
            to=to,
            completion_reason=completion_reason,
            cancellation_reason=cancellation_reason,
            event=event,
            holder=self._owner,
        )

    def _kill(self, signal: KillSignal) -> None:
        self._signalled = signal
        self._crew.signal(signal)

    @property
    def _is_collected(self) -> bool:
        """Whether results were made of all that those workers have left which have ended."""
        return self._collected is not None and self._at_rest <= self._collected

    @property
    def _is_following_up(self) -> bool:
        return self._is_collected and not self._follow_up.is_done

    def _bound_follow_up(self, run: RunRow) -> None:
        """Let what follows the load take no longer than the run's end allows."""
        if self._forced:
            self._follow_up.cut_short()
        elif run.cancellation_reason or run.status in (RunStatus.CANCELLING, RunStatus.CANCELLED, RunStatus.FAILED):
            self._follow_up.hurry()

    def _process(self, run: RunRow) -> None:
        """Collect what the workers left, write the run's result and begin what follows, unless that is under way."""
        if self._is_collected:
            return
        worker_ids = list(run.worker_targets)
        if any(self._exit_codes.get(worker_id) != 0 for worker_id in worker_ids):
            self._crew.clear_target()
        collected = collect(self._store, self._run_id, worker_ids, self._run_folder)
        figures = collected.figures
        status, reason = self._follow_up.first_status
        written = self._store.results.finish_parent(
            self._run_id,
            ParentResult(
                worker_count=len(worker_ids),
                threads=sum(self._config.threads),
                operations=figures.operations,
                failed=figures.failed,
                warmup_operations=figures.warmup_operations,
                duration_s=figures.seconds,
                qps=figures.qps,
                figures=figures.to_json(),
                query_log=collected.query_log,
                failure_reason=run.completion_reason if run.status is RunStatus.FAILED else None,
                enrichment_status=status.value,
                enrichment_reason=reason,
            ),
            holder=self._owner,
        )
        if not written:
            return  # The run is another controller's by now, which the next tick says.
        self._collected = self._at_rest
        log.info(
            "processed: %d operations and %d failed, %s rows in the query log",
            figures.operations,
            figures.failed,
            collected.query_log["rows"],
        )
        if problem := collected.query_log.get("problem"):
            log.warning("something of the query log is missing: %s", problem)
        self._follow_up.begin(collected.worker_rows, collected.query_log, self.hurry)

    # Waiting ----------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float, run: RunRow) -> None:
        """Wait for the next tick: its time, the end of a process, the plan's next phase, or someone in a hurry."""
        if run.status is RunStatus.RUNNING and run.elapsed_s is not None:
            edges = (self._plan.warmup_s, self._plan.total_s, *(self._stages.begins_s if self._stages else ()))
            ahead = [edge - run.elapsed_s for edge in edges]
            seconds = min([seconds, *(edge + LOOK_S for edge in ahead if edge > 0)])
        self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        """Let time pass, but not beyond the end of a process or the wish of someone in a hurry."""
        alive = len(self._crew.alive())
        deadline = self._clock.monotonic_ns() + int(seconds * 1e9)
        while self._clock.monotonic_ns() < deadline and not self._hurried and len(self._crew.alive()) == alive:
            self._clock.sleep(LOOK_S)
        self._hurried = False
