"""What a statement to Snowflake costs the generator, against the connector alone in a bare loop.

Usage: scripts/bench snowflake_generator_cost [--pairs 5] [--seconds 20] [--threads 32] [--workers 1 2]

The server answers from memory: a point lookup's one row of three columns, whoever asks. It speaks Snowflake's protocol
to the real connector, on the same cores, of which it takes a share that is printed. So the figure is the processor time
that a statement costs the generator, and its inverse, the statements that a core could send in a second.

On one side is the whole product: an orchestrator, and worker processes with so many threads each that record every
query. The checks before the run and whatever else is no load is answered by the emulator of the tests. On the other
side are as many processes with as many threads, kept on a core each as workers are, that call execute and fetchall in
a loop and keep nothing. Both sides open their sessions in the same way, with the connector's reports switched off. The
processor time is what each process that sends finds it has taken, with that of the connector's own threads.

A worker takes a good half second of the processor more in each run, however long that is, and in runs of 6 s that is a
tenth of a statement: the ratio of one worker was 0.82 then, and 0.92 in runs of 20 s.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
from tests.emulators.handle import SnowflakeDatabase, SnowflakeEmulator

from _replay import ReplayServer, replay_server
from _rig import Speed, closed_loop, pairs, print_ratio
from upperbound.clock import SystemClock
from upperbound.domain.figures import PhaseFigures
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.environment import describe_environment
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.scenario.loader import load_scenario
from upperbound.store.engine import open_store
from upperbound.store.runs import RunRow

BAR = 0.85
"""The share of the bare loop's statements per core that must be reached, as a median of pairs."""
ROWS: Final = 1_000
LOOKUP: Final = "SELECT id, status, amount FROM {table} WHERE id = ?"
BARE_LOOKUP: Final = f"/* UB_KIND=BARE */ {LOOKUP.format(table='orders')}"
"""Marked, so that the server knows it for a statement of the load."""


class Rig:
    """An account that answers from memory, and what both sides need to reach it."""

    def __init__(self, server: ReplayServer, home: Path) -> None:
        self.server, self._home = server, home
        self.shares: list[float] = []
        """By run: the part of a core that the server took while it was measured."""

    def run_product(self, workers: int, threads: int, seconds: int) -> Speed:
        """Run the product on the lookup, as ``upperbound run`` does."""
        scenario = load_scenario(self._scenario(workers, threads, seconds)).scenario
        share = _Share(self.server)

        def on_tick(run: RunRow) -> None:
            if run.phase == "MEASUREMENT" and run.status == "RUNNING":
                share.look()

        with open_store(f"sqlite:///{self._home}/upperbound.db") as store:
            orchestrator = Orchestrator(store, LocalLauncher(), SystemClock(), self._home)
            run_id = orchestrator.create_run(RunRequest(scenario, None))
            orchestrator.start_run(run_id)
            row = orchestrator.drive(run_id, on_tick)
            children = [PhaseFigures.from_json(child.figures or {}) for child in store.results.children(run_id)]
        if row.status != "COMPLETED" or any(figures.failed for figures in children):
            raise SystemExit(f"run {run_id} ended {row.status}: {row.completion_reason}")
        self.shares.append(share.of_a_core)
        # Processor time of a worker is what it says of all its threads, for most of the measurement.
        cpu_s = sum(one.seconds * one.generator.busy_ns / one.generator.wall_ns for one in children)
        operations = sum(one.operations for one in children)
        return Speed(sum(one.operations / one.seconds for one in children), cpu_s / operations * 1e6)

    def run_bare(self, processes: int, threads: int, seconds: int) -> Speed:
        """Send the lookup from bare loops."""
        bare = str(Path(__file__).with_name("_bare_connector.py"))
        children = [
            subprocess.Popen(
                [sys.executable, bare, str(number), str(threads), str(seconds), BARE_LOOKUP],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]
        for child in children:
            _line(child)
        share = _Share(self.server)
        share.look()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        found = [json.loads(_line(child)) for child in children]
        share.look()
        self.shares.append(share.of_a_core)
        for child in children:
            child.communicate()
        statements = sum(one["statements"] for one in found)
        cpu_s = sum(one["cpu_s"] for one in found)
        return Speed(sum(one["statements"] / one["seconds"] for one in found), cpu_s / statements * 1e6)

    def _scenario(self, workers: int, threads: int, seconds: int) -> Path:
        lookup = {
            "kind": "POINT_LOOKUP",
            "weight_pct": 100,
            "sql": LOOKUP,
            "params": [{"range": [1, ROWS]}],
        }
        made: dict[str, Any] = {
            "name": "benchmark",
            "target": {"kind": "snowflake", "connection_name": "bench", "table": "orders", "table_type": "HYBRID"},
            "load": closed_loop(seconds),
            "scaling": {"mode": "FIXED", "min_workers": workers, "min_threads": threads},
            "workload": {"seed": 1, "operations": [lookup]},
        }
        path = self._home / "scenario.yaml"
        path.write_text(json.dumps(made))
        return path


class _Share:
    """How much of a core the server takes between the first and the last look."""

    def __init__(self, server: ReplayServer) -> None:
        self._server = server
        self._seen: list[tuple[float, float]] = []

    def look(self) -> None:
        """Read its processor time."""
        self._seen.append((SystemClock().monotonic_ns() / 1e9, self._server.cpu_s()))

    @property
    def of_a_core(self) -> float:
        """Processor seconds per second."""
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / max(1e-9, last_at - first_at)


def main() -> int:
    """Run the pairs, print them, and return 1 if a ratio is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    passed = True
    with rig() as made:
        for workers in given.workers:
            passed = _compare(made, workers, given.threads, given.pairs, given.seconds) >= BAR and passed
    print("passed" if passed else "failed")
    return 0 if passed else 1


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """Start the emulator with a table, and the server in front of it, for the length of a benchmark."""
    with (
        tempfile.TemporaryDirectory() as home,
        SnowflakeEmulator.start() as emulator,
        emulator.fresh_database() as database,
        replay_server(emulator.port) as server,
    ):
        _fill(database)
        (Path(home) / "connections.toml").write_text(database.connections_toml("bench", port=server.port))
        os.environ["SNOWFLAKE_HOME"] = home
        facts = describe_environment(target_version="replay server", seed=1)
        load = psutil.getloadavg()[0]
        print(f"{facts['cpu']}; snowflake-connector-python; {facts['target_version']}; {load:.1f} load before")
        yield Rig(server, Path(home))


def _fill(database: SnowflakeDatabase) -> None:
    database.rows("CREATE HYBRID TABLE orders (id NUMBER(38,0) PRIMARY KEY, status VARCHAR(20), amount NUMBER(12,2))")
    rows = ", ".join(f"({number}, 'new', 1.5)" for number in range(1, ROWS + 1))
    database.rows(f"INSERT INTO orders VALUES {rows}")


def _compare(made: Rig, workers: int, threads: int, n: int, seconds: int) -> float:
    """Run the pairs of so many workers, print both sides and their ratio, and return it."""
    name = f"{workers} worker(s) with {threads} threads each against as many bare loops"
    made.shares.clear()
    ours, theirs = pairs(
        n,
        lambda: made.run_product(workers, threads, seconds),
        lambda: made.run_bare(workers, threads, seconds),
        name,
    )
    print_ratio("  statements/s", [one.per_s for one in ours], [one.per_s for one in theirs])
    median = print_ratio(
        f"{name}, statements/s per core",
        [1e6 / one.cpu_us for one in ours],
        [1e6 / one.cpu_us for one in theirs],
        bar=BAR,
    )
    print(
        f"  the server took {min(made.shares):.0%} to {max(made.shares):.0%} of a core; "
        f"load average {psutil.getloadavg()[0]:.1f}",
        flush=True,
    )
    return median


def _line(child: "subprocess.Popen[str]") -> str:
    """Return the next line that a bare loop prints; ends the benchmark when there is none."""
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"a bare loop ended with {child.wait()}")
    return line


if __name__ == "__main__":
    sys.exit(main())
