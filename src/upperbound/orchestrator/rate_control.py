"""The threads and workers of a run that offers a rate, as a part of the orchestrator's tick.

What the controller remembers is in the run's row, written together with the targets it decides on and the events that
announce them; what the workers have reported since the last decision is read from their snapshots.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from upperbound.domain.events import EventType
from upperbound.domain.figures import PhaseFigures, interval, merge
from upperbound.domain.guardrails import GuardrailLevel, GuardrailState
from upperbound.domain.phases import Phase
from upperbound.domain.qps_control import Interval, QpsBounds, QpsState, Verdict, control
from upperbound.domain.resize import Resize, group_of, resize, worker_name
from upperbound.domain.worker_state import WorkerStatus
from upperbound.orchestrator.find_max import room_on_host
from upperbound.orchestrator.scaling import carrying, room_of
from upperbound.scenario.kinds import ScalingMode
from upperbound.scenario.loads import QpsLoad
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.runs import RunRow
from upperbound.store.snapshots import SnapshotRow

log = logging.getLogger(__name__)

BOUNDS_LIMIT_REACHED: Final = "BOUNDS_LIMIT_REACHED"
"""The completion reason of a run that misses its rate with all the threads and workers it may have."""
SHORTEST_S: Final = 0.5
"""A shorter interval says too little of a rate."""
REPORT_PATIENCE: Final = 3
"""Ticks that a worker's report is waited for, before a decision is made without it."""
SETTLING_PATIENCE: Final = 15
"""Decisions that threads may be missing for before they are taken for threads that there will never be."""

SHARES_PATIENCE: Final = 2
"""Decisions after a change of shares that say little: workers hear of it within half a second."""


def rate_control(store: Store, run_id: str, owner: str, config: RunConfig) -> "RateControl | None":
    """Return what sizes a run's threads and workers for the controller ``owner``; None when the run offers no rate."""
    if not isinstance(config.scenario.load, QpsLoad):
        return None
    return RateControl(store, run_id, owner, config, bounds_on_host(config))


def bounds_on_host(config: RunConfig) -> QpsBounds:
    """Return how far a run may go on this machine."""
    scaling, room = config.scenario.scaling, room_on_host(config)
    bounds = scaling.bounds
    unbounded = scaling.mode is ScalingMode.AUTO
    return QpsBounds(
        min_workers=bounds.min_workers,
        max_workers=max(bounds.min_workers, room.workers),
        min_threads=bounds.min_threads,
        max_threads=max(bounds.min_threads, room.per_worker),
        patience_intervals=None if unbounded else scaling.bounds_patience_intervals,
    )


@dataclass(frozen=True)
class Seen:
    """What a worker had reported at the last decision."""

    sequence: int
    figures: PhaseFigures


class RateControl:
    """Sizes the threads and workers of one run, tick by tick."""

    def __init__(self, store: Store, run_id: str, owner: str, config: RunConfig, bounds: QpsBounds) -> None:
        self._store, self._run_id, self._owner = store, run_id, owner
        self._config, self._bounds = config, bounds
        self._seen: dict[str, Seen] = {}
        self._waited = 0
        """Ticks in which not every worker had reported."""
        self._settling = 0
        """Decisions in a row in which threads were missing."""
        self._changing = 0
        """Decisions to come that may still show shares from before a change."""

    def tick(self, run: RunRow) -> bool:
        """Decide, if the workers have reported anew, in a run that is RUNNING; say whether its bounds end it."""
        present = carrying(self._store, run)
        state = self._share(run, present)
        newest = self._store.snapshots.newest(self._run_id)
        fresh = {worker: newest[worker] for worker in present if worker in newest and self._is_new(newest[worker])}
        if not fresh or (len(fresh) < len(present) and self._waited < REPORT_PATIENCE):
            self._waited += 1
            return False
        self._waited = 0
        found = {worker: self._since(worker, snapshot) for worker, snapshot in fresh.items()}
        parts = [part for worker, part in found.items() if part is not None and worker in state.sharing]
        if not parts:
            return False
        shown = self._interval(parts, newest, present, state.sharing, judged=run.phase is Phase.MEASUREMENT)
        decided = control(state, shown, self._bounds)
        if GuardrailState.from_json(run.guardrail_state).level is not GuardrailLevel.NORMAL:
            # Threads that a guardrail has taken are not given back while their machine is at its end.
            decided = replace(decided, threads=shown.threads, verdict=Verdict.STEADY)
        return self._carry_out(decided, run, present)

    def _share(self, run: RunRow, present: Mapping[str, int]) -> QpsState:
        """Let the rate be shared by the workers that can carry it, and tell all of them at once when these change.

        A worker that joins gets its share when it is ready; the share of one that has left goes to the others.
        """
        planned = [worker_name(group_id) for group_id in range(len(self._config.threads))]
        running = {
            beat.worker_id for beat in self._store.heartbeats.list(self._run_id) if beat.status is WorkerStatus.RUNNING
        }
        sharing = tuple(sorted((worker for worker in present if worker in planned or worker in running), key=group_of))
        state = QpsState.from_json(run.qps_controller_state)
        before = state.sharing or tuple(planned)
        if not sharing or sharing == before:
            return replace(state, sharing=before)
        log.info("the rate is shared by %s", ", ".join(sharing))
        shared = replace(state, sharing=sharing)
        event = NewEvent(EventType.SET_WORKER_TARGET, {"sharing": sharing}, scope="RUN")
        self._write(shared, run, {}, [event])
        # What follows is compared with nothing from before, when each worker had another share.
        self._seen.clear()
        self._changing = SHARES_PATIENCE
        return shared

    def _is_new(self, snapshot: SnapshotRow) -> bool:
        before = self._seen.get(snapshot.worker_id)
        return before is None or snapshot.sequence > before.sequence

    def _since(self, worker_id: str, snapshot: SnapshotRow) -> PhaseFigures | None:
        """Return what a worker has counted since the last decision; None when that says too little."""
        figures, before = PhaseFigures.from_json(snapshot.figures), self._seen.get(worker_id)
        if before is None or before.figures.phase is not figures.phase:
            self._seen[worker_id] = Seen(snapshot.sequence, figures)
            return None
        part = interval(figures, before.figures)
        if part.seconds < SHORTEST_S:
            return None
        self._seen[worker_id] = Seen(snapshot.sequence, figures)
        return part

    def _interval(
        self,
        parts: Sequence[PhaseFigures],
        newest: Mapping[str, SnapshotRow],
        present: Mapping[str, int],
        sharing: Sequence[str],
        *,
        judged: bool,
    ) -> Interval:
        """Return what all workers have shown; those that have said nothing new are taken to be like the others."""
        phase = max((part.phase for part in parts), key=list(Phase).index)
        same = [part for part in parts if part.phase is phase]
        scale = len(sharing) / len(same)
        active = sum(newest[worker].active_threads for worker in present if worker in newest)
        expected = [part.arrivals.expected / part.seconds for part in same if part.arrivals is not None]
        shown = [seen.figures.arrivals for worker, seen in self._seen.items() if worker in present]
        ready = active >= sum(present.values()) and set(sharing) == set(present)
        self._settling = 0 if ready else self._settling + 1
        self._changing, changing = max(0, self._changing - 1), self._changing > 0
        return Interval(
            target_qps=scale * sum(expected),
            achieved_qps=scale * sum(part.attempted_qps or 0.0 for part in same),
            mean_service_ms=merge(same).mean_busy_ms,
            waiting=sum(arrivals.unstarted for arrivals in shown if arrivals is not None),
            threads=sum(present.values()),
            workers=len(present),
            settling=changing or 0 < self._settling <= SETTLING_PATIENCE,
            judged=judged,
        )

    def _carry_out(self, decided: QpsState, run: RunRow, present: Mapping[str, int]) -> bool:
        """Write what was decided, and tell the workers of it."""
        threads, workers = decided.threads, len(present)
        if decided.verdict is Verdict.ADD_WORKER:
            workers += 1
            threads = min(max(decided.needed_threads, threads + self._bounds.min_threads), self._ceiling(workers))
        changed: Resize | None = None
        if threads != sum(present.values()) or workers != len(present):
            found = resize(run.worker_targets, present, room_of(self._config), threads=threads, workers=workers)
            if isinstance(found, Resize):
                changed = found
                log.info("%s", describe(decided, threads, workers))
            else:
                log.warning("%d threads on %d workers cannot be: %s", threads, workers, "; ".join(map(str, found)))
        if decided.verdict is Verdict.BOUNDS_LIMIT_REACHED:
            log.warning("%s", describe(decided, threads, workers))
        targets = changed.targets if changed else {}
        events = [_event(worker, target, changed) for worker, target in targets.items()] if changed else []
        written = self._write(decided, run, targets, events)
        return written and decided.verdict is Verdict.BOUNDS_LIMIT_REACHED

    def _write(self, state: QpsState, run: RunRow, targets: Mapping[str, int], events: Sequence[NewEvent]) -> bool:
        """Write state, targets and events together; False, and nothing, when somebody has changed the run meanwhile."""
        return self._store.runs.set_qps_control(
            self._run_id, state.to_json(), targets, events, expected=run.worker_targets, holder=self._owner
        )

    def _ceiling(self, workers: int) -> int:
        return workers * self._bounds.max_threads


def describe(decided: QpsState, threads: int, workers: int) -> str:
    """Say what was decided and why."""
    service = "-" if decided.mean_service_ms is None else f"{decided.mean_service_ms:.2f} ms"
    said = (
        f"{decided.achieved_qps:,.1f} of {decided.target_qps:,.1f} per second at {service} each: "
        f"{threads} threads on {workers} workers"
    )
    return f"{said}, {decided.verdict.value}" if decided.verdict is not Verdict.STEADY else said


def _event(worker_id: str, threads: int, changed: Resize) -> NewEvent:
    reason = "scale_out" if worker_id in changed.joined else "rate"
    data = {"worker_id": worker_id, "target_threads": threads, "ramp_seconds": 0.0, "reason": reason}
    return NewEvent(EventType.SET_WORKER_TARGET, data, scope="WORKER")
