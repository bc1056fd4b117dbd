"""What this machine, or the container we are in, lets us use."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from upperbound.domain.allocation import WorkerPlan, blocking_cap, per_worker_cap, plan_workers
from upperbound.scenario.kinds import LoadMode
from upperbound.scenario.model import Scenario
from upperbound.scenario.targets import SnowflakeTarget

_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_NO_LIMIT_FROM: Final = 2**60
"""Version 1 of cgroups writes a number of this size where there is no limit."""


@dataclass(frozen=True)
class CgroupLimits:
    """Limits on the group of processes that we belong to; None where there is none, or where it cannot be read."""

    cpus: float | None = None
    """Processor seconds per second."""
    memory_bytes: int | None = None
    memory_left_bytes: int | None = None
    """What is left of the memory; files that are cached for the group can be given up and count as left."""


@dataclass(frozen=True)
class HostFacts:
    """Processors, memory and files that workers of this machine have for themselves."""

    cores: float
    """Processors that may be used: those we may run on, or fewer where a cgroup has a quota."""
    memory_bytes: int
    """Memory that is available now, the cgroup's limit included."""
    open_files: int
    """Files and connections one process may have open, to which workers raise their limit; negative for no limit."""
    limits: CgroupLimits = CgroupLimits()


def host_facts() -> HostFacts:
    """Ask the operating system."""
    limits = cgroup_limits()
    cores = float(len(os.sched_getaffinity(0)))
    memory = psutil.virtual_memory().available
    return HostFacts(
        cores=cores if limits.cpus is None else min(cores, limits.cpus),
        memory_bytes=memory if limits.memory_left_bytes is None else min(memory, limits.memory_left_bytes),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        limits=limits,
    )


def plan_on_host(scenario: Scenario, facts: HostFacts) -> WorkerPlan:
    """Plan the workers of ``scenario`` on this machine."""
    stages = [stage.threads for stage in scenario.load.stages if stage.threads is not None]
    cores, given = max(1, int(facts.cores)), scenario.scaling.per_worker_cap
    cap = per_worker_cap(cores=cores, memory_gib=facts.memory_bytes / 2**30, given=given)
    if given is None and isinstance(scenario.target, SnowflakeTarget):
        cap = min(cap, blocking_cap(max([scenario.threads, *stages]), cores))
    return plan_workers(
        threads=scenario.threads,
        bounds=scenario.scaling.bounds,
        cap=cap,
        lowest=min(stages, default=None),
        peak=max(stages, default=None),
        filling=scenario.load.mode == LoadMode.FIND_MAX_CONCURRENCY,
    )


def cgroup_limits(membership: Path = _MEMBERSHIP, root: Path = _CGROUPS) -> CgroupLimits:
    """Read the limits of our cgroup and of those above it, version 2 or 1; the tightest counts."""
    cpus: list[float] = []
    memory: list[tuple[int, int]] = []
    for folder in _folders(membership, root):
        if (quota := _cpus(folder)) is not None:
            cpus.append(quota)
        if (limit := _memory(folder)) is not None:
            memory.append(limit)
    return CgroupLimits(
        cpus=min(cpus, default=None),
        memory_bytes=min((limit for limit, _ in memory), default=None),
        memory_left_bytes=min((left for _, left in memory), default=None),
    )


def _folders(membership: Path, root: Path) -> Iterator[Path]:
    """Yield the folders of our groups, each with those above it.

    A container sees its own group as the root, whatever the path that the kernel tells: both are looked at.
    """
    for line in _text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        top = root / controllers if controllers else root
        place = top / path.lstrip("/")
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(top) and folder.is_dir())


def _cpus(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    microseconds, per = _number(quota), _number(period)
    return microseconds / per if microseconds is not None and per else None


def _memory(folder: Path) -> tuple[int, int] | None:
    """Return a limit and what is left of it."""
    version_2 = (folder / "memory.max").exists()
    limit = _number(_text(folder / ("memory.max" if version_2 else "memory.limit_in_bytes")))
    used = _number(_text(folder / ("memory.current" if version_2 else "memory.usage_in_bytes")))
    if limit is None or limit >= _NO_LIMIT_FROM:
        return None
    statistics = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
    cached = _number(statistics.get("inactive_file" if version_2 else "total_inactive_file", "")) or 0
    return limit, max(0, limit - max(0, (used or 0) - cached))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    """Return a number; None for ``max``, for -1, which both mean no limit, and for nothing."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else None
