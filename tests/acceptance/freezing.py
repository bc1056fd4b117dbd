"""Processes that stand still for a while, as those of a frozen virtual machine do."""

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
    with frozen(postmaster, *children(postmaster)):
        yield
