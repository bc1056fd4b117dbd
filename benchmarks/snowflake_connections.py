"""200 connections of one worker to Snowflake: how long they take to open, and how many logins there are at once.

Usage: scripts/bench snowflake_connections [--connections 200] [--login-ms 500] [--pairs 3]

The account is the emulator of the tests, told to take so long over a login as accounts do. What a login costs the
emulator itself is in the times as well. On one side are the worker's own sessions and the opener of its thread
executor; on the other is a pool of eight threads that connects the same sessions, as FlakeBench does. The number of
logins at once is what the emulator counted.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.emulators.handle import SnowflakeDatabase, SnowflakeEmulator

from _rig import print_ratio
from upperbound.clock import SystemClock
from upperbound.domain.sharding import Shard
from upperbound.loadgen.opening import PARALLEL
from upperbound.loadgen.thread_client import ThreadClient
from upperbound.loadgen.thread_opening import ThreadOpener
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.blocking import BlockingConnection
from upperbound.targets.snowflake import SnowflakeSessions, snowflake_info
from upperbound.workload.streams import OperationPlan, Workload

OTHER_WAY = 8
"""Connections that the other side opens at a time."""

Open = Callable[[SnowflakeSessions, int], Sequence[BlockingConnection]]
"""Opens so many connections."""


@dataclass(frozen=True)
class Opened:
    """How one side went about it."""

    seconds: float
    at_once: int
    """The most logins that the server saw at once."""


def main() -> int:
    """Open and close in alternation, print, and return 1 if there ever were more logins at once than promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--login-ms", type=float, default=500.0)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    ours: list[Opened] = []
    theirs: list[Opened] = []
    with SnowflakeEmulator.start() as emulator:
        for _ in range(given.pairs):
            ours.append(_side(emulator, _with_opener, given.connections, given.login_ms))
            theirs.append(_side(emulator, _with_pool, given.connections, given.login_ms))
            print(
                f"  {given.connections} connections whose logins take {given.login_ms:.0f} ms: {_shown(ours[-1])}; "
                f"{OTHER_WAY} at a time: {_shown(theirs[-1])}",
                flush=True,
            )
    print_ratio("time, ours over 8 at a time", [one.seconds for one in ours], [one.seconds for one in theirs])
    most = max(one.at_once for one in ours)
    print(f"logins at once: {most} at most, wanted no more than {PARALLEL}")
    print("passed" if most <= PARALLEL else "failed")
    return 0 if most <= PARALLEL else 1


def _side(emulator: SnowflakeEmulator, open_all: Open, connections: int, login_ms: float) -> Opened:
    """Open connections to an account that is as new, and close them. Ends the benchmark if the account has fewer."""
    with emulator.fresh_database() as database, contextlib.closing(_sessions(database)) as sessions:
        database.fault("latency", place="login", delay_ms=login_ms)
        clock = SystemClock()
        begun_ns = clock.monotonic_ns()
        opened = open_all(sessions, connections)
        seconds = (clock.monotonic_ns() - begun_ns) / 1e9
        counts = database.counts()
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda connection: connection.close(), opened))
        if counts["open"] != connections:
            raise SystemExit(f"the account has {counts['open']} sessions, and {connections} were opened")
    return Opened(seconds, counts["most_logging_in"])


def _sessions(database: SnowflakeDatabase) -> SnowflakeSessions:
    """Return the sessions of a worker, from an entry of connections.toml as a worker reads it."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "connections.toml").write_text(database.connections_toml("bench"))
        target = SnowflakeTarget(connection_name="bench")
        info = snowflake_info(target, purpose="benchmark", environment={"SNOWFLAKE_HOME": home})
    return SnowflakeSessions(info, "benchmark", "worker-0")


def _with_opener(sessions: SnowflakeSessions, connections: int) -> Sequence[BlockingConnection]:
    """Open connections as a worker does."""
    workload = Workload([OperationPlan(Decimal(100), ())], seed=1)
    clients = [ThreadClient(index, workload.stream(Shard(0, 1, index, connections))) for index in range(connections)]
    ThreadOpener(sessions.connect).open_all(clients, lambda _: None)
    return [client.connection for client in clients if client.connection is not None]


def _with_pool(sessions: SnowflakeSessions, connections: int) -> Sequence[BlockingConnection]:
    """Open connections in a pool of :data:`OTHER_WAY` threads."""
    with ThreadPoolExecutor(OTHER_WAY) as pool:
        return list(pool.map(lambda _: sessions.connect(), range(connections)))


def _shown(opened: Opened) -> str:
    return f"{opened.seconds:.2f} s with {opened.at_once} logins at once"


if __name__ == "__main__":
    sys.exit(main())
