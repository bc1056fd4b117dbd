"""What people who watch a run cost: the controller's processor time, bytes per viewer, and the run's throughput.

Usage: python benchmarks/live_viewers.py [--viewers 50] [--seconds 240] [--segment 4] [--workers 2] [--threads 8]

A real run on a server with pgbench's tables, looked after by a controller in a process of its own as `upperbound serve`
does it. In alternating segments of one run the viewers, real WebSocket clients in another process, are there and are
not; the first second of each segment, in which they connect or leave, is left out. The ratio of two neighbours says
what they cost the run. Everything shares this machine, the viewers themselves included: where the load uses the machine
up, the processor time that controller and viewers take is missing in the throughput.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from _rig import Bench, bench, mix, print_ratio
from upperbound.api.access.policy import AccessPolicy
from upperbound.api.app import create_app
from upperbound.api.live.protocol import PING_S, PONG_S, ViewerProtocol
from upperbound.api.live.pushes import LivePushes
from upperbound.api.prometheus import ControllerMetrics
from upperbound.api.services import ControllerServices
from upperbound.cli.serve import listen
from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.controller import Controller
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.scenario.loader import load_scenario
from upperbound.store.engine import Store, open_store
from upperbound.store.snapshots import SnapshotRow

CPU_BAR_PCT: Final = 20.0
"""Of one core, for the controller with all its viewers."""
QPS_BAR: Final = 0.98
"""Throughput with viewers over that without."""
LEFT_OUT_S: Final = 1.0
"""At the begin of a segment."""
WARMUP_S: Final = 3


@dataclass(frozen=True)
class Segment:
    """A part of the run, without its first second."""

    watched: bool
    begin_s: float
    """Since the start of the run."""
    end_s: float
    controller_pct: float
    """Processor time of the controller, in percent of a core."""
    viewers_pct: float
    """The same of all viewers together."""


def main() -> int:
    """Measure, or as a child be the controller or the viewers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=240, help="for how long they watch, all segments together")
    parser.add_argument("--segment", type=int, default=4, help="seconds of one segment")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8, help="of all workers")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child and given.child[0] == "controller":
        return _be_controller(Path(given.child[1]), Path(given.child[2]), given.child[3])
    if given.child:
        return asyncio.run(_be_viewers(given.child[1], int(given.child[2])))
    with bench() as made:
        return _measure(made, given)


# The measuring side ---------------------------------------------------------------------------------------------------


class Child:
    """A process of this program that is told what to do line by line, and answers each line with one."""

    def __init__(self, made: Bench, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", *arguments],
            env=made.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._cpu = psutil.Process(self._process.pid)

    def told(self) -> dict[str, Any]:
        """Return what the process says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a part of the benchmark has ended before its time")
        said: dict[str, Any] = json.loads(line)
        return said

    def ask(self, what: str) -> dict[str, Any]:
        """Tell the process what to do and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        return self.told()

    def cpu_s(self) -> float:
        """Return the processor time it has used."""
        times = self._cpu.cpu_times()
        return times.user + times.system

    def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _measure(made: Bench, given: argparse.Namespace) -> int:
    """Make the run and print what was found."""
    pairs = max(1, given.seconds // given.segment)
    # It is stopped when all is measured; on a busy machine everything takes longer.
    duration_s = 4 * pairs * (given.segment + 5) + 60
    load = {"mode": "CONCURRENCY", "warmup_seconds": WARMUP_S, "duration_seconds": duration_s}
    scenario = made.scenario(load, given.workers, max(1, given.threads // given.workers), mix())
    controller = Child(made, "controller", str(made.home), str(scenario), made.url)
    place = controller.told()
    crowd = Child(made, "viewers", place["url"], str(given.viewers))
    controller.ask("start")
    clock = SystemClock()
    with open_store(f"sqlite:///{made.home}/upperbound.db") as store:
        run_id = place["run_id"]
        while (store.runs.get(run_id).elapsed_s or 0.0) < WARMUP_S + LEFT_OUT_S:
            clock.sleep(0.1)
        segments = []
        received: dict[str, Any] = {}
        for number in range(2 * pairs):
            # Which of a pair comes first changes with each, so that a drift of the machine does not look like viewers.
            watched = number % 4 in (1, 2)
            if watched:
                crowd.ask("watch")
            segments.append(_segment(store, run_id, controller, crowd, given.segment, watched=watched))
            if watched:
                received = crowd.ask("leave")
        series = store.snapshots.series(run_id, phase=Phase.MEASUREMENT)
        status = store.runs.get(run_id).status
    crowd.end()
    controller.end()
    if status != "RUNNING":
        raise SystemExit(f"the run was {status} before the last segment was over")
    return _report(segments, series, received)


def _segment(store: Store, run_id: str, controller: Child, crowd: Child, seconds: int, *, watched: bool) -> Segment:
    """Let one segment pass."""
    clock = SystemClock()
    clock.sleep(LEFT_OUT_S)
    begin_s = store.runs.get(run_id).elapsed_s or 0.0
    before = controller.cpu_s(), crowd.cpu_s()
    clock.sleep(seconds)
    after = controller.cpu_s(), crowd.cpu_s()
    end_s = store.runs.get(run_id).elapsed_s or 0.0
    ours, theirs = (100.0 * (later - earlier) / seconds for earlier, later in zip(before, after, strict=True))
    return Segment(watched, begin_s, end_s, ours, theirs)


def _report(segments: Sequence[Segment], series: Sequence[SnapshotRow], received: dict[str, Any]) -> int:
    """Print what was found; returns 0 when both bars are met."""
    with_viewers, without = [], []
    for number in range(0, len(segments), 2):
        pair = segments[number : number + 2]
        watched, alone = sorted(pair, key=lambda one: not one.watched)
        with_viewers.append(_qps(series, watched))
        without.append(_qps(series, alone))
        print(
            f"  pair {number // 2 + 1}: {with_viewers[-1]:,.0f}/s watched, controller {watched.controller_pct:.1f} %, "
            f"viewers {watched.viewers_pct:.1f} %; {without[-1]:,.0f}/s alone, controller {alone.controller_pct:.1f} %"
        )
    cpu = {seen: [one.controller_pct for one in segments if one.watched is seen] for seen in (True, False)}
    busiest, mean = max(cpu[True]), statistics.mean(cpu[True])
    per_viewer_s = received["viewer_s"] or 1.0
    print(
        f"controller with viewers: {mean:.1f} % of a core (at most {busiest:.1f} %), wanted below {CPU_BAR_PCT:.0f} %"
    )
    print(f"controller without: {statistics.mean(cpu[False]):.1f} %")
    print(f"viewers, all together: {statistics.mean(one.viewers_pct for one in segments if one.watched):.1f} %")
    updates, length = received["updates"] / per_viewer_s, received["text_bytes"] / received["updates"]
    print(
        f"each viewer: {received['bytes'] / per_viewer_s:,.0f} bytes/s, {updates:.2f} updates/s of {length:,.0f} bytes"
    )
    ratio = print_ratio("throughput with viewers over without", with_viewers, without, bar=QPS_BAR)
    passed = mean < CPU_BAR_PCT and ratio >= QPS_BAR
    print("passed" if passed else "failed")
    return 0 if passed else 1


def _qps(series: Sequence[SnapshotRow], segment: Segment) -> float:
    """Return the throughput of a segment, from the counts that the workers have published."""
    total = 0.0
    for worker_id in {snapshot.worker_id for snapshot in series}:
        own = [snapshot for snapshot in series if snapshot.worker_id == worker_id]
        times, counts = [one.elapsed_s for one in own], [one.operations for one in own]
        begin, end = np.interp([segment.begin_s, segment.end_s], times, counts)
        total += float(end - begin)
    return total / (segment.end_s - segment.begin_s)


# The controller -------------------------------------------------------------------------------------------------------


def _be_controller(home: Path, scenario: Path, target: str) -> int:
    """Prepare the run, serve, and start the run when told to; ends with the input."""
    clock = SystemClock()
    with open_store(f"sqlite:///{home}/upperbound.db") as store, listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        pushes = LivePushes(clock, f"http://127.0.0.1:{port}")
        orchestrator = Orchestrator(store, LocalLauncher(), clock, home, worker_environment=pushes.environment)
        controller = Controller(store, orchestrator, clock)
        services = ControllerServices(store, controller, clock, home, metrics=ControllerMetrics(store), pushes=pushes)
        app = create_app(services, AccessPolicy(loopback=True))
        options: dict[str, Any] = {"ws_ping_interval": PING_S, "ws_ping_timeout": PONG_S}
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws=ViewerProtocol, **options))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        run_id = orchestrator.create_run(RunRequest(load_scenario(scenario).scenario, target, None))
        _say({"run_id": run_id, "url": f"ws://127.0.0.1:{port}/ws/test/{run_id}"})
        for line in sys.stdin:
            if line.strip() == "start":
                controller.start(run_id)
            _say({})
        controller.stop(run_id, initiated_by="the benchmark")
        server.should_exit = True
        serving.join()
    return 0


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


# The viewers ----------------------------------------------------------------------------------------------------------


class Counting(ClientConnection):
    """A viewer's connection that counts what it is sent, as it comes over the wire."""

    received_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.received_bytes += len(data)
        super().data_received(data)


async def _be_viewers(url: str, number: int) -> int:
    """Watch and leave when told to; ends with the input."""
    clock = SystemClock()
    totals = {"bytes": 0, "text_bytes": 0, "updates": 0, "viewer_s": 0.0}
    watching: list[asyncio.Task[None]] = []
    connections: list[ClientConnection] = []
    began_ns = 0
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        if line == "watch":
            connections = [await connect(url, create_connection=Counting) for _ in range(number)]
            watching = [asyncio.create_task(_read(connection, totals)) for connection in connections]
            began_ns = clock.monotonic_ns()
        else:
            totals["viewer_s"] += number * (clock.monotonic_ns() - began_ns) / 1e9
            for connection in connections:
                await connection.close()
                assert isinstance(connection, Counting)
                totals["bytes"] += connection.received_bytes
            await asyncio.gather(*watching)
        _say(totals)
    return 0


async def _read(connection: ClientConnection, totals: dict[str, Any]) -> None:
    async for text in connection:
        totals["updates"] += 1
        totals["text_bytes"] += len(text)


if __name__ == "__main__":
    sys.exit(main())
