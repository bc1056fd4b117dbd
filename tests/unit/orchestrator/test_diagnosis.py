"""What is made of facts about a host and a server."""

from pathlib import Path
from typing import Any

import pytest
from psycopg import pq

from upperbound.domain.allocation import WorkerPlan
from upperbound.domain.diagnosis import Check, CheckArea, CheckList, CheckStatus
from upperbound.orchestrator import log_space
from upperbound.orchestrator.diagnosis import host
from upperbound.orchestrator.diagnosis.host import check_host
from upperbound.orchestrator.diagnosis.settings import NAMES, check_settings
from upperbound.orchestrator.host_facts import CgroupLimits, HostFacts
from upperbound.scenario.loader import load_scenario
from upperbound.targets.capabilities import Connections, PostgresCapabilities, StatementStatistics, Transport

GIB = 2**30
AMPLE = HostFacts(cores=8.0, memory_bytes=16 * GIB, open_files=4_096)
STATEMENTS = StatementStatistics(
    available=True,
    loaded=True,
    installed_version="1.12",
    readable=True,
    reads_all_users=False,
    track_planning=False,
)
REMOTE = Transport(kind="tcp", tls=True, tls_version="TLSv1.3", same_host=False)
SERVER = PostgresCapabilities(
    version="17.2",
    version_number=170_002,
    database="shop",
    user="app",
    superuser=False,
    transport=REMOTE,
    connections=Connections(
        max_connections=100,
        reserved=3,
        used=10,
        user_limit=None,
        user_used=0,
        database_limit=None,
        database_used=0,
    ),
    statements=STATEMENTS,
    track_io_timing=True,
    compute_query_id="auto",
    read_only=False,
    autovacuum=True,
    fsync=True,
    synchronous_commit="on",
    full_page_writes=True,
)


def by_name(checks: list[Check]) -> dict[str, Check]:
    found = {check.name: check for check in checks}
    assert len(found) == len(checks)
    return found


def settings_of(**changes: Any) -> dict[str, Check]:
    checks = CheckList(CheckArea.TARGET)
    check_settings(checks, SERVER.model_copy(update=changes))
    return by_name(checks.checks)


def host_of(
    home: Path, facts: HostFacts, threads: tuple[int, ...] = (8, 8), floor_s: float = 0.001
) -> dict[str, Check]:
    return by_name(check_host(facts, home, load_scenario("demo").scenario, WorkerPlan(threads), floor_s))


def statuses(found: dict[str, Check]) -> set[CheckStatus]:
    return {check.status for check in found.values()}


# The host


def test_a_host_with_room_for_the_plan_is_well(tmp_path: Path) -> None:
    assert statuses(host_of(tmp_path, AMPLE)) == {CheckStatus.OK}


def test_a_host_without_a_scenario_is_looked_at_all_the_same(tmp_path: Path) -> None:
    assert statuses(by_name(check_host(AMPLE, tmp_path, None, None, 0.0))) == {CheckStatus.OK}


@pytest.mark.parametrize(("open_files", "status"), [(103, "failed"), (104, "ok"), (-1, "ok")])
def test_each_thread_of_the_largest_worker_needs_a_file(tmp_path: Path, open_files: int, status: str) -> None:
    facts = HostFacts(8.0, 16 * GIB, open_files)
    check = host_of(tmp_path, facts, threads=(40, 39))["open files"]
    assert check.status == status
    assert ("ulimit -n 104" in check.advice) is (status == "failed")


@pytest.mark.parametrize(("cores", "status"), [(1.9, "warning"), (2.0, "ok")])
def test_more_workers_than_processors_wait_for_each_other(tmp_path: Path, cores: float, status: str) -> None:
    facts = HostFacts(cores, 16 * GIB, 4_096, CgroupLimits(cpus=cores))
    check = host_of(tmp_path, facts)["processors"]
    assert check.status == status
    assert f"the container's limit is {cores:g}" in check.found


def test_memory_of_a_container_that_is_too_small_is_told_of(tmp_path: Path) -> None:
    facts = HostFacts(8.0, 300 * 2**20, 4_096, CgroupLimits(memory_bytes=512 * 2**20))
    check = host_of(tmp_path, facts)["memory"]
    assert check.status is CheckStatus.WARNING
    assert check.found == "300 MiB available (the container's limit is 512 MiB), about 336 MiB planned for"


def test_a_data_directory_below_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = host_of(tmp_path / "file" / "home", AMPLE)["data directory"]
    assert check.status is CheckStatus.FAILED
    assert "file is no folder" in check.found


@pytest.mark.parametrize(("free_mib", "status"), [(255, "failed"), (256, "warning"), (40_000, "ok")])
def test_the_disk_is_held_against_the_size_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, status: str
) -> None:
    monkeypatch.setattr(host, "free_bytes", lambda _home: free_mib * 2**20)
    monkeypatch.setattr(log_space, "QUERIES_PER_CORE_S", 10**9)
    assert host_of(tmp_path, AMPLE, floor_s=0.00001)["free disk"].status == status


@pytest.mark.parametrize(("implementation", "status"), [("python", "warning"), ("binary", "ok"), ("c", "ok")])
def test_a_driver_in_pure_python_measures_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implementation: str, status: str
) -> None:
    monkeypatch.setattr(pq, "__impl__", implementation)
    check = host_of(tmp_path, AMPLE)["driver"]
    assert check.status == status
    assert ("psycopg[binary]" in check.advice) is (status == "warning")


# The server's settings


def test_a_server_that_is_set_well_gives_nothing_to_do() -> None:
    found = settings_of()
    assert list(found) == list(NAMES)
    assert statuses(found) == {CheckStatus.OK}


@pytest.mark.parametrize(
    ("name", "changes", "said", "advice"),
    [
        ("encryption", {"transport": REMOTE.model_copy(update={"tls": False})}, "can be read on the way", "sslmode"),
        ("shared host", {"transport": REMOTE.model_copy(update={"same_host": True})}, "compete", "another machine"),
        ("track_io_timing", {"track_io_timing": False}, "off", "ALTER SYSTEM SET track_io_timing = on"),
        ("compute_query_id", {"compute_query_id": "off"}, "counts nothing", "compute_query_id = auto"),
        ("autovacuum", {"autovacuum": False}, "off", "autovacuum = on"),
        ("durability", {"fsync": False}, "fsync off", "compare only"),
        ("durability", {"synchronous_commit": "off"}, "synchronous_commit off", "compare only"),
        ("durability", {"full_page_writes": False}, "full_page_writes off", "compare only"),
    ],
)
def test_a_setting_that_spoils_figures_is_a_warning(name: str, changes: dict[str, Any], said: str, advice: str) -> None:
    found = settings_of(**changes)
    assert found[name].status is CheckStatus.WARNING
    assert said in found[name].found
    assert advice in found[name].advice
    assert {check.status for other, check in found.items() if other != name} == {CheckStatus.OK}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"loaded": False, "available": False, "installed_version": None}, "contrib"),
        ({"loaded": False, "installed_version": None}, "shared_preload_libraries"),
        ({"installed_version": None}, "CREATE EXTENSION pg_stat_statements"),
        ({"readable": False, "unreadable_reason": "permission denied"}, "GRANT pg_read_all_stats TO app"),
    ],
)
def test_pg_stat_statements_says_which_step_is_missing(changes: dict[str, Any], advice: str) -> None:
    check = settings_of(statements=STATEMENTS.model_copy(update=changes))["pg_stat_statements"]
    assert check.status is CheckStatus.WARNING
    assert advice in check.advice


def test_what_the_server_cannot_have_is_skipped_with_the_reason() -> None:
    gone = STATEMENTS.model_copy(update={"loaded": False, "track_planning": None})
    found = settings_of(statements=gone, compute_query_id=None)
    assert found["track_planning"].status is CheckStatus.SKIPPED
    assert found["track_planning"].found == "pg_stat_statements is not loaded"
    assert "older than PostgreSQL 14" in found["compute_query_id"].found


@pytest.mark.parametrize(
    ("user_limit", "database_limit", "free"),
    [(None, None, (87, "max_connections")), (20, None, (15, "the user's limit")), (20, 9, (0, "the database's limit"))],
)
def test_the_tightest_limit_of_connections_counts(
    user_limit: int | None, database_limit: int | None, free: tuple[int, str]
) -> None:
    used = {"user_limit": user_limit, "user_used": 5, "database_limit": database_limit, "database_used": 10}
    assert SERVER.connections.model_copy(update=used).free == free


@pytest.mark.parametrize(
    ("number", "supported"), [(120_022, False), (130_000, True), (180_006, True), (190_000, False)]
)
def test_the_versions_that_are_tested(number: int, supported: bool) -> None:
    assert SERVER.model_copy(update={"version_number": number}).supported is supported
