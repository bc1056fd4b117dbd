"""Ctrl-C and SIGTERM while a run goes on: the first one asks it to stop, the second one makes it."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals(AbstractContextManager["StopSignals"]):
    """Takes the signals over for the length of a ``with`` block in the main thread.

    SIGHUP, the end of the terminal, counts as well unless it is ignored, as under nohup. Until :meth:`hand_over` a
    signal interrupts the main thread with :class:`KeyboardInterrupt`: preparation is abandoned. From then on a handler
    does no more than write a byte into a pipe, and a thread of our own calls what was handed over: the store must not
    be asked from within a handler, which may have interrupted the store.
    """

    def __init__(self) -> None:
        self.first = ""
        """What a user calls the first signal that has arrived; empty before."""
        self._previous: dict[signal.Signals, Any] = {}
        self._reader = self._writer = -1
        self._steps: tuple[Callable[[], None], ...] = ()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        for number in _SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._writer)
        if self._thread is not None:
            self._thread.join()
        os.close(self._reader)

    def hand_over(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """From now on call ``first`` for the first signal and ``second`` for the next; later ones do nothing.

        Each is called in a thread of its own, so that ``second`` is called in time when ``first`` hangs. They must not
        raise, and must end soon after the run has.
        """
        self._steps = (first, second)
        self._thread = threading.Thread(target=self._run, name="stop-signals", daemon=True)
        self._thread.start()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.first = self.first or ("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
        if not self._steps:
            raise KeyboardInterrupt
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:
            # The pipe is full of signals that have not been looked at; one more changes nothing.
            return

    def _run(self) -> None:
        for step in self._steps:
            if not os.read(self._reader, 1):
                return
            threading.Thread(target=step, name=f"stop-{step.__name__}", daemon=True).start()
