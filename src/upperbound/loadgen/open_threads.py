"""The measuring loop for a rate, for drivers that block: operations are due by a schedule, and threads take them."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from upperbound.domain.arrivals import Share
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase
from upperbound.loadgen.backlog import Backlog, Pace
from upperbound.loadgen.thread_client import ThreadClient
from upperbound.loadgen.thread_executor import IDLE_LOOK_S, ThreadExecutor


class OpenThreadExecutor(ThreadExecutor):
    """Offers arrivals by a schedule; a thread that is free takes the one that has waited longest.

    What :class:`~upperbound.loadgen.open_loop.OpenLoopExecutor` says of arrivals, of the times of a record and of the
    border between the phases holds here as well. The backlog is shared by all threads under one lock; of those that are
    free, one waits for the time of the next arrival and the others for being called.
    """

    def __init__(self, *, pace: Pace, **rest: Any) -> None:
        """Prepare to offer ``pace``; the rest is as for :class:`ThreadExecutor`."""
        super().__init__(**rest)
        self._backlog = Backlog(pace)
        self._turn_to_take = threading.Condition(threading.Lock())
        self._watching = False
        """Whether a thread waits for the time of the next arrival."""

    # Commands ---------------------------------------------------------------------------------------------------

    def plan(self, start_ns: int, measure_from_ns: int) -> None:
        """Say when, by the monotonic clock, the schedule's time begins and what is due is measured; before ``begin``.

        Arrivals that were due before :meth:`begin` are not offered: they belong to nobody.
        """
        super().plan(start_ns, measure_from_ns)
        with self._turn_to_take:
            self._backlog.plan(start_ns, measure_from_ns)

    def begin(self) -> None:
        """Start to offer; only the first call counts."""
        if not self._begun.is_set():
            with self._turn_to_take:
                self._backlog.begin(time.perf_counter_ns())
        super().begin()

    def set_rate(self, rate_per_s: float) -> None:
        """Offer this rate of the whole run, this worker its share of it, from now on."""
        with self._turn_to_take:
            self._backlog.offer(self._sending_ns(), rate_per_s)
            self._turn_to_take.notify_all()

    def set_share(self, share: Share | None) -> None:
        """Take this part of the run's arrivals from now on, or none."""
        with self._turn_to_take:
            self._backlog.share(self._sending_ns(), share)
            self._turn_to_take.notify_all()

    @property
    def arrivals(self) -> Mapping[Phase, ArrivalFigures]:
        """What was offered in each phase, up to the time that was last recorded."""
        return self._backlog.published

    def _sending_ns(self) -> int:
        """Return the time, which for arrivals stands still from the stop on."""
        return min(time.perf_counter_ns(), self.stop_ns - 1)

    # What differs from the closed loop ----------------------------------------------------------------------------

    def _turn(self, client: ThreadClient) -> None:
        """Execute what is due, when something is."""
        intended_ns = self._take(client)
        if intended_ns is None:
            return
        taken_ns = time.perf_counter_ns()
        if not self._mark(client, intended_ns):
            return
        marked_ns = time.perf_counter_ns()
        operation = next(client.operations)
        row = next(client.rows[operation])
        start_ns = time.perf_counter_ns()
        lag_ns = taken_ns - max(intended_ns, client.free_ns) + start_ns - marked_ns
        self._execute(client, operation, row, intended_ns, start_ns, max(0, lag_ns))

    def _take(self, client: ThreadClient) -> int | None:
        """Return when the operation was due that the client is to send; None when it is to look around first."""
        condition, backlog = self._turn_to_take, self._backlog
        with condition:
            while self._is_wanted(client):
                now_ns = self._sending_ns()
                backlog.admit(now_ns)
                if backlog.waiting:
                    taken = backlog.take(now_ns)
                    condition.notify()
                    return taken
                if self._watching:
                    condition.wait(IDLE_LOOK_S)
                    continue
                self._watching = True
                due_ns = min(backlog.next_ns, backlog.border_ns, self.stop_ns)
                condition.wait(min(IDLE_LOOK_S, max(0, due_ns - now_ns) / 1e9))
                self._watching = False
            condition.notify()
        return None

    def _wake_all(self) -> None:
        super()._wake_all()
        # Not when the caller is a signal handler that has interrupted who holds the lock: threads look around anyway.
        if self._turn_to_take.acquire(blocking=False):
            self._turn_to_take.notify_all()
            self._turn_to_take.release()

    def _collect(self, now_ns: int) -> None:
        super()._collect(now_ns)
        with self._turn_to_take:
            self._backlog.publish(now_ns, self.stop_ns)
