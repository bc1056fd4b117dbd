"""What a cgroup lets us use, of version 1 and 2, and what is planned on it."""

from pathlib import Path

import pytest

from upperbound.orchestrator.host_facts import CgroupLimits, HostFacts, cgroup_limits, host_facts, plan_on_host
from upperbound.scenario.loader import check_scenario, load_scenario

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def limits(tmp_path: Path, membership: str, files: dict[str, str]) -> CgroupLimits:
    write(tmp_path / "cgroups", files)
    write(tmp_path, {"membership": membership})
    return cgroup_limits(tmp_path / "membership", tmp_path / "cgroups")


def test_version_2_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    found = limits(
        tmp_path,
        "0::/pod/worker",
        {
            "pod/cpu.max": "150000 100000",
            "pod/memory.max": str(4 * GIB),
            "pod/memory.current": str(3 * GIB),
            "pod/memory.stat": f"anon 1\ninactive_file {GIB}",
            "pod/worker/cpu.max": "max 100000",
            "pod/worker/memory.max": "max",
        },
    )
    assert found == CgroupLimits(cpus=1.5, memory_bytes=4 * GIB, memory_left_bytes=2 * GIB)


def test_version_1_has_a_folder_for_each_controller(tmp_path: Path) -> None:
    found = limits(
        tmp_path,
        "4:memory:/box\n3:cpu,cpuacct:/box\n1:name=systemd:/box",
        {
            "cpu,cpuacct/box/cpu.cfs_quota_us": "50000",
            "cpu,cpuacct/box/cpu.cfs_period_us": "100000",
            "memory/box/memory.limit_in_bytes": str(2 * GIB),
            "memory/box/memory.usage_in_bytes": str(GIB),
            "memory/box/memory.stat": "total_inactive_file 0",
        },
    )
    assert found == CgroupLimits(cpus=0.5, memory_bytes=2 * GIB, memory_left_bytes=GIB)


def test_version_1_writes_no_limit_as_a_huge_number_and_as_minus_one(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}
    files["memory/memory.limit_in_bytes"] = "9223372036854771712"
    assert limits(tmp_path, "4:memory:/\n3:cpu:/", files) == CgroupLimits()


def test_a_container_that_sees_its_group_as_the_root_is_found_by_a_path_it_does_not_have(tmp_path: Path) -> None:
    found = limits(tmp_path, "0::/kubepods/pod7/box", {"cpu.max": "200000 100000", "memory.max": str(GIB)})
    assert found.cpus == 2.0
    assert found.memory_bytes == GIB


def test_no_cgroups_are_no_limits(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path / "none", tmp_path) == CgroupLimits()


def test_this_host_has_something_to_use() -> None:
    facts = host_facts()
    assert facts.cores > 0
    assert facts.memory_bytes > 0


@pytest.mark.parametrize(("cores", "workers"), [(0.5, 3), (1.9, 3), (3.0, 1)])
def test_automatic_workers_follow_the_processors_that_may_be_used(cores: float, workers: int) -> None:
    scenario = load_scenario("demo", ["scaling={mode: AUTO}", "load.threads=300"]).scenario
    plan = plan_on_host(scenario, HostFacts(cores, 8 * GIB, 1024))
    assert plan.worker_count == workers
    assert plan.total_threads == 300


@pytest.mark.parametrize(
    ("threads", "cores", "workers"),
    [(8, 4.0, 1), (32, 4.0, 1), (64, 4.0, 2), (200, 2.0, 2), (200, 4.0, 4)],
)
def test_workers_of_snowflake_are_one_for_each_core_once_there_are_enough_threads(
    threads: int, cores: float, workers: int
) -> None:
    made = {
        "name": "x",
        "target": {"kind": "snowflake"},
        "load": {"threads": threads, "duration_seconds": 1},
        "workload": {"operations": [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}]},
    }
    facts = HostFacts(cores, 8 * GIB, 1024)
    plan = plan_on_host(check_scenario(made).scenario, facts)
    assert (plan.worker_count, plan.total_threads) == (workers, threads)
    capped = made | {"scaling": {"mode": "AUTO", "per_worker_cap": 4}}
    assert plan_on_host(check_scenario(capped).scenario, facts).worker_count == threads // 4
