"""The stages of a run that keeps threads busy, as a part of the orchestrator's tick.

What has been told of is read from the run's events, where it is written together with the targets: a controller that
takes over tells of no stage twice, and of those whose time passed meanwhile of the newest alone.
"""

import logging
from collections.abc import Iterable, Mapping

from upperbound.domain.events import EventType
from upperbound.domain.phases import PhasePlan
from upperbound.domain.resize import Resize, resize
from upperbound.domain.stages import Due, due
from upperbound.orchestrator.scaling import carrying, room_of
from upperbound.scenario.loads import ConcurrencyLoad
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.events import EventRow, NewEvent
from upperbound.store.runs import RunRow

log = logging.getLogger(__name__)

_STEP = "stage-"
"""Begins the ``step_id`` of the events that announce a stage; its place among the stages follows."""


def stage_control(store: Store, run_id: str, owner: str, config: RunConfig, phases: PhasePlan) -> "StageControl | None":
    """Return what follows a run's stages; None when it has none, or its workers follow them by themselves."""
    load = config.scenario.load
    if not isinstance(load, ConcurrencyLoad) or not load.stages:
        return None
    return StageControl(store, run_id, owner, config, phases)


class StageControl:
    """Tells the workers of one run of its stages, tick by tick."""

    def __init__(self, store: Store, run_id: str, owner: str, config: RunConfig, phases: PhasePlan) -> None:
        """Write only for as long as ``owner`` has the run's lease."""
        self._store, self._run_id, self._owner = store, run_id, owner
        self._config, self._phases = config, phases
        self._changes = config.scenario.load.changes
        self._done: int | None = None
        """How many stages have been told of; None when the events have to be read for it."""

    @property
    def begins_s(self) -> list[float]:
        """When the stages begin, in seconds since the run's start."""
        return [self._phases.warmup_s + change.at_s for change in self._changes]

    def tick(self, run: RunRow) -> None:
        """Tell of the stage that is due in a run that is RUNNING; ``run`` was read just now."""
        measured_s = (run.elapsed_s or 0.0) - self._phases.warmup_s
        if self._done is None:
            events = self._store.events.all(self._run_id)
            if (events[-1].sequence if events else 0) + 1 != run.next_sequence_id:
                return  # Somebody has appended one just now: what is told of is decided on what is there.
            self._done = told_of(events)
        stage = due(self._changes, measured_s, self._done)
        if stage is None:
            return
        # Should the store not answer, nobody knows whether it was told of until the events are read again.
        self._done = None
        if self._tell(stage, run):
            self._done = stage.stage + 1

    def _tell(self, stage: Due, run: RunRow) -> bool:
        """Set the targets of a stage; False when somebody else has changed them meanwhile, or has the run by now."""
        threads = round(stage.goal)
        present = carrying(self._store, run)
        changed = resize(run.worker_targets, present, room_of(self._config), threads=threads)
        if not isinstance(changed, Resize):
            log.warning("stage %d, %d threads, is left out: %s", stage.stage + 1, threads, "; ".join(map(str, changed)))
            return True
        # All are told, also those whose target stays the same: the events keep that the stage was told of.
        targets = {**present, **changed.targets}
        shares = [target for target in targets.values() if target]
        total = {"initiated_by": "plan", "total_threads": sum(shares), "total_workers": len(shares)}
        events = [_event(stage, worker_id, target, total) for worker_id, target in targets.items()]
        log.info("stage %d: %d threads within %.1f s", stage.stage + 1, threads, stage.ramp_s)
        return self._store.runs.resize(
            self._run_id,
            expected=run.worker_targets,
            targets=changed.targets,
            events=events,
            next_sequence=run.next_sequence_id,
            holder=self._owner,
        )


def told_of(events: Iterable[EventRow]) -> int:
    """Return how many stages the events have told of, those that were skipped included."""
    steps = [step for event in events if (step := _stage_of(event.data)) is not None]
    return max(steps, default=-1) + 1


def _stage_of(data: Mapping[str, object]) -> int | None:
    """Return the place of the stage that an event tells of; None for any other event."""
    number = str(data.get("step_id", "")).removeprefix(_STEP)
    return int(number) if number.isdecimal() and str(data["step_id"]).startswith(_STEP) else None


def _event(stage: Due, worker_id: str, threads: int, total: Mapping[str, object]) -> NewEvent:
    """Return what one worker is told; ``total`` is what the run has then, for its result."""
    return NewEvent(
        EventType.SET_WORKER_TARGET,
        {
            "worker_id": worker_id,
            "target_threads": threads,
            "ramp_seconds": stage.ramp_s,
            "step_id": f"{_STEP}{stage.stage}",
            "reason": f"stage {stage.stage + 1}",
            **total,
        },
        scope="WORKER",
    )
