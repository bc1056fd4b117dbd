"""A controller comes back to a store that is away more and more seldom, and keeps nobody waiting who is in a hurry."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from upperbound.clock import Clock, SystemClock
from upperbound.errors import StoreUnreachable, WorkerFailed
from upperbound.launchers.base import WorkerHandle
from upperbound.launchers.local import LocalWorker
from upperbound.orchestrator.crew import Crew
from upperbound.orchestrator.loop import AWAY_FIRST_S, AWAY_MOST_S, STORE_PATIENCE_S, RunLoop
from upperbound.scenario.run_config import RunConfig
from upperbound.testing.manual_clock import ManualClock

if TYPE_CHECKING:
    from upperbound.store.engine import Store

CONFIG = RunConfig.model_validate(
    {
        "scenario": {
            "name": "away",
            "target": {"kind": "postgres", "url": "postgresql://me@127.0.0.1:1/db", "table": "t"},
            "load": {"threads": 1, "duration_seconds": 60},
            "workload": {"operations": [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1 FROM {table}"}]},
        },
        "threads": [1],
        "seed": 1,
        "target_url": "postgresql://me@127.0.0.1:1/db",
        "table": "t",
        "upperbound_version": "test",
    }
)


class AwayStore:
    """Stands for a store that cannot be reached; remembers when that was tried."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tried_s: list[float] = []

    def __getattr__(self, _repository: str) -> "AwayStore":
        return self

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        self.tried_s.append(self._clock.monotonic_ns() / 1e9)
        raise StoreUnreachable("the store is away")


def loop_on(store: AwayStore, clock: Clock, folder: Path, handles: dict[str, WorkerHandle]) -> RunLoop:
    def launch(worker_id: str, _group_id: int) -> WorkerHandle:
        raise WorkerFailed(f"{worker_id} is not to be started")

    crew = Crew(clock, handles, launch=launch, end_sessions=lambda: 0)
    real = cast("Store", store)
    return RunLoop(real, clock, run_id="run", owner="me", config=CONFIG, run_folder=folder, crew=crew)


def test_it_is_tried_again_after_longer_and_longer_waits_until_the_patience_is_over(tmp_path: Path) -> None:
    clock = ManualClock()
    store = AwayStore(clock)
    with pytest.raises(StoreUnreachable):
        loop_on(store, clock, tmp_path, {}).drive()
    waits = [after - before for before, after in zip(store.tried_s, store.tried_s[1:], strict=False)]
    bounds = [min(AWAY_MOST_S, AWAY_FIRST_S * 2**number) for number in range(len(waits))]
    assert all(bound / 2 <= wait < bound + 0.1 for wait, bound in zip(waits, bounds, strict=True)), waits
    assert STORE_PATIENCE_S < store.tried_s[-1] - store.tried_s[0] <= STORE_PATIENCE_S + AWAY_MOST_S + 0.1


def test_whoever_forces_the_end_does_not_wait_for_the_store(tmp_path: Path) -> None:
    clock = SystemClock()
    process = subprocess.Popen(["sleep", "300"])
    loop = loop_on(AwayStore(clock), clock, tmp_path, {"worker-0": LocalWorker("worker-0", process, tmp_path / "log")})
    loop.force()
    before_ns = clock.monotonic_ns()
    with pytest.raises(StoreUnreachable):
        loop.drive()
    assert process.poll() is not None, "its processes do not outlive it"
    assert (clock.monotonic_ns() - before_ns) / 1e9 < 2.0
