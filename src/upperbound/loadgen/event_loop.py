"""The measuring loop for non-blocking targets: libpq on epoll, one Python thread for every connection of the worker."""

import contextlib
import heapq
import random
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import psycopg
from psycopg.pq import ConnStatus

from upperbound.domain.outcomes import Outcome
from upperbound.errors import TargetError, TargetUnreachable
from upperbound.loadgen.bell import Bell, BellRung
from upperbound.loadgen.client import IDLE, Client
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.opening import PARALLEL, Connect, Connection, Opener
from upperbound.loadgen.operations import Operation
from upperbound.loadgen.sender import COMMAND_OK, TUPLES_OK, RecordSink, Sender
from upperbound.querylog.records import RECORD
from upperbound.workload.streams import ThreadStream

TURN_NS = 250_000_000
"""The longest stretch between two rounds of housekeeping; a record reaches the recorder within this time."""

IMMEDIATE_NS, IMMEDIATE_EVENT_NS = 5_000, 300
"""An epoll call that returns sooner than the first, and the second for each event, found what had been there before."""

MOST_EVENTS = 64
"""Taken from epoll at once; the rest keeps its order, and by default each call clears room for a thousand."""

TARGET_LOST_NS = 10_000_000_000
"""Without any connection for this long the target counts as gone."""

RECONNECT_FIRST_S, RECONNECT_LONGEST_S = 0.1, 5.0
"""Reconnection waits: doubled from the first to the longest, each shortened by a random part of up to a half."""

CANCEL_TIMEOUT_S = 2.0
"""The longest wait for the server to take one cancel request."""

CANCEL_ROUND_S = 4.0
"""No further request of a round begins after this: a server that takes none must not hold up whoever asks."""


@dataclass(frozen=True)
class LoopTimes:
    """What the loop has measured of itself since it began; replaced as a whole, so that readers see consistent ones."""

    wall_ns: int = 0
    waited_ns: int = 0
    """Time inside epoll, where the loop had nothing to do."""
    recorded_until_ns: int = 0
    """Every query that had ended by this time has been handed to the recorder."""


class EventLoopExecutor(Sender):
    """Keeps N threads busy in a closed loop, one query in flight per connection.

    The methods may be called from any thread, except :meth:`open` and :meth:`run`, which do the work in one.
    Latency is service time: from just before the send to just after the last result was fetched.
    """

    def __init__(
        self,
        *,
        operations: Sequence[Operation],
        stream: Callable[[int], ThreadStream],
        connect: Connect,
        sink: RecordSink,
        errors: ErrorTable,
        buffer_bytes: int,
        think_ns: int = 0,
        seed: int = 0,
    ) -> None:
        """Prepare to send ``operations`` in the order that ``stream(thread)`` says, waiting ``think_ns`` in between."""
        super().__init__(operations=operations, sink=sink, errors=errors, buffer_bytes=buffer_bytes)
        self._plain = [
            (first.name, first.param_formats, first.may_block) if operation.is_plain else None
            for operation in operations
            for first in operation.statements[:1]
        ]
        """By operation, what is sent of one that is over with its first answer."""
        self._stream = stream
        self._think_ns = think_ns
        self._clients: list[Client] = []
        self._by_fd: dict[int, Client] = {}
        self._in_flight_limit = 0
        self._begun = False
        self._commands: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self._timer_ids = count()
        self._random = random.Random(seed)  # noqa: S311 - spreads reconnections, protects nothing
        self._lost_since_ns = 0
        self._last_loss = ""
        self._left_ns = 0
        """When epoll was last left: what is there at the next look may have come at any time since."""
        self.times = LoopTimes()
        self._bell = Bell()
        self._register(self._bell)
        self._opener = Opener(connect, self._bell.ring)

    # Commands ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start to send; only the first call counts."""
        self._tell(self._do_begin)

    def stop_at(self, stop_ns: int) -> None:
        """Send nothing at or after ``stop_ns`` of the monotonic clock; an earlier stop wins over a later one.

        A time in the past means now.
        """

        def do() -> None:
            self.stop_ns = min(self.stop_ns, max(stop_ns, time.perf_counter_ns()))
            for client in self._clients:
                client.until_ns = self._until(client)

        self._tell(do)

    def stop(self) -> None:
        """Send nothing from now on and let :meth:`run` return when the queries in flight have ended."""
        self.stop_at(0)

    def set_threads(self, threads: int) -> None:
        """Keep ``threads`` clients busy from now on; a query in flight is never cut."""
        self._tell(lambda: self._do_set_threads(threads))

    @property
    def active_threads(self) -> int:
        """Connections that are open and wanted now."""
        return sum(client.connection is not None for client in self._clients[: self._in_flight_limit])

    @property
    def target_threads(self) -> int:
        """Connections wanted."""
        return self._in_flight_limit

    def cancel_in_flight(self) -> int:
        """Ask the server to cancel what is in flight; returns how many requests were sent.

        Not all of them when the server takes them slowly: this returns after :data:`CANCEL_ROUND_S` and one timeout.
        """
        busy = [c.connection for c in self._clients if c.operation != IDLE and c.connection is not None]
        last_ns = time.perf_counter_ns() + int(CANCEL_ROUND_S * 1e9)

        def cancel(connection: Connection) -> bool:
            if time.perf_counter_ns() > last_ns:
                return False
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_TIMEOUT_S)
            return True

        with ThreadPoolExecutor(PARALLEL) as pool:
            return sum(pool.map(cancel, busy))

    # Life -------------------------------------------------------------------------------------------------------

    def open(self, threads: int, progress: Callable[[int], None]) -> None:
        """Open ``threads`` connections, calling ``progress`` with the number open so far.

        Raises:
            TargetError: a connection could not be opened.
        """
        self._grow(threads)
        self._in_flight_limit = threads
        self._opener.open_all(self._clients, progress)
        for client in self._clients:
            self._register(client)

    def run(self) -> None:
        """Serve the clients until a stop was asked for and the last query in flight has ended.

        Raises:
            TargetUnreachable: no connection could be held for :data:`TARGET_LOST_NS`.
        """
        begun, waited_ns = time.perf_counter_ns(), 0
        self._left_ns = begun
        while (timeout := self._housekeep(time.perf_counter_ns())) is not None:
            # Before the turn, so that what has just been handed over is not counted over a time that is a turn older.
            self.times = LoopTimes(time.perf_counter_ns() - begun, waited_ns, self._recorded_until_ns)
            turn_end = time.perf_counter_ns() + min(TURN_NS, timeout)
            waited_ns += self._spin(turn_end, timeout / 1e9)
        self._hand_over(time.perf_counter_ns())
        self.times = LoopTimes(time.perf_counter_ns() - begun, waited_ns, self._recorded_until_ns)

    def close(self) -> None:
        """Close every connection; call it when :meth:`run` has returned."""
        self._opener.close()
        for client in self._clients:
            client.detach()
        self._epoll.close()
        self._bell.close()

    # The loop ---------------------------------------------------------------------------------------------------

    def _spin(self, turn_end: int, timeout: float) -> int:  # noqa: C901 - a call per branch would cost each query
        """Handle what is ready until ``turn_end``, or until someone rang the bell; return the time spent waiting.

        Returns early as well when a client is to be woken later: only the caller knows for how long to wait then.
        Everything the loop touches per query is a local.
        """
        by_fd, poll, now, pack, size = (
            self._by_fd,
            self._epoll.poll,
            time.perf_counter_ns,
            RECORD.pack_into,
            RECORD.size,
        )
        plain, swap, buffer, offset = self._plain, self._sink.swap, self._buffer, self._offset
        end_of_buffer = len(buffer)
        waited, previous, listening = 0, self._left_ns, True
        wait = 0.0  # At first only a look at what has come since the last turn, however long that may take.
        while listening and (before := now()) < turn_end:
            events = poll(wait, MOST_EVENTS)
            seen = now()
            pause = seen - before
            waited += pause
            since = seen if wait and pause > IMMEDIATE_NS + IMMEDIATE_EVENT_NS * len(events) else previous
            previous, wait = seen, timeout
            for fd, event in events:
                try:
                    client = by_fd[fd]
                    consume, busy, get_result, send = client.calls
                    consume()
                    if busy():
                        if event != select.EPOLLIN:
                            self._watch_writable(client)
                        continue
                    result = get_result()
                    if result is None:
                        continue
                    while get_result() is not None:
                        pass
                    end = now()
                    start, k, status = client.start_ns, client.operation, result.status
                    if status == TUPLES_OK and plain[k]:
                        rows = result.ntuples
                    elif status == COMMAND_OK and plain[k]:
                        rows = result.command_tuples or 0
                    else:
                        self._buffer, self._offset, timers = buffer, offset, len(self._timers)
                        self._answered(client, result, end, since)
                        buffer, offset = self._buffer, self._offset
                        listening = listening and len(self._timers) == timers
                        continue
                    lag = end - (since if since > start else start)  # noqa: FURB136 - a call would cost each query
                    pack(buffer, offset, start, start, end, lag, rows, k, client.index, 0, 0, 0)
                    offset += size
                    if offset == end_of_buffer:
                        buffer, offset = swap(buffer, offset), 0
                    if end >= client.until_ns:
                        client.operation = IDLE
                        self._rest(client, end)
                        listening = listening and not self._timers
                        continue
                    k = client.operation = next(client.operations)
                    row = next(client.rows[k])
                    client.start_ns = now()
                    if (statement := plain[k]) is None:
                        self._begin_operation(client, row)
                        continue
                    name, formats, may_block = statement
                    send(name, row, formats)
                    if may_block:
                        self._watch_writable(client)
                except psycopg.OperationalError as broken:
                    self._buffer, self._offset = buffer, offset
                    self._lost(client, str(broken), now())
                    buffer, offset = self._buffer, self._offset
                    listening = False
                except BellRung:
                    listening = False
        self._buffer, self._offset, self._left_ns = buffer, offset, previous
        return waited

    def _housekeep(self, now_ns: int) -> int | None:
        """Do what is due between two spins; return the longest wait in ns until the next, or None when all is done."""
        while self._commands:
            self._commands.popleft()()
        for arrival in self._opener.arrivals():
            self._arrived(arrival.client, arrival.connection, arrival.error, now_ns)
        while self._timers and self._timers[0][0] <= now_ns:
            heapq.heappop(self._timers)[2](now_ns)
        if now_ns - self._recorded_until_ns >= TURN_NS:
            self._hand_over(now_ns)
        if now_ns >= self.stop_ns and all(client.operation == IDLE for client in self._by_fd.values()):
            return None
        self._check_target(now_ns)
        due = self._timers[0][0] - now_ns if self._timers else TURN_NS
        return max(0, min(TURN_NS, due, self.stop_ns - now_ns if now_ns < self.stop_ns else TURN_NS))

    def _check_target(self, now_ns: int) -> None:
        """Raise when every connection has been away for too long."""
        if any(client.connection is not None for client in self._clients) or not self._in_flight_limit:
            self._lost_since_ns = 0
        elif not self._lost_since_ns:
            self._lost_since_ns = now_ns
        elif now_ns - self._lost_since_ns > TARGET_LOST_NS:
            raise TargetUnreachable(
                f"the target is gone: no connection could be opened for {TARGET_LOST_NS // 1_000_000_000} s; "
                f"last error: {self._last_loss}",
                hint="check that the server is still running and reachable",
            )

    # Sending ----------------------------------------------------------------------------------------------------

    def _send_next(self, client: Client) -> None:
        """Send the client's next query, if it may still send."""
        if client.connection is None or client.operation != IDLE:
            return
        operation = next(client.operations)
        row = next(client.rows[operation])
        client.operation, client.start_ns = operation, time.perf_counter_ns()
        try:
            self._begin_operation(client, row)
        except psycopg.OperationalError as error:
            self._lost(client, str(error), time.perf_counter_ns())

    def _go_on(self, client: Client, end_ns: int) -> None:
        """Let a client whose operation has ended send the next, if it may."""
        client.operation = IDLE
        if end_ns < client.until_ns:
            self._send_next(client)
        else:
            self._rest(client, end_ns)

    def _rest(self, client: Client, now_ns: int) -> None:
        """Decide what follows for a client whose query has ended and that may not send at once."""
        if client.index >= self._in_flight_limit:
            self._unregister(client)
            client.detach()
        elif client.connection is not None and client.connection.pgconn.status == ConnStatus.BAD:
            self._lost(client, client.connection.pgconn.get_error_message(), now_ns)
        elif self._think_ns and now_ns + self._think_ns < self.stop_ns:
            self._at(now_ns + self._think_ns, lambda _: self._wake(client))

    def _wake(self, client: Client) -> None:
        """Let a client go on after its think time."""
        if time.perf_counter_ns() < self.stop_ns and client.index < self._in_flight_limit:
            self._send_next(client)

    def _until(self, client: Client) -> int:
        """Return the time up to which the loop may send for this client by itself."""
        if self._think_ns or client.index >= self._in_flight_limit or not self._begun:
            return 0
        return self.stop_ns

    # What goes wrong --------------------------------------------------------------------------------------------

    def _lost(self, client: Client, why: str, now_ns: int) -> None:
        """Count the query in flight as failed, once, and see to a new connection."""
        self._last_loss = " ".join(why.split())
        if client.operation != IDLE:
            lost = int(Outcome.CONNECTION_LOST), self._errors.number(Outcome.CONNECTION_LOST, "", self._last_loss)
            outcome, error = client.failure or lost
            client.rows_before, client.failure = 0, None
            self._record(client, now_ns, error, outcome)
        self._unregister(client)
        client.detach()
        self._reopen(client, now_ns)

    def _reopen(self, client: Client, now_ns: int) -> None:
        """Try to open the client's connection again after a wait that grows with each attempt."""
        wait_s = min(RECONNECT_LONGEST_S, RECONNECT_FIRST_S * 2**client.attempt) * self._random.uniform(0.5, 1.0)
        client.attempt += 1
        self._at(now_ns + int(wait_s * 1e9), lambda _: self._open_if_wanted(client))

    def _open_if_wanted(self, client: Client) -> None:
        wanted = client.index < self._in_flight_limit and time.perf_counter_ns() < self.stop_ns
        if wanted and client.connection is None and not client.opening:
            client.opening = True
            self._opener.open(client)

    def _arrived(self, client: Client, connection: Connection | None, error: TargetError | None, now_ns: int) -> None:
        """Take a new connection into the loop, or try again."""
        client.opening = False
        if connection is None:
            self._last_loss = str(error)
            self._reopen(client, now_ns)
            return
        if client.index >= self._in_flight_limit or now_ns >= self.stop_ns:
            connection.close()
            return
        client.attach(connection)
        self._register(client)
        if self._begun:
            client.until_ns = self._until(client)
            self._send_next(client)

    # Small parts ------------------------------------------------------------------------------------------------

    def _do_begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        for client in self._clients:
            client.until_ns = self._until(client)
            if time.perf_counter_ns() < self.stop_ns:
                self._send_next(client)

    def _do_set_threads(self, threads: int) -> None:
        before, self._in_flight_limit = self._in_flight_limit, threads
        self._grow(threads)
        now_ns = time.perf_counter_ns()
        for client in self._clients:
            client.until_ns = self._until(client)
            if client.index >= threads and client.operation == IDLE and client.connection is not None:
                self._rest(client, now_ns)
            elif before <= client.index < threads and client.connection is None:
                self._open_if_wanted(client)

    def _grow(self, threads: int) -> None:
        for index in range(len(self._clients), threads):
            self._clients.append(self._make_client(index))

    def _make_client(self, index: int) -> Client:
        return Client(index, self._stream(index))

    def _register(self, client: Client) -> None:
        self._by_fd[client.fd] = client
        self._epoll.register(client.fd, select.EPOLLIN)

    def _unregister(self, client: Client) -> None:
        if self._by_fd.pop(client.fd, None) is not None:
            # libpq closes the socket of a connection it gives up, and the kernel then forgets it by itself.
            with contextlib.suppress(OSError):
                self._epoll.unregister(client.fd)
        client.fd = -1

    def _at(self, due_ns: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._timers, (due_ns, next(self._timer_ids), action))

    def _tell(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._bell.ring()
