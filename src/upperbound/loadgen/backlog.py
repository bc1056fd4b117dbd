"""The arrivals of an open loop on their way from the schedule to a thread."""

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, replace

from upperbound.domain.arrivals import ArrivalSchedule, RateCurve, Share
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.phases import Phase

NEVER = 1 << 62
"""When nothing is due any more."""

LATE_NS = 1_000_000
"""An operation that starts later than this after it was due counts as late, whatever it waited for."""

SKIP_NS = 60_000_000_000
"""Of a schedule that begins in mid-run this much is computed to be passed over, and not what was before it."""


@dataclass(frozen=True)
class Pace:
    """What an open loop offers."""

    curve: RateCurve
    """The rate of the whole run, over the seconds since START_TIME."""
    share: Share | None
    """This worker's part of it; None for nothing, until it is given one."""
    poisson: bool
    """Whether arrivals are at random, instead of at equal distances."""
    seed: int
    """Of the arrivals at random."""
    backlog_s: float
    """How much of the worker's share of the highest rate may wait for a free thread, in seconds."""

    @property
    def room(self) -> int:
        """How many arrivals may wait for a free thread; at least one."""
        workers = self.share.count if self.share is not None else 1
        return max(1, round(self.curve.peak_per_s / workers * self.backlog_s))


class _Counts:
    """What has become of the arrivals that were due in one phase."""

    __slots__ = ("dropped", "expected", "late", "offered", "started")

    def __init__(self) -> None:
        self.expected = 0.0
        self.offered = self.started = self.late = self.dropped = 0

    def freeze(self) -> ArrivalFigures:
        return ArrivalFigures(self.expected, self.offered, self.started, self.late, self.dropped)


class Backlog:
    """The arrivals of one worker on their way from the schedule to a thread; has no clock of its own."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._room = pace.room
        self._schedule: ArrivalSchedule | None = None
        self._start_ns = 0
        self._measure_from_ns = 0
        self.border_ns = NEVER
        """When what waits of the warmup is given up, as long as that is to come."""
        self._due: list[int] = []
        """The part of the schedule that has been computed, by the monotonic clock."""
        self._next = 0
        """Index of the first in it that has not been admitted."""
        self.next_ns = NEVER
        """When that is due."""
        self.waiting: deque[int] = deque()
        """When those were due that are waiting for a thread."""
        self._warmup, self._measured = _Counts(), _Counts()
        self._counts = self._warmup
        """The counts of the phase that the last admitted arrival belongs to."""
        self._accounted_ns = 0
        """What the rate comes to has been summed up to this time."""
        self.published: dict[Phase, ArrivalFigures] = {}
        """The counts as they were last made visible; replaced as a whole."""

    def plan(self, start_ns: int, measure_from_ns: int) -> None:
        """Set the beginning of run time, and of the measurement, by the monotonic clock."""
        self._start_ns, self._measure_from_ns = start_ns, measure_from_ns

    def begin(self, now_ns: int) -> None:
        """Offer what is due from now on; without a plan run time and measurement begin now."""
        if not self._start_ns:
            self.plan(now_ns, now_ns)
        self._accounted_ns = now_ns
        self.border_ns = self._measure_from_ns
        if now_ns >= self._measure_from_ns:
            self._begin_measurement()
        # From the beginning if that was just now, so that arrivals at random are the same in each run of one seed.
        self._reschedule(self._start_ns if now_ns - self._start_ns < SKIP_NS else now_ns, now_ns)

    def share(self, now_ns: int, share: Share | None) -> None:
        """Go on from now with another share of the run's rate; what waits goes on waiting."""
        if share != self._pace.share:
            self._change(now_ns, replace(self._pace, share=share))

    def offer(self, now_ns: int, rate_per_s: float) -> None:
        """Go on from now with another rate of the run; what waits goes on waiting."""
        begun_s = (now_ns - self._start_ns) / 1e9 if self._schedule is not None else 0.0
        self._change(now_ns, replace(self._pace, curve=self._pace.curve.then(begun_s, rate_per_s)))

    def _change(self, now_ns: int, pace: Pace) -> None:
        """Follow another pace from now on."""
        # Before the beginning there is no run time yet: what is changed then holds for all of it.
        if self._schedule is None:
            self._pace = pace
            return
        self.admit(now_ns)
        self._account(now_ns)
        self._pace = pace
        self._reschedule(now_ns, now_ns + 1)

    def admit(self, now_ns: int) -> None:
        """Let everything that is due by ``now_ns`` wait for a thread, as far as there is room.

        From the border on nothing of the warmup waits any more.
        """
        while self.next_ns <= now_ns:
            end = bisect_right(self._due, now_ns, self._next)
            due = self._due[self._next : end]
            if due[-1] >= self.border_ns:
                first = bisect_left(due, self.border_ns)
                self._queue(due[:first])
                self._begin_measurement()
                due = due[first:]
            self._queue(due)
            self._next = end
            self._step_on()
        if now_ns >= self.border_ns:
            self._begin_measurement()

    def take(self, now_ns: int) -> int:
        """Return when the arrival was due that has waited longest; it starts at ``now_ns``."""
        intended_ns = self.waiting.popleft()
        counts = self._counts
        counts.started += 1
        if now_ns - intended_ns > LATE_NS:
            counts.late += 1
        return intended_ns

    def publish(self, now_ns: int, stop_ns: int) -> None:
        """Make the counts up to ``now_ns`` visible; after ``stop_ns`` nothing is due or waits any more."""
        if self._schedule is None:
            return
        self.admit(min(now_ns, stop_ns - 1))
        self._account(min(now_ns, stop_ns))
        if now_ns >= stop_ns:
            self.next_ns = NEVER
            self.waiting.clear()
        self.published = {Phase.WARMUP: self._warmup.freeze(), Phase.MEASUREMENT: self._measured.freeze()}

    def _begin_measurement(self) -> None:
        """Give up what waits of the warmup, and count for the measurement from now on."""
        self.waiting.clear()
        self._counts, self.border_ns = self._measured, NEVER

    def _queue(self, due: list[int]) -> None:
        room = self._room - len(self.waiting)
        self._counts.offered += len(due)
        self._counts.dropped += max(0, len(due) - room)
        self.waiting.extend(due if len(due) <= room else due[: max(0, room)])

    def _reschedule(self, from_ns: int, first_ns: int) -> None:
        """Follow the pace from ``from_ns`` on, passing over what is due before ``first_ns``."""
        pace = self._pace
        self._room = pace.room
        from_s = max(0.0, (from_ns - self._start_ns) / 1e9)
        curve, share = (pace.curve, pace.share) if pace.share is not None else (RateCurve.flat(0.0), Share(0, 1))
        self._schedule = ArrivalSchedule(curve, share, poisson=pace.poisson, seed=pace.seed, from_s=from_s)
        self._due, self._next = [], 0
        if pace.share is None:
            self.next_ns = NEVER
            return
        self._step_on()
        while self.next_ns < first_ns:
            self._next = bisect_left(self._due, first_ns, self._next)
            self._step_on()

    def _step_on(self) -> None:
        """Look at the next arrival, computing more of the schedule when what there is of it is used up."""
        assert self._schedule is not None
        if self._next == len(self._due):
            self._due, self._next = (self._schedule.next_block() + self._start_ns).tolist(), 0
        self.next_ns = self._due[self._next] if self._due else NEVER

    def _account(self, now_ns: int) -> None:
        """Sum up what the rate comes to since the last time, each phase for itself."""
        assert self._schedule is not None
        begin_s, border_s, end_s = (
            (time_ns - self._start_ns) / 1e9 for time_ns in (self._accounted_ns, self._measure_from_ns, now_ns)
        )
        self._warmup.expected += self._schedule.expected(begin_s, min(end_s, border_s))
        self._measured.expected += self._schedule.expected(max(begin_s, border_s), end_s)
        self._accounted_ns = max(now_ns, self._accounted_ns)
