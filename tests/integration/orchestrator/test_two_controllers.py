"""Two controllers, as processes of their own, reach for one run at the same moment, again and again: one has it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.databases import new_database

from upperbound.domain.events import EventType
from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, init_store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.results import ChildResult
from upperbound.store.runs import NewRun
from upperbound.targets.embedded.server import EmbeddedServer

ROUNDS = 50
OPERATIONS = 17
PROGRAM = Path(__file__).parent / "controller_process.py"
CONFIG = RunConfig.model_validate(
    {
        "scenario": {
            "name": "contested",
            "target": {"kind": "postgres", "url": "postgresql://me@127.0.0.1:1/db", "table": "t"},
            "load": {"threads": 1, "duration_seconds": 0.001},
            "workload": {"operations": [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1 FROM {table}"}]},
        },
        "threads": [1],
        "seed": 1,
        "target_url": "postgresql://me@127.0.0.1:1/db",
        "table": "t",
        "upperbound_version": "test",
    }
)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, embedded_server: EmbeddedServer, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        on_disk = f"sqlite:///{tmp_path}/store.db"
        url = on_disk if request.param == "sqlite" else stack.enter_context(new_database(embedded_server))
        init_store(url)
        yield url


def orphan(store: Store, run_id: str) -> None:
    """Make a run that goes on without a controller, and whose only worker has ended by the plan."""
    document: dict[str, Any] = CONFIG.model_dump(mode="json")
    store.runs.create(NewRun(run_id, "contested", document, 1, {"worker-0": 1}))
    assert store.runs.transition(run_id, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
    assert store.runs.mark_running(run_id, 0)
    figures = PhaseFigures(Phase.MEASUREMENT, 1.0, {"POINT_LOOKUP": KindFigures(OPERATIONS, 0, Histogram())})
    store.results.write_child(
        ChildResult(
            test_id=f"{run_id}-worker-0",
            run_id=run_id,
            worker_id="worker-0",
            group_id=0,
            name="contested",
            status=WorkerStatus.COMPLETED,
            phase=Phase.COMPLETED,
            operations=OPERATIONS,
            figures=figures.to_json(),
        )
    )
    store.heartbeats.upsert(
        Heartbeat(run_id, "worker-0", 0, WorkerStatus.COMPLETED, Phase.COMPLETED, queries=OPERATIONS)
    )


class Controller:
    """A controller process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert self._line() == ["ready"]

    def reach_for(self, run_id: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(run_id + "\n")
        self._process.stdin.flush()

    def outcome(self) -> tuple[str, str, set[str]]:
        """Return how the run ended for it, what it said of that, and the owners that it saw as it ticked."""
        owners: set[str] = set()
        while True:
            word, *said = self._line()
            if word != "owner":
                return word, " ".join(said), owners
            owners |= set(said)

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the controller has ended"
        return line.split()


@contextmanager
def controllers(store_url: str, home: Path) -> Iterator[tuple[Controller, Controller]]:
    with ExitStack() as stack:
        started = []
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(home)],
                env=os.environ | {"STORE_URL": store_url},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            started.append(process)
        first, second = (Controller(process) for process in started)
        yield first, second


def test_of_two_controllers_that_reach_for_a_run_at_once_one_brings_it_to_its_end(
    store_url: str, tmp_path: Path
) -> None:
    with open_store(store_url) as store, controllers(store_url, tmp_path) as both:
        won = [0, 0]
        for number in range(ROUNDS):
            run_id = f"run-{number}"
            orphan(store, run_id)
            for controller in both if number % 2 else reversed(both):
                controller.reach_for(run_id)
            outcomes = [controller.outcome() for controller in both]

            assert sorted(word for word, *_ in outcomes) == ["finished", "refused"], outcomes
            owners = set[str]().union(*(seen for *_, seen in outcomes))
            assert len(owners) == 1, f"round {number} had two owners: {outcomes}"
            row = store.runs.get(run_id)
            assert (row.status, row.phase, row.lease_owner) == (RunStatus.COMPLETED, Phase.COMPLETED, None)
            assert [event.type for event in store.events.after(run_id)] == [EventType.STOP], "told once"
            assert store.results.get(run_id).operations == OPERATIONS
            won[0 if outcomes[0][0] == "finished" else 1] += 1
        assert min(won) > 0, "who won was never in doubt"
