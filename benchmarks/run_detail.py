"""How long the API takes for the page of a finished run with a million logged queries, warm and cold.

Usage: python benchmarks/run_detail.py [--rows 1000000] [--seconds 300] [--workers 2] [--requests 200] [--starts 5]
       [--others 20]

The run is written by the product's own writers: the query log as spooled records that are sealed into Parquet, a result
and a snapshot a second of each worker, the summary as it is kept when a run ends. It is read over HTTP from `upperbound
serve` in a process of its own. Cold is the first request of a process that has just started; the operating system may
have the files in memory. The run itself is read cold in as many starts as asked for and warm in as many requests, what
else the page shows cold once and warm a few times. The bars are those of the design: 200 ms warm and 1 s cold for the
run itself.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np

from upperbound.cli.running import keep_summary
from upperbound.clock import SystemClock
from upperbound.domain.figures import GeneratorFigures, KindFigures, PhaseFigures, merge
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase
from upperbound.domain.resize import worker_name
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.querylog.parquet import log_folder, run_log, seal_worker, spool_folder
from upperbound.querylog.records import RECORD_DTYPE
from upperbound.querylog.spool import SEGMENT_ROWS, SUFFIX, Manifest
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.results import ChildResult, ParentResult
from upperbound.store.runs import NewRun
from upperbound.store.snapshots import Snapshot

RUN_ID = "20261127-120000-million"
KINDS = ("POINT_LOOKUP", "RANGE_SCAN", "INSERT", "UPDATE")
SHARES = (0.6, 0.2, 0.1, 0.1)
WARM_BAR_MS = 200.0
COLD_BAR_MS = 1_000.0
PATHS = (
    "",
    "/metrics",
    "/worker-metrics",
    "/statistics",
    "/latency-histogram",
    "/error-timeline",
    "/errors",
    "/query-executions?sort=service&descending=true",
    "/query-executions?kind=INSERT&min_ms=2&page=100",
)
SCENARIO = """
name: a million queries
target: {{kind: postgres, url: "postgresql://nobody@127.0.0.1/none", table: public.orders}}
load: {{warmup_seconds: 5, duration_seconds: {seconds}}}
scaling: {{mode: FIXED, min_workers: {workers}, min_threads: 8}}
workload:
  operations:
    - {{kind: POINT_LOOKUP, weight_pct: 60, sql: "SELECT 1"}}
    - {{kind: RANGE_SCAN, weight_pct: 20, sql: "SELECT 1"}}
    - {{kind: INSERT, weight_pct: 10, sql: "INSERT INTO {{table}} DEFAULT VALUES"}}
    - {{kind: UPDATE, weight_pct: 10, sql: "UPDATE {{table}} SET id = id"}}
"""


def write_run(store: Store, home: Path, *, rows: int, seconds: int, workers: int) -> None:
    """Write a run that has completed."""
    scenario = parse_scenario(SCENARIO.format(seconds=seconds, workers=workers)).scenario
    config = RunConfig(
        scenario=scenario,
        threads=(8,) * workers,
        seed=1,
        target_url="postgresql://nobody@127.0.0.1/none",
        table="public.orders",
        upperbound_version="0.1.0",
    )
    targets = {worker_name(group_id): 8 for group_id in range(workers)}
    store.runs.create(
        NewRun(RUN_ID, scenario.name, config.model_dump(mode="json"), workers, targets, threads=8 * workers)
    )
    store.runs.transition(RUN_ID, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    store.runs.mark_running(RUN_ID, 5.0)
    folder = home / "runs" / RUN_ID
    figures = [
        write_worker(store, folder, group_id, workers=workers, rows=rows // workers, seconds=seconds)
        for group_id in range(workers)
    ]
    total = merge(figures)
    parts = run_log(folder)
    store.runs.transition(RUN_ID, expected=RunStatus.RUNNING, to=RunStatus.STOPPING)
    store.results.finish_parent(
        RUN_ID,
        ParentResult(
            worker_count=workers,
            threads=8 * workers,
            operations=total.operations,
            failed=0,
            warmup_operations=0,
            duration_s=total.seconds,
            qps=total.qps,
            figures=total.to_json(),
            query_log={"rows": parts.rows, "files": len(parts.files), "path": str(log_folder(folder))},
        ),
    )
    store.runs.transition(RUN_ID, expected=RunStatus.STOPPING, to=RunStatus.COMPLETED, phase=Phase.COMPLETED)
    keep_summary(store, RUN_ID)


def write_worker(store: Store, folder: Path, group_id: int, *, workers: int, rows: int, seconds: int) -> PhaseFigures:
    """Write what one worker leaves, and return what it has counted."""
    random = np.random.default_rng(group_id)
    worker_id, test_id = worker_name(group_id), f"{RUN_ID}-{worker_name(group_id)}"
    starts_ns = np.sort(random.uniform(0, (seconds + 5) * 1e9, rows)).astype(np.int64)
    kinds = random.choice(len(KINDS), rows, p=SHARES)
    service_us = random.lognormal(6.5, 0.7, rows).astype(np.int64)
    write_log(folder, worker_id, test_id, starts_ns, kinds, service_us)
    measured = starts_ns >= 5e9
    at_s = (starts_ns - 5e9) / 1e9
    counted = PhaseFigures(Phase.MEASUREMENT)
    for second in range(1, seconds + 1):
        chosen = measured & (at_s >= second - 1) & (at_s < second)
        counted = add(counted, float(second), kinds[chosen], service_us[chosen])
        store.snapshots.write(
            Snapshot(
                run_id=RUN_ID,
                test_id=test_id,
                worker_id=worker_id,
                group_id=group_id,
                group_count=workers,
                sequence=second,
                phase=Phase.MEASUREMENT,
                elapsed_s=5.0 + second,
                operations=counted.operations,
                failed=0,
                qps=counted.qps or 0.0,
                p50_ms=None,
                p95_ms=None,
                p99_ms=None,
                active_threads=8,
                target_threads=8,
                figures=counted.to_json(),
            )
        )
    state = (group_id, WorkerStatus.COMPLETED, Phase.COMPLETED)
    store.heartbeats.upsert(Heartbeat(RUN_ID, worker_id, *state, 0, 8, 50.0, 5.0, counted.operations, 0))
    store.results.write_child(
        ChildResult(
            test_id=test_id,
            run_id=RUN_ID,
            worker_id=worker_id,
            group_id=group_id,
            name="a million queries",
            status=WorkerStatus.COMPLETED,
            phase=Phase.COMPLETED,
            operations=counted.operations,
            duration_s=counted.seconds,
            qps=counted.qps,
            figures=counted.to_json(),
        )
    )
    return counted


def add(before: PhaseFigures, seconds: float, kinds: np.ndarray, service_us: np.ndarray) -> PhaseFigures:
    """Return figures with so many more operations."""
    by_operation = dict(before.by_operation)
    for index, label in enumerate(KINDS):
        histogram = Histogram()
        histogram.record_many(service_us[kinds == index])
        by_operation[label] = by_operation.get(label, KindFigures()) + KindFigures(histogram.total, 0, histogram)
    generator = GeneratorFigures(int(seconds * 4e8), int(seconds * 1e9), Histogram.from_values([50] * 100))
    return PhaseFigures(Phase.MEASUREMENT, seconds=seconds, by_operation=by_operation, generator=generator)


def write_log(
    folder: Path, worker_id: str, test_id: str, starts_ns: np.ndarray, kinds: np.ndarray, service_us: np.ndarray
) -> None:
    """Spool the records of one worker and seal them."""
    spool = spool_folder(folder, worker_id)
    spool.mkdir(parents=True)
    anchor_us = int(SystemClock().utc_now().timestamp() * 1e6)
    Manifest(RUN_ID, test_id, worker_id, list(KINDS), list(KINDS), anchor_us, 0, 5_000_000_000).save(spool)
    (spool / "errors.jsonl").touch()
    records = np.zeros(len(starts_ns), RECORD_DTYPE)
    records["intended_ns"] = records["start_ns"] = starts_ns
    records["end_ns"] = starts_ns + service_us * 1000
    records["operation"], records["rows"] = kinds, 1
    for number, first in enumerate(range(0, len(records), SEGMENT_ROWS)):
        (spool / f"{number:05d}{SUFFIX}").write_bytes(records[first : first + SEGMENT_ROWS].tobytes())
    seal_worker(folder, worker_id)


@contextlib.contextmanager
def serving(home: Path) -> Iterator[str]:
    """Lend the address of a server that has just started."""
    command = [sys.executable, "-m", "upperbound.cli.app", "serve", "--port", "0"]
    environment = {**os.environ, "UPPERBOUND_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "it was asked for"
        found = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert found is not None, "the server says where it listens"
        address = found[0].rstrip(";")
        try:
            # The socket listens before the application does; the first answer says that it is there.
            httpx.get(f"{address}/health", timeout=60).raise_for_status()
            yield address
        finally:
            process.terminate()


def timed_ms(client: httpx.Client, path: str) -> float:
    """Return how long one request takes, to the last byte."""
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    client.get(path).raise_for_status()
    return (clock.monotonic_ns() - began_ns) / 1e6


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so many percent do not exceed."""
    return float(np.percentile(values, share, method="inverted_cdf"))


def main() -> int:
    """Measure, print, and say whether the bars were met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--others", type=int, default=20, help="warm requests of what else the page shows")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with open_store(f"sqlite:///{home / 'upperbound.db'}") as store:
            write_run(store, home, rows=given.rows, seconds=given.seconds, workers=given.workers)
        base = f"/api/tests/{RUN_ID}"
        cold: dict[str, list[float]] = {path: [] for path in PATHS}
        for path in PATHS:
            for _ in range(1 if path else given.starts):
                with serving(home) as address, httpx.Client(base_url=address, timeout=60) as client:
                    cold[path].append(timed_ms(client, base + path))
        print(f"{given.rows:,} queries, {given.workers} workers, {given.seconds} s; milliseconds\n")
        print(f"{'':<66} {'cold p50':>9} {'max':>8} {'warm p50':>9} {'p99':>8}")
        met = True
        with serving(home) as address, httpx.Client(base_url=address, timeout=60) as client:
            for path in PATHS:
                timed_ms(client, base + path)
                requests = given.others if path else given.requests
                warm = [timed_ms(client, base + path) for _ in range(requests)]
                row = (percentile(cold[path], 50), max(cold[path]), percentile(warm, 50), percentile(warm, 99))
                print(f"{'GET /api/tests/ID' + path:<66} {row[0]:9.1f} {row[1]:8.1f} {row[2]:9.1f} {row[3]:8.1f}")
                if not path:
                    met = row[3] < WARM_BAR_MS and row[1] < COLD_BAR_MS
        print(
            f"\nthe run itself: under {WARM_BAR_MS:.0f} ms warm and {COLD_BAR_MS:.0f} ms cold: {'yes' if met else 'NO'}"
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
