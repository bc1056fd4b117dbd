"""The plan of a run says beforehand what it is going to do."""

from typing import Any

import pytest
from tests.unit.scenario.samples import changed

from upperbound.report.plan import plan_lines
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig


def lines(load: dict[str, Any], scaling: dict[str, Any], *threads: int, ascii_only: bool = True) -> list[str]:
    config = RunConfig(
        scenario=Scenario.model_validate(changed({"load": load, "scaling": scaling, "slo": None})),
        threads=threads,
        worker_capacity=16,
        seed=1,
        target_url="postgresql://h/db",
        table=None,
        upperbound_version="0",
    )
    return plan_lines(config, ascii_only=ascii_only)


def test_a_fixed_run_says_its_workers_threads_and_times() -> None:
    load = {"warmup_seconds": 5, "duration_seconds": 20}
    assert lines(load, {"mode": "FIXED", "min_workers": 2, "min_threads": 8}, 8, 8) == [
        "Plan     CONCURRENCY: 16 threads",
        "Workers  2 workers x 8 threads",
        "Time     5.0 s warmup, then 20.0 s measured",
    ]


def test_stages_are_listed_and_drawn() -> None:
    stages = [{"at": 10, "threads": 100, "ramp_seconds": 20}, {"at": 40, "threads": 20}]
    load = {"threads": 20, "warmup_seconds": 5, "duration_seconds": 60, "think_time_ms": 2.5, "stages": stages}
    scaling = {"mode": "BOUNDED", "max_workers": 4, "max_threads": 50}
    assert lines(load, scaling, 10, 10) == [
        "Plan     CONCURRENCY: 20 threads, 2.5 ms between queries",
        "Workers  2 workers x 10 threads",
        "Ceiling  at most 4 workers x 50 = 200 threads",
        "Time     5.0 s warmup, then 60.0 s measured",
        "Stages       10.0 s into the measurement to 100 threads within 20.0 s",
        "             40.0 s into the measurement to 20 threads at once",
        "         .........---==++**%%########............  20 to 100 threads",
    ]
    assert lines(load, scaling, 10, 10, ascii_only=False)[-1].strip().startswith("▂▂▂")


@pytest.mark.parametrize(
    ("scaling", "ceiling"),
    [
        ({"mode": "AUTO"}, "Ceiling  at most 16 workers"),
        ({"mode": "AUTO", "per_worker_cap": 40}, "Ceiling  at most 16 workers of at most 40 threads"),
        ({"mode": "BOUNDED", "max_workers": 1}, "Ceiling  at most 1 worker"),
        ({"mode": "BOUNDED", "max_threads": 9}, "Ceiling  at most 16 workers of at most 9 threads"),
        ({"mode": "BOUNDED", "max_workers": 3, "max_threads": 9}, "Ceiling  at most 3 workers x 9 = 27 threads"),
    ],
)
def test_a_rate_says_how_it_arrives_and_how_far_threads_may_grow(scaling: dict[str, Any], ceiling: str) -> None:
    load = {"mode": "QPS", "target_qps": 1000, "arrivals": "poisson", "duration_seconds": 90}
    assert lines(load, scaling, 3, 1) == [
        "Plan     QPS: 1,000/s, poisson arrivals, 4 threads to begin with",
        "Workers  1 worker x 3 threads + 1 worker x 1 thread",
        ceiling,
        "Time     90.0 s measured",
    ]


def test_a_rate_with_stages_draws_its_rate() -> None:
    load = {"mode": "QPS", "target_qps": 50, "duration_seconds": 40, "stages": [{"at": 20, "target_qps": 100}]}
    assert lines(load, {"mode": "FIXED", "min_workers": 1, "min_threads": 4}, 4)[-2:] == [
        "Stages       20.0 s into the measurement to 100/s at once",
        "         ++++++++++++++++++++####################  50.0/s to 100/s",
    ]


def test_a_search_says_its_steps_and_its_end() -> None:
    load = {"mode": "FIND_MAX_CONCURRENCY", "max_threads": 200, "step_duration_seconds": 10}
    assert lines(load, {"mode": "BOUNDED", "max_workers": 2}, 5) == [
        "Plan     FIND_MAX_CONCURRENCY: from 5 threads, 10 more every 10.0 s, up to 200",
        "Workers  1 worker x 5 threads",
        "Ceiling  at most 2 workers",
        "Time     at most 6 min 50 s for the search",
    ]


def test_very_many_stages_are_cut_short() -> None:
    stages = [{"at": place, "threads": place} for place in range(1, 21)]
    shown = lines({"threads": 1, "duration_seconds": 60, "stages": stages}, {"mode": "AUTO"}, 1)
    assert shown[-2].strip() == "... and 8 more"
