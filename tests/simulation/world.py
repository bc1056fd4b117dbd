"""Time, hosts and threads of a simulated cluster: everything happens in one real thread, in an order the seed decides.

A thread that is in the middle of a call lets the others run by :meth:`World.pass_time`, which steps them inside that
call. So every interleaving at the granularity of store calls can come up, without an operating system's scheduler.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The store's clock at the beginning of every simulated run."""
DEEPEST = 6
"""How many threads may be in the middle of a call at once; beyond it a call passes time for itself alone."""


class Crash(BaseException):
    """The process that runs this line has died; no ``except Exception`` of the real code may catch it."""


class Violation(BaseException):
    """An invariant does not hold; no ``except Exception`` of the real code may hide it."""


@dataclass(frozen=True)
class HostClock:
    """A host's own clock: another zero and another rate than the world's. Satisfies ``upperbound.clock.Clock``."""

    world: "World"
    offset_ns: int
    rate: float
    utc_skew_s: float

    def utc_now(self) -> datetime:
        return self.world.store_now() + timedelta(seconds=self.utc_skew_s)

    def monotonic_ns(self) -> int:
        return self.offset_ns + int(self.world.now_ns * self.rate)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.world.pass_time(seconds)


class Process:
    """A simulated process: it dies as a whole, and with it all that its threads were about to do."""

    def __init__(self, world: "World", name: str, clock: HostClock) -> None:
        self.world, self.name, self.clock = world, name, clock
        self.exit_code: int | None = None

    @property
    def alive(self) -> bool:
        return self.exit_code is None

    def end(self, exit_code: int) -> None:
        """End now, if it has not ended before."""
        if self.alive:
            self.exit_code = exit_code
            self.world.say(self.name, f"ends with exit code {exit_code}")


class Thread:
    """One line of execution of a process: what is due while it is in the middle of a step waits until that is done."""

    def __init__(self, process: Process, name: str = "") -> None:
        self.process = process
        self.name = f"{process.name}{name and '.'}{name}"
        self.busy = False
        self.waiting: list[Callable[[], None]] = []

    def after(self, seconds: float, step: Callable[[], None]) -> None:
        """Do ``step`` in so many seconds of the world's time, if the process lives then."""
        self.process.world.schedule(seconds, lambda: self._do(step))

    def _do(self, step: Callable[[], None]) -> None:
        if not self.process.alive:
            return
        if self.busy:
            self.waiting.append(step)
            return
        self.busy = True
        try:
            step()
        except Crash:
            self.process.end(-9)
        finally:
            self.busy = False
        for waiting in self.waiting:
            self.after(0.0, waiting)
        self.waiting.clear()


@dataclass
class World:
    """The simulation's time, its random numbers and its diary."""

    seed: int
    tracing: bool = False
    now_ns: int = 0
    rng: random.Random = field(init=False)
    diary: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    """Faults by kind."""
    _due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _depth: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def now_s(self) -> float:
        return self.now_ns / 1e9

    def store_now(self) -> datetime:
        """Return the store's clock."""
        return EPOCH + timedelta(microseconds=self.now_ns // 1000)

    def say(self, who: str, what: str) -> None:
        """Write a line into the diary, if somebody is going to read it."""
        if self.tracing:
            self.diary.append(f"{self.now_s:9.3f}  {'  ' * self._depth}{who}: {what}")

    def fault(self, kind: str, who: str, what: str) -> None:
        """Count a fault that is being injected."""
        self.injected[kind] += 1
        self.say(who, f"FAULT {kind}: {what}")

    def schedule(self, seconds: float, action: Callable[[], None]) -> None:
        """Do ``action`` in so many seconds; what is due at the same time happens in the order it was asked for."""
        self._count += 1
        heapq.heappush(self._due, (self.now_ns + int(seconds * 1e9), self._count, action))

    def run_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Let everything happen that is due until ``done`` or until the time is ``limit_s``; returns which."""
        while not done():
            if not self._due or self._due[0][0] > limit_s * 1e9:
                return False
            self._next()
        return True

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass in the middle of a step, and everybody else act in them."""
        until_ns = self.now_ns + int(seconds * 1e9)
        if self._depth < DEEPEST:
            self._depth += 1
            try:
                while self._due and self._due[0][0] <= until_ns:
                    self._next()
            finally:
                self._depth -= 1
        self.now_ns = max(self.now_ns, until_ns)

    def _next(self) -> None:
        at_ns, _, action = heapq.heappop(self._due)
        self.now_ns = max(self.now_ns, at_ns)
        action()
