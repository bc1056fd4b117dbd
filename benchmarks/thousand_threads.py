"""1,000 threads in one worker against PostgreSQL: connect time, memory of an idle thread, and fairness.

Usage: python benchmarks/thousand_threads.py [--threads 1000] [--seconds 60]

The embedded server is started with room for them. The worker's side, its preparation, executor and recorder, runs in a
process of its own, as it does in a run. Memory is what the process grew by while it opened the connections, divided by
their number; the server's backends are not in it. Fairness is the number of operations of the slowest thread over that
of the fastest, over the whole load. A thread that is passed over falls behind for good, while chance evens out with the
square root of the time. Over 20 s, with 300 operations for each thread, the extremes of 1,000 threads lay 13 % from the
mean; over 60 s, with 1,000 operations, 7 %. So the load is long.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

from _rig import Bench, bench, closed_loop, mix
from upperbound.clock import SystemClock
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.opening import PARALLEL
from upperbound.loadgen.recorder import BUFFER_BYTES, Recorder
from upperbound.querylog.records import RECORD_DTYPE
from upperbound.querylog.spool import SUFFIX, Manifest, SpoolWriter
from upperbound.scenario.loader import load_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.postgres import ConnInfo
from upperbound.worker.executors import closed_executor
from upperbound.worker.main import SWITCH_INTERVAL_S
from upperbound.worker.preparation import prepare

MEMORY_BAR_KIB = 100
"""The most that an idle thread may take on our side."""
FAIRNESS_BAR = 0.80
"""The least that the slowest thread must have done of what the fastest has."""


def main() -> int:
    """Measure, print, and return 1 if a bar is missed; or, as a child process, carry the load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--child", nargs=2, metavar=("CONFIG", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return _child(RunConfig.model_validate_json(Path(given.child[0]).read_text()), Path(given.child[1]))
    with bench(max_connections=given.threads + 50) as made:
        found = _measure(made, given.threads, given.seconds)
    memory_ok, fairness_ok = found["kib_per_thread"] < MEMORY_BAR_KIB, found["fairness"] >= FAIRNESS_BAR
    print(
        f"connect: {given.threads} connections in {found['connect_s']:.2f} s, {PARALLEL} at a time, "
        f"reported {found['reports']:.0f} times\n"
        f"memory: {found['kib_per_thread']:.1f} KiB per idle thread, wanted less than {MEMORY_BAR_KIB}; "
        f"{found['kib_per_thread_after']:.1f} KiB after the load\n"
        f"load: {found['per_s']:,.0f}/s for {given.seconds} s, latency p50 {found['p50_ms']:.1f} ms, "
        f"p99 {found['p99_ms']:.1f} ms\n"
        f"fairness: {found['least']:.0f} operations of the slowest thread over {found['most']:.0f} of the fastest = "
        f"{found['fairness']:.3f}, wanted at least {FAIRNESS_BAR:.2f}"
    )
    print("passed" if memory_ok and fairness_ok else "failed")
    return 0 if memory_ok and fairness_ok else 1


def _measure(made: Bench, threads: int, seconds: int) -> dict[str, float]:
    """Run the worker's side and return its figures."""
    with tempfile.TemporaryDirectory(dir=made.home) as folder:
        config = RunConfig(
            scenario=load_scenario(made.scenario(closed_loop(seconds), 1, threads, mix())).scenario,
            threads=(threads,),
            seed=1,
            target_url=made.url,
            table=None,
            upperbound_version="benchmark",
        )
        path = Path(folder) / "config.json"
        path.write_text(config.model_dump_json())
        command = [sys.executable, __file__, "--child", str(path), folder]
        done = subprocess.run(command, env=made.environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the worker's side ended with {done.returncode}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _child(config: RunConfig, folder: Path) -> int:
    """Open the connections, carry the load, and print what was found as JSON."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    clock, process, threads = SystemClock(), psutil.Process(), config.threads[0]
    prepared = prepare(config, ConnInfo(url=config.target_url or ""), group_id=0, group_count=1)
    errors = ErrorTable()

    def give_up(error: Exception) -> None:
        raise SystemExit(str(error))

    recorder = Recorder(labels=prepared.labels, errors=errors, on_error=give_up)
    executor = closed_executor()(
        operations=prepared.operations,
        stream=prepared.stream,
        connect=prepared.connect,
        sink=recorder,
        errors=errors,
        buffer_bytes=BUFFER_BYTES,
    )
    reports: list[int] = []
    before_kib, begun_ns = process.memory_info().rss / 1024, clock.monotonic_ns()
    executor.open(threads, reports.append)
    connect_s, after_kib = (clock.monotonic_ns() - begun_ns) / 1e9, process.memory_info().rss / 1024
    manifest = Manifest("run", "test", "worker-0", list(prepared.kinds), list(prepared.labels), 0, 0, 0)
    spool = folder / "spool"
    recorder.start(0, SpoolWriter(spool, manifest))
    begun_ns = clock.monotonic_ns()
    executor.begin()
    executor.stop_at(begun_ns + int(config.scenario.load.duration_seconds * 1e9))
    executor.run()
    seconds = (clock.monotonic_ns() - begun_ns) / 1e9
    recorder.finish()
    loaded_kib = process.memory_info().rss / 1024
    executor.close()
    records = np.concatenate([np.fromfile(part, RECORD_DTYPE) for part in sorted(spool.glob(f"*{SUFFIX}"))])
    done = np.bincount(records["thread"], minlength=threads)
    latency_ms = (records["end_ns"] - records["start_ns"]) / 1e6
    figures = {
        "connect_s": connect_s,
        "reports": len(reports),
        "kib_per_thread": (after_kib - before_kib) / threads,
        "kib_per_thread_after": (loaded_kib - before_kib) / threads,
        "per_s": len(records) / seconds,
        "p50_ms": float(np.percentile(latency_ms, 50)),
        "p99_ms": float(np.percentile(latency_ms, 99)),
        "least": int(done.min()),
        "most": int(done.max()),
        "fairness": float(done.min() / done.max()),
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
