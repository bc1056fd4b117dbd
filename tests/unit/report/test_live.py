"""The live display and the plain line show the same moment of a run."""

from typing import Any

from tests.unit.report.rendering import plain, words
from tests.unit.views.rows import RATE, RUN_ID, config, figures, heartbeat, kind, offering, run_row, snapshot

from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.report.live import live_display, live_line
from upperbound.views.live import LiveTracker, LiveView


def measuring(**changes: Any) -> LiveView:
    """Return a run in the middle of its measurement."""
    facts: dict[str, Any] = {"phase": Phase.MEASUREMENT, "elapsed_s": 12.3, "end_time": None} | changes
    snapshots = {
        f"worker-{group_id}": snapshot(group_id, 1, figures({"UPDATE": kind([2_000] * 500, failed=1)}, seconds=1.0))
        for group_id in range(2)
    }
    return LiveTracker().update(run_row(RunStatus.RUNNING, **facts), [heartbeat(0), heartbeat(1)], snapshots)


def starting() -> LiveView:
    """Return a run whose workers open their connections."""
    row = run_row(RunStatus.STARTING, phase=Phase.PREPARING, start_time=None, elapsed_s=None, end_time=None)
    beats = [
        heartbeat(0, WorkerStatus.READY),
        heartbeat(1, WorkerStatus.CONNECTING, active_threads=3, detail="3 of 8 connections open"),
    ]
    return LiveTracker().update(row, beats, {})


def test_the_display_shows_phase_progress_and_figures() -> None:
    text = words(live_display(measuring()))
    assert f"Orders run {RUN_ID}" in text
    assert "MEASUREMENT" in text
    assert "7.3 s / 20.0 s elapsed 12.3 s" in text
    assert "QPS 1,000 p50 2.00 ms p95 2.00 ms p99 2.00 ms operations 1,000 errors 2 (0.20 %)" in text


def offering_a_rate() -> LiveView:
    """Return a run at 1,000 per second that falls behind."""
    arrivals = ArrivalFigures(500.0, 500, 450, 40, 20)
    row = run_row(
        RunStatus.RUNNING,
        phase=Phase.MEASUREMENT,
        elapsed_s=12.3,
        end_time=None,
        scenario_config=config(*RATE).model_dump(mode="json"),
    )
    snapshots = {
        f"worker-{group_id}": snapshot(
            group_id, 1, offering({"UPDATE": ([2_000] * 450, [7_000] * 450)}, arrivals, seconds=1.0)
        )
        for group_id in range(2)
    }
    return LiveTracker().update(row, [heartbeat(0), heartbeat(1)], snapshots)


def test_an_open_loop_shows_what_it_achieves_against_what_it_is_to_offer() -> None:
    text = words(live_display(offering_a_rate()))
    assert "QPS 900 of 1,000 p50 7.00 ms" in text
    assert "0 (0.00 %), 60 waiting, 40 dropped" in text
    line = live_line(offering_a_rate())
    assert "900 of 1,000 queries/s, p95 7.00 ms" in line
    assert line.endswith("0 errors, 60 waiting, 40 dropped")


def test_the_display_shows_a_sparkline_for_each_worker() -> None:
    lines = [line for line in plain(live_display(measuring())).splitlines() if line.startswith("worker-")]
    assert len(lines) == 2
    assert all("█" in line and "500/s" in line and "p95 2.00 ms" in line for line in lines)
    assert all("8 of 8 threads" in line and "1 errors" in line for line in lines)


def test_connection_progress_is_shown_before_the_start() -> None:
    text = words(live_display(starting()))
    assert "STARTING" in text
    assert "1 of 2 workers ready, 16 threads wanted" in text
    assert "worker-1 CONNECTING 3 of 8 connections open" in text


def test_warmup_is_marked_as_such() -> None:
    assert "WARMUP" in words(live_display(measuring(phase=Phase.WARMUP, elapsed_s=2.0)))


def test_a_notice_stands_below() -> None:
    assert plain(live_display(measuring(), "Ctrl-C stops the run.")).splitlines()[-1] == "Ctrl-C stops the run."


def test_a_lost_worker_stands_out() -> None:
    view = LiveTracker().update(
        run_row(RunStatus.RUNNING, phase=Phase.MEASUREMENT, end_time=None), [heartbeat(0, age_s=61.0)], {}
    )
    assert "worker-0 DEAD" in words(live_display(view))


def test_the_line_shows_a_measurement() -> None:
    assert live_line(measuring()) == (
        "MEASUREMENT 7.3 s/20.0 s: 1,000 queries/s, p95 2.00 ms, 1,000 operations, 2 errors"
    )


def test_the_line_shows_connection_progress() -> None:
    assert live_line(starting()) == (
        "STARTING: 1 of 2 workers ready, 16 threads wanted; "
        "worker-0 8 connections open; worker-1 3 of 8 connections open"
    )


def test_the_line_says_that_a_run_is_being_cancelled() -> None:
    row = run_row(RunStatus.CANCELLING, phase=Phase.COOLDOWN, end_time=None)
    assert live_line(LiveTracker().update(row, [], {})).startswith("CANCELLING 4.0 s: ")


def test_the_display_fits_a_narrow_terminal() -> None:
    assert max(len(line) for line in plain(live_display(measuring()), 60).splitlines()) <= 60
