"""The search for the highest load as a part of the orchestrator's tick: reads what the workers report, writes steps.

All that the search knows is in the run's row. A step is written to its history first, then the state with the targets
of the next step and the events that announce them, in one transaction: a controller that takes over at any moment makes
no step twice and leaves none out.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from upperbound.domain.allocation import fill, per_worker_cap
from upperbound.domain.events import EventType
from upperbound.domain.figures import PhaseFigures, client_bound, interval, merge
from upperbound.domain.find_max import FindMaxState, begin, give_up, observe
from upperbound.domain.find_max_pace import Window, WorkerSeen, pace
from upperbound.domain.find_max_steps import FindMaxPlan, Step, StepFigures
from upperbound.domain.histogram import latency_ms
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.queueing import queues
from upperbound.domain.resize import group_of, worker_name
from upperbound.orchestrator.host_facts import host_facts
from upperbound.scenario.loads import FindMaxLoad
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.find_max import FindMaxStep
from upperbound.store.runs import RunRow
from upperbound.store.snapshots import SnapshotRow

log = logging.getLogger(__name__)

SEARCH_OVER: Final = "search_over"
"""The completion reason of a search that has found its answer."""
LAST_ANSWER_S: Final = 2.0
"""How long before the planned end a search that has no answer gives up, so that its state is written in time."""
SILENT_S: Final = 10.0
"""How old a worker's last report may be for its threads to count as busy."""
SPARE_SNAPSHOTS: Final = 5
"""Snapshots read beyond those that a step's time needs."""


@dataclass(frozen=True)
class Room:
    """How far a search may go, and on whom."""

    per_worker: int
    """Threads that one worker is filled to."""
    workers: int
    """The most workers there may ever be."""
    floor: int = 1
    """Threads that each worker keeps in any case."""
    fewest_workers: int = 1
    """Workers that there are in any case."""


def find_max_control(
    store: Store, run_id: str, owner: str, config: RunConfig, phases: PhasePlan
) -> "FindMaxControl | None":
    """Return what moves a run's search on for the controller ``owner``; None when the run makes none."""
    load = config.scenario.load
    if not isinstance(load, FindMaxLoad):
        return None
    room = room_on_host(config)
    return FindMaxControl(store, run_id, owner, plan_of(load, room), room, phases)


def room_on_host(config: RunConfig) -> Room:
    """Return how far a search may go on this machine."""
    scaling, facts = config.scenario.scaling, host_facts()
    cap = per_worker_cap(
        cores=max(1, int(facts.cores)), memory_gib=facts.memory_bytes / 2**30, given=scaling.per_worker_cap
    )
    bounds = scaling.bounds
    return Room(
        per_worker=cap if bounds.max_threads is None else min(cap, bounds.max_threads),
        workers=config.capacity if bounds.max_workers is None else min(config.capacity, bounds.max_workers),
        floor=bounds.min_threads,
        fewest_workers=bounds.min_workers,
    )


def plan_of(load: FindMaxLoad, room: Room) -> FindMaxPlan:
    """Return the settings of a search: its load block, bounded by what the workers can carry."""
    ceiling = room.per_worker * room.workers
    return FindMaxPlan(
        start_threads=load.start_threads,
        increment=load.increment,
        step_duration_s=load.step_duration_seconds,
        qps_stability_pct=load.qps_stability_pct,
        latency_stability_pct=load.latency_stability_pct,
        max_error_rate_pct=load.max_error_rate_pct,
        max_threads=ceiling if load.max_threads is None else min(ceiling, load.max_threads),
        min_threads=room.floor * room.fewest_workers,
    )


class FindMaxControl:
    """Moves one run's search on, tick by tick."""

    def __init__(self, store: Store, run_id: str, owner: str, plan: FindMaxPlan, room: Room, phases: PhasePlan) -> None:
        self._store, self._run_id, self._owner = store, run_id, owner
        self._plan, self._room, self._phases = plan, room, phases

    def tick(self, run: RunRow) -> bool:
        """Do what is due in a run that is RUNNING and say whether the search is over; ``run`` was read just now."""
        now_s = run.elapsed_s or 0.0
        if now_s < self._phases.warmup_s:
            return False
        if run.find_max_state is None:
            self._announce(begin(self._plan), run, now_s)
            return False
        state = FindMaxState.from_json(run.find_max_state)
        if state.answer is not None:
            return True
        if now_s >= self._phases.total_s - LAST_ANSWER_S:
            self._keep(give_up(self._plan, state))
            return True
        newest = self._store.snapshots.newest(self._run_id, Phase.MEASUREMENT)
        found = pace(self._plan, state, seen(run.worker_targets, newest, now_s), now_s)
        if isinstance(found, FindMaxState):
            self._keep(found)
        elif isinstance(found, Window):
            return self._end_step(state, found, run, newest, now_s)
        return False

    def _end_step(
        self, state: FindMaxState, window: Window, run: RunRow, newest: Mapping[str, SnapshotRow], now_s: float
    ) -> bool:
        """Judge the step that is over and begin the next one; says whether there is none."""
        step = state.current
        assert step is not None, "a window belongs to a step"
        figures = replace(self._measure(window, newest, now_s), queueing=self._is_queueing(window))
        if sum(run.worker_targets.values()) < step.threads:
            # A guardrail has taken threads back: their workers were at their end.
            figures = replace(figures, client_bound=True)
        following = observe(self._plan, state, figures)
        self._store.find_max.write(self._row(step, state, following, window, len(newest)))
        log.info("%s", describe(following))
        if following.current is None:
            self._keep(following)
            return True
        self._announce(following, run, now_s)
        return False

    def _measure(self, window: Window, newest: Mapping[str, SnapshotRow], now_s: float) -> StepFigures:
        """Return what all workers have counted in the window."""
        parts = []
        reach = math.ceil(now_s - window.from_s) + SPARE_SNAPSHOTS
        for worker_id, last in newest.items():
            series = self._store.snapshots.series(
                self._run_id, worker_id, after_sequence=max(0, last.sequence - reach), phase=Phase.MEASUREMENT
            )
            if (part := within(series, window)) is not None:
                parts.append(part)
        return step_figures(parts, window)

    def _is_queueing(self, window: Window) -> bool:
        """Say whether the target's warehouse has queued queries in the window; a server of PostgreSQL has none."""
        polls = self._store.warehouse_polls.series(self._run_id, after_s=window.from_s)
        return queues([poll.queued for poll in polls])

    def _announce(self, state: FindMaxState, run: RunRow, now_s: float) -> None:
        """Write the state with the targets of its step, and tell the workers."""
        step = state.current
        assert step is not None, "only a step is announced"
        targets = spread(step.threads, run.worker_targets, self._room)
        changed = {worker: threads for worker, threads in targets.items() if run.worker_targets.get(worker) != threads}
        events = [_event(step, worker, threads) for worker, threads in changed.items()]
        log.info("step %d: %d threads (%s)", step.number, step.threads, step.purpose.value)
        begun = replace(state, began_s=now_s).to_json()
        self._store.runs.set_find_max(self._run_id, begun, changed, events, holder=self._owner)

    def _keep(self, state: FindMaxState) -> None:
        self._store.runs.set_find_max(self._run_id, state.to_json(), {}, holder=self._owner)

    def _row(
        self, step: Step, state: FindMaxState, following: FindMaxState, window: Window, workers: int
    ) -> FindMaxStep:
        record = following.records[-1]
        figures = record.figures
        return FindMaxStep(
            run_id=self._run_id,
            step=step.number,
            purpose=step.purpose,
            threads=step.threads,
            workers=workers,
            began_s=state.began_s or 0.0,
            settled_s=window.from_s,
            seconds=figures.seconds,
            operations=figures.operations,
            failed=figures.failed,
            qps=figures.qps,
            p50_ms=figures.p50_ms,
            p95_ms=figures.p95_ms,
            p99_ms=figures.p99_ms,
            limiter=record.limiter,
            reason=record.reason,
        )


def seen(targets: Mapping[str, int], newest: Mapping[str, SnapshotRow], now_s: float) -> list[WorkerSeen]:
    """Return what the workers that carry load have reported last; one that has gone silent has no busy threads."""
    workers = []
    for worker_id, wanted in targets.items():
        if not wanted:
            continue
        snapshot = newest.get(worker_id)
        if snapshot is None or now_s - snapshot.elapsed_s > SILENT_S:
            workers.append(WorkerSeen(wanted, active=0, told=0, reported_s=-math.inf))
        else:
            workers.append(WorkerSeen(wanted, snapshot.active_threads, snapshot.target_threads, snapshot.elapsed_s))
    return workers


def spread(threads: int, targets: Mapping[str, int], room: Room) -> dict[str, int]:
    """Return the target of each worker for ``threads`` in all; workers that are needed beyond those there are join."""
    present = sorted((worker for worker, wanted in targets.items() if wanted), key=group_of)
    shares = fill(threads, room.per_worker, max(1, len(present)), floor=room.floor, most=room.workers)
    first = max((group_of(worker) for worker in targets), default=-1) + 1
    joining = [worker_name(first + number) for number in range(len(shares) - len(present))]
    return dict(zip([*present, *joining], shares, strict=True))


def within(series: Sequence[SnapshotRow], window: Window) -> PhaseFigures | None:
    """Return what a worker counted in a window, between the first reports at or after its ends; None without any."""
    inside = [row for row in series if row.elapsed_s >= window.from_s]
    if len(inside) < 2:
        return None
    last = next((row for row in inside[1:] if row.elapsed_s >= window.to_s), inside[-1])
    return interval(PhaseFigures.from_json(last.figures), PhaseFigures.from_json(inside[0].figures))


def step_figures(parts: Sequence[PhaseFigures], window: Window) -> StepFigures:
    """Return the figures of a step from those of its workers; their rates add up."""
    if not parts:
        return StepFigures(0.0, 0, 0, 0.0, missing_threads=max(1, window.missing_threads))
    total = merge(parts)
    latency = latency_ms(total.histogram)
    return StepFigures(
        seconds=total.seconds,
        operations=total.operations,
        failed=total.failed,
        qps=sum(part.qps or 0.0 for part in parts),
        p50_ms=latency.p50_ms,
        p95_ms=latency.p95_ms,
        p99_ms=latency.p99_ms,
        client_bound=client_bound(total.generator, latency.p50_ms),
        missing_threads=window.missing_threads,
    )


def describe(state: FindMaxState) -> str:
    """Say how the last step went, and what was found when it was the last of all."""
    record = state.records[-1]
    verdict = f"failed by {record.limiter.value}: {record.reason}" if record.limiter else "passed"
    said = f"step {record.step.number}: {record.threads} threads, {record.figures.qps:.1f} queries/s, {verdict}"
    if state.answer is None:
        return said
    answer = state.answer
    return f"{said}; found {answer.max_type.value}: {answer.best_threads} threads, limited by {answer.limiter.value}"


def _event(step: Step, worker_id: str, threads: int) -> NewEvent:
    return NewEvent(
        EventType.SET_WORKER_TARGET,
        {
            "worker_id": worker_id,
            "target_threads": threads,
            "ramp_seconds": 0.0,
            "step_id": f"find-max-{step.number}",
            "reason": f"step {step.number}: {step.purpose.value}",
        },
        scope="WORKER",
    )
