"""The live row adds up what the workers say, and its rate is that of the last second."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from upperbound.domain.phases import Phase
from upperbound.domain.run_view import WorkerView
from upperbound.domain.worker_state import WorkerStatus
from upperbound.orchestrator.rollup import RateMeter, roll_up
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.snapshots import SnapshotRow


def snapshot(
    sequence: int, operations: int, seconds: float, phase: Phase = Phase.MEASUREMENT, worker: str = "worker-0"
) -> SnapshotRow:
    return SnapshotRow(
        run_id="run",
        test_id=f"run-{worker}",
        worker_id=worker,
        group_id=0,
        group_count=1,
        sequence=sequence,
        phase=phase,
        elapsed_s=seconds,
        operations=operations,
        failed=0,
        qps=operations / seconds if seconds else 0.0,
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        active_threads=1,
        target_threads=1,
        figures={"seconds": seconds},
        captured_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def rate(meter: RateMeter, row: SnapshotRow) -> float:
    return meter.rates({row.worker_id: row})[row.worker_id]


def test_the_rate_is_what_was_done_between_the_two_newest_snapshots() -> None:
    meter = RateMeter()
    assert rate(meter, snapshot(1, 100, 1.0)) == 100
    assert rate(meter, snapshot(2, 700, 2.0)) == 600
    assert rate(meter, snapshot(5, 760, 5.0)) == 20, "snapshots that were missed in between do not matter"


def test_looking_twice_at_one_snapshot_does_not_change_the_rate() -> None:
    meter = RateMeter()
    rate(meter, snapshot(1, 100, 1.0))
    rate(meter, snapshot(2, 300, 2.0))
    assert rate(meter, snapshot(2, 300, 2.0)) == 200


def test_the_rate_does_not_dip_or_jump_when_the_measurement_begins() -> None:
    meter = RateMeter()
    rate(meter, snapshot(1, 1000, 1.0, Phase.WARMUP))
    rate(meter, snapshot(2, 2000, 2.0, Phase.WARMUP))
    assert rate(meter, snapshot(3, 0, 0.0)) == 1000
    assert rate(meter, snapshot(4, 3, 0.01)) == 1000
    assert rate(meter, snapshot(5, 950, 1.0)) == pytest.approx(950, rel=0.02)


def test_an_interval_without_length_keeps_the_rate() -> None:
    meter = RateMeter()
    rate(meter, snapshot(1, 500, 1.0))
    assert rate(meter, snapshot(2, 500, 1.0)) == 500


def test_a_worker_that_says_nothing_new_keeps_its_rate_and_others_have_their_own() -> None:
    meter = RateMeter()
    meter.rates({"worker-0": snapshot(1, 100, 1.0), "worker-1": snapshot(1, 50, 1.0, worker="worker-1")})
    rates = meter.rates({"worker-1": snapshot(2, 80, 2.0, worker="worker-1")})
    assert rates == {"worker-0": 100, "worker-1": 30}


def view(worker: str, status: WorkerStatus | None, **changes: object) -> WorkerView:
    plain = WorkerView(worker, status, heartbeat_age_s=0.5, exit_code=None, last_error=None)
    return replace(plain, **changes)  # type: ignore[arg-type]  # the tests below name fields that exist


def heartbeat(worker: str, status: WorkerStatus, queries: int, errors: int) -> HeartbeatRow:
    return HeartbeatRow("run", worker, 0, status, Phase.MEASUREMENT, queries=queries, errors=errors)


def test_totals_hold_every_worker_and_the_present_rate_only_those_that_send() -> None:
    running, done = WorkerStatus.RUNNING, WorkerStatus.COMPLETED
    views = [
        view("worker-0", running),
        view("worker-1", running, heartbeat_age_s=60.0),
        view("worker-2", running, exit_code=-9),
        view("worker-3", done, exit_code=0),
        view("worker-4", WorkerStatus.READY),
        view("worker-5", None, heartbeat_age_s=None),
    ]
    beats = {f"worker-{i}": heartbeat(f"worker-{i}", done if i == 3 else running, 10**i, i) for i in range(5)}
    rates = {f"worker-{i}": float(10**i) for i in range(6)}
    rollup = roll_up(views, beats, rates)
    assert rollup.workers_registered == 5
    assert rollup.workers_active == 1
    assert rollup.workers_completed == 1
    assert rollup.total_ops == 11_111
    assert rollup.error_count == 10
    assert rollup.current_qps == 1.0


def test_a_stale_worker_still_counts_as_sending() -> None:
    views = [view("worker-0", WorkerStatus.RUNNING, heartbeat_age_s=59.9)]
    assert roll_up(views, {}, {"worker-0": 7.0}).current_qps == 7.0


def test_nothing_heard_yet_is_all_zero() -> None:
    rollup = roll_up([view("worker-0", None, heartbeat_age_s=None)], {}, {})
    assert set(vars(rollup).values()) == {0}
