"""Guardrails from heartbeats to events: one over, some over, all over, hard mode, recovery, and a machine that burns.

The readings are written to the store as workers would write them; the loop, the store and the clock of the store are
real but for the time they are told.
"""

import contextlib
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.orchestrator.conftest import OPERATIONS, Bench

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.launchers.base import WorkerHandle
from upperbound.orchestrator.crew import Crew
from upperbound.orchestrator.loop import RunLoop
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.events import EventRow
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun, RunRow
from upperbound.store.types import UtcTimestamp
from upperbound.testing.manual_clock import ManualClock

RUN = "run"
THREADS = 10
CALM, OVER = 40.0, 97.0


@dataclass
class SilentWorker:
    """A process of which nothing is known but that it was started."""

    worker_id: str
    pid: int

    def poll(self) -> int | None:
        return None

    def terminate(self) -> None:
        raise AssertionError("nobody stops it")

    interrupt = kill = terminate

    def last_output(self) -> str:
        return ""


class Rehearsal:
    """A run whose workers exist only as heartbeats."""

    def __init__(
        self,
        store: Store,
        moment: list[datetime],
        home: Path,
        workers: int,
        launched: list[str],
        scenario: dict[str, Any],
    ) -> None:
        self.store, self._moment, self._home, self._launched = store, moment, home, launched
        self._clock = ManualClock()
        self.worker_ids = [f"worker-{number}" for number in range(workers)]
        whole = {
            "name": "rehearsal",
            "target": {"kind": "postgres", "url": "postgresql://me@127.0.0.1:1/db", "table": "public.orders"},
            "load": {"duration_seconds": 60},
            "scaling": {"mode": "FIXED", "min_workers": workers, "min_threads": THREADS},
            "workload": {"operations": OPERATIONS, "seed": 7},
            **scenario,
        }
        self.config = RunConfig.model_validate(
            {
                "scenario": whole,
                "threads": [THREADS] * workers,
                "worker_capacity": workers + 1,
                "seed": 7,
                "target_url": whole["target"]["url"],
                "table": "public.orders",
                "upperbound_version": "0",
            }
        )
        targets = dict.fromkeys(self.worker_ids, THREADS)
        store.runs.create(NewRun(RUN, "rehearsal", self.config.model_dump(mode="json"), workers, targets))
        store.runs.transition(RUN, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        store.runs.mark_running(RUN, 0)
        self.take_over()

    def take_over(self) -> None:
        """Let a controller that knows nothing but the tables go on."""
        self.loop = RunLoop(
            self.store,
            self._clock,
            run_id=RUN,
            owner="controller",
            config=self.config,
            run_folder=self._home,
            crew=Crew(self._clock, {}, launch=self._launch, end_sessions=lambda: 0),
        )

    def _launch(self, worker_id: str, group_id: int) -> WorkerHandle:
        """Stand for a process that never says anything."""
        self._launched.append(worker_id)
        return SilentWorker(worker_id, group_id)

    def pass_time(self, seconds: float) -> None:
        """Move the store's clock and the controller's."""
        self._moment[0] += timedelta(seconds=seconds)
        self._clock.advance(seconds)

    def second(self, *cpu_pct: float, status: WorkerStatus = WorkerStatus.RUNNING) -> RunRow:
        """Let a second pass in which every worker reports, tick twice, and return the row."""
        self.pass_time(1)
        for group_id, (worker_id, cpu) in enumerate(zip(self.worker_ids, cpu_pct, strict=True)):
            self.store.heartbeats.upsert(
                Heartbeat(RUN, worker_id, group_id, status, Phase.MEASUREMENT, cpu_pct=cpu, memory_pct=30.0, queries=1)
            )
        for _ in range(2):
            self.loop.tick()
        return self.store.runs.get(RUN)

    def events(self, kind: EventType) -> list[EventRow]:
        return [event for event in self.store.events.after(RUN) if event.type is kind]

    def actions(self) -> list[tuple[str, str | None]]:
        state = self.store.runs.get(RUN).guardrail_state
        return [(record["action"], record["worker_id"]) for record in state["actions"]] if state else []


@contextlib.contextmanager
def rehearsal(
    home: Path, workers: int = 2, *, launched: list[str] | None = None, **scenario: Any
) -> Iterator[Rehearsal]:
    moment = [datetime(2026, 1, 1, 12, tzinfo=UTC)]
    now: sa.BindParameter[datetime] = sa.bindparam(None, callable_=lambda: moment[0], type_=UtcTimestamp())
    with open_store(f"sqlite:///{home}/store.db", now=now) as store:
        yield Rehearsal(store, moment, home, workers, [] if launched is None else launched, scenario)


def test_one_over_is_warned_of_then_lowered_by_an_absolute_target_in_row_and_event(tmp_path: Path) -> None:
    with rehearsal(tmp_path, guardrails={"mode": "soft"}) as run:
        row = run.second(OVER, CALM)
        (warning,) = run.events(EventType.GUARDRAIL_WARNING)
        assert (warning.scope, warning.data["worker_id"]) == ("WORKER", "worker-0")
        assert (row.guardrail_state or {})["state"] == "warning"
        run.second(OVER, CALM)
        assert run.events(EventType.SCALE_DOWN) == []
        row = run.second(OVER, CALM)
        (lowered,) = run.events(EventType.SCALE_DOWN)
        assert lowered.scope == "WORKER"
        assert lowered.data == {
            "worker_id": "worker-0",
            "previous": 10,
            "new": 8,
            "reason": "guardrail",
            "detail": "CPU 97 % (limit 80 %) for 3 intervals",
        }
        assert row.worker_targets == {"worker-0": 8, "worker-1": 10}
        state = row.guardrail_state or {}
        assert (state["state"], state["workers_over"]) == ("critical", ["worker-0"])
        assert [record["at_s"] for record in state["actions"]] == [1.0, 3.0]
        assert row.status is RunStatus.RUNNING


def test_some_over_are_lowered_to_one_thread_and_the_run_ends_degraded(tmp_path: Path) -> None:
    guardrails = {"back_off_percent": 50, "patience_intervals": 1}
    with rehearsal(tmp_path, 3, guardrails=guardrails) as run:
        for _ in range(8):
            row = run.second(OVER, OVER, CALM)
        assert row.worker_targets == {"worker-0": 1, "worker-1": 1, "worker-2": 10}
        assert (row.guardrail_state or {})["state"] == "degraded"
        assert [action for action, _ in run.actions()].count("DEGRADED") == 2
        for _ in range(53):
            row = run.second(OVER, OVER, CALM)
        assert row.status is RunStatus.STOPPING
        row = run.second(OVER, OVER, CALM, status=WorkerStatus.COMPLETED)
        row = run.second(OVER, OVER, CALM, status=WorkerStatus.COMPLETED)
        assert row.status is RunStatus.COMPLETED
        assert row.completion_reason == (
            "SOFT_GUARDRAIL_DEGRADED: 18 threads taken back; worker-0, worker-1 went on over the limits"
        )


def test_what_is_taken_from_one_goes_to_a_worker_that_is_started_for_it(tmp_path: Path) -> None:
    launched: list[str] = []
    guardrails = {"patience_intervals": 1}
    load = {"threads": 2 * THREADS, "duration_seconds": 60}
    auto = {"mode": "AUTO"}
    with rehearsal(tmp_path, launched=launched, guardrails=guardrails, scaling=auto, load=load) as run:
        row = run.second(OVER, CALM)
        assert row.worker_targets == {"worker-0": 8, "worker-1": 10, "worker-2": 2}
        assert row.total_workers_expected == 3
        assert launched == ["worker-2"], "started once"
        (added,) = run.events(EventType.SET_WORKER_TARGET)
        assert (added.data["worker_id"], added.data["target_threads"]) == ("worker-2", 2)
        beat = {beat.worker_id: beat for beat in run.store.heartbeats.list(RUN)}["worker-2"]
        assert (beat.status, beat.phase) == (WorkerStatus.STARTING, Phase.MEASUREMENT)
        run.take_over()
        run.second(OVER, CALM)
        assert launched == ["worker-2"], "whoever takes over does not start it again"
        assert run.store.runs.get(RUN).worker_targets["worker-2"] == 2
        assert run.store.runs.get(RUN).status is RunStatus.RUNNING


def test_all_over_for_the_patience_fail_the_run_and_tell_the_workers_to_stop(tmp_path: Path) -> None:
    with rehearsal(tmp_path, guardrails={"max_cpu_percent": 90}) as run:
        assert run.second(OVER, 91.0).status is RunStatus.RUNNING
        assert run.second(OVER, 91.0).status is RunStatus.RUNNING
        row = run.second(OVER, 91.0)
        assert row.status is RunStatus.FAILED
        assert row.completion_reason == (
            "RESOURCE_EXHAUSTION: 2 of 2 workers over for 3 intervals: "
            "worker-0 CPU 97 % (limit 90 %) | worker-1 CPU 91 % (limit 90 %)"
        )
        assert len(run.events(EventType.STOP)) == 1
        assert run.actions()[-1] == ("FAILED", None)


def test_a_majority_is_enough_when_the_scenario_says_so(tmp_path: Path) -> None:
    with rehearsal(tmp_path, 3, guardrails={"fail_threshold": "majority", "patience_intervals": 1}) as run:
        assert run.second(OVER, CALM, CALM).status is RunStatus.RUNNING
        assert run.second(OVER, OVER, CALM).status is RunStatus.FAILED


def test_hard_mode_fails_the_run_at_the_first_reading(tmp_path: Path) -> None:
    with rehearsal(tmp_path, guardrails={"mode": "hard"}) as run:
        assert run.second(CALM, CALM).status is RunStatus.RUNNING
        row = run.second(CALM, OVER)
        assert row.status is RunStatus.FAILED
        assert "1 of 2 workers over for 1 interval: worker-1 CPU 97 %" in (row.completion_reason or "")


def test_a_worker_that_recovers_keeps_its_lower_target_and_the_result_says_so(tmp_path: Path) -> None:
    with rehearsal(tmp_path, guardrails={"patience_intervals": 2}) as run:
        for cpu in (OVER, OVER, CALM, CALM):
            row = run.second(cpu, CALM)
        state = row.guardrail_state or {}
        assert (state["state"], state["workers_over"], state["threads_taken"]) == ("normal", [], 2)
        assert [action for action, _ in run.actions()] == ["WARNING", "SCALE_DOWN", "RECOVERED"]
        assert row.worker_targets["worker-0"] == 8


def test_a_controller_that_takes_over_goes_on_counting_where_the_last_one_was(tmp_path: Path) -> None:
    with rehearsal(tmp_path, guardrails={"mode": "soft"}) as run:
        run.second(OVER, CALM)
        run.second(OVER, CALM)
        run.take_over()
        run.second(OVER, CALM)
        assert len(run.events(EventType.SCALE_DOWN)) == 1
        assert len(run.events(EventType.GUARDRAIL_WARNING)) == 1


@pytest.mark.parametrize("scenario", [{}, {"guardrails": {}}])
def test_a_scenario_without_guardrails_is_left_alone(tmp_path: Path, scenario: dict[str, Any]) -> None:
    with rehearsal(tmp_path, **scenario) as run:
        for _ in range(5):
            row = run.second(100.0, 100.0)
        assert (row.status, row.guardrail_state) == (RunStatus.RUNNING, None)
        assert len(run.store.events.after(RUN)) <= 1


def _burn() -> None:
    while True:
        pass


@contextlib.contextmanager
def burning() -> Iterator[None]:
    """Keep every core of this machine busy."""
    context = multiprocessing.get_context("spawn")
    burners = [context.Process(target=_burn, daemon=True) for _ in range(multiprocessing.cpu_count())]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def test_a_machine_that_burns_fails_the_run_by_what_its_workers_read(bench: Bench) -> None:
    run_id = bench.create(duration_seconds=60, more={"guardrails": {"max_cpu_percent": 70, "patience_intervals": 2}})
    with burning():
        row = bench.run(run_id)
    assert row.status is RunStatus.FAILED
    assert (row.completion_reason or "").startswith(
        "RESOURCE_EXHAUSTION: 2 of 2 workers over for 2 intervals: worker-0"
    )
    assert (row.elapsed_s or 0) < 30
    assert [handle.poll() for handle in bench.launcher.handles.values()] == [0, 0]
    assert bench.store.results.get(run_id).failure_reason == row.completion_reason
