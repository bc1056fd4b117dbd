"""Real runs that offer a rate: what is due is sent and shared exactly, and a rate beyond capacity is called so."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tests.integration.orchestrator.conftest import Bench

from upperbound.domain.qps_control import QpsState
from upperbound.domain.run_state import RunStatus
from upperbound.orchestrator.rate_control import BOUNDS_LIMIT_REACHED
from upperbound.orchestrator.scaling import Wanted, change_run
from upperbound.orchestrator.stopping import request_stop
from upperbound.testing.waiting import until
from upperbound.views.run_summary import load_summary

WORKERS = ("worker-0", "worker-1")
QUICK = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}
SLOW = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT pg_sleep(0.05)"}


def measured(log: pa.Table) -> pa.Table:
    return log.filter(pc.equal(pc.cast(log["phase"], pa.string()), "MEASUREMENT"))


def test_two_workers_offer_a_rate_between_them_and_every_arrival_is_accounted_for(bench: Bench) -> None:
    load = {"mode": "QPS", "target_qps": 200, "warmup_seconds": 2, "duration_seconds": 3}
    run_id = bench.create(more={"load": load, "workload": {"seed": 1, "operations": [QUICK]}})
    assert bench.run(run_id).status is RunStatus.COMPLETED
    summary = load_summary(bench.store, run_id)
    arrivals, log = summary.arrivals, measured(bench.log(run_id))
    assert arrivals is not None
    assert (arrivals.offered, arrivals.dropped) == (600, 0)
    assert arrivals.started == arrivals.completed == log.num_rows
    assert summary.response_time is not None
    assert (summary.response_time.max_ms or 0) >= (summary.latency.max_ms or 0)
    responses = np.sort(log["response_us"].to_numpy())
    assert summary.response_time.p50_ms is not None
    assert abs(summary.response_time.p50_ms * 1000 / responses[-(-len(responses) // 2) - 1] - 1) <= 0.002
    for worker in WORKERS:
        own = log.filter(pc.equal(pc.cast(log["worker_id"], pa.string()), worker))
        due = np.sort(own["intended_at"].cast("int64").to_numpy())
        steps = np.diff(due) / 10_000
        # One that was still waiting at the end may be missing among them.
        assert np.abs(steps - np.rint(steps)).max() <= 2e-4


def test_a_rate_beyond_every_bound_ends_the_run_and_is_called_not_offered(bench: Bench) -> None:
    load = {"mode": "QPS", "target_qps": 500, "threads": 2, "max_backlog_seconds": 1, "duration_seconds": 120}
    scaling = {"mode": "BOUNDED", "max_workers": 1, "max_threads": 4}
    run_id = bench.create(more={"load": load, "scaling": scaling, "workload": {"seed": 1, "operations": [SLOW]}})
    row = bench.run(run_id)
    assert (row.status, row.completion_reason) == (RunStatus.COMPLETED, BOUNDS_LIMIT_REACHED)
    assert row.worker_targets == {"worker-0": 4}
    arrivals = load_summary(bench.store, run_id).arrivals
    assert arrivals is not None
    assert arrivals.rate_offered is False
    assert (arrivals.threads, arrivals.workers) == (4, 1)
    assert arrivals.problems[0].endswith("in the end with 4 threads on 1 worker, which is all that scaling allows")
    assert arrivals.started + arrivals.dropped + arrivals.unstarted == arrivals.offered
    assert arrivals.started == arrivals.completed == measured(bench.log(run_id)).num_rows
    assert arrivals.dropped > 0


def test_a_worker_joins_a_rate_that_one_cannot_carry_and_both_share_it(bench: Bench) -> None:
    load = {"mode": "QPS", "target_qps": 60, "threads": 2, "duration_seconds": 120}
    scaling = {"mode": "BOUNDED", "max_workers": 2, "max_threads": 2}
    run_id = bench.create(more={"load": load, "scaling": scaling, "workload": {"seed": 1, "operations": [SLOW]}})

    def state() -> QpsState:
        return QpsState.from_json(bench.store.runs.get(run_id).qps_controller_state)

    with bench.running(run_id) as end:
        until(lambda: state().sharing == ("worker-0", "worker-1"), "the second worker has its share")
        until(lambda: state().achieved_qps >= 59, "the rate is achieved")
        request_stop(bench.store, run_id, "ada")
        end()
    log = measured(bench.log(run_id))
    by_worker = {worker: log.filter(pc.equal(pc.cast(log["worker_id"], pa.string()), worker)) for worker in WORKERS}
    began = np.datetime64(by_worker["worker-1"]["intended_at"].to_numpy().min())
    assert (by_worker["worker-0"]["started_at"].to_numpy() > began).any(), "both carry it"
    alone = by_worker["worker-0"]["intended_at"].to_numpy()
    gaps_ms = np.diff(np.sort(alone[alone <= began])) / np.timedelta64(1, "ms")
    assert np.median(gaps_ms) < 20, "until then the first offers the whole rate"


def test_a_rate_that_is_set_in_mid_run_is_offered_from_then_on(bench: Bench) -> None:
    load = {"mode": "QPS", "target_qps": 50, "duration_seconds": 120}
    run_id = bench.create(more={"load": load, "workload": {"seed": 1, "operations": [QUICK]}})

    def target() -> float:
        return float((bench.store.runs.get(run_id).qps_controller_state or {}).get("target_qps", 0))

    with bench.running(run_id) as end:
        until(lambda: round(target()) == 50, "the rate of the scenario is offered")
        change_run(bench.store, run_id, Wanted(target_qps=130), initiated_by="ada")
        until(lambda: round(target()) == 130, "the rate that was set is offered")
        request_stop(bench.store, run_id, "ada")
        end()
    changes = load_summary(bench.store, run_id).changes
    assert [(change.initiated_by, change.target_qps) for change in changes] == [("ada", 130)]
