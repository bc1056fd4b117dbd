"""The database that a run measures: one that is there, or one that is started for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from upperbound.scenario.kinds import LoadMode
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.loads import FindMaxLoad
from upperbound.scenario.model import Scenario
from upperbound.scenario.targets import EmbeddedTarget, SnowflakeTarget
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.postgres import ConnInfo, open_connection

SPARE_CONNECTIONS: Final = 20
"""For the checks before the run, the server's own reserve, and a user who looks in."""

GROWN_THREADS: Final = 500
"""Threads that a load which raises them by itself has room for, unless its bounds are narrower."""


@dataclass(frozen=True)
class OpenTarget:
    """A database that is ready to be measured."""

    url: str | None
    """Without a password; None for a target that has no URL."""
    password: SecretStr | None
    kept: str = ""
    """How to use and how to stop a server that outlives the run; empty for any other."""


@contextmanager
def open_target(loaded: LoadedScenario, *, keep: bool, say: Callable[[str], None]) -> Iterator[OpenTarget]:
    """Lend the scenario's target; an embedded server is started, filled and, at the end, stopped.

    ``say`` is told what is being done. With ``keep`` an embedded server goes on, unless the body raises.

    Raises:
        PortInUse: the port asked for is taken.
        EmbeddedServerError: the server does not start, or cannot be filled.
    """
    target = loaded.scenario.target
    if not isinstance(target, EmbeddedTarget):
        yield OpenTarget(None if isinstance(target, SnowflakeTarget) else target.url, loaded.password)
        return
    say("Starting an embedded PostgreSQL …")
    server = EmbeddedServer(max_connections=_connections(loaded.scenario), port=target.port, keep=keep)
    with server:
        try:
            say(f"Filling {target.table} with {target.rows:,} rows …")
            with open_connection(ConnInfo(server.url, server.password, "upperbound:dataset")) as connection:
                create_orders(connection, table=target.table, rows=target.rows)
            yield OpenTarget(server.url, server.password, _kept(server) if keep else "")
        except BaseException:
            server.stop()
            raise


def _connections(scenario: Scenario) -> int:
    """Return how many connections the server must allow: one per thread, another per worker, and spare ones."""
    bounds, load = scenario.scaling.bounds, scenario.load
    threads = max([scenario.threads, *(stage.threads or 0 for stage in load.stages)])
    if load.mode is not LoadMode.CONCURRENCY:
        most = load.max_threads if isinstance(load, FindMaxLoad) else None
        threads = max(threads, min(limit for limit in (bounds.ceiling, most, GROWN_THREADS) if limit is not None))
    workers = min(threads, bounds.max_workers or bounds.min_workers)
    return threads + workers + SPARE_CONNECTIONS


def _kept(server: EmbeddedServer) -> str:
    """Return the way in: the password was made for this server, which listens on this machine alone."""
    return f"The server goes on: {server.url_with_password()}\nTo stop it: {server.stop_hint}"
