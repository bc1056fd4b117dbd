"""How long the orchestrator's tick takes with 10 to 100 workers that report every second to a PostgreSQL store.

Usage: python benchmarks/control_plane_scale.py [--workers 10 30 100] [--seconds 60] [--bar-ms 250] [--worker-nice 0]

The workers are real in everything but their load: each is a control side with its own connections to the store and its
own threads, sends heartbeats and snapshots (four operation kinds, full histograms) every second, and polls for events
twice a second. They share a few processes, and this machine with the controller and the store, which workers on hosts
of their own would not: ``--worker-nice`` lets them yield to those. The controller is a real run loop in this process,
and its ticks are timed one by one.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from upperbound.clock import SystemClock
from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.resize import worker_name
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerEvent, WorkerStatus
from upperbound.errors import WorkerFailed
from upperbound.launchers.base import WorkerHandle
from upperbound.orchestrator.crew import Crew
from upperbound.orchestrator.loop import LEASE_S, TICK_S, RunLoop
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import init_store, open_store
from upperbound.store.results import ChildResult
from upperbound.store.runs import NewRun
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.worker.control import Control
from upperbound.worker.orders import WorkerOptions

OWNER = "benchmark"
WORKERS_PER_PROCESS = 25
KINDS = ("POINT_LOOKUP", "RANGE_SCAN", "INSERT", "UPDATE")

SCENARIO = """
name: control plane
target: {{kind: postgres, url: postgresql://nobody@127.0.0.1/none}}
load: {{warmup_seconds: 0, duration_seconds: {seconds}}}
scaling: {{mode: FIXED, min_workers: {workers}, min_threads: 1}}
workload: {{operations: [{{kind: POINT_LOOKUP, weight_pct: 100, sql: SELECT 1}}]}}
"""


class CheapLoad:
    """Counts as if it sent 2,000 operations a second, with a distribution of its own."""

    active_threads = target_threads = 1

    def __init__(self, seed: int) -> None:
        self._clock = SystemClock()
        self._begun_ns = self._clock.monotonic_ns()
        self._latencies = np.random.default_rng(seed).lognormal(7, 1, 2000).astype(np.int64)
        self._histogram = Histogram()
        self._counted = 0
        self.over = threading.Event()

    def figures(self, phase: Phase) -> PhaseFigures:
        """Return the figures so far, the same for each kind."""
        seconds = (self._clock.monotonic_ns() - self._begun_ns) / 1e9
        while self._counted < seconds:
            self._histogram.record_many(self._latencies)
            self._counted += 1
        done = self._counted * len(self._latencies)
        return PhaseFigures(phase, seconds, {kind: KindFigures(done, 0, self._histogram.copy()) for kind in KINDS})

    def totals(self) -> tuple[int, int]:
        """Return what has succeeded and failed."""
        return self._counted * len(self._latencies) * len(KINDS), 0

    def stop(self) -> None:
        """Send nothing more."""
        self.over.set()

    def set_threads(self, threads: int) -> None:
        """Do nothing: there are no threads."""

    def set_rate(self, rate_per_s: float) -> None:
        """Do nothing: there is no schedule."""

    def set_share(self, share: object) -> None:
        """Do nothing: there is no schedule to share."""

    def cancel_in_flight(self) -> int:
        """Return 0: nothing is in flight."""
        return 0


def main() -> int:
    """Run once for each number of workers, or as a child carry some of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--bar-ms", type=float, default=250.0, help="wanted at most at p99 with the most workers")
    parser.add_argument("--worker-nice", type=int, default=0, help="how much the workers yield to controller and store")
    parser.add_argument("--child", nargs=5, metavar=("STORE", "RUN", "FIRST", "COUNT", "ALL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        # Controller and store may have been started with a real-time priority, which is not meant for the workers.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.nice(given.worker_nice)
        store_url, run_id, first, number, every = given.child
        return _carry(store_url, run_id, range(int(first), int(first) + int(number)), int(every), given.seconds)
    p99_ms = 0.0
    with EmbeddedServer(max_connections=500) as server:
        url = server.url_with_password()
        init_store(url)
        for workers in sorted(given.workers):
            p99_ms = _measure(server, url, workers, given.seconds, given.worker_nice)
    passed = p99_ms <= given.bar_ms
    print(f"tick p99 {p99_ms:.0f} ms, wanted at most {given.bar_ms:.0f} ms: {'passed' if passed else 'failed'}")
    return 0 if passed else 1


def _no_launch(worker_id: str, _group_id: int) -> WorkerHandle:
    raise WorkerFailed(f"{worker_id} is not to be started: the workers of this benchmark are all there")


def _measure(server: EmbeddedServer, url: str, workers: int, seconds: int, worker_nice: int) -> float:
    """Drive one run to its end and print what it cost; returns the tick's p99 in ms."""
    clock, run_id = SystemClock(), f"scale-{workers}"
    scenario = parse_scenario(SCENARIO.format(seconds=seconds, workers=workers)).scenario
    config = RunConfig(
        scenario=scenario,
        threads=(1,) * workers,
        seed=1,
        target_url="postgresql://nobody@127.0.0.1/none",
        table=None,
        upperbound_version="benchmark",
    )
    with tempfile.TemporaryDirectory() as folder, open_store(url) as store, contextlib.ExitStack() as stack:
        targets = {worker_name(group_id): 1 for group_id in range(workers)}
        store.runs.create(NewRun(run_id, scenario.name, config.model_dump(mode="json"), workers, targets))
        store.runs.acquire_lease(run_id, OWNER, LEASE_S)
        store.runs.transition(run_id, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        carriers = []
        for first in range(0, workers, WORKERS_PER_PROCESS):
            number = min(WORKERS_PER_PROCESS, workers - first)
            child = [url, run_id, str(first), str(number), str(workers)]
            plan = ["--seconds", str(seconds), "--worker-nice", str(worker_nice)]
            command = [sys.executable, __file__, *plan, "--child", *child]
            carriers.append(stack.enter_context(subprocess.Popen(command)))
        crew = Crew(clock, {}, launch=_no_launch, end_sessions=lambda: 0)
        loop = RunLoop(store, clock, run_id=run_id, owner=OWNER, config=config, run_folder=Path(folder), crew=crew)
        busy_before = os.getloadavg()[0]
        ticks_ms: list[float] = []
        meter = _CpuMeter(psutil.Process(server.pid))
        while True:
            begun_ns = clock.monotonic_ns()
            over, run = loop.tick()
            took_ms = (clock.monotonic_ns() - begun_ns) / 1e6
            if run.status is RunStatus.RUNNING:
                meter.start()
                ticks_ms.append(took_ms)
            if over:
                break
            clock.sleep(max(0.0, TICK_S - took_ms / 1e3))
        print(f"{workers:>4} workers, run {run.status}: tick {_summary(ticks_ms)}; {meter.stop()}", flush=True)
        fewest = min(len(store.snapshots.series(run_id, worker_id=worker_id)) for worker_id in targets)
        print(f"     every worker has at least {fewest} snapshots of {seconds} s", flush=True)
        print(f"     load average {busy_before:.1f} before, {os.getloadavg()[0]:.1f} after", flush=True)
    return float(np.quantile(ticks_ms, 0.99))


def _summary(ticks_ms: Sequence[float]) -> str:
    p50, p99 = statistics.median(ticks_ms), np.quantile(ticks_ms, 0.99)
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(ticks_ms):.1f} ms of {len(ticks_ms)}"


class _CpuMeter:
    """Processor time of this process and of the store's processes while the load lasts."""

    def __init__(self, postmaster: psutil.Process) -> None:
        self._postmaster = postmaster
        self._clock = SystemClock()
        self._begun: tuple[float, float, float] | None = None

    def start(self) -> None:
        """Begin to measure, unless that was done before."""
        if self._begun is None:
            self._begun = self._read()

    def stop(self) -> str:
        """Return the shares of a core since the start, as text."""
        now = self._read()
        begun = self._begun or now
        seconds = max(now[0] - begun[0], 1e-9)
        controller, store = (100 * (now[i] - begun[i]) / seconds for i in (1, 2))
        return f"controller {controller:.0f} % of a core, store {store:.0f} %"

    def _read(self) -> tuple[float, float, float]:
        spent = 0.0
        for process in [self._postmaster, *self._postmaster.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                # What a backend has used counts as its parent's children's once it has ended.
                spent += times.user + times.system + times.children_user + times.children_system
        own = psutil.Process().cpu_times()
        return self._clock.monotonic_ns() / 1e9, own.user + own.system, spent


def _carry(store_url: str, run_id: str, group_ids: range, group_count: int, seconds: int) -> int:
    """Live as several workers in this process, each with its own connections."""
    lives = [
        threading.Thread(target=_live, args=(store_url, run_id, group_id, group_count, seconds))
        for group_id in group_ids
    ]
    for life in lives:
        life.start()
    for life in lives:
        life.join()
    return 0


def _live(store_url: str, run_id: str, group_id: int, group_count: int, seconds: int) -> None:
    options = WorkerOptions(store_url, run_id, f"worker-{group_id}", group_id, group_count)
    with open_store(store_url) as store:
        control = Control(store, SystemClock(), options, PhasePlan(warmup_s=0, duration_s=seconds))
        control.start()
        control.advance(WorkerEvent.CONFIGURED)
        control.advance(WorkerEvent.CONNECTED)
        control.started.wait(120)
        load = CheapLoad(group_id)
        control.advance(WorkerEvent.START)
        control.attach(load)
        load.over.wait(seconds + 60)
        control.advance(WorkerEvent.STOP)
        figures = load.figures(Phase.MEASUREMENT)
        result = ChildResult(
            options.test_id,
            run_id,
            options.worker_id,
            group_id,
            "control plane",
            WorkerStatus.COMPLETED,
            Phase.COMPLETED,
            operations=figures.operations,
            figures=figures.to_json(),
        )
        control.write_soon(lambda: store.results.write_child(result))
        control.advance(WorkerEvent.DRAINED)
        control.finish(30.0)


if __name__ == "__main__":
    sys.exit(main())
