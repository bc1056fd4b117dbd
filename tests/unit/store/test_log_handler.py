"""What is logged reaches the store in time, once, without secrets, and never at the expense of who logs."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from upperbound.clock import SystemClock
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.errors import StoreError, StoreUnreachable
from upperbound.store import log_handler
from upperbound.store.log_handler import BATCH, MESSAGE_CHARS, StoreLogHandler, stored_logs
from upperbound.store.logs import LogLine, LogWriter
from upperbound.testing.waiting import until

WRITER = LogWriter("run-1", "worker-0-x", LogSource.WORKER, "worker-0")
NEVER_S = 3600.0
CLOCK = SystemClock()


class Sink:
    """A store's log that can be away, hang, refuse, and lose its answers."""

    def __init__(self) -> None:
        self.lines: dict[int, LogLine] = {}
        self.batches: list[int] = []
        self.calls = 0
        self.away = False
        self.answers_lost = 0
        self.refuse: Callable[[LogLine], bool] = lambda _line: False
        self.open = threading.Event()
        self.open.set()

    def append_many(self, writer: LogWriter, lines: Sequence[LogLine]) -> int:
        self.calls += 1
        self.open.wait()
        assert writer == WRITER
        if self.away:
            raise StoreUnreachable("the store is away")
        if any(self.refuse(line) for line in lines):
            raise StoreError("no such thing at postgresql://me:hunter2@host/x")
        fresh = {line.number: line for line in lines if line.number not in self.lines}
        self.lines |= fresh
        self.batches.append(len(lines))
        if self.answers_lost:
            self.answers_lost -= 1
            raise StoreUnreachable("the answer is lost")
        return len(fresh)

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.lines.values()]


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.open.set()


@pytest.fixture
def logger() -> logging.Logger:
    """A logger that nobody else knows."""
    return logging.Logger("upperbound.test", logging.DEBUG)  # noqa: LOG001 - one that outlives no test


@pytest.fixture
def handle(sink: Sink, logger: logging.Logger) -> Iterator[Callable[..., StoreLogHandler]]:
    made: list[StoreLogHandler] = []

    def make(**options: Any) -> StoreLogHandler:
        handler = StoreLogHandler(sink, WRITER, CLOCK, **({"flush_s": NEVER_S, "retry_s": 0.01} | options))
        logger.addHandler(handler)
        made.append(handler)
        return handler

    yield make
    sink.open.set()
    for handler in made:
        handler.close()


Handle = Callable[..., StoreLogHandler]


def test_a_line_keeps_what_it_was_logged_with(sink: Sink, logger: logging.Logger, handle: Handle) -> None:
    before = CLOCK.utc_now()
    handler = handle()
    logger.log(35, "%d of %s", 3, "four")
    handler.close()
    (line,) = sink.lines.values()
    assert (line.number, line.level, line.logger) == (1, LogLevel.WARNING, "upperbound.test")
    assert line.message == "3 of four"
    assert before <= line.logged_at <= CLOCK.utc_now()


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (5, LogLevel.DEBUG),
        (10, LogLevel.DEBUG),
        (20, LogLevel.INFO),
        (30, LogLevel.WARNING),
        (49, LogLevel.ERROR),
        (60, LogLevel.CRITICAL),
    ],
)
def test_every_number_has_a_level(
    sink: Sink, logger: logging.Logger, handle: Handle, number: int, level: LogLevel
) -> None:
    handler = handle()
    logger.setLevel(1)
    logger.log(number, "x")
    handler.close()
    assert sink.lines[1].level is level


def test_lines_wait_for_others_and_a_warning_takes_all_along_at_once(
    sink: Sink, logger: logging.Logger, handle: Handle
) -> None:
    handle(flush_s=NEVER_S)
    logger.info("first")
    logger.debug("second")
    assert sink.calls == 0
    logger.warning("third")
    until(lambda: len(sink.lines) == 3, "the warning is written")
    assert sink.messages == ["first", "second", "third"]
    logger.info("fourth")
    assert sink.calls == len(sink.batches)
    assert "fourth" not in sink.messages


def test_lines_are_written_together_when_their_time_has_come(
    sink: Sink, logger: logging.Logger, handle: Handle
) -> None:
    handle(flush_s=0.2)
    for number in range(20):
        logger.info("%d", number)
    until(lambda: len(sink.lines) == 20, "the lines are written")
    assert sink.batches == [20]


def test_a_flood_is_written_in_parts(sink: Sink, logger: logging.Logger, handle: Handle) -> None:
    handler = handle()
    for number in range(BATCH + 1):
        logger.info("%d", number)
    handler.close()
    assert sink.batches == [BATCH, 1]
    assert handler.unwritten == 0


def test_lines_outlast_an_outage_and_lost_answers_in_order_and_once(
    sink: Sink, logger: logging.Logger, handle: Handle
) -> None:
    handle(flush_s=0.01)
    sink.away = True
    for number in range(10):
        logger.warning("%d", number)
    until(lambda: sink.calls > 3, "the outage is noticed")
    assert sink.lines == {}
    sink.answers_lost = 2
    sink.away = False
    until(lambda: len(sink.lines) == 10 and not sink.answers_lost, "the lines are written")
    assert sink.messages == [str(number) for number in range(10)]


def test_what_finds_no_room_is_counted_and_owned_up_to_and_warnings_find_room_last(
    sink: Sink, logger: logging.Logger, handle: Handle
) -> None:
    handler = handle(capacity=10, reserved=4)
    sink.away = True
    for number in range(10):
        logger.info("info %d", number)
    for number in range(10):
        logger.warning("warning %d", number)
    assert handler.unwritten == 20
    sink.away = False
    until(lambda: len(sink.lines) == 11, "the lines are written")
    assert sink.messages[:10] == [f"info {number}" for number in range(6)] + [f"warning {n}" for n in range(4)]
    assert sink.messages[10].startswith("10 log lines are missing here")
    assert sink.lines[11].level is LogLevel.WARNING
    logger.warning("after")
    until(lambda: len(sink.lines) == 12, "the next line is written")
    assert sink.messages[-1] == "after", "a loss is told once"


def test_a_line_that_the_store_refuses_holds_up_no_other(sink: Sink, logger: logging.Logger, handle: Handle) -> None:
    handler = handle()
    sink.refuse = lambda line: line.message == "poison" or "missing" in line.message
    logger.warning("poison")
    until(lambda: handler.unwritten == 1 and sink.calls == 1, "the line is refused")
    logger.warning("good")
    until(lambda: "good" in sink.messages, "the next line is written")
    sink.refuse = lambda _line: False
    handler.close()
    assert len(sink.messages) == 2
    assert sink.messages[1].startswith("1 log lines are missing here")
    assert "no such thing" in sink.messages[1]
    assert "hunter2" not in sink.messages[1]


def test_a_hanging_store_keeps_nobody_waiting(sink: Sink, logger: logging.Logger, handle: Handle) -> None:
    handler = handle(capacity=100, reserved=10, close_s=0.05)
    sink.open.clear()
    started_ns = CLOCK.monotonic_ns()
    for number in range(5_000):
        logger.warning("%d", number)
    handler.close()
    logger.warning("too late")
    # Far less than one wait for the store would take: this thread has waited for the deadline of the end alone.
    assert (CLOCK.monotonic_ns() - started_ns) / 1e9 < 10
    assert handler.unwritten == 5_000
    assert sink.lines == {}


def test_the_end_writes_what_waits_and_gives_up_in_time(sink: Sink, logger: logging.Logger, handle: Handle) -> None:
    sink.away = True
    late = handle(close_s=0.05)
    logger.info("lost")
    late.close()
    assert late.unwritten == 1
    logger.removeHandler(late)

    patient = handle(close_s=30.0)
    logger.info("kept")
    threading.Timer(0.05, lambda: setattr(sink, "away", False)).start()
    patient.close()
    assert patient.unwritten == 0
    assert "kept" in sink.messages
    patient.close()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("connect to postgresql://me:hunter2@host:5432/db", "connect to postgresql://me:***@host:5432/db"),
        ("host=h password=hunter2 user=me", "host=h password=*** user=me"),
        ("postgresql://me@host/db?password=hunter2&x=1", "postgresql://me@host/db?password=***&x=1"),
    ],
)
def test_no_password_is_written(sink: Sink, logger: logging.Logger, handle: Handle, said: str, kept: str) -> None:
    handler = handle()
    logger.info("%s", said)
    logger.error("it failed", exc_info=RuntimeError(said))
    handler.close()
    assert sink.messages[0] == kept
    assert "RuntimeError" in sink.messages[1]
    assert not any("hunter2" in message for message in sink.messages)


def test_a_long_message_is_cut_and_no_part_of_a_password_is_left_at_the_cut(
    sink: Sink, logger: logging.Logger, handle: Handle
) -> None:
    handler = handle()
    url = "postgresql://me:hunter2@host/db"
    logger.info("%s", "x" * (MESSAGE_CHARS - 20) + url + "y" * 1_000_000)
    handler.close()
    (message,) = sink.messages
    assert len(message) < MESSAGE_CHARS + 20
    assert message.endswith("… (cut)")
    assert "hunt" not in message


def test_arguments_that_do_not_fit_are_told_on_stderr_and_break_nothing(
    sink: Sink,
    logger: logging.Logger,
    handle: Handle,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The command line, which other tests of this process use, turns it off.
    monkeypatch.setattr(logging, "raiseExceptions", True)
    handler = handle()
    too_few = (1,)
    logger.info("%d of %d", *too_few)
    logger.info("next")
    handler.close()
    assert sink.messages == ["next"]
    assert "Logging error" in capsys.readouterr().err


def test_what_the_writing_itself_logs_does_not_come_back(sink: Sink, logger: logging.Logger, handle: Handle) -> None:
    handler = handle()

    def chatter(_line: LogLine) -> bool:
        logger.warning("writing")
        return False

    sink.refuse = chatter
    logger.warning("one")
    until(lambda: len(sink.lines) == 1, "the line is written")
    handler.close()
    assert sink.messages == ["one"]


def test_the_package_logs_to_the_store_for_as_long_as_it_is_told_to(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writers: list[LogWriter] = []

    class AnySink:
        def append_many(self, writer: LogWriter, lines: Sequence[LogLine]) -> int:
            writers.append(writer)
            return sink.append_many(WRITER, lines)

    root = logging.getLogger("upperbound")
    caplog.set_level(logging.INFO, logger="upperbound")
    for _ in range(2):
        with stored_logs(AnySink(), CLOCK, run_id="run-1", source=LogSource.WORKER, worker_id="worker-0"):
            logging.getLogger("upperbound.worker.main").info("inside")
    root.warning("outside")
    assert {(writer.run_id, writer.source, writer.worker_id) for writer in writers} == {
        ("run-1", LogSource.WORKER, "worker-0")
    }
    assert len({writer.name for writer in writers}) == 2, "a second process with the same role is another writer"
    assert "outside" not in sink.messages

    monkeypatch.setattr(log_handler, "CLOSE_S", 0.01)
    sink.away = True
    caplog.clear()
    with stored_logs(AnySink(), CLOCK, run_id="run-1", source=LogSource.ORCHESTRATOR):
        root.info("lost")
    assert "1 log lines could not be written to the store" in caplog.text
