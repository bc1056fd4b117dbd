"""A load that cannot come about is refused before there is a run, with what to change, in these very words."""

from typing import Any

import pytest
from tests.unit.scenario.samples import VALID, changed, problems_of

from upperbound.scenario.checks import find_problems
from upperbound.scenario.model import Scenario


def concurrency(**keys: Any) -> dict[str, Any]:
    """Return a load of sixteen threads for a minute, with changes."""
    return {"mode": "CONCURRENCY", "threads": 16, "duration_seconds": 60, **keys}


def rate(**keys: Any) -> dict[str, Any]:
    """Return a load of 5,000/s for a minute, with changes."""
    return {"mode": "QPS", "target_qps": 5000, "duration_seconds": 60, **keys}


def search(**keys: Any) -> dict[str, Any]:
    """Return a search, with settings."""
    return {"mode": "FIND_MAX_CONCURRENCY", **keys}


def bounded(min_workers: int = 1, max_workers: int = 2, min_threads: int = 1, max_threads: int = 10) -> dict[str, Any]:
    """Return bounds: at most two workers of ten threads unless something else is said."""
    given = {"min_workers": min_workers, "max_workers": max_workers}
    return {"mode": "BOUNDED", **given, "min_threads": min_threads, "max_threads": max_threads}


AUTO = {"mode": "AUTO"}
FIXED = {"mode": "FIXED", "min_workers": 2, "min_threads": 10}
RAMP = {"at": 10, "threads": 20, "ramp_seconds": 20}

IMPOSSIBLE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a rate beyond the bounds": (
        rate(expected_latency_ms=40),
        bounded(),
        (
            "load.target_qps: target_qps 5000 cannot be reached with at most 2 workers x 10 threads at the expected "
            "40 ms (raise max_workers to 20 or max_threads to 100, or lower target_qps to 500)"
        ),
    ),
    "a rate beyond fixed threads": (
        rate(expected_latency_ms=40),
        FIXED,
        (
            "load.target_qps: target_qps 5000 cannot be reached with the 2 workers x 10 threads at the expected 40 ms "
            "(raise min_workers to 20 or min_threads to 100, or lower target_qps to 500)"
        ),
    ),
    "a rate that only a stage brings beyond the bounds": (
        rate(target_qps=100, expected_latency_ms=5, stages=[{"at": 5, "target_qps": 50}, {"at": 9, "target_qps": 9e3}]),
        bounded(),
        (
            "load.stages.1.target_qps: target_qps 9000 cannot be reached with at most 2 workers x 10 threads at the "
            "expected 5 ms (raise max_workers to 5 or max_threads to 23, or lower target_qps to 4000)"
        ),
    ),
    "a rate beyond everything": (
        rate(target_qps=1e6, expected_latency_ms=1000),
        AUTO,
        (
            "load.target_qps: target_qps 1000000 needs 1000000 threads at the expected 1000 ms; the most is 100000 "
            "(lower target_qps, or correct expected_latency_ms)"
        ),
    ),
    "a rate that comes to nothing": (
        rate(target_qps=0.01),
        AUTO,
        "load.target_qps: 0.01/s for 60 s come to less than one operation (raise duration_seconds to 100)",
    ),
    "threads of a rate beyond the bounds": (
        rate(threads=30),
        bounded(),
        (
            "load.threads: 30 threads do not fit into at most 2 workers x 10 threads: 20 "
            "(raise max_workers to 3 or max_threads to 15, or lower threads to 20)"
        ),
    ),
    "threads beyond the bounds": (
        concurrency(threads=100),
        bounded(),
        (
            "load.threads: 100 threads do not fit into at most 2 workers x 10 threads: 20 "
            "(raise max_workers to 10 or max_threads to 50, or lower threads to 20)"
        ),
    ),
    "threads below the bounds": (
        concurrency(threads=5),
        bounded(min_workers=2, min_threads=4),
        (
            "load.threads: 5 threads cannot make up at least 2 workers of 4 threads: 8 "
            "(raise threads to 8, or lower min_workers or min_threads)"
        ),
    ),
    "fewer threads than workers": (
        concurrency(threads=1),
        bounded(min_workers=2),
        (
            "load.threads: 1 thread cannot make up at least 2 workers of 1 thread: 2 "
            "(raise threads to 2, or lower min_workers or min_threads)"
        ),
    ),
    "fewest workers above most workers": (
        concurrency(),
        bounded(min_workers=5),
        "scaling.min_workers: min_workers 5 is above max_workers 2 (lower min_workers to 2, or raise max_workers to 5)",
    ),
    "fewest threads above most threads": (
        concurrency(),
        bounded(min_threads=12),
        (
            "scaling.min_threads: min_threads 12 is above max_threads 10 "
            "(lower min_threads to 10, or raise max_threads to 12)"
        ),
    ),
    "fewest threads above the cap of a worker": (
        concurrency(),
        {"mode": "BOUNDED", "min_threads": 12, "per_worker_cap": 8},
        (
            "scaling.min_threads: min_threads 12 is above per_worker_cap 8 "
            "(lower min_threads to 8, or raise per_worker_cap to 12)"
        ),
    ),
    "bounds where there are none": (
        concurrency(),
        AUTO | {"max_workers": 3},
        "scaling.max_workers: AUTO scaling has no bounds, and this is 3 (use mode: BOUNDED)",
    ),
    "fixed numbers that disagree with the load": (
        concurrency(threads=16),
        FIXED,
        (
            "load.threads: 16 threads do not agree with scaling, which makes 2 workers of 10 threads: 20 "
            "(leave load.threads out, or make it 20)"
        ),
    ),
    "fixed numbers that disagree with a most": (
        concurrency(threads=20),
        FIXED | {"max_workers": 4},
        (
            "scaling.max_workers: max_workers 4 does not agree with FIXED scaling, which keeps to min_workers 2 "
            "(leave max_workers out, or use mode: BOUNDED)"
        ),
    ),
    "stages of fixed threads": (
        concurrency(threads=20, stages=[{"at": 5, "threads": 30}]),
        FIXED,
        "load.stages: stages change the number of threads, and FIXED scaling keeps it (set scaling.mode to BOUNDED)",
    ),
    "a stage beyond the end": (
        concurrency(stages=[{"at": 60, "threads": 20}]),
        AUTO,
        (
            "load.stages.0.at: begins 60 s into a measurement that lasts 60 s "
            "(raise duration_seconds above 60, or begin it earlier)"
        ),
    ),
    "a ramp beyond the end": (
        concurrency(stages=[RAMP | {"at": 50}]),
        AUTO,
        (
            "load.stages.0.ramp_seconds: the ramp ends 70 s into a measurement that lasts 60 s "
            "(shorten it to 10, or raise duration_seconds to 70)"
        ),
    ),
    "stages out of order": (
        concurrency(stages=[{"at": 20, "threads": 20}, {"at": 10, "threads": 5}]),
        AUTO,
        (
            "load.stages.1.at: begins at 10 s, and the stage before it at 20 s "
            "(put the stages in the order of their times)"
        ),
    ),
    "a ramp that runs into the next stage": (
        concurrency(stages=[RAMP, {"at": 25.5, "threads": 5}]),
        AUTO,
        (
            "load.stages.1.at: begins at 25.5 s, and the ramp of the stage before it lasts until 30 s "
            "(begin it at 30, or shorten that ramp to 15.5 s)"
        ),
    ),
    "a stage beyond the bounds": (
        concurrency(stages=[RAMP | {"threads": 25}]),
        bounded(),
        (
            "load.stages.0.threads: 25 threads do not fit into at most 2 workers x 10 threads: 20 "
            "(raise max_workers to 3 or max_threads to 13, or lower threads to 20)"
        ),
    ),
    "stages too far apart": (
        concurrency(threads=4, stages=[{"at": 5, "threads": 20}]),
        bounded(max_workers=5, min_threads=4, max_threads=5),
        (
            "load.stages: no number of workers carries 4 to 20 threads with at least 4 and at most 5 each "
            "(lower min_threads or raise max_threads)"
        ),
    ),
    "threads between what workers can have": (
        concurrency(threads=11),
        bounded(max_workers=5, min_threads=4, max_threads=5),
        (
            "load.threads: no number of workers carries 11 threads with at least 4 and at most 5 each "
            "(make it 12, or lower min_threads or raise max_threads)"
        ),
    ),
    "a first step between what workers can have": (
        search(start_threads=7),
        bounded(max_workers=5, min_threads=4, max_threads=5),
        (
            "load.start_threads: no number of workers carries 7 threads with at least 4 and at most 5 each "
            "(make it 8, or lower min_threads or raise max_threads)"
        ),
    ),
    "a stage of the wrong kind": (
        rate(stages=[RAMP]),
        AUTO,
        "load.stages.0.threads: a stage of QPS comes to target_qps, not to threads (give target_qps)",
    ),
    "a stage that comes to nothing": (
        concurrency(stages=[{"at": 5}]),
        AUTO,
        "load.stages.0.threads: is missing (a stage says what threads it comes to)",
    ),
    "a search that begins above its end": (
        search(start_threads=50, max_threads=20),
        AUTO,
        (
            "load.start_threads: start_threads 50 is above max_threads 20 "
            "(lower start_threads to 20, or raise max_threads above 50)"
        ),
    ),
    "a search that begins above the bounds": (
        search(start_threads=50),
        bounded(),
        (
            "load.start_threads: 50 threads do not fit into at most 2 workers x 10 threads: 20 "
            "(raise max_workers to 5 or max_threads to 25, or lower start_threads to 20)"
        ),
    ),
    "a search without time for a step": (
        search(step_duration_seconds=30, duration_seconds=20),
        AUTO,
        (
            "load.step_duration_seconds: a step of 30 s is longer than the search, which may take 20 s "
            "(leave duration_seconds out, or shorten step_duration_seconds)"
        ),
    ),
    "a search with fixed threads": (
        search(),
        FIXED,
        "scaling.mode: a search changes the number of threads, and FIXED scaling keeps it (use AUTO or BOUNDED)",
    ),
}


@pytest.mark.parametrize(("load", "scaling", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_load_is_refused_with_what_to_change(
    load: dict[str, Any], scaling: dict[str, Any], said: str
) -> None:
    assert list(map(str, find_problems(changed({"load": load, "scaling": scaling, "slo": None})))) == [said]


OBJECTIVES = {
    "more than is offered": (
        rate(target_qps=800),
        (
            "slo.min_qps: 1000/s cannot be reached by a load that offers at most 800/s "
            "(raise load.target_qps, or lower min_qps below 800)"
        ),
    ),
    "more than thinking threads send": (
        concurrency(threads=8, think_time_ms=100),
        (
            "slo.min_qps: 1000/s cannot be reached by 8 threads that think for 100 ms: at most 80/s "
            "(raise load.threads above 100, or lower think_time_ms)"
        ),
    ),
}


@pytest.mark.parametrize(("load", "said"), OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_an_objective_that_the_load_cannot_meet_is_refused(load: dict[str, Any], said: str) -> None:
    assert list(map(str, find_problems(changed({"load": load})))) == [said]
    assert not list(find_problems(changed({"load": load, "slo": {"min_qps": 50}})))


POSSIBLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a rate just within the bounds": (rate(target_qps=500, expected_latency_ms=40), bounded()),
    "a rate of which nothing is expected": (rate(), bounded()),
    "a rate without a limit to the workers": (
        rate(expected_latency_ms=40),
        {"mode": "BOUNDED", "max_workers": -1, "max_threads": 10},
    ),
    "threads at the bounds": (concurrency(threads=20), bounded(min_workers=2, min_threads=10)),
    "stages one after the other": (
        concurrency(stages=[RAMP, {"at": 30, "threads": 5}, {"at": 50, "threads": 20, "ramp_seconds": 10}]),
        bounded(),
    ),
    "a rate with stages on fixed threads": (rate(threads=20, stages=[{"at": 5, "target_qps": 6e3}]), FIXED),
    "a search within bounds": (search(start_threads=20, max_threads=500), bounded()),
    "most numbers of fixed scaling that agree": (concurrency(threads=20), FIXED | {"max_workers": 2}),
    "a small rate that a stage raises": (rate(target_qps=0.01, stages=[{"at": 1, "target_qps": 100}]), AUTO),
}


@pytest.mark.parametrize(("load", "scaling"), POSSIBLE.values(), ids=POSSIBLE.keys())
def test_what_just_fits_is_a_scenario(load: dict[str, Any], scaling: dict[str, Any]) -> None:
    scenario = Scenario.model_validate(changed({"load": load, "scaling": scaling, "slo": None}))
    assert scenario.load.mode == load["mode"]


def test_every_impossibility_is_said_at_once() -> None:
    load = concurrency(threads=100, stages=[RAMP | {"at": 50}, {"at": 10, "target_qps": 5}])
    problems = find_problems(changed({"load": load, "scaling": bounded(min_workers=3)}))
    assert [problem.where for problem in problems] == [
        "scaling.min_workers",
        "load.stages.0.ramp_seconds",
        "load.stages.1.target_qps",
        "load.stages.1.at",
        "load.threads",
    ]


KEYS_OF_OTHER_MODES = [
    (rate(think_time_ms=5), "think_time_ms", "a rate leaves no time to think"),
    (search(stages=[]), "stages", "a search decides on its steps itself"),
    (search(threads=8), "threads", "a search finds the number of threads itself"),
    (search(target_qps=8), "target_qps", "'target_qps' does not go with FIND_MAX_CONCURRENCY; it belongs to QPS"),
    (concurrency(increment=5), "increment", "does not go with CONCURRENCY; it belongs to FIND_MAX_CONCURRENCY"),
    (rate(target_qps=0), "target_qps", "must be more than 0, not 0"),
    (rate(target_qps=-5), "target_qps", "must be more than 0, not -5"),
    (rate(arrivals="random"), "arrivals", "'random' is not known"),
    (rate(duration_seconds=0), "duration_seconds", "must be more than 0, not 0"),
    (rate(warmup_seconds=-1), "warmup_seconds", "must be at least 0, not -1"),
    (search(step_duration_seconds=0), "step_duration_seconds", "must be more than 0, not 0"),
    (search(max_threads=0), "max_threads", "must be at least 1, not 0"),
    (search(increment=0), "increment", "must be at least 1, not 0"),
]


@pytest.mark.parametrize(("load", "key", "said"), KEYS_OF_OTHER_MODES, ids=lambda value: str(value)[:40])
def test_a_key_or_a_number_that_makes_no_sense_in_a_mode_is_named(load: dict[str, Any], key: str, said: str) -> None:
    assert said in problems_of({**VALID, "load": load})[f"load.{key}"].message
