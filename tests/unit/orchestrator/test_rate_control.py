"""A rate gets the threads and workers that it needs, is shared by those that are ready, and ends at its bounds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scenario.samples import changed

from upperbound.domain.events import EventType
from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.guardrails import GuardrailLevel, GuardrailState, WorkerGuard
from upperbound.domain.histogram import Histogram
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.domain.qps_control import QpsState, Verdict
from upperbound.domain.resize import group_of
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.orchestrator.rate_control import RateControl, bounds_on_host, rate_control
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun, RunRow
from upperbound.store.snapshots import Snapshot

RUN, OWNER = "run-1", "controller-1"


def config_of(scaling: dict[str, Any] | None = None) -> RunConfig:
    load = {"mode": "QPS", "target_qps": 100, "threads": 4, "warmup_seconds": 5, "duration_seconds": 60}
    bounded = {"mode": "BOUNDED", "max_workers": 2, "max_threads": 8}
    return RunConfig(
        scenario=Scenario.model_validate(changed({"load": load, "scaling": scaling or bounded, "slo": None})),
        threads=(4,),
        worker_capacity=2,
        seed=1,
        target_url="postgresql://h/db",
        table=None,
        upperbound_version="0",
    )


class Rig:
    """A run with workers that report what the test says, and the controller of its rate."""

    def __init__(self, store: Store, config: RunConfig) -> None:
        self.store, self.config = store, config
        row = config.model_dump(mode="json")
        store.runs.create(NewRun(RUN, "rate", row, total_workers=1, worker_targets={"worker-0": 4}, threads=4))
        store.runs.transition(RUN, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        assert store.runs.mark_running(RUN, 5.0)
        assert store.runs.acquire_lease(RUN, OWNER, 600)
        self.counted: dict[str, tuple[int, Histogram]] = {}
        self.sequence = self.failed = 0
        self.control = self.take_over()

    def take_over(self) -> RateControl:
        control = rate_control(self.store, RUN, OWNER, self.config)
        assert control is not None
        return control

    @property
    def run(self) -> RunRow:
        return replace(self.store.runs.get(RUN), phase=Phase.MEASUREMENT, elapsed_s=10.0)

    @property
    def state(self) -> QpsState:
        return QpsState.from_json(self.run.qps_controller_state)

    def told(self, key: str) -> list[Any]:
        """Return what the workers were told of ``key``."""
        events = [event.data for event in self.store.events.all(RUN) if event.type is EventType.SET_WORKER_TARGET]
        return [data[key] for data in events if key in data]

    def show(
        self, worker_id: str, *, operations: int, due: int, service_ms: float, active: int, failed: int = 0
    ) -> None:
        """Let a worker report what it did in one more second, with failures that took a second each."""
        self.failed += failed
        seconds, histogram = self.counted.get(worker_id, (0, Histogram()))
        seconds, histogram = seconds + 1, histogram + Histogram.from_values([round(service_ms * 1_000)] * operations)
        self.counted[worker_id] = (seconds, histogram)
        self.sequence += 1
        before = histogram.total
        arrivals = ArrivalFigures(float(due * seconds), due * seconds, before, 0, 0)
        figures = PhaseFigures(
            Phase.MEASUREMENT,
            float(seconds),
            {"POINT_LOOKUP": KindFigures(before, self.failed, histogram, histogram, failed_ns=self.failed * 10**9)},
            arrivals=arrivals,
        )
        group_id = group_of(worker_id)
        self.store.heartbeats.upsert(Heartbeat(RUN, worker_id, group_id, WorkerStatus.RUNNING, Phase.MEASUREMENT))
        self.store.snapshots.write(
            Snapshot(
                run_id=RUN,
                test_id=f"{RUN}-{worker_id}",
                worker_id=worker_id,
                group_id=group_id,
                group_count=1,
                sequence=self.sequence,
                phase=Phase.MEASUREMENT,
                elapsed_s=float(seconds),
                operations=before,
                failed=0,
                qps=float(operations),
                p50_ms=None,
                p95_ms=None,
                p99_ms=None,
                active_threads=active,
                target_threads=active,
                figures=figures.to_json(),
            )
        )

    def second(self, **shown: Any) -> bool:
        """Let the one worker there is report, and the controller decide."""
        given = {"operations": 100, "due": 100, "service_ms": 19.9, "active": 4} | shown
        self.show("worker-0", **given)
        return self.control.tick(self.run)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    init_store(url)
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, config_of())


def test_enough_threads_stay_and_what_was_seen_is_in_the_runs_row(rig: Rig) -> None:
    for _ in range(3):
        assert not rig.second()
    assert rig.told("target_threads") == []
    state = rig.state
    assert (state.target_qps, state.achieved_qps, state.threads, state.needed_threads) == (100, 100, 4, 5)
    assert state.mean_service_ms == pytest.approx(19.9, rel=1e-3)
    assert state.sharing == ("worker-0",)


def test_more_threads_are_told_with_the_state_that_decided_on_them(rig: Rig) -> None:
    rig.second()
    rig.second(operations=80, service_ms=50.0)
    assert rig.told("target_threads") == [8]
    assert rig.run.worker_targets == {"worker-0": 8}
    assert rig.state.threads == 8
    rig.second(operations=80, service_ms=50.0, active=5)
    assert rig.state.missed == 0, "threads that are still opened are waited for"


def test_operations_that_fail_keep_threads_busy_as_well(rig: Rig) -> None:
    rig.second()
    rig.second(operations=96, failed=4)
    assert rig.state.mean_service_ms == pytest.approx((96 * 19.9 + 4 * 1_000) / 100, rel=1e-3)
    assert rig.told("target_threads") == [8], "4 of 100 per second that take a second each need four threads more"


def test_nothing_is_decided_twice_on_one_report(rig: Rig) -> None:
    rig.second()
    rig.second(operations=80, service_ms=50.0)
    for _ in range(5):
        rig.control.tick(rig.run)
    assert rig.told("target_threads") == [8]


def starved(rig: Rig, seconds: int) -> None:
    for _ in range(seconds):
        rig.second(operations=50, service_ms=100.0, active=sum(rig.run.worker_targets.values()))


def test_a_worker_is_added_at_the_ceiling_and_shares_the_rate_when_it_is_ready(rig: Rig) -> None:
    starved(rig, 4)
    assert rig.run.worker_targets == {"worker-0": 8, "worker-1": 8}
    assert rig.told("sharing") == [], "the first goes on alone until the other is ready"
    rig.store.heartbeats.upsert(Heartbeat(RUN, "worker-1", 1, WorkerStatus.CONNECTING, Phase.MEASUREMENT))
    rig.second(operations=50, service_ms=100.0, active=8)
    assert rig.told("sharing") == []
    rig.show("worker-1", operations=0, due=0, service_ms=1.0, active=8)
    rig.second(operations=50, service_ms=100.0, active=8)
    assert rig.told("sharing") == [["worker-0", "worker-1"]]
    rig.control = rig.take_over()
    rig.second(operations=50, service_ms=100.0, active=8)
    assert len(rig.told("sharing")) == 1, "who takes over need not say it again"


def test_the_share_of_a_worker_that_has_left_goes_to_the_others(rig: Rig) -> None:
    starved(rig, 4)
    rig.show("worker-1", operations=0, due=0, service_ms=1.0, active=8)
    rig.second(operations=50, service_ms=100.0, active=8)
    rig.store.heartbeats.upsert(Heartbeat(RUN, "worker-1", 1, WorkerStatus.FAILED, Phase.MEASUREMENT))
    rig.second(operations=50, service_ms=100.0, active=8)
    assert rig.told("sharing") == [["worker-0", "worker-1"], ["worker-0"]]


def test_a_rate_that_is_missed_at_every_bound_ends_the_run(store: Store) -> None:
    rig = Rig(store, config_of({"mode": "BOUNDED", "max_workers": 1, "max_threads": 4}))
    over = [rig.second(operations=50, service_ms=80.0) for _ in range(4)]
    assert over == [False, False, False, True]
    assert rig.state.verdict is Verdict.BOUNDS_LIMIT_REACHED


def test_bounds_do_not_end_a_run_that_was_changed_while_they_were_looked_at(store: Store) -> None:
    rig = Rig(store, config_of({"mode": "BOUNDED", "max_workers": 1, "max_threads": 4}))
    for _ in range(3):
        rig.second(operations=50, service_ms=80.0)
    before = rig.run
    store.runs.set_targets(RUN, {"worker-0": 3})
    rig.show("worker-0", operations=50, due=100, service_ms=80.0, active=4)
    assert not rig.control.tick(before), "what was decided on is no more"
    assert rig.state.verdict is Verdict.STEADY


def test_a_fixed_run_is_left_as_it_is_and_one_without_bounds_goes_on(store: Store) -> None:
    fixed = bounds_on_host(config_of({"mode": "FIXED", "min_workers": 1, "min_threads": 4}))
    assert (fixed.min_threads, fixed.max_threads, fixed.max_workers, fixed.patience_intervals) == (4, 4, 1, 3)
    assert bounds_on_host(config_of({"mode": "AUTO"})).patience_intervals is None
    rig = Rig(store, config_of({"mode": "FIXED", "min_workers": 1, "min_threads": 4, "bounds_patience_intervals": 9}))
    assert not any(rig.second(operations=50, service_ms=80.0) for _ in range(8))
    assert rig.told("target_threads") == []


def test_threads_that_a_guardrail_has_taken_are_not_given_back(rig: Rig) -> None:
    guarded = GuardrailState(workers={"worker-0": WorkerGuard(level=GuardrailLevel.CRITICAL)})
    rig.store.runs.set_guardrails(RUN, guarded.to_json(), {"worker-0": 2})
    for _ in range(4):
        rig.second(operations=40, service_ms=50.0, active=2)
    assert rig.run.worker_targets == {"worker-0": 2}
    assert rig.state.achieved_qps == 40


def test_a_run_that_keeps_threads_busy_has_no_rate_to_control(store: Store) -> None:
    plain = config_of().model_dump(mode="json")
    plain["scenario"]["load"] = {"mode": "CONCURRENCY", "threads": 4, "duration_seconds": 5}
    assert rate_control(store, RUN, OWNER, RunConfig.model_validate(plain)) is None
