"""Room on the disk for the query log, reckoned before a run."""

import os
import shutil
from pathlib import Path
from typing import Final

from upperbound.domain.allocation import WorkerPlan
from upperbound.errors import ConfigurationError
from upperbound.querylog.records import RECORD
from upperbound.querylog.spool import RESERVE_BYTES
from upperbound.scenario.loads import FindMaxLoad, QpsLoad
from upperbound.scenario.model import Scenario

FREE_DISK_BYTES: Final = 256 * 2**20
"""What must be free for the query log before a run may start."""
PARQUET_ROW_BYTES: Final = 16
"""A sealed query takes at most this much; 10 bytes were measured on the demo, whose latencies pack well."""
QUERIES_PER_CORE_S: Final = 20_000
"""A generous guess of what one processor of the generator sends in a second."""
_HINT: Final = "free disk space, or point UPPERBOUND_HOME to another disk"


def log_bytes(scenario: Scenario, plan: WorkerPlan, cores: float, latency_floor_s: float = 0.0) -> int:
    """Return how much room the query log of a run may need at most.

    A thread sends no more than one query in ``latency_floor_s`` plus its think time, a rate is offered and not more,
    and the generator sends no more than its processors can. While a worker's log is sealed, the raw records and their
    Parquet rows are there side by side.
    """
    load = scenario.load
    per_query_s = latency_floor_s + load.think_time_ms / 1000
    rate = QUERIES_PER_CORE_S * max(1.0, min(float(plan.worker_count), cores))
    threads = load.max_threads if isinstance(load, FindMaxLoad) else plan.peak_threads
    if isinstance(load, QpsLoad):
        rate = min(rate, max([load.target_qps, *(change.goal for change in load.changes)]))
    elif per_query_s > 0 and threads is not None:
        rate = min(rate, threads / per_query_s)
    rows = rate * (load.warmup_seconds + load.duration_seconds)
    return int(rows * (RECORD.size + PARQUET_ROW_BYTES)) + plan.worker_count * RESERVE_BYTES


def free_bytes(home: Path) -> int:
    """Return what is free on the disk of ``home``, which need not exist yet.

    Raises :class:`ConfigurationError` when the disk cannot be asked.
    """
    try:
        return shutil.disk_usage(existing_folder(home)).free
    except OSError as error:
        raise ConfigurationError(f"the disk of {home} cannot be asked: {error.strerror or error}", hint=_HINT) from None


def existing_folder(home: Path) -> Path:
    """Return ``home``, or the folder nearest above it that is there."""
    return next((folder for folder in (home, *home.parents) if os.path.lexists(folder)), Path("/"))


def require_room(home: Path) -> None:
    """Raise :class:`ConfigurationError` unless there is room for the log of even a short run."""
    free = free_bytes(home)
    if free < FREE_DISK_BYTES:
        raise ConfigurationError(
            f"only {mebibytes(free)} are free in {home} for the query log, which keeps every query; "
            f"at least {mebibytes(FREE_DISK_BYTES)} are needed to start",
            hint=_HINT,
        )


def room_warning(home: Path, needed_bytes: int) -> str:
    """Return what to tell when the log may not fit; empty when it does."""
    free = free_bytes(home)
    if free >= needed_bytes:
        return ""
    return (
        f"the query log may need up to {mebibytes(needed_bytes)}, and {mebibytes(free)} are free in {home}: "
        "a run whose disk is full ends early"
    )


def mebibytes(size: int) -> str:
    """Return a size as people read it."""
    return f"{size / 2**30:,.1f} GiB" if size >= 10 * 2**30 else f"{size / 2**20:,.0f} MiB"
