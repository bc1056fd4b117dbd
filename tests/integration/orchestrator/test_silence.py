"""Workers that nobody could hear are not taken for dead: the store was away, or the controller has just come."""

from pathlib import Path

import pytest
from tests.integration.orchestrator.test_guardrails import CALM, RUN, Rehearsal, rehearsal

from upperbound.domain.run_state import RunStatus
from upperbound.domain.watching import BREAK_S, SURELY_GONE_S
from upperbound.domain.worker_state import DEAD_AFTER_S, STALE_AFTER_S
from upperbound.store.runs import RunRow

LONG = {"duration_seconds": 3600}


def tick(run: Rehearsal) -> RunRow:
    run.loop.tick()
    return run.store.runs.get(RUN)


def silence(run: Rehearsal, seconds: int) -> RunRow:
    """Tick every second while no worker says anything."""
    row = run.store.runs.get(RUN)
    for _ in range(seconds):
        run.pass_time(1)
        row = tick(run)
    return row


def test_a_store_that_was_away_for_a_minute_costs_no_worker(tmp_path: Path) -> None:
    with rehearsal(tmp_path, load=LONG) as run:
        run.second(CALM, CALM)
        run.pass_time(DEAD_AFTER_S + 5)
        assert tick(run).status is RunStatus.RUNNING
        for _ in range(70):
            row = run.second(CALM, CALM)
        assert row.status is RunStatus.RUNNING


def test_a_controller_that_takes_over_gives_workers_the_time_to_be_heard(tmp_path: Path) -> None:
    with rehearsal(tmp_path, load=LONG) as run:
        run.second(CALM, CALM)
        run.pass_time(DEAD_AFTER_S + 5)
        run.take_over()
        assert tick(run).status is RunStatus.RUNNING
        assert run.second(CALM, CALM).status is RunStatus.RUNNING


def test_a_worker_that_stays_silent_when_it_could_be_heard_is_lost(tmp_path: Path) -> None:
    with rehearsal(tmp_path, load=LONG) as run:
        run.second(CALM, CALM)
        run.pass_time(BREAK_S)
        assert tick(run).status is RunStatus.RUNNING
        assert silence(run, int(DEAD_AFTER_S) - 1).status is RunStatus.RUNNING
        row = silence(run, 1)
        assert row.status is RunStatus.FAILED
        assert "worker-0 was not heard from for 70 s" in (row.completion_reason or "")


def test_without_a_break_a_worker_is_lost_at_the_minute(tmp_path: Path) -> None:
    with rehearsal(tmp_path, load=LONG) as run:
        silence(run, 5)
        run.second(CALM, CALM)
        assert silence(run, int(DEAD_AFTER_S) - 1).status is RunStatus.RUNNING
        assert silence(run, 1).status is RunStatus.FAILED


def test_the_log_tells_of_a_silence_once_and_of_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with rehearsal(tmp_path, load=LONG) as run:
        silence(run, 5)
        run.second(CALM, CALM)
        for _ in range(2):
            silence(run, int(STALE_AFTER_S) + 10)
            assert run.second(CALM, CALM).status is RunStatus.RUNNING
    said = [record.getMessage() for record in caplog.records if record.name.endswith("silence_log")]
    stale = [f"worker-{number} is STALE: not heard from for 30 s" for number in range(2)]
    again = [f"worker-{number} is heard from again" for number in range(2)]
    assert said == [*stale, *again] * 2


def test_workers_that_cannot_have_lived_so_long_are_lost_to_whoever_comes(tmp_path: Path) -> None:
    with rehearsal(tmp_path, load=LONG) as run:
        run.second(CALM, CALM)
        run.pass_time(SURELY_GONE_S)
        run.take_over()
        assert tick(run).status is RunStatus.FAILED
