"""Real runs: a real server, a real store, and worker processes as a user gets them."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.databases import new_database

from upperbound.clock import SystemClock
from upperbound.launchers.base import WorkerHandle, WorkerSpec
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.querylog.parquet import SCHEMA, log_folder
from upperbound.scenario.connection_url import split_password
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.runs import RunRow
from upperbound.store.tables import query_executions
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.testing.waiting import DEADLINE_S, until

ROWS = 2000
THINK_MS = 4

OPERATIONS: list[dict[str, Any]] = [
    {
        "kind": "POINT_LOOKUP",
        "weight_pct": 55,
        "sql": "SELECT * FROM {table} WHERE id = $1",
        "params": [{"zipf": {"range": [1, ROWS]}}],
    },
    {
        "kind": "RANGE_SCAN",
        "weight_pct": 20,
        "sql": "SELECT id FROM {table} WHERE id BETWEEN $1 AND $1 + 19",
        "params": [{"range": [1, ROWS]}],
    },
    {
        "kind": "INSERT",
        "weight_pct": 10,
        "sql": "INSERT INTO {table} (id, customer_id, status, amount, created_at) VALUES ($1, 1, 'new', 1, now())",
        "params": [{"sequence": {"after": "id"}}],
    },
    {
        "kind": "UPDATE",
        "weight_pct": 10,
        "sql": "UPDATE {table} SET status = $2 WHERE id = $1",
        "params": [{"pool": "id"}, {"choice": ["new", "paid"]}],
    },
    {
        "kind": "GENERIC_SQL",
        "name": "now and then an error",
        "operation_type": "READ",
        "weight_pct": 5,
        "sql": "SELECT 1 / $1::int",
        "params": [{"range": [0, 3]}],
    },
]

SLOW: list[dict[str, Any]] = [
    {
        "kind": "GENERIC_SQL",
        "operation_type": "READ",
        "weight_pct": 100,
        "sql": "SELECT pg_sleep(60) WHERE current_setting('application_name') <> 'upperbound:preflight'",
    }
]
"""A statement that no run waits for, nor the check that tries it before the run."""


@dataclass
class RecordingLauncher:
    """Launches as users do, and remembers the processes for the test."""

    handles: dict[str, WorkerHandle] = field(default_factory=dict)
    before: Callable[[WorkerSpec], None] = lambda _: None
    after: Callable[[WorkerHandle], None] = lambda _: None

    def launch(self, spec: WorkerSpec, *, environment: Mapping[str, str], log_file: Path) -> WorkerHandle:
        self.before(spec)
        handle = LocalLauncher().launch(spec, environment=environment, log_file=log_file)
        self.handles[spec.worker_id] = handle
        self.after(handle)
        return handle


class Bench:
    """An orchestrator with everything around it."""

    def __init__(self, store: Store, home: Path, target: str) -> None:
        self.store, self.home = store, home
        self.launcher = RecordingLauncher()
        self.orchestrator = Orchestrator(store, self.launcher, SystemClock(), home)
        given = split_password(target)
        self.target_url, self.password = given.url, given.password or ""
        self.seen: list[RunRow] = []

    def scenario(
        self,
        *,
        operations: list[dict[str, Any]] | None = None,
        workers: int = 2,
        more: dict[str, Any] | None = None,
        **load: float,
    ) -> Scenario:
        """Return a scenario whose threads think between two operations: other tests need the processors as well."""
        return Scenario.model_validate(
            {
                "name": "integration",
                "target": {"kind": "postgres", "url": self.target_url, "table": "public.orders"},
                "load": {"duration_seconds": 2, "think_time_ms": THINK_MS} | load,
                "scaling": {"mode": "FIXED", "min_workers": workers, "min_threads": 3},
                "workload": {"operations": operations or OPERATIONS, "seed": 7},
                **(more or {}),
            }
        )

    def create(self, **what: Any) -> str:
        request = RunRequest(self.scenario(**what), self.target_url, SecretStr(self.password))
        return self.orchestrator.create_run(request)

    def run(self, run_id: str, on_tick: Callable[[RunRow], None] = lambda _: None) -> RunRow:
        """Start the run and bring it to its end; nothing of it is left then."""

        def tick(row: RunRow) -> None:
            self.seen.append(row)
            on_tick(row)

        self.orchestrator.start_run(run_id)
        row = self.orchestrator.drive(run_id, tick)
        assert self.is_quiet(), "a process is left"
        return row

    def is_quiet(self) -> bool:
        """Say whether every worker process has ended."""
        return all(handle.poll() is not None for handle in self.launcher.handles.values())

    @contextlib.contextmanager
    def running(self, run_id: str) -> Iterator[Callable[[], RunRow]]:
        """Drive the run in a thread; yields what waits for its end and returns its row."""
        result: list[RunRow] = []
        thread = threading.Thread(target=lambda: result.append(self.run(run_id)))
        thread.start()

        def end() -> RunRow:
            thread.join(DEADLINE_S)
            assert result, "the run has not ended"
            return result[0]

        try:
            yield end
        finally:
            if not result:
                for handle in self.launcher.handles.values():
                    handle.kill()
            thread.join(DEADLINE_S)

    def until_queries(self, run_id: str, queries: int = 1) -> None:
        """Wait until every worker has said that it has sent something."""

        def sent() -> bool:
            beats = self.store.heartbeats.list(run_id)
            workers = self.store.runs.get(run_id).total_workers_expected
            return len(beats) == workers and all(beat.queries >= queries for beat in beats)

        until(sent, "every worker has sent queries")

    def log(self, run_id: str) -> pa.Table:
        """Return the whole query log of a run, from where its store keeps it."""
        if not self.store.query_log.keeps_rows:
            return pq.read_table(log_folder(self.orchestrator.run_folder(run_id)))
        rows = self.store._database.rows(sa.select(query_executions).where(query_executions.c.run_id == run_id))
        return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)


@pytest.fixture(scope="session")
def target(embedded_server: EmbeddedServer) -> Iterator[str]:
    """A database with a table of orders, shared by all runs: each only adds to it."""
    with new_database(embedded_server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            create_orders(connection, rows=ROWS)
        yield url


@contextlib.contextmanager
def bench_on(kind: str, server: EmbeddedServer, target: str, home: Path) -> Iterator[Bench]:
    """A bench whose store is of ``kind``: sqlite or postgresql."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{home}/store.db" if kind == "sqlite" else stack.enter_context(new_database(server))
        init_store(url)
        bench = Bench(stack.enter_context(open_store(url)), home, target)
        try:
            yield bench
        finally:
            for handle in bench.launcher.handles.values():
                handle.kill()
            until(bench.is_quiet, "no process is left")


@pytest.fixture
def bench(embedded_server: EmbeddedServer, target: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench on an SQLite store."""
    with bench_on("sqlite", embedded_server, target, tmp_path) as made:
        yield made
