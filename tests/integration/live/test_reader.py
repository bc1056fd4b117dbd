"""One reading of a run: what is asked of the store, what pushes change, and times that never go back."""

from dataclasses import replace

import pytest
from tests.integration.live.conftest import RUN, Rows, StoreClock, counted, snapshot_of, statements

from upperbound.api.live.pushes import LIFE_S, LivePushes
from upperbound.api.live.reader import LOG_LINES, RunReader
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.store.logs import LogLine, LogWriter
from upperbound.testing.manual_clock import ManualClock


@pytest.fixture
def pushes() -> LivePushes:
    return LivePushes(ManualClock(), "http://127.0.0.1:8000")


def log_lines(store: Store, store_clock: StoreClock, first: int, count: int) -> None:
    """Let a worker of the run say something."""
    writer = LogWriter(RUN, "w", LogSource.WORKER, "worker-0")
    lines = [
        LogLine(number, LogLevel.INFO, "upperbound", f"line {number}", store_clock.moment)
        for number in range(first, first + count)
    ]
    store.logs.append_many(writer, lines)


def test_of_a_prepared_run_nothing_but_its_row_and_the_end_of_its_log_is_read(store: Store, rows: Rows) -> None:
    reader = RunReader(store, RUN)
    with statements(store) as asked:
        assert reader.read().status is RunStatus.PREPARED
        assert asked.number == 2
        reader.read()
        assert asked.number == 3


def test_an_unknown_run_is_said_to_be_none(store: Store) -> None:
    with pytest.raises(RunNotFound, match="no run 'nobody'"):
        RunReader(store, "nobody").read()


def test_the_first_update_of_a_run_that_goes_on_shows_its_last_second(store: Store, rows: Rows) -> None:
    rows.starting()
    rows.running()
    rows.beat()
    rows.snapshot(1, 1000, seconds=1.0)
    rows.snapshot(2, 2000, seconds=2.0)
    rows.snapshot(3, 2050, seconds=3.0)
    assert RunReader(store, RUN).read().run.aggregate_metrics.qps == 50.0


def test_elapsed_time_is_the_store_s_and_stays_where_it_was_when_that_is_set_back(
    store: Store, rows: Rows, store_clock: StoreClock
) -> None:
    reader = RunReader(store, RUN)
    seen = [reader.read().run.elapsed_seconds]
    rows.starting()
    rows.running()
    for seconds in (0.0, 2.5, -2.0, 1.0, 1.5):
        store_clock.advance(seconds)
        update = reader.read()
        assert update.timing.elapsed_display_seconds == update.run.elapsed_seconds
        assert update.timing.phase_elapsed_seconds == update.run.elapsed_seconds
        seen.append(update.run.elapsed_seconds)
    assert seen == [None, 0.0, 2.5, 2.5, 2.5, 3.0]


def test_elapsed_time_of_a_run_that_is_over_is_its_length(store: Store, rows: Rows, store_clock: StoreClock) -> None:
    rows.starting()
    rows.running()
    store_clock.advance(8.0)
    rows.end()
    store_clock.advance(3600.0)
    update = RunReader(store, RUN).read()
    assert (update.final, update.run.elapsed_seconds) == (True, 8.0)


def test_lines_of_the_log_come_once_in_order_and_never_too_many(
    store: Store, rows: Rows, store_clock: StoreClock
) -> None:
    log_lines(store, store_clock, 1, 5)
    reader = RunReader(store, RUN)
    first = reader.read()
    assert (first.logs, first.logs_after, first.log_sequence) == ([], 5, 5)
    rows.starting()
    log_lines(store, store_clock, 6, LOG_LINES + 10)
    updates = [reader.read() for _ in range(3)]
    assert [len(update.logs) for update in updates] == [LOG_LINES, 10, 0]
    assert [update.logs_after for update in updates] == [5, 105, 115]
    assert [line.sequence for update in updates for line in update.logs] == list(range(6, 116))


def test_a_run_whose_workers_all_push_is_shown_without_asking_for_their_snapshots(
    store: Store, rows: Rows, pushes: LivePushes
) -> None:
    rows.starting()
    rows.running()
    for group_id in range(2):
        rows.beat(group_id)
        rows.snapshot(1, 1000, seconds=1.0, group_id=group_id)
    reader = RunReader(store, RUN, pushes)
    reader.read()
    for group_id in range(2):
        pushes.put(snapshot_of(RUN, 2, counted(1300, 2.0), group_id=group_id))
    with statements(store) as asked:
        assert reader.read().run.aggregate_metrics.qps == 600.0
    assert [text for text in asked.texts if "worker_metrics_snapshots" in text] == []


def test_of_what_is_pushed_and_what_is_stored_the_newest_counts(store: Store, rows: Rows, pushes: LivePushes) -> None:
    rows.starting()
    rows.running()
    rows.beat(0)
    rows.beat(1)
    reader = RunReader(store, RUN, pushes)
    pushes.put(snapshot_of(RUN, 2, counted(200, 2.0)))
    rows.snapshot(3, 330, seconds=3.0)
    rows.snapshot(1, 40, seconds=1.0, group_id=1)
    assert reader.read().ops.total == 370
    pushes.put(snapshot_of(RUN, 4, counted(500, 4.0)))
    assert reader.read().ops.total == 540


def test_what_was_pushed_too_long_ago_gives_way_to_the_store(store: Store, rows: Rows) -> None:
    clock = ManualClock()
    pushes = LivePushes(clock, "http://127.0.0.1:8000")
    rows.starting()
    rows.running()
    rows.beat()
    reader = RunReader(store, RUN, pushes)
    rows.snapshot(1, 100, seconds=1.0)
    pushes.put(snapshot_of(RUN, 2, counted(250, 2.0)))
    assert reader.read().ops.total == 250
    rows.snapshot(7, 900, seconds=7.0)
    clock.advance(LIFE_S - 0.001)
    with statements(store) as asked:
        assert reader.read().ops.total == 250
    assert not any("worker_metrics_snapshots" in text for text in asked.texts)
    clock.advance(0.001)
    assert reader.read().ops.total == 900


def test_what_cannot_be_read_of_a_push_is_left_out(store: Store, rows: Rows, pushes: LivePushes) -> None:
    rows.starting()
    rows.running()
    rows.beat()
    rows.snapshot(1, 100, seconds=1.0)
    reader = RunReader(store, RUN, pushes)
    good = snapshot_of(RUN, 2, counted(250, 2.0))
    pushes.put(replace(good, figures={"phase": "MEASUREMENT"}))
    assert reader.read().ops.total == 100
    pushes.put(replace(good, sequence=3, figures={**good.figures, "by_operation": {"UPDATE": 7}}))
    assert reader.read().ops.total == 100
    assert pushes.fresh(RUN) == {}
    pushes.put(replace(good, sequence=4))
    assert reader.read().ops.total == 250


def test_the_end_of_a_run_is_told_with_its_result_and_its_reason(store: Store, rows: Rows) -> None:
    rows.starting()
    rows.running()
    rows.beat(0, WorkerStatus.RUNNING)
    rows.end(RunStatus.FAILED, completion_reason="worker_failure: worker-0 was killed by signal SIGKILL")
    update = RunReader(store, RUN).read()
    assert (update.final, update.status) == (True, RunStatus.FAILED)
    assert update.run.failure_reason == "worker_failure: worker-0 was killed by signal SIGKILL"


def test_a_repeated_update_says_why_and_has_no_line_twice(store: Store, rows: Rows, store_clock: StoreClock) -> None:
    reader = RunReader(store, RUN)
    assert reader.repeat("nothing yet") is None
    reader.read()
    rows.starting()
    log_lines(store, store_clock, 1, 3)
    assert len(reader.read().logs) == 3
    again = reader.repeat("the store is away")
    assert again is not None
    assert (again.sequence, again.notice, again.logs) == (2, "the store is away", [])
    log_lines(store, store_clock, 4, 1)
    later = reader.read()
    assert (later.sequence, later.notice, [line.message for line in later.logs]) == (3, None, ["line 4"])
