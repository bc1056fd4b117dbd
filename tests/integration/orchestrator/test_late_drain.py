"""A worker whose drain takes longer than anyone waits, and that ends while the result is being made."""

from pathlib import Path

from tests.integration.orchestrator.test_guardrails import CALM, RUN, rehearsal

from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.results import ChildResult

PLAN_S = 5


def result(group_id: int, operations: int) -> ChildResult:
    worker_id = f"worker-{group_id}"
    latencies = Histogram()
    figures = PhaseFigures(Phase.MEASUREMENT, float(PLAN_S), {"POINT_LOOKUP": KindFigures(operations, 0, latencies)})
    return ChildResult(
        f"{RUN}-{worker_id}",
        RUN,
        worker_id,
        group_id,
        "rehearsal",
        WorkerStatus.COMPLETED,
        Phase.COMPLETED,
        operations=operations,
        figures=figures.to_json(),
    )


def test_what_it_has_done_is_in_the_result_of_a_run_that_completes(tmp_path: Path) -> None:
    with rehearsal(tmp_path, load={"duration_seconds": PLAN_S}) as run:

        def says(group_id: int, status: WorkerStatus) -> None:
            beat = Heartbeat(RUN, f"worker-{group_id}", group_id, status, Phase.COOLDOWN, queries=1)
            run.store.heartbeats.upsert(beat)

        for _ in range(PLAN_S + 1):
            row = run.second(CALM, CALM)
        assert row.status is RunStatus.STOPPING
        run.store.results.write_child(result(0, 30))
        says(0, WorkerStatus.COMPLETED)
        for _ in range(126):
            says(1, WorkerStatus.DRAINING)
            run.pass_time(1)
            run.loop.tick()
            if run.store.runs.get(RUN).phase is Phase.PROCESSING:
                break
        assert run.store.results.get(RUN).operations == 30

        run.store.results.write_child(result(1, 12))
        says(1, WorkerStatus.COMPLETED)
        for _ in range(3):
            run.loop.tick()

        assert run.store.runs.get(RUN).status is RunStatus.COMPLETED
        assert run.store.results.get(RUN).operations == 42
