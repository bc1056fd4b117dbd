"""Every test in this folder runs on SQLite and on PostgreSQL, the same claims for both."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun
from upperbound.store.snapshots import Snapshot
from upperbound.store.types import UtcTimestamp

WRITER = Path(__file__).parent / "writer_process.py"


class SetClock:
    """A store's clock that a test sets: an SQL expression whose value is ours."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.expression: sa.BindParameter[datetime] = sa.bindparam(
            None, callable_=lambda: self.moment, type_=UtcTimestamp()
        )

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a store that has no tables yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("fresh_database"))


@pytest.fixture
def store_url(empty_store_url: str) -> str:
    init_store(empty_store_url)
    return empty_store_url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_store(store_url) as opened:
        yield opened


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def clocked_store(store_url: str, clock: SetClock) -> Iterator[Store]:
    """A store whose clock stands where the test sets it."""
    with open_store(store_url, now=clock.expression) as opened:
        yield opened


@pytest.fixture
def engine(store_url: str) -> Iterator[sa.Engine]:
    """Direct access to the tables, past the repositories."""
    engine = sa.create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.fixture
def new_run() -> Callable[..., NewRun]:
    def make(run_id: str = "run-1", **fields: Any) -> NewRun:
        given: dict[str, Any] = {"run_id": run_id, "name": "checkout", "scenario": {"name": "x"}, "total_workers": 2}
        return NewRun(**(given | fields))

    return make


@pytest.fixture
def heartbeat() -> Callable[..., Heartbeat]:
    def make(worker: int = 0, **fields: Any) -> Heartbeat:
        given: dict[str, Any] = {
            "run_id": "run-1",
            "worker_id": f"worker-{worker}",
            "group_id": worker,
            "status": WorkerStatus.RUNNING,
            "phase": Phase.WARMUP,
        }
        return Heartbeat(**(given | fields))

    return make


@pytest.fixture
def snapshot() -> Callable[..., Snapshot]:
    def make(worker: int = 0, sequence: int = 1, **fields: Any) -> Snapshot:
        given: dict[str, Any] = {
            "run_id": "run-1",
            "test_id": f"run-1-worker-{worker}",
            "worker_id": f"worker-{worker}",
            "group_id": worker,
            "group_count": 2,
            "sequence": sequence,
            "phase": Phase.MEASUREMENT,
            "elapsed_s": float(sequence),
            "operations": 10 * sequence,
            "failed": 0,
            "qps": 10.0,
            "p50_ms": 1.5,
            "p95_ms": None,
            "p99_ms": None,
            "active_threads": 4,
            "target_threads": 4,
            "figures": {"seconds": sequence},
        }
        return Snapshot(**(given | fields))

    return make


@pytest.fixture
def start_writer() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes that use a store as workers do; those still alive at the end are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(job: str, url: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(WRITER), job, *arguments],
            env=os.environ | {"STORE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
