"""What a worker says of its machine: the container's limits where there are some, else the host's."""

from pathlib import Path
from unittest.mock import patch

import psutil
import pytest

from upperbound.testing.manual_clock import ManualClock
from upperbound.worker import resources
from upperbound.worker.resources import (
    CgroupCpu,
    CgroupMemory,
    HostCpu,
    HostMemory,
    ResourceMeter,
    find_cpu,
    find_memory,
    parse_cpu_max,
    parse_memory_max,
    parse_own_cgroups,
    parse_table,
)

MIB = 2**20
CPU_STAT = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 3\n"
MEMORY_STAT = f"anon 1000\nfile 2000\ninactive_file {10 * MIB}\nactive_file 7\n"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own"
    path.write_text(text)
    return path


def version_2(folder: Path, cpu_max: str = "50000 100000", memory_max: str = str(100 * MIB)) -> Path:
    return write(
        folder,
        cpu__max=f"{cpu_max}\n",
        cpu__stat=CPU_STAT,
        memory__max=f"{memory_max}\n",
        memory__current=f"{60 * MIB}\n",
        memory__stat=MEMORY_STAT,
    )


def version_1(root: Path, path: str = "", quota: str = "50000", limit: str = str(100 * MIB)) -> None:
    write(root / "cpu" / path, cpu__cfs_quota_us=f"{quota}\n", cpu__cfs_period_us="100000\n")
    write(root / "cpuacct" / path, cpuacct__usage="3000000000\n")
    write(
        root / "memory" / path,
        memory__limit_in_bytes=f"{limit}\n",
        memory__usage_in_bytes=f"{60 * MIB}\n",
        memory__stat=f"cache 5\ninactive_file 3\ntotal_inactive_file {20 * MIB}\n",
    )


def test_the_kernels_files_are_read_as_they_are_written() -> None:
    assert parse_cpu_max("max 100000\n") is None
    assert parse_cpu_max("150000 100000\n") == 1.5
    assert parse_cpu_max("50000\n") == 0.5
    assert parse_memory_max("max\n") is None
    assert parse_memory_max("1073741824\n") == 2**30
    assert parse_table(CPU_STAT)["usage_usec"] == 2_500_000
    assert parse_table("a\nb 1 2\nc x\nd 4\n") == {"d": 4}
    assert parse_own_cgroups("4:memory:/a\n3:cpu,cpuacct:/b\n0::/c:d\n") == {
        "memory": "/a",
        "cpu": "/b",
        "cpuacct": "/b",
        "": "/c:d",
    }
    for parse in (parse_cpu_max, parse_memory_max):
        with pytest.raises(ValueError, match="invalid literal"):
            parse("what")


def test_a_container_of_version_2_is_measured_against_its_limits(tmp_path: Path) -> None:
    root, mine = version_2(tmp_path / "cgroup"), own(tmp_path, "0::/\n")
    cpu, memory = find_cpu(root, mine), find_memory(root, mine)
    assert (cpu.used_s(), cpu.cores) == (2.5, 0.5)
    assert memory.used_pct() == 50.0, "cached files that nobody reads can be given back"


def test_a_container_of_version_1_is_measured_against_its_limits(tmp_path: Path) -> None:
    root, mine = tmp_path / "cgroup", own(tmp_path, "4:memory:/\n3:cpu:/\n2:cpuacct:/\n0::/\n")
    version_1(root)
    cpu, memory = find_cpu(root, mine), find_memory(root, mine)
    assert (cpu.used_s(), cpu.cores) == (3.0, 0.5)
    assert memory.used_pct() == 40.0


def test_the_tightest_limit_on_the_way_to_the_root_holds(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    version_2(root / "a", cpu_max="25000 100000", memory_max=str(50 * MIB))
    version_2(root / "a" / "b", cpu_max="50000 100000", memory_max="max")
    mine = own(tmp_path, "0::/a/b\n")
    cpu, memory = find_cpu(root, mine), find_memory(root, mine)
    assert cpu == CgroupCpu(root / "a" / "cpu.stat", 0.25)
    assert isinstance(memory, CgroupMemory)
    assert memory.limit_bytes == 50 * MIB


@pytest.mark.parametrize("path", ["/docker/0123abcd", "/../.."])
def test_a_path_of_the_host_that_is_not_there_means_the_root_that_is(tmp_path: Path, path: str) -> None:
    root, mine = version_2(tmp_path / "cgroup"), own(tmp_path, f"0::{path}\n")
    assert find_cpu(root, mine).cores == 0.5


def test_without_limits_the_host_is_measured(tmp_path: Path) -> None:
    root, mine = version_2(tmp_path / "cgroup", "max 100000", "max"), own(tmp_path, "0::/\n")
    assert isinstance(find_cpu(root, mine), HostCpu)
    assert isinstance(find_memory(root, mine), HostMemory)
    old, old_mine = tmp_path / "old", own(tmp_path, "4:memory:/\n3:cpu:/\n")
    version_1(old, quota="-1", limit=str(2**63 - 4096))
    assert isinstance(find_cpu(old, old_mine), HostCpu)
    assert isinstance(find_memory(old, old_mine), HostMemory)


def test_a_limit_beyond_the_machine_is_none(tmp_path: Path) -> None:
    root = version_2(tmp_path / "cgroup", "99999900000 100000", str(2**60))
    mine = own(tmp_path, "0::/\n")
    assert isinstance(find_cpu(root, mine), HostCpu)
    assert isinstance(find_memory(root, mine), HostMemory)


@pytest.mark.parametrize("text", ["", "nonsense", "1:name=systemd:/x\n"])
def test_where_there_are_no_cgroups_the_host_is_measured(tmp_path: Path, text: str) -> None:
    mine = own(tmp_path, text)
    assert isinstance(find_cpu(tmp_path, mine), HostCpu)
    assert isinstance(find_memory(tmp_path / "none", tmp_path / "none"), HostMemory)


def test_a_limit_whose_use_cannot_be_read_gives_way_to_the_host(tmp_path: Path) -> None:
    root, mine = version_2(tmp_path / "cgroup"), own(tmp_path, "0::/\n")
    (root / "cpu.stat").unlink()
    (root / "memory.current").write_text("what")
    assert isinstance(find_cpu(root, mine), HostCpu)
    assert isinstance(find_memory(root, mine), HostMemory)


class FakeCpu:
    """CPU time as the test says."""

    def __init__(self, cores: float) -> None:
        self.cores, self.used, self.gone = cores, 0.0, False

    def used_s(self) -> float:
        if self.gone:
            raise OSError("gone")
        return self.used


class FakeMemory:
    def __init__(self) -> None:
        self.gone = False

    def used_pct(self) -> float:
        if self.gone:
            raise OSError("gone")
        return 42.0


def test_cpu_is_the_share_of_what_may_be_used_since_the_last_reading() -> None:
    clock, cpu = ManualClock(), FakeCpu(cores=2.0)
    meter = ResourceMeter(clock, cpu, FakeMemory())
    assert meter.read() == resources.Resources(None, 42.0)
    cpu.used = 1.0
    clock.advance(1.0)
    assert meter.read().cpu_pct == 50.0
    cpu.used = 5.0
    clock.advance(1.0)
    assert meter.read().cpu_pct == 100.0, "time is counted in ticks, so that a share may come out above the whole"


def test_readings_close_together_repeat_the_last_one() -> None:
    clock, cpu = ManualClock(), FakeCpu(cores=1.0)
    meter = ResourceMeter(clock, cpu, FakeMemory())
    meter.read()
    cpu.used = 0.5
    clock.advance(1.0)
    assert meter.read().cpu_pct == 50.0
    cpu.used = 0.9
    clock.advance(0.4)
    assert meter.read().cpu_pct == 50.0
    clock.advance(0.6)
    assert meter.read().cpu_pct == 40.0


def test_a_reading_that_begins_anew_knows_nothing_of_the_time_before() -> None:
    clock, cpu = ManualClock(), FakeCpu(cores=1.0)
    meter = ResourceMeter(clock, cpu, FakeMemory())
    meter.read()
    cpu.used = 1.0
    clock.advance(1.0)
    assert meter.read().cpu_pct == 100.0
    meter.begin_anew()
    assert meter.read().cpu_pct is None
    cpu.used = 1.25
    clock.advance(1.0)
    assert meter.read().cpu_pct == 25.0


def test_a_source_that_goes_away_is_said_to_be_unknown() -> None:
    clock, cpu, memory = ManualClock(), FakeCpu(1.0), FakeMemory()
    meter = ResourceMeter(clock, cpu, memory)
    meter.read()
    cpu.gone = memory.gone = True
    clock.advance(1.0)
    assert meter.read() == resources.Resources(None, None)


def test_the_host_is_read_from_the_system() -> None:
    assert HostCpu().cores >= 1
    assert 0 < HostMemory().used_pct() <= 100
    times = psutil.cpu_times()
    with patch.object(psutil, "cpu_times", return_value=times):
        busy = HostCpu().used_s()
    assert busy == pytest.approx(times.user + times.system + times.nice + times.irq + times.softirq + times.steal)
