"""What a user sees while a data set is loaded: a bar on a terminal, plain lines elsewhere, or nothing; on stderr."""

import contextlib
import sys
from abc import abstractmethod
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from upperbound.clock import Clock
from upperbound.targets.datasets.dataset import Recipe

LINE_INTERVAL_S: Final = 1.0
"""Between two plain lines about rows."""


class LoadProgress(AbstractContextManager["LoadProgress"]):
    """Counts rows, and shows them in one way or another. Nothing here raises when nobody reads any more."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name, self._clock = name, clock
        self._begun_ns = clock.monotonic_ns()
        self._total: int | None = None
        self._before = self._rows = 0

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Remove what does not stay."""

    def planned(self, recipe: Recipe, total_rows: int, loaded_rows: int) -> None:
        """Say what will be loaded."""
        self._total, self._before, self._begun_ns = total_rows, loaded_rows, self._clock.monotonic_ns()
        kept = f", of which {loaded_rows:,} are there from an earlier load" if loaded_rows else ""
        self.say(f"{self._name} at scale {recipe.scale}: {total_rows:,} rows{kept}")
        self.begin(total_rows, loaded_rows)

    def loaded(self, rows: int) -> None:
        """Count rows that were sent."""
        self._rows += rows
        self.show()

    def step(self, text: str) -> None:
        """Say what is done after the rows."""
        self.say(f"{self._name}: {text} …")

    def so_far(self) -> str:
        """Say what a load that is stopped leaves behind, and what to do about it."""
        if self._total is None:
            return "Nothing was loaded."
        return "What is loaded stays: the same command, without --drop, goes on; `upperbound data drop` removes it."

    @property
    def rows(self) -> int:
        """Rows that are there or on their way."""
        return self._before + self._rows

    @property
    def rows_per_s(self) -> float:
        """Rows per second since the plan was made, earlier loads left out."""
        elapsed_s = (self._clock.monotonic_ns() - self._begun_ns) / 1e9
        return self._rows / elapsed_s if elapsed_s > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the rest of the rows will take at this rate; None before the first rows."""
        rate = self.rows_per_s
        return None if self._total is None or not rate else max(0.0, (self._total - self.rows) / rate)

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a line that stays."""

    def begin(self, total_rows: int, loaded_rows: int) -> None:
        """Make room for the rows."""

    @abstractmethod
    def show(self) -> None:
        """Show how many rows there are."""


class SilentLoad(LoadProgress):
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def show(self) -> None:
        """Show nothing."""


class LoadLines(LoadProgress):
    """Plain lines, about one a second."""

    _due_ns = 0

    def say(self, text: str) -> None:
        """Print a line."""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def show(self) -> None:
        """Print a line when it is time for one, and one for the last row."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._due_ns and self.rows != self._total:
            return
        self._due_ns = now_ns + int(LINE_INTERVAL_S * 1e9)
        left = "" if self.remaining_s is None else f", {self.remaining_s:.0f} s left"
        self.say(f"{self._name}: {self.rows:,} of {self._total or 0:,} rows, {self.rows_per_s:,.0f} rows/s{left}")


class LoadBar(LoadProgress):
    """A bar on a terminal."""

    def __init__(self, name: str, clock: Clock, console: Console) -> None:
        super().__init__(name, clock)
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} rows/s"),
            TimeRemainingColumn(),
            console=console,
            get_time=lambda: clock.monotonic_ns() / 1e9,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        with contextlib.suppress(OSError):
            self._console.print(text, style="dim", markup=False, highlight=False)

    def begin(self, total_rows: int, loaded_rows: int) -> None:
        """Draw the bar."""
        self._task = self._progress.add_task(self._name, total=total_rows, completed=loaded_rows, rate="0")

    def show(self) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=self.rows, rate=f"{self.rows_per_s:,.0f}")


def make_load_progress(name: str, *, quiet: bool, clock: Clock) -> LoadProgress:
    """Return what fits: nothing when ``quiet``, a bar on a terminal, plain lines elsewhere."""
    if quiet:
        return SilentLoad(name, clock)
    console = Console(stderr=True)
    fit = console.is_terminal and not console.is_dumb_terminal
    return LoadBar(name, clock, console) if fit else LoadLines(name, clock)
