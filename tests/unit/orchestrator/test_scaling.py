"""A worker is taken out of a running run by its target and an event, and never the last one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.errors import ConfigurationError
from upperbound.orchestrator.scaling import retire_worker
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        opened.runs.create(NewRun("run", "a run", {}, 2, {"worker-0": 4, "worker-1": 4}))
        opened.runs.transition("run", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        yield opened


def test_the_target_is_in_the_row_and_the_event_names_the_worker(store: Store) -> None:
    store.runs.mark_running("run", 0)
    retire_worker(store, "run", "worker-1", "ada")
    assert store.runs.get("run").worker_targets == {"worker-0": 4, "worker-1": 0}
    (event,) = store.events.after("run")
    assert (event.type, event.scope, event.data["worker_id"]) == (EventType.STOP, "WORKER", "worker-1")
    retire_worker(store, "run", "worker-1", "ada")
    assert store.runs.get("run").worker_targets == {"worker-0": 4, "worker-1": 0}


def test_the_last_worker_stays(store: Store) -> None:
    store.runs.mark_running("run", 0)
    retire_worker(store, "run", "worker-0", "ada")
    with pytest.raises(ConfigurationError, match="the last worker"):
        retire_worker(store, "run", "worker-1", "ada")


def test_a_worker_that_is_not_there_and_a_run_that_does_not_run_are_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="is STARTING"):
        retire_worker(store, "run", "worker-1", "ada")
    store.runs.mark_running("run", 0)
    with pytest.raises(ConfigurationError, match="has no worker-7"):
        retire_worker(store, "run", "worker-7", "ada")
    assert store.events.after("run") == []
