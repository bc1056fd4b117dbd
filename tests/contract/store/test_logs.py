"""Lines of a run's log are kept once each, in one order that a reader can follow."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.store.engine import Store
from upperbound.store.logs import LogLine, LogRow, LogWriter

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

LOGGED = datetime(2020, 2, 29, 23, 59, 59, 123_000, tzinfo=UTC)
ORCHESTRATOR = LogWriter("run-1", "orchestrator-a", LogSource.ORCHESTRATOR)
WORKERS = [LogWriter("run-1", f"worker-{number}-b", LogSource.WORKER, f"worker-{number}") for number in range(2)]


def line(number: int, message: str = "", level: LogLevel = LogLevel.INFO) -> LogLine:
    return LogLine(number, level, "upperbound.test", message or f"line {number}", LOGGED + timedelta(seconds=number))


def said(rows: list[LogRow]) -> list[str]:
    return [row.message for row in rows]


def test_a_line_is_kept_whole_with_the_clocks_of_writer_and_store(clocked_store: Store, clock: "SetClock") -> None:
    text = "Traceback:\n  tab\t\N{SNOWMAN} \N{PILE OF POO} " + "x" * 10_000
    assert clocked_store.logs.append_many(WORKERS[1], [line(7, text, LogLevel.ERROR)]) == 1
    (row,) = clocked_store.logs.after("run-1")
    assert row == LogRow(
        run_id="run-1",
        sequence=1,
        source=LogSource.WORKER,
        worker_id="worker-1",
        level=LogLevel.ERROR,
        logger="upperbound.test",
        message=text,
        logged_at=LOGGED + timedelta(seconds=7),
        received_at=clock.moment,
    )
    assert isinstance(row.level, LogLevel)
    assert isinstance(row.source, LogSource)


def test_what_a_store_cannot_hold_in_a_message_is_replaced(store: Store) -> None:
    store.logs.append_many(ORCHESTRATOR, [line(1, "a\0b\ud800c")])
    (row,) = store.logs.after("run-1")
    assert row.message[0] == "a"
    assert row.message[-1] == "c"


def test_lines_sent_again_after_a_lost_answer_are_not_doubled(store: Store) -> None:
    assert store.logs.append_many(WORKERS[0], [line(1), line(2)]) == 2
    assert store.logs.append_many(WORKERS[0], [line(1, "again"), line(2, "again")]) == 0
    assert store.logs.append_many(WORKERS[0], [line(2, "again"), line(3)]) == 1
    assert store.logs.append_many(WORKERS[0], []) == 0
    assert said(store.logs.after("run-1")) == ["line 1", "line 2", "line 3"]


def test_numbers_belong_to_a_writer_and_a_run(store: Store) -> None:
    other_run = LogWriter("run-2", ORCHESTRATOR.name, LogSource.ORCHESTRATOR)
    for writer in (ORCHESTRATOR, *WORKERS, other_run):
        assert store.logs.append_many(writer, [line(1)]) == 1
    assert [row.sequence for row in store.logs.after("run-1")] == [1, 2, 3]
    assert [row.sequence for row in store.logs.after("run-2")] == [1]
    assert store.logs.after("run-3") == []


def test_pages_follow_each_other_without_gap_or_repetition(store: Store) -> None:
    store.logs.append_many(WORKERS[0], [line(number) for number in range(1, 11)])
    pages, last = [], 0
    while page := store.logs.after("run-1", last, limit=4):
        pages.append([row.sequence for row in page])
        last = page[-1].sequence
    assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_lines_are_chosen_by_level_source_and_worker(store: Store) -> None:
    store.logs.append_many(ORCHESTRATOR, [line(1, "o info"), line(2, "o error", LogLevel.ERROR)])
    for writer in WORKERS:
        levels = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARNING, LogLevel.CRITICAL)
        store.logs.append_many(
            writer, [line(number, f"{writer.worker_id} {level}", level) for number, level in enumerate(levels, 1)]
        )
    after = store.logs.after
    assert said(after("run-1", levels=LogLevel.ERROR.and_above)) == [
        "o error",
        "worker-0 CRITICAL",
        "worker-1 CRITICAL",
    ]
    assert said(after("run-1", sources=[LogSource.ORCHESTRATOR])) == ["o info", "o error"]
    assert said(after("run-1", levels=LogLevel.WARNING.and_above, worker_id="worker-1")) == [
        "worker-1 WARNING",
        "worker-1 CRITICAL",
    ]
    assert len(after("run-1", sources=list(LogSource))) == 10
    assert after("run-1", sources=[LogSource.ORCHESTRATOR], worker_id="worker-0") == []
    assert after("run-1", levels=[]) == []
    assert said(after("run-1", 7, levels=LogLevel.WARNING.and_above, limit=1)) == ["worker-1 WARNING"]


def test_a_batch_is_taken_whole_or_not_at_all(store: Store, engine: sa.Engine) -> None:
    store.logs.append_many(WORKERS[0], [line(1)])
    with pytest.raises(sa.exc.StatementError, match="time zone"):
        store.logs.append_many(
            WORKERS[0],
            [line(2), LogLine(3, LogLevel.INFO, "x", "naive", datetime(2026, 1, 1))],  # noqa: DTZ001
        )
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM test_logs")).scalar_one() == 1


def test_a_follower_sees_every_line_while_writers_race(store: Store, repeats: Callable[[int, int], int]) -> None:
    """Sequences that were given before, and committed after, what a reader has seen would be missed for good."""
    writers, turns, batch = 4, repeats(15, 3), 3
    failures: list[BaseException] = []

    def write(number: int) -> None:
        writer = LogWriter("run-1", f"writer-{number}", LogSource.WORKER, f"worker-{number}")
        try:
            for turn in range(turns):
                store.logs.append_many(writer, [line(turn * batch + place) for place in range(batch)])
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    writing = True
    while writing:
        # Looked at first: what is read after the last writer has ended is everything.
        writing = any(thread.is_alive() for thread in threads)
        seen += [row.sequence for row in store.logs.after("run-1", seen[-1] if seen else 0)]
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen == list(range(1, writers * turns * batch + 1))
    for number in range(writers):
        mine = store.logs.after("run-1", worker_id=f"worker-{number}")
        assert said(mine) == [f"line {place}" for place in range(turns * batch)], "a writer's lines keep their order"
