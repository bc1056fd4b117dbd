"""Processes that stand still for a while, as those of a frozen virtual machine do."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from upperbound.targets.embedded.watcher import children


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes for the length of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen_server(postmaster: int) -> Iterator[None]:
    """Stop a PostgreSQL server with all its backends for the length of the block."""
    with frozen(postmaster):
        # The standing server starts no further backend. One that had just ended waits for it as a zombie, and is gone
        # as soon as the server goes on.
        backends = children(postmaster)
        _send(backends, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(backends, signal.SIGCONT)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
