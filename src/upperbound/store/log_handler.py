"""Log lines on their way to the store, without the process that logs ever waiting for it.

Lines are taken into a bounded queue and written by a thread of their own: every second, and at once when one of them is
a warning or worse. While the store is away they are kept. What does not fit is dropped, counted, and owned up to in a
line of its own.
"""

import logging
import queue
import random
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, Protocol

from upperbound.clock import Clock
from upperbound.domain.backoff import Backoff
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.errors import StoreUnreachable
from upperbound.scenario.connection_url import mask_credentials
from upperbound.store.logs import LogLine, LogWriter

log = logging.getLogger(__name__)

FLUSH_S: Final = 1.0
"""How long a line that is no warning may wait for others."""
RETRY_S: Final = 1.0
"""The longest wait after the first attempt to write that has failed, as the store is away; then twice as long each."""
RETRY_GROWTH: Final = 5
"""How many times as long the longest wait may become."""
CLOSE_S: Final = 5.0
"""How long the end of a process may wait for its last lines."""
CAPACITY: Final = 5_000
"""Lines kept at most: some minutes of a talkative process without a store."""
RESERVED: Final = 1_000
"""Of those, for warnings and worse."""
BATCH: Final = 500
"""Lines in one transaction at most."""
MESSAGE_CHARS: Final = 8_000
"""What is kept of one message."""
_RAW_CHARS: Final = 4 * MESSAGE_CHARS
"""What is kept of a message before it is masked: far more, so that no cut leaves half of a password unrecognised."""

_LEVELS: Final = (
    (logging.CRITICAL, LogLevel.CRITICAL),
    (logging.ERROR, LogLevel.ERROR),
    (logging.WARNING, LogLevel.WARNING),
    (logging.INFO, LogLevel.INFO),
)


class LogSink(Protocol):
    """Where lines go: :class:`upperbound.store.logs.LogRepository`."""

    def append_many(self, writer: LogWriter, lines: Sequence[LogLine]) -> int:
        """Keep lines, each number once; may be repeated after :class:`StoreUnreachable`."""
        ...


@dataclass(frozen=True)
class _Taken:
    """A line as it was when it was logged."""

    level: int
    logger: str
    message: str
    logged_at: datetime


class StoreLogHandler(logging.Handler):
    """Sends what is logged to a run's log in the store; close it to write what waits."""

    def __init__(
        self,
        sink: LogSink,
        writer: LogWriter,
        clock: Clock,
        *,
        capacity: int = CAPACITY,
        reserved: int = RESERVED,
        flush_s: float = FLUSH_S,
        retry_s: float = RETRY_S,
        close_s: float = CLOSE_S,
    ) -> None:
        """Start the thread. ``capacity`` counts lines, of which ``reserved`` are for warnings and worse."""
        super().__init__()
        self._sink, self._writer, self._clock = sink, writer, clock
        self._capacity, self._reserved = capacity, reserved
        self._flush_ns = int(flush_s * 1e9)
        self._backoff = Backoff(retry_s, RETRY_GROWTH * retry_s, random.random)
        self._close_s = close_s
        # Its put is safe in a signal handler that has interrupted another put, and never waits.
        self._queue: queue.SimpleQueue[_Taken | None] = queue.SimpleQueue()
        self._waiting: deque[tuple[LogLine, int]] = deque()
        """Lines that have a number, each with how many lost lines it tells of: zero for all but our own."""
        self._number = 0
        self._dropped = 0
        """Lines that found no room; written by :meth:`emit` alone."""
        self._refused = 0
        """Lines that the store will never take; written by the thread alone, like all below."""
        self._refusal = ""
        self._confessed = 0
        """Lost lines that a line has been made about which is not lost itself."""
        self._urgent = False
        self._closing = False
        self._deadline_ns: int | None = None
        self._thread = threading.Thread(target=self._run, name="store-log", daemon=True)
        self._thread.start()

    @property
    def unwritten(self) -> int:
        """How many lines the store does not have, or not yet."""
        sign_to_end = self._deadline_ns is not None and not self._closing
        return self._dropped + self._refused + self._held() - sign_to_end

    # The caller's side ------------------------------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, or count it as dropped; never waits, whatever the store does."""
        if self._deadline_ns is not None or record.thread == self._thread.ident:
            return
        room = self._capacity if record.levelno >= logging.WARNING else self._capacity - self._reserved
        if self._held() >= room:
            self._dropped += 1
            return
        try:
            message = self.format(record)[:_RAW_CHARS]
        except Exception:  # noqa: BLE001 - as every handler does with a record whose arguments do not fit its message
            self.handleError(record)
            return
        self._queue.put(_Taken(record.levelno, record.name, message, self._clock.utc_now()))

    def close(self) -> None:
        """Write what waits, for as long as the deadline allows; what is logged from now on is not taken."""
        if self._deadline_ns is None:
            self._deadline_ns = self._clock.monotonic_ns() + int(self._close_s * 1e9)
            self._queue.put(None)
            self._thread.join(self._close_s)
        super().close()

    def _held(self) -> int:
        return self._queue.qsize() + len(self._waiting)

    # The thread's side ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        due_ns: int | None = None
        not_before_ns = 0
        while not self._closing:
            self._take(None if due_ns is None else max(0, due_ns - self._clock.monotonic_ns()) / 1e9)
            now_ns = self._clock.monotonic_ns()
            due_ns = now_ns + self._flush_ns if due_ns is None else due_ns
            due_ns = max(now_ns if self._urgent else due_ns, not_before_ns)
            if now_ns < due_ns:
                continue
            due_ns = None
            if self._write():
                self._backoff.reset()
            else:
                not_before_ns = due_ns = self._clock.monotonic_ns() + int(self._backoff.next_s() * 1e9)
        self._write_the_rest()

    def _take(self, wait_s: float | None) -> None:
        """Take all lines that are there; when there are none, wait for one, for ever if ``wait_s`` is None."""
        try:
            taken = self._queue.get(timeout=wait_s) if wait_s != 0 else self._queue.get_nowait()
            while taken is not None:
                self._keep(taken.level, taken.logger, taken.message, taken.logged_at)
                taken = self._queue.get_nowait()
        except queue.Empty:
            return
        self._closing = True

    def _keep(self, level: int, logger: str, message: str, logged_at: datetime, losses: int = 0) -> None:
        named = next((name for number, name in _LEVELS if level >= number), LogLevel.DEBUG)
        message = mask_credentials(message)
        if len(message) > MESSAGE_CHARS:
            message = f"{message[:MESSAGE_CHARS]} … (cut)"
        self._number += 1
        self._urgent = self._urgent or level >= logging.WARNING
        self._waiting.append((LogLine(self._number, named, logger, message, logged_at), losses))

    def _write(self) -> bool:
        """Write what waits; False when the store is away and it still waits."""
        while self._waiting or self._confess():
            batch = list(islice(self._waiting, BATCH))
            try:
                self._sink.append_many(self._writer, [line for line, _ in batch])
            except StoreUnreachable:
                return False
            except Exception as error:  # noqa: BLE001 - told in the log itself, as soon as the store takes a line
                self._refused += sum(losses == 0 for _, losses in batch)
                self._confessed -= sum(losses for _, losses in batch)
                self._refusal = f"; the store has refused some: {error}"
                self._forget(len(batch))
                break
            self._forget(len(batch))
        self._urgent = False
        return True

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()

    def _confess(self) -> bool:
        """Make a line about lines that are lost; False when there are none, or all have been spoken of."""
        lost = self._dropped + self._refused - self._confessed
        if lost == 0:
            return False
        self._confessed += lost
        said = f"{lost} log lines are missing here: more came than could be kept until the store took them"
        self._keep(logging.WARNING, log.name, said + self._refusal, self._clock.utc_now(), lost)
        return True

    def _write_the_rest(self) -> None:
        """Write until nothing waits or the deadline has come."""
        deadline_ns = self._deadline_ns or 0
        self._backoff.reset()
        while not self._write():
            left_ns = deadline_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                return
            self._clock.sleep(min(self._backoff.next_s(), left_ns / 1e9))


@contextmanager
def stored_logs(
    sink: LogSink,
    clock: Clock,
    *,
    run_id: str,
    source: LogSource,
    worker_id: str | None = None,
    only: logging.Filter | None = None,
) -> Iterator[None]:
    """Send what this package logs to the store as well, and say elsewhere how many lines did not get there.

    ``only`` chooses among the lines; None lets all of them pass.
    """
    name = f"{worker_id or source.value}-{secrets.token_hex(6)}"
    handler = StoreLogHandler(sink, LogWriter(run_id, name, source, worker_id), clock, close_s=CLOSE_S)
    if only is not None:
        handler.addFilter(only)
    root = logging.getLogger("upperbound")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        if handler.unwritten:
            log.warning("%d log lines could not be written to the store", handler.unwritten)
