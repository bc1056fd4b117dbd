"""What a run may grow to follows from its scenario; a change that meets another one is worked out anew."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from upperbound.domain.phases import Phase
from upperbound.domain.resize import Room
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.errors import ConfigurationError
from upperbound.orchestrator.scaling import Wanted, change_run, room_of
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.events import NewEvent
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.runs import NewRun


def config(scaling: dict[str, Any] | None = None, **more: Any) -> RunConfig:
    scenario = {
        "name": "Orders",
        "target": {"kind": "postgres", "url": "postgresql://me@127.0.0.1:1/db"},
        "load": {"threads": 8, "duration_seconds": 60},
        "workload": {"operations": [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1"}]},
    } | ({"scaling": scaling} if scaling else {})
    rest = {"seed": 1, "target_url": "postgresql://me@127.0.0.1:1/db", "table": None, "upperbound_version": "0"}
    return RunConfig.model_validate({"scenario": scenario, "threads": [4, 4], **rest, **more})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        document = config(worker_capacity=16).model_dump(mode="json")
        opened.runs.create(NewRun("run", "a run", document, 2, {"worker-0": 4, "worker-1": 4}))
        opened.runs.acquire_lease("run", "controller", 60.0)
        opened.runs.transition("run", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        opened.runs.mark_running("run", 0)
        yield opened


def test_room_follows_the_scenario() -> None:
    assert room_of(config(worker_capacity=16)) == Room(capacity=16)
    assert room_of(config()).capacity == 2
    assert room_of(config({"mode": "FIXED", "min_workers": 2, "min_threads": 4})).fixed
    bounded = {"mode": "BOUNDED", "min_workers": 2, "max_workers": 4, "min_threads": 3, "max_threads": 5}
    assert room_of(config(bounded, worker_capacity=4)) == Room(4, False, 2, 4, 3, 5)


def test_a_worker_that_is_lost_gets_no_threads(store: Store) -> None:
    store.heartbeats.upsert(Heartbeat("run", "worker-0", 0, WorkerStatus.FAILED, Phase.MEASUREMENT))
    assert change_run(store, "run", Wanted(threads=6), initiated_by="ada").targets == {"worker-1": 6}


def test_a_change_that_meets_another_one_is_worked_out_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    resize, others = store.runs.resize, [{"worker-1": 3}]

    def late(
        run_id: str, *, expected: Mapping[str, int], targets: Mapping[str, int], events: Sequence[NewEvent]
    ) -> bool:
        if others:
            store.runs.set_targets(run_id, others.pop())
        return resize(run_id, expected=expected, targets=targets, events=events)

    monkeypatch.setattr(store.runs, "resize", late)
    change_run(store, "run", Wanted(workers=3), initiated_by="ada")
    assert store.runs.get("run").worker_targets == {"worker-0": 3, "worker-1": 2, "worker-2": 2}
    assert len(store.events.after("run")) == 3, "only what was done is announced"


def test_a_ramp_into_the_past_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="zero seconds or more"):
        change_run(store, "run", Wanted(threads=9, ramp_s=-1), initiated_by="ada")
