"""A stand-in for the orchestrator that moves the run in a real store and starts no process."""

from collections.abc import Callable
from pathlib import Path

from tests.unit.views.rows import config, figures, kind

from upperbound.clock import Clock
from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunEvent, RunStatus, next_status
from upperbound.domain.worker_state import WorkerStatus
from upperbound.orchestrator.pool_sampling import PoolWatcher
from upperbound.orchestrator.service import RunRequest
from upperbound.store.engine import Store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.results import ParentResult
from upperbound.store.runs import NewRun, RunRow
from upperbound.testing.waiting import until

RUN_ID = "20261123-101500-abc123"

Middle = Callable[["FakeControl", Callable[[RunRow], None]], None]
"""What happens while the run is driven."""


class FakeControl:
    """Creates the run, starts it, lets the test do what it wants in the middle, and ends it."""

    def __init__(self, *, middle: Middle | None = None, end: RunStatus = RunStatus.COMPLETED) -> None:
        self.warnings: dict[str, tuple[str, ...]] = {}
        self.requests: list[RunRequest] = []
        self.adopted: list[str] = []
        self.hurried = 0
        self.forced = 0
        self.create_error: Exception | None = None
        self.start_error: Exception | None = None
        self.busy_pct = 20.0
        self._middle, self._end = middle, end

    def make(self, store: Store, home: Path, _clock: Clock) -> "FakeControl":
        """Stand in for :func:`upperbound.cli.running.local_control`."""
        self.store, self.home = store, home
        return self

    def create_run(self, request: RunRequest, watcher: PoolWatcher | None = None) -> str:
        self.requests.append(request)
        if self.create_error is not None:
            raise self.create_error
        started_with = config().model_copy(update={"scenario": request.scenario})
        self.store.runs.create(
            NewRun(
                RUN_ID,
                request.scenario.name,
                started_with.model_dump(mode="json"),
                2,
                threads=16,
                template_id=request.template.template_id if request.template else None,
                template_version=request.template.version if request.template else None,
            )
        )
        self.warnings[RUN_ID] = ("the server is busy",)
        return RUN_ID

    def adopt_run(self, run_id: str) -> None:
        self.adopted.append(run_id)

    def start_run(self, run_id: str) -> None:
        if self.start_error is not None:
            raise self.start_error
        status = self.store.runs.get(run_id).status
        self.store.runs.transition(run_id, expected=status, to=next_status(status, RunEvent.START))
        self.store.heartbeats.upsert(Heartbeat(run_id, "worker-0", 0, WorkerStatus.READY, Phase.PREPARING))

    def drive(self, run_id: str, on_tick: Callable[[RunRow], None] | None = None) -> RunRow:
        assert on_tick is not None
        on_tick(self.store.runs.get(run_id))
        self.store.runs.mark_running(run_id, 0.0)
        on_tick(self.store.runs.get(run_id))
        if self._middle is not None:
            self._middle(self, on_tick)
        self._finish(run_id)
        return self.store.runs.get(run_id)

    def hurry(self, _run_id: str) -> None:
        self.hurried += 1

    def force_stop(self, _run_id: str) -> None:
        self.forced += 1

    def run_folder(self, run_id: str) -> Path:
        return self.home / "runs" / run_id

    def wait_for_stop(self) -> None:
        """Return when the store says that the run is to stop, as workers and the loop would see it."""
        events = self.store.events
        until(lambda: any(event.type is EventType.STOP for event in events.after(RUN_ID)), "the STOP event")

    def wait_for_force(self) -> None:
        """Return when the run is to end without its drain."""
        until(lambda: self.forced, "the second stop")

    def _finish(self, run_id: str) -> None:
        measured = figures({"POINT_LOOKUP": kind([100] * 600), "UPDATE": kind([4_000] * 400)}, busy_pct=self.busy_pct)
        self.store.results.finish_parent(
            run_id,
            ParentResult(
                worker_count=2,
                threads=16,
                operations=measured.operations,
                failed=measured.failed,
                warmup_operations=0,
                duration_s=measured.seconds,
                qps=measured.qps,
                figures=measured.to_json(),
                query_log={"rows": 1000, "files": 2, "path": str(self.run_folder(run_id) / "query_log")},
            ),
        )
        run = self.store.runs.get(run_id)
        if run.status in TERMINAL:
            return
        to = RunStatus.CANCELLED if run.status is RunStatus.CANCELLING else self._end
        self.store.runs.transition(run_id, expected=run.status, to=to, phase=Phase.COMPLETED, completion_reason="over")
