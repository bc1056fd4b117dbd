"""The live view shows the last interval, counts only workers that live, and never mixes phases."""

from typing import Any

import pytest
from tests.unit.views.rows import config, figures, heartbeat, kind, run_row, snapshot

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus
from upperbound.store.runs import RunRow
from upperbound.views.live import SERIES_LENGTH, LiveTracker


def running(phase: Phase = Phase.MEASUREMENT, elapsed_s: float = 10.0, **changes: Any) -> RunRow:
    """Return the row of a run that goes on."""
    return run_row(RunStatus.RUNNING, phase=phase, elapsed_s=elapsed_s, end_time=None, **changes)


def counted(operations: int, *, seconds: float, latency_us: int = 100, failed: int = 0, **more: Any) -> Any:
    """Return figures with so many operations of one latency."""
    return figures({"UPDATE": kind([latency_us] * operations, failed)}, seconds=seconds, **more)


def test_rates_and_percentiles_are_those_of_the_last_interval() -> None:
    tracker = LiveTracker()
    tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 1, counted(1000, seconds=1.0))})
    later = figures({"UPDATE": kind([100] * 1000 + [9_000] * 50)}, seconds=2.0)
    view = tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 2, later)})
    assert view.qps == pytest.approx(50.0)
    assert view.p50_ms == pytest.approx(9.0, rel=1e-3)
    assert view.operations == 1050


def test_workers_are_summed_and_their_latencies_merged() -> None:
    snapshots = {
        "worker-0": snapshot(0, 1, counted(900, seconds=1.0, latency_us=100)),
        "worker-1": snapshot(1, 1, counted(100, seconds=1.0, latency_us=5_000)),
    }
    view = LiveTracker().update(running(), [heartbeat(0), heartbeat(1)], snapshots)
    assert view.qps == pytest.approx(1000.0)
    assert view.p50_ms == pytest.approx(0.1, rel=1e-3)
    assert view.p95_ms == pytest.approx(5.0, rel=1e-3)
    assert [worker.qps for worker in view.workers] == pytest.approx([900.0, 100.0])
    assert view.active_threads == 16


def test_a_dead_worker_is_listed_and_left_out_of_the_sums() -> None:
    snapshots = {
        "worker-0": snapshot(0, 1, counted(900, seconds=1.0)),
        "worker-1": snapshot(1, 1, counted(100, seconds=1.0)),
    }
    view = LiveTracker().update(running(), [heartbeat(0), heartbeat(1, age_s=60.0)], snapshots)
    assert view.qps == pytest.approx(900.0)
    assert view.operations == 900
    assert view.active_threads == 8
    assert view.workers[1].health is WorkerHealth.DEAD


def test_a_failed_worker_shows_its_error() -> None:
    lost = heartbeat(1, WorkerStatus.FAILED, last_error="the disk is full")
    view = LiveTracker().update(running(), [heartbeat(0), lost], {})
    assert view.workers[1].detail == "the disk is full"
    assert view.active_threads == 8


def test_a_snapshot_that_is_known_already_changes_nothing() -> None:
    tracker = LiveTracker()
    same = {"worker-0": snapshot(0, 1, counted(1000, seconds=1.0))}
    first = tracker.update(running(), [heartbeat(0)], same)
    assert tracker.update(running(), [heartbeat(0)], same) == first
    assert len(first.workers[0].qps_series) == 1


def test_a_new_phase_counts_from_zero() -> None:
    tracker = LiveTracker()
    warm = counted(5000, seconds=5.0, phase=Phase.WARMUP)
    tracker.update(running(Phase.WARMUP), [heartbeat(0)], {"worker-0": snapshot(0, 5, warm)})
    view = tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 6, counted(300, seconds=0.5))})
    assert view.qps == pytest.approx(600.0)
    assert view.operations == 300


def test_a_blink_at_the_begin_of_a_phase_gives_no_rate_of_its_own() -> None:
    tracker = LiveTracker()
    warm = counted(1000, seconds=1.0, phase=Phase.WARMUP)
    tracker.update(running(Phase.WARMUP), [heartbeat(0)], {"worker-0": snapshot(0, 1, warm)})
    blink = tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 2, counted(0, seconds=0.01))})
    assert blink.qps == pytest.approx(1000.0)
    assert blink.operations == 0
    view = tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 3, counted(500, seconds=1.0))})
    assert view.qps == pytest.approx(500.0)


def test_a_worker_that_counts_anew_is_taken_at_its_word() -> None:
    tracker = LiveTracker()
    tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 1, counted(1000, seconds=1.0))})
    view = tracker.update(running(), [heartbeat(0)], {"worker-0": snapshot(0, 2, counted(10, seconds=1.0))})
    assert view.qps == pytest.approx(10.0)


def test_a_worker_still_in_warmup_does_not_blur_the_measurement() -> None:
    snapshots = {
        "worker-0": snapshot(0, 1, counted(900, seconds=1.0, latency_us=100)),
        "worker-1": snapshot(1, 1, counted(900, seconds=1.0, latency_us=9_000, phase=Phase.WARMUP)),
    }
    view = LiveTracker().update(running(), [heartbeat(0), heartbeat(1)], snapshots)
    assert view.operations == 900
    assert view.p99_ms == pytest.approx(0.1, rel=1e-3)
    assert view.qps == pytest.approx(1800.0)


def test_the_series_of_a_worker_is_bounded() -> None:
    tracker = LiveTracker()
    for second in range(1, SERIES_LENGTH + 20):
        newest = {"worker-0": snapshot(0, second, counted(10 * second, seconds=float(second)))}
        view = tracker.update(running(), [heartbeat(0)], newest)
    assert len(view.workers[0].qps_series) == SERIES_LENGTH


def test_connections_that_open_are_shown_before_the_start() -> None:
    row = run_row(RunStatus.STARTING, phase=Phase.PREPARING, start_time=None, elapsed_s=None, end_time=None)
    beat = heartbeat(0, WorkerStatus.CONNECTING, active_threads=3, detail="3 of 8 connections open")
    view = LiveTracker().update(row, [beat], {})
    assert view.elapsed_s is None
    assert view.qps is None
    assert (view.active_threads, view.target_threads) == (3, 16)
    assert view.workers[0].detail == "3 of 8 connections open"
    assert view.workers_expected == 2


@pytest.mark.parametrize(
    ("phase", "elapsed_s", "expected"),
    [
        (Phase.WARMUP, 3.0, (3.0, 5.0)),
        (Phase.WARMUP, 5.4, (5.0, 5.0)),
        (Phase.MEASUREMENT, 4.9, (0.0, 20.0)),
        (Phase.MEASUREMENT, 12.0, (7.0, 20.0)),
        (Phase.MEASUREMENT, 25.9, (20.0, 20.0)),
        (Phase.COOLDOWN, 26.0, (4.0, None)),
    ],
)
def test_a_phase_is_timed_from_its_planned_begin(
    phase: Phase, elapsed_s: float, expected: tuple[float, float | None]
) -> None:
    view = LiveTracker().update(running(phase, elapsed_s), [], {})
    assert (view.phase_elapsed_s, view.phase_total_s) == expected


def test_the_plan_is_the_run_s_own() -> None:
    row = running(elapsed_s=3.0, scenario_config=config("load.warmup_seconds=0").model_dump(mode="json"))
    assert LiveTracker().update(row, [], {}).phase_elapsed_s == 3.0
