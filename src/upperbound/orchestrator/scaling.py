"""Changing the threads and workers of a run that goes on: through the store alone, so that any process may do it."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from upperbound.domain.events import EventType
from upperbound.domain.resize import Resize, Room, resize
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus, worker_health
from upperbound.errors import ConfigurationError, Problem
from upperbound.orchestrator.stopping import DRAIN_TIMEOUT_S
from upperbound.scenario.kinds import ScalingMode
from upperbound.scenario.loads import RATE_MAX, FindMaxLoad, QpsLoad
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.runs import RunRow

log = logging.getLogger(__name__)

_ENDED = frozenset({WorkerStatus.COMPLETED, WorkerStatus.FAILED})


@dataclass(frozen=True)
class Wanted:
    """What a run shall have from now on; what is None stays as it is."""

    threads: int | None = None
    """Over all workers."""
    workers: int | None = None
    target_qps: float | None = None
    """Operations per second over all workers, of a run that offers a rate."""
    ramp_s: float = 0.0
    """How long the workers that are there take to get to their new threads."""


def room_of(config: RunConfig) -> Room:
    """Return what a run may grow and shrink to."""
    scaling = config.scenario.scaling
    bounds = scaling.bounds
    return Room(
        capacity=config.capacity,
        fixed=scaling.mode == ScalingMode.FIXED,
        min_workers=bounds.min_workers,
        max_workers=bounds.max_workers,
        min_threads=bounds.min_threads,
        max_threads=bounds.max_threads,
    )


def change_run(store: Store, run_id: str, wanted: Wanted, *, initiated_by: str) -> Resize:
    """Change a running run and return the targets that are new.

    Workers that leave drain and end, and what they have counted stays in the result; those that join are started by
    the run's controller. Targets and the events that announce them are written together, so that a worker that misses
    an event finds its target within a few seconds. What is so already changes nothing.

    Raises:
        ConfigurationError: the run is not RUNNING, or cannot be changed so; every problem at once.
        RunNotFound: there is no such run.
    """
    while True:
        run = store.runs.get(run_id)
        _require_running(run, wanted)
        config = RunConfig.model_validate(run.scenario_config)
        changed = _resized(store, run, config, wanted)
        problems = [*_problems_of_rate(config, wanted), *(changed if not isinstance(changed, Resize) else [])]
        if problems or not isinstance(changed, Resize):
            raise ConfigurationError(f"run {run_id} cannot be changed so", problems=problems)
        events = _events(changed, {**run.worker_targets, **changed.targets}, wanted, initiated_by)
        if store.runs.resize(run_id, expected=run.worker_targets, targets=changed.targets, events=events):
            return changed
        log.info("run %s was changed by someone else at the same time; looking again", run_id)


def _resized(store: Store, run: RunRow, config: RunConfig, wanted: Wanted) -> Resize | list[Problem]:
    """Return the targets that are new; none where neither threads nor workers are to change."""
    if wanted.threads is None and wanted.workers is None:
        return Resize({}, (), ())
    if isinstance(config.scenario.load, FindMaxLoad):
        # Each of its steps would count for a number of threads that it no longer has.
        asked = [("threads", wanted.threads), ("workers", wanted.workers)]
        hint = "let it find its answer, or stop it and keep threads busy with CONCURRENCY"
        return [
            Problem(key, "a search decides on its threads itself", hint) for key, value in asked if value is not None
        ]
    return resize(
        run.worker_targets, carrying(store, run), room_of(config), threads=wanted.threads, workers=wanted.workers
    )


def _problems_of_rate(config: RunConfig, wanted: Wanted) -> list[Problem]:
    if wanted.target_qps is None:
        return []
    problems = []
    load = config.scenario.load
    if not isinstance(load, QpsLoad):
        hint = "" if isinstance(load, FindMaxLoad) else "set threads or workers"
        problems.append(Problem("target_qps", f"the run offers no rate: its load is {load.mode.value}", hint))
    if not 0 < wanted.target_qps <= RATE_MAX:
        problems.append(Problem("target_qps", f"a rate is above 0 and at most {RATE_MAX:g}, not {wanted.target_qps:g}"))
    if wanted.ramp_s:
        problems.append(Problem("ramp", "a rate is changed at once", "leave --ramp out, or give the scenario stages"))
    return problems


def _require_running(run: RunRow, wanted: Wanted) -> None:
    if run.status is not RunStatus.RUNNING:
        raise ConfigurationError(
            f"run {run.run_id} is {run.status.value}: only a running run is changed",
            hint="see `upperbound runs list --status running`",
        )
    if wanted.ramp_s < 0:
        raise ConfigurationError(
            f"run {run.run_id} cannot be changed so",
            problems=[Problem("ramp", f"a ramp takes zero seconds or more, not {wanted.ramp_s:g}")],
        )
    if wanted.workers is not None and not (run.lease_remaining_s and run.lease_remaining_s > 0):
        raise ConfigurationError(
            f"run {run.run_id} has no controller that could start a worker",
            hint=f"take it over with `upperbound runs adopt {run.run_id}`",
        )


def carrying(store: Store, run: RunRow) -> dict[str, int]:
    """Return the targets of the workers that have not left the run, by whatever way."""
    beats = {row.worker_id: row for row in store.heartbeats.list(run.run_id)}
    return {
        worker_id: threads
        for worker_id, threads in run.worker_targets.items()
        if threads
        and not (
            (beat := beats.get(worker_id)) and (beat.status in _ENDED or worker_health(beat.age_s) is WorkerHealth.DEAD)
        )
    }


def _events(changed: Resize, after: Mapping[str, int], wanted: Wanted, initiated_by: str) -> list[NewEvent]:
    """Return what tells the workers; all events of one change carry one ``step_id``, and what the run has then."""
    shares = [threads for threads in after.values() if threads]
    said = {
        "step_id": f"set-{secrets.token_hex(4)}",
        "initiated_by": initiated_by,
        "total_threads": sum(shares),
        "total_workers": len(shares),
        "ramp_seconds": wanted.ramp_s,
    }
    rate = []
    if wanted.target_qps is not None:
        data = {"target_qps": wanted.target_qps, "reason": "user", **said}
        rate.append(NewEvent(EventType.SET_WORKER_TARGET, data, scope="RUN"))
    return rate + [
        _event(worker_id, threads, said, joins=worker_id in changed.joined)
        for worker_id, threads in changed.targets.items()
    ]


def _event(worker_id: str, threads: int, said: Mapping[str, object], *, joins: bool) -> NewEvent:
    """Return what one worker is told."""
    if not threads:
        leave = {"reason": "scale_in", "drain_timeout_seconds": DRAIN_TIMEOUT_S}
        return NewEvent(EventType.STOP, {"worker_id": worker_id, **leave, **said}, scope="WORKER")
    target = {"target_threads": threads, "reason": "scale_out" if joins else "user"}
    return NewEvent(EventType.SET_WORKER_TARGET, {"worker_id": worker_id, **target, **said}, scope="WORKER")
