"""Runs as their viewers see them: a store that is written to as controllers and workers do, and whole servers."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.unit.views.rows import config, figures, kind

from upperbound.domain.figures import PhaseFigures
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.engine import Store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun
from upperbound.store.snapshots import Snapshot
from upperbound.store.types import UtcTimestamp

RUN = "20261123-101500-abc123"


class StoreClock:
    """A store's clock that a test sets."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
        self.expression: sa.BindParameter[datetime] = sa.bindparam(
            None, callable_=lambda: self.moment, type_=UtcTimestamp()
        )

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Rows:
    """Writes to a store what the controller and the workers of one run write."""

    def __init__(self, store: Store, clock: StoreClock, run_id: str = RUN) -> None:
        self.store, self.clock, self.run_id = store, clock, run_id

    def prepare(self) -> None:
        scenario = config("load.warmup_seconds=0").model_dump(mode="json")
        self.store.runs.create(NewRun(self.run_id, "Orders", scenario, 2, {"worker-0": 8, "worker-1": 8}))

    def starting(self) -> None:
        # A controller that is elsewhere looks after it: nobody here takes it over.
        assert self.store.runs.acquire_lease(self.run_id, "elsewhere", 3600.0)
        self.store.runs.transition(self.run_id, expected=RunStatus.PREPARED, to=RunStatus.STARTING)

    def running(self) -> None:
        self.store.runs.mark_running(self.run_id, 0.0)

    def end(
        self,
        status: RunStatus = RunStatus.COMPLETED,
        *,
        completion_reason: str | None = None,
        cancellation_reason: str | None = None,
    ) -> None:
        present = self.store.runs.get(self.run_id).status
        self.store.runs.transition(
            self.run_id,
            expected=present,
            to=status,
            phase=Phase.COMPLETED,
            completion_reason=completion_reason,
            cancellation_reason=cancellation_reason,
        )

    def beat(self, group_id: int = 0, status: WorkerStatus = WorkerStatus.RUNNING) -> None:
        beat = Heartbeat(self.run_id, f"worker-{group_id}", group_id, status, Phase.MEASUREMENT, 8, 8)
        self.store.heartbeats.upsert(beat)

    def snapshot(self, sequence: int, operations: int, *, seconds: float, group_id: int = 0) -> Snapshot:
        """Write and return what a worker has counted."""
        snapshot = snapshot_of(self.run_id, sequence, counted(operations, seconds), group_id=group_id)
        self.store.snapshots.write(snapshot)
        return snapshot


def counted(operations: int, seconds: float) -> PhaseFigures:
    """Return figures with so many operations of 100 µs."""
    return figures({"UPDATE": kind([100] * operations)}, seconds=seconds)


def snapshot_of(run_id: str, sequence: int, measured: PhaseFigures, *, group_id: int = 0) -> Snapshot:
    """Return a snapshot as a worker takes it."""
    return Snapshot(
        run_id=run_id,
        test_id=f"{run_id}-worker-{group_id}",
        worker_id=f"worker-{group_id}",
        group_id=group_id,
        group_count=2,
        sequence=sequence,
        phase=measured.phase,
        elapsed_s=measured.seconds,
        operations=measured.operations,
        failed=measured.failed,
        qps=0.0,
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        active_threads=8,
        target_threads=8,
        figures=measured.to_json(),
    )


class Statements:
    """Counts what is asked of a store by threads that live values are read in."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        with self._lock:
            self.texts.append(text)

    @property
    def number(self) -> int:
        return len(self.texts)


@contextlib.contextmanager
def statements(store: Store, thread_name: str = "") -> Iterator[Statements]:
    """Count the statements that are sent to the store in the body, by threads whose name begins so."""
    found = Statements()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if threading.current_thread().name.startswith(thread_name):
            found.note(statement)

    engine = store._database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def store_clock() -> StoreClock:
    return StoreClock()


@pytest.fixture
def store(tmp_path: Path, store_clock: StoreClock) -> Iterator[Store]:
    """An empty SQLite store whose clock the test sets."""
    with open_store(f"sqlite:///{tmp_path}/store.db", now=store_clock.expression) as opened:
        yield opened


@pytest.fixture
def rows(store: Store, store_clock: StoreClock) -> Rows:
    """A prepared run."""
    made = Rows(store, store_clock)
    made.prepare()
    return made
