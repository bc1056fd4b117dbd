"""A timer that epoll can wait for: the timeout of epoll itself has steps of a millisecond, a schedule needs better."""

import ctypes
import os
import sys
import time

_TFD_TIMER_ABSTIME = 1
_NS_PER_S = 1_000_000_000


class _Timerspec(ctypes.Structure):
    """``struct itimerspec`` of Linux: the interval, of no use here, and the first expiry."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


class DueTimer:
    """A descriptor that becomes readable at a given time of ``time.perf_counter_ns``, which is Linux's monotonic clock.

    Python has timer descriptors from 3.13 on; before that the C library is called. Setting it anew makes it unreadable
    again, so that nothing has to be read from it.
    """

    def __init__(self) -> None:
        if sys.version_info >= (3, 13):
            self.fd = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
            return
        libc = ctypes.CDLL(None, use_errno=True)
        self._spec = _Timerspec()
        self._spec_pointer = ctypes.byref(self._spec)
        self._settime = libc.timerfd_settime
        self.fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def set(self, due_ns: int) -> None:
        """Become readable at ``due_ns``, at once if that has passed; an earlier order is forgotten."""
        due_ns = max(1, due_ns)
        if sys.version_info >= (3, 13):
            os.timerfd_settime_ns(self.fd, flags=os.TFD_TIMER_ABSTIME, initial=due_ns)
            return
        self._spec.first_s, self._spec.first_ns = divmod(due_ns, _NS_PER_S)
        self._settime(self.fd, _TFD_TIMER_ABSTIME, self._spec_pointer, None)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)
