"""Transactions per second of pgbench's imported TPC-B-like script against pgbench's own, on the same tables.

Usage: python benchmarks/pgbench_import.py [--pairs 5] [--seconds 5] [--connections 8] [--scale 10]

The script is the one that ``pgbench --show-script=tpcb-like`` prints, the tables are those of ``upperbound data load
tpcb``. One worker process stands against ``pgbench -M prepared -j 1`` in alternating pairs: first as the server comes,
where each commit waits for the disk, then with ``synchronous_commit = off``, where it does not and the generators count
for more. After each side, and after both at once, the sums of the balances and of the history must agree.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from _rig import Bench, Speed, closed_loop, found, pairs, print_ratio
from upperbound.orchestrator.environment import describe_environment
from upperbound.scenario.pgbench.importer import ScriptFile, import_scripts
from upperbound.targets.embedded.server import EmbeddedServer

BAR = 0.85
"""The median ratio that must be reached."""
SUMS: LiteralString = (
    "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), "
    "(SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), "
    "(SELECT count(*) FROM pgbench_history)"
)


def main() -> int:
    """Run the pairs, print the ratios and the sums, and return 1 if a ratio is below the bar or sums differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--scale", type=int, default=10)
    given = parser.parse_args()
    settings = {"shared_buffers": "512MB", "autovacuum": "off", "max_wal_size": "4GB"}
    with tempfile.TemporaryDirectory() as home, EmbeddedServer(max_connections=100, settings=settings) as server:
        facts = describe_environment(target_version="PostgreSQL (embedded)", seed=1)
        print(f"{facts['cpu']}; {facts['driver']}; {psutil.getloadavg()[0]:.1f} load before")
        bench = Tpcb(Bench(server, Path(home)), given.connections, given.seconds, given.scale)
        passed = True
        for name, setting in (("each commit waits for the disk", "on"), ("no commit waits for the disk", "off")):
            bench.tell(f"ALTER SYSTEM SET synchronous_commit = {setting}", "SELECT pg_reload_conf()")
            ours, theirs = pairs(given.pairs, bench.checked(bench.ours), bench.checked(bench.theirs), name)
            passed &= print_ratio(name, [one.per_s for one in ours], [one.per_s for one in theirs], bar=BAR) >= BAR
        passed &= bench.together()
    print("passed" if passed and bench.agreed else "failed")
    return 0 if passed and bench.agreed else 1


class Tpcb:
    """Both sides on one server's tables."""

    def __init__(self, rig: Bench, connections: int, seconds: int, scale: int) -> None:
        self.agreed = True
        """Whether the sums have agreed each time."""
        self._rig, self._connections, self._seconds = rig, connections, seconds
        load = [sys.executable, "-m", "upperbound.cli.app", "data", "load", "tpcb", "--scale", str(scale)]
        rig.run([*load, "--url", rig.url])
        done = subprocess.run([rig.pgbench, "--show-script=tpcb-like"], capture_output=True, text=True, check=True)
        script = ScriptFile("tpcb-like.sql", "tpcb-like", done.stdout + done.stderr)
        imported = import_scripts([script], scale=scale).scenario
        self._operations: list[dict[str, Any]] = [
            operation.model_dump(mode="json") for operation in imported.workload.operations
        ]

    def ours(self, on_measurement: Callable[[], None] = lambda: None) -> Speed:
        """Run the imported script for the time of one side."""
        load = closed_loop(self._seconds)
        made = self._rig.run_load(load, self._operations, threads=self._connections, on_measurement=on_measurement)
        if errors := made.figures["errors"]:
            raise SystemExit(f"transactions failed: {errors}")
        return made.speed

    def theirs(self) -> Speed:
        """Run pgbench's own script for the time of one side."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = self._rig.run(self._pgbench())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        count = int(found(r"number of transactions actually processed: (\d+)", said))
        return Speed(float(found(r"tps = ([\d.]+)", said)), cpu_s / count * 1e6)

    def checked(self, side: Callable[[], Speed]) -> Callable[[], Speed]:
        """Return one side, on tables without dead rows, with a check of the sums after it."""

        def run() -> Speed:
            self.tell("VACUUM pgbench_branches", "VACUUM pgbench_tellers", "CHECKPOINT")
            speed = side()
            self._check(side.__name__)
            return speed

        return run

    def together(self) -> bool:
        """Run both at once and check the sums."""
        started: list[subprocess.Popen[str]] = []

        def start() -> None:
            if not started:
                pipe = subprocess.PIPE
                started.append(subprocess.Popen(self._pgbench(), env=self._rig.environment, stdout=pipe, text=True))

        speed = self.ours(start)
        said, _ = started[0].communicate()
        tps = float(found(r"tps = ([\d.]+)", said))
        print(f"both at once: {speed.per_s:,.0f}/s of ours beside {tps:,.0f}/s of pgbench's")
        return self._check("both at once")

    def tell(self, *statements: LiteralString | str) -> None:
        """Execute statements on the server."""
        with psycopg.connect(self._rig.server.url_with_password(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _pgbench(self) -> list[str]:
        words = f"-n -M prepared -c {self._connections} -j 1 -T {self._seconds}"
        return [self._rig.pgbench, *words.split()]

    def _check(self, after: str) -> bool:
        with psycopg.connect(self._rig.server.url_with_password()) as connection:
            *sums, rows = connection.execute(SUMS).fetchall()[0]
        agree = len(set(sums)) == 1
        self.agreed &= agree
        print(
            f"    sums after {after}: {'agree' if agree else 'DIFFER'}, {sums[0]:,} over {rows:,} transactions",
            flush=True,
        )
        if not agree:
            print(f"    accounts, tellers, branches, history: {sums}")
        return agree


if __name__ == "__main__":
    sys.exit(main())
