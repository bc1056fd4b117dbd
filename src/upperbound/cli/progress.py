"""What a user sees while a run goes on: a live display, plain lines, or nothing; always on stderr."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live

from upperbound.clock import Clock
from upperbound.report.live import live_display, live_line
from upperbound.views.live import LiveView

LINE_INTERVAL_S: Final = 1.0
"""Between two plain lines of the same phase."""


class Progress(Protocol):
    """Tells a user how a run goes. Nothing here raises when the user's end of the line is gone: the run goes on."""

    def say(self, text: str) -> None:
        """Say what is being done now."""
        ...

    def warn(self, text: str) -> None:
        """Say what the user should know however little they want to read."""
        ...

    def running(self) -> AbstractContextManager[None]:
        """Make room for :meth:`show` while the body runs."""
        ...

    def show(self, view: LiveView) -> None:
        """Show the run as it is now."""
        ...


class SilentProgress:
    """Nothing but warnings."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Print a line."""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Need no room."""
        yield

    def show(self, view: LiveView) -> None:
        """Show nothing."""


class LineProgress(SilentProgress):
    """Plain lines, about one a second and one for every change of phase."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: tuple[str, str] | None = None
        self._due_ns = 0

    def say(self, text: str) -> None:
        """Print a line."""
        self.warn(text)

    def show(self, view: LiveView) -> None:
        """Print a line when it is time for one."""
        now_ns, state = self._clock.monotonic_ns(), (view.status.value, view.phase.value)
        if state == self._shown and now_ns < self._due_ns:
            return
        self._shown, self._due_ns = state, now_ns + int(LINE_INTERVAL_S * 1e9)
        self.warn(live_line(view))


class LiveProgress:
    """A display on a terminal that is drawn over and over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._notice = "Ctrl-C stops the run."

    def say(self, text: str) -> None:
        """Print a line."""
        with contextlib.suppress(OSError):
            self._console.print(text, style="dim", markup=False, highlight=False)

    def warn(self, text: str) -> None:
        """Print a line above the display, and keep it below as well while the display lasts."""
        self._notice = text
        with contextlib.suppress(OSError):
            self._console.print(text, style="bold yellow", markup=False, highlight=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Draw the display while the body runs and remove it afterwards."""
        live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        try:
            with contextlib.suppress(OSError):
                live.start()
            self._live = live
            yield
        finally:
            self._live = None
            with contextlib.suppress(OSError):
                live.stop()

    def show(self, view: LiveView) -> None:
        """Draw the display anew."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.update(live_display(view, self._notice), refresh=True)


def make_progress(*, quiet: bool, clock: Clock) -> Progress:
    """Return what fits: nothing when ``quiet``, a live display on a terminal, plain lines elsewhere."""
    if quiet:
        return SilentProgress()
    console = Console(stderr=True)
    return LiveProgress(console) if console.is_terminal and not console.is_dumb_terminal else LineProgress(clock)
