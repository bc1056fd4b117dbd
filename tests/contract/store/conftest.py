"""Every test in this folder runs on SQLite, on PostgreSQL and on an emulator of Snowflake, the same claims for all."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.databases import new_database
from tests.emulators.handle import HOST, PASSWORD, USER, WAREHOUSE, SnowflakeEmulator

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.address import parse_store_url
from upperbound.store.database import Database
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun
from upperbound.store.snapshots import Snapshot
from upperbound.store.snowflake.hybrid import store_locks
from upperbound.store.tables import CONTROL_TABLES, RESULTS_TABLES
from upperbound.store.types import UtcTimestamp
from upperbound.targets.embedded.server import EmbeddedServer

FRESH = {"sqlite": "fresh_file", "postgresql": "fresh_database", "snowflake": "fresh_schema"}
MADE = {"postgresql": "made_postgresql_url", "snowflake": "made_snowflake_url"}
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


@pytest.fixture(params=["sqlite", "postgresql", "snowflake"])
def empty_store_url(request: pytest.FixtureRequest) -> str:
    """A place for a store that has no tables yet."""
    return str(request.getfixturevalue(FRESH[request.param]))


@pytest.fixture
def fresh_schema(new_snowflake_url: Callable[[], str]) -> str:
    """An empty schema on the emulator."""
    return new_snowflake_url()


@pytest.fixture(params=["sqlite", "postgresql", "snowflake"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A store with its tables, and nothing in them.

    Making a database with tables takes most of a second: tests that do not change them use the same ones.
    """
    changes = request.node.get_closest_marker("changes_tables") is not None
    if request.param in MADE and not changes:
        url = str(request.getfixturevalue(MADE[request.param]))
        empty_tables(url)
        return url
    url = str(request.getfixturevalue(FRESH[request.param]))
    init_store(url)
    return url


@pytest.fixture
def fresh_file(tmp_path: Path) -> str:
    """A place for a file that is not there yet."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="session")
def new_snowflake_url(snowflake_emulator: SnowflakeEmulator) -> Callable[[], str]:
    """Return what makes an empty schema on the emulator, and says its URL with the password."""

    def make() -> str:
        name = f"STORE_{secrets.token_hex(4).upper()}"
        snowflake_emulator.control("create-database", name=name)
        place = f"host={HOST}&port={snowflake_emulator.port}&protocol=http&warehouse={WAREHOUSE}"
        return f"snowflake://{USER}:{PASSWORD}@emulator/{name}/PUBLIC?{place}"

    return make


@pytest.fixture(scope="session")
def made_snowflake_url(new_snowflake_url: Callable[[], str]) -> str:
    """A store on the emulator that has its tables."""
    url = new_snowflake_url()
    init_store(url)
    return url


@pytest.fixture(scope="session")
def made_postgresql_url(embedded_server: EmbeddedServer) -> Iterator[str]:
    """A store in a database of its own that has its tables."""
    with new_database(embedded_server) as url:
        init_store(url)
        yield url


def empty_tables(url: str) -> None:
    """Remove every row of a store but that of its revision, children before parents."""
    database = Database(parse_store_url(url))
    tables = [*RESULTS_TABLES, *reversed(CONTROL_TABLES)]
    if url.startswith("snowflake"):
        tables.append(store_locks)
    counts = " UNION ALL ".join(f"SELECT '{table.name}' WHERE EXISTS (SELECT 1 FROM {table.name})" for table in tables)
    with database.connection() as connection:
        if url.startswith("postgresql"):
            # What the test before has left may hold locks.
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        filled = set(connection.exec_driver_sql(counts).scalars())
        for table in tables:
            if table.name in filled:
                connection.execute(sa.delete(table))
    database.close()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_store(store_url) as opened:
        yield opened


def engine_at(url: str) -> sa.Engine:
    """Return what reaches the tables of a store without its repositories, one statement or transaction at a time."""
    if url.startswith("snowflake"):
        return Database(parse_store_url(url)).engine
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


@pytest.fixture
def repeats(store_url: str) -> Callable[[int, int], int]:
    """Choose how often a test repeats itself: less often on the emulator, which takes 200 statements a second."""
    return lambda often, seldom: seldom if store_url.startswith("snowflake") else often


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
    engine = engine_at(store_url)
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
