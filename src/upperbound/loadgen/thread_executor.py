"""The measuring loop for drivers that block: a thread of the operating system for each connection."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from upperbound.domain.backoff import Backoff
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.errors import TargetError, TargetUnreachable
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import (
    RECONNECT_FIRST_S,
    RECONNECT_LONGEST_S,
    TARGET_LOST_NS,
    TURN_NS,
    LoopTimes,
)
from upperbound.loadgen.operations import RETRIES_MOST
from upperbound.loadgen.sender import NEVER, RecordSink
from upperbound.loadgen.thread_client import ThreadClient
from upperbound.loadgen.thread_opening import ThreadOpener
from upperbound.querylog.records import RECORD
from upperbound.targets.blocking import BlockingConnection, BlockingOperation, StatementFailed
from upperbound.workload.streams import Row, ThreadStream

PROBE_S: Final = 0.01
"""How often it is looked how long a thread that wants to run waits for the interpreter."""
LOOK_NS: Final = 100_000_000
"""Between two looks after all clients when nothing has happened: a look at a thousand takes half a millisecond."""
IDLE_LOOK_S: Final = 1.0
"""The longest that a thread without anything to do waits before it looks around."""


class ThreadExecutor:
    """Keeps N threads busy in a closed loop, each with a connection of its own.

    A peer of :class:`~upperbound.loadgen.event_loop.EventLoopExecutor`, with the same commands, which may come from any
    thread. Latency is service time: from just before a statement is handed to the driver until its whole answer has
    been fetched. Each thread keeps its records to itself; the thread of :meth:`run` collects them.

    The generator's own share of a latency cannot be seen from outside a driver. What can be is how late a thread gets
    the interpreter that wants to run at a given moment: that is measured every :data:`PROBE_S` seconds, and is the lag
    of the records that end until the next look. The time busy is the process's time on processors, of which the
    interpreter's lock lets Python have at most one.
    """

    def __init__(
        self,
        *,
        operations: Sequence[BlockingOperation],
        stream: Callable[[int], ThreadStream],
        connect: Callable[[], BlockingConnection],
        cancel: Callable[[Sequence[BlockingConnection]], int],
        sink: RecordSink,
        errors: ErrorTable,
        buffer_bytes: int,
        think_ns: int = 0,
        seed: int = 0,
    ) -> None:
        """Prepare to execute ``operations`` in the order that ``stream(thread)`` says, with ``think_ns`` in between."""
        self._operations, self._stream = operations, stream
        self._cancel, self._sink, self._errors = cancel, sink, errors
        self._errors_lock = threading.Lock()
        self._buffer = bytearray(buffer_bytes // RECORD.size * RECORD.size)
        self._offset = 0
        self._statement_ids = bytearray()
        """Those of the records in the buffer."""
        self._think_ns = think_ns
        self._clients: list[ThreadClient] = []
        self._limit = 0
        self._begun = threading.Event()
        self._bell = threading.Event()
        self._stopping = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - spreads reconnections, protects nothing
        self._opener = ThreadOpener(connect)
        self._measure_from_ns = 0
        self._lost_since_ns = 0
        self._last_loss = ""
        self._lag_ns = 0
        self._fatal: BaseException | None = None
        self.stop_ns = NEVER
        """When sending ends, or ended, by the monotonic clock."""
        self.times = LoopTimes()

    # Commands ---------------------------------------------------------------------------------------------------

    def plan(self, start_ns: int, measure_from_ns: int) -> None:
        """Say when, by the monotonic clock, what is sent is measured; call it before :meth:`begin`."""
        del start_ns
        self._measure_from_ns = measure_from_ns

    def begin(self) -> None:
        """Start to send; only the first call counts."""
        self._begun.set()

    def stop_at(self, stop_ns: int) -> None:
        """Send nothing at or after ``stop_ns`` of the monotonic clock; an earlier stop wins over a later one.

        A time in the past means now.
        """
        # A signal handler may have interrupted another call of this: it then decides alone.
        own = self._stopping.acquire(blocking=False)
        self.stop_ns = min(self.stop_ns, max(stop_ns, time.perf_counter_ns()))
        if own:
            self._stopping.release()
        self._wake_all()

    def stop(self) -> None:
        """Send nothing from now on and let :meth:`run` return when the queries in flight have ended."""
        self.stop_at(0)

    def set_threads(self, threads: int) -> None:
        """Keep ``threads`` clients busy from now on; a query in flight is never cut."""
        self._limit = threads
        self._wake_all()

    @property
    def active_threads(self) -> int:
        """Connections that are open and wanted now."""
        return sum(client.connection is not None for client in self._clients[: self._limit])

    @property
    def target_threads(self) -> int:
        """Connections wanted."""
        return self._limit

    def cancel_in_flight(self) -> int:
        """Ask the server to cancel what is in flight; returns for how many connections that could be asked."""
        busy = [client.connection for client in self._clients if client.busy and client.connection is not None]
        return self._cancel(busy) if busy else 0

    # Life -------------------------------------------------------------------------------------------------------

    def open(self, threads: int, progress: Callable[[int], None]) -> None:
        """Open ``threads`` connections, calling ``progress`` with the number open so far.

        Raises:
            TargetError: connections could not be opened.
        """
        self._limit = threads
        self._grow(threads)
        self._opener.open_all(self._clients, progress)
        for client in self._clients:
            self._start(client)

    def run(self) -> None:
        """Look after the clients until a stop was asked for and the last query in flight has ended.

        Raises:
            TargetUnreachable: no connection could be held for :data:`TARGET_LOST_NS`.
        """
        begun_ns, begun_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        collect_ns = look_ns = begun_ns
        while True:
            now_ns = time.perf_counter_ns()
            # Who opens a connection sends nothing after the stop, and is not waited for.
            is_over = now_ns >= self.stop_ns and not any(_is_alive(one) and not one.opening for one in self._clients)
            if is_over or now_ns >= collect_ns:
                self._collect(now_ns)
                wall_ns = now_ns - begun_ns
                busy_ns = min(wall_ns, time.process_time_ns() - begun_cpu_ns)
                self.times = LoopTimes(wall_ns, wall_ns - busy_ns, now_ns)
                collect_ns = now_ns + TURN_NS
            if self._fatal is not None:
                raise self._fatal
            if is_over:
                return
            if now_ns >= look_ns:
                self._look_after(now_ns)
                look_ns = now_ns + LOOK_NS
            if self._probe():
                look_ns = 0

    def close(self) -> None:
        """Close every connection; call it when :meth:`run` has returned, or instead of it."""
        self.stop()
        self._begun.set()
        for client in self._clients:
            if client.thread is None:
                client.detach()
            elif not client.opening:
                # It closes its connection itself.
                client.thread.join()

    # Looking after ----------------------------------------------------------------------------------------------

    def _look_after(self, now_ns: int) -> None:
        """Let as many clients work as are wanted, and raise when every connection has been away for too long."""
        if now_ns < self.stop_ns:
            self._grow(self._limit)
            for client in self._clients[: self._limit]:
                if not _is_alive(client):
                    self._start(client)
        if any(client.connection is not None for client in self._clients) or not self._limit:
            self._lost_since_ns = 0
        elif not self._lost_since_ns:
            self._lost_since_ns = now_ns
        elif now_ns - self._lost_since_ns > TARGET_LOST_NS:
            self.stop()
            raise TargetUnreachable(
                f"the target is gone: no connection could be opened for {TARGET_LOST_NS // 1_000_000_000} s; "
                f"last error: {self._last_loss}",
                hint="check that the server is still running and reachable",
            )

    def _probe(self) -> bool:
        """Wait a moment, and see how much longer it took to get the interpreter than it should have.

        Returns at once, and True, when the bell rings: something has happened that is to be looked after.
        """
        before = time.perf_counter_ns()
        if self._bell.wait(PROBE_S):
            self._bell.clear()
            return True
        self._lag_ns = max(0, time.perf_counter_ns() - before - int(PROBE_S * 1e9))
        return False

    def _collect(self, now_ns: int) -> None:
        """Give the recorder what the clients have recorded so far."""
        for client in self._clients:
            records = client.records
            for _ in range(len(records)):
                record, statement_id = records.popleft()
                self._buffer[self._offset : self._offset + RECORD.size] = record
                self._statement_ids += statement_id
                self._offset += RECORD.size
                if self._offset == len(self._buffer):
                    self._hand_over()
        if self._offset:
            self._hand_over()
        del now_ns

    def _hand_over(self) -> None:
        ids = bytes(self._statement_ids)
        self._buffer, self._offset = self._sink.swap(self._buffer, self._offset, ids), 0
        self._statement_ids.clear()

    def _grow(self, threads: int) -> None:
        for index in range(len(self._clients), threads):
            self._clients.append(ThreadClient(index, self._stream(index)))

    def _start(self, client: ThreadClient) -> None:
        client.thread = threading.Thread(target=self._live, args=(client,), name=f"client-{client.index}", daemon=True)
        client.thread.start()

    def _wake_all(self) -> None:
        for client in self._clients:
            client.nudge.set()
        self._bell.set()

    # A client's thread ------------------------------------------------------------------------------------------

    def _live(self, client: ThreadClient) -> None:
        """Send for as long as the client is wanted, and then close its connection."""
        try:
            self._begun.wait()
            client.free_ns = time.perf_counter_ns()
            while self._is_wanted(client):
                if client.connection is None and not self._reconnect(client):
                    continue
                self._turn(client)
        except BaseException as error:  # noqa: BLE001 - told by run(), which must not go on without this thread
            self._fatal = self._fatal or error
            self.stop()
        finally:
            client.busy = False
            client.detach()
            self._bell.set()

    def _is_wanted(self, client: ThreadClient) -> bool:
        return client.index < self._limit and time.perf_counter_ns() < self.stop_ns

    def _turn(self, client: ThreadClient) -> None:
        """Execute the client's next operation, and think."""
        if not self._mark(client, time.perf_counter_ns()):
            return
        operation = next(client.operations)
        row = next(client.rows[operation])
        start_ns = time.perf_counter_ns()
        if start_ns >= self.stop_ns:
            return
        if start_ns >= self._measure_from_ns and client.phase is not Phase.MEASUREMENT:
            # The measurement has begun since: the session is marked first, so that the time it takes is nobody's.
            if not self._mark(client, start_ns):
                return
            start_ns = time.perf_counter_ns()
        self._execute(client, operation, row, start_ns, start_ns, 0)
        if self._think_ns:
            self._pause(client, self._think_ns / 1e9)

    def _mark(self, client: ThreadClient, due_ns: int) -> bool:
        """Mark the session for the phase in which an operation is due; say whether it may be sent."""
        if due_ns < self._measure_from_ns or client.phase is Phase.MEASUREMENT:
            return True
        connection = client.connection
        assert connection is not None, "a client without a connection has no session to mark"
        try:
            connection.enter(Phase.MEASUREMENT)
        except StatementFailed as failure:
            self._lose(client, failure.message)
            return False
        client.phase = Phase.MEASUREMENT
        return True

    def _execute(
        self, client: ThreadClient, operation: int, row: Row | None, intended_ns: int, start_ns: int, lag_ns: int
    ) -> None:
        """Execute an operation, attempt by attempt, and record what has become of it."""
        client.busy = True
        client.retried.clear()
        connection = client.connection
        assert connection is not None, "nothing is executed without a connection"
        planned = self._operations[operation]
        rows = retries = error = 0
        outcome = Outcome.OK
        while True:
            try:
                rows, failure = self._attempt(connection, planned, row or ()), None
            except StatementFailed as failed:
                rows, failure = 0, failed
            end_ns = time.perf_counter_ns()
            if failure is None or not self._may_retry(client, planned, failure, retries, end_ns):
                break
            retries += 1
            connection.take_statement_id()
        if failure is not None:
            outcome, error = failure.outcome, self._number(failure)
        lag = lag_ns + min(self._lag_ns, end_ns - start_ns)
        numbers = operation, client.index, error, int(outcome), retries
        record = RECORD.pack(intended_ns, start_ns, end_ns, lag, rows, *numbers)
        client.records.append((record, connection.take_statement_id()))
        client.free_ns, client.busy = end_ns, False
        if failure is not None and failure.broken:
            self._lose(client, failure.message)

    def _attempt(self, connection: BlockingConnection, operation: BlockingOperation, row: Row) -> int:
        """Execute the statements of an operation once; a transaction that fails is rolled back."""
        try:
            return sum(connection.execute(statement, row) for statement in operation.statements)
        except StatementFailed as failure:
            if operation.rollback is not None and not failure.broken:
                try:
                    connection.execute(operation.rollback, ())
                except StatementFailed:
                    # The transaction may be open still: nothing more can be sent here.
                    failure.broken = True
            raise

    def _may_retry(
        self, client: ThreadClient, operation: BlockingOperation, failure: StatementFailed, retries: int, now_ns: int
    ) -> bool:
        """Say whether one more attempt is allowed, and count it; none begins when the load is over."""
        outcome = failure.outcome
        if failure.broken or now_ns >= self.stop_ns or retries >= RETRIES_MOST:
            return False
        if client.retried[outcome] >= operation.retry.get(outcome, 0):
            return False
        client.retried[outcome] += 1
        return True

    def _number(self, failure: StatementFailed) -> int:
        with self._errors_lock:
            return self._errors.number(failure.outcome, failure.code, failure.message)

    # What goes wrong --------------------------------------------------------------------------------------------

    def _lose(self, client: ThreadClient, why: str) -> None:
        self._last_loss = " ".join(why.split())
        client.detach()

    def _reconnect(self, client: ThreadClient) -> bool:
        """Open the client's connection, again and again after waits that grow; False when it is not wanted any more."""
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_LONGEST_S, self._random.random)
        while self._is_wanted(client):
            client.opening = True
            try:
                connection = self._opener.open()
            except TargetError as error:
                self._last_loss = str(error)
                self._pause(client, backoff.next_s())
                continue
            finally:
                client.opening = False
            client.attach(connection)
            client.free_ns = time.perf_counter_ns()
            return True
        return False

    def _pause(self, client: ThreadClient, wait_s: float) -> None:
        """Wait, but not beyond the end of the load or of the client."""
        deadline_ns = min(time.perf_counter_ns() + int(wait_s * 1e9), self.stop_ns)
        while self._is_wanted(client) and (left_ns := deadline_ns - time.perf_counter_ns()) > 0:
            if client.nudge.wait(min(left_ns / 1e9, IDLE_LOOK_S)):
                client.nudge.clear()


def _is_alive(client: ThreadClient) -> bool:
    return client.thread is not None and client.thread.is_alive()
