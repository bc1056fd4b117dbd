"""What the benchmarks share: a server with pgbench's tables, runs of the product, and runs of pgbench.

Not a benchmark itself. Everything is measured on one machine and on one server, in alternating pairs, because machines
are noisy and their speed drifts: the ratio of two neighbours says more than either figure.
"""

import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from upperbound.clock import SystemClock
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.environment import describe_environment
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.scenario.loader import load_scenario
from upperbound.store.engine import open_store
from upperbound.store.runs import RunRow
from upperbound.targets.embedded.binaries import find_binaries
from upperbound.targets.embedded.server import EmbeddedServer

SCALE = 10
ACCOUNTS = 100_000 * SCALE

POINT = "SELECT abalance FROM pgbench_accounts WHERE aid = {aid}"
RANGE = "SELECT abalance FROM pgbench_accounts WHERE aid BETWEEN {aid} AND {aid} + 9"


@dataclass(frozen=True)
class Speed:
    """What one run of one generator gave."""

    per_s: float
    """Queries per second."""
    cpu_us: float
    """Processor time of the generator per query, in microseconds."""


@dataclass(frozen=True)
class ProductRun:
    """One run of the product."""

    run_folder: Path
    figures: dict[str, Any]
    """``PhaseFigures`` of all workers, as JSON."""
    worker_figures: list[dict[str, Any]]
    speed: Speed


class Bench:
    """An embedded server with pgbench's tables, and a home for the product's runs."""

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        self.server, self.home = server, home
        self.pgbench = str(find_binaries().program("pgbench"))
        self.url = f"postgresql://postgres@/postgres?host={server.socket_dir}&port={server.port}"
        """The server over its Unix socket, without the password."""
        self.environment = {
            **os.environ,
            "PGHOST": str(server.socket_dir),
            "PGPORT": str(server.port),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "PGPASSWORD": server.password.get_secret_value(),
        }

    def make_tables(self) -> None:
        """Create pgbench's tables at :data:`SCALE`."""
        self.run([self.pgbench, "-i", "-q", "-s", str(SCALE)])
        with psycopg.connect(self.server.url_with_password(), autocommit=True) as connection:
            connection.execute("VACUUM (FREEZE, ANALYZE) pgbench_accounts")

    def run_pgbench(self, *, connections: int, jobs: int, seconds: int) -> Speed:
        """Send the 90/10 mix with ``pgbench -M prepared``."""
        with tempfile.TemporaryDirectory() as folder:
            scripts = []
            for name, text, weight in (("point", POINT, 90), ("range", RANGE, 10)):
                path = Path(folder) / f"{name}.sql"
                path.write_text(f"\\set aid random(1, {ACCOUNTS})\n{text.format(aid=':aid')};\n")
                scripts += ["-f", f"{path}@{weight}"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            said = self.run(f"{self.pgbench} -n -M prepared -c {connections} -j {jobs} -T {seconds}".split() + scripts)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        per_s = float(found(r"tps = ([\d.]+)", said))
        count = int(found(r"number of transactions actually processed: (\d+)", said))
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Speed(per_s, cpu_s / count * 1e6)

    def run_product(
        self, *, workers: int, threads: int, seconds: int, operations: Sequence[dict[str, Any]] = ()
    ) -> ProductRun:
        """Run the product as ``upperbound run`` does, by default on pgbench's mix."""
        return self.run_load(closed_loop(seconds), operations or mix(), workers=workers, threads=threads)

    def run_load(
        self,
        load: Mapping[str, object],
        operations: Sequence[dict[str, Any]],
        *,
        workers: int = 1,
        threads: int,
        on_measurement: Callable[[], None] = lambda: None,
    ) -> ProductRun:
        """Run the product with any load on a fixed number of threads; says when the measurement has begun."""
        scenario = load_scenario(self.scenario(load, workers, threads, operations)).scenario
        with open_store(f"sqlite:///{self.home}/upperbound.db") as store, contextlib.ExitStack() as stack:
            orchestrator = Orchestrator(store, LocalLauncher(), SystemClock(), self.home)
            meter = stack.enter_context(_CpuMeter(on_measurement).running())
            run_id = orchestrator.create_run(RunRequest(scenario, self.url, self.server.password))
            orchestrator.start_run(run_id)
            row = orchestrator.drive(run_id, meter.on_tick)
            if row.status != "COMPLETED":
                raise SystemExit(f"run {run_id} ended {row.status}: {row.completion_reason}")
            parent = store.results.get(run_id)
            children = [child.figures or {} for child in store.results.children(run_id)]
        qps = parent.qps or 0.0
        return ProductRun(
            run_folder=orchestrator.run_folder(run_id),
            figures=parent.figures or {},
            worker_figures=children,
            speed=Speed(qps, meter.cpu_share / qps * 1e6 if qps else 0.0),
        )

    def scenario(
        self, load: Mapping[str, object], workers: int, threads: int, operations: Sequence[dict[str, Any]]
    ) -> Path:
        """Write a scenario file and return its path."""
        path = self.home / "scenario.yaml"
        path.write_text(
            json.dumps(
                {
                    "name": "benchmark",
                    "target": {"kind": "postgres", "url": "postgresql://postgres@127.0.0.1/postgres"},
                    "load": load,
                    # A rate that is missed is what some benchmarks are about: no run ends for it.
                    "scaling": {
                        "mode": "FIXED",
                        "min_workers": workers,
                        "min_threads": threads,
                        "bounds_patience_intervals": 3_600,
                    },
                    "workload": {"seed": 1, "operations": list(operations)},
                }
            )
        )
        return path

    def run(self, command: list[str]) -> str:
        """Run a program on the server and return what it prints; ends the benchmark when it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{command[0]} failed: {done.stderr.strip()}")
        return done.stdout


@contextlib.contextmanager
def bench(*, max_connections: int = 200) -> Iterator[Bench]:
    """Start a server with pgbench's tables for the length of a benchmark."""
    settings = {"shared_buffers": "512MB", "autovacuum": "off"}
    with (
        tempfile.TemporaryDirectory() as home,
        EmbeddedServer(max_connections=max_connections, settings=settings) as server,
    ):
        made = Bench(server, Path(home))
        facts = describe_environment(target_version="PostgreSQL (embedded)", seed=1)
        print(f"{facts['cpu']}; {facts['driver']}; {facts['target_version']}; {psutil.getloadavg()[0]:.1f} load before")
        made.make_tables()
        yield made


def closed_loop(seconds: int) -> dict[str, object]:
    """Return the load block of a number of threads that are kept busy."""
    return {"mode": "CONCURRENCY", "warmup_seconds": 1, "duration_seconds": seconds}


def mix() -> list[dict[str, Any]]:
    """Return pgbench's 90/10 mix as operations of a scenario."""
    aid = [{"range": [1, ACCOUNTS]}]
    return [
        {"kind": "POINT_LOOKUP", "weight_pct": 90, "sql": POINT.format(aid="$1"), "params": aid},
        {"kind": "RANGE_SCAN", "weight_pct": 10, "sql": RANGE.format(aid="$1"), "params": aid},
    ]


def print_ratio(name: str, ours: Sequence[float], theirs: Sequence[float], *, bar: float | None = None) -> float:
    """Print and return the median of the ratios pair by pair, with their range and quartiles."""
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    median = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (median, median, median)
    wanted = f", wanted at least {bar:.2f}" if bar is not None else ""
    print(
        f"{name}: median ratio {median:.3f} of {len(ratios)} pairs "
        f"(quartiles {low:.3f} to {high:.3f}, range {ratios[0]:.3f} to {ratios[-1]:.3f}){wanted}"
    )
    return median


class _CpuMeter:
    """Measures the processor time of worker processes while the load is measured."""

    def __init__(self, on_measurement: Callable[[], None]) -> None:
        self._on_measurement = on_measurement
        self._measuring = False
        self._spent: list[tuple[float, float]] = []
        self._over = threading.Event()

    def on_tick(self, run: RunRow) -> None:
        """Watch the run's phase."""
        self._measuring = run.phase == "MEASUREMENT" and run.status == "RUNNING"
        if self._measuring:
            self._on_measurement()

    @property
    def cpu_share(self) -> float:
        """Processor seconds per second over all workers, between the first and the last look at the measurement."""
        if len(self._spent) < 2:
            raise SystemExit("the run was too short to measure the generator's processor time")
        (first_at, first), (last_at, last) = self._spent[0], self._spent[-1]
        return (last - first) / (last_at - first_at)

    @contextlib.contextmanager
    def running(self) -> Iterator["_CpuMeter"]:
        """Look every 0.2 s from a thread."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        clock, workers = SystemClock(), list[psutil.Process]()
        while not self._over.wait(0.2):
            if not self._measuring:
                continue
            # Found once: going through every process of the machine takes time from what is measured.
            workers = workers or [one for one in psutil.Process().children() if _is_worker(one)]
            spent = 0.0
            # A worker that has just ended by its plan takes its time with it.
            with contextlib.suppress(psutil.Error):
                for process in workers:
                    times = process.cpu_times()
                    spent += times.user + times.system
                self._spent.append((clock.monotonic_ns() / 1e9, spent))


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "upperbound.worker" in process.cmdline()
    except psutil.Error:
        return False


def pairs(
    n: int, ours: Callable[[], Speed], theirs: Callable[[], Speed], label: str
) -> tuple[list[Speed], list[Speed]]:
    """Run both ``n`` times in alternating order and print each pair."""
    first: list[Speed] = []
    second: list[Speed] = []
    for number in range(n):
        if number % 2:
            b = theirs()
            a = ours()
        else:
            a = ours()
            b = theirs()
        first.append(a)
        second.append(b)
        print(
            f"  {label} pair {number + 1}: {a.per_s:,.0f}/s at {a.cpu_us:.1f} us against {b.per_s:,.0f}/s "
            f"at {b.cpu_us:.1f} us, ratio {a.per_s / b.per_s:.3f}",
            flush=True,
        )
    return first, second


def found(pattern: str, text: str) -> str:
    """Return the first group of a pattern; ends the benchmark when the text has none."""
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"no {pattern!r} in what was printed: {text}")
    return match[1]
