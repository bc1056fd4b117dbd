"""One whole run per kind of store, and what must be true of what it leaves."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.integration.orchestrator.conftest import OPERATIONS, Bench, bench_on

from upperbound.domain.events import EventType
from upperbound.domain.figures import PhaseFigures, merge
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.results import ResultRow
from upperbound.store.runs import RunRow
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.postgres import TARGET_PASSWORD_VARIABLE

WARMUP_S, DURATION_S = 1.0, 2.0
CLOCKS_AGREE_S = 0.25
"""How far the edges of the phases in the log may be from those in the store, on a machine that is busy with both."""


@dataclass
class Outcome:
    """A run that has ended."""

    bench: Bench
    run_id: str
    row: RunRow
    parent: ResultRow
    children: list[ResultRow]
    log: pa.Table
    command_lines: dict[str, str]

    @property
    def figures(self) -> PhaseFigures:
        assert self.parent.figures is not None
        return PhaseFigures.from_json(self.parent.figures)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def whole(
    request: pytest.FixtureRequest,
    embedded_server: EmbeddedServer,
    target: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Outcome]:
    home = tmp_path_factory.mktemp("home")
    with bench_on(request.param, embedded_server, target, home) as bench:
        run_id = bench.create(warmup_seconds=WARMUP_S, duration_seconds=DURATION_S)
        command_lines: dict[str, str] = {}

        def look(row: RunRow) -> None:
            if row.status is RunStatus.RUNNING and not command_lines:
                for worker_id, handle in bench.launcher.handles.items():
                    process = psutil.Process(handle.pid)
                    command_lines[worker_id] = " ".join(process.cmdline())
                    assert process.environ()[TARGET_PASSWORD_VARIABLE] == bench.password

        row = bench.run(run_id, look)
        results = bench.store.results
        yield Outcome(
            bench, run_id, row, results.get(run_id), results.children(run_id), bench.log(run_id), command_lines
        )


def test_it_is_completed_with_no_process_left(whole: Outcome) -> None:
    assert (whole.row.status, whole.row.phase) == (RunStatus.COMPLETED, Phase.COMPLETED)
    assert [handle.poll() for handle in whole.bench.launcher.handles.values()] == [0, 0]
    beats = whole.bench.store.heartbeats.list(whole.run_id)
    assert [(beat.worker_id, beat.status) for beat in beats] == [
        ("worker-0", WorkerStatus.COMPLETED),
        ("worker-1", WorkerStatus.COMPLETED),
    ]
    assert whole.bench.store.runs.get(whole.run_id).lease_owner is None


def test_every_query_is_in_the_log_and_counted_once(whole: Outcome) -> None:
    parent = whole.parent
    assert whole.log.num_rows == parent.operations + parent.failed + parent.warmup_operations
    assert parent.query_log is not None
    assert (parent.query_log["rows"], "problem" in parent.query_log) == (whole.log.num_rows, False)
    measured = whole.log.filter(pc.invert(whole.log["warmup"]))
    outcomes = Counter(measured["outcome"].to_pylist())
    assert parent.operations == outcomes["ok"] > 100
    assert parent.failed == outcomes.total() - outcomes["ok"] > 0
    assert parent.warmup_operations == whole.log.num_rows - measured.num_rows > 0
    assert len(set(whole.log["execution_id"].to_pylist())) == whole.log.num_rows


def test_errors_are_counted_by_class_with_a_sample(whole: Outcome) -> None:
    assert {label: error.count for label, error in whole.figures.errors.items()} == {"other": whole.parent.failed}
    assert whole.figures.errors["other"].sample == "22012: division by zero"
    failed = whole.log.filter(pc.not_equal(pc.cast(whole.log["outcome"], pa.string()), "ok"))
    assert set(failed["error_code"].to_pylist()) == {"22012"}


def test_what_the_workers_did_adds_up_to_what_the_run_did(whole: Outcome) -> None:
    assert [child.worker_id for child in whole.children] == ["worker-0", "worker-1"]
    assert all(child.status == WorkerStatus.COMPLETED and child.operations > 0 for child in whole.children)
    for name in ("operations", "failed", "warmup_operations"):
        assert sum(getattr(child, name) for child in whole.children) == getattr(whole.parent, name), name
    merged = merge([PhaseFigures.from_json(child.figures or {}) for child in whole.children])
    assert merged.by_operation == whole.figures.by_operation
    assert merged.to_json() == whole.parent.figures
    rows = Counter(whole.log["worker_id"].to_pylist())
    assert {child.worker_id: (child.query_log or {})["rows"] for child in whole.children} == rows


def test_merged_percentiles_are_those_of_the_pooled_log(whole: Outcome) -> None:
    log = whole.log
    ok = pc.and_(pc.invert(log["warmup"]), pc.equal(pc.cast(log["outcome"], pa.string()), "ok"))
    labels = pc.cast(log["operation"], pa.string())
    for label, figures in whole.figures.by_operation.items():
        pooled = np.sort(log.filter(pc.and_(ok, pc.equal(labels, label)))["service_us"].to_numpy())
        assert len(pooled) == figures.histogram.total
        for percentile in (50, 90, 95, 99, 99.9, 100):
            true = int(pooled[-int(-Fraction(str(percentile)) * len(pooled) // 100) - 1])
            assert figures.histogram.percentile_us(percentile) == pytest.approx(true, rel=0.001), (label, percentile)


def test_the_mix_is_the_planned_one(whole: Outcome) -> None:
    attempts = {label: figures.attempts for label, figures in whole.figures.by_operation.items()}
    total = sum(attempts.values())
    for operation in OPERATIONS:
        label = operation.get("name", operation["kind"])
        share = 100 * attempts[label] / total
        assert share == pytest.approx(operation["weight_pct"], abs=0.5), label


def test_no_two_threads_inserted_the_same_key(whole: Outcome) -> None:
    inserts = pc.equal(pc.cast(whole.log["kind"], pa.string()), "INSERT")
    assert set(whole.log.filter(inserts)["outcome"].to_pylist()) == {"ok"}


def test_every_thread_of_every_worker_worked(whole: Outcome) -> None:
    pairs = set(zip(whole.log["worker_id"].to_pylist(), whole.log["thread"].to_pylist(), strict=True))
    assert pairs == {(worker, thread) for worker in ("worker-0", "worker-1") for thread in range(3)}


def test_the_phases_of_the_queries_are_those_of_the_plan(whole: Outcome) -> None:
    row, log = whole.row, whole.log
    assert row.start_time is not None
    assert row.warmup_end_time == pytest.approx(row.start_time + timedelta(seconds=WARMUP_S), abs=timedelta(0.001))
    started, warmup = log["started_at"].to_numpy().astype("datetime64[us]").astype("int64"), log["warmup"].to_numpy()
    zero = row.start_time.timestamp() * 1e6
    assert (started.min() - zero) / 1e6 == pytest.approx(0, abs=1.0), "a worker begins soon after the start"
    assert (started[warmup].max() - zero) / 1e6 == pytest.approx(WARMUP_S, abs=CLOCKS_AGREE_S)
    assert (started[~warmup].min() - zero) / 1e6 == pytest.approx(WARMUP_S, abs=CLOCKS_AGREE_S)
    assert (started.max() - zero) / 1e6 == pytest.approx(WARMUP_S + DURATION_S, abs=CLOCKS_AGREE_S)
    assert whole.parent.duration_s == pytest.approx(DURATION_S, abs=0.1)
    assert whole.parent.qps == pytest.approx(whole.parent.operations / DURATION_S, rel=0.06)


def test_the_phases_of_the_run_were_seen_in_order_processing_included(whole: Outcome) -> None:
    seen = list(dict.fromkeys(row.phase for row in whole.bench.seen))
    order = [Phase.PREPARING, Phase.WARMUP, Phase.MEASUREMENT, Phase.COOLDOWN, Phase.PROCESSING, Phase.COMPLETED]
    assert seen == order
    statuses = list(dict.fromkeys(row.status for row in whole.bench.seen))
    assert statuses == [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED]
    events = [event.type for event in whole.bench.store.events.after(whole.run_id)]
    assert events == [EventType.START, EventType.SET_PHASE, EventType.STOP]


def test_each_worker_published_snapshots_that_only_grow(whole: Outcome) -> None:
    for worker_id in ("worker-0", "worker-1"):
        series = whole.bench.store.snapshots.series(whole.run_id, worker_id)
        assert [row.sequence for row in series] == list(range(1, len(series) + 1))
        phases = [row.phase for row in series]
        assert phases == sorted(phases, key=[Phase.WARMUP, Phase.MEASUREMENT].index)
        assert phases.count(Phase.MEASUREMENT) >= DURATION_S - 1
        measured = [row.operations for row in series if row.phase is Phase.MEASUREMENT]
        assert measured == sorted(measured)
        child = next(child for child in whole.children if child.worker_id == worker_id)
        assert measured[-1] <= child.operations


def test_the_live_row_grows_and_ends_with_everything(whole: Outcome) -> None:
    totals = [seen.total_ops for seen in whole.bench.seen]
    assert totals == sorted(totals)
    assert max(seen.workers_active for seen in whole.bench.seen) == 2
    row = whole.bench.store.runs.get(whole.run_id)
    assert (row.workers_registered, row.workers_active, row.workers_completed) == (2, 0, 2)
    assert row.total_ops + row.error_count == whole.log.num_rows
    assert row.current_qps == 0.0


def test_the_result_says_where_the_run_took_place(whole: Outcome) -> None:
    environment = whole.parent.environment or {}
    assert environment["target_version"].startswith("PostgreSQL 18")
    assert environment["seed"] == 7
    assert environment["driver"].startswith("psycopg")


def test_no_password_is_on_a_command_line_or_in_any_file(whole: Outcome) -> None:
    password = whole.bench.password
    assert len(password) > 20
    assert sorted(whole.command_lines) == ["worker-0", "worker-1"]
    assert [line for line in whole.command_lines.values() if password in line] == []
    files = [path for path in Path(whole.bench.home).rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    keeps_rows = whole.bench.store.query_log.keeps_rows
    assert any(path.suffix == ".parquet" for path in files) is not keeps_rows, "what is loaded is no more in files"
    assert [path.name for path in files if password.encode() in path.read_bytes()] == []


def test_no_password_is_in_any_row_of_the_store(whole: Outcome) -> None:
    store, run_id = whole.bench.store, whole.run_id
    rows = [
        store.runs.get(run_id),
        whole.parent,
        whole.children,
        store.events.after(run_id),
        store.heartbeats.list(run_id),
        store.snapshots.series(run_id),
    ]
    assert whole.bench.password not in repr(rows)


def test_nothing_is_left_of_the_spool(whole: Outcome) -> None:
    folder = whole.bench.orchestrator.run_folder(whole.run_id)
    assert sorted(path.name for path in (folder / "spool").glob("*")) == []
    assert [path.name for path in folder.rglob("*.draft")] == []
