"""What a user sees while value pools are sampled: a bar for each on a terminal, plain lines elsewhere, or nothing."""

import contextlib
import sys
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from upperbound.clock import Clock
from upperbound.domain.value_pools import PoolNeed

LINE_INTERVAL_S: Final = 1.0
"""Between two plain lines about one column."""


class PoolProgress(AbstractContextManager["PoolProgress"]):
    """Counts values, and shows them in one way or another on stderr. Nothing here raises when nobody reads any more."""

    def __init__(self, clock: Clock, *, each: bool = True) -> None:
        """Say of ``each`` column when it is complete."""
        self._clock, self._each = clock, each
        self._begun_ns = 0
        self._values = 0

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Remove what does not stay."""

    def planned(self, table: str, needs: Sequence[PoolNeed]) -> None:
        """Say what will be sampled."""
        columns = ", ".join(f"{need.column} (up to {need.limit:,})" for need in needs)
        self.say(f"Sampling values of {table}: {columns} …")

    def begun(self, need: PoolNeed) -> None:
        """Begin with a column: the server chooses and sorts before it sends the first value."""
        self._begun_ns, self._values = self._clock.monotonic_ns(), 0
        self.begin(need)

    def sampled(self, need: PoolNeed, values: int) -> None:
        """Count values that are in the store."""
        self._values += values
        self.show(need)

    def done(self, need: PoolNeed) -> None:
        """Say what has become of a column."""
        self.end(need)
        if self._each:
            self.say(f"{need.column}: {self._values:,} values in {self.elapsed_s:.1f} s")

    @property
    def values(self) -> int:
        """Values of the present column so far."""
        return self._values

    @property
    def elapsed_s(self) -> float:
        """Seconds since the present column was begun."""
        return (self._clock.monotonic_ns() - self._begun_ns) / 1e9

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a line that stays."""

    def begin(self, need: PoolNeed) -> None:
        """Make room for a column."""

    @abstractmethod
    def show(self, need: PoolNeed) -> None:
        """Show how many values there are."""

    def end(self, need: PoolNeed) -> None:
        """Take the room back."""


class SilentPools(PoolProgress):
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def show(self, need: PoolNeed) -> None:
        """Show nothing."""


class PoolLines(PoolProgress):
    """Plain lines: one for each column, and one a second while it takes long."""

    _due_ns = 0

    def say(self, text: str) -> None:
        """Print a line."""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def begin(self, need: PoolNeed) -> None:
        """Wait for a second before the first line."""
        del need
        self._due_ns = self._clock.monotonic_ns() + int(LINE_INTERVAL_S * 1e9)

    def show(self, need: PoolNeed) -> None:
        """Print a line when it is time for one."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + int(LINE_INTERVAL_S * 1e9)
        self.say(f"{need.column}: {self.values:,} of up to {need.limit:,} values, {self.elapsed_s:.0f} s")


class PoolBars(PoolProgress):
    """A bar for each column on a terminal."""

    def __init__(self, clock: Clock, console: Console, *, each: bool = True) -> None:
        super().__init__(clock, each=each)
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
            get_time=lambda: clock.monotonic_ns() / 1e9,
            transient=True,
        )
        self._task: TaskID | None = None

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._progress.stop()

    def __enter__(self) -> Self:
        return self

    def planned(self, table: str, needs: Sequence[PoolNeed]) -> None:
        """Say what will be sampled, and begin to draw: where nothing is sampled, nothing is drawn."""
        super().planned(table, needs)
        with contextlib.suppress(OSError):
            self._progress.start()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        with contextlib.suppress(OSError):
            self._console.print(text, style="dim", markup=False, highlight=False)

    def begin(self, need: PoolNeed) -> None:
        """Draw a bar that says that the server is at work."""
        self._task = self._progress.add_task(need.column, total=None, said="the server chooses and sorts")

    def show(self, need: PoolNeed) -> None:
        """Move the bar."""
        if self._task is not None:
            said = f"{self.values:,} of up to {need.limit:,} values"
            self._progress.update(self._task, total=need.limit, completed=self.values, said=said)

    def end(self, need: PoolNeed) -> None:
        """Remove the bar."""
        del need
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def make_pool_progress(*, quiet: bool, clock: Clock, each: bool = True) -> PoolProgress:
    """Return what fits: nothing when ``quiet``, bars on a terminal, plain lines elsewhere.

    Without ``each`` nothing is said of columns that are complete.
    """
    if quiet:
        return SilentPools(clock)
    console = Console(stderr=True)
    fit = console.is_terminal and not console.is_dumb_terminal
    return PoolBars(clock, console, each=each) if fit else PoolLines(clock, each=each)
