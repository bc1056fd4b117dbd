"""How another thread interrupts the measuring loop."""

import os
import threading
from itertools import repeat

from upperbound.loadgen.client import IDLE, Client
from upperbound.workload.streams import ThreadStream


class BellRung(Exception):
    """Someone wants the loop to do its housekeeping."""


class Bell(Client):
    """Wakes the loop from another thread: stands among the clients and raises where they read."""

    __slots__ = ("_lock", "number")

    def __init__(self) -> None:
        super().__init__(-1, ThreadStream(operations=repeat(IDLE), rows=()))
        # Held for one system call; may be taken again by a signal handler that has interrupted its owner.
        self._lock = threading.RLock()
        self.number = self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.consume = self._answer
        self.calls = (self._answer, lambda: 0, lambda: None, lambda *_: None)

    def ring(self) -> None:
        """Wake the loop; callable from any thread, and without effect once the loop is closed."""
        with self._lock:
            if self.number >= 0:
                os.eventfd_write(self.number, 1)

    def close(self) -> None:
        """Give the descriptor back, which may be another file's as soon as that is done."""
        with self._lock:
            number, self.number = self.number, -1
            if number >= 0:
                os.close(number)

    def clear(self) -> None:
        """Let the bell be rung again; the loop does so when it has heard it."""
        os.eventfd_read(self.number)

    def _answer(self) -> None:
        self.clear()
        raise BellRung
