"""A search for the highest load on a real server, with real workers, up to its bound."""

from tests.integration.orchestrator.conftest import Bench

from upperbound.domain.find_max import MaxType
from upperbound.domain.find_max_steps import Limiter, Purpose
from upperbound.domain.run_state import RunStatus
from upperbound.views.run_summary import load_summary

SERVED = [{"kind": "GENERIC_SQL", "operation_type": "READ", "weight_pct": 100, "sql": "SELECT pg_sleep(0.02)"}]
"""A statement whose time does not depend on how many others there are."""
SEARCH = {
    "mode": "FIND_MAX_CONCURRENCY",
    "start_threads": 1,
    "increment": 1,
    "max_threads": 3,
    "step_duration_seconds": 1.5,
    "latency_stability_pct": 100_000,
}


def test_a_search_climbs_to_its_bound_and_ends_by_itself(bench: Bench) -> None:
    run_id = bench.create(operations=SERVED, more={"load": SEARCH, "scaling": {"mode": "AUTO"}})
    row = bench.run(run_id)
    assert (row.status, row.completion_reason) == (RunStatus.COMPLETED, "search_over")

    summary = load_summary(bench.store, run_id)
    found = summary.find_max
    assert found is not None
    assert found.current is None
    steps = bench.store.find_max.steps(run_id)
    assert [(step.step, step.threads, step.limiter) for step in steps] == [
        (step.step, step.threads, step.limiter) for step in found.steps
    ]
    assert steps[0].purpose is Purpose.CLIMB
    assert all(0 < step.qps <= 50.0 * step.threads for step in steps), "each step has the figures of its own threads"
    # A machine that stands still may fail a step; what the search then answers is tested elsewhere.
    if found.limiter is Limiter.THREADS:
        assert (found.max_type, found.best_threads, found.high) == (MaxType.BOUNDED_MAX, 3, None)
        assert {step.threads for step in steps} == {1, 2, 3}
