"""Room for the query log, reckoned before a run."""

from pathlib import Path

import numpy as np
import pytest

from upperbound.domain.allocation import WorkerPlan
from upperbound.errors import ConfigurationError
from upperbound.orchestrator import log_space
from upperbound.orchestrator.log_space import PARQUET_ROW_BYTES, free_bytes, log_bytes, require_room, room_warning
from upperbound.querylog.parquet import log_folder, seal_worker, spool_folder
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.querylog.spool import RESERVE_BYTES, Manifest, SpoolWriter
from upperbound.scenario.loader import load_scenario
from upperbound.scenario.model import Scenario

PLAN = WorkerPlan((8, 8))


def scenario(*changes: str) -> Scenario:
    return load_scenario("demo", ["load.warmup_seconds=0", "load.duration_seconds=10", *changes]).scenario


def rows(size: int, workers: int = 2) -> float:
    return (size - workers * RESERVE_BYTES) / (RECORD.size + PARQUET_ROW_BYTES)


def test_threads_that_cannot_be_faster_than_the_network_bound_the_log() -> None:
    # 16 threads that get an answer every 10 ms send 1,600 queries a second.
    assert rows(log_bytes(scenario(), PLAN, 4.0, 0.010)) == pytest.approx(16_000, abs=1)


def test_think_time_and_warmup_count() -> None:
    thinking = scenario("load.think_time_ms=90", "load.warmup_seconds=5")
    assert rows(log_bytes(thinking, PLAN, 4.0, 0.010)) == pytest.approx(160 * 15, abs=1)


def test_a_rate_with_its_stages_is_the_most_that_is_logged_however_many_threads_it_gets() -> None:
    load = "load={mode: QPS, target_qps: 100, duration_seconds: 10, stages: [{at: 5, target_qps: 300}]}"
    rated = load_scenario("demo", [load]).scenario
    assert rows(log_bytes(rated, PLAN, 4.0, 1.0)) == pytest.approx(3_000, abs=1)


def test_a_search_is_bounded_by_its_most_threads_and_not_by_those_of_its_first_step() -> None:
    search = "load={mode: FIND_MAX_CONCURRENCY, duration_seconds: 30, max_threads: 40}"
    found = load_scenario("demo", ["scaling={mode: AUTO}", search]).scenario
    assert rows(log_bytes(found, PLAN, 4.0, 0.010)) == pytest.approx(4_000 * 30, abs=1)


@pytest.mark.parametrize(("cores", "busy"), [(0.5, 1.0), (1.5, 1.5), (4.0, 2.0)])
def test_without_a_known_latency_the_generators_processors_bound_the_log(cores: float, busy: float) -> None:
    expected = log_space.QUERIES_PER_CORE_S * busy * 10
    assert rows(log_bytes(scenario(), PLAN, cores)) == pytest.approx(expected, abs=1)


def test_a_sealed_row_takes_no_more_than_is_reckoned_with(tmp_path: Path) -> None:
    count = 50_000
    random = np.random.default_rng(1)
    records = np.zeros(count, RECORD_DTYPE)
    records["start_ns"] = np.sort(random.integers(0, 10 * 10**9, count))
    records["intended_ns"] = records["start_ns"]
    records["end_ns"] = records["start_ns"] + random.lognormal(13, 1.5, count).astype(np.int64)
    records["thread"], records["operation"] = random.integers(0, 64, count), random.integers(0, 4, count)
    records["rows"] = random.integers(0, 100, count)
    labels = ["a", "b", "c", "d"]
    spool = SpoolWriter(spool_folder(tmp_path, "w"), Manifest("run", "test", "w", labels, labels, 0, 0, 0))
    spool.write(memoryview(records.tobytes()))
    spool.close()
    seal_worker(tmp_path, "w")
    size = sum(path.stat().st_size for path in log_folder(tmp_path).iterdir())
    assert size / count <= PARQUET_ROW_BYTES


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0
    assert not (tmp_path / "a").exists()


def test_a_disk_without_room_is_refused_and_one_with_little_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_room(tmp_path)
    monkeypatch.setattr(log_space, "free_bytes", lambda _home: 300 * 2**20)
    require_room(tmp_path)
    assert room_warning(tmp_path, 300 * 2**20) == ""
    assert "may need up to 301 MiB, and 300 MiB are free" in room_warning(tmp_path, 301 * 2**20)
    monkeypatch.setattr(log_space, "free_bytes", lambda _home: 255 * 2**20)
    with pytest.raises(ConfigurationError, match="only 255 MiB are free"):
        require_room(tmp_path)
