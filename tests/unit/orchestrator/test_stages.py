"""The stages of a run are told to its workers once, each at its time, by whichever controller the run has."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scenario.samples import changed

from upperbound.domain.events import EventType
from upperbound.domain.phases import PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.errors import StoreUnreachable
from upperbound.orchestrator.stages import StageControl, stage_control, told_of
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.runs import NewRun, RunRow

RUN = "run-1"
OWNER = "a controller"
STAGES = [{"at": 10, "threads": 10, "ramp_seconds": 20}, {"at": 40, "threads": 3}]


def config_of(**load: Any) -> RunConfig:
    given = {"threads": 5, "warmup_seconds": 5, "duration_seconds": 60, "stages": STAGES, **load}
    scaling = {"mode": "BOUNDED", "max_workers": 2, "max_threads": 6}
    return RunConfig(
        scenario=Scenario.model_validate(changed({"load": given, "scaling": scaling, "slo": None})),
        threads=(3, 2),
        seed=1,
        target_url="postgresql://h/db",
        table=None,
        upperbound_version="0",
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    init_store(url)
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> RunRow:
    config = config_of()
    store.runs.create(
        NewRun(
            run_id=RUN,
            name="stages",
            scenario=config.model_dump(mode="json"),
            total_workers=2,
            worker_targets={"worker-0": 3, "worker-1": 2},
            threads=5,
        )
    )
    store.runs.transition(RUN, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert store.runs.mark_running(RUN, 5.0)
    assert store.runs.acquire_lease(RUN, OWNER, 600.0)
    return store.runs.get(RUN)


def control(store: Store, config: RunConfig | None = None, owner: str = OWNER) -> StageControl:
    made = stage_control(store, RUN, owner, config or config_of(), PhasePlan(warmup_s=5, duration_s=60))
    assert made is not None
    return made


def at(store: Store, elapsed_s: float) -> RunRow:
    """Return the run's row as it is, read so many seconds after the run's start."""
    return replace(store.runs.get(RUN), elapsed_s=elapsed_s)


def told(store: Store) -> list[tuple[str, int, float]]:
    """Return worker, threads and ramp of each target that was announced."""
    return [
        (event.data["worker_id"], event.data["target_threads"], event.data["ramp_seconds"])
        for event in store.events.all(RUN)
        if event.type is EventType.SET_WORKER_TARGET
    ]


@pytest.mark.usefixtures("run")
def test_each_stage_is_told_once_at_its_time_to_every_worker(store: Store) -> None:
    stages = control(store)
    assert stages.begins_s == [15, 45]
    for second in (0, 5, 14.9):
        stages.tick(at(store, second))
    assert told(store) == []
    for second in (15.0, 16.0, 17.0):
        stages.tick(at(store, second))
    assert told(store) == [("worker-0", 5, 20.0), ("worker-1", 5, 20.0)]
    assert store.runs.get(RUN).worker_targets == {"worker-0": 5, "worker-1": 5}
    for second in (45.5, 46.5, 64.0):
        stages.tick(at(store, second))
    assert told(store)[2:] == [("worker-0", 2, 0.0), ("worker-1", 1, 0.0)]


@pytest.mark.usefixtures("run")
def test_another_controller_goes_on_where_the_first_one_ended(store: Store) -> None:
    control(store).tick(at(store, 15.0))
    before = told(store)
    successor = control(store)
    successor.tick(at(store, 30.0))
    assert told(store) == before
    successor.tick(at(store, 45.0))
    assert told(store)[len(before) :] == [("worker-0", 2, 0.0), ("worker-1", 1, 0.0)]


@pytest.mark.usefixtures("run")
def test_a_stage_that_comes_late_has_the_rest_of_its_ramp_and_one_that_is_past_is_left_out(store: Store) -> None:
    control(store).tick(at(store, 27.0))
    assert told(store) == [("worker-0", 5, 8.0), ("worker-1", 5, 8.0)]
    control(store).tick(at(store, 50.0))
    assert [threads for _, threads, _ in told(store)[2:]] == [2, 1]


@pytest.mark.usefixtures("run")
def test_a_run_that_was_not_told_of_a_stage_in_time_goes_straight_to_the_newest(store: Store) -> None:
    control(store).tick(at(store, 50.0))
    assert told(store) == [("worker-0", 2, 0.0), ("worker-1", 1, 0.0)]
    assert told_of(store.events.all(RUN)) == 2


@pytest.mark.usefixtures("run")
def test_a_stage_that_changes_nothing_is_told_of_all_the_same(store: Store) -> None:
    config = config_of(stages=[{"at": 1, "threads": 5}])
    control(store, config).tick(at(store, 7.0))
    assert [threads for _, threads, _ in told(store)] == [3, 2]
    store.runs.set_targets(RUN, {"worker-0": 6})
    control(store, config).tick(at(store, 9.0))
    assert store.runs.get(RUN).worker_targets["worker-0"] == 6, "what a user changed after the stage is left alone"


@pytest.mark.usefixtures("run")
def test_a_stage_whose_run_was_changed_meanwhile_is_told_with_the_next_tick(store: Store) -> None:
    stages, seen = control(store), at(store, 15.0)
    store.runs.set_targets(RUN, {"worker-0": 1})
    stages.tick(seen)
    assert told(store) == []
    stages.tick(at(store, 16.0))
    assert told(store) == [("worker-0", 5, 19.0), ("worker-1", 5, 19.0)]


@pytest.mark.usefixtures("run")
def test_a_stage_whose_answer_was_lost_is_not_told_again_over_what_a_user_has_set(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages, resize = control(store), store.runs.resize

    def lose_the_answer(*args: Any, **kwargs: Any) -> bool:
        resize(*args, **kwargs)
        raise StoreUnreachable("the answer was lost")

    monkeypatch.setattr(store.runs, "resize", lose_the_answer)
    with pytest.raises(StoreUnreachable):
        stages.tick(at(store, 15.0))
    monkeypatch.undo()
    before = told(store)
    store.runs.set_targets(RUN, {"worker-0": 6})
    stages.tick(at(store, 16.0))
    assert told(store) == before
    assert store.runs.get(RUN).worker_targets["worker-0"] == 6


@pytest.mark.usefixtures("run")
def test_a_stage_that_is_written_late_a_second_time_does_no_harm(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, Any]] = []
    resize = store.runs.resize

    def remember(*args: Any, **kwargs: Any) -> bool:
        calls.append((args, kwargs))
        return resize(*args, **kwargs)

    monkeypatch.setattr(store.runs, "resize", remember)
    stages = control(store, config_of(stages=[{"at": 1, "threads": 10}, {"at": 2, "threads": 5}]))
    stages.tick(at(store, 6.5))
    stages.tick(at(store, 7.5))
    assert store.runs.get(RUN).worker_targets == {"worker-0": 3, "worker-1": 2}, "as at the beginning"
    args, kwargs = calls[0]
    assert resize(*args, **kwargs) is False
    assert store.runs.get(RUN).worker_targets == {"worker-0": 3, "worker-1": 2}


@pytest.mark.usefixtures("run")
def test_a_controller_that_has_lost_the_run_tells_of_nothing(store: Store) -> None:
    control(store, owner="one that was held up").tick(at(store, 15.0))
    assert told(store) == []
    assert store.runs.get(RUN).worker_targets == {"worker-0": 3, "worker-1": 2}


@pytest.mark.usefixtures("run")
def test_a_stage_that_the_workers_left_cannot_carry_is_left_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.runs.set_targets(RUN, {"worker-1": 0})
    stages = control(store)
    stages.tick(at(store, 15.0))
    stages.tick(at(store, 16.0))
    assert told(store) == []
    assert caplog.text.count("stage 1, 10 threads, is left out") == 1


def test_loads_without_stages_have_nothing_to_tell(store: Store) -> None:
    phases = PhasePlan(warmup_s=5, duration_s=60)
    assert stage_control(store, RUN, OWNER, config_of(stages=[]), phases) is None
    rate = {"mode": "QPS", "target_qps": 10, "duration_seconds": 60, "stages": [{"at": 5, "target_qps": 20}]}
    scenario = Scenario.model_validate(changed({"load": rate, "slo": None}))
    config = config_of().model_copy(update={"scenario": scenario})
    assert stage_control(store, RUN, OWNER, config, phases) is None
