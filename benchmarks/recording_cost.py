"""Throughput with the query log on over off, in alternating pairs of the same engine on the same server.

Usage: python benchmarks/recording_cost.py [--pairs 21] [--seconds 4] [--connections 8]

"On" is what a run does: every query packed, counted in histograms and written to the spool. "Off" is the same loop and
the same histograms without the spool. Both run in a process of their own, as a worker does.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from _rig import Bench, Speed, bench, closed_loop, mix, pairs, print_ratio
from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.recorder import BUFFER_BYTES, Recorder, Window
from upperbound.querylog.spool import Manifest, SpoolWriter
from upperbound.scenario.loader import load_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.postgres import ConnInfo
from upperbound.worker.executors import closed_executor
from upperbound.worker.main import SWITCH_INTERVAL_S
from upperbound.worker.preparation import prepare

BAR = 0.97


def main() -> int:
    """Run the pairs, or as a child process one side of one pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--child", nargs=2, metavar=("CONFIG", "SPOOL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return _child(RunConfig.model_validate_json(Path(given.child[0]).read_text()), given.child[1])
    with bench() as made:
        on, off = pairs(
            given.pairs,
            lambda: _side(made, given.connections, given.seconds, log=True),
            lambda: _side(made, given.connections, given.seconds, log=False),
            "log on against off",
        )
        median = print_ratio("query log on over off", [s.per_s for s in on], [s.per_s for s in off], bar=BAR)
    print("passed" if median >= BAR else "failed")
    return 0 if median >= BAR else 1


def _side(made: Bench, connections: int, seconds: int, *, log: bool) -> Speed:
    """Run one side in a process of its own."""
    with tempfile.TemporaryDirectory(dir=made.home) as folder:
        config = RunConfig(
            scenario=load_scenario(made.scenario(closed_loop(seconds), 1, connections, mix())).scenario,
            threads=(connections,),
            seed=1,
            target_url=made.url,
            table=None,
            upperbound_version="benchmark",
        )
        path = Path(folder) / "config.json"
        path.write_text(config.model_dump_json())
        command = [sys.executable, __file__, "--child", str(path), f"{folder}/spool" if log else ""]
        done = subprocess.run(command, env=made.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    per_s, cpu_us = done.stdout.split()
    return Speed(float(per_s), float(cpu_us))


def _child(config: RunConfig, spool: str) -> int:
    """Carry the load of one side and print queries per second and processor time per query."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    clock = SystemClock()
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
    executor.open(config.threads[0], lambda _: None)
    manifest = Manifest("run", "test", "worker-0", list(prepared.kinds), list(prepared.labels), 0, 0, 0)
    recorder.start(0, SpoolWriter(Path(spool), manifest) if spool else None)
    begun_ns, cpu_s = clock.monotonic_ns(), _cpu_s()
    executor.begin()
    executor.stop_at(begun_ns + int(config.scenario.load.duration_seconds * 1e9))
    executor.run()
    recorder.finish()
    seconds, cpu_s = (clock.monotonic_ns() - begun_ns) / 1e9, _cpu_s() - cpu_s
    executor.close()
    done = recorder.figures(Phase.MEASUREMENT, Window(seconds, 0, 0, None)).operations
    print(done / seconds, cpu_s / done * 1e6)
    return 0


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    sys.exit(main())
