"""Each load mode and scaling mode has a model of its own, picked by its word."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from tests.unit.scenario.samples import VALID, changed

from upperbound.domain.allocation import Bounds
from upperbound.scenario.kinds import Arrivals
from upperbound.scenario.loads import ConcurrencyLoad, FindMaxLoad, Load, QpsLoad, Stage
from upperbound.scenario.model import Scenario
from upperbound.scenario.scaling import AutoScaling, BoundedScaling, FixedScaling, Scaling

_LOAD: TypeAdapter[Any] = TypeAdapter(Load)
_SCALING: TypeAdapter[Any] = TypeAdapter(Scaling)


def load_of(**keys: Any) -> Any:
    """Return the load that the keys describe."""
    return _LOAD.validate_python(keys)


def test_a_load_without_a_mode_keeps_threads_busy() -> None:
    assert load_of(threads=4, duration_seconds=2) == ConcurrencyLoad(threads=4, duration_seconds=2)


def test_a_rate_has_arrivals_at_even_distances_and_no_threads_of_its_own_unless_told() -> None:
    load = load_of(mode="QPS", target_qps=1000, duration_seconds=30)
    assert isinstance(load, QpsLoad)
    assert (load.arrivals, load.threads, load.expected_latency_ms, load.think_time_ms) == ("constant", None, None, 0)
    assert load_of(mode="QPS", target_qps=0.5, arrivals="poisson", duration_seconds=1).arrivals is Arrivals.POISSON


def test_a_search_needs_nothing_but_its_mode() -> None:
    load = load_of(mode="FIND_MAX_CONCURRENCY")
    assert isinstance(load, FindMaxLoad)
    assert (load.start_threads, load.increment, load.step_duration_seconds) == (5, 10, 30)
    assert (load.qps_stability_pct, load.latency_stability_pct, load.max_error_rate_pct) == (5, 20, 1)
    assert (load.max_threads, load.duration_seconds) == (None, 120 * 30)


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({"max_threads": 100}, 31 * 30),  # 5, 15, … 95 and 100 are eleven steps, and twenty close in
        ({"max_threads": 100, "duration_seconds": None}, 31 * 30),
        ({"max_threads": 5, "step_duration_seconds": 2}, 21 * 2),
        ({"max_threads": -1, "step_duration_seconds": 1}, 120),
        ({"duration_seconds": 60}, 60),
    ],
)
def test_a_search_ends_when_its_steps_have_had_their_time(keys: dict[str, Any], seconds: float) -> None:
    assert load_of(mode="FIND_MAX_CONCURRENCY", **keys).duration_seconds == seconds


@pytest.mark.parametrize("limit", [{}, {"max_threads": None}, {"max_threads": -1}, {"max_connections": -1}])
@pytest.mark.parametrize("mode", ["BOUNDED", "AUTO"])
def test_null_minus_one_and_nothing_mean_no_limit(mode: str, limit: dict[str, Any]) -> None:
    scaling = _SCALING.validate_python({"mode": mode, "max_workers": -1, **limit})
    assert (scaling.max_workers, scaling.max_threads) == (None, None)
    assert scaling.bounds == Bounds(1, None, 1, None)
    assert scaling.bounds.ceiling is None


@pytest.mark.parametrize("limit", [0, -2, -1.0, True, "4"])
def test_what_is_no_number_of_threads_is_no_limit_either(limit: Any) -> None:
    with pytest.raises(ValidationError):
        _SCALING.validate_python({"mode": "BOUNDED", "max_threads": limit})


def test_bounds_are_what_was_written_down_and_fixed_numbers_leave_no_room() -> None:
    bounded = BoundedScaling(min_workers=2, max_workers=4, min_threads=3, max_threads=50)
    assert bounded.bounds == Bounds(2, 4, 3, 50)
    assert (bounded.bounds.floor, bounded.bounds.ceiling) == (6, 200)
    assert FixedScaling(min_workers=2, min_threads=4).bounds == Bounds(2, 2, 4, 4)
    assert AutoScaling().bounds == Bounds()
    assert AutoScaling(per_worker_cap=7).bounds == Bounds(max_threads=7)
    assert BoundedScaling(max_threads=9, per_worker_cap=7).bounds.max_threads == 7


def test_connections_are_understood_wherever_threads_are() -> None:
    stage = load_of(duration_seconds=9, connections=2, stages=[{"at": 3, "connections": 5}]).stages[0]
    assert stage == Stage(at=3, threads=5, ramp_seconds=0)
    search = load_of(mode="FIND_MAX_CONCURRENCY", start_connections=3, max_connections=9)
    assert (search.start_threads, search.max_threads) == (3, 9)
    bounded = _SCALING.validate_python({"mode": "BOUNDED", "min_connections": 2, "max_connections": 3})
    assert bounded.bounds == Bounds(1, None, 2, 3)


@pytest.mark.parametrize(
    "load",
    [
        {"mode": "QPS", "target_qps": 100, "duration_seconds": 9, "stages": [{"at": 1, "target_qps": 5}]},
        {"mode": "FIND_MAX_CONCURRENCY", "max_threads": 50},
        {"mode": "CONCURRENCY", "threads": 2, "duration_seconds": 9, "stages": [{"at": 1, "threads": 5}]},
    ],
    ids=lambda load: load["mode"],
)
def test_every_mode_survives_json(load: dict[str, Any]) -> None:
    scenario = Scenario.model_validate(
        {**changed({"slo": None}), "load": load, "scaling": {"mode": "BOUNDED", "max_workers": 9}}
    )
    assert Scenario.model_validate(json.loads(json.dumps(scenario.model_dump(mode="json")))) == scenario
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


@pytest.mark.parametrize(
    ("load", "threads"),
    [
        ({"target_qps": 5000}, 4),
        ({"target_qps": 5000, "expected_latency_ms": 40}, 302),
        ({"target_qps": 10, "expected_latency_ms": 1}, 3),
        ({"target_qps": 5000, "expected_latency_ms": 40, "threads": 7}, 7),
    ],
)
def test_a_rate_begins_with_the_threads_of_littles_law_and_some_to_spare(load: dict[str, Any], threads: int) -> None:
    scenario = Scenario.model_validate({**VALID, "slo": None, "load": {"mode": "QPS", "duration_seconds": 9, **load}})
    assert scenario.threads == threads


def test_a_search_begins_with_its_first_step() -> None:
    assert Scenario.model_validate({**VALID, "load": {"mode": "FIND_MAX_CONCURRENCY"}}).threads == 5
