"""A server that stands still for two seconds, as three load generators see it.

Usage: python benchmarks/coordinated_omission.py [--rate 1000] [--seconds 20] [--stall 2] [--threads 16]

Every process of the server is stopped (SIGSTOP) in mid-run and continued. How long each operation that was due in the
meantime had to wait follows from the schedule and the length of the stall alone: one that was due t seconds after its
begin waited for the rest of it. From these waits come the percentiles that a measurement has to find. Printed beside
each other: our open loop (from its result and, to check that, from its query log), pgbench with --rate (from its log,
whose latencies count from when a transaction was due; its arrivals are at random), and a closed loop of the same number
of threads, which hides the stall. Ours has to be within 5 % at p99 and p99.9.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from _rig import ACCOUNTS, POINT, Bench, bench
from upperbound.clock import SystemClock
from upperbound.domain.arrivals import ArrivalSchedule, RateCurve, Share
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.querylog.parquet import log_folder

BAR_PCT = 5.0
PERCENTILES = (50.0, 90.0, 99.0, 99.9)
LOOKUP = [
    {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": POINT.format(aid="$1"), "params": [{"range": [1, ACCOUNTS]}]}
]


class Stall:
    """Stops every process of the server once, and knows for how long they really stood still."""

    def __init__(self, server_pid: int, seconds: float) -> None:
        self._server = psutil.Process(server_pid)
        self._wanted_s = seconds
        self.seconds = 0.0
        """How long it lasted, from the last process stopped to the first continued."""
        self.edge_s = 0.0
        """How much longer it was for the process that stood still for longest."""

    def __call__(self) -> None:
        """Stop, wait and continue."""
        clock = SystemClock()
        processes = [self._server, *self._server.children(recursive=True)]
        begun = clock.monotonic_ns()
        try:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGSTOP)
            stopped = clock.monotonic_ns()
            clock.sleep(self._wanted_s)
        finally:
            continued = clock.monotonic_ns()
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
            ended = clock.monotonic_ns()
        self.seconds = (continued - stopped) / 1e9
        self.edge_s = (ended - begun) / 1e9 - self.seconds


@contextlib.contextmanager
def stalling(stall: Stall, after_s: float) -> Iterator[None]:
    """Let the stall happen ``after_s`` seconds from now."""
    timer = threading.Timer(after_s, stall)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def by_schedule(rate: float, seconds: float, stall_s: float, usual_us: NDArray[np.int64]) -> Histogram:
    """Return the response times that follow from the schedule and the stall.

    What was due in the stall waits for its end; everything takes what operations usually take beside it.
    """
    schedule = ArrivalSchedule(RateCurve.flat(rate), Share(0, 1))
    due = np.concatenate([schedule.next_block() for _ in range(int(rate * seconds) // 4096 + 1)])
    due = due[due < seconds * 1e9] / 1e9
    begin = seconds / 3
    waits_us = np.where((due >= begin) & (due < begin + stall_s), (begin + stall_s - due) * 1e6, 0.0)
    usual = np.resize(np.sort(usual_us), len(due))
    return Histogram.from_values((waits_us + np.random.default_rng(1).permutation(usual)).astype(np.int64))


def ours(made: Bench, given: argparse.Namespace, load: dict[str, object]) -> tuple[PhaseFigures, Path, Stall]:
    """Run the product with the stall in the middle third, and return its figures and the folder of its run."""
    stall = Stall(made.server.pid, given.stall)
    began = threading.Event()

    def wait_and_stall() -> None:
        if began.wait(60):
            SystemClock().sleep(given.seconds / 3)
            stall()

    thread = threading.Thread(target=wait_and_stall)
    thread.start()
    run = made.run_load(load, LOOKUP, threads=given.threads, on_measurement=began.set)
    thread.join()
    return PhaseFigures.from_json(run.figures), run.run_folder, stall


def pgbench(made: Bench, given: argparse.Namespace) -> tuple[NDArray[np.int64], Stall]:
    """Return the latencies of ``pgbench --rate`` in microseconds, those of the schedule included."""
    stall = Stall(made.server.pid, given.stall)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "point.sql"
        script.write_text(f"\\set aid random(1, {ACCOUNTS})\n{POINT.format(aid=':aid')};\n")
        command = [made.pgbench, "-n", "-M", "prepared", "-c", str(given.threads), "-j", "1", "-T", str(given.seconds)]
        command += ["-R", str(given.rate), "-l", "--log-prefix", str(Path(folder) / "log"), "-f", str(script)]
        with stalling(stall, given.seconds / 3):
            done = subprocess.run(command, env=made.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pgbench failed: {done.stderr}")
        rows = [line.split() for path in Path(folder).glob("log.*") for line in path.read_text().splitlines()]
    # client, transaction, latency from the scheduled start, script, epoch, microseconds, schedule lag
    return np.array([int(row[2]) for row in rows], dtype=np.int64), stall


def show(name: str, histogram: Histogram, stall_s: float, wanted: Histogram | None = None) -> float:
    """Print one line and return the largest difference at p99 and p99.9, in percent."""
    found = histogram.percentiles_us(PERCENTILES)
    cells = "  ".join(f"{value / 1000:>9.2f}" for value in [*found, histogram.max_us])
    apart = 0.0
    said = ""
    if wanted is not None:
        exact = wanted.percentiles_us(PERCENTILES)
        differences = [100 * (a - b) / b for a, b in zip(found, exact, strict=True)][2:]
        apart = max(map(abs, differences))
        said = "  " + " and ".join(f"{difference:+.2f} %" for difference in differences)
    print(f"{name:<44}{histogram.total:>8,}  {stall_s:>6.3f}  {cells}{said}", flush=True)
    return apart


def main() -> int:
    """Run the three, print their percentiles, and return 1 if ours are further apart than wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--stall", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=16)
    given = parser.parse_args()
    window = {"warmup_seconds": 2, "duration_seconds": given.seconds}
    heads = "  ".join(f"{name:>9}" for name in ("p50 ms", "p90", "p99", "p99.9", "max"))
    with bench() as made:
        open_loop, folder, stall = ours(made, given, {"mode": "QPS", "target_qps": given.rate, **window})
        log = ds.dataset(log_folder(folder), format="parquet")
        table = log.to_table(columns=["response_us", "service_us"], filter=pc.field("phase") == "MEASUREMENT")
        logged, service = (table[name].to_numpy() for name in ("response_us", "service_us"))
        # What operations take when nothing stands still, which the stall is added to.
        usual = np.sort(service)[: int(len(service) * 0.97)]
        theirs, their_stall = pgbench(made, given)
        closed, _, closed_stall = ours(made, given, {"mode": "CONCURRENCY", **window})
        print(f"{'':<44}{'count':>8}  {'stall':>6}  {heads}  from the schedule at p99 and p99.9")
        wanted = by_schedule(given.rate, given.seconds, stall.seconds, usual)
        show("by schedule and stall", wanted, stall.seconds)
        response = open_loop.response
        assert response is not None, "an open loop has response times"
        apart = show("Upperbound QPS, response time", response, stall.seconds, wanted)
        show("Upperbound QPS, response time, query log", Histogram.from_values(logged), stall.seconds, wanted)
        show("Upperbound QPS, service time", open_loop.histogram, stall.seconds, wanted)
        wanted_theirs = by_schedule(given.rate, given.seconds, their_stall.seconds, usual)
        show(f"pgbench --rate={given.rate:g}", Histogram.from_values(theirs), their_stall.seconds, wanted_theirs)
        wanted_closed = by_schedule(given.rate, given.seconds, closed_stall.seconds, usual)
        show("Upperbound CONCURRENCY, a closed loop", closed.histogram, closed_stall.seconds, wanted_closed)
        print(f"arrivals of ours: {open_loop.arrivals}")
    passed = apart <= BAR_PCT
    print(f"ours at most {apart:.2f} % apart, wanted at most {BAR_PCT:g} %: {'passed' if passed else 'failed'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
