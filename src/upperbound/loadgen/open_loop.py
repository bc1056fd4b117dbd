"""The measuring loop for a rate: operations are due by a schedule, whether or not the target keeps up."""

import select
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import psycopg

from upperbound.domain.arrivals import Share
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.loadgen.backlog import NEVER, Backlog, Pace
from upperbound.loadgen.bell import BellRung
from upperbound.loadgen.client import IDLE, Client
from upperbound.loadgen.due_timer import DueTimer
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import IMMEDIATE_EVENT_NS, IMMEDIATE_NS, EventLoopExecutor
from upperbound.loadgen.opening import Connect
from upperbound.loadgen.operations import Operation
from upperbound.loadgen.sender import RecordSink
from upperbound.workload.streams import ThreadStream

SPIN_MOST_NS, SPIN_SHARE = 250_000, 8
SPIN_SHORT_NS = 60_000
"""The last part of a wait for an arrival is spent looking instead of sleeping: an eighth of the wait up to the first of
these, and half of a short one up to the last. Being woken takes an idle virtual machine 50 to 200 µs, and an arrival
shall be sent within 0.1 ms."""


class OpenLoopExecutor(EventLoopExecutor):
    """Offers arrivals by a schedule; the thread that has been free for longest takes the next one that is due.

    When every thread is busy, arrivals wait in a backlog in the order they were due; one that finds the backlog full is
    dropped. The records have both times: response time counts from when an operation was due, however long it waited,
    and service time from its send. A record's lag is the part of its wait that was the generator's own: from when it
    was due and a thread was free to the send, and from the answer being there to its being handled.

    An arrival belongs to the phase in which it was due. What of the warmup still waits when the measurement begins is
    never sent, so that the measurement begins with an empty backlog; neither is what waits when the load is stopped.
    """

    def __init__(
        self,
        *,
        pace: Pace,
        operations: Sequence[Operation],
        stream: Callable[[int], ThreadStream],
        connect: Connect,
        sink: RecordSink,
        errors: ErrorTable,
        buffer_bytes: int,
        seed: int = 0,
    ) -> None:
        """Prepare to offer ``pace``; the rest is as for :class:`EventLoopExecutor`."""
        self._intended: list[int] = []
        """By client: when its operation in flight was due."""
        self._idle_since: list[int] = []
        """By client: when it became free."""
        self._idle: deque[Client] = deque()
        """Free clients, and some that no longer are."""
        super().__init__(
            operations=operations,
            stream=stream,
            connect=connect,
            sink=sink,
            errors=errors,
            buffer_bytes=buffer_bytes,
            seed=seed,
        )
        self._timer = DueTimer()
        self._epoll.register(self._timer.fd, select.EPOLLIN | select.EPOLLET)
        self._waking_for_ns = 0
        """When the arrival was due that the timer was last set for."""
        self._waking_ns = 0
        """What it was set to."""
        self._interrupted = False
        self._backlog = Backlog(pace)

    # Commands ---------------------------------------------------------------------------------------------------

    def plan(self, start_ns: int, measure_from_ns: int) -> None:
        """Say when, by the monotonic clock, the schedule's time begins and what is due is measured; before ``begin``.

        Arrivals that were due before :meth:`begin` is heard are not offered: they belong to nobody.
        """
        self._backlog.plan(start_ns, measure_from_ns)

    def set_rate(self, rate_per_s: float) -> None:
        """Offer this rate of the whole run, this worker its share of it, from now on."""
        self._tell(lambda: self._backlog.offer(self._sending_ns(), rate_per_s))

    def set_share(self, share: Share | None) -> None:
        """Take this part of the run's arrivals from now on, or none."""
        self._tell(lambda: self._backlog.share(self._sending_ns(), share))

    @property
    def arrivals(self) -> Mapping[Phase, ArrivalFigures]:
        """What was offered in each phase, up to the time that the loop has recorded."""
        return self._backlog.published

    def close(self) -> None:
        """Close every connection; call it when :meth:`run` has returned."""
        super().close()
        self._timer.close()

    # The loop ---------------------------------------------------------------------------------------------------

    def _spin(self, turn_end: int, timeout: float) -> int:
        """Send what is due and handle what is ready until ``turn_end``; return the time spent waiting.

        Returns early when the caller has something to do.
        """
        now, by_fd, timer, arrivals = time.perf_counter_ns, self._by_fd, self._timer.fd, self._backlog
        idle, backlog = self._idle, arrivals.waiting
        self._interrupted = False
        waited, previous = 0, self._left_ns
        wait = 0.0  # At first only a look at what has come since the last turn, however long that may take.
        while not self._interrupted and (before := now()) < turn_end:
            if arrivals.next_ns <= before or arrivals.border_ns <= before:
                arrivals.admit(min(before, self.stop_ns - 1))
            while backlog and idle:
                self._start_next(idle.popleft())
            events, since, pause = self._wait(previous, wait)
            previous, wait = now(), timeout
            waited += pause
            for fd, event in events:
                if fd == timer:
                    continue
                client = by_fd[fd]
                try:
                    client.consume()
                    if not client.busy():
                        self._take_result(client, since)
                    elif event != select.EPOLLIN:
                        self._watch_writable(client)
                except psycopg.OperationalError as broken:
                    self._lost(client, str(broken), now())
                except BellRung:
                    self._interrupted = True
        self._left_ns = previous
        return waited

    def _wait(self, previous: int, timeout: float) -> tuple[list[tuple[int, int]], int, int]:
        """Wait for something to handle, or until an arrival is due that a thread is free for.

        Return what there is to handle, since when at the earliest it may have been there, and the time spent waiting.
        """
        now, poll = time.perf_counter_ns, self._epoll.poll
        before, due = now(), self._backlog.next_ns
        if not self._idle or before < self._wake_ns(before, due):
            events = poll(timeout)
            seen = now()
            immediate = IMMEDIATE_NS + IMMEDIATE_EVENT_NS * len(events)
            return events, seen if timeout and seen - before > immediate else previous, seen - before
        looked = previous
        while not (events := poll(0)) and now() < due:
            looked = now()
        return events, looked, now() - before

    def _wake_ns(self, now_ns: int, due_ns: int) -> int:
        """Return until when to sleep before an arrival, and set the timer to it when the arrival is a new one."""
        if due_ns != self._waking_for_ns:
            left = due_ns - now_ns
            ahead = max(min(left // 2, SPIN_SHORT_NS), min(left // SPIN_SHARE, SPIN_MOST_NS))
            self._waking_for_ns, self._waking_ns = due_ns, due_ns - ahead
            if left > 0 and due_ns != NEVER:
                self._timer.set(self._waking_ns)
        return self._waking_ns

    def _start_next(self, client: Client) -> None:
        """Send the operation that has waited longest with ``client``, unless that is not free or sending has ended."""
        if client.operation != IDLE or client.connection is None or client.index >= self._in_flight_limit:
            return
        operation = next(client.operations)
        row = next(client.rows[operation])
        start_ns = time.perf_counter_ns()
        if start_ns >= self.stop_ns:
            self._idle.clear()
            return
        intended_ns, index = self._backlog.take(start_ns), client.index
        self._intended[index] = intended_ns
        client.lag_before_ns = start_ns - max(intended_ns, self._idle_since[index])
        client.operation, client.start_ns = operation, start_ns
        try:
            self._begin_operation(client, row)
        except psycopg.OperationalError as error:
            self._lost(client, str(error), time.perf_counter_ns())

    def _take_result(self, client: Client, since: int) -> None:
        """See to the statement that has been answered, if one has."""
        result = client.result()
        if result is None:
            return
        while client.result() is not None:
            pass
        end = time.perf_counter_ns()
        self._answered(client, result, end, since)

    def _sending_ns(self) -> int:
        """Return the time, which for arrivals stands still from the stop on."""
        return min(time.perf_counter_ns(), self.stop_ns - 1)

    # What differs from the closed loop ----------------------------------------------------------------------------

    def _do_begin(self) -> None:
        if not self._begun:
            self._backlog.begin(time.perf_counter_ns())
        super()._do_begin()

    def _send_next(self, client: Client) -> None:
        """Let a client take what is due, instead of sending at once."""
        if client.connection is not None and client.operation == IDLE:
            self._idle_since[client.index] = time.perf_counter_ns()
            self._idle.append(client)

    def _go_on(self, client: Client, end_ns: int) -> None:
        client.operation = IDLE
        if end_ns < client.until_ns:
            self._idle_since[client.index] = end_ns
            self._idle.append(client)
        else:
            self._rest(client, end_ns)

    def _intended_ns(self, client: Client) -> int:
        return self._intended[client.index]

    def _hand_over(self, now_ns: int) -> None:
        super()._hand_over(now_ns)
        self._backlog.publish(now_ns, self.stop_ns)

    def _grow(self, threads: int) -> None:
        super()._grow(threads)
        for times in (self._intended, self._idle_since):
            times.extend([0] * (len(self._clients) - len(times)))

    def _at(self, due_ns: int, action: Callable[[int], None]) -> None:
        super()._at(due_ns, action)
        self._interrupted = True
