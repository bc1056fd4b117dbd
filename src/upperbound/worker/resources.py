"""How much of the CPU and memory that it may use a worker's machine uses.

In a container with limits that is the share of the container's limits (cgroup v2, else v1), which the host's figures
would hide; everywhere else it is the share of the whole host. Either way it covers whatever else runs there, since that
is what takes time from the load generator.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import psutil

from upperbound.clock import Clock

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
OWN_CGROUPS: Final = Path("/proc/self/cgroup")
Number = TypeVar("Number", int, float)
SHORTEST_S: Final = 0.5
"""Below this a share of CPU says too little: the last one stands."""


@dataclass(frozen=True)
class Resources:
    """One reading."""

    cpu_pct: float | None
    """Share of the CPU that may be used, 0 to 100, since the last reading; None before there are two."""
    memory_pct: float | None
    """Share of the memory that may be used, 0 to 100; None when it cannot be read."""


class ResourceReader(Protocol):
    """Reads resources; never raises."""

    def begin_anew(self) -> None:
        """Let the next reading know nothing of the time before this call; may be called from any thread."""
        ...

    def read(self) -> Resources:
        """Return the present reading; costs less than a millisecond."""
        ...


class CpuSource(Protocol):
    """Where CPU time is counted."""

    def used_s(self) -> float:
        """Return seconds of CPU time used since some moment in the past. Raises :class:`OSError`."""
        ...

    @property
    def cores(self) -> float:
        """How many seconds of CPU time may be used per second."""
        ...


class MemorySource(Protocol):
    """Where memory is counted."""

    def used_pct(self) -> float:
        """Return the share of the memory that may be used, 0 to 100. Raises :class:`OSError`."""
        ...


# What the kernel's files say ----------------------------------------------------------------------------------------


def parse_table(text: str) -> dict[str, int]:
    """Return lines of ``name number``, as in ``cpu.stat`` and ``memory.stat``; other lines are left out."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def parse_cpu_max(text: str) -> float | None:
    """Return the cores that cgroup v2's ``cpu.max`` allows (``150000 100000`` is 1.5); None for no limit.

    Raises :class:`ValueError` for anything else.
    """
    quota, _, period = text.strip().partition(" ")
    return None if quota == "max" else int(quota) / int(period or 100_000)


def parse_memory_max(text: str) -> int | None:
    """Return the bytes that cgroup v2's ``memory.max`` allows; None for no limit. Raises :class:`ValueError`."""
    return None if text.strip() == "max" else int(text)


def parse_own_cgroups(text: str) -> dict[str, str]:
    """Return the paths of ``/proc/self/cgroup`` by controller; that of cgroup v2 is under the empty name."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


# Sources -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CgroupCpu:
    """The CPU time of one cgroup with a limit."""

    usage: Path
    cores: float

    def used_s(self) -> float:
        """Return the CPU time of everything in the cgroup."""
        text = self.usage.read_text(encoding="ascii")
        return parse_table(text)["usage_usec"] / 1e6 if self.usage.name == "cpu.stat" else int(text) / 1e9


@dataclass(frozen=True)
class CgroupMemory:
    """The memory of one cgroup with a limit."""

    usage: Path
    stat: Path
    limit_bytes: int

    def used_pct(self) -> float:
        """Return the share that cannot be given back: cached files that nobody reads make way for anything."""
        used = int(self.usage.read_text(encoding="ascii"))
        table = parse_table(self.stat.read_text(encoding="ascii"))
        idle_cache = table.get("total_inactive_file", table.get("inactive_file", 0))
        return _percent(used - idle_cache, self.limit_bytes)


class HostCpu:
    """The CPU time of the whole host."""

    def __init__(self) -> None:
        self.cores = float(os.cpu_count() or 1)

    def used_s(self) -> float:
        """Return the time in which a core was not idle, summed over all cores."""
        times = psutil.cpu_times()
        counted_twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - counted_twice)


class HostMemory:
    """The memory of the whole host."""

    def used_pct(self) -> float:
        """Return the share that is not available to a new process without swapping."""
        memory = psutil.virtual_memory()
        return _percent(memory.total - memory.available, memory.total)


def find_cpu(root: Path = CGROUP_ROOT, own: Path = OWN_CGROUPS) -> CpuSource:
    """Return the cgroup with the tightest limit on CPU that holds this process, or the host."""
    host = HostCpu()
    found: list[CgroupCpu] = []
    for folder in _folders(root, own, ""):
        cores = _read(folder / "cpu.max", parse_cpu_max)
        if cores is not None:
            found.append(CgroupCpu(folder / "cpu.stat", cores))
    for folder in _folders(root, own, "cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us", int), _read(folder / "cpu.cfs_period_us", int)
        usage = _counterpart(root, folder) / "cpuacct.usage"
        if quota is not None and quota > 0 and period and usage.exists():
            found.append(CgroupCpu(usage, quota / period))
    tightest = min(found, key=lambda one: one.cores, default=None)
    return tightest if tightest is not None and 0 < tightest.cores <= host.cores and _works(tightest) else host


def find_memory(root: Path = CGROUP_ROOT, own: Path = OWN_CGROUPS) -> MemorySource:
    """Return the cgroup with the tightest limit on memory that holds this process, or the host."""
    found: list[CgroupMemory] = []
    for folder in _folders(root, own, ""):
        limit = _read(folder / "memory.max", parse_memory_max)
        if limit is not None:
            found.append(CgroupMemory(folder / "memory.current", folder / "memory.stat", limit))
    for folder in _folders(root, own, "memory"):
        limit = _read(folder / "memory.limit_in_bytes", int)
        if limit is not None:
            found.append(CgroupMemory(folder / "memory.usage_in_bytes", folder / "memory.stat", limit))
    tightest = min(found, key=lambda one: one.limit_bytes, default=None)
    # Version 1 says "no limit" with a number that is larger than any machine.
    limited = tightest is not None and 0 < tightest.limit_bytes < psutil.virtual_memory().total
    return tightest if tightest is not None and limited and _works(tightest) else HostMemory()


class ResourceMeter:
    """Reads the sources that hold for this process."""

    def __init__(self, clock: Clock, cpu: CpuSource | None = None, memory: MemorySource | None = None) -> None:
        """Take the sources that are given, and find those that are not."""
        self._clock = clock
        self._cpu, self._memory = cpu or find_cpu(), memory or find_memory()
        self._mark: tuple[int, float] | None = None
        self._cpu_pct: float | None = None
        self._anew = False

    def begin_anew(self) -> None:
        """Let the next reading know nothing of the time before this call; may be called from any thread."""
        self._anew = True

    def read(self) -> Resources:
        """Return the use of CPU since the last reading but :data:`SHORTEST_S` at least, and of memory now."""
        return Resources(self._read_cpu(), self._read_memory())

    def _read_cpu(self) -> float | None:
        now_ns = self._clock.monotonic_ns()
        if self._anew:
            self._anew, self._mark, self._cpu_pct = False, None, None
        if self._mark is not None and now_ns - self._mark[0] < SHORTEST_S * 1e9:
            return self._cpu_pct
        try:
            used_s = self._cpu.used_s()
        except (OSError, ValueError, KeyError):
            self._mark, self._cpu_pct = None, None
            return None
        if self._mark is not None:
            passed_s = (now_ns - self._mark[0]) / 1e9
            self._cpu_pct = _percent(used_s - self._mark[1], passed_s * self._cpu.cores)
        self._mark = now_ns, used_s
        return self._cpu_pct

    def _read_memory(self) -> float | None:
        try:
            return self._memory.used_pct()
        except (OSError, ValueError):
            return None


def _percent(part: float, whole: float) -> float:
    return min(100.0, max(0.0, 100.0 * part / whole))


def _folders(root: Path, own: Path, controller: str) -> list[Path]:
    """Return this process's cgroup of a controller and those above it, as far as they can be seen from here.

    Within a container the path may be that of the host, which is not there; the root is the container's then.
    """
    try:
        paths = parse_own_cgroups(own.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    if controller not in paths:
        return []
    top = root / controller if controller else root
    folder = top / paths[controller].lstrip("/")
    # A path that leads out of the root ("/../..") belongs to a namespace that cannot be seen from here.
    chain = [folder, *folder.parents] if ".." not in folder.parts else [top]
    return [one for one in chain if one.is_relative_to(top) and one.is_dir()]


def _counterpart(root: Path, folder: Path) -> Path:
    """Return the folder of version 1's ``cpuacct`` that goes with one of ``cpu``; often they are one."""
    return root / "cpuacct" / folder.relative_to(root / "cpu")


def _read(path: Path, parse: Callable[[str], Number | None]) -> Number | None:
    """Return what a file says, or None when it is not there or says something else."""
    try:
        return parse(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _works(source: CgroupCpu | CgroupMemory) -> bool:
    """Say whether the source can be read at all."""
    try:
        source.used_s() if isinstance(source, CgroupCpu) else source.used_pct()
    except (OSError, ValueError, KeyError):
        return False
    return True
